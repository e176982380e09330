//! The stand-in for builds without a linker in this process: the feature is off, or wild does not support the system.

use std::path::PathBuf;

use mjit_cc_platforms::LinkLine;

use super::NotLinked;

/// No linker.
#[derive(Debug, Default)]
pub(crate) struct InProcess(());

impl InProcess {
    /// True if this build has a linker.
    pub(crate) const IS_AVAILABLE: bool = false;

    pub(crate) fn link(
        &self,
        _words: &[&str],
        _objects: &[PathBuf],
        _threads: usize,
        _ask: impl FnOnce() -> Option<LinkLine>,
    ) -> Result<Vec<u8>, NotLinked> {
        Err(NotLinked::Unserved("this build has no built-in linker"))
    }
}

/// Does nothing: only a linker parses libraries.
pub(crate) fn read_library(_bytes: &[u8]) {}

/// Does nothing: no link runs on this thread.
pub(crate) fn on_this_thread() {}
