//! Real input through real compilers: units that Ruby's MJIT generates, the Lua interpreter, every toolchain of the machine.

#![allow(clippy::disallowed_methods, reason = "the walls are the product's")]
#![allow(clippy::print_stderr, reason = "what was measured is told")]
#![allow(unsafe_code, reason = "a library of stand-ins is loaded")]
#![allow(unreachable_pub, reason = "modules of a test binary share what they like")]

#[path = "../support/mod.rs"]
mod support;

#[cfg(not(windows))]
#[path = "../support/ruby.rs"]
mod generated;

// Not on Windows: Lua's units call the C library of whoever loads them, which no library of Windows leaves open, and Ruby's
// header is one of the system that Ruby is installed on.
#[cfg(not(windows))]
mod lua;
#[cfg(not(windows))]
mod ruby;
#[cfg(target_os = "linux")]
mod ruby_worker;
mod toolchains;
