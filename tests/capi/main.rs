//! The C ABI as C meets it: the header against the library, and programs in C that live on it.

// Under Wine there is no C compiler of its own; MinGW's compiles the VM in C where these tests run.
#![cfg(not(windows))]
#![allow(clippy::disallowed_methods, reason = "the walls are the product's")]
#![allow(unreachable_pub, reason = "modules of a test binary share what they like")]
#![allow(unsafe_code, reason = "the C ABI is unsafe to call")]

#[path = "../support/mod.rs"]
mod support;

mod bounds;
mod c;
mod callbacks;
mod header;
#[cfg(unix)]
mod hosts;
mod vm;
