//! The private temporary directory: made 0700, locked while its process lives, removed with it; what a dead process left
//! is swept by the next one. The only remover of files. Windows does not remove a library while it is loaded: that is tried
//! again later.

#![expect(clippy::disallowed_methods, reason = "the only remover of files")]

use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::library;
use crate::sync::{Mutex, lock};

const PREFIX: &str = "mjit-cc-";
const LOCK: &str = "lock";

/// How long a directory is tried to be removed. Windows keeps files as long as they are open, and a process that was just ended
/// still has its own for a moment.
const PATIENCE: Duration = if cfg!(windows) { Duration::from_secs(1) } else { Duration::ZERO };

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
    /// Files that could not be removed when they were to be.
    late: Mutex<Vec<PathBuf>>,
}

/// A directory of ours, which goes with this.
#[derive(Debug)]
struct Held {
    path: PathBuf,
    /// Locked until there is nothing else in the directory.
    lock: Option<File>,
    /// The process that removes it, and no other that was forked from that one.
    process: u32,
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
                Ok(held) => {
                    sweep(base, &held.path);
                    let (path, held) = (held.path.clone(), Mutex::new(Some(held)));
                    return Ok(Self { held, path, skipped: tried, late: Mutex::default() });
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
            held.leave();
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
            held.leave();
        }
    }

    /// Takes over a directory that the process which this one was forked from made for it.
    pub(crate) fn take_over(&self) {
        if let Some(held) = &mut *lock(&self.held) {
            held.process = std::process::id();
        }
    }

    /// Removes a file of this directory, if it is there; a library that the system does not remove while it is loaded, once this is
    /// called for another file after it was unloaded.
    pub fn remove(&self, path: &Path) {
        debug_assert!(path.starts_with(&self.path));
        let mut late = lock(&self.late);
        late.retain(|path| !is_gone(path));
        if !is_gone(path) {
            late.push(path.to_owned());
        }
    }

    fn take(&self) -> Option<Held> {
        lock(&self.held).take()
    }
}

impl Held {
    /// Leaves the directory where it is.
    fn leave(mut self) {
        self.lock = None;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(lock) = self.lock.take().filter(|_| self.process == std::process::id()) else { return };
        let began = Instant::now();
        while remove_contents(&self.path).is_err() && began.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = remove_scratch(&self.path, lock);
    }
}

/// Whether a file is not there, now that it was to be removed.
fn is_gone(path: &Path) -> bool {
    match fs::remove_file(path) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Removes a scratch directory that `lock` is the lock of. The lock's file goes last: where something stays because it is in use, the
/// directory must be known for one that can be swept.
fn remove_scratch(dir: &Path, lock: File) -> io::Result<()> {
    let result = remove_contents(dir);
    // Windows does not remove a directory with an open file in it.
    drop(lock);
    result?;
    remove_dir(dir)
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

/// A name that no other run has used or will use, for what a process may write long after its run has ended.
pub(crate) fn unique_name() -> String {
    // Keyed at random, once a process and once a call.
    let random = RandomState::new().hash_one((std::process::id(), SystemTime::now()));
    let time = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    format!("{time:x}-{random:016x}")
}

/// Renames a file over another. Windows keeps a library as long as it is loaded, but lets it be renamed: it goes to `aside`, a directory
/// on the same file system that is swept one day.
pub(crate) fn replace(from: &Path, to: &Path, aside: &Path) -> io::Result<()> {
    let result = fs::rename(from, to);
    if !result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) || !to.is_file() {
        return result;
    }
    let place = tempfile::Builder::new().prefix("replaced-").tempdir_in(aside)?.keep().join("file");
    fs::rename(to, &place)?;
    // Back, where the new one does not come: there was a library before.
    fs::rename(from, to).inspect_err(|_| drop(fs::rename(&place, to)))
}

fn make(base: &Path, purpose: Purpose) -> io::Result<Held> {
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
    Ok(Held { path: dir.keep(), lock: Some(lock), process: std::process::id() })
}

/// Removes our own directories that nobody holds any more. A lock dies with its process, however that died.
fn sweep(base: &Path, own: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry.file_type().is_ok_and(|kind| kind.is_dir());
        if ours
            && path.file_name() != own.file_name()
            && let Some(lock) = abandoned(&path)
        {
            let _ = remove_scratch(&path, lock);
        }
    }
}

/// The lock of a directory that nobody holds any more.
fn abandoned(dir: &Path) -> Option<File> {
    // Without a lock file it is being made, was kept on purpose, or is somebody else's.
    let file = File::open(dir.join(LOCK)).ok()?;
    file.try_lock().is_ok().then_some(file)
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

    /// A library that is loaded, which is this program itself under another name.
    #[cfg(windows)]
    fn loaded(path: &Path) -> library::Library {
        fs::copy(std::env::current_exe().unwrap(), path).unwrap();
        library::Library::open(path).unwrap()
    }

    #[test]
    #[cfg(windows)]
    fn a_library_that_is_loaded_is_removed_later() {
        let base = tempfile::tempdir().unwrap();
        let scratch = Scratch::create(&[base.path().to_owned()], Purpose::Files).unwrap();
        let [path, other] = ["u.dll", "other"].map(|name| scratch.path().join(name));
        let library = loaded(&path);
        scratch.remove(&path);
        assert!(path.exists());
        drop(library);
        scratch.remove(&other);
        assert!(!path.exists());
    }

    #[test]
    #[cfg(windows)]
    fn what_is_in_use_when_its_owner_goes_is_swept_one_day() {
        let base = tempfile::tempdir().unwrap();
        let candidates = [base.path().to_owned()];
        let scratch = Scratch::create(&candidates, Purpose::Files).unwrap();
        let path = scratch.path().to_owned();
        fs::write(path.join("a.c"), "").unwrap();
        fs::write(path.join("z.c"), "").unwrap();
        let library = loaded(&path.join("u.dll"));
        drop(scratch);
        // A start while it is loaded changes nothing.
        drop(Scratch::create(&candidates, Purpose::Files).unwrap());
        let left = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(left.collect::<std::collections::BTreeSet<_>>(), ["lock", "u.dll"].map(Into::into).into());
        drop(library);
        drop(Scratch::create(&candidates, Purpose::Files).unwrap());
        assert!(!path.exists());
    }
}
