//! Slots, as reference-counted handles.

use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::Guard;
use super::fault::{FfiError, INVALID, NO, OK, Status, guarded, status};
use super::memory::{handle, spelled};
use crate::worker::{self, Generation, SlotState};

pub const SLOT_NOT_READY: i32 = 0;
pub const SLOT_FAILED: i32 = 1;
pub const SLOT_UNLOADED: i32 = 2;
pub const SLOT_CALLABLE: i32 = 3;
pub const SLOT_FIRST_ADDRESS: u32 = 4096;

// The word of a slot has the same values.
const _: () = assert!(
    worker::NOT_READY == SLOT_NOT_READY as usize
        && worker::FAILED == SLOT_FAILED as usize
        && worker::UNLOADED == SLOT_UNLOADED as usize
);

/// `mjitcc_slot`: a reference to a slot, and the call counter of its owner.
#[derive(Debug)]
pub struct Slot {
    pub(super) slot: worker::Slot,
    calls: Arc<AtomicU64>,
}

impl Slot {
    /// Returns a handle with one reference.
    pub(super) fn share(slot: worker::Slot, calls: Arc<AtomicU64>) -> *mut Self {
        Arc::into_raw(Arc::new(Self { slot, calls })).cast_mut()
    }
}

/// # Safety
/// As [`handle`].
pub(super) unsafe fn open<'a>(slot: *const Slot) -> Result<&'a Slot, FfiError> {
    // SAFETY: required of the caller.
    unsafe { handle(slot, "slot") }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_slot_retain(slot: *mut Slot) -> *mut Slot {
    guarded(
        |_| ptr::null_mut(),
        || {
            // SAFETY: `mjitcc.h` requires that the caller holds a reference.
            unsafe {
                open(slot)?;
                Arc::increment_strong_count(slot);
            }
            Ok(slot)
        },
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_slot_release(slot: *mut Slot) {
    guarded(
        |_| (),
        || {
            if !slot.is_null() {
                // SAFETY: `mjitcc.h` requires that the caller holds the reference that is released here.
                drop(unsafe { Arc::from_raw(slot) });
            }
            Ok(())
        },
    );
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_slot_state(slot: *const Slot) -> i32 {
    status(|| {
        // SAFETY: `mjitcc.h` requires it of the caller.
        Ok(number(unsafe { inside(slot) }?.state()))
    })
}

/// The worker's slot in a slot of C's.
///
/// # Safety
/// As the header says of slots.
pub(super) unsafe fn inside<'a>(slot: *const Slot) -> Result<&'a worker::Slot, FfiError> {
    // SAFETY: the caller says so.
    Ok(&unsafe { open(slot) }?.slot)
}

/// `MJITCC_SLOT_*`.
pub(super) fn number(state: SlotState) -> i32 {
    match state {
        SlotState::NotReady => SLOT_NOT_READY,
        SlotState::Failed => SLOT_FAILED,
        SlotState::Unloaded => SLOT_UNLOADED,
        SlotState::Callable(_) => SLOT_CALLABLE,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_slot_address(slot: *const Slot) -> *mut c_void {
    // Nothing here can panic, so no guard is needed, which would be slower.
    // SAFETY: `mjitcc.h` requires it of the caller.
    match unsafe { slot.as_ref() }.map(|slot| slot.slot.state()) {
        Some(SlotState::Callable(address)) => address.as_ptr(),
        _ => ptr::null_mut(),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_slot_word(slot: *const Slot) -> *const usize {
    // SAFETY: `mjitcc.h` requires it of the caller.
    unsafe { slot.as_ref() }.map_or(ptr::null(), |slot| slot.slot.word())
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_slot_calls(slot: *const Slot) -> *mut u64 {
    // SAFETY: `mjitcc.h` requires it of the caller.
    unsafe { slot.as_ref() }.map_or(ptr::null_mut(), |slot| slot.calls.as_ptr())
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_slot_failure(slot: *const Slot, buffer: *mut c_char, room: usize) -> usize {
    let words = || {
        // SAFETY: `mjitcc.h` requires it of the caller.
        let why = unsafe { open(slot) }?.slot.failure();
        Ok(why.as_ref().map(describe).unwrap_or_default())
    };
    // SAFETY: `mjitcc.h` requires it of the caller.
    unsafe { spelled(buffer, room, words) }
}

/// Returns the reason with the compiler's output, if there is any.
fn describe(why: &worker::CodeError) -> String {
    match why {
        worker::CodeError::NotBuilt(failure) => failure.with_output(),
        why => why.to_string(),
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_slot_enter(slot: *const Slot, guard: *mut Guard) -> Status {
    // SAFETY: `mjitcc.h` requires it of the caller.
    let Some(slot) = (unsafe { slot.as_ref() }) else {
        return INVALID;
    };
    if guard.is_null() {
        return INVALID;
    }
    let entered = slot.slot.begin();
    let (address, generation) =
        entered.map_or((ptr::null_mut(), 0), |(address, generation)| (address.as_ptr(), generation.number()));
    // SAFETY: `mjitcc.h` requires it of the caller.
    unsafe { guard.write(Guard { address, generation }) };
    if address.is_null() { NO } else { OK }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_slot_leave(slot: *const Slot, guard: *mut Guard) -> Status {
    // SAFETY: `mjitcc.h` requires it of the caller.
    let (Some(slot), Some(guard)) = (unsafe { slot.as_ref() }, unsafe { guard.as_mut() }) else {
        return INVALID;
    };
    if guard.address.is_null() {
        return status(|| Err(FfiError::misuse("the guard is not held")));
    }
    // A second leave is detected by this.
    guard.address = ptr::null_mut();
    slot.slot.end(Generation::from_number(guard.generation));
    OK
}
