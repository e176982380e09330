//! Nothing that was built is used again once something that went into it has changed: each kind of input, in each place that code is
//! kept, by each compiler. Built, changed, built again, and compared with what is built from nothing; built, not changed, and not built
//! again.

#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "the walls are the product's")]
#![allow(unreachable_pub, reason = "modules of a test binary share what they like")]

#[path = "../support/mod.rs"]
mod support;

mod configuration;
mod dependency_flags;
#[cfg(target_os = "linux")]
mod linked;
mod meanwhile;
mod named_files;
mod search;
mod table;
mod unlisted;
mod watched;
