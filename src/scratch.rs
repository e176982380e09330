//! The private temporary directory: created with mode 0700, locked while its process lives, removed with it; the next process removes
//! directories of dead processes. The only module that removes files. Windows does not remove a loaded library: the removal is tried again
//! later.
//!
//! `unix` and `elsewhere` contain the differences between the systems.

use std::fs::{self, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::library;
use crate::sync::{Mutex, lock};

#[cfg(not(unix))]
#[path = "scratch/elsewhere.rs"]
mod system;
#[cfg(unix)]
#[path = "scratch/unix.rs"]
mod system;

pub(crate) use system::Dir;
use system::LockedDir;

const PREFIX: &str = "mjit-cc-";
const LOCK: &str = "lock";

/// Why no temporary directory was created.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    /// No candidate is usable.
    #[error(
        "no usable temporary directory: {}; set TMPDIR to a writable directory",
        tried.iter().map(|(path, error)| format!("{}: {error}", path.display())).collect::<Vec<_>>().join("; ")
    )]
    Nowhere {
        /// Each candidate and its error.
        tried: Vec<(PathBuf, io::Error)>,
    },
}

/// A private temporary directory. Dropping it removes the directory with its content, unless it is kept.
#[derive(Debug)]
pub struct Scratch {
    held: Mutex<Option<HeldDir>>,
    path: PathBuf,
    skipped: Vec<(PathBuf, io::Error)>,
    /// Files whose removal failed, to be tried again.
    late: Mutex<Vec<PathBuf>>,
}

/// This process's directory, which is removed when the value is dropped.
#[derive(Debug)]
struct HeldDir {
    /// `None` if the directory is kept. Shared with a thread that removes a file in it, so that the surrounding lock is not held during the
    /// removal: a fork would inherit the lock.
    locked: Option<Arc<LockedDir>>,
    /// The process that removes the directory; a fork of it does not.
    process: u32,
}

/// What the temporary directory is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Writing and reading files.
    Files,
    /// Loading libraries, which a file system mounted `noexec` refuses.
    Code,
}

impl Scratch {
    /// Creates a private directory in the first of `candidates` that is usable for `purpose`, which is tested; removes directories of dead
    /// processes there.
    ///
    /// # Errors
    /// [`ScratchError`] if no candidate is usable.
    pub fn create(candidates: &[PathBuf], purpose: Purpose) -> Result<Self, ScratchError> {
        let mut tried = Vec::new();
        for base in candidates {
            match make(base, purpose) {
                Ok(locked) => {
                    let path = locked.path().to_owned();
                    system::sweep(base, &path);
                    let held =
                        Mutex::new(Some(HeldDir { locked: Some(Arc::new(locked)), process: std::process::id() }));
                    return Ok(Self { held, path, skipped: tried, late: Mutex::default() });
                }
                Err(error) => tried.push((base.clone(), error)),
            }
        }
        Err(ScratchError::Nowhere { tried })
    }

    /// Returns the directory's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the earlier candidates that were not usable, with their errors.
    #[must_use]
    pub fn skipped(&self) -> &[(PathBuf, io::Error)] {
        &self.skipped
    }

    /// Keeps the directory, for a user to inspect.
    pub fn keep(&self) {
        // Without its lock file the directory is not swept.
        if let Some(locked) = self.take().and_then(|mut held| held.locked.take()) {
            locked.keep();
        }
    }

    /// Removes the directory now, even if other references to this value exist.
    pub fn close(&self) {
        drop(self.take());
    }

    /// Forgets the directory, which belongs to the parent of a fork, or to its child. Closing the lock's file here does
    /// not unlock it for the
    /// other process.
    pub(crate) fn abandon(&self) {
        if let Some(mut held) = self.take() {
            held.locked = None;
        }
    }

    /// Takes over a directory that the parent of the fork created for this process.
    pub(crate) fn take_over(&self) {
        if let Some(held) = &mut *lock(&self.held) {
            held.process = std::process::id();
        }
    }

