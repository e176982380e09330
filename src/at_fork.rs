//! What happens around a fork that the host did not announce: everything that is registered here is held still before, and goes on behind it in the
//! parent; in the child it is told that it was inherited. Registers with the system once. Knows nothing of what is held.
//!
//! The system calls these on the thread that forks, before and after, in both processes (POSIX, `pthread_atfork`). They are for the shared
//! library's lifetime: glibc forgets them when the library is unloaded.

#![expect(unsafe_code, reason = "pthread_atfork, and a guard that lives from before a fork to behind it")]

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak};

/// Something that a fork must find still.
pub(crate) trait Forks: Send + Sync {
    /// Holds it still, for a limited time at most. None where that was announced on this thread, or cannot be: then its calls fail in
    /// the child.
    fn hold(self: Arc<Self>) -> Option<Box<dyn Still>>;

    /// Whether what others wait for may need this first.
    fn comes_last(&self) -> bool {
        false
    }
}

/// Something that is held still, until this is dropped.
pub(crate) trait Still {
    /// This is the child, and nothing else runs in it.
    fn inherited(&mut self);
}

/// A guard, with a share in what it guards.
pub(crate) struct HeldShare<T: 'static, G> {
    // In this order: the guard goes first.
    guard: G,
    _owner: Arc<T>,
}

impl<T, G> HeldShare<T, G> {
    /// The reference that the guard is made of must go nowhere else.
    pub(crate) fn new(owner: Arc<T>, guard: impl FnOnce(&'static T) -> Option<G>) -> Option<Self> {
        // SAFETY: what the share leads to neither moves nor goes before the share, which outlives the guard.
        let guard = guard(unsafe { &*Arc::as_ptr(&owner) })?;
        Some(Self { guard, _owner: owner })
    }

    pub(crate) fn guard(&mut self) -> &mut G {
        &mut self.guard
    }
}

type Known = Vec<Weak<dyn Forks>>;

/// What is held still, and the list, which is held last of all.
type Held = (Vec<Box<dyn Still>>, MutexGuard<'static, Known>);

static KNOWN: Mutex<Known> = Mutex::new(Vec::new());

thread_local! {
    /// From before a fork to behind it.
    static STILL: RefCell<Option<Held>> = const { RefCell::new(None) };
}

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has something held still at each fork from now on, as long as anybody shares it.
pub(crate) fn register(forks: Weak<dyn Forks>) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: functions that neither unwind nor end with this crate's user: where the library is unloaded, the system forgets them. Without
        // memory for it, forks have to be announced.
        unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) };
    });
    let mut known = known();
    known.retain(|forks| forks.strong_count() > 0);
    known.push(forks);
}

extern "C" fn prepare() {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        // Not under the list's lock: what is waited for may be another thread's fork.
        let mut all: Vec<Arc<dyn Forks>> = known().iter().filter_map(Weak::upgrade).collect();
        all.sort_by_key(|forks| forks.comes_last());
        if all.is_empty() {
            return;
        }
        let held: Vec<Box<dyn Still>> = all.into_iter().filter_map(Forks::hold).collect();
        let list = known();
        let _ = STILL.try_with(|still| still.replace(Some((held, list))));
    }));
}

extern "C" fn in_parent() {
    let _ = catch_unwind(|| drop(STILL.try_with(RefCell::take)));
}

extern "C" fn in_child() {
    let _ = catch_unwind(|| {
        let Ok(Some((mut held, list))) = STILL.try_with(RefCell::take) else { return };
        held.iter_mut().for_each(|still| still.inherited());
        drop(list);
    });
}
