//! Calling two thousand small functions in random order: in a library each, and in one.

use std::time::{Duration, Instant};

use mjitcc::worker::{Compaction, Slot, SlotState, Unity, Worker};

use super::Work;
use super::callable::{Texts, builder, submit};
use super::support::fixture;
use super::table::Table;

type Function = extern "C" fn(i64) -> i64;

pub fn in_random_order(work: &Work, table: &mut Table) {
    let count: usize = if work.short { 20 } else { 2_000 };
    let texts = (0..count).map(|number| format!("long {{entry}}(long n) {{ return n * {number} + {number}; }}\n"));
    let texts: Vec<String> = texts.collect();
    let [alone, together] = [Compaction::Never, Compaction::Throttled].map(|compaction| {
        let worker = builder("gcc", &fixture("vm.h")).unity(Unity::Off).compaction(compaction);
        let worker = worker.start(std::sync::Arc::new(Texts(texts.clone())));
        worker.pause(false);
        let slots: Vec<Slot> = (0..count as u64).map(|owner| submit(&worker, owner)).collect();
        worker.resume();
        // Compaction with it.
        worker.pause(true);
        (worker, slots)
    });
    let mut order: Vec<usize> = (0..count).collect();
    fastrand::seed(7);
    fastrand::shuffle(&mut order);
    let rounds = work.rounds(15);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(call_all(&together, &order));
        theirs.push(call_all(&alone, &order));
    }
    let nanoseconds = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1e9 / (count * REPEATS) as f64
    };
    let what = format!("{count} small functions called in random order, one library, a call");
    table.compare(&what, "ns", nanoseconds(ours), "a library each", nanoseconds(theirs), Some(1.0 / 3.0));
}

const REPEATS: usize = 20;

fn call_all((_worker, slots): &(Worker, Vec<Slot>), order: &[usize]) -> Duration {
    let functions: Vec<Function> = order
        .iter()
        .map(|&at| match slots[at].state() {
            // SAFETY: the text says what it is, and its worker lives.
            SlotState::Callable(code) => unsafe {
                std::mem::transmute::<*mut std::ffi::c_void, Function>(code.as_ptr())
            },
            other => panic!("{other:?}: {:?}", slots[at].failure()),
        })
        .collect();
    let began = Instant::now();
    let mut sum = 0_i64;
    for round in 0..REPEATS as i64 {
        for function in &functions {
            sum = sum.wrapping_add(function(round));
        }
    }
    std::hint::black_box(sum);
    began.elapsed()
}
