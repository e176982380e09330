//! Strange bytes for everything that reads what others write: each reader returns, soon, whatever the bytes are.
//!
//! A table of targets (`targets.rs`), a corpus that is made when the test runs (`corpus.rs`), and changes that a seed repeats
//! (`inputs.rs`). Each target runs in a process of its own (`running.rs`), on a thread with as little stack as the worker's, so that a stack
//! that overflows and a reader that does not return are seen, and told with the number of the input. Not by libFuzzer, which wants
//! another compiler than this project has.
//!
//! ```sh
//! just fuzz 60                                                 # seconds a target
//! MJIT_CC_FUZZ_SEED=1 MJIT_CC_FUZZ_TARGET=merge MJIT_CC_FUZZ_ONLY=4711 cargo test --test fuzz -- --nocapture
//! ```
//!
//! - `MJIT_CC_FUZZ_SECONDS`: how long each target runs (one second).
//! - `MJIT_CC_FUZZ_SEED`: repeats a run; printed by each. Without a number of seconds, 3.
//! - `MJIT_CC_FUZZ_TARGET`: only targets whose names contain this.
//! - `MJIT_CC_FUZZ_ONLY`: the number of one input.
//! - `MJIT_CC_FUZZ_KEEP`: a directory in which inputs that failed are left.

#![allow(clippy::disallowed_methods, reason = "the walls are the product's")]
#![allow(clippy::print_stdout, reason = "a run says what it found")]
#![allow(unreachable_pub, reason = "modules of a test binary share what they like")]
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;
#[path = "../support/watched.rs"]
mod watched;

mod corpus;
mod inputs;
mod running;
mod targets;

use crate::support::need;

/// A number that the environment gives.
pub fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(format!("MJIT_CC_FUZZ_{name}")).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("MJIT_CC_FUZZ_{name} is no number")))
}

#[test]
fn every_reader_returns_whatever_it_reads() {
    need!("gcc");
    if running::is_child() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // The short form is the same each time: a change is judged, not luck.
    let any = || if setting("SECONDS").is_some() { fastrand::u64(..1 << 32) } else { 3 };
    let seed = setting("SEED").unwrap_or_else(any);
    println!("MJIT_CC_FUZZ_SEED={seed}");
    corpus::make(dir.path());
    let only = std::env::var("MJIT_CC_FUZZ_TARGET").unwrap_or_default();
    let mut failures = Vec::new();
    for target in targets::all().iter().filter(|target| target.name.contains(&only)) {
        let ran = running::in_process(dir.path(), target, seed);
        println!("{}: {} inputs, the slowest took {} ms", target.name, ran.count, ran.slowest_ms);
        if let Some(how) = ran.failure {
            let input = inputs::nth(&corpus::read(dir.path(), target.corpus), seed, ran.count);
            println!("  input {}, of {} bytes: {how}", ran.count, input.len());
            if let Ok(keep) = std::env::var("MJIT_CC_FUZZ_KEEP") {
                let name = format!("{}-{seed}-{}", target.name, ran.count);
                std::fs::write(std::path::Path::new(&keep).join(name), &input).unwrap();
            }
            failures.push(target.name);
        }
    }
    assert!(failures.is_empty(), "{failures:?} did not return");
}
