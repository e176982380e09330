//! Units that wait become one translation unit: who goes first, what they keep to themselves, and what a bad one costs the others.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mjitcc::worker::{AssumptionId, Builder, Generated, OwnerId, Request, Slot, SlotState, Switches, Unity};

use crate::host::{Bench, Counter, PLAIN, TestHost, call, failure, fill, host_of, quiet, settled};
#[cfg(unix)]
use crate::host::{Gate, gcc_that};
use crate::support::need;

/// A worker that takes so many at once at most.
pub fn at_most(units: usize) -> Builder {
    quiet().unity(Unity::AtMost(NonZero::new(units).unwrap()))
}

/// Submits while nothing is taken up. The first is the hottest.
pub fn queue(bench: &Bench, owners: std::ops::RangeInclusive<u64>) -> Vec<Slot> {
    bench.worker().pause(false);
    let slots = owners.map(|owner| bench.submit(owner, 1_000 - owner)).collect();
    bench.worker().resume();
    slots
}

pub fn companies(bench: &Bench) -> Vec<String> {
    let words = |line: &String| line.split_whitespace().nth(3).unwrap_or_default().to_owned();
    bench.lines("start compilation of ").iter().map(words).collect()
}

#[test]
fn a_long_queue_is_compiled_in_growing_companies_hottest_first() {
    need!("gcc");
    let mut bench = Bench::of_text(PLAIN, at_most(4));
    let slots = queue(&bench, 1..=12);
    assert_eq!(slots.iter().map(call).collect::<Vec<_>>(), (1..=12).collect::<Vec<i64>>());
    bench.worker().pause(true);
    // One alone, then 2, 4, 4, and the last one alone.
    assert_eq!(companies(&bench), ["2", "4", "4"]);
    let order: Vec<String> = bench.lines("JIT success (").iter().map(|line| line[..].to_owned()).collect();
    let order: Vec<&str> = order.iter().map(|line| line.split_whitespace().nth(3).unwrap()).collect();
    let expected: Vec<String> = (1..=12).map(|owner| format!("m{owner}@test.rb:7")).collect();
    assert_eq!(order, expected);
    assert!(bench.finish().is_empty());
}

#[test]
fn units_are_compiled_alone_where_that_is_wanted_or_only_one_waits() {
    need!("gcc");
    let alone = Bench::of_text(PLAIN, quiet().unity(Unity::Off));
    assert_eq!(queue(&alone, 1..=5).iter().map(call).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    let idle = Bench::of_text(PLAIN, quiet());
    (1..=3).for_each(|owner| assert_eq!(call(&idle.submit(owner, 0)), i64::try_from(owner).unwrap()));
    assert!(companies(&alone).is_empty() && companies(&idle).is_empty());
}

#[test]
fn macros_and_static_names_of_a_unit_never_reach_the_next() {
    need!("gcc");
    let generate = |request: &Request<'_>| {
        let owner = request.owner.0;
        let own = "#define TWICE(x) ((x) * 2 + {owner})\nenum { N = {owner} };\nstatic long state = {owner};\n\
                   typedef struct { char pad[{owner}]; } shape;\nstatic long helper(void) { return TWICE(N) + state++; }\n\
                   long {entry}(void) { return helper() + (long)sizeof(shape); }\n";
        let other = "#if defined TWICE || defined N\n#error a stranger's macro\n#endif\n\
                     static double state = 0.5;\nlong {entry}(void) { return (long)(state * 2) + {owner}; }\n";
        Ok(fill(if owner % 2 == 1 { own } else { other }, request).into())
    };
    let bench = Bench::new(at_most(8), Box::new(generate));
    let slots = queue(&bench, 1..=15);
    for (slot, owner) in slots.iter().zip(1_i64..) {
        for again in 0..2 {
            let expected = if owner % 2 == 1 { 5 * owner + again } else { owner + 1 };
            assert_eq!(call(slot), expected, "unit {owner}");
        }
    }
    assert_eq!(companies(&bench), ["2", "4", "8"]);
}

