//! Pausing, resuming, ending.

use std::time::{Duration, Instant};

use mjitcc::worker::SlotState;
#[cfg(unix)]
use mjitcc::worker::Unity;

use crate::host::{Bench, PLAIN, call, held_back, quiet, settled};
#[cfg(unix)]
use crate::host::{Gate, host_of};
use crate::support::need;

#[test]
fn pause_and_resume_say_whether_they_did_anything() {
    need!("gcc");
    let bench = Bench::of_text(PLAIN, quiet());
    let worker = bench.worker();
    assert_eq!([worker.pause(true), worker.pause(true), worker.pause(false)], [true, false, false]);
    assert!(worker.resume());
    let answers = [worker.resume(), worker.pause(true), worker.resume(), worker.resume(), worker.pause(true)];
    assert_eq!(answers, [false, true, true, false, true]);
}

#[test]
fn a_draining_pause_finishes_all_and_a_quick_one_starts_nothing() {
    need!("gcc");
    let bench = Bench::of_text(PLAIN, quiet());
    let slots: Vec<_> = (1..=5).map(|owner| bench.submit(owner, 0)).collect();
    assert!(bench.worker().pause(true));
    assert_eq!(slots.iter().map(call).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let while_paused = bench.submit(6, 0);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(while_paused.state(), SlotState::NotReady);
    assert_eq!(call(&slots[0]), 1, "code stays callable");
    bench.worker().resume();
    assert_eq!(call(&while_paused), 6);
}

#[test]
#[cfg(unix)]
fn a_slot_and_a_worker_are_waited_for_with_a_limit() {
    need!("gcc");
    let (gate, text) = (Gate::new(), "/* HELD */ long {entry}(void) { return {owner}; }\n");
    let bench = Bench::on(gate.cc().to_str().unwrap(), quiet().unity(Unity::Off), host_of(text));
    let (worker, limit) = (bench.worker(), Duration::from_millis(50));
    let slot = bench.submit(3, 0);
    assert_eq!(worker.wait_for(&slot, Some(limit)), SlotState::NotReady);
    assert!(!worker.wait_idle(Some(limit)), "the compiler is held");
    gate.open();
    assert!(matches!(worker.wait_for(&slot, None), SlotState::Callable(_)));
    assert!(worker.wait_idle(None));
    worker.pause(false);
    let while_paused = bench.submit(4, 0);
    // Returns, without a limit: nothing is going to happen.
    assert_eq!(worker.wait_for(&while_paused, None), SlotState::NotReady);
    assert!(!worker.wait_idle(None));
}

#[test]
fn a_pause_that_does_not_drain_leaves_the_queue() {
    need!("gcc");
    let bench = Bench::of_text(PLAIN, quiet());
    let slots: Vec<_> = (1..=10).map(|owner| bench.submit(owner, 0)).collect();
    bench.worker().pause(false);
    let ready = slots.iter().filter(|slot| slot.state() != SlotState::NotReady).count();
    assert!(ready < 10, "all {ready} are ready");
    std::thread::sleep(Duration::from_millis(200));
    let later = slots.iter().filter(|slot| slot.state() != SlotState::NotReady).count();
    assert_eq!(ready, later, "what was being made was through before pause returned");
}

#[test]
fn a_full_cache_does_not_hang_a_draining_pause() {
    need!("gcc");
    let bench = Bench::of_text(PLAIN, quiet().max_cache_size(2));
    let slots: Vec<_> = (1..=4).map(|owner| bench.submit(owner, 0)).collect();
    assert!(bench.worker().pause(true));
    let ready = slots.iter().filter(|slot| slot.state() != SlotState::NotReady).count();
    assert_eq!(ready, 2);
}

#[test]
#[cfg_attr(windows, ignore = "a named pipe that gcc includes holds the compiler back")]
fn finishing_ends_a_compiler_that_hangs() {
    need!("gcc");
    let (mut bench, _fifo) = held_back();
    let slot = bench.submit(1, 0);
    bench.wait_for_line("Starting process");
    let began = Instant::now();
    assert!(bench.finish().is_empty());
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(settled(&slot), SlotState::Failed);
}

#[test]
fn several_threads_share_the_queue() {
    need!("gcc");
    let threads = std::num::NonZero::new(4).unwrap();
    let bench = Bench::of_text(PLAIN, quiet().threads(threads));
    let slots: Vec<_> = (0..20).map(|owner| bench.submit(owner, owner)).collect();
    assert_eq!(slots.iter().map(call).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
}

#[test]
fn the_coldest_makes_room_for_what_is_hotter_and_not_while_anybody_is_inside() {
    need!("gcc");
    let mut bench = Bench::of_text(PLAIN, quiet().max_cache_size(2));
    let [cold, warm] = [(1, 10), (2, 20)].map(|(owner, heat)| bench.submit(owner, heat));
    assert_eq!([call(&cold), call(&warm)], [1, 2]);
    let inside = cold.enter().unwrap();
    let hot = bench.submit(3, 30);
    assert_eq!(call(&hot), 3);
    assert_eq!(cold.state(), SlotState::Unloaded);
    assert!(cold.enter().is_none());
    // SAFETY: the guard keeps the code loaded.
    let function: extern "C" fn() -> i64 = unsafe { std::mem::transmute(inside.address().as_ptr()) };
    assert_eq!(function(), 1, "the code outlives its slot while somebody is inside");
    drop(inside);
    assert_eq!(bench.lines("Too many JIT code -- 1 units unloaded").len(), 1);
    let colder = bench.submit(4, 5);
    bench.worker().pause(true);
    assert_eq!(colder.state(), SlotState::NotReady, "nothing loaded is colder");
    assert!(bench.finish().is_empty());
}
