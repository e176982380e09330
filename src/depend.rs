//! The inputs of a compilation, and the check that all are unchanged: files by content, and names that were looked up and did not exist. A
//! touched file with the same text is unchanged; a file with the same time and another text is changed.

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

/// Files and their digests, and names that a compiler looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inputs {
    files: Vec<(PathBuf, Digest)>,
    /// Names that did not exist, and that a compiler would use before one of the files.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    absent: BTreeSet<PathBuf>,
    /// Names whose existence matters, and not their content.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    present: BTreeSet<PathBuf>,
}

impl Inputs {
    /// Records the contents of `paths`, which a process began to read at `began` (by the clock of file times), and the names in `lookups`.
    /// `None` if the contents cannot be known: a file is gone, or was changed since.
    pub(crate) fn record(
        paths: impl IntoIterator<Item = PathBuf>,
        lookups: Lookups,
        began: SystemTime,
        digests: &FileDigests,
    ) -> Option<Self> {
        let mut files: Vec<PathBuf> = paths.into_iter().collect();
        files.sort_unstable();
        files.dedup();
        // JSON can only represent names that are UTF-8.
        let names = files.iter().chain(&lookups.absent).chain(&lookups.present);
        if names.into_iter().any(|path| path.to_str().is_none()) {
            return None;
        }
        let digest = |path: PathBuf| digests.of(&path).map(|digest| (path, digest));
        let files: Vec<(PathBuf, Digest)> = files.into_iter().map(digest).collect::<Option<_>>()?;
        // After reading the contents: an unchanged time proves that the process read the same contents.
        let mut unchanged = Unchanged { since: began, seen: HashSet::new() };
        let Lookups { absent, present } = lookups;
        let same = files.iter().all(|(path, _)| unchanged.check(path))
            && absent.iter().all(|path| is_absent(path))
            && present.iter().all(|path| path.exists());
        same.then_some(Self { files, absent, present })
    }

    pub(crate) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().map(|(path, _)| path)
    }

    /// True if every file exists with its recorded content, and the missing names are still missing.
    pub(crate) fn are_unchanged(&self, digests: &FileDigests) -> bool {
        self.files.iter().all(|(path, digest)| digests.of(path).as_ref() == Some(digest))
            && self.absent.iter().all(|path| is_absent(path))
            && self.present.iter().all(|path| path.exists())
    }
}

/// True if a name does not exist. False if the system cannot tell.
fn is_absent(path: &Path) -> bool {
    fs::metadata(path).is_err_and(|error| !machine::is_at_fault(&error))
}

/// Checks whether files were changed or replaced since a file time. A file that was changed in the same tick of the clock counts as
/// changed.
struct Unchanged {
    since: SystemTime,
    /// Directories and links that were checked.
    seen: HashSet<PathBuf>,
}

impl Unchanged {
    /// True if neither the file nor a link or directory in its path was replaced.
    fn check(&mut self, path: &Path) -> bool {
        let Ok(metadata) = fs::metadata(path) else { return false };
        let stamps = [metadata.modified().ok(), replaced(&metadata)];
        !stamps.into_iter().flatten().any(|stamp| stamp >= self.since) && self.follow_links(path, LINKS)
    }

    /// Follows the links in a path: each link may have been redirected while the compiler ran.
    fn follow_links(&mut self, path: &Path, links: usize) -> bool {
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
                if !self.follow_links(&target, links - 1) {
                    return false;
                }
            } else if metadata.is_dir() && self.was_renamed(&metadata) {
                return false;
            }
        }
        true
    }

    /// For a directory: a new entry sets both times to the same value, a rename of the directory sets only one.
    #[cfg(target_os = "linux")]
    fn was_renamed(&self, metadata: &fs::Metadata) -> bool {
        let (modified, replaced) = (metadata.modified().ok(), replaced(metadata));
        replaced.is_some_and(|stamp| stamp >= self.since) && replaced != modified
    }

    /// On other systems the times of directories are not known well enough.
    #[cfg(not(target_os = "linux"))]
    fn was_renamed(&self, _metadata: &fs::Metadata) -> bool {
        false
    }
}

/// The system's maximum number of links in a path.
const LINKS: usize = 40;

/// The time at which the file was renamed or written: renaming keeps the time of modification.
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

/// Digests of files, each computed once as long as the file is the same: many units share the same headers.
#[derive(Debug, Default)]
pub(crate) struct FileDigests {
    digests: Mutex<HashMap<PathBuf, (Stamp, Digest)>>,
    texts: Mutex<HashMap<Digest, Arc<TextFacts>>>,
}

/// Metadata that changes with the file, except within one tick of the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    replaced: Option<SystemTime>,
}

impl Stamp {
    /// Returns the stamp of an existing file.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self { length: metadata.len(), modified: metadata.modified().ok(), replaced: replaced(&metadata) })
    }

    /// True if the clock has advanced since, so that another change would have another stamp.
    pub(crate) fn is_settled(&self) -> bool {
        let settled = |stamp: SystemTime| {
            let whole = stamp.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since.subsec_nanos() == 0);
            // Some file systems store whole seconds, FAT every other second.
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

    /// Returns the facts of a file's text.
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
