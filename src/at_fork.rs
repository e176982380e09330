//! Handlers for a fork that the host did not announce: every registered object is locked before the fork, and unlocked after it in the
//! parent; in the child the object is told that it was inherited. Registers with the system once. Knows nothing of the objects.
//!
//! The system calls the handlers on the forking thread, before and after, in both processes (POSIX, `pthread_atfork`). The registration
//! lasts as long as the shared library: glibc removes the handlers when the library is unloaded.

#![expect(unsafe_code, reason = "pthread_atfork, and a guard that lives from before a fork to behind it")]

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak};

/// An object that must not change during a fork.
pub(crate) trait ForkParticipant: Send + Sync {
    /// Locks the object, waiting for a limited time. `None` if the fork was announced on this thread, or if the lock cannot be had: then
    /// calls of the object fail in the child.
    fn hold(self: Arc<Self>) -> Option<Box<dyn ForkGuard>>;

    /// True if locking another object may need this object unlocked first: then this object is locked last.
    fn comes_last(&self) -> bool {
        false
    }
}

/// A lock on an object, held until it is dropped.
pub(crate) trait ForkGuard {
    /// Called in the child of the fork, where no other thread runs.
    fn inherited(&mut self);
}

/// A guard that shares ownership of the guarded object.
pub(crate) struct HeldShare<T: 'static, G> {
    // The order of the fields matters: the guard is dropped first.
    guard: G,
    _owner: Arc<T>,
}

impl<T, G> HeldShare<T, G> {
    /// Creates a guard. The reference passed to `guard` must not be stored elsewhere.
    pub(crate) fn new(owner: Arc<T>, guard: impl FnOnce(&'static T) -> Option<G>) -> Option<Self> {
        // SAFETY: the object behind the `Arc` neither moves nor is dropped before the `Arc`, which outlives the guard.
        let guard = guard(unsafe { &*Arc::as_ptr(&owner) })?;
        Some(Self { guard, _owner: owner })
    }

    pub(crate) fn guard(&mut self) -> &mut G {
        &mut self.guard
    }
}

type Participants = Vec<Weak<dyn ForkParticipant>>;

/// The locked objects, and the lock of the list, which is taken last.
type HeldLocks = (Vec<Box<dyn ForkGuard>>, MutexGuard<'static, Participants>);

static PARTICIPANTS: Mutex<Participants> = Mutex::new(Vec::new());

thread_local! {
    /// The locks during a fork.
    static HELD: RefCell<Option<HeldLocks>> = const { RefCell::new(None) };
}

fn participants() -> MutexGuard<'static, Participants> {
    PARTICIPANTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Registers an object for all forks from now on, as long as it exists.
pub(crate) fn register(forks: Weak<dyn ForkParticipant>) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the functions do not unwind, and the system removes them when the library is unloaded. If the system has no memory for
        // the registration, forks have to be announced.
        unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) };
    });
    let mut participants = participants();
    participants.retain(|forks| forks.strong_count() > 0);
    participants.push(forks);
}

extern "C" fn prepare() {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // Outside the list's lock: locking an object may wait for another thread's fork.
        let mut all: Vec<Arc<dyn ForkParticipant>> = participants().iter().filter_map(Weak::upgrade).collect();
        all.sort_by_key(|forks| forks.comes_last());
        if all.is_empty() {
            return;
        }
        let held: Vec<Box<dyn ForkGuard>> = all.into_iter().filter_map(ForkParticipant::hold).collect();
        let list = participants();
        let _ = HELD.try_with(|held_locks| held_locks.replace(Some((held, list))));
    }));
}

extern "C" fn in_parent() {
    let _ = catch_unwind(|| drop(HELD.try_with(RefCell::take)));
}

extern "C" fn in_child() {
    let _ = catch_unwind(|| {
        let Ok(Some((mut held, list))) = HELD.try_with(RefCell::take) else { return };
        held.iter_mut().for_each(|guard| guard.inherited());
        drop(list);
    });
}
