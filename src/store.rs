//! What a build keeps in `OUT/.mjit-cc` so that the next one need not make it again: objects by key, a record for each library,
//! the PCH. Locked for one process at a time; what is to go, goes through `scratch.rs`.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::depend::{FileDigests, Inputs};
use crate::error::Error;
use crate::event::Observer;
use crate::exec::Executor;
use crate::key::{Digest, KeyBuilder};
use crate::{files, header, lock, own, scratch, sealed};

const DIR: &str = ".mjit-cc";

/// What is kept, a directory each, with nothing but files in it.
const PARTS: [&str; 3] = [OBJECTS, "libraries", "pch"];
const OBJECTS: &str = "objects";
const UNFINISHED: &str = "tmp";
const SOURCES: &str = "src";

/// What came of a job, and what must still be so for it to be taken again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// What was asked for.
    pub(crate) key: Digest,
    /// What the file contained when it was made: a damaged one is made again.
    pub(crate) file: Digest,
    /// The files that the unit included.
    pub(crate) inputs: Inputs,
    /// The names that it defines.
    pub(crate) symbols: Vec<String>,
    /// Those of them that another unit may define too.
    pub(crate) shared: Vec<String>,
    /// Of the object of a group, the symbols of each unit; none for a unit that is not in the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) units: Vec<Vec<String>>,
    /// The compiler's warnings, which are told again each time.
    pub(crate) output: String,
}

/// Where things are in an output directory. Touches no file.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    out_dir: PathBuf,
    dir: PathBuf,
    /// The name of this run's own directory.
    run: String,
}

impl Layout {
    pub(crate) fn new(out_dir: &Path) -> std::io::Result<Self> {
        let out_dir = std::path::absolute(out_dir)?;
        Ok(Self { dir: out_dir.join(DIR), out_dir, run: scratch::unique_name() })
    }

    /// Where files are made before they are renamed into their places: on the same file system.
    /// No two runs have the same directory: a compiler that survived a killed run may write there much later.
    pub(crate) fn staging(&self) -> PathBuf {
        self.unfinished().join(&self.run)
    }

    fn unfinished(&self) -> PathBuf {
        self.dir.join(UNFINISHED)
    }

    /// Where sources lie whose names are to be the same in each run.
    pub(crate) fn sources(&self) -> PathBuf {
        self.dir.join(SOURCES)
    }

    pub(crate) fn library(&self, name: &str) -> PathBuf {
        self.out_dir.join(name)
    }

    pub(crate) fn pch(&self, header: &Path, suffix: &str) -> PathBuf {
        /// Of a name's 255 bytes, what is left when everything is added that goes with a PCH.
        const LONGEST: usize = 200;
        let name = header::default_name(Path::new(header.file_name().unwrap_or_default()), suffix);
        let dir = self.dir.join("pch");
        if name.as_os_str().len() <= LONGEST {
            return dir.join(name);
        }
        let hash = KeyBuilder::new("header").field(name.as_os_str().as_encoded_bytes()).finish();
        dir.join(header::default_name(Path::new(hash.as_str()), suffix))
    }

    fn object(&self, key: &Digest, suffix: &str) -> PathBuf {
        self.dir.join(OBJECTS).join(format!("{key}.{suffix}"))
    }

    /// By hash, since the library's own name may be as long as names can be.
    fn library_record(&self, name: &str) -> PathBuf {
        let hash = KeyBuilder::new("library name").field(name).finish();
        self.dir.join("libraries").join(format!("{hash}.json"))
    }
}

/// An output directory that belongs to this process for now.
#[derive(Debug)]
pub(crate) struct Store {
    layout: Layout,
    /// What is removed of it is removed by this, wherever its name leads by then.
    dir: scratch::Dir,
    _lock: File,
}

/// What is in there is this run's alone.
impl Drop for Store {
    fn drop(&mut self) {
        // What cannot be removed goes with the next run.
        let _ = self.dir.remove_all(UNFINISHED.as_ref());
    }
}

