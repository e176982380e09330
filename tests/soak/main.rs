//! A worker under everything at once, for as long as it is given: several threads that submit, call, invalidate and recompile, a
//! collector that moves and frees, pauses, forks, and a compiler that fails, crashes, dies halfway and hangs. Afterwards nothing
//! may be left.
//!
//! It runs in a process of its own, since it counts that process's threads, children, files and mappings. Settings:
//! `MJIT_CC_SOAK_SECONDS` (20), `MJIT_CC_SOAK_UNITS` (10000; whichever comes first), `MJIT_CC_SOAK_SEED` (the time). What the
//! threads do follows from the seed; how they meet does not.

#![allow(clippy::disallowed_methods, reason = "the walls are the product's")]
#![allow(clippy::print_stderr, reason = "a soak test says how far it is")]
#![allow(unreachable_pub, reason = "modules of a test binary share what they like")]
#![allow(unsafe_code, reason = "a host calls what the worker published, and forks")]
#![cfg(unix)]

#[path = "../support/mod.rs"]
mod support;

mod fault_injection;
mod leaks;
mod object_cache;
mod outputs;
mod round;
mod threads;
mod vm;
mod watchdog;

use std::num::NonZero;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mjitcc::platforms::{Linker, OptLevel};
use mjitcc::worker::Unity;

use crate::object_cache::Shelf;
use crate::round::{Budget, Kind, Totals};
use crate::support::{fake_cc, need};

const FOUR: NonZero<usize> = NonZero::new(4).unwrap();

fn setting(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is no number")),
        Err(_) => otherwise,
    }
}

#[test]
fn nothing_is_left_after_everything_at_once() {
    need!("gcc");
    let compiler = if support::has("tcc") { "tcc" } else { "gcc" };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let seed = setting("MJIT_CC_SOAK_SEED", u64::try_from(now).unwrap());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "everything_at_once", "--ignored", "--nocapture", "--test-threads=1"])
        .env("MJIT_CC_SOAK_SEED", seed.to_string())
        .env("FAKE_CC_REAL", compiler)
        .env("FAKE_CC_DO", "told")
        .env("FAKE_CC_SLEEP_MS", "100")
        .stdin(Stdio::null());
    // Said at once, not when it is over: a soak is long. The harness does not capture what another process writes.
    let status = command.status().unwrap();
    assert!(status.success(), "{status}: again with MJIT_CC_SOAK_SEED={seed}");
}

#[test]
#[ignore = "a process of its own"]
fn everything_at_once() {
    let seed = setting("MJIT_CC_SOAK_SEED", 0);
    let time = Duration::from_secs(setting("MJIT_CC_SOAK_SECONDS", 20));
    let units = setting("MJIT_CC_SOAK_UNITS", 10_000);
    eprintln!("soak: MJIT_CC_SOAK_SEED={seed}, {} s or {units} units", time.as_secs());
    fault_injection::keep_wanted_panics_quiet();
    let fake = fake_cc();
    let shelf = Shelf::new();
    let plain = Kind { cc: fake, ..Kind::default() };
    let quick = Kind { cc: "gcc".into(), quickly: true, ..Kind::default() };
    let kinds = [
        // Small cache: much is unloaded.
        Kind { threads: 3, cache: 12, ..plain.clone() },
        // Two workers on one object cache, behind a header that is precompiled.
        Kind { threads: 2, cache: 60, header: true, workers: 2, shelf: Some(&shelf), ..quick.clone() },
        // One thread, and room for compactions.
        Kind { cache: 400, ..plain },
        // Two tiers, the first by tcc where that is here, with names for perf.
        Kind { threads: 2, cache: 100, optimize: OptLevel::O2, unity: Unity::Auto, perf_map: true, ..quick.clone() },
        // All of it at once, but for perf's names, with which nothing is kept, and tcc, which links by itself.
        Kind {
            threads: 2,
            cache: 100,
            optimize: OptLevel::O2,
            header: true,
            linker: Linker::Wild,
            unity: Unity::AtMost(FOUR),
            shelf: Some(&shelf),
            ..quick
        },
    ];
    let began = Instant::now();
    let mut totals = Totals::default();
    for (number, kind) in (0_u64..).zip(kinds.iter().cycle()) {
        let left = time.saturating_sub(began.elapsed());
        let all_kinds_had_their_turn = number >= kinds.len() as u64;
        if all_kinds_had_their_turn && (left.is_zero() || totals.submitted >= units) {
            break;
        }
        let share = u64::try_from(kinds.len()).unwrap();
        let budget = Budget {
            time: (time / kinds.len() as u32).min(Duration::from_secs(30)),
            units: units.div_ceil(share).min(2_000),
        };
        round::run(kind, seed.wrapping_add(number), &budget, &mut totals);
    }
    eprintln!("soak: {totals} in {:.0} s", began.elapsed().as_secs_f64());
    totals.check(time);
}
