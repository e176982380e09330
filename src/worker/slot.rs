//! Slots: one word with the address of a unit's code. The host reads the word with one atomic load; only the worker writes the word, under
//! the coordinator's lock. Guards are counted per generation of the code, so that replaced code can be unloaded while callers are inside
//! the new code.

use std::ffi::c_void;
use std::num::NonZero;
use std::ptr::NonNull;
use std::sync::Arc;

use super::CodeError;
use crate::sync::atomic::{AtomicUsize, Ordering, fence};
use crate::sync::{Mutex, lock};

/// The state of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// The unit is queued or being built.
    NotReady,
    /// The code is loaded, and may be called while the host prevents unloading.
    Callable(NonNull<c_void>),
    /// The unit failed; [`Slot::failure`] returns the reason.
    Failed,
    /// The code was unloaded in favour of hotter units.
    Unloaded,
}

// No function is in the first page of memory.
pub(crate) const NOT_READY: usize = 0;
pub(crate) const FAILED: usize = 1;
pub(crate) const UNLOADED: usize = 2;

/// The word that the host reads. A clone refers to the same word.
#[derive(Clone, Debug)]
pub struct Slot(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    word: AtomicUsize,
    /// Raised by two whenever the word is replaced; odd during the replacement.
    generation: AtomicUsize,
    /// The number of held guards, by the parity of their generation. Two counters suffice: guards of an older generation with the same
    /// parity only delay unloading.
    inside: [AtomicUsize; 2],
    failure: Mutex<Option<CodeError>>,
}

/// The address of code, as a number that may be sent to any thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Address(NonZero<usize>);

impl From<NonNull<c_void>> for Address {
    fn from(pointer: NonNull<c_void>) -> Self {
        Self(pointer.expose_provenance())
    }
}

impl Address {
    #[inline]
    pub(super) fn pointer(self) -> NonNull<c_void> {
        NonNull::with_exposed_provenance(self.0)
    }
}

/// The generation of a slot's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation(usize);

impl Generation {
    /// Returns the generation as a number.
    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) fn number(self) -> usize {
        self.0
    }

    /// Returns the generation of a [`number`](Self::number).
    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) fn from_number(number: usize) -> Self {
        Self(number)
    }

    fn is_being_left(self) -> bool {
        self.0 % 2 == 1
    }
}

