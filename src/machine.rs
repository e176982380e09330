//! Errors of the machine, and not of a unit or a compiler: space, memory, descriptors, processes, devices. Knows the system's error numbers
//! and the texts in which compilers report them.

use std::io;

use mjit_cc_platforms::hints;

/// The exhausted resource, or the failed device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shortage {
    Room,
    FileSize,
    Descriptors,
    Memory,
    Processes,
    Device,
}

/// True if the system lacked a resource, or a device failed.
#[must_use]
pub(crate) fn is_at_fault(error: &io::Error) -> bool {
    shortage(error).is_some()
}

/// Converts the result of reading an optional file: `None` for any error except an error of the machine, after which the file may exist.
pub(crate) fn unless_at_fault<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_at_fault(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Returns what the user can do about such an error.
pub(crate) fn hint(error: &io::Error) -> Option<&'static str> {
    Some(match shortage(error)? {
        Shortage::Room => hints::DISK_FULL,
        Shortage::FileSize => hints::FILE_SIZE,
        Shortage::Descriptors => hints::DESCRIPTORS,
        Shortage::Memory => hints::MEMORY,
        Shortage::Processes => hints::PROCESSES,
        Shortage::Device => hints::DEVICE,
    })
}

/// True if a signal ended a process because a file became larger than its limit (`ulimit -f`).
pub(crate) fn is_file_size_signal(signal: i32) -> bool {
    #[cfg(unix)]
    return signal == libc::SIGXFSZ;
    #[cfg(not(unix))]
    return signal < 0;
}

fn shortage(error: &io::Error) -> Option<Shortage> {
    Some(match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Shortage::Room,
        io::ErrorKind::FileTooLarge => Shortage::FileSize,
        io::ErrorKind::OutOfMemory => Shortage::Memory,
        _ => return error.raw_os_error().and_then(by_number),
    })
}

#[cfg(unix)]
fn by_number(number: i32) -> Option<Shortage> {
    match number {
        libc::EMFILE | libc::ENFILE => Some(Shortage::Descriptors),
        libc::EIO => Some(Shortage::Device),
        libc::EAGAIN => Some(Shortage::Processes),
        _ => None,
    }
}

/// `ERROR_TOO_MANY_OPEN_FILES`, `ERROR_NO_PROC_SLOTS`, `ERROR_IO_DEVICE`, `ERROR_COMMITMENT_LIMIT`, `ERROR_NO_SYSTEM_RESOURCES`.
#[cfg(not(unix))]
fn by_number(number: i32) -> Option<Shortage> {
    match number {
        4 => Some(Shortage::Descriptors),
        89 => Some(Shortage::Processes),
        1117 => Some(Shortage::Device),
        1455 | 1450 => Some(Shortage::Memory),
        _ => None,
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_lacks_is_told_from_what_a_user_named_wrongly() {
        let is = |number| is_at_fault(&io::Error::from_raw_os_error(number));
        for number in [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EIO, libc::ENOSPC, libc::EFBIG, libc::EDQUOT] {
            assert!(is(number) && hint(&io::Error::from_raw_os_error(number)).is_some(), "{number}");
        }
        assert!(!is(libc::ENOENT) && !is(libc::EACCES) && !is(libc::EISDIR));
    }
}
