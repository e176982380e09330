//! Reading and writing files that another user or program may have put in the place of the expected ones: only regular files are read, without
//! waiting for a FIFO's writer, and new files come by rename. Knows bytes and names, not what the files mean.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// What becomes of a symbolic link at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Links {
    Followed,
    Refused,
}

/// Opens a regular file for reading.
///
/// # Errors
/// What the system says, or that the file is a FIFO, a socket, a device or a directory.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().read(true), path, Links::Followed)
}

/// Opens the file of a lock, and makes the file where there is none. A symbolic link is refused.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "is a symbolic link, which is not followed: remove it",
        ));
    }
    regular(OpenOptions::new().read(true).write(true).create(true).truncate(false), path, Links::Refused)
}

/// Opens a regular file to change its times. A symbolic link is refused.
pub(crate) fn open_stamped(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().append(true), path, Links::Refused)
}

/// Reads a regular file.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open(path)?;
    let mut bytes = Vec::new();
    // A file may say that its content is larger than all memory.
    bytes.try_reserve_exact(usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX))?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a regular file of text.
pub(crate) fn read_to_string(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
}

/// Insists that a file, if it is there, is regular; a directory is not.
pub(crate) fn check(path: &Path) -> io::Result<()> {
    why_not_regular(&fs::metadata(path)?).map_or(Ok(()), Err)
}

/// Writes to a FIFO that a process reads, or to a device; nothing is created.
pub(crate) fn write_to_stream(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = without_waiting(OpenOptions::new().write(true), Links::Followed).open(path).map_err(|error| {
        // ENXIO is what a FIFO without a reader gives, and a socket.
        if error.kind() == io::ErrorKind::NotFound || cfg!(windows) || fs::metadata(path).is_err() {
            return error;
        }
        io::Error::new(error.kind(), format!("no process reads from it ({error})"))
    })?;
    #[cfg(unix)]
    rustix::io::ioctl_fionbio(&file, false)?;
    file.write_all(bytes)
}

/// Writes a file by another name and renames it, so that neither a link nor another file in its place is written through.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    write_atomic_by(path, dir, bytes).map(drop)
}

/// As [`write_atomic`] by a name in `staging`, which is on the same file system. Gives the file, which is still open.
pub(crate) fn write_atomic_by(path: &Path, staging: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = temporary(staging)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)
}

/// A new file under a name that no other process knows. Its mode is what the user's umask lets; tempfile's own are private.
pub(crate) fn temporary(dir: &Path) -> io::Result<tempfile::NamedTempFile> {
    #[cfg(unix)]
    return tempfile::Builder::new().permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)).tempfile_in(dir);
    #[cfg(not(unix))]
    tempfile::NamedTempFile::new_in(dir)
}

/// Whether a name still leads to an open file.
#[cfg(unix)]
pub(crate) fn leads_to(path: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (named, open) = (fs::symlink_metadata(path), file.metadata());
    matches!((named, open), (Ok(named), Ok(open)) if (named.dev(), named.ino()) == (open.dev(), open.ino()))
}

/// A file that is open keeps its name here.
#[cfg(not(unix))]
pub(crate) fn leads_to(path: &Path, _file: &File) -> bool {
    path.exists()
}

fn regular(options: &mut OpenOptions, path: &Path, links: Links) -> io::Result<File> {
    let failed = |error: io::Error| {
        // A socket cannot be opened at all, and the system's words for that are no help.
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

/// To open a FIFO would wait for a process at its other end.
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