impl Slot {
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner {
            word: AtomicUsize::new(NOT_READY),
            generation: AtomicUsize::new(0),
            inside: [AtomicUsize::new(0), AtomicUsize::new(0)],
            failure: Mutex::new(None),
        }))
    }

    pub(super) fn failed(why: CodeError) -> Self {
        let slot = Self::new();
        slot.fail(why);
        slot
    }

    /// Returns the current state. One atomic load; any thread may call this.
    #[inline]
    #[must_use]
    pub fn state(&self) -> SlotState {
        // Acquire: a thread that reads the address also sees the code, which was loaded before the address was published.
        match self.0.word.load(Ordering::Acquire) {
            NOT_READY => SlotState::NotReady,
            FAILED => SlotState::Failed,
            UNLOADED => SlotState::Unloaded,
            word => NonZero::new(word).map_or(SlotState::NotReady, |word| SlotState::Callable(Address(word).pointer())),
        }
    }

    /// Returns the reason of the failure while the state is [`SlotState::Failed`].
    #[must_use]
    pub fn failure(&self) -> Option<CodeError> {
        (self.state() == SlotState::Failed).then(|| lock(&self.0.failure).clone()).flatten()
    }

    /// Returns a pointer to the word, for machine code: load the word atomically with acquire order. A word below 4096 means that there is
    /// no code; any other word is the address of the code. The pointer is valid while any clone of the slot lives.
    #[cfg(not(loom))]
    #[must_use]
    pub fn word(&self) -> *const usize {
        self.0.word.as_ptr()
    }

    /// Returns the address with a guard that keeps the code loaded; `None` if there is no code, or if the code is being replaced at this
    /// moment. Never waits.
    #[must_use]
    pub fn enter(&self) -> Option<Entered> {
        let (address, generation) = self.begin()?;
        Some(Entered { slot: self.clone(), generation, address })
    }

    /// As [`Self::enter`], for a caller that calls [`Self::end`] itself.
    pub(crate) fn begin(&self) -> Option<(NonNull<c_void>, Generation)> {
        let generation = Generation(self.0.generation.load(Ordering::Acquire));
        if generation.is_being_left() {
            return None;
        }
        let inside = self.inside(generation);
        inside.fetch_add(1, Ordering::Relaxed);
        // With the fence in `replace`: either the worker sees this guard, or this thread sees the new generation.
        fence(Ordering::SeqCst);
        let state = self.state();
        // The generation is unchanged, so the address belongs to the generation.
        if self.0.generation.load(Ordering::Acquire) == generation.0
            && let SlotState::Callable(address) = state
        {
            return Some((address, generation));
        }
        inside.fetch_sub(1, Ordering::Release);
        None
    }

    /// Ends [`Self::begin`].
    pub(crate) fn end(&self, generation: Generation) {
        self.inside(generation).fetch_sub(1, Ordering::Release);
    }

    fn inside(&self, generation: Generation) -> &AtomicUsize {
        &self.0.inside[generation.0 / 2 % 2]
    }

    /// True if both refer to the same word.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Publishes the first code, and returns its generation.
    pub(super) fn publish(&self, address: Address) -> Generation {
        self.0.word.store(address.0.get(), Ordering::Release);
        Generation(self.0.generation.load(Ordering::Relaxed))
    }

    /// Replaces the code by better code, and returns its generation.
    pub(super) fn improve(&self, address: Address) -> Generation {
        self.replace(address.0.get());
        Generation(self.0.generation.load(Ordering::Relaxed))
    }

    /// The code is unloaded in favour of hotter units.
    pub(super) fn unload(&self) {
        self.replace(UNLOADED);
    }

    /// The code is removed, and new code will follow.
    pub(super) fn empty(&self) {
        self.replace(NOT_READY);
    }

    /// The unit failed, or its code was cancelled.
    pub(super) fn fail(&self, why: CodeError) {
        *lock(&self.0.failure) = Some(why);
        self.replace(FAILED);
    }

    /// Replaces the word. Threads that read the old address may still be inside the old code. The generation is odd during the change, as
    /// in a seqlock, so that no reader combines the address of one generation with the number of another.
    fn replace(&self, word: usize) {
        let generation = self.0.generation.load(Ordering::Relaxed);
        self.0.generation.store(generation.wrapping_add(1), Ordering::Release);
        self.0.word.store(word, Ordering::Release);
        self.0.generation.store(generation.wrapping_add(2), Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// True if a guard of this generation is held.
    pub(super) fn is_entered(&self, generation: Generation) -> bool {
        // Acquire: all that the last caller did happens before the code is unloaded.
        self.inside(generation).load(Ordering::Acquire) > 0
    }
}

/// Keeps code loaded while a Rust caller is inside.
#[derive(Debug)]
pub struct Entered {
    slot: Slot,
    generation: Generation,
    address: NonNull<c_void>,
}

impl Entered {
    /// Returns the address of the code. Only the caller knows its type.
    #[must_use]
    pub fn address(&self) -> NonNull<c_void> {
        self.address
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.slot.end(self.generation);
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::sync::atomic::AtomicBool;
    use loom::thread;

    /// Addresses without code.
    fn address(number: usize) -> Address {
        Address(NonZero::new(number).unwrap())
    }

    #[test]
    fn code_is_never_unloaded_under_a_guard() {
        loom::model(|| {
            let slot = Slot::new();
            let generation = slot.publish(address(0x1000));
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
            if !slot.is_entered(generation) {
                loaded.store(false, Ordering::Relaxed);
            }
            caller.join().unwrap();
        });
    }

    #[test]
    fn code_that_was_replaced_and_code_that_replaced_it_are_guarded_each_by_itself() {
        let mut model = loom::model::Builder::new();
        // Two replacements make many interleavings; three preemptions reach every pair of them.
        model.preemption_bound = Some(3);
        model.check(|| {
            let slot = Slot::new();
            let first = slot.publish(address(0x1000));
            let loaded = loom::sync::Arc::new([AtomicBool::new(true), AtomicBool::new(true)]);
            let caller = {
                let (slot, loaded) = (slot.clone(), loaded.clone());
                thread::spawn(move || {
                    if let Some(inside) = slot.enter() {
                        let at = inside.address().as_ptr().addr() / 0x1000 - 1;
                        assert!(loaded[at].load(Ordering::Relaxed), "called code that is gone");
                    }
                })
            };
            let second = slot.improve(address(0x2000));
            if !slot.is_entered(first) {
                loaded[0].store(false, Ordering::Relaxed);
            }
            slot.unload();
            if !slot.is_entered(second) {
                loaded[1].store(false, Ordering::Relaxed);
            }
            caller.join().unwrap();
        });
    }
}
