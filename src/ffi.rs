//! The C ABI: unsafe island two. Carries what C hands over to the worker and to its parts, and back; decides nothing itself. What every
//! function asks of its caller stands in `include/mjitcc.h`, which a test keeps in step with this.

#![expect(unsafe_code, reason = "one of the two islands: C promises what Rust would prove")]
#![allow(missing_docs, clippy::missing_safety_doc, reason = "include/mjitcc.h is where they are documented")]

mod engine;
mod event;
mod fault;
mod fork;
mod handles;
mod host;
mod lineage;
mod memory;
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
pub use parts::*;
pub use slot::*;
pub use types::*;
pub use unit::*;
pub use worker::*;

/// `MJITCC_ABI`: changes when something that was compiled against the header would not work any more.
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
