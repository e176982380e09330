//! The files that went into something, and whether they are still the same by content. A touched file with the same text has
//! not changed; one with the same time and another text has.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::key::Digest;

/// Files and what they contained.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Inputs(Vec<(PathBuf, Digest)>);

impl Inputs {
    /// Notes what `paths` contain, which somebody began to read at `began`, by the clock that stamps files. Nothing when that cannot be known: one of them is
    /// not there any more, or was changed since.
    pub(crate) fn record(
        paths: impl IntoIterator<Item = PathBuf>,
        began: SystemTime,
        digests: &FileDigests,
    ) -> Option<Self> {
        let mut files: Vec<PathBuf> = paths.into_iter().collect();
        files.sort_unstable();
        files.dedup();
        if files.iter().any(|path| changed_since(path, began)) {
            return None;
        }
        files.into_iter().map(|path| digests.of(&path).map(|digest| (path, digest))).collect::<Option<_>>().map(Self)
    }

    /// Whether every file is there and contains what it did.
    pub(crate) fn are_unchanged(&self, digests: &FileDigests) -> bool {
        self.0.iter().all(|(path, digest)| digests.of(path).as_ref() == Some(digest))
    }
}

/// Whether a file was changed, or put in another's place, since a file was stamped with `began`. One that was changed in the same
/// tick of the clock may have been.
fn changed_since(path: &Path, began: SystemTime) -> bool {
    let Ok(metadata) = fs::metadata(path) else { return true };
    let stamps = [metadata.modified().ok(), replaced(&metadata)];
    stamps.into_iter().flatten().any(|stamp| stamp >= began)
}

/// When the file got its name or its contents: renaming keeps the time of modification.
#[cfg(unix)]
fn replaced(metadata: &fs::Metadata) -> Option<SystemTime> {
    use std::os::unix::fs::MetadataExt;
    use std::time::Duration;
    let (seconds, nanoseconds) = (metadata.ctime(), metadata.ctime_nsec());
    Some(SystemTime::UNIX_EPOCH + Duration::new(seconds.try_into().ok()?, nanoseconds.try_into().ok()?))
}

#[cfg(not(unix))]
fn replaced(metadata: &fs::Metadata) -> Option<SystemTime> {
    metadata.created().ok()
}

/// The digests of files, each read once as long as it is the same file: a thousand units share the same headers.
#[derive(Debug, Default)]
pub(crate) struct FileDigests(Mutex<HashMap<PathBuf, (Stamp, Digest)>>);

/// What is different once a file was changed, unless that was within a tick of the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    replaced: Option<SystemTime>,
}

impl Stamp {
    /// Of a file that is there.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self { length: metadata.len(), modified: metadata.modified().ok(), replaced: replaced(&metadata) })
    }
}

impl FileDigests {
    pub(crate) fn of(&self, path: &Path) -> Option<Digest> {
        let stamp = Stamp::of(path)?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, digest)) = known.get(path).filter(|(known, _)| *known == stamp) {
            return Some(digest.clone());
        }
        let digest = Digest::of_file(path).ok()?;
        known.insert(path.to_owned(), (stamp, digest.clone()));
        Some(digest)
    }
}
