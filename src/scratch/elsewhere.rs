//! Directories by path, where the system has no descriptors of directories, and a user's temporary directory is the user's own.

#![expect(clippy::disallowed_methods, reason = "a part of the only remover of files")]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::{LOCK, PREFIX};
use crate::sync::{Mutex, lock};

/// How long a directory is tried to be removed. Windows keeps files as long as they are open, and a process that was just ended
/// still has its own for a moment.
const PATIENCE: Duration = Duration::from_secs(1);

/// A directory.
#[derive(Debug)]
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(path.to_owned()))
    }

    /// Removes what has a name in the directory with all it holds, if it is there.
    pub(crate) fn remove_all(&self, name: &OsStr) -> io::Result<()> {
        remove_dir(&self.0.join(name))
    }

    /// Removes a file of the directory, if it is there.
    pub(crate) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        remove_file(&self.0.join(name))
    }

    /// Opens a directory below.
    pub(crate) fn below(&self, name: &OsStr) -> io::Result<Self> {
        Ok(Self(self.0.join(name)))
    }
}

/// A scratch directory with its lock, which lasts as long as this.
#[derive(Debug)]
pub(super) struct Locked {
    path: PathBuf,
    lock: Mutex<Option<File>>,
}

impl Locked {
    /// Makes one below an absolute path.
    pub(super) fn make(base: &Path) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix(PREFIX).tempdir_in(base)?;
        // Named only once it is locked: a file of this name that is not locked belongs to the dead.
        let unnamed = dir.path().join("locking");
        let mut file = File::create(&unnamed)?;
        file.lock()?;
        // A file system without any room lets files be made and not written.
        file.write_all(&[b'\n'; 4096])?;
        fs::rename(unnamed, dir.path().join(LOCK))?;
        Ok(Self { path: dir.keep(), lock: Mutex::new(Some(file)) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes a file of the directory, if it is there.
    pub(super) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        remove_file(&self.path.join(name))
    }

    /// Removes the directory with all it holds. The lock's file goes last: where something stays because it is in use, the
    /// directory must be known for one that can be swept.
    pub(super) fn remove(&self) -> io::Result<()> {
        let began = Instant::now();
        while remove_contents(&self.path).is_err() && began.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(10));
        }
        self.remove_now()
    }

    fn remove_now(&self) -> io::Result<()> {
        let result = remove_contents(&self.path);
        // Windows does not remove a directory with an open file in it.
        drop(lock(&self.lock).take());
        result?;
        remove_dir(&self.path)
    }

    /// Leaves the directory for a person. Without a lock's file it looks like nothing of this tool's.
    pub(super) fn keep(&self) {
        drop(lock(&self.lock).take());
        let _ = fs::remove_file(self.path.join(LOCK));
    }
}

/// Removes what can be removed of a scratch directory, but for its lock.
fn remove_contents(dir: &Path) -> io::Result<()> {
    let mut result = Ok(());
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let removed = match entry.file_type()? {
            _ if entry.file_name() == LOCK => Ok(()),
            kind if kind.is_dir() => remove_dir(&entry.path()),
            _ => fs::remove_file(entry.path()),
        };
        result = result.and(removed);
    }
    result
}

/// Removes our own directories that no process holds any more. A lock dies with its process, however that died.
pub(super) fn sweep(base: &Path, own: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.file_type().is_ok_and(|kind| kind.is_dir());
        if ours
            && path.file_name() != own.file_name()
            && let Some(file) = abandoned(&path)
        {
            let _ = Locked { path, lock: Mutex::new(Some(file)) }.remove_now();
        }
    }
}

/// The lock of a directory that no process holds any more.
fn abandoned(dir: &Path) -> Option<File> {
    // Without a lock file it is being made, was kept on purpose, or is not this tool's.
    let file = crate::files::open(&dir.join(LOCK)).ok()?;
    file.try_lock().is_ok().then_some(file)
}

/// Removes a file, if it is there.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a directory with all it holds, if it is there.
pub(super) fn remove_dir(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
