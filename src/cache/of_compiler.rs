//! A cache together with the fingerprint of one compiler. Does not know how the fingerprint is made.

use std::io;
use std::path::PathBuf;

use super::{Cache, room};
use crate::event::Observer;
use crate::key::{Digest, KeyBuilder};

/// A cache together with the fingerprint of the compiler that makes the objects.
#[derive(Debug)]
pub struct ObjectCache {
    cache: Cache,
    compiler: Digest,
}

impl ObjectCache {
    pub(crate) fn new(cache: Cache, compiler: Digest) -> Self {
        Self { cache, compiler }
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.cache
    }

    pub(crate) fn compiler(&self) -> &Digest {
        &self.compiler
    }

    /// Returns the directory for a PCH of this compiler with this key. The PCH is built in the directory, and shared under the lock of its
    /// record.
    pub(crate) fn pch_dir(&self, key: KeyBuilder) -> io::Result<PathBuf> {
        let key = key.field(self.compiler.as_str()).finish();
        let dir = self.cache.dir.join(room::HEADERS).join(key.as_str());
        self.cache.make_dir(&dir)?;
        room::stamp_header(&dir);
        Ok(dir)
    }

    /// Tells the observer that the cache cannot be used, once for each cause.
    pub(crate) fn report_unusable(&self, observer: &dyn Observer, error: &io::Error) {
        self.cache.report_unusable(observer, error);
    }
}
