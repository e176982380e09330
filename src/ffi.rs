//! The C ABI: the second of two modules with unsafe code. Converts arguments and results between C and the worker or the engine, and
//! contains no policy. `include/mjitcc.h` documents the functions and what they require of callers; a test compares the two.

#![expect(unsafe_code, reason = "one of the two islands: C promises what Rust would prove")]
#![allow(missing_docs, clippy::missing_safety_doc, reason = "include/mjitcc.h is where they are documented")]

mod engine;
mod event;
mod fault;
mod fork;
mod handles;
mod host;
mod lineage;
mod log;
mod memory;
mod options;
mod parts;
mod reaper;
mod slot;
mod turns;
mod types;
mod unit;
mod worker;

pub use engine::*;
pub use event::*;
pub use fault::*;
pub use fork::*;
pub use host::*;
pub use options::*;
pub use parts::*;
pub use slot::*;
pub use types::*;
pub use unit::*;
pub use worker::*;

/// `MJITCC_ABI`. Raised when programs that were compiled with an older header would no longer work.
pub const ABI: u32 = 2;

#[unsafe(no_mangle)]
pub extern "C-unwind" fn mjitcc_abi() -> u32 {
    ABI
}

const VERSION: &std::ffi::CStr =
    match std::ffi::CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version has no NUL"),
    };

#[unsafe(no_mangle)]
pub extern "C-unwind" fn mjitcc_version() -> *const std::ffi::c_char {
    VERSION.as_ptr()
}
