//! Where there is no linker in this process: the feature is off, or wild does not know the system.

use super::NotLinked;

/// No linker.
#[derive(Debug, Default)]
pub(crate) struct Wild;

impl Wild {
    /// Whether there is one.
    pub(crate) const IS_THERE: bool = false;

    pub(crate) fn link(
        &self,
        _words: &[&str],
        _objects: Vec<Vec<u8>>,
        _archive: Option<Vec<u8>>,
        _threads: usize,
    ) -> Result<Vec<u8>, NotLinked> {
        Err(NotLinked::Unserved("this build has no linker of its own"))
    }
}
