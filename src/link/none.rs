//! Where there is no linker in this process: the feature is off, or wild does not know the system.

use std::path::PathBuf;

use mjit_cc_platforms::LinkLine;

use super::NotLinked;

/// No linker.
#[derive(Debug, Default)]
pub(crate) struct InProcess(());

impl InProcess {
    /// Whether there is one.
    pub(crate) const IS_THERE: bool = false;

    pub(crate) fn link(
        &self,
        _words: &[&str],
        _objects: &[PathBuf],
        _threads: usize,
        _ask: impl FnOnce() -> Option<LinkLine>,
    ) -> Result<Vec<u8>, NotLinked> {
        Err(NotLinked::Unserved("this build has no linker of its own"))
    }
}

/// Reads nothing: only a linker reads libraries so.
pub(crate) fn read_library(_bytes: &[u8]) {}

/// Nothing links on this thread.
pub(crate) fn on_this_thread() {}
