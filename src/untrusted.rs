//! Parsers of untrusted bytes, for the tests that damage bytes (`tests/mutate`, `tests/fuzz`). Not a stable part of this crate's API.

use std::path::{Path, PathBuf};

use mjit_cc_platforms::LinkLine;

use crate::depend::TextFacts;
use crate::key::Digest;
use crate::link::{self, InProcess};
use crate::store::Record;
use crate::{cache, pch, pipeline, response, sealed};

/// A parser to test.
pub type Reader = fn(&[u8]);

/// The parsers of untrusted bytes, by name. Each must return soon for any input.
pub const READERS: [(&str, Reader); 10] = [
    ("record", |bytes| drop(sealed::open::<Record>(bytes))),
    // Without the hash, which random bytes would not match.
    ("record-json", |bytes| drop(serde_json::from_slice::<Record>(bytes))),
    ("pch-record-json", |bytes| pch::read_record_of(bytes)),
    ("cache-entry", |bytes| cache::decode_entry(bytes, &Digest::of_bytes(b""))),
    ("configuration", |bytes| pipeline::read_answer(bytes, Path::new("/tmp/mjit-cc-x"))),
    ("response-file", |bytes| drop(response::split(&lossy(bytes)))),
    ("text-facts", |bytes| drop(TextFacts::of(bytes))),
    ("macro-file", |bytes| _ = pch::has_only_macros(&lossy(bytes))),
    ("embed", |bytes| _ = pipeline::embedded_length(bytes, Path::new("/"))),
    ("linker", link::read_library),
];

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The linker in this process, without a compiler's own inputs.
#[derive(Debug, Default)]
pub struct ObjectLinker(InProcess);

impl ObjectLinker {
    /// True if this build has a linker.
    pub const IS_AVAILABLE: bool = InProcess::IS_AVAILABLE;

    /// Lets the calling thread link without another thread, as a worker's thread does.
    pub fn on_this_thread() {
        crate::link::on_this_thread();
    }

    /// Links objects, and returns the size of the library in bytes.
    ///
    /// # Errors
    /// Why only the compiler's driver can link these objects.
    pub fn link(&self, words: &[&str], objects: &[PathBuf]) -> Result<usize, String> {
        let ask = || Some(LinkLine::default());
        self.0.link(words, objects, 1, ask).map(|library| library.len()).map_err(|why| why.to_string())
    }
}
