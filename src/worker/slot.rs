//! The host's end of a unit: one word that says where its code is. Reading it is one atomic load; only the worker writes it, under
//! the interlock's lock.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::{Arc, OnceLock};

use crate::sync::atomic::{AtomicUsize, Ordering};

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
    failure: OnceLock<String>,
}

impl Slot {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner { word: AtomicUsize::new(NOT_READY), failure: OnceLock::new() }))
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

    pub(super) fn publish(&self, address: NonNull<c_void>) {
        self.0.word.store(address.as_ptr().expose_provenance(), Ordering::Release);
    }

    pub(super) fn fail(&self, why: String) {
        // The first reason stays.
        let _ = self.0.failure.set(why);
        self.0.word.store(FAILED, Ordering::Release);
    }
}
