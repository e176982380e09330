//! The object cache that all workers of a soak share, two of them at once: too small for what is put into it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;

use mjitcc::cache::{CachePlace, Size};

/// Room for some hundred objects, and none for a header beside them: that goes first.
const ROOM: Size = Size(1 << 19);

pub struct Shelf {
    dir: tempfile::TempDir,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    entries: BTreeSet<PathBuf>,
    evicted: u64,
}

impl Shelf {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), seen: Mutex::default() }
    }

    pub fn place(&self) -> CachePlace {
        CachePlace { dir: self.dir.path().to_owned(), max_size: ROOM }
    }

    fn entries(&self, pattern: &str) -> BTreeSet<PathBuf> {
        let pattern = self.dir.path().join("v1").join(pattern);
        glob::glob(pattern.to_str().unwrap()).unwrap().map(Result::unwrap).collect()
    }

    /// Notes what is gone since the last time.
    pub fn look(&self) {
        let now = self.entries("??/[!.]*");
        let mut seen = self.seen.lock().unwrap();
        seen.evicted += seen.entries.difference(&now).count() as u64;
        seen.entries = now;
    }

    /// How many entries went, at least, since this was asked last.
    pub fn evicted(&self) -> u64 {
        std::mem::take(&mut self.seen.lock().unwrap().evicted)
    }

    /// What must not be when nobody uses it.
    pub fn wrongs(&self) -> Vec<String> {
        let bytes = |path: &PathBuf| path.metadata().map_or(0, |found| found.len().next_multiple_of(4096));
        let kept: u64 = self.entries("??/[!.]*").iter().map(bytes).sum();
        let mut wrongs: Vec<String> =
            self.entries("??/.new-*").iter().map(|path| format!("never finished: {}", path.display())).collect();
        // Chance says when somebody looks.
        if kept > ROOM.0 * 2 {
            wrongs.push(format!("the cache has objects of {kept} bytes, and room for {}", ROOM.0));
        }
        wrongs
    }
}
