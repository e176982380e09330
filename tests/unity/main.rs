//! Merged units through real compilers: what a unit answers in a merged library is what it answers in one of its own.

#![allow(clippy::disallowed_methods, reason = "the walls are the product's")]
#![allow(unreachable_pub, reason = "modules of a test binary share what they like")]
#![allow(clippy::print_stdout, reason = "what was measured is for people to read")]

#[path = "../support/mod.rs"]
mod support;

mod build;
mod fixtures;
mod random;
mod ruby;
mod same;
mod tricky;
