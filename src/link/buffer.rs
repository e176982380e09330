//! Byte buffers for inputs and outputs of a link. Does not know their content.

use std::ops::{Deref, DerefMut};

use memmap2::{Advice, MmapMut, MmapOptions};

/// The size from which memory uses huge pages: tens of megabytes in small pages cause tens of thousands of page faults.
const LARGE: usize = 4 << 20;

/// A byte buffer of fixed size.
#[derive(Debug)]
pub(crate) struct Buffer(Storage);

#[derive(Debug)]
enum Storage {
    Small(Vec<u8>),
    Large(MmapMut),
}

impl Buffer {
    /// Creates a buffer of zeros.
    pub(crate) fn zeroed(size: usize) -> Self {
        if size >= LARGE
            && let Ok(map) = MmapOptions::new().len(size).map_anon()
        {
            // Without huge pages (`madvise(2)`, `MADV_HUGEPAGE`) small pages are used.
            let _ = map.advise(Advice::HugePage);
            return Self(Storage::Large(map));
        }
        Self(Storage::Small(vec![0; size]))
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Storage::Small(bytes))
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Storage::Small(bytes) => bytes,
            Storage::Large(map) => map,
        }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Storage::Small(bytes) => bytes,
            Storage::Large(map) => map,
        }
    }
}
