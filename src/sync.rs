//! The primitives that threads meet at, and the count of the locks that a thread holds. Under `--cfg loom` the primitives are loom's, so
//! that the very code that runs is what the model checker explores. Knows nothing of what the locks guard.
//!
//! A fork inherits every lock that another thread holds, for ever. So no lock is held while a process runs: what a process finds out is
//! computed first and stored then. A debug build asserts it wherever a process is started or waited for ([`assert_none_held`]).

use std::ops::{Deref, DerefMut};
use std::time::Duration;

#[cfg(loom)]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard, atomic};
#[cfg(not(loom))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, atomic};

/// A lock that is held.
#[derive(Debug)]
pub(crate) struct Locked<'a, T> {
    guard: MutexGuard<'a, T>,
    count: count::Held,
}

/// Takes a lock whether or not a thread died with it: what it guards is kept whole by its own methods.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> Locked<'_, T> {
    let guard = mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Locked { guard, count: count::Held::new() }
}

/// Takes a lock that no thread holds right now.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<Locked<'_, T>> {
    let guard = match mutex.try_lock() {
        Ok(guard) => guard,
        Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(std::sync::TryLockError::WouldBlock) => return None,
    };
    Some(Locked { guard, count: count::Held::new() })
}

impl<T> Locked<'_, T> {
    /// Gives the lock back until `changed` is notified.
    pub(crate) fn wait(self, changed: &Condvar) -> Self {
        let Self { guard, count } = self;
        Self { guard: changed.wait(guard).unwrap_or_else(std::sync::PoisonError::into_inner), count }
    }

    /// Gives the lock back until `changed` is notified, and not for longer than `time`.
    pub(crate) fn wait_for(self, changed: &Condvar, time: Duration) -> Self {
        let Self { guard, count } = self;
        let woken = changed.wait_timeout(guard, time);
        Self { guard: woken.unwrap_or_else(std::sync::PoisonError::into_inner).0, count }
    }
}

impl<T> Deref for Locked<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

impl<T> DerefMut for Locked<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

pub(crate) use count::assert_none_held;

#[cfg(all(debug_assertions, not(loom)))]
mod count {
    use std::cell::Cell;

    thread_local! {
        static HELD: Cell<u32> = const { Cell::new(0) };
    }

    /// Counts one lock as long as it lives.
    #[derive(Debug)]
    pub(super) struct Held;

    impl Held {
        pub(super) fn new() -> Self {
            // At the end of a thread's life there may be no counter any more.
            let _ = HELD.try_with(|held| held.set(held.get() + 1));
            Self
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            let _ = HELD.try_with(|held| held.set(held.get().saturating_sub(1)));
        }
    }

    /// A process is about to be started or waited for, which is slow: a fork meanwhile must find no lock held.
    ///
    /// # Panics
    /// When this thread holds a lock of this crate.
    #[track_caller]
    pub(crate) fn assert_none_held() {
        let held = HELD.try_with(Cell::get).unwrap_or_default();
        assert_eq!(held, 0, "a lock is held while a process runs");
    }
}

#[cfg(not(all(debug_assertions, not(loom))))]
mod count {
    #[derive(Debug)]
    pub(super) struct Held;

    impl Held {
        pub(super) fn new() -> Self {
            Self
        }
    }

    pub(crate) fn assert_none_held() {}
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "a lock is held while a process runs")]
    fn a_lock_that_is_held_over_a_process_is_noticed() {
        let mutex = Mutex::new(());
        let held = lock(&mutex);
        assert!(try_lock(&mutex).is_none());
        drop(held);
        assert_none_held();
        let _held = lock(&mutex);
        assert_none_held();
    }
}
