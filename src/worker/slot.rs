//! The host's end of a unit: one word that says where its code is. Reading it is one atomic load; only the worker writes it, under
//! the interlock's lock.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

use crate::sync::atomic::{AtomicUsize, Ordering, fence};

/// What a slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// The unit waits, or is being compiled.
    NotReady,
    /// The code is here, and may be called while the host keeps the worker from unloading it.
    Callable(NonNull<c_void>),
    /// There will be no code; [`Slot::failure`] says why.
    Failed,
    /// There was code; it was given up for hotter one.
    Unloaded,
}

// No function lies in the first page.
const NOT_READY: usize = 0;
const FAILED: usize = 1;
const UNLOADED: usize = 2;

/// The word that the host reads. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Slot(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    word: AtomicUsize,
    /// How many guards are held.
    inside: AtomicUsize,
    failure: OnceLock<String>,
}

impl Slot {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner {
            word: AtomicUsize::new(NOT_READY),
            inside: AtomicUsize::new(0),
            failure: OnceLock::new(),
        }))
    }

    /// What the slot says now: one atomic load, from any thread.
    #[must_use]
    pub fn state(&self) -> SlotState {
        // Acquire: whoever sees the address sees the code that was loaded before it was published.
        match self.0.word.load(Ordering::Acquire) {
            NOT_READY => SlotState::NotReady,
            FAILED => SlotState::Failed,
            UNLOADED => SlotState::Unloaded,
            address => NonNull::new(std::ptr::with_exposed_provenance_mut(address))
                .map_or(SlotState::NotReady, SlotState::Callable),
        }
    }

    /// Why there will be no code.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.0.failure.get().map(String::as_str)
    }

    /// The address, and a guard that keeps its code loaded; none where there is none.
    #[must_use]
    pub fn enter(&self) -> Option<Entered> {
        self.0.inside.fetch_add(1, Ordering::Relaxed);
        // With the fence in `unload`: either the worker sees this guard, or this sees that the code is given up.
        fence(Ordering::SeqCst);
        let entered = |address| Entered { slot: self.clone(), address };
        match self.state() {
            SlotState::Callable(address) => Some(entered(address)),
            _ => {
                self.0.inside.fetch_sub(1, Ordering::Release);
                None
            }
        }
    }

    /// Nobody gets the address from now on. Whoever has it may still be inside.
    pub(super) fn unload(&self) {
        self.0.word.store(UNLOADED, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// As [`Self::unload`], for good and with a reason.
    pub(super) fn cancel(&self, why: &str) {
        self.fail(why.to_owned());
        fence(Ordering::SeqCst);
    }

    pub(super) fn is_entered(&self) -> bool {
        // Acquire: what the last one inside did comes before its code is unloaded.
        self.0.inside.load(Ordering::Acquire) > 0
    }

    pub(super) fn publish(&self, address: NonNull<c_void>) {
        self.0.word.store(address.as_ptr().expose_provenance(), Ordering::Release);
    }

    pub(super) fn fail(&self, why: String) {
        // The first reason stays.
        let _ = self.0.failure.set(why);
        self.0.word.store(FAILED, Ordering::Release);
    }
}

/// Keeps code loaded while a Rust caller is inside.
#[derive(Debug)]
pub struct Entered {
    slot: Slot,
    address: NonNull<c_void>,
}

impl Entered {
    /// Where the code is. What type it has only the caller knows.
    #[must_use]
    pub fn address(&self) -> NonNull<c_void> {
        self.address
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.slot.0.inside.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::atomic::AtomicBool;
    use loom::thread;

    #[test]
    fn code_is_never_unloaded_under_a_guard() {
        loom::model(|| {
            let slot = Slot::new();
            slot.publish(NonNull::<u64>::dangling().cast());
            let loaded = loom::sync::Arc::new(AtomicBool::new(true));
            let caller = {
                let (slot, loaded) = (slot.clone(), loaded.clone());
                thread::spawn(move || {
                    if let Some(_inside) = slot.enter() {
                        assert!(loaded.load(Ordering::Relaxed), "called code that is gone");
                    }
                })
            };
            slot.unload();
            if !slot.is_entered() {
                loaded.store(false, Ordering::Relaxed);
            }
            caller.join().unwrap();
        });
    }
}