#[test]
fn one_bad_unit_in_company_costs_only_itself_and_is_told_by_its_own_name() {
    need!("gcc");
    let generate = |request: &Request<'_>| match request.owner.0 {
        5 => Ok(fill("\nlong {entry}(void) { return }", request).into()),
        6 => Ok(fill("extern long nowhere(void); long {entry}(void) { return nowhere(); }", request).into()),
        9 => Err("no code for this one".to_owned()),
        10 => panic!("the host is broken"),
        11 => Ok("long another_name(void) { return 0; }".to_owned().into()),
        // It cannot be merged, and is none the worse.
        12 => Ok(fill("#pragma GCC optimize(\"O1\")\nlong {entry}(void) { return {owner}; }", request).into()),
        _ => Ok(fill(PLAIN, request).into()),
    };
    let bench = Bench::new(at_most(8), Box::new(generate));
    let slots = queue(&bench, 1..=20);
    let open = if cfg!(windows) { "linker failed" } else { "nowhere" };
    for (slot, owner) in slots.iter().zip(1_i64..) {
        let why = match owner {
            5 => "the compiler failed",
            6 => open,
            9 => "no code for this one",
            10 => "panicked",
            11 => "does not define",
            _ => {
                assert_eq!(call(slot), owner);
                continue;
            }
        };
        assert_eq!(settled(slot), SlotState::Failed);
        assert!(failure(slot).contains(why), "unit {owner}: {}", failure(slot));
    }
    let Some(mjitcc::worker::CodeError::NotBuilt(why)) = slots[4].failure() else { panic!() };
    let own = format!("_mjit_p{}u4.c:2:", std::process::id());
    assert!(why.output().contains(&own), "{}", why.output());
    bench.worker().pause(true);
    assert_eq!(bench.lines("JIT failure").len(), 5);
}

#[test]
#[cfg(unix)]
fn what_is_not_wanted_any_more_is_left_out_of_what_was_made_together() {
    need!("gcc");
    let gate = Gate::new();
    let generate = move |request: &Request<'_>| {
        let held = request.owner.0 > 3 && request.switches == Switches::default();
        let text = fill(PLAIN, request) + if held { "/* HELD */" } else { "" };
        Ok(Generated { text, assumptions: vec![AssumptionId(request.owner.0)], inlined: Vec::new() })
    };
    let bench = Bench::on(gate.cc().to_str().unwrap(), at_most(4), Arc::new(TestHost::new(Box::new(generate))));
    let slots = queue(&bench, 1..=7);
    bench.wait_for_line("start compilation of 4 units together");
    let worker = bench.worker();
    assert_eq!(worker.invalidate(AssumptionId(4)), []);
    worker.enter_gc();
    worker.owner_died(OwnerId(5));
    worker.owner_moved(OwnerId(6), OwnerId(16));
    worker.leave_gc();
    assert!(worker.recompile(&slots[6], Switches(1)));
    gate.open();
    assert_eq!([6, 7].map(|owner| call(&slots[owner - 1])), [6, 7]);
    assert_eq!([&slots[3], &slots[4]].map(settled), [SlotState::Failed; 2]);
    assert_eq!(
        [&slots[3], &slots[4]].map(failure),
        ["an assumption of the unit no longer holds", "the owner was freed"]
    );
    worker.pause(true);
    let mut living: Vec<u64> = worker.living_owners().into_iter().map(|owner| owner.0).collect();
    living.sort_unstable();
    assert_eq!(living, [1, 2, 3, 7, 16]);
    // One of the four was made again, by itself.
    assert_eq!(companies(&bench), ["2", "4"]);
}

