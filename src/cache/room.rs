//! How much a cache has, and what goes when that is too much: what was not used for longest, by the time that its file is stamped with.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::scratch;

/// What files are called before they are renamed into their places.
pub(super) const UNFINISHED: &str = ".new-";

/// An unfinished file of this age is nobody's any more.
const ABANDONED: Duration = Duration::from_secs(3600);

/// What most file systems give a file at least.
const BLOCK: u64 = 4096;

/// What a cache has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// How many objects.
    pub entries: u64,
    /// How many bytes they take on disk, in blocks of 4096.
    pub bytes: u64,
}

/// What was removed of a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// How many objects.
    pub entries: u64,
    /// How many bytes they took on disk.
    pub bytes: u64,
}

struct Kept {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

pub(super) fn on_disk(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK)
}

pub(super) fn stats(dir: &Path) -> io::Result<Stats> {
    let mut stats = Stats::default();
    each_file(dir, |file| {
        if !is_unfinished(&file.path) {
            stats.entries += 1;
            stats.bytes += file.bytes;
        }
    })?;
    Ok(stats)
}

/// Where there is more than `limit`, brings it to nine tenths of that, so that the next entry does not begin the same again. While
/// another process does so, this one need not.
pub(super) fn make_room(dir: &Path, limit: u64) -> io::Result<Removed> {
    let mut removed = Removed::default();
    let lock = match File::create(dir.join("lock")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(removed),
        lock => lock?,
    };
    if lock.try_lock().is_err() {
        return Ok(removed);
    }
    let mut files = Vec::new();
    let mut total = 0;
    each_file(dir, |file| {
        total += file.bytes;
        files.push(file);
    })?;
    if total <= limit {
        return Ok(removed);
    }
    files.sort_unstable_by_key(|file| file.used);
    for file in files {
        if total <= limit / 10 * 9 {
            break;
        }
        scratch::remove_file(&file.path);
        total -= file.bytes;
        removed.entries += 1;
        removed.bytes += file.bytes;
    }
    Ok(removed)
}

/// Removes what was never finished.
pub(super) fn sweep(dir: &Path) -> io::Result<()> {
    each_file(dir, |file| {
        let age = file.used.elapsed().unwrap_or_default();
        if is_unfinished(&file.path) && age > ABANDONED {
            scratch::remove_file(&file.path);
        }
    })
}

fn is_unfinished(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes()))
}

/// Everything in the directory's shards. What goes meanwhile does not matter.
fn each_file(dir: &Path, mut see: impl FnMut(Kept)) -> io::Result<()> {
    let shards = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        shards => shards?,
    };
    for shard in shards.flatten().filter(|entry| entry.file_name().len() == 2) {
        for entry in fs::read_dir(shard.path())?.flatten() {
            if let Ok(metadata) = entry.metadata() {
                let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                see(Kept { path: entry.path(), bytes: on_disk(metadata.len()), used });
            }
        }
    }
    Ok(())
}
