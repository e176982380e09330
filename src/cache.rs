//! A store of compiled objects that outlives output directories and processes: each object and its record are one file,
//! found by a key, in a
//! directory that any number of processes use at once. Knows files and records; `cached/unit.rs` builds the keys.
//!
//! An entry is written under a temporary name and renamed, and its hashes are checked when it is read: an incomplete entry is ignored
//! and removed. Reading takes no lock. A unit whose includes have changed has several entries under one key; the valid entry is the one
//! whose recorded includes are unchanged.
//!
//! The directory also contains the precompiled headers of workers, each with a record of its inputs, which is also its lock.
//!
//! The directory must belong to the user who runs the code, and no other user may write to it: entries are not signed, and their code is
//! run. A directory of another user is refused.

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

mod entry;
mod of_compiler;
mod room;

pub use crate::own::NotOwn;
pub use crate::settings::{CachePlace, CacheSettingError, DEFAULT_MAX_SIZE, Size};
pub(crate) use entry::Entry;
pub use of_compiler::ObjectCache;
pub(crate) use room::temporary;
pub use room::{Removed, Stats};

/// A folder below the user's directory, so that another release may use another layout.
const FORM: &str = "v1";

/// The maximum number of entries per key, one for each set of includes.
const VARIANTS: usize = 8;

/// The minimum time between two updates of a used entry's timestamp.
const STAMP_AFTER: Duration = Duration::from_secs(60);

/// Tells backup programs to skip the directory (bford.info/cachedir).
const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n# Objects that mjit-cc can make again.\n";

/// A directory of cached objects. Shared by threads; any number of processes may use the same directory.
#[derive(Debug)]
pub struct Cache {
    place: CachePlace,
    dir: PathBuf,
    /// The causes that the observer was told, each once.
    reported: Mutex<HashSet<io::ErrorKind>>,
}

impl Cache {
    /// Creates a cache for a directory, which need not exist. Touches no file.
    #[must_use]
    pub fn new(place: CachePlace) -> Self {
        let dir = place.dir.join(FORM);
        Self { place, dir, reported: Mutex::default() }
    }

    /// Returns the cache's directory and maximum size.
    #[must_use]
    pub fn place(&self) -> &CachePlace {
        &self.place
    }

    /// Returns the directory for remembered hashes of compilers' files.
    pub(crate) fn fingerprints(&self) -> PathBuf {
        self.dir.join(room::COMPILERS)
    }

    /// Returns the entry for this key whose inputs are unchanged.
    pub(crate) fn get(&self, key: &Digest, digests: &FileDigests) -> Option<Entry> {
        for variant in 0..VARIANTS {
            let path = self.path(key, variant);
            let Ok(bytes) = files::read(&path) else {
                // A directory in the entry's place would prevent writing.
                if path.is_dir() {
                    let _ = scratch::remove_dir(&path);
                }
                continue;
            };
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

    /// Writes an object. If that makes the cache too big, the least recently used entries are removed.
    pub(crate) fn put(&self, record: &Record, object: &[u8]) -> io::Result<()> {
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
            // Windows does not replace a file while another process reads it.
            Err(error) if !path.exists() => return Err(error.error),
            _ => {}
        }
        if self.should_check_size(bytes.len() as u64) {
            room::make_room(&self.dir, self.place.max_size.0)?;
        }
        Ok(())
    }

    fn make_dir(&self, shard: &Path) -> io::Result<()> {
        // The code in the directory is run, so no other user may write to it.
        own::make_private(shard)?;
        match fs::OpenOptions::new().write(true).create_new(true).open(self.place.dir.join("CACHEDIR.TAG")) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            file => file?.write_all(TAG.as_bytes()),
        }
    }

    /// Fails unless the existing directories belong to this user and no other user may write to them.
    fn check(&self) -> io::Result<()> {
        own::check(&self.place.dir)?;
        own::check(&self.dir)?;
        [room::HEADERS, room::COMPILERS].into_iter().try_for_each(|part| own::check(&self.dir.join(part)))
    }

    /// Creates missing directories, and fails unless they belong to this user.
    pub(crate) fn ensure_private(&self) -> io::Result<()> {
        // A read-only cache can still be read. An error is reported when an object is written.
        let _ = self.make_dir(&self.dir.join(room::COMPILERS));
        self.check()
    }

    fn path(&self, key: &Digest, variant: usize) -> PathBuf {
        let (shard, rest) = key.as_str().split_at(2);
        self.dir.join(shard).join(if variant == 0 { rest.to_owned() } else { format!("{rest}-{variant}") })
    }

    /// Returns the number of the entry to write: the entry with the same inputs, else the first free number, else the oldest entry.
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

    /// True if the cache's size must be checked after this entry. Random, on average once for every thirty-second of the maximum size: so
    /// no process has to know what other processes have written, and no counter needs a lock.
    fn should_check_size(&self, bytes: u64) -> bool {
        let chance = RandomState::new().build_hasher().finish() % (self.place.max_size.0 / 32).max(1);
        chance < room::on_disk(bytes)
    }

    /// Tells the observer that the cache cannot be used, once for each cause.
    pub(crate) fn report_unusable(&self, observer: &dyn Observer, error: &io::Error) {
        let first = lock(&self.reported).insert(error.kind());
        if first {
            observer.event(&Event::CacheUnusable { dir: &self.place.dir, error });
        }
    }

    /// Returns the number and size of the cache's entries. A missing directory is empty.
    ///
    /// # Errors
    /// If the directory cannot be read, belongs to another user, or is writable by others.
    pub fn stats(&self) -> io::Result<Stats> {
        self.check()?;
        room::stats(&self.dir)
    }

    /// Reduces the cache to its maximum size, and removes unfinished files of killed processes.
    ///
    /// # Errors
    /// If the directory cannot be read, belongs to another user, or is writable by others.
    pub fn gc(&self) -> io::Result<Removed> {
        self.check()?;
        room::sweep(&self.dir)?;
        room::make_room(&self.dir, self.place.max_size.0)
    }

    /// Removes all entries.
    ///
    /// # Errors
    /// If the directory cannot be read, or an entry cannot be removed.
    pub fn clear(&self) -> io::Result<Removed> {
        let Stats { entries, headers, bytes } = self.stats()?;
        scratch::remove_dir(&self.dir)?;
        Ok(Removed { entries, headers, bytes })
    }
}

/// Decodes an entry, for tests with damaged entries.
pub(crate) fn decode_entry(bytes: &[u8], key: &Digest) {
    let _ = Entry::decode(bytes.to_vec(), key).map(|entry| entry.object().len());
}

/// Records that an entry was used. If that fails, the entry is removed earlier.
fn stamp(path: &Path) {
    let used = fs::metadata(path).and_then(|metadata| metadata.modified());
    let old = used.is_ok_and(|used| used.elapsed().is_ok_and(|since| since > STAMP_AFTER));
    if old {
        let _ = files::open_stamped(path).and_then(|file| file.set_modified(SystemTime::now()));
    }
}
