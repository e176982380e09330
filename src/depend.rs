//! The files that went into something, and whether they are still the same by content. A touched file with the same text has
//! not changed; one with the same time and another text has.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::key::Digest;

/// Files and what they contained.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Inputs(Vec<(PathBuf, Digest)>);

impl Inputs {
    /// Notes what `paths` contain now. A file that cannot be read is noted as such by being absent, and the whole can never be
    /// unchanged.
    pub(crate) fn record(paths: impl IntoIterator<Item = PathBuf>, digests: &FileDigests) -> Option<Self> {
        let mut files: Vec<PathBuf> = paths.into_iter().collect();
        files.sort_unstable();
        files.dedup();
        files.into_iter().map(|path| digests.of(&path).map(|digest| (path, digest))).collect::<Option<_>>().map(Self)
    }

    /// The same with one file more.
    pub(crate) fn and(mut self, path: &Path) -> Option<Self> {
        if self.0.iter().all(|(known, _)| known != path) {
            self.0.push((path.to_owned(), Digest::of_file(path).ok()?));
        }
        Some(self)
    }

    /// Whether every file is there and contains what it did.
    pub(crate) fn are_unchanged(&self, digests: &FileDigests) -> bool {
        self.0.iter().all(|(path, digest)| digests.of(path).as_ref() == Some(digest))
    }
}

/// The digests of files, each read once a run: a thousand units share the same headers.
#[derive(Debug, Default)]
pub(crate) struct FileDigests(Mutex<HashMap<PathBuf, Option<Digest>>>);

impl FileDigests {
    pub(crate) fn of(&self, path: &Path) -> Option<Digest> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(digest) = known.get(path) {
            return digest.clone();
        }
        let digest = Digest::of_file(path).ok();
        known.insert(path.to_owned(), digest.clone());
        digest
    }
}
