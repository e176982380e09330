//! Directories by path, for systems without directory descriptors, where each user has a private temporary directory.

#![expect(clippy::disallowed_methods, reason = "a part of the only remover of files")]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::{LOCK, PREFIX};
use crate::sync::{Mutex, lock};

/// How long the removal of a directory is retried. Windows keeps files that are open, and a process that was just ended keeps its files
/// open for a moment.
const PATIENCE: Duration = Duration::from_secs(1);

/// A directory.
#[derive(Debug)]
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(path.to_owned()))
    }

    /// Removes an entry of the directory with its content, if it exists.
    pub(crate) fn remove_all(&self, name: &OsStr) -> io::Result<()> {
        remove_dir(&self.0.join(name))
    }

    /// Removes a file of the directory, if it exists.
    pub(crate) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        remove_file(&self.0.join(name))
    }

    /// Opens a subdirectory.
    pub(crate) fn below(&self, name: &OsStr) -> io::Result<Self> {
        Ok(Self(self.0.join(name)))
    }
}

/// A scratch directory with its lock, which is held until the value is dropped.
#[derive(Debug)]
pub(super) struct LockedDir {
    path: PathBuf,
    lock: Mutex<Option<File>>,
}

impl LockedDir {
    /// Creates a directory below an absolute path.
    pub(super) fn make(base: &Path) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix(PREFIX).tempdir_in(base)?;
        // Renamed after it is locked: an unlocked file of the final name belongs to a dead process.
        let unnamed = dir.path().join("locking");
        let mut file = File::create(&unnamed)?;
        file.lock()?;
        // A full file system lets files be created but not written.
        file.write_all(&[b'\n'; 4096])?;
        fs::rename(unnamed, dir.path().join(LOCK))?;
        Ok(Self { path: dir.keep(), lock: Mutex::new(Some(file)) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes a file of the directory, if it exists.
    pub(super) fn remove_file(&self, name: &OsStr) -> io::Result<()> {
        remove_file(&self.path.join(name))
    }

    /// Removes the directory with its content. The lock file is removed last: if a file that is in use remains, the next process must
    /// recognise the directory as abandoned.
    pub(super) fn remove(&self) -> io::Result<()> {
        let began = Instant::now();
        while remove_contents(&self.path).is_err() && began.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(10));
        }
        self.remove_now()
    }

    fn remove_now(&self) -> io::Result<()> {
        let result = remove_contents(&self.path);
        // Windows does not remove a directory that contains an open file.
        drop(lock(&self.lock).take());
        result?;
        remove_dir(&self.path)
    }

    /// Keeps the directory for a user. Without a lock file it is not recognised as abandoned.
    pub(super) fn keep(&self) {
        drop(lock(&self.lock).take());
        let _ = fs::remove_file(self.path.join(LOCK));
    }
}

/// Removes the content of a scratch directory as far as possible, except the lock file.
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

/// Removes directories of dead processes: a lock ends with its process, however the process ended.
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
            let _ = LockedDir { path, lock: Mutex::new(Some(file)) }.remove_now();
        }
    }
}

/// Returns the lock of a directory whose process is dead.
fn abandoned(dir: &Path) -> Option<File> {
    // Without a lock file the directory is being created, was kept on purpose, or does not belong to this tool.
    let file = crate::files::open(&dir.join(LOCK)).ok()?;
    file.try_lock().is_ok().then_some(file)
}

/// Removes a file, if it exists.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a directory with its content, if it exists.
pub(super) fn remove_dir(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
