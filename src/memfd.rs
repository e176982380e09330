//! Unnamed files in memory on Linux. Does not know their content.

use std::fs::File;
use std::io;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

/// The purpose of such a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemfdContent {
    /// Code to load and run.
    Code,
    /// Data that is never executed.
    Text,
}

/// Creates a file; its name appears in the process's memory map.
///
/// # Errors
/// The system's error, also if it forbids executing such files (`vm.memfd_noexec`).
pub(crate) fn create(name: &str, content: MemfdContent) -> io::Result<File> {
    let runs = match content {
        MemfdContent::Code => MemfdFlags::EXEC,
        // NOEXEC_SEAL implies sealing, and older systems know ALLOW_SEALING only.
        MemfdContent::Text => MemfdFlags::NOEXEC_SEAL | MemfdFlags::ALLOW_SEALING,
    };
    let known = runs & MemfdFlags::ALLOW_SEALING;
    // Before Linux 6.3 these flags were unknown, and not needed.
    let file =
        memfd_create(name, MemfdFlags::CLOEXEC | runs).or_else(|_| memfd_create(name, MemfdFlags::CLOEXEC | known))?;
    Ok(file.into())
}

/// Fixes the size of a file: no process can write beyond it. Only written pages take memory.
///
/// # Errors
/// The system's error.
pub(crate) fn fix(file: &File, size: u64) -> io::Result<()> {
    ftruncate(file, size)?;
    Ok(fcntl_add_seals(file, SealFlags::GROW | SealFlags::SHRINK)?)
}
