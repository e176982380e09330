//! Reads and writes files that another user or program may have replaced: only regular files are read, without waiting for a FIFO's writer,
//! and new files are renamed into place. Knows bytes and names, not the files' meaning.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// How to treat a symbolic link at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Links {
    Followed,
    Refused,
}

/// Opens a regular file for reading.
///
/// # Errors
/// The system's error, or that the file is a FIFO, a socket, a device or a directory.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().read(true), path, Links::Followed)
}

/// Opens a lock's file, and creates the file if it does not exist. A symbolic link is refused.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "is a symbolic link, which is not followed: remove the link",
        ));
    }
    regular(OpenOptions::new().read(true).write(true).create(true).truncate(false), path, Links::Refused)
}

/// Opens a regular file to set its times. A symbolic link is refused.
pub(crate) fn open_stamped(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().append(true), path, Links::Refused)
}

pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    let mut bytes = Vec::new();
    // A sparse file may claim a size larger than all memory.
    bytes.try_reserve_exact(usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX))?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(crate) fn read_to_string(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
}

/// Fails if the file exists and is not regular; a directory is not.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    why_not_regular(&fs::metadata(path)?).map_or(Ok(()), Err)
}

/// Writes to a FIFO that a process reads, or to a device. Creates no file.
pub(crate) fn write_to_stream(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = without_waiting(OpenOptions::new().write(true), Links::Followed).open(path).map_err(|error| {
        // ENXIO: a FIFO without a reader, or a socket.
        if error.kind() == io::ErrorKind::NotFound || cfg!(windows) || fs::metadata(path).is_err() {
            return error;
        }
        io::Error::new(error.kind(), format!("no process reads from this file ({error})"))
    })?;
    #[cfg(unix)]
    rustix::io::ioctl_fionbio(&file, false)?;
    file.write_all(bytes)
}

/// Writes a temporary file and renames it, so that neither a link nor another file of the name is written to.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    write_atomic_by(path, dir, bytes).map(drop)
}

/// Does the same as [`write_atomic`] with a temporary file in `staging`, on the same file system. Returns the open file.
pub(crate) fn write_atomic_by(path: &Path, staging: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = temporary(staging)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)
}

/// Creates a file under a unique name. Its mode follows the user's umask; tempfile's default is private.
pub(crate) fn temporary(dir: &Path) -> io::Result<tempfile::NamedTempFile> {
    #[cfg(unix)]
    return tempfile::Builder::new().permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)).tempfile_in(dir);
    #[cfg(not(unix))]
    tempfile::NamedTempFile::new_in(dir)
}

/// True if a name still refers to an open file. A caller tries again otherwise, so that a system that does not answer is an error.
#[cfg(unix)]
pub(crate) fn refers_to(path: &Path, file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let open = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// An open file keeps its name on this system.
#[cfg(not(unix))]
pub(crate) fn refers_to(path: &Path, _file: &File) -> io::Result<bool> {
    path.try_exists()
}

fn regular(options: &mut OpenOptions, path: &Path, links: Links) -> io::Result<File> {
    let failed = |error: io::Error| {
        // A socket cannot be opened, and the system's error for that is misleading.
        match fs::metadata(path).ok().and_then(|found| why_not_regular(&found)) {
            Some(why) => why,
            None => error,
        }
    };
    let file = without_waiting(options, links).open(path).map_err(failed)?;
    match why_not_regular(&file.metadata()?) {
        Some(why) => Err(why),
        None => Ok(file),
    }
}

fn why_not_regular(found: &fs::Metadata) -> Option<io::Error> {
    if found.is_file() {
        return None;
    }
    if found.is_dir() {
        return Some(io::ErrorKind::IsADirectory.into());
    }
    Some(io::Error::new(io::ErrorKind::InvalidInput, format!("is {}, and not a regular file", kind(found))))
}

#[cfg(unix)]
fn kind(found: &fs::Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = found.file_type();
    match () {
        () if kind.is_fifo() => "a FIFO",
        () if kind.is_socket() => "a socket",
        () => "a device",
    }
}

#[cfg(not(unix))]
fn kind(_found: &fs::Metadata) -> &'static str {
    "a device"
}

/// Opens without blocking: opening a FIFO would wait for a process at its other end.
#[cfg(unix)]
fn without_waiting(options: &mut OpenOptions, links: Links) -> &mut OpenOptions {
    use rustix::fs::OFlags;
    let flags = match links {
        Links::Followed => OFlags::NONBLOCK,
        Links::Refused => OFlags::NONBLOCK | OFlags::NOFOLLOW,
    };
    #[allow(clippy::cast_possible_wrap, reason = "the flags of a file are a C int")]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, flags.bits() as i32)
}

#[cfg(not(unix))]
fn without_waiting(options: &mut OpenOptions, _links: Links) -> &mut OpenOptions {
    options
}
