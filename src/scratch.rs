//! The private temporary directory: made 0700, locked while its process lives, removed with it; what a dead process left
//! is swept by the next one. The only remover of files. Windows does not remove a library while it is loaded: that is tried
//! again later.
//!
//! `unix` and `elsewhere` are what the systems do differently.

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
use system::Locked;

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
    /// Files that could not be removed when they were to be.
    late: Mutex<Vec<PathBuf>>,
}

/// A directory of ours, which goes with this.
#[derive(Debug)]
struct Held {
    /// None where the directory is to stay. Shared with a thread that removes a file of it, so that the lock around this is not held over that: a
    /// fork would inherit it.
    locked: Option<Arc<Locked>>,
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
                Ok(locked) => {
                    let path = locked.path().to_owned();
                    system::sweep(base, &path);
                    let held = Mutex::new(Some(Held { locked: Some(Arc::new(locked)), process: std::process::id() }));
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
        // Without its lock's file it is not swept.
        if let Some(locked) = self.take().and_then(|mut held| held.locked.take()) {
            locked.keep();
        }
    }

    /// Removes the directory now, whoever still has a share in this.
    pub fn close(&self) {
        drop(self.take());
    }

    /// Forgets the directory, which belongs to the process that this one was forked from, or that was forked from this one. What
    /// is closed here leaves the lock to the other.
    pub(crate) fn abandon(&self) {
        if let Some(mut held) = self.take() {
            held.locked = None;
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
        // One that is closed is gone with its files, and one that was left is another process's.
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

    fn take(&self) -> Option<Held> {
        lock(&self.held).take()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // What stays now is swept by a later process.
        let own = self.locked.take().filter(|_| self.process == std::process::id());
        let _ = own.map(|locked| locked.remove());
    }
}

/// Removes a file, if it is there.
pub(crate) fn remove_file(path: &Path) {
    // Not there is what was wanted; anything else shows when the directory goes.
    let _ = system::remove_file(path);
}

/// Removes a directory with all it holds, if it is there.
pub(crate) fn remove_dir(path: &Path) -> io::Result<()> {
    system::remove_dir(path)
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

fn make(base: &Path, purpose: Purpose) -> io::Result<Locked> {
    // Absolute: compilers are told of files in it.
    let locked = Locked::make(&std::path::absolute(base)?)?;
    if purpose == Purpose::Code
        && let Err(error) = try_to_map_code(&locked)
    {
        let _ = locked.remove();
        return Err(error);
    }
    Ok(locked)
}

/// Maps a file of the directory as code.
fn try_to_map_code(locked: &Locked) -> io::Result<()> {
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
