//! Code that is replaced: by other switches, by a compaction, by nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mjitcc::worker::{CodeError, Generated, Inlined, OwnerId, Request, SlotState, SourceLocation, Switches, Worker};

use crate::host::{Bench, Counter, PLAIN, call, failure, fill, held_back, quiet, settled};
use crate::support::{fixture, need};

/// Text that returns the unit's switches.
fn switched(request: &Request<'_>) -> Result<Generated, String> {
    Ok(format!("long {}(void) {{ return {}; }}", request.entry, 100 + request.switches.0).into())
}

#[test]
fn recompiling_empties_the_slot_at_once_and_fills_it_with_the_new_code() {
    need!("gcc");
    let bench = Bench::new(quiet(), Box::new(switched));
    let slot = bench.submit(1, 0);
    assert_eq!(call(&slot), 100);
    bench.worker().pause(false);
    assert!(bench.worker().recompile(&slot, Switches(1)));
    assert_eq!(slot.state(), SlotState::NotReady);
    bench.worker().resume();
    assert_eq!(call(&slot), 101);
    assert_eq!(bench.lines("JIT recompile: "), ["JIT recompile: m1@test.rb:7"]);
    bench.wait_for_lines("JIT success", 2);
}

// Ruby's recompilation only set a flag; nobody was woken.
#[test]
fn recompiling_wakes_an_idle_worker() {
    need!("gcc");
    let bench = Bench::new(quiet(), Box::new(switched));
    let slot = bench.submit(1, 0);
    call(&slot);
    bench.worker().pause(true);
    bench.worker().resume();
    for switches in 1..=3 {
        assert!(bench.worker().recompile(&slot, Switches(switches)));
        assert_eq!(call(&slot), 100 + switches.cast_signed());
    }
}

#[test]
#[cfg_attr(windows, ignore = "a named pipe that gcc includes holds the compiler back")]
fn a_unit_that_is_superseded_under_the_compiler_is_never_published() {
    need!("gcc");
    let (bench, fifo) = held_back();
    let slot = bench.submit(1, 0);
    bench.wait_for_line("Starting process");
    // Old text is with the compiler, which waits.
    assert!(bench.worker().recompile(&slot, Switches(1)));
    bench.worker().pause_after(|| std::fs::write(fifo.path().join("fifo"), "/* go on */\n").unwrap());
    assert_eq!(slot.state(), SlotState::NotReady, "the old unit wrote the slot");
    assert!(bench.lines("JIT success").is_empty());
    bench.worker().resume();
    std::fs::write(fifo.path().join("fifo"), "/* go on */\n").unwrap();
    assert_eq!(call(&slot), 1);
}

#[test]
fn cancelling_all_takes_back_everything_and_the_worker_goes_on() {
    need!("gcc");
    let bench = Bench::of_text(PLAIN, quiet());
    let slots: Vec<_> = (1..=3).map(|owner| bench.submit(owner, 0)).collect();
    values(&slots);
    bench.worker().pause(true);
    let waiting = bench.submit(4, 0);
    assert_eq!(bench.worker().cancel_all(), [1, 2, 3].map(OwnerId));
    for slot in slots.iter().chain([&waiting]) {
        assert!(matches!(slot.failure(), Some(CodeError::Cancelled)), "{}", failure(slot));
    }
    assert_eq!(bench.lines("JIT cancel: ").len(), 3);
    bench.worker().resume();
    assert_eq!(call(&bench.submit(5, 0)), 5);
}

#[test]
fn what_is_inlined_is_told_and_kept_alive() {
    need!("gcc");
    let generate = |request: &Request<'_>| {
        let location = SourceLocation { label: "leaf".into(), path: "leaf.rb".into(), line: 1 };
        let inlined = vec![Inlined { owner: OwnerId(77), location }];
        Ok(Generated { text: fill(PLAIN, request), inlined, ..Generated::default() })
    };
    let bench = Bench::new(quiet(), Box::new(generate));
    call(&bench.submit(1, 0));
    assert_eq!(bench.worker().living_owners(), [1, 77].map(OwnerId));
    assert_eq!(bench.lines("JIT inline: "), ["JIT inline: m1@test.rb:7 => leaf@leaf.rb:1"]);
}

/// Text with a helper that every unit has, and a static of its own.
const WITH_HELPER: &str = "#define STEP {owner}
static const long base = 1000;
static long add(long a, long b) { return a + b; }
long {entry}(void) { return add(base, STEP); }";

fn values(slots: &[mjitcc::worker::Slot]) -> Vec<i64> {
    slots.iter().map(call).collect()
}

