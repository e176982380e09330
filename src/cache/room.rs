//! How much a cache has, and what goes when that is too much: what was not used for longest, by the time that its file is stamped with.

use std::fs::{self, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

use crate::files;
use crate::lock::Unlocking;
use crate::scratch;

/// What files are called before they are renamed into their places.
pub(super) const UNFINISHED: &str = ".new-";

/// Where precompiled headers are, each in a directory of its own with what belongs to it.
pub(super) const HEADERS: &str = "headers";

/// The file that says when a precompiled header was used.
const STAMP: &str = "used";

/// Where is noted what compilers are made of.
pub(super) const COMPILERS: &str = "compilers";

/// What most file systems give a file at least.
const BLOCK: u64 = 4096;

/// What a cache has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// How many objects.
    pub entries: u64,
    /// How many precompiled headers of workers.
    pub headers: u64,
    /// How many bytes they take on disk, in blocks of 4096.
    pub bytes: u64,
}

/// What was removed of a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// How many objects.
    pub entries: u64,
    /// How many precompiled headers.
    pub headers: u64,
    /// How many bytes they took on disk.
    pub bytes: u64,
}

struct CacheEntry {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Object,
    Unfinished,
    Header,
}

/// A file to be written and renamed, with a lock that says as long as it has this name that a process writes it.
pub(crate) fn temporary(shard: &Path) -> io::Result<tempfile::NamedTempFile> {
    loop {
        let file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(shard)?;
        match file.as_file().try_lock() {
            // Another process took it for abandoned before it was locked.
            Err(TryLockError::WouldBlock) => {}
            Ok(()) if !files::leads_to(file.path(), file.as_file()) => {}
            // Where the file system has no locks nothing can be said.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(file),
        }
    }
}

/// Whether the process that wrote an unfinished file is dead. The lock died with it.
fn is_abandoned(path: &Path) -> Option<Unlocking> {
    let file = files::open_stamped(path).ok()?;
    file.try_lock().is_ok().then_some(Unlocking(file))
}

/// Notes that a precompiled header is used. Where that cannot be, it is thrown away earlier.
pub(super) fn stamp_header(dir: &Path) {
    let _ = files::open_lock(&dir.join(STAMP)).and_then(|stamp| stamp.set_modified(SystemTime::now()));
}

pub(super) fn on_disk(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK)
}

pub(super) fn stats(dir: &Path) -> io::Result<Stats> {
    let mut stats = Stats::default();
    each(dir, |kept| {
        match kept.kind {
            Kind::Object => stats.entries += 1,
            Kind::Header => stats.headers += 1,
            Kind::Unfinished => {}
        }
        stats.bytes += kept.bytes;
    })?;
    Ok(stats)
}

/// Where there is more than `limit`, brings it to nine tenths of that, so that the next entry does not begin the same again. While
/// another process does so, this one need not.
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
    each(dir, |kept| {
        if kept.kind == Kind::Unfinished {
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
        if kind == Kind::Header {
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

/// Unless somebody builds it, or takes it, right now. The header itself goes first: where a process has it open Windows keeps it, and then
/// all that belongs to it has to stay.
fn remove_header(dir: &Path) -> bool {
    let mut files = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let Some(record) = files.find(|path| path.extension().is_some_and(|extension| extension == "json")) else {
        return scratch::remove_dir(dir).is_ok();
    };
    let lock = files::open(&record);
    if lock.as_ref().is_ok_and(|lock| lock.try_lock().is_err() || !files::leads_to(&record, lock)) {
        return false;
    }
    let header = record.with_extension("");
    scratch::remove_file(&header);
    if header.exists() {
        return false;
    }
    // What stays now is of no use to anybody, and goes the next time.
    let _ = scratch::remove_dir(dir);
    true
}

/// Removes what was never finished.
pub(super) fn sweep(dir: &Path) -> io::Result<()> {
    each(dir, |kept| {
        if kept.kind == Kind::Unfinished {
            remove_unfinished(&kept.path);
        }
    })
}

/// Removes an unfinished file whose process died.
fn remove_unfinished(path: &Path) {
    if let Some(_lock) = is_abandoned(path) {
        scratch::remove_file(path);
    }
}

/// Everything in the directory's shards, and every precompiled header. What goes meanwhile does not matter.
fn each(dir: &Path, mut see: impl FnMut(CacheEntry)) -> io::Result<()> {
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
                see(CacheEntry { used: modified(fs::metadata(path.join(STAMP))), bytes, path, kind: Kind::Header });
            } else if let Ok(metadata) = entry.metadata() {
                let unfinished = entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes());
                let kind = match unfinished {
                    true => Kind::Unfinished,
                    // A note is no object, and small.
                    false if name == COMPILERS => continue,
                    false => Kind::Object,
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