impl Store {
    /// Makes the directory where needed, and waits until no other process works in it.
    pub(crate) fn open(layout: Layout, executor: &dyn Executor, observer: &dyn Observer) -> Result<Self, Error> {
        fs::create_dir_all(&layout.out_dir).map_err(Error::file("create", &layout.out_dir))?;
        own::make_within(&layout.out_dir, &layout.dir).map_err(|error| {
            let action = if own::NotOwn::is(&error) { "use" } else { "create" };
            Error::file(action, &layout.dir)(error)
        })?;
        let dir = scratch::Dir::open(&layout.dir).map_err(Error::file("use", &layout.dir))?;
        for part in PARTS {
            let part = layout.dir.join(part);
            fs::create_dir_all(&part).map_err(Error::file("create", &part))?;
        }
        let path = layout.dir.join("lock");
        if path.is_dir() {
            scratch::remove_dir(&path).map_err(Error::file("remove", &path))?;
        }
        let file = files::open_lock(&path).map_err(Error::file("lock", &path))?;
        lock::exclusive(&file, &path, executor, observer)?;
        for part in PARTS {
            remove_dirs_in(&layout.dir.join(part))?;
        }
        // What a killed process was making.
        let unfinished = layout.unfinished();
        match dir.remove_all(UNFINISHED.as_ref()) {
            // A library of an earlier run that is still loaded somewhere.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            result => result.map_err(Error::file("remove", &unfinished))?,
        }
        let sources = layout.sources();
        dir.remove_all(SOURCES.as_ref()).map_err(Error::file("remove", &sources))?;
        for made in [sources, layout.staging()] {
            fs::create_dir_all(&made).map_err(Error::file("create", &made))?;
        }
        Ok(Self { layout, dir, _lock: file })
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// An object made earlier under this key, if it is whole and everything it included is the same.
    pub(crate) fn object(&self, key: &Digest, suffix: &str, digests: &FileDigests) -> Option<(PathBuf, Record)> {
        let path = self.layout.object(key, suffix);
        let record = read_record(&path.with_extension("json"))?;
        is_current(&record, key, &path, digests).then_some((path, record))
    }

    /// Takes over an object that was just made. An object whose inputs are unknown serves this run alone, under the name that it has.
    pub(crate) fn keep_object(&self, staged: &Path, suffix: &str, record: &Record) -> Result<PathBuf, Error> {
        if record.key == Digest::never() {
            return Ok(staged.to_owned());
        }
        let path = self.layout.object(&record.key, suffix);
        fs::rename(staged, &path).map_err(Error::file("write", &path))?;
        self.write_record(&path.with_extension("json"), record)?;
        Ok(path)
    }

    /// The record of a library in the output directory, if the library is what this key gives.
    pub(crate) fn library(&self, name: &str, key: &Digest, digests: &FileDigests) -> Option<Record> {
        let record = read_record(&self.layout.library_record(name))?;
        is_current(&record, key, &self.layout.library(name), digests).then_some(record)
    }

    /// Puts a library that was just made in its place, whole or not at all, with what belongs to it.
    pub(crate) fn publish(
        &self,
        staged: &Path,
        companions: &[PathBuf],
        name: &str,
        record: &Record,
    ) -> Result<(), Error> {
        let path = self.layout.library(name);
        for companion in companions.iter().filter(|companion| companion.exists()) {
            let place = path.with_extension(companion.extension().unwrap_or_default());
            fs::rename(companion, &place).map_err(Error::file("write", &place))?;
        }
        scratch::replace(staged, &path, &self.layout.staging()).map_err(Error::file("write", &path))?;
        self.write_record(&self.layout.library_record(name), record)
    }

    /// Writes a file of the output directory, whole or not at all.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.write_whole(&self.layout.library(name), bytes)
    }

    /// Forgets objects that the last run had no use for.
    pub(crate) fn prune_objects(&self, used: &HashSet<PathBuf>) {
        let Ok(entries) = fs::read_dir(self.layout.dir.join(OBJECTS)) else { return };
        let Ok(objects) = self.dir.below(OBJECTS.as_ref()) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let stem = path.with_extension("");
            if !used.contains(&stem)
                && let Some(name) = path.file_name()
            {
                // What cannot be removed now goes with a later run.
                let _ = objects.remove_file(name);
            }
        }
    }

    fn write_record(&self, path: &Path, record: &Record) -> Result<(), Error> {
        let bytes = sealed::seal(record).map_err(|error| Error::file("write", path)(error.into()))?;
        self.write_whole(path, &bytes)
    }

    fn write_whole(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        files::write_atomic_by(path, &self.layout.staging(), bytes).map(drop).map_err(Error::file("write", path))
    }
}

/// Where a directory is in the place of a file, the file could not be made again.
fn remove_dirs_in(dir: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(dir).map_err(Error::file("read", dir))?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            scratch::remove_dir(&entry.path()).map_err(Error::file("remove", &entry.path()))?;
        }
    }
    Ok(())
}

fn read_record(path: &Path) -> Option<Record> {
    sealed::open(&files::read(path).ok()?)
}

fn is_current(record: &Record, key: &Digest, path: &Path, digests: &FileDigests) -> bool {
    record.key == *key
        && *key != Digest::never()
        && record.inputs.are_unchanged(digests)
        && Digest::of_file(path).is_ok_and(|digest| digest == record.file)
}
