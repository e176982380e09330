//! Files in memory without a name in any directory, as Linux has them. Knows nothing of what is written to them.

use std::fs::File;
use std::io;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

/// What such a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// What is loaded and run.
    Code,
    /// What never is.
    Text,
}

/// Makes one; its name is what the process's maps say.
///
/// # Errors
/// What the system said, also where it forbids to run such files (`vm.memfd_noexec`).
pub(crate) fn create(name: &str, holds: Holds) -> io::Result<File> {
    let runs = match holds {
        Holds::Code => MemfdFlags::EXEC,
        // The first implies the second, and older systems know the second alone.
        Holds::Text => MemfdFlags::NOEXEC_SEAL | MemfdFlags::ALLOW_SEALING,
    };
    let known = runs & MemfdFlags::ALLOW_SEALING;
    // Before Linux 6.3 these flags were unknown, and not needed.
    let file =
        memfd_create(name, MemfdFlags::CLOEXEC | runs).or_else(|_| memfd_create(name, MemfdFlags::CLOEXEC | known))?;
    Ok(file.into())
}

/// Gives one a size for good: nothing can be written behind that. It takes memory only where it is written to.
///
/// # Errors
/// What the system said.
pub(crate) fn fix(file: &File, size: u64) -> io::Result<()> {
    ftruncate(file, size)?;
    Ok(fcntl_add_seals(file, SealFlags::GROW | SealFlags::SHRINK)?)
}
