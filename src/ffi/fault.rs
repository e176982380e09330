//! Errors of the C ABI: a status, a message for `mjitcc_last_error`, and no panic that leaves the library.

use std::cell::RefCell;
use std::ffi::{CString, c_char};

use crate::unwind::{Caught, catch};

/// `mjitcc_status`.
pub type Status = i32;

pub const OK: Status = 0;
pub const NO: Status = 1;
pub const INVALID: Status = -1;
pub const FAILED: Status = -2;
pub const MISUSE: Status = -3;
pub const PANICKED: Status = -4;

/// Why a call failed.
#[derive(Debug)]
pub(super) struct FfiError {
    status: Status,
    words: String,
}

impl FfiError {
    pub(super) fn invalid(words: impl Into<String>) -> Self {
        Self { status: INVALID, words: words.into() }
    }

    pub(super) fn failed(words: impl Into<String>) -> Self {
        Self { status: FAILED, words: words.into() }
    }

    pub(super) fn misuse(words: impl Into<String>) -> Self {
        Self { status: MISUSE, words: words.into() }
    }
}

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// Converts text to a C string. A NUL within the text becomes a question mark.
pub(super) fn c_string(text: &str) -> CString {
    CString::new(text).unwrap_or_else(|_| CString::new(text.replace('\0', "?")).unwrap_or_default())
}

/// Runs the body of a function of the ABI; converts errors and panics to a result.
pub(super) fn guarded<R>(otherwise: impl FnOnce(Status) -> R, work: impl FnOnce() -> Result<R, FfiError>) -> R {
    let fault = match catch(work) {
        Ok(Ok(result)) => return result,
        Ok(Err(fault)) => fault,
        Err(Caught::Foreign) => FfiError::failed("a callback threw an exception"),
        Err(caught) => FfiError { status: PANICKED, words: format!("a bug in mjit-cc: {}", caught.message()) },
    };
    note(&fault.words);
    otherwise(fault.status)
}

/// Stores the message for `mjitcc_last_error`.
pub(super) fn note(words: &str) {
    // A thread that ends may have destroyed its thread-local storage already.
    let _ = LAST.try_with(|last| *last.borrow_mut() = c_string(words));
}

/// As [`guarded`], for functions that return a status.
pub(super) fn status(work: impl FnOnce() -> Result<Status, FfiError>) -> Status {
    guarded(|status| status, work)
}

/// Converts a yes or no to a status.
pub(super) fn yes(answer: bool) -> Status {
    if answer { OK } else { NO }
}

#[unsafe(no_mangle)]
pub extern "C-unwind" fn mjitcc_last_error() -> *const c_char {
    // Valid until the next error of this thread.
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}
