//! Directories by descriptor: files are removed relative to a directory that was opened without following a link, so that another user who
//! replaces a name meanwhile cannot redirect the removal. Knows no candidates and no purposes.
//!
//! The lock file of a scratch directory is created and locked beside the directory, as `mjit-cc-NAME.lock`, and moved into the directory as
//! `lock` once the directory exists; it is moved out again before the directory is removed. So a process that is killed
//! at any moment leaves
//! an unlocked file, which shows that the rest is abandoned.

#![expect(clippy::disallowed_methods, reason = "a part of the only remover of files")]

use std::ffi::{CStr, OsStr};
use std::fs::{File, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::path::Arg;

use super::{LOCK, PREFIX};

/// The suffix of a lock file beside its directory.
const BESIDE: &str = ".lock";

/// How often another name is tried.
const TRIES: u32 = 100;

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);
const NO_LINK: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// An open directory, independent of its current name.
#[derive(Debug)]
pub(crate) struct Dir(OwnedFd);

impl Dir {
    /// Opens a directory by path, following links.
    fn follow(path: &Path) -> io::Result<Self> {
        Ok(Self(fs::open(path, DIRECTORY, Mode::empty())?))
    }

    /// Opens a directory whose last path component is no link.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(fs::open(path, DIRECTORY | NO_LINK, Mode::empty())?))
    }

    fn open_in(dir: impl AsFd, name: impl Arg) -> io::Result<Self> {
        Ok(Self(fs::openat(dir, name, DIRECTORY | NO_LINK, Mode::empty())?))
    }

    fn is_own(&self) -> bool {
        fs::fstat(&self.0).is_ok_and(|found| found.st_uid == rustix::process::geteuid().as_raw())
    }

    /// True if the directory belongs to this user and no other user has access.
    fn is_private(&self) -> bool {
        self.is_own()
            && fs::fstat(&self.0).is_ok_and(|found| Mode::from_raw_mode(found.st_mode).bits() & 0o777 == 0o700)
    }

    /// Removes the content of the directory as far as possible, except one name.
    fn remove_contents(&self, but: Option<&CStr>) -> io::Result<()> {
        let mut result = Ok(());
        for entry in fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." && Some(name) != but {
                result = result.and(self.remove_entry(name));
            }
        }
        result
    }

    /// Removes an entry of the directory, if it exists; a link is removed itself.
    fn remove_entry(&self, name: &CStr) -> io::Result<()> {
        match fs::unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            // The errors for a directory: of Linux, and of POSIX.
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
        let below = Self::open_in(&self.0, name)?;
        let result = below.remove_contents(None);
        self.remove_empty(name, &below).or_else(|error| result.and(Err(error)))
    }

    /// Removes an empty directory that still has the name under which it was opened.
    fn remove_empty(&self, name: &CStr, dir: &Self) -> io::Result<()> {
        let (named, open) = (fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?, fs::fstat(&dir.0)?);
        if (named.st_dev, named.st_ino) == (open.st_dev, open.st_ino) {
            fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)?;
        }
        Ok(())
    }

    /// Removes an entry of the directory with its content, if it exists.
    pub(crate) fn remove_all(&self, name: &OsStr) -> io::Result<()> {
        with_c_name(name, |name| self.remove_entry(name))
    }

    /// Removes a file of the directory, if it exists.
    pub(crate) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        match fs::unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a subdirectory.
    pub(crate) fn below(&self, name: &OsStr) -> io::Result<Self> {
        with_c_name(name, |name| Self::open_in(&self.0, name))
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn with_c_name<T>(name: &OsStr, act: impl FnOnce(&CStr) -> io::Result<T>) -> io::Result<T> {
    let name = std::ffi::CString::new(name.as_bytes()).map_err(io::Error::other)?;
    act(&name)
}

/// A scratch directory with its lock, which is held until the value is dropped.
#[derive(Debug)]
pub(super) struct LockedDir {
    path: PathBuf,
    name: String,
    base: Dir,
    dir: Dir,
    /// Held until the value is dropped.
    _lock: File,
}

impl LockedDir {
    /// Creates a directory below an absolute path.
    pub(super) fn make(path: &Path) -> io::Result<Self> {
        let base = Dir::follow(path)?;
        for _ in 0..TRIES {
            let name = unused_name();
            let beside = format!("{name}{BESIDE}");
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | NO_LINK;
            let mut lock = match fs::openat(&base, &beside, flags, Mode::RUSR | Mode::WUSR) {
                Err(Errno::EXIST) => continue,
                lock => File::from(lock?),
            };
            let made = match lock.try_lock() {
                // Another process may be sweeping a lock that it saw before it was locked.
                Err(TryLockError::WouldBlock) => continue,
                Ok(()) if !is_named(&base, &beside, &lock) => continue,
                Ok(()) => Self::make_locked(&name, &base, &beside, &mut lock),
                // A file system without locks.
                Err(TryLockError::Error(error)) => Err(error),
            };
            if made.is_err() {
                let _ = fs::unlinkat(&base, &beside, AtFlags::empty());
            }
            let dir = made?;
            return Ok(Self { path: path.join(&name), name, base, dir, _lock: lock });
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn make_locked(name: &str, base: &Dir, beside: &str, lock: &mut File) -> io::Result<Dir> {
        // A full file system lets files be created but not written.
        lock.write_all(&[b'\n'; 4096])?;
        // File names in the directory can be guessed; no other user may read or create files in it.
        fs::mkdirat(base, name, Mode::RWXU)?;
        let made = Dir::open_in(base, name).and_then(|dir| {
            if !dir.is_private() {
                fs::fchmod(&dir, Mode::RWXU)?;
            }
            fs::renameat(base, beside, &dir, LOCK)?;
            Ok(dir)
        });
        if made.is_err() {
            let _ = fs::unlinkat(base, name, AtFlags::REMOVEDIR);
        }
        made
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes a file of the directory, if it exists.
    pub(super) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        self.dir.remove_file(name)
    }

    /// Removes the directory with its content. If a file remains, the lock remains too, so that the next process
    /// recognises the directory as
    /// abandoned.
    pub(super) fn remove(&self) -> io::Result<()> {
        let beside = format!("{}{BESIDE}", self.name);
        self.dir.remove_contents(Some(LOCK_NAME))?;
        let moved = fs::renameat(&self.dir, LOCK, &self.base, &beside);
        with_c_name(OsStr::new(&self.name), |name| self.base.remove_empty(name, &self.dir))?;
        if moved.is_ok() {
            fs::unlinkat(&self.base, &beside, AtFlags::empty())?;
        }
        Ok(())
    }

    /// Keeps the directory for a user. Without a lock file it is not recognised as abandoned.
    pub(super) fn keep(&self) {
        let _ = fs::unlinkat(&self.dir, LOCK, AtFlags::empty());
    }
}

const LOCK_NAME: &CStr = c"lock";

/// Returns sixteen digits that no other run uses.
fn unused_name() -> String {
    let random = RandomState::new().hash_one((std::process::id(), SystemTime::now()));
    format!("{PREFIX}{random:016x}")
}

/// Removes this user's directories of dead processes: a lock ends with its process, however the process ended.
pub(super) fn sweep(base: &Path, own: &Path) {
    let Ok(base) = Dir::follow(base) else { return };
    let Ok(entries) = fs::Dir::read_from(&base) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let text = name.to_string_lossy();
        let possible = matches!(entry.file_type(), FileType::Directory | FileType::RegularFile | FileType::Unknown);
        if possible && text.starts_with(PREFIX) && own.file_name() != Some(OsStr::from_bytes(name.to_bytes())) {
            // A failed removal is tried again another time.
            let _ = sweep_one(&base, name, &text);
        }
    }
}

fn sweep_one(base: &Dir, name: &CStr, text: &str) -> io::Result<()> {
    let digits = |rest: &str| rest.len() == 16 && rest.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(dir_name) = text.strip_suffix(BESIDE) {
        // The process died before the lock was moved into the directory, or after it was moved out again.
        if !dir_name.strip_prefix(PREFIX).is_some_and(digits) {
            return Ok(());
        }
        let Some(_lock) = abandoned(base, text) else { return Ok(()) };
        if let Ok(dir) = Dir::open_in(base, dir_name)
            && dir.is_private()
        {
            dir.remove_contents(None)?;
            with_c_name(OsStr::new(dir_name), |name| base.remove_empty(name, &dir))?;
        }
        return Ok(fs::unlinkat(base, name, AtFlags::empty())?);
    }
    let dir = Dir::open_in(base, name)?;
    if !dir.is_private() {
        return Ok(());
    }
    // Without a lock file the directory was kept on purpose, or does not belong to this tool.
    let Some(lock) = abandoned(&dir, LOCK) else { return Ok(()) };
    let base = Dir(base.0.try_clone()?);
    LockedDir { path: PathBuf::new(), name: text.to_owned(), base, dir, _lock: lock }.remove()
}

/// Returns the lock of a directory whose process is dead.
fn abandoned(dir: &Dir, name: &str) -> Option<File> {
    let lock = File::from(fs::openat(dir, name, OFlags::RDWR | NO_LINK, Mode::empty()).ok()?);
    let found = fs::fstat(&lock).ok()?;
    let own = found.st_uid == rustix::process::geteuid().as_raw();
    let regular = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    (own && regular && lock.try_lock().is_ok() && is_named(dir, name, &lock)).then_some(lock)
}

/// True if a file still has its name, now that it is locked.
fn is_named(dir: &Dir, name: &str, file: &File) -> bool {
    let (named, open) = (fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW), fs::fstat(file));
    matches!((named, open), (Ok(named), Ok(open)) if (named.st_dev, named.st_ino) == (open.st_dev, open.st_ino))
}

/// Removes a file, if it exists, from a directory that is no link.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    match in_parent(path, |dir, name| dir.remove_file(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Removes a directory of this user with its content, if it exists.
pub(super) fn remove_dir(path: &Path) -> io::Result<()> {
    let removed = in_parent(path, |parent, name| {
        if let Ok(dir) = parent.below(name)
            && !dir.is_own()
        {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "belongs to another user"));
        }
        parent.remove_all(name)
    });
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn in_parent(path: &Path, act: impl FnOnce(&Dir, &OsStr) -> io::Result<()>) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    act(&Dir::follow(parent)?, name)
}
