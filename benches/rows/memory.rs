//! What the worker takes for itself: processor time a unit, and memory for ten thousand.

use std::fs;
use std::thread;
use std::time::Duration;

use mjitcc::worker::{Slot, SlotState, Unity, Worker};

use super::Work;
use super::callable::{Texts, builder, callable, submit};
use super::support::fixture;
use super::table::Table;

pub fn ten_thousand(work: &Work, table: &mut Table) {
    let texts = |count: usize| (0..count).map(|n| format!("long {{entry}}(long n) {{ return n + {n}; }}\n")).collect();
    let start = |texts: Vec<String>, unity| {
        let worker = builder("gcc", &fixture("vm.h"))
            .unity(unity)
            .max_cache_size(20_000)
            .start(std::sync::Arc::new(Texts(texts)));
        callable(&submit(&worker, 0));
        worker.pause(true);
        worker
    };
    let all = |worker: &Worker, count: usize| {
        let slots: Vec<Slot> = (0..count as u64).map(|owner| submit(worker, owner)).collect();
        worker.resume();
        // Not in `pause`, where a host is told of each step: that would be the host's own time.
        while slots.iter().any(|slot| slot.state() == SlotState::NotReady) {
            thread::sleep(Duration::from_millis(50));
        }
        worker.pause(true);
        slots.iter().for_each(callable);
        slots
    };

    let count = if work.short { 5 } else { 500 };
    let worker = start(texts(count), Unity::Off);
    let before = cpu_time();
    let slots = all(&worker, count);
    let own = (cpu_time() - before).as_secs_f64() * 1e3 / count as f64;
    drop(slots);
    worker.finish();
    table.measure("own processor time a unit, all but children", "ms", own, 1.0);

    let count = if work.short { 20 } else { 10_000 };
    let worker = start(texts(count), Unity::Auto);
    // What earlier rows have freed would be taken first, and not be seen.
    // SAFETY: a plain call of the allocator's.
    unsafe { libc::malloc_trim(0) };
    let before = own_memory();
    let slots = all(&worker, count);
    let grown = (own_memory() - before) / 1024.0;
    drop(slots);
    worker.finish();
    table.measure(&format!("resident memory at {count} loaded units, beyond the code itself"), "MiB", grown, 64.0);
}

/// This process's threads alone.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Resident memory in KiB, without the libraries that were loaded.
fn own_memory() -> f64 {
    let maps = fs::read_to_string("/proc/self/smaps").expect("Linux has it");
    let (mut own, mut is_code) = (0.0, false);
    for line in maps.lines() {
        if let Some(rest) = line.strip_prefix("Rss:") {
            let size: f64 = rest.trim().trim_end_matches(" kB").parse().expect("a number");
            own += if is_code { 0.0 } else { size };
        } else if line.split_whitespace().next().is_some_and(|word| word.contains('-')) {
            is_code = line.contains("_mjit_");
        }
    }
    own
}
