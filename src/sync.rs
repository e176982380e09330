//! The primitives that threads meet at. Under `--cfg loom` they are loom's, so that the very code that runs is what the model
//! checker explores.

#[cfg(loom)]
pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard, atomic};
#[cfg(not(loom))]
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, atomic};

/// Takes a lock whether or not a thread died with it: what it guards is kept whole by its own methods.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
