//! What reads bytes that others wrote, for the tests that damage them (`tests/mutate`, `tests/fuzz`). No part of what this crate promises.

use std::path::PathBuf;

use mjit_cc_platforms::LinkLine;

use crate::link::InProcess;

/// The linker in this process, with nothing of a compiler's own behind the objects.
#[derive(Debug, Default)]
pub struct ObjectLinker(InProcess);

impl ObjectLinker {
    /// Whether this build has one.
    pub const IS_THERE: bool = InProcess::IS_THERE;

    /// Lets the calling thread link by itself, as a worker's thread does.
    pub fn on_this_thread() {
        crate::link::on_this_thread();
    }

    /// Links objects, and returns the size of the library.
    ///
    /// # Errors
    /// Why these objects are left to the compiler's driver.
    pub fn link(&self, words: &[&str], objects: &[PathBuf]) -> Result<usize, String> {
        let ask = || Some(LinkLine::default());
        self.0.link(words, objects, 1, ask).map(|library| library.len()).map_err(|why| why.to_string())
    }
}