#[test]
fn a_pause_sends_back_those_whose_texts_are_only_being_generated() {
    need!("gcc");
    let (begun, go_on, calls) = (Counter::default(), Counter::default(), Arc::new(AtomicU64::new(0)));
    let (begin, wait, count) = (begun.clone(), go_on.clone(), Arc::clone(&calls));
    let generate = move |request: &Request<'_>| {
        count.fetch_add(1, Ordering::SeqCst);
        if request.owner.0 == 5 {
            begin.increment();
            wait.wait_for(1);
        }
        Ok(fill(PLAIN, request).into())
    };
    let bench = Bench::new(at_most(4), Box::new(generate));
    let slots = queue(&bench, 1..=7);
    begun.wait_for(1);
    std::thread::scope(|scope| {
        let pausing = scope.spawn(|| bench.worker().pause(false));
        // The pause is told before the host goes on, or this shows nothing.
        std::thread::sleep(Duration::from_millis(100));
        go_on.increment();
        assert!(pausing.join().unwrap());
    });
    assert!(slots[3..].iter().all(|slot| slot.state() == SlotState::NotReady));
    assert_eq!(calls.load(Ordering::SeqCst), 5, "no further text was asked for");
    bench.worker().resume();
    assert_eq!(slots.iter().map(call).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_cache_takes_no_more_units_at_once_than_it_has_room_for() {
    need!("gcc");
    let bench = Bench::of_text(PLAIN, at_most(8).max_cache_size(5).unloading(mjitcc::worker::Unloading::Never));
    let slots = queue(&bench, 1..=20);
    assert_eq!(slots[..5].iter().map(call).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    bench.worker().pause(true);
    assert_eq!(bench.lines("JIT success").len(), 5);
    assert_eq!(companies(&bench), ["2", "2"]);
}

/// One unit of seven has a compiler that does this, and fails for that reason; the others are built.
#[cfg(unix)]
#[track_caller]
fn costs_only_itself(command: &str, builder: mjitcc::worker::Builder, reason: &str) {
    let dir = tempfile::tempdir().unwrap();
    let cc = dir.path().join("cc");
    gcc_that(&cc, "MARKED", command);
    let generate = |request: &Request<'_>| {
        let mark = if request.owner.0 == 5 { "\nenum { MARKED };\n" } else { "" };
        Ok((fill(PLAIN, request) + mark).into())
    };
    let host = Arc::new(TestHost::new(Box::new(generate)));
    let bench = Bench::on(cc.to_str().unwrap(), builder, host);
    let slots = queue(&bench, 1..=7);
    for owner in [4, 6, 7] {
        assert_eq!(call(&slots[owner - 1]), i64::try_from(owner).unwrap());
    }
    assert_eq!(settled(&slots[4]), SlotState::Failed);
    assert!(failure(&slots[4]).contains(reason), "{}", failure(&slots[4]));
}

#[test]
#[cfg(unix)]
fn a_unit_that_the_compiler_hangs_on_costs_only_itself() {
    need!("gcc");
    let builder = at_most(4).timeout(Some(Duration::from_secs(2)));
    costs_only_itself("exec sleep 1000", builder, "time limit of 2 s");
}

#[test]
#[cfg(unix)]
fn a_unit_that_the_compiler_floods_about_costs_only_itself() {
    need!("gcc");
    let builder = at_most(4).timeout(None).output_limit(Some(20_000));
    costs_only_itself("exec yes 'u.c:1:1: warning: chatter' >&2", builder, "wrote more than");
}

#[test]
fn several_threads_share_a_long_queue() {
    need!("gcc");
    let bench = Bench::on("gcc", at_most(8).threads(NonZero::new(3).unwrap()), host_of(PLAIN));
    let slots = queue(&bench, 1..=60);
    assert_eq!(slots.iter().map(call).collect::<Vec<_>>(), (1..=60).collect::<Vec<i64>>());
    assert!(!companies(&bench).is_empty());
}

#[test]
fn the_library_of_several_units_goes_when_all_of_it_is_given_up() {
    need!("gcc");
    let generate = |request: &Request<'_>| {
        Ok(Generated {
            text: fill(PLAIN, request),
            assumptions: vec![AssumptionId(request.owner.0)],
            inlined: Vec::new(),
        })
    };
    let bench = Bench::new(at_most(2), Box::new(generate));
    let slots = queue(&bench, 1..=3);
    assert_eq!(slots.iter().map(call).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(companies(&bench), ["2"]);
    bench.worker().invalidate(AssumptionId(2));
    bench.wait_for_line("Unloading unit 1");
    assert_eq!(call(&slots[2]), 3, "the other's code is in the same library");
}
