//! The handles of workers and engines that C holds: numbers that are given once, so that one which was given back is refused with words, and
//! is never another's. Knows nothing of what they stand for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::fault::FfiError;
use crate::sync::{Mutex, lock};

/// The number of the next handle. Such a number is no address of anything: the first page is never mapped, and these go on from there.
static NEXT: AtomicUsize = AtomicUsize::new(16);

/// What C holds of one kind. There are few, so that looking through them is no slower than anything else.
pub(super) struct Handles<T>(Mutex<Vec<(usize, Arc<T>)>>);

impl<T> Handles<T> {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// A new handle.
    pub(super) fn give(&self, value: Arc<T>) -> *mut T {
        let number = NEXT.fetch_add(16, Ordering::Relaxed);
        lock(&self.0).push((number, value));
        std::ptr::without_provenance_mut(number)
    }

    /// What a handle stands for, for as long as the call takes.
    pub(super) fn open(&self, handle: *const T, name: &str) -> Result<Arc<T>, FfiError> {
        if handle.is_null() {
            return Err(FfiError::invalid(format!("the {name} is NULL")));
        }
        let known = lock(&self.0);
        let found = known.iter().find(|(number, _)| *number == handle.addr());
        found.map(|(_, value)| Arc::clone(value)).ok_or_else(|| gone(name))
    }

    /// Takes a handle back.
    pub(super) fn take(&self, handle: *const T, name: &str) -> Result<Arc<T>, FfiError> {
        let mut known = lock(&self.0);
        let at = known.iter().position(|(number, _)| *number == handle.addr()).ok_or_else(|| gone(name))?;
        Ok(known.swap_remove(at).1)
    }

    /// Holds the list still.
    #[cfg(unix)]
    pub(super) fn hold(&'static self) -> crate::sync::Locked<'static, Vec<(usize, Arc<T>)>> {
        lock(&self.0)
    }
}

fn gone(name: &str) -> FfiError {
    FfiError::misuse(format!("the {name} was finished before, or never was one"))
}

/// Forks find the lists free, where anything follows forks.
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