    /// Removes a file of this directory, if it exists. A library that is still loaded on Windows is removed by a later call, after it was
    /// unloaded.
    pub fn remove(&self, path: &Path) {
        debug_assert!(path.starts_with(&self.path));
        // A closed directory has no files any more, and an abandoned one belongs to another process.
        let locked = lock(&self.held).as_ref().and_then(|held| held.locked.clone());
        let Some(locked) = locked else { return };
        let is_gone = |path: &Path| match path.file_name().filter(|_| path.parent() == Some(&self.path)) {
            Some(name) => locked.remove_file(name).is_ok(),
            None => system::remove_file(path).is_ok(),
        };
        let mut late = lock(&self.late);
        late.retain(|path| !is_gone(path));
        if !is_gone(path) {
            late.push(path.to_owned());
        }
    }

    fn take(&self) -> Option<HeldDir> {
        lock(&self.held).take()
    }
}

impl Drop for HeldDir {
    fn drop(&mut self) {
        // A later process sweeps what remains.
        let own = self.locked.take().filter(|_| self.process == std::process::id());
        let _ = own.map(|locked| locked.remove());
    }
}

/// Removes a file, if it exists.
pub(crate) fn remove_file(path: &Path) {
    // A missing file is fine; other errors appear when the directory is removed.
    let _ = system::remove_file(path);
}

/// Removes a directory with its content, if it exists.
pub(crate) fn remove_dir(path: &Path) -> io::Result<()> {
    system::remove_dir(path)
}

/// Returns a name that no other run uses, for files that a process may write long after its run has ended.
pub(crate) fn unique_name() -> String {
    // The hasher's random key differs for each process and each call.
    let random = RandomState::new().hash_one((std::process::id(), SystemTime::now()));
    let time = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
    format!("{time:x}-{random:016x}")
}

/// Renames a file over another. Windows does not delete a loaded library, but lets it be renamed: it is moved to `aside`, a directory
/// on the same file system that is swept later.
pub(crate) fn replace(from: &Path, to: &Path, aside: &Path) -> io::Result<()> {
    let result = fs::rename(from, to);
    if !result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied) || !to.is_file() {
        return result;
    }
    let place = tempfile::Builder::new().prefix("replaced-").tempdir_in(aside)?.keep().join("file");
    fs::rename(to, &place)?;
    // If the new file cannot be renamed, the old library is restored.
    fs::rename(from, to).inspect_err(|_| drop(fs::rename(&place, to)))
}

fn make(base: &Path, purpose: Purpose) -> io::Result<LockedDir> {
    // Absolute: compilers get paths of files in the directory.
    let locked = LockedDir::make(&std::path::absolute(base)?)?;
    if purpose == Purpose::Code
        && let Err(error) = try_to_map_code(&locked)
    {
        let _ = locked.remove();
        return Err(error);
    }
    Ok(locked)
}

/// Maps a file of the directory as code.
fn try_to_map_code(locked: &LockedDir) -> io::Result<()> {
    const NAME: &str = "map-code";
    let mut file = OpenOptions::new().read(true).write(true).create_new(true).open(locked.path().join(NAME))?;
    let mapped = file.write_all(&[0; 4096]).and_then(|()| library::try_to_map_code(&file));
    drop(file);
    mapped.and(locked.remove_file(NAME.as_ref()))
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

    fn make_private(dir: &Path) {
        fs::create_dir(dir).unwrap();
        #[cfg(unix)]
        fs::set_permissions(dir, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    }

    #[test]
    fn the_dead_are_swept_and_the_living_and_the_kept_are_not() {
        let base = tempfile::tempdir().unwrap();
        let candidates = [base.path().to_owned()];
        let living = Scratch::create(&candidates, Purpose::Files).unwrap();
        let kept = Scratch::create(&candidates, Purpose::Files).unwrap();
        kept.keep();
        let dead = base.path().join("mjit-cc-dead");
        make_private(&dead);
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

    /// Loads a library: this program itself under another name.
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
        // A start while the library is loaded changes nothing.
        drop(Scratch::create(&candidates, Purpose::Files).unwrap());
        let left = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(left.collect::<std::collections::BTreeSet<_>>(), ["lock", "u.dll"].map(Into::into).into());
        drop(library);
        drop(Scratch::create(&candidates, Purpose::Files).unwrap());
        assert!(!path.exists());
    }
}
