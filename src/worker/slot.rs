//! The host's end of a unit: one word that says where its code is. Reading it is one atomic load; only the worker writes it, under
//! the coordinator's lock. Guards are counted by generation of the code, so that code which was replaced can go while callers are inside
//! of what replaced it.

use std::ffi::c_void;
use std::num::NonZero;
use std::ptr::NonNull;
use std::sync::Arc;

use super::CodeError;
use crate::sync::atomic::{AtomicUsize, Ordering, fence};
use crate::sync::{Mutex, lock};

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
pub(crate) const NOT_READY: usize = 0;
pub(crate) const FAILED: usize = 1;
pub(crate) const UNLOADED: usize = 2;

/// The word that the host reads. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Slot(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    word: AtomicUsize,
    /// Counts how often the word was taken away from what it said, twice each time.
    generation: AtomicUsize,
    /// How many guards are held, by parity of the generation that they were taken in. Two suffice: of an older generation with the
    /// same parity guards only make code stay longer.
    inside: [AtomicUsize; 2],
    failure: Mutex<Option<CodeError>>,
}

/// Where code begins, as a number that may go to any thread.
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

/// Which of a slot's generations some code belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation(usize);

impl Generation {
    /// For a caller that keeps it as a number.
    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) fn number(self) -> usize {
        self.0
    }

    /// What [`Self::number`] gave.
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

    /// A slot that has no code and gets none.
    pub(super) fn failed(why: CodeError) -> Self {
        let slot = Self::new();
        slot.fail(why);
        slot
    }

    /// What the slot says now: one atomic load, from any thread.
    #[inline]
    #[must_use]
    pub fn state(&self) -> SlotState {
        // Acquire: whoever sees the address sees the code that was loaded before it was published.
        match self.0.word.load(Ordering::Acquire) {
            NOT_READY => SlotState::NotReady,
            FAILED => SlotState::Failed,
            UNLOADED => SlotState::Unloaded,
            word => NonZero::new(word).map_or(SlotState::NotReady, |word| SlotState::Callable(Address(word).pointer())),
        }
    }

    /// Why there will be no code, while the slot says so.
    #[must_use]
    pub fn failure(&self) -> Option<CodeError> {
        (self.state() == SlotState::Failed).then(|| lock(&self.0.failure).clone()).flatten()
    }

    /// Where the word is, for machine code that loads it: an atomic word, to be loaded with acquire order. Below 4096 it says that there
    /// is no code; from there on it is the code's address. The place is good as long as any share in the slot is held.
    #[cfg(not(loom))]
    #[must_use]
    pub fn word(&self) -> *const usize {
        self.0.word.as_ptr()
    }

    /// The address, and a guard that keeps its code loaded; none where there is none, or where it is being replaced at this very
    /// moment. Never waits.
    #[must_use]
    pub fn enter(&self) -> Option<Entered> {
        let (address, generation) = self.begin()?;
        Some(Entered { slot: self.clone(), generation, address })
    }

    /// As [`Self::enter`], for a caller that sees to it itself that [`Self::end`] follows.
    pub(crate) fn begin(&self) -> Option<(NonNull<c_void>, Generation)> {
        let generation = Generation(self.0.generation.load(Ordering::Acquire));
        if generation.is_being_left() {
            return None;
        }
        let inside = self.inside(generation);
        inside.fetch_add(1, Ordering::Relaxed);
        // With the fence in `replace`: either the worker sees this guard, or this sees that the code is given up.
        fence(Ordering::SeqCst);
        let state = self.state();
        // Still the same: it is the one that the address belongs to.
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

    /// Whether both are the same slot.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// First code. Gives the generation that it belongs to.
    pub(super) fn publish(&self, address: Address) -> Generation {
        self.0.word.store(address.0.get(), Ordering::Release);
        Generation(self.0.generation.load(Ordering::Relaxed))
    }

    /// Better code in place of what is there.
    pub(super) fn improve(&self, address: Address) -> Generation {
        self.replace(address.0.get());
        Generation(self.0.generation.load(Ordering::Relaxed))
    }

    /// Given up for hotter code.
    pub(super) fn unload(&self) {
        self.replace(UNLOADED);
    }

    /// Other code will come.
    pub(super) fn empty(&self) {
        self.replace(NOT_READY);
    }

    /// Given up for a reason, or never made for one.
    pub(super) fn fail(&self, why: CodeError) {
        *lock(&self.0.failure) = Some(why);
        self.replace(FAILED);
    }

    /// Nobody gets the old address from now on. Whoever has it may still be inside. The generation is odd while the word changes, as
    /// in a seqlock, so that no reader takes the one for the other's.
    fn replace(&self, word: usize) {
        let generation = self.0.generation.load(Ordering::Relaxed);
        self.0.generation.store(generation.wrapping_add(1), Ordering::Release);
        self.0.word.store(word, Ordering::Release);
        self.0.generation.store(generation.wrapping_add(2), Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// Whether anybody is inside of code that was replaced since.
    pub(super) fn is_entered(&self, generation: Generation) -> bool {
        // Acquire: what the last one inside did comes before its code is unloaded.
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
    /// Where the code is. What type it has only the caller knows.
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

    /// Addresses that are none.
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
