//! The differential campaign: programs of several units mean the same, merged or not.
//!
//! A generator (`generator.rs`, from the forms in `kinds/*.txt` and from the fixtures) writes batches of programs that share a
//! header. Each batch is compiled unit by unit, with `--compact`, and with `--compact --unity 8`; each library is loaded into
//! `host.c`; what can be seen of them must be equal (`outcome.rs`). A difference is reduced to the smallest program
//! (`reduce.rs`). Everything goes through the command line: nothing here knows how units are merged.
//!
//! ```sh
//! just campaign 20000                                          # a release build
//! MJIT_CC_CAMPAIGN_PROGRAMS=2000 cargo test --test campaign -- --ignored --nocapture
//! MJIT_CC=/path/to/another/mjit-cc cargo test --test campaign -- --ignored --nocapture
//! ```
//!
//! Settings, all of the environment and all optional:
//!
//! - `MJIT_CC`: the tool to try, instead of the one that cargo built.
//! - `MJIT_CC_CAMPAIGN_PROGRAMS`: how many programs (300).
//! - `MJIT_CC_CAMPAIGN_SEED`: decides all that is written; printed by each campaign (1).
//! - `MJIT_CC_CAMPAIGN_FROM`: the number of the batch to begin with, to go on where a campaign was stopped.
//! - `MJIT_CC_CAMPAIGN_KINDS`: only kinds whose names contain one of these words (`identity,order`).
//! - `MJIT_CC_CAMPAIGN_WITHOUT`: no kind whose name contains one of these words.
//! - `MJIT_CC_CAMPAIGN_IGNORE`: observables that are not compared, such as `diagnostics` (names as in `outcome.rs`).
//! - `MJIT_CC_CAMPAIGN_REDUCE`: how many differences are reduced and printed whole (10); the others get one line.
//! - `MJIT_CC_CAMPAIGN_KEEP`: a directory in which all batches are left.

#![allow(clippy::disallowed_methods, reason = "the walls are the product's")]
#![allow(clippy::print_stdout, reason = "a campaign says how far it is and what it found")]
#![allow(unreachable_pub, reason = "modules of a test binary share what they like")]
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod campaign;
mod flags;
mod generator;
mod host;
mod items;
mod kinds;
mod outcome;
mod program;
mod real;
mod reduce;
mod settings;
mod tool;

use crate::campaign::Campaign;
use crate::settings::Settings;
use crate::support::need;

/// The default number of programs is for CI.
#[test]
fn programs_mean_the_same_merged_or_not() {
    need!("gcc");
    let campaign = Campaign::new(Settings::from_environment());
    let summary = campaign.run();
    println!("{summary}");
    assert!(summary.differences.is_empty(), "{} programs differ", summary.differences.len());
    assert!(
        summary.merged * 10 >= summary.units,
        "only {} of {} units were merged: this campaign shows nothing",
        summary.merged,
        summary.units
    );
}
