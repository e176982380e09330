//! The size of a cache, and the removal of the least recently used entries, by the timestamp of each file.

use std::fs::{self, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

use crate::files;
use crate::lock::Unlocking;
use crate::scratch;

/// The prefix of files that are not renamed to their final names yet.
pub(super) const UNFINISHED: &str = ".new-";

/// The folder of precompiled headers, each in a subfolder with its record.
pub(super) const HEADERS: &str = "headers";

/// The file whose time says when a precompiled header was used.
const STAMP: &str = "used";

/// The folder of remembered hashes of compilers' files.
pub(super) const COMPILERS: &str = "compilers";

/// The smallest allocation of most file systems.
const BLOCK: u64 = 4096;

/// The content of a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// The number of objects.
    pub entries: u64,
    /// The number of workers' precompiled headers.
    pub headers: u64,
    /// The bytes on disk, in blocks of 4096.
    pub bytes: u64,
}

/// What was removed from a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// The number of objects.
    pub entries: u64,
    /// The number of precompiled headers.
    pub headers: u64,
    /// The bytes on disk.
    pub bytes: u64,
}

struct CacheEntry {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
    kind: EntryKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum EntryKind {
    Object,
    Unfinished,
    Header,
}

/// Creates a temporary file and locks it. The lock shows, as long as the file has this name, that a process is writing it.
pub(crate) fn temporary(shard: &Path) -> io::Result<tempfile::NamedTempFile> {
    loop {
        let file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(shard)?;
        match file.as_file().try_lock() {
            // Another process found the file unlocked, and locked it to remove it.
            Err(TryLockError::WouldBlock) => {}
            Ok(()) if !files::refers_to(file.path(), file.as_file())? => {}
            // A file system without locks gives no information.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(file),
        }
    }
}

/// Returns a lock on an unfinished file if the process that wrote it is dead: the process's lock ended with it.
fn is_abandoned(path: &Path) -> Option<Unlocking> {
    let file = files::open_stamped(path).ok()?;
    file.try_lock().is_ok().then_some(Unlocking(file))
}

/// Records that a precompiled header is used. If that fails, the header is removed earlier.
pub(super) fn stamp_header(dir: &Path) {
    let _ = files::open_lock(&dir.join(STAMP)).and_then(|stamp| stamp.set_modified(SystemTime::now()));
}

pub(super) fn on_disk(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK)
}

pub(super) fn stats(dir: &Path) -> io::Result<Stats> {
    let mut stats = Stats::default();
    for_each_entry(dir, |kept| {
        match kept.kind {
            EntryKind::Object => stats.entries += 1,
            EntryKind::Header => stats.headers += 1,
            EntryKind::Unfinished => {}
        }
        stats.bytes += kept.bytes;
    })?;
    Ok(stats)
}

/// Reduces a cache above `limit` to nine tenths of it, so that the next entry does not repeat the work. Does nothing while another
/// process does the same.
pub(super) fn make_room(dir: &Path, limit: u64) -> io::Result<Removed> {
    let mut removed = Removed::default();
    let path = dir.join("lock");
    if path.is_dir() {
        scratch::remove_dir(&path)?;
    }
    let lock = match files::open_lock(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(removed),
        lock => Unlocking(lock?),
    };
    if lock.0.try_lock().is_err() {
        return Ok(removed);
    }
    let mut all = Vec::new();
    let mut total = 0;
    for_each_entry(dir, |kept| {
        if kept.kind == EntryKind::Unfinished {
            remove_unfinished(&kept.path);
            return;
        }
        total += kept.bytes;
        all.push(kept);
    })?;
    if total <= limit {
        return Ok(removed);
    }
    all.sort_unstable_by_key(|kept| kept.used);
    for CacheEntry { path, bytes, kind, .. } in all {
        if total <= limit / 10 * 9 {
            break;
        }
        if kind == EntryKind::Header {
            if !remove_header(&path) {
                continue;
            }
            removed.headers += 1;
        } else {
            scratch::remove_file(&path);
            removed.entries += 1;
        }
        total -= bytes;
        removed.bytes += bytes;
    }
    Ok(removed)
}

/// Removes a precompiled header unless a process builds or locks it. The header file is removed first: Windows refuses that while a
/// process has the file open, and then the other files must stay.
fn remove_header(dir: &Path) -> bool {
    let mut files = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let Some(record) = files.find(|path| path.extension().is_some_and(|extension| extension == "json")) else {
        return scratch::remove_dir(dir).is_ok();
    };
    let lock = files::open(&record);
    if lock.as_ref().is_ok_and(|lock| lock.try_lock().is_err() || !files::refers_to(&record, lock).unwrap_or(false)) {
        return false;
    }
    let header = record.with_extension("");
    scratch::remove_file(&header);
    if header.exists() {
        return false;
    }
    // The remaining files are useless, and are removed the next time.
    let _ = scratch::remove_dir(dir);
    true
}

/// Removes unfinished files.
pub(super) fn sweep(dir: &Path) -> io::Result<()> {
    for_each_entry(dir, |kept| {
        if kept.kind == EntryKind::Unfinished {
            remove_unfinished(&kept.path);
        }
    })
}

/// Removes an unfinished file whose process is dead.
fn remove_unfinished(path: &Path) {
    if let Some(_lock) = is_abandoned(path) {
        scratch::remove_file(path);
    }
}

/// Calls `see` for every entry and every precompiled header. Files that disappear meanwhile are skipped.
fn for_each_entry(dir: &Path, mut see: impl FnMut(CacheEntry)) -> io::Result<()> {
    let parts = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        parts => parts?,
    };
    for part in parts.flatten() {
        let name = part.file_name();
        if name != HEADERS && name != COMPILERS && name.len() != 2 {
            continue;
        }
        for entry in fs::read_dir(part.path())?.flatten() {
            let path = entry.path();
            if name == HEADERS {
                let files = || fs::read_dir(&path).into_iter().flatten().flatten();
                let bytes = files().filter_map(|file| file.metadata().ok()).map(|file| on_disk(file.len())).sum();
                see(CacheEntry {
                    used: modified(fs::metadata(path.join(STAMP))),
                    bytes,
                    path,
                    kind: EntryKind::Header,
                });
            } else if let Ok(metadata) = entry.metadata() {
                let unfinished = entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes());
                let kind = match unfinished {
                    true => EntryKind::Unfinished,
                    // Remembered hashes are small, and no entries.
                    false if name == COMPILERS => continue,
                    false => EntryKind::Object,
                };
                let bytes = on_disk(metadata.len());
                see(CacheEntry { path, bytes, used: modified(Ok(metadata)), kind });
            }
        }
    }
    Ok(())
}

fn modified(metadata: io::Result<fs::Metadata>) -> SystemTime {
    metadata.and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}
