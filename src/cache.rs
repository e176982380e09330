//! Objects that outlive every output directory and every process: kept by what went into them, each with its record in one file, in a
//! directory that any number of processes use at once. Knows files and records; what goes into a key is `cache/unit.rs`'s.
//!
//! An entry is written beside its place and renamed, and checked against its own hashes when it is read: what is not whole is no entry,
//! and goes. No lock is held for that. A unit whose includes have changed has several entries under one key, and its entry is the one
//! whose includes are as they are now.
//!
//! Beside the objects are the precompiled headers of workers, each with the record that says what it was made of, and locked by that.
//!
//! The directory must belong to the user who runs the code, and no other user may write to it: entries are not signed, and what is in them is run.
//! A directory of another user's is refused.

use std::collections::HashSet;
use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::depend::FileDigests;
use crate::event::{Event, Observer};
use crate::files;
use crate::key::Digest;
use crate::own;
use crate::scratch;
use crate::store::Record;
use crate::sync::{Mutex, lock};

mod compiler;
mod entry;
mod place;
mod room;
mod unit;

pub use crate::own::NotOwn;
pub use place::{CachePlace, CacheSettingError, Size};
pub use room::{Removed, Stats};
pub use unit::ObjectCache;
pub(crate) use unit::{Shelf, Taken};

use entry::Entry;

/// How many bytes a cache may take by default: 5 GiB, as ccache has it.
pub const DEFAULT_MAX_SIZE: u64 = 5 << 30;

/// Under the directory that users name, so that another release may keep things in another way.
const FORM: &str = "v1";

/// How many sets of includes a unit is remembered with.
const VARIANTS: usize = 8;

/// An entry that was used is stamped with the time, but not more often than this.
const STAMP_AFTER: Duration = Duration::from_secs(60);

/// For programs that make backups (bford.info/cachedir).
const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n# Objects that mjit-cc can make again.\n";

/// A directory of kept objects. Shared by threads; any number of processes may use the same directory.
#[derive(Debug)]
pub struct Cache {
    place: CachePlace,
    dir: PathBuf,
    /// What the observer was told, each once.
    told: Mutex<HashSet<io::ErrorKind>>,
}

impl Cache {
    /// A cache in a directory that need not be there. Touches nothing.
    #[must_use]
    pub fn new(place: CachePlace) -> Self {
        let dir = place.dir.join(FORM);
        Self { place, dir, told: Mutex::default() }
    }

    /// Where it is, and how big it may get.
    #[must_use]
    pub fn place(&self) -> &CachePlace {
        &self.place
    }

    /// The entry under a key whose inputs are as they are now.
    fn get(&self, key: &Digest, digests: &FileDigests) -> Option<Entry> {
        for variant in 0..VARIANTS {
            let path = self.path(key, variant);
            let Ok(bytes) = files::read(&path) else { continue };
            match Entry::decode(bytes, key) {
                Some(entry) if entry.record.inputs.are_unchanged(digests) => {
                    stamp(&path);
                    return Some(entry);
                }
                Some(_) => {}
                None => scratch::remove_file(&path),
            }
        }
        None
    }

