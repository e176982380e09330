//! Files in memory without a name in any directory, as Linux has them. Knows nothing of what is written to them.

use std::fs::File;
use std::io;

use rustix::fs::{MemfdFlags, memfd_create};

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
        Holds::Text => MemfdFlags::NOEXEC_SEAL,
    };
    // Before Linux 6.3 these flags were unknown, and not needed.
    let file = memfd_create(name, MemfdFlags::CLOEXEC | runs).or_else(|_| memfd_create(name, MemfdFlags::CLOEXEC))?;
    Ok(file.into())
}
