//! Turns of an engine: either units are built, several at once, or the header is built. No lock is held during a turn, so that a fork finds
//! no lock held.

use crate::sync::{Condvar, Mutex, lock};

#[derive(Default)]
pub(super) struct Turns {
    now: Mutex<Now>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Now {
    #[default]
    Nobody,
    Units(usize),
    Header,
}

/// A turn, which ends when the value is dropped.
pub(super) struct Turn<'a>(&'a Turns);

impl Turns {
    /// Waits while the header is built.
    pub(super) fn unit(&self) -> Turn<'_> {
        let mut now = lock(&self.now);
        loop {
            *now = match *now {
                Now::Nobody => Now::Units(1),
                Now::Units(count) => Now::Units(count + 1),
                Now::Header => {
                    now = now.wait(&self.changed);
                    continue;
                }
            };
            return Turn(self);
        }
    }

    /// Waits while anything is built.
    pub(super) fn header(&self) -> Turn<'_> {
        let mut now = lock(&self.now);
        while *now != Now::Nobody {
            now = now.wait(&self.changed);
        }
        *now = Now::Header;
        Turn(self)
    }

    /// True if no turn is taken.
    pub(super) fn is_idle(&self) -> bool {
        *lock(&self.now) == Now::Nobody
    }

    /// Ends all turns in the child of a fork, which does not have the threads that took them.
    pub(super) fn forget(&self) {
        *lock(&self.now) = Now::Nobody;
    }

    #[cfg(unix)]
    pub(super) fn hold(&self) -> impl Sized {
        lock(&self.now)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut now = lock(&self.0.now);
        *now = match *now {
            Now::Units(count) if count > 1 => Now::Units(count - 1),
            _ => Now::Nobody,
        };
        drop(now);
        self.0.changed.notify_all();
    }
}
