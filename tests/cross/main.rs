//! Other systems' libraries, made here: what stands in them, and where there is an emulator (Wine, qemu-user) what they answer.

#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "the walls are the product's")]
#![allow(unreachable_pub, reason = "modules of a test binary share what they like")]

#[path = "../support/mod.rs"]
mod support;

mod end_to_end;
mod host_library;
mod place;
mod targets;
mod wine;