// Ruby's test_pause: two methods, one compaction.
#[test]
fn two_units_are_compacted_once_when_the_queue_is_empty() {
    need!("gcc");
    let mut bench = Bench::of_text(WITH_HELPER, Worker::builder());
    bench.worker().pause(false);
    let slots: Vec<_> = (1..=2).map(|owner| bench.submit(owner, 0)).collect();
    bench.worker().resume();
    assert!(bench.worker().pause(true));
    let lines = bench.lines("JIT compaction");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("ms): Compacted 2 methods -> "), "{lines:?}");
    assert_eq!(values(&slots), [1001, 1002]);
    assert!(bench.finish().is_empty());
}

#[test]
fn compacted_code_is_published_in_the_same_slots_and_the_old_libraries_are_closed() {
    need!("gcc");
    let header = fixture("vm.h");
    let bench = Bench::of_text(WITH_HELPER, Worker::builder().header(header).prefix("_mjit_together_"));
    bench.worker().pause(false);
    let slots: Vec<_> = (1..=20).map(|owner| bench.submit(owner, 0)).collect();
    bench.worker().resume();
    bench.worker().pause(true);
    assert_eq!(values(&slots), (1001..=1020).collect::<Vec<_>>());
    assert_eq!(bench.lines("Unloading unit").len(), 20);
    // All in one library now.
    if cfg!(target_os = "linux") {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let paths = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
        let mapped: std::collections::BTreeSet<&str> = paths.filter(|path| path.contains("_mjit_together_")).collect();
        assert_eq!(mapped.len(), 1, "{mapped:?}");
    }
}

#[test]
fn a_guard_keeps_code_that_compaction_has_replaced() {
    need!("gcc");
    let bench = Bench::of_text(WITH_HELPER, Worker::builder());
    let first = bench.submit(1, 0);
    call(&first);
    let inside = first.enter().unwrap();
    let second = bench.submit(2, 0);
    call(&second);
    bench.wait_for_lines("JIT compaction", 1);
    assert_ne!(first.state(), SlotState::Callable(inside.address()));
    // SAFETY: the guard keeps the code loaded.
    let old: extern "C" fn() -> i64 = unsafe { std::mem::transmute(inside.address().as_ptr()) };
    assert_eq!((old(), call(&first)), (1001, 1001));
}

#[test]
fn units_that_cannot_be_put_together_keep_their_own_libraries() {
    need!("gcc");
    // What each says of the host contradicts the other.
    let generate = |request: &Request<'_>| {
        let host = if request.owner.0 == 1 { "extern int abs(int);" } else { "extern void *abs(void *);" };
        Ok(format!("{host}\n{}", fill(PLAIN, request)).into())
    };
    let bench = Bench::new(Worker::builder(), Box::new(generate));
    bench.worker().pause(false);
    let slots: Vec<_> = (1..=3).map(|owner| bench.submit(owner, 0)).collect();
    bench.worker().resume();
    bench.worker().pause(true);
    assert_eq!(values(&slots), [1, 2, 3]);
    let told = bench.lines("JIT compaction");
    assert!(!told.is_empty());
}

#[test]
fn compaction_is_not_for_hosts_that_wait() {
    need!("gcc");
    let bench = Bench::of_text(PLAIN, Worker::builder().wait(true));
    (1..=3).for_each(|owner| drop(bench.submit(owner, 0)));
    bench.worker().pause(true);
    assert!(bench.lines("JIT compaction").is_empty());
}

// Ruby 3.1's test_unload_units: eleven methods, a cache of ten.
#[test]
fn a_host_that_waits_gets_its_unit_though_the_cache_is_full() {
    need!("gcc");
    let mut bench = Bench::of_text(PLAIN, Worker::builder().wait(true).max_cache_size(10));
    let slots: Vec<_> = (1..=11).map(|owner| bench.submit(owner, 0)).collect();
    assert_eq!(values(&slots), (1..=11).collect::<Vec<_>>());
    let grown = bench.lines("No units can be unloaded");
    assert_eq!(grown, ["No units can be unloaded -- incremented max-cache-size to 11 for --jit-wait"]);
    // The full cache was compacted; the eleventh went first.
    bench.worker().pause(true);
    assert_eq!(bench.lines("JIT compaction").len(), 1);
    assert!(bench.finish().is_empty());
}

#[test]
fn a_host_s_job_runs_on_its_thread_and_gives_its_result() {
    need!("gcc");
    let wanted = Counter::default();
    let told = wanted.clone();
    let generate = move |request: &Request<'_>| {
        let owner = request.owner.0;
        told.increment();
        let (thread, value) = request
            .on_vm_thread(move || (std::thread::current().id(), owner * 2))
            .map_err(|error| error.to_string())?;
        assert_ne!(thread, std::thread::current().id());
        Ok(format!("long {}(void) {{ return {value}; }}", request.entry).into())
    };
    let bench = Bench::new(quiet(), Box::new(generate));
    let slot = bench.submit(21, 0);
    wanted.wait_for(1);
    // The collector is not held up by a job that waits.
    bench.worker().enter_gc();
    bench.worker().leave_gc();
    let until = Instant::now() + Duration::from_secs(60);
    while bench.worker().run_vm_jobs() == 0 {
        assert!(Instant::now() < until);
    }
    assert_eq!(call(&slot), 42);
}

