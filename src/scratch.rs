//! The private temporary directory: made 0700, locked while its process lives, removed with it; what a dead process left
//! is swept by the next one. The only remover of files.

#![expect(clippy::disallowed_methods, reason = "the only remover of files")]

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::library;

const PREFIX: &str = "mjit-cc-";
const LOCK: &str = "lock";

/// No place for temporary files.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    /// None of the candidates can be written to.
    #[error(
        "no usable temporary directory: {}; set TMPDIR to a directory that can be written to",
        tried.iter().map(|(path, error)| format!("{}: {error}", path.display())).collect::<Vec<_>>().join("; ")
    )]
    Nowhere {
        /// Each candidate and what was wrong with it.
        tried: Vec<(PathBuf, io::Error)>,
    },
}

/// A private temporary directory. Dropping it removes it with all it holds, unless it is kept.
#[derive(Debug)]
pub struct Scratch {
    held: Mutex<Option<Held>>,
    path: PathBuf,
    skipped: Vec<(PathBuf, io::Error)>,
}

#[derive(Debug)]
struct Held {
    dir: tempfile::TempDir,
    /// Held open, and with it locked, until the directory is gone.
    _lock: File,
}

/// What the temporary directory must allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Files are written and read.
    Files,
    /// Libraries are loaded from it, which a file system mounted `noexec` refuses.
    Code,
}

impl Scratch {
    /// Makes a private directory in the first of `candidates` that serves `purpose`, which is found out by trying; sweeps from
    /// it what dead processes left.
    ///
    /// # Errors
    /// [`ScratchError`] when none does.
    pub fn create(candidates: &[PathBuf], purpose: Purpose) -> Result<Self, ScratchError> {
        let mut tried = Vec::new();
        for base in candidates {
            match make(base, purpose) {
                Ok((dir, lock)) => {
                    sweep(base, dir.path());
                    let path = dir.path().to_owned();
                    let held = Mutex::new(Some(Held { dir, _lock: lock }));
                    return Ok(Self { held, path, skipped: tried });
                }
                Err(error) => tried.push((base.clone(), error)),
            }
        }
        Err(ScratchError::Nowhere { tried })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The candidates that came before this one and would not do.
    #[must_use]
    pub fn skipped(&self) -> &[(PathBuf, io::Error)] {
        &self.skipped
    }

    /// Leaves the directory where it is, for a person to look into.
    pub fn keep(&self) {
        if let Some(held) = self.take() {
            let _ = held.dir.keep();
            // Unlocked it would be swept; without the file it looks like nothing of ours.
            let _ = fs::remove_file(self.path.join(LOCK));
        }
    }

    /// Removes the directory now, whoever still has a share in this.
    pub fn close(&self) {
        drop(self.take());
    }

    /// Forgets the directory, which belongs to the process that this one was forked from, or that was forked from this one. What
    /// is closed here leaves the lock to the other.
    pub(crate) fn abandon(&self) {
        if let Some(held) = self.take() {
            let _ = held.dir.keep();
        }
    }

    fn take(&self) -> Option<Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Removes a file of this directory, if it is there.
    pub fn remove(&self, path: &Path) {
        debug_assert!(path.starts_with(&self.path));
        remove_file(path);
    }
}

/// Removes a file, if it is there.
pub(crate) fn remove_file(path: &Path) {
    // Not there is what was wanted; anything else shows when the directory goes.
    let _ = fs::remove_file(path);
}

/// Removes a directory with all it holds, if it is there.
pub(crate) fn remove_dir(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn make(base: &Path, purpose: Purpose) -> io::Result<(tempfile::TempDir, File)> {
    // Absolute: compilers are told of files in it.
    let base = std::path::absolute(base)?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    // The names in it can be guessed; nobody else may look or put anything there.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    let dir = builder.tempdir_in(base)?;
    // Named only once it is locked: a file of this name that is not locked belongs to the dead.
    let unnamed = dir.path().join("locking");
    let mut lock = File::create(&unnamed)?;
    lock.lock()?;
    // A file system without any room lets files be made and not written.
    lock.write_all(&[b'\n'; 4096])?;
    fs::rename(unnamed, dir.path().join(LOCK))?;
    if purpose == Purpose::Code {
        library::try_to_map_code(dir.path())?;
    }
    Ok((dir, lock))
}

/// Removes our own directories that nobody holds any more. A lock dies with its process, however that died.
fn sweep(base: &Path, own: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.file_type().is_ok_and(|kind| kind.is_dir());
        if ours && path.file_name() != own.file_name() && is_abandoned(&path) {
            let _ = remove_dir(&path);
        }
    }
}

fn is_abandoned(dir: &Path) -> bool {
    // Without a lock file it is being made, was kept on purpose, or is somebody else's.
    File::open(dir.join(LOCK)).is_ok_and(|file| file.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_private_and_goes_with_its_owner() {
        let base = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(&[base.path().to_owned()], Purpose::Code).unwrap();
        let path = scratch.path().to_owned();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        fs::write(path.join("u.c"), "").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }

    #[test]
    fn the_dead_are_swept_and_the_living_and_the_kept_are_not() {
        let base = tempfile::tempdir().unwrap();
        let candidates = [base.path().to_owned()];
        let living = Scratch::create(&candidates, Purpose::Files).unwrap();
        let kept = Scratch::create(&candidates, Purpose::Files).unwrap();
        kept.keep();
        let dead = base.path().join("mjit-cc-dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(LOCK), "").unwrap();
        fs::write(dead.join("u.so"), "").unwrap();
        let strange = base.path().join("other");
        fs::create_dir(&strange).unwrap();
        let _next = Scratch::create(&candidates, Purpose::Files).unwrap();
        assert!(!dead.exists());
        assert!(living.path().exists() && kept.path().exists() && strange.exists());
    }

    #[test]
    fn the_next_candidate_is_taken_where_one_will_not_do() {
        let base = tempfile::tempdir().unwrap();
        let missing = base.path().join("missing");
        let scratch = Scratch::create(&[missing.clone(), base.path().to_owned()], Purpose::Code).unwrap();
        assert_eq!(scratch.skipped()[0].0, missing);
        let error = Scratch::create(&[missing], Purpose::Code).unwrap_err();
        assert!(error.to_string().contains("set TMPDIR"), "{error}");
    }
}
