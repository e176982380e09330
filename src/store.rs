//! The directory `OUT/.mjit-cc`, which later builds reuse: objects by key, a record for each library, the PCH. One process at a time holds
//! the lock. Files are removed through `scratch.rs`.

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

/// The subdirectories that later builds reuse; they contain only files.
const PARTS: [&str; 3] = [OBJECTS, "libraries", "pch"];
const OBJECTS: &str = "objects";
const UNFINISHED: &str = "tmp";
const SOURCES: &str = "src";

/// The result of a job, and the conditions under which a later build reuses the result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The key of the job.
    pub(crate) key: Digest,
    /// The digest of the output file: a damaged file is not reused.
    pub(crate) file: Digest,
    /// The files that the unit included.
    pub(crate) inputs: Inputs,
    /// The symbols that the file defines.
    pub(crate) symbols: Vec<String>,
    /// The symbols that another unit may define too.
    pub(crate) shared: Vec<String>,
    /// For a group's object, the symbols of each unit; empty for a unit that is not in the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) units: Vec<Vec<String>>,
    /// The compiler's warnings, which are reported again in each build.
    pub(crate) output: String,
}

/// The paths in an output directory. Accesses no file.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    out_dir: PathBuf,
    dir: PathBuf,
    /// The name of this run's staging directory.
    run: String,
}

impl Layout {
    pub(crate) fn new(out_dir: &Path) -> std::io::Result<Self> {
        let out_dir = std::path::absolute(out_dir)?;
        Ok(Self { dir: out_dir.join(DIR), out_dir, run: scratch::unique_name() })
    }

    /// Returns the directory in which files are written before they are renamed; it is on the same file system. Each run has its own
    /// directory: a compiler that survived a killed run may still write there.
    pub(crate) fn staging(&self) -> PathBuf {
        self.unfinished().join(&self.run)
    }

    fn unfinished(&self) -> PathBuf {
        self.dir.join(UNFINISHED)
    }

    /// Returns the directory of sources whose paths must be the same in each run.
    pub(crate) fn sources(&self) -> PathBuf {
        self.dir.join(SOURCES)
    }

    pub(crate) fn library(&self, name: &str) -> PathBuf {
        self.out_dir.join(name)
    }

    pub(crate) fn pch(&self, header: &Path, suffix: &str) -> PathBuf {
        /// A file name has at most 255 bytes; the rest is for the suffixes of a PCH's companions.
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

    /// The record is named by a hash, since a suffix could make the library's own name too long.
    fn library_record(&self, name: &str) -> PathBuf {
        let hash = KeyBuilder::new("library name").field(name).finish();
        self.dir.join("libraries").join(format!("{hash}.json"))
    }
}

/// An output directory that this process has locked.
#[derive(Debug)]
pub(crate) struct Store {
    layout: Layout,
    /// The open directory, by which files are removed even if its path leads elsewhere by then.
    dir: scratch::Dir,
    _lock: File,
}

impl Drop for Store {
    fn drop(&mut self) {
        // The staging directory is private to this run. The next run removes what is left.
        let _ = self.dir.remove_all(UNFINISHED.as_ref());
    }
}

impl Store {
    /// Creates the directory if needed, and waits until no other process uses the directory.
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
        // The unfinished files of a killed process.
        let unfinished = layout.unfinished();
        match dir.remove_all(UNFINISHED.as_ref()) {
            // A library of an earlier run that a process still has loaded.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            result => result.map_err(Error::file("remove", &unfinished))?,
        }
        let sources = layout.sources();
        dir.remove_all(SOURCES.as_ref()).map_err(Error::file("remove", &sources))?;
        for dir in [sources, layout.staging()] {
            fs::create_dir_all(&dir).map_err(Error::file("create", &dir))?;
        }
        Ok(Self { layout, dir, _lock: file })
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns the object of this key; `None` unless the object is complete and all included files are unchanged.
    pub(crate) fn object(&self, key: &Digest, suffix: &str, digests: &FileDigests) -> Option<(PathBuf, Record)> {
        let path = self.layout.object(key, suffix);
        let record = read_record(&path.with_extension("json"))?;
        is_current(&record, key, &path, digests).then_some((path, record))
    }

    /// Moves a new object into the store. An object with unknown inputs stays in the staging directory, for this run only.
    pub(crate) fn keep_object(&self, staged: &Path, suffix: &str, record: &Record) -> Result<PathBuf, Error> {
        if record.key == Digest::never() {
            return Ok(staged.to_owned());
        }
        let path = self.layout.object(&record.key, suffix);
        fs::rename(staged, &path).map_err(Error::file("write", &path))?;
        self.write_record(&path.with_extension("json"), record)?;
        Ok(path)
    }

    /// Returns the record of a library in the output directory; `None` unless the library is up to date for this key.
    pub(crate) fn library(&self, name: &str, key: &Digest, digests: &FileDigests) -> Option<Record> {
        let record = read_record(&self.layout.library_record(name))?;
        is_current(&record, key, &self.layout.library(name), digests).then_some(record)
    }

    /// Moves a new library and its companions to the output directory, the library atomically.
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

    /// Writes a file of the output directory atomically.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.write_atomic(&self.layout.library(name), bytes)
    }

    /// Removes the objects that this run did not use.
    pub(crate) fn prune_objects(&self, used: &HashSet<PathBuf>) {
        let Ok(entries) = fs::read_dir(self.layout.dir.join(OBJECTS)) else { return };
        let Ok(objects) = self.dir.below(OBJECTS.as_ref()) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let stem = path.with_extension("");
            if !used.contains(&stem)
                && let Some(name) = path.file_name()
            {
                // A later run removes what cannot be removed now.
                let _ = objects.remove_file(name);
            }
        }
    }

    fn write_record(&self, path: &Path, record: &Record) -> Result<(), Error> {
        let bytes = sealed::seal(record).map_err(|error| Error::file("write", path)(error.into()))?;
        self.write_atomic(path, &bytes)
    }

    fn write_atomic(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        files::write_atomic_by(path, &self.layout.staging(), bytes).map(drop).map_err(Error::file("write", path))
    }
}

/// Removes subdirectories: a directory with the name of a file would prevent the file from being written.
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
