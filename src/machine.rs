//! Errors of the machine, and not of a unit or a compiler: space, memory, descriptors, processes, devices. Knows the system's error numbers
//! and the texts in which compilers report them.

use std::io;

use mjit_cc_platforms::hints;

/// The exhausted resource, or the failed device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lack {
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
    lack(error).is_some()
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
    Some(match lack(error)? {
        Lack::Room => hints::DISK_FULL,
        Lack::FileSize => hints::FILE_SIZE,
        Lack::Descriptors => hints::DESCRIPTORS,
        Lack::Memory => hints::MEMORY,
        Lack::Processes => hints::PROCESSES,
        Lack::Device => hints::DEVICE,
    })
}

/// True if a signal ended a process because a file became larger than its limit (`ulimit -f`).
pub(crate) fn is_file_size_signal(signal: i32) -> bool {
    #[cfg(unix)]
    return signal == libc::SIGXFSZ;
    #[cfg(not(unix))]
    return signal < 0;
}

fn lack(error: &io::Error) -> Option<Lack> {
    Some(match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Lack::Room,
        io::ErrorKind::FileTooLarge => Lack::FileSize,
        io::ErrorKind::OutOfMemory => Lack::Memory,
        _ => return error.raw_os_error().and_then(by_number),
    })
}

#[cfg(unix)]
fn by_number(number: i32) -> Option<Lack> {
    match number {
        libc::EMFILE | libc::ENFILE => Some(Lack::Descriptors),
        libc::EIO => Some(Lack::Device),
        libc::EAGAIN => Some(Lack::Processes),
        _ => None,
    }
}

/// `ERROR_TOO_MANY_OPEN_FILES`, `ERROR_NO_PROC_SLOTS`, `ERROR_IO_DEVICE`, `ERROR_COMMITMENT_LIMIT`, `ERROR_NO_SYSTEM_RESOURCES`.
#[cfg(not(unix))]
fn by_number(number: i32) -> Option<Lack> {
    match number {
        4 => Some(Lack::Descriptors),
        89 => Some(Lack::Processes),
        1117 => Some(Lack::Device),
        1455 | 1450 => Some(Lack::Memory),
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
