//! The synchronization primitives, and the count of the locks that a thread holds. Under `--cfg loom` the primitives are loom's, so
//! that the model checker explores the code that runs. Does not know what the locks guard.
//!
//! A fork inherits every lock that another thread holds, forever. So no lock is held while a process runs: results of a process are
//! computed first and stored afterwards. A debug build asserts that wherever a process is started or awaited ([`assert_none_held`]).

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
    count: count::HeldCount,
}

/// Takes a lock even if a thread panicked while holding it: the methods of the guarded data keep it consistent.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> Locked<'_, T> {
    let guard = mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Locked { guard, count: count::HeldCount::new() }
}

/// Takes a lock if no thread holds it.
pub(crate) fn try_lock<T>(mutex: &Mutex<T>) -> Option<Locked<'_, T>> {
    let guard = match mutex.try_lock() {
        Ok(guard) => guard,
        Err(std::sync::TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(std::sync::TryLockError::WouldBlock) => return None,
    };
    Some(Locked { guard, count: count::HeldCount::new() })
}

impl<T> Locked<'_, T> {
    /// Releases the lock until `changed` is notified.
    pub(crate) fn wait(self, changed: &Condvar) -> Self {
        let Self { guard, count } = self;
        Self { guard: changed.wait(guard).unwrap_or_else(std::sync::PoisonError::into_inner), count }
    }

    /// Releases the lock until `changed` is notified, for at most `time`.
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

    /// Counts one lock until it is dropped.
    #[derive(Debug)]
    pub(super) struct HeldCount;

    impl HeldCount {
        pub(super) fn new() -> Self {
            // While the thread ends, its counter may not exist any more.
            let _ = HELD.try_with(|held| held.set(held.get() + 1));
            Self
        }
    }

    impl Drop for HeldCount {
        fn drop(&mut self) {
            let _ = HELD.try_with(|held| held.set(held.get().saturating_sub(1)));
        }
    }

    /// Call before a process is started or awaited, which is slow: a fork meanwhile must find no lock held.
    ///
    /// # Panics
    /// If this thread holds a lock of this crate.
    #[track_caller]
    pub(crate) fn assert_none_held() {
        let held = HELD.try_with(Cell::get).unwrap_or_default();
        assert_eq!(held, 0, "a lock is held while a process runs");
    }
}

#[cfg(not(all(debug_assertions, not(loom))))]
mod count {
    #[derive(Debug)]
    pub(super) struct HeldCount;

    impl HeldCount {
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
