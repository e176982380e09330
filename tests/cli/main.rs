//! The command line as its users meet it: real processes, real compilers, exact words where they are a promise.

#![allow(clippy::disallowed_methods, reason = "the walls are the product's")]
#![allow(unreachable_pub, reason = "modules of a test binary share what they like")]
#![allow(unsafe_code, reason = "what was built is called")]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod cache;
mod compile;
mod damaged_store;
mod discovery;
mod doctor;
#[cfg(unix)]
mod ends;
#[cfg(target_os = "linux")]
mod flags;
mod interrupt;
#[cfg(unix)]
mod jobserver;
#[cfg(unix)]
mod launcher;
#[cfg(target_os = "linux")]
mod link;
mod messages;
#[cfg(unix)]
mod output_limit;
mod paths;
mod pch;
mod processes;
mod reuse;
#[cfg(unix)]
mod strangers;
#[cfg(target_os = "linux")]
mod system;
mod timings;
mod unity;
mod unity_cache;
#[cfg(unix)]
mod unprepared;
mod waiting;
mod windows;
