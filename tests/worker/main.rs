//! The worker as a VM meets it: real compilers, real threads, real code that is called.

#![allow(clippy::disallowed_methods, reason = "the walls are the product's")]
#![allow(unreachable_pub, reason = "modules of a test binary share what they like")]
#![allow(unsafe_code, reason = "a host calls what the worker published")]
#![cfg_attr(windows, allow(unused_imports, dead_code, reason = "a compiler behind a gate is a script for a shell"))]

#[path = "../support/mod.rs"]
mod support;

#[cfg(target_os = "linux")]
mod admission;
mod cache;
mod cleanup;
#[cfg(unix)]
mod forks;
mod gc;
mod host;
mod lifecycle;
mod publication;
mod recompile;
mod rows;
#[cfg(target_os = "linux")]
mod standby;
mod tiers;
mod timings;
#[cfg(target_os = "linux")]
mod tools;
mod unity;
mod unity_cache;
