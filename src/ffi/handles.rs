//! The handles of workers and engines. Handles are numbers that are never used twice, so a handle that was given back is always refused.
//! Knows nothing about the values.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::fault::FfiError;
use crate::sync::{Mutex, lock};

/// The number of the next handle. The numbers begin in the first page, which is never mapped.
static NEXT: AtomicUsize = AtomicUsize::new(16);

/// The values of one type that C owns. A linear search is fast enough, since there are few.
pub(super) struct Handles<T>(Mutex<Vec<(usize, Arc<T>)>>);

impl<T> Handles<T> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    pub(super) fn give(&self, value: Arc<T>) -> *mut T {
        let number = NEXT.fetch_add(16, Ordering::Relaxed);
        lock(&self.0).push((number, value));
        std::ptr::without_provenance_mut(number)
    }

    /// Returns the value of a handle.
    pub(super) fn open(&self, handle: *const T, name: &str) -> Result<Arc<T>, FfiError> {
        if handle.is_null() {
            return Err(FfiError::invalid(format!("the {name} is NULL")));
        }
        let known = lock(&self.0);
        let found = known.iter().find(|(number, _)| *number == handle.addr());
        found.map(|(_, value)| Arc::clone(value)).ok_or_else(|| gone(name))
    }

    /// Removes a handle and returns its value.
    pub(super) fn take(&self, handle: *const T, name: &str) -> Result<Arc<T>, FfiError> {
        let mut known = lock(&self.0);
        let at = known.iter().position(|(number, _)| *number == handle.addr()).ok_or_else(|| gone(name))?;
        Ok(known.swap_remove(at).1)
    }

    #[cfg(unix)]
    pub(super) fn hold(&'static self) -> crate::sync::Locked<'static, Vec<(usize, Arc<T>)>> {
        lock(&self.0)
    }
}

fn gone(name: &str) -> FfiError {
    FfiError::misuse(format!("the {name} was finished already, or the handle is wrong"))
}

/// Registers the lists for forks: the child of a fork finds them unlocked.
#[cfg(unix)]
pub(super) fn follow_forks() {
    use crate::at_fork::{ForkGuard, ForkParticipant, register};
    use std::sync::OnceLock;

    struct Lists;

    struct HeldLists {
        _workers: crate::sync::Locked<'static, Vec<(usize, Arc<super::Worker>)>>,
        _engines: crate::sync::Locked<'static, Vec<(usize, Arc<super::Engine>)>>,
    }

    impl ForkParticipant for Lists {
        fn hold(self: Arc<Self>) -> Option<Box<dyn ForkGuard>> {
            Some(Box::new(HeldLists {
                _workers: super::worker::WORKERS.hold(),
                _engines: super::engine::ENGINES.hold(),
            }))
        }

        fn comes_last(&self) -> bool {
            true
        }
    }

    impl ForkGuard for HeldLists {
        fn inherited(&mut self) {}
    }

    static LISTS: OnceLock<Arc<Lists>> = OnceLock::new();
    LISTS.get_or_init(|| {
        let lists = Arc::new(Lists);
        let weak: std::sync::Weak<Lists> = Arc::downgrade(&lists);
        register(weak);
        lists
    });
}

#[cfg(not(unix))]
pub(super) fn follow_forks() {}
