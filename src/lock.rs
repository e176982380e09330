//! Locks between processes: the system's own, which end with their holder. A lock file that a killed process left would block
//! every later run (pytorch #189245).

use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::event::{Event, Observer};
use crate::exec::Executor;

/// How often a waiting process tries again. A blocking call would not end on Ctrl-C.
const PAUSE: Duration = Duration::from_millis(20);

/// The time after which waiting is reported even to a quiet user.
const LONG: Duration = Duration::from_secs(5);

/// A locked file that is unlocked when this value is dropped. Closing alone would keep the lock while a child of a fork still has the file
/// open, and such a child may be waiting for the lock.
#[derive(Debug)]
pub(crate) struct Unlocking(pub(crate) File);

impl Drop for Unlocking {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

/// Locks a file exclusively. Waits until no other process holds a lock, or until the work is cancelled.
pub(crate) fn exclusive(
    file: &File,
    path: &Path,
    executor: &dyn Executor,
    observer: &dyn Observer,
) -> Result<(), Error> {
    acquire(|| file.try_lock(), path, executor, observer)
}

/// Locks a file for sharing. Waits until no process holds an exclusive lock, or until the work is cancelled.
pub(crate) fn shared(file: &File, path: &Path, executor: &dyn Executor, observer: &dyn Observer) -> Result<(), Error> {
    acquire(|| file.try_lock_shared(), path, executor, observer)
}

/// Unlocks the file.
pub(crate) fn release(file: &File, path: &Path) -> Result<(), Error> {
    match file.unlock() {
        // std unlocks until ERROR_NOT_LOCKED reports that no lock is left; Wine reports ERROR_LOCK_VIOLATION.
        Err(error) if cfg!(windows) && error.raw_os_error() == Some(33) => Ok(()),
        result => result.map_err(Error::file("unlock", path)),
    }
}

/// The last message about waiting that an observer got.
#[derive(PartialEq)]
enum LastMessage {
    None,
    Waits,
    WaitsLong,
}

fn acquire(
    attempt: impl Fn() -> Result<(), TryLockError>,
    path: &Path,
    executor: &dyn Executor,
    observer: &dyn Observer,
) -> Result<(), Error> {
    let began = Instant::now();
    let mut last = LastMessage::None;
    loop {
        match attempt() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(Error::file("lock", path)(error)),
            Err(TryLockError::WouldBlock) if executor.is_cancelled() => return Err(Error::Interrupted),
            Err(TryLockError::WouldBlock) => {
                if last == LastMessage::None {
                    observer.event(&Event::Waiting { path, long: false });
                    last = LastMessage::Waits;
                }
                if last == LastMessage::Waits && began.elapsed() >= LONG {
                    observer.event(&Event::Waiting { path, long: true });
                    last = LastMessage::WaitsLong;
                }
                thread::sleep(PAUSE);
            }
        }
    }
}

#[cfg(all(test, unix, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_has_inherited_the_file_keeps_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let locked = Unlocking(File::create(&path).unwrap());
        locked.0.lock().unwrap();
        // Of the same open file description, as in a child.
        let inherited = locked.0.try_clone().unwrap();
        let other = File::open(&path).unwrap();
        assert!(other.try_lock_shared().is_err());
        drop(locked);
        other.try_lock().unwrap();
        drop(inherited);
    }
}
