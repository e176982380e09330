//! Small programs of two units each: what the units mean alone, and what they mean merged, must be equal.
//!
//! The forms are those of the campaign (`tests/campaign/kinds`): each form of a kind meets itself and the next form, with fixed
//! names. `safe.txt` has programs that must not only be equal but be merged, so that merging nothing is no way out. The tests go
//! through the command line, or another tool that `MJIT_CC` names; `MJIT_CC_CAMPAIGN_KINDS=identity,order` tries only kinds whose names
//! contain one of the words.

#![allow(clippy::disallowed_methods, reason = "the walls are the product's")]
#![allow(clippy::print_stdout, reason = "a table says which of its rows fail")]
#![allow(dead_code, reason = "the campaign uses the rest")]
#![allow(unreachable_pub, reason = "modules of a test binary share what they like")]
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../campaign/flags.rs"]
mod flags;
#[path = "../campaign/host.rs"]
mod host;
#[path = "../campaign/items.rs"]
mod items;
#[path = "../campaign/kinds.rs"]
mod kinds;
#[path = "../campaign/outcome.rs"]
mod outcome;
#[path = "../campaign/program.rs"]
mod program;
#[path = "../campaign/tool.rs"]
mod tool;

mod pairs;

use crate::pairs::check;

#[test]
fn names_that_meet() {
    check("names", false);
}

#[test]
fn words_of_the_headers_macros() {
    check("macros", false);
}

#[test]
fn words_of_the_units_macros() {
    check("unit_macros", false);
}

#[test]
fn pragmas_hold_for_one_unit() {
    check("pragmas", false);
}

#[test]
fn what_units_declare() {
    check("declarations", false);
}

#[test]
fn state_and_addresses() {
    check("state", false);
}

#[test]
fn order_and_the_assembler() {
    check("order", false);
}

#[test]
fn text_that_misleads() {
    check("text", false);
}

#[test]
fn flags_that_change_the_language() {
    check("flags", false);
}

#[test]
fn what_is_safe_is_merged() {
    check("safe", true);
}