fn with_a_job(request: &Request<'_>) -> Result<Generated, String> {
    request.on_vm_thread(|| ()).map_err(|error| error.to_string())?;
    Ok(fill(PLAIN, request).into())
}

// Ruby 26fae9aa: stopping must not abandon a unit as not ready.
#[test]
fn a_pause_cancels_a_job_and_the_unit_waits_again() {
    need!("gcc");
    let bench = Bench::new(quiet(), Box::new(with_a_job));
    let slot = bench.submit(1, 0);
    bench.wait_for_line("start compilation");
    assert!(bench.worker().pause(false));
    assert_eq!(bench.worker().run_vm_jobs(), 0);
    assert_eq!(slot.state(), SlotState::NotReady);
    bench.worker().resume();
    while slot.state() == SlotState::NotReady {
        bench.worker().run_vm_jobs();
    }
    assert_eq!(call(&slot), 1);
}

#[test]
fn a_host_that_waits_or_drains_runs_its_jobs_itself() {
    need!("gcc");
    let bench = Bench::new(quiet().wait(true), Box::new(with_a_job));
    assert_eq!(call(&bench.submit(1, 0)), 1);
    let bench = Bench::new(quiet(), Box::new(with_a_job));
    let slot = bench.submit(2, 0);
    assert!(bench.worker().pause(true));
    assert_eq!(call(&slot), 2);
}

#[test]
fn an_owner_that_dies_while_its_job_waits_takes_the_job_along() {
    need!("gcc");
    let mut bench = Bench::new(quiet(), Box::new(with_a_job));
    let slot = bench.submit(1, 0);
    bench.wait_for_line("start compilation");
    bench.worker().enter_gc();
    bench.worker().owner_died(OwnerId(1));
    bench.worker().leave_gc();
    assert_eq!(settled(&slot), SlotState::Failed);
    assert!(matches!(slot.failure(), Some(CodeError::OwnerDied)), "{}", failure(&slot));
    assert_eq!(bench.worker().run_vm_jobs(), 0);
    assert!(bench.finish().is_empty());
}

#[test]
fn a_finished_worker_waits_for_no_job() {
    need!("gcc");
    let mut bench = Bench::new(quiet(), Box::new(with_a_job));
    let slot = bench.submit(1, 0);
    bench.wait_for_line("start compilation");
    assert!(bench.finish().is_empty());
    assert!(matches!(slot.failure(), Some(CodeError::Finished)), "{}", failure(&slot));
}

#[test]
fn a_job_that_panics_fails_its_unit_and_nothing_else() {
    need!("gcc");
    let generate = |request: &Request<'_>| {
        if request.owner.0 == 1 {
            request.on_vm_thread(|| panic!("the host is broken")).map_err(|error| error.to_string())?;
        }
        Ok(fill(PLAIN, request).into())
    };
    let bench = Bench::new(quiet(), Box::new(generate));
    let slot = bench.submit(1, 0);
    while slot.state() == SlotState::NotReady {
        bench.worker().run_vm_jobs();
    }
    assert_eq!(failure(&slot), "the job panicked");
    assert_eq!(call(&bench.submit(2, 0)), 2);
}

/// Pauses on another thread while something happens.
trait PauseAfter {
    fn pause_after(&self, then: impl FnOnce());
}

impl PauseAfter for Worker {
    fn pause_after(&self, then: impl FnOnce()) {
        std::thread::scope(|scope| {
            let pausing = scope.spawn(|| self.pause(false));
            std::thread::sleep(Duration::from_millis(100));
            then();
            assert!(pausing.join().unwrap());
        });
    }
}

#[test]
fn entry_symbols_can_be_read_in_a_debugger() {
    need!("gcc");
    let flags = mjitcc::platforms::Flags { debug: true, ..Default::default() };
    let names = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&names);
    let generate = move |request: &Request<'_>| {
        seen.lock().unwrap().push(request.entry.to_owned());
        Ok(fill(PLAIN, request).into())
    };
    let bench = Bench::new(quiet().flags(flags), Box::new(generate));
    assert_eq!(call(&bench.submit(3, 0)), 3);
    assert_eq!(*names.lock().unwrap(), ["_mjit0_m3"]);
}
