//! Attacks on the tool in each way that was thought of: killed, starved, misled, beside another user. Each attack is a case with a name; after
//! it the result is right or the error is clear, files of others are as they were, and the next undisturbed run is right.
//!
//! In the continuous integration a part of the cases runs, chosen by `MJIT_CC_ATTACK_SEED`; `just attack` runs all of them
//! (`MJIT_CC_ATTACK=all`). Each part prints how many cases were tried and how many were bad.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "the walls are the product's")]
#![allow(unreachable_pub, reason = "modules of a test binary share what they like")]
// The tracer knows the registers of one processor.
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "what is left uses a part"))]

#[path = "../support/mod.rs"]
mod support;

#[path = "../capi/c.rs"]
#[allow(dead_code, reason = "the tests of the C ABI use the rest")]
mod c;
mod damage;
mod disks;
mod errors;
mod kills;
mod known;
mod misbehaving;
mod programs;
mod stage;
mod tally;
mod users;
mod workers;