    /// Keeps an object. Where that makes the cache too big, what was not used for longest goes.
    fn put(&self, record: &Record, object: &[u8]) -> io::Result<()> {
        let bytes = Entry::encode(record, object)?;
        let path = self.path(&record.key, self.variant(record));
        let shard = path.parent().unwrap_or(&self.dir);
        let file = match room::temporary(shard) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_dir(shard)?;
                room::temporary(shard)
            }
            file => file,
        };
        let mut file = file?;
        file.write_all(&bytes)?;
        match file.persist(&path) {
            // Where another process reads the one that is there, Windows does not let it be replaced.
            Err(error) if !path.exists() => return Err(error.error),
            _ => {}
        }
        if self.should_look(bytes.len() as u64) {
            room::make_room(&self.dir, self.place.max_size.0)?;
        }
        Ok(())
    }

    fn make_dir(&self, shard: &Path) -> io::Result<()> {
        // What is in there is run: no other user is to put anything there.
        own::make_private(shard)?;
        match fs::OpenOptions::new().write(true).create_new(true).open(self.place.dir.join("CACHEDIR.TAG")) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            file => file?.write_all(TAG.as_bytes()),
        }
    }

    /// Insists that what is there is this user's, and that no other user may write to it.
    fn check(&self) -> io::Result<()> {
        own::check(&self.place.dir)?;
        own::check(&self.dir)?;
        [room::HEADERS, room::COMPILERS].into_iter().try_for_each(|part| own::check(&self.dir.join(part)))
    }

    /// Makes the directories where they are not there, and insists that they are this user's.
    fn secure(&self) -> io::Result<()> {
        // One that cannot be written to gives what it has. What cannot be kept is told where it is to be kept.
        let _ = self.make_dir(&self.dir.join(room::COMPILERS));
        self.check()
    }

    fn path(&self, key: &Digest, variant: usize) -> PathBuf {
        let (shard, rest) = key.as_str().split_at(2);
        self.dir.join(shard).join(if variant == 0 { rest.to_owned() } else { format!("{rest}-{variant}") })
    }

    /// Which entry of its key an object becomes: one with the same inputs, else the first that is free, else the oldest.
    fn variant(&self, record: &Record) -> usize {
        let mut free = None;
        let mut oldest: Option<(SystemTime, usize)> = None;
        for variant in 0..VARIANTS {
            let path = self.path(&record.key, variant);
            let entry = files::read(&path).ok().and_then(|bytes| Entry::decode(bytes, &record.key));
            match entry {
                Some(entry) if entry.record.inputs == record.inputs => return variant,
                Some(_) => {
                    let used =
                        fs::metadata(&path).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
                    oldest = oldest.filter(|(time, _)| *time <= used).or(Some((used, variant)));
                }
                None => free = free.or(Some(variant)),
            }
        }
        free.or(oldest.map(|(_, variant)| variant)).unwrap_or_default()
    }

    /// Whether it is this entry after which the directory is looked through. By chance, on the average once every thirty-second part of
    /// what the cache may take: so no process has to know what others have put in, and nothing is counted under a lock.
    fn should_look(&self, bytes: u64) -> bool {
        let chance = RandomState::new().build_hasher().finish() % (self.place.max_size.0 / 32).max(1);
        chance < room::on_disk(bytes)
    }

    /// Tells that it cannot be used, each cause once.
    fn tell(&self, observer: &dyn Observer, error: &io::Error) {
        let first = lock(&self.told).insert(error.kind());
        if first {
            observer.event(&Event::CacheUnusable { dir: &self.place.dir, error });
        }
    }

    /// What it has. A directory that is not there has nothing.
    ///
    /// # Errors
    /// When the directory cannot be read, belongs to another user, or may be written to by others.
    pub fn stats(&self) -> io::Result<Stats> {
        self.check()?;
        room::stats(&self.dir)
    }

    /// Brings it below its size, and sweeps what processes left that were killed.
    ///
    /// # Errors
    /// When the directory cannot be read, belongs to another user, or may be written to by others.
    pub fn gc(&self) -> io::Result<Removed> {
        self.check()?;
        room::sweep(&self.dir)?;
        room::make_room(&self.dir, self.place.max_size.0)
    }

    /// Removes all it has.
    ///
    /// # Errors
    /// When the directory cannot be read, or something in it not be removed.
    pub fn clear(&self) -> io::Result<Removed> {
        let Stats { entries, headers, bytes } = self.stats()?;
        scratch::remove_dir(&self.dir)?;
        Ok(Removed { entries, headers, bytes })
    }
}

/// Notes that an entry was used. Where that cannot be, it is thrown away earlier.
fn stamp(path: &Path) {
    let used = fs::metadata(path).and_then(|metadata| metadata.modified());
    let old = used.is_ok_and(|used| used.elapsed().is_ok_and(|since| since > STAMP_AFTER));
    if old {
        let _ = files::open_stamped(path).and_then(|file| file.set_modified(SystemTime::now()));
    }
}
