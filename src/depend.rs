//! What went into something, and whether all of it is still the same: files by content, and names that were looked for in vain. A touched
//! file with the same text has not changed; one with the same time and another text has.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::files;
use crate::key::Digest;
use crate::machine;

mod lookups;
mod text;

pub(crate) use lookups::{Includer, Lookups, SearchPath};
pub(crate) use text::TextFacts;

/// Files and what they contained, and names of files that a compiler looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inputs {
    files: Vec<(PathBuf, Digest)>,
    /// Names that a file would be found under before, or instead of, one of the files.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    absent: BTreeSet<PathBuf>,
    /// Names of which only matters that there is something.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    present: BTreeSet<PathBuf>,
}

impl Inputs {
    /// Notes what `paths` contain, which a process began to read at `began`, by the clock that stamps files, and what `lookups` says of
    /// names. Nothing when that cannot be known: one of the files is not there any more, or was changed since.
    pub(crate) fn record(
        paths: impl IntoIterator<Item = PathBuf>,
        lookups: Lookups,
        began: SystemTime,
        digests: &FileDigests,
    ) -> Option<Self> {
        let mut files: Vec<PathBuf> = paths.into_iter().collect();
        files.sort_unstable();
        files.dedup();
        // JSON has no names but UTF-8's.
        let names = files.iter().chain(&lookups.absent).chain(&lookups.present);
        if names.into_iter().any(|path| path.to_str().is_none()) {
            return None;
        }
        let digest = |path: PathBuf| digests.of(&path).map(|digest| (path, digest));
        let files: Vec<(PathBuf, Digest)> = files.into_iter().map(digest).collect::<Option<_>>()?;
        // After the contents were read: what was read here is then what the process read.
        let mut unchanged = Unchanged { since: began, seen: HashSet::new() };
        let Lookups { absent, present } = lookups;
        let same = files.iter().all(|(path, _)| unchanged.is(path))
            && absent.iter().all(|path| is_absent(path))
            && present.iter().all(|path| path.exists());
        same.then_some(Self { files, absent, present })
    }

    /// The files.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().map(|(path, _)| path)
    }

    /// Whether every file is there and contains what it did, and names that led nowhere still do.
    pub(crate) fn are_unchanged(&self, digests: &FileDigests) -> bool {
        self.files.iter().all(|(path, digest)| digests.of(path).as_ref() == Some(digest))
            && self.absent.iter().all(|path| is_absent(path))
            && self.present.iter().all(|path| path.exists())
    }
}

/// True if a name leads nowhere. Where the system cannot say, it may lead somewhere.
fn is_absent(path: &Path) -> bool {
    fs::metadata(path).is_err_and(|error| !machine::is_at_fault(&error))
}

/// Tells whether files were changed, or put in another's place, since a file was stamped with a time. One that was changed in the same
/// tick of the clock may have been.
struct Unchanged {
    since: SystemTime,
    /// Directories and links on the way that were looked at.
    seen: HashSet<PathBuf>,
}

impl Unchanged {
    /// True if neither the file nor a link or directory on the way to it was exchanged.
    fn is(&mut self, path: &Path) -> bool {
        let Ok(metadata) = fs::metadata(path) else { return false };
        let stamps = [metadata.modified().ok(), replaced(&metadata)];
        !stamps.into_iter().flatten().any(|stamp| stamp >= self.since) && self.way(path, LINKS)
    }

    /// Follows the links by which a path leads to its file: each may have been turned to another file while the compiler ran.
    fn way(&mut self, path: &Path, links: usize) -> bool {
        let mut here = PathBuf::new();
        for component in path.components() {
            here.push(component);
            if !matches!(component, Component::Normal(_)) || !self.seen.insert(here.clone()) {
                continue;
            }
            let Ok(metadata) = fs::symlink_metadata(&here) else { return false };
            if metadata.is_symlink() {
                if links == 0 || replaced(&metadata).is_some_and(|stamp| stamp >= self.since) {
                    return false;
                }
                let Ok(target) = fs::read_link(&here) else { return false };
                let target = here.parent().unwrap_or(Path::new("")).join(target);
                if !self.way(&target, links - 1) {
                    return false;
                }
            } else if metadata.is_dir() && self.was_renamed(&metadata) {
                return false;
            }
        }
        true
    }

    /// Of a directory: a new entry stamps it twice with the same time, another name or place only once.
    #[cfg(target_os = "linux")]
    fn was_renamed(&self, metadata: &fs::Metadata) -> bool {
        let (modified, replaced) = (metadata.modified().ok(), replaced(metadata));
        replaced.is_some_and(|stamp| stamp >= self.since) && replaced != modified
    }

    /// Elsewhere it is not known how directories are stamped.
    #[cfg(not(target_os = "linux"))]
    fn was_renamed(&self, _metadata: &fs::Metadata) -> bool {
        false
    }
}

/// How many links lead to others before the system gives up, at most.
const LINKS: usize = 40;

/// When the file got its name or its contents: renaming keeps the time of modification.
#[cfg(unix)]
fn replaced(metadata: &fs::Metadata) -> Option<SystemTime> {
    use std::os::unix::fs::MetadataExt;
    let (seconds, nanoseconds) = (metadata.ctime(), metadata.ctime_nsec());
    Some(SystemTime::UNIX_EPOCH + Duration::new(seconds.try_into().ok()?, nanoseconds.try_into().ok()?))
}

#[cfg(not(unix))]
fn replaced(metadata: &fs::Metadata) -> Option<SystemTime> {
    metadata.created().ok()
}

/// What is known of files, each read once as long as it is the same file: a thousand units share the same headers.
#[derive(Debug, Default)]
pub(crate) struct FileDigests {
    digests: Mutex<HashMap<PathBuf, (Stamp, Digest)>>,
    texts: Mutex<HashMap<Digest, Arc<TextFacts>>>,
}

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

    /// Whether the clock has gone on since, so that another change would give another stamp.
    pub(crate) fn is_settled(&self) -> bool {
        let settled = |stamp: SystemTime| {
            let whole = stamp.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since.subsec_nanos() == 0);
            // Some file systems keep seconds alone, FAT every other one.
            let tick = if whole { Duration::from_secs(2) } else { Duration::from_millis(50) };
            stamp.elapsed().is_ok_and(|since| since > tick)
        };
        [self.modified, self.replaced].into_iter().flatten().all(settled)
    }
}

impl FileDigests {
    pub(crate) fn of(&self, path: &Path) -> Option<Digest> {
        let stamp = Stamp::of(path)?;
        let mut known = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, digest)) = known.get(path).filter(|(known, _)| *known == stamp) {
            return Some(digest.clone());
        }
        let digest = Digest::of_file(path).ok()?;
        if stamp.is_settled() {
            known.insert(path.to_owned(), (stamp, digest.clone()));
        }
        Some(digest)
    }

    /// What a file's text says.
    pub(crate) fn text(&self, path: &Path) -> Option<Arc<TextFacts>> {
        let digest = self.of(path)?;
        let texts = || self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(facts) = texts().get(&digest) {
            return Some(Arc::clone(facts));
        }
        let text = files::read(path).ok()?;
        let facts = Arc::new(TextFacts::of(&text));
        if Digest::of_bytes(&text) == digest {
            texts().insert(digest, Arc::clone(&facts));
        }
        Some(facts)
    }
}
