//! Quick code first, better code later, in one slot.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(target_os = "linux")]
use mjitcc::platforms::Linker;
use mjitcc::platforms::{Flags, OptLevel};
use mjitcc::worker::{
    AssumptionId, Builder, Compaction, Generated, OwnerId, Request, SlotState, Switches, Tiers, Worker,
};

#[cfg(unix)]
use crate::host::Gate;
use crate::host::{Bench, PLAIN, TestHost, call, failure, fill, quiet, settled};
use crate::support::{fixture, need};

/// Says which tier it is: tcc's code gives 1 more.
const TELLING: &str = "
#ifdef __TINYC__
enum { TIER = 1 };
#else
enum { TIER = 2 };
#endif
long {entry}(void) { return {owner} * 10 + TIER; }
";

fn tiers() -> Builder {
    quiet().tiers(Tiers::Quickest)
}

#[test]
fn a_unit_has_quick_code_first_and_then_better_code_in_the_same_slot() {
    need!("gcc", "tcc");
    let calls = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&calls);
    let generate = move |request: &Request<'_>| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok(fill(TELLING, request).into())
    };
    let mut bench = Bench::new(tiers(), Box::new(generate));
    bench.worker().pause(false);
    let slots: Vec<_> = (1..=3).map(|owner| bench.submit(owner, 0)).collect();
    bench.worker().resume();
    bench.worker().pause(true);
    assert_eq!(slots.iter().map(call).collect::<Vec<_>>(), [12, 22, 32]);
    assert_eq!(calls.load(Ordering::SeqCst), 3, "one text is good for both");
    let log = bench.log.lock().unwrap().clone();
    let at = |beginning: &str| log.iter().positions(beginning);
    assert_eq!((at("JIT success").len(), at("JIT improved").len()), (3, 3), "{log:#?}");
    assert!(at("JIT success")[2] < at("JIT improved")[0], "first code comes before better code: {log:#?}");
    assert_eq!(at("Unloading unit").len(), 3, "{log:#?}");
    assert!(log.iter().any(|line| line.starts_with("MJIT: first tier is ") && line.contains("tcc")), "{log:#?}");
    assert!(bench.finish().is_empty());
}

trait Positions {
    fn positions(self, beginning: &str) -> Vec<usize>;
}

impl<'a, I: Iterator<Item = &'a String>> Positions for I {
    fn positions(self, beginning: &str) -> Vec<usize> {
        self.enumerate().filter(|(_, line)| line.starts_with(beginning)).map(|(at, _)| at).collect()
    }
}

#[test]
#[cfg(target_os = "linux")]
fn where_another_linker_is_wanted_the_same_compiler_hurries() {
    need!("gcc", "tcc");
    let bench = Bench::of_text(TELLING, tiers().flags(Flags { linker: Linker::Wild, ..Flags::default() }));
    assert_eq!(call(&bench.submit(1, 0)), 12);
    bench.worker().pause(true);
    assert!(bench.lines("MJIT: first tier is ")[0].ends_with("gcc -O1"), "{:?}", bench.lines("MJIT: first tier"));
    assert_eq!(bench.lines("JIT improved").len(), 1, "{:?}", bench.log);
}

#[test]
fn where_tcc_does_not_take_the_header_the_same_compiler_hurries() {
    need!("gcc", "tcc");
    let dir = tempfile::tempdir().unwrap();
    let header = dir.path().join("no_tcc.h");
    std::fs::write(&header, "#ifdef __TINYC__\n#error not for tcc\n#endif\n#define ANSWER 42\n").unwrap();
    let text = "long {entry}(void) { return ANSWER; }";
    let bench = Bench::of_text(text, tiers().header(header));
    assert_eq!(call(&bench.submit(1, 0)), 42);
    bench.worker().pause(true);
    assert!(bench.lines("MJIT: first tier is ")[0].ends_with("gcc -O1"), "{:?}", bench.lines("MJIT: first tier"));
    let units: Vec<String> =
        bench.lines("Starting process: ").into_iter().filter(|line| line.contains("u0.c")).collect();
    let [first, second] = &units[..] else { panic!("{units:#?}") };
    assert!(first.contains(" -O1 ") && second.contains(" -O3 "), "{units:#?}");
    assert!(units.iter().all(|line| line.contains("-Werror=invalid-pch")), "{units:#?}");
    assert_eq!((bench.lines("JIT improved").len(), bench.lines("MJIT warning").len()), (1, 0));
}

#[test]
fn there_is_one_tier_where_nothing_is_quicker_than_what_is_wanted() {
    need!("gcc");
    let flags = Flags { optimize: OptLevel::O0, ..Flags::default() };
    for builder in [quiet(), tiers().flags(flags)] {
        let bench = Bench::of_text(TELLING, builder);
        assert_eq!(call(&bench.submit(1, 0)), 12);
        bench.worker().pause(true);
        assert!(bench.lines("MJIT: first tier").is_empty() && bench.lines("JIT improved").is_empty());
    }
}

#[test]
fn a_unit_that_the_first_tier_cannot_make_goes_straight_to_the_second() {
    need!("gcc", "tcc");
    let refused = "#ifdef __TINYC__\n#error too hard\n#endif\nlong {entry}(void) { return {owner}; }";
    let generate = |request: &Request<'_>| {
        Ok(fill(if request.owner.0.is_multiple_of(4) { refused } else { PLAIN }, request).into())
    };
    let bench = Bench::new(tiers(), Box::new(generate));
    bench.worker().pause(false);
    let slots: Vec<_> = (1..=12).map(|owner| bench.submit(owner, 0)).collect();
    bench.worker().resume();
    assert_eq!(slots.iter().map(call).collect::<Vec<_>>(), (1..=12).collect::<Vec<_>>());
    bench.worker().pause(true);
    assert_eq!(bench.lines("No quick code: ").len(), 3);
    assert_eq!((bench.lines("JIT success").len(), bench.lines("JIT improved").len()), (12, 9));
    assert_eq!(bench.lines("JIT failure"), [""; 0]);
}

#[test]
fn a_unit_that_the_second_tier_cannot_make_keeps_its_quick_code() {
    need!("gcc", "tcc");
    let hard = "#ifndef __TINYC__\n#error too hard\n#endif\nlong {entry}(void) { return {owner}; }";
    let generate = |request: &Request<'_>| Ok(fill(if request.owner.0 == 2 { hard } else { TELLING }, request).into());
    let bench = Bench::new(tiers().compaction(Compaction::Throttled), Box::new(generate));
    bench.worker().pause(false);
    let slots: Vec<_> = (1..=3).map(|owner| bench.submit(owner, 0)).collect();
    bench.worker().resume();
    bench.worker().pause(true);
    assert_eq!(slots.iter().map(call).collect::<Vec<_>>(), [12, 2, 32]);
    let told = bench.lines("JIT improvement failure (");
    assert!(told.len() == 1 && told[0].ends_with("ms): m2@test.rb:7"), "{told:?}");
    // Only what is as good as it gets is put together.
    let compacted = bench.lines("JIT compaction (");
    assert!(compacted.len() == 1 && compacted[0].contains("Compacted 2 methods"), "{compacted:?}");
}

/// Units whose second tier waits at a gate, unless they are made with other switches.
#[cfg(unix)]
pub fn held(builder: Builder) -> (Bench, Gate) {
    let gate = Gate::new();
    let generate = move |request: &Request<'_>| {
        let held = if request.switches == Switches::default() { "/* HELD */" } else { "" };
        Ok(Generated { text: fill(TELLING, request) + held, assumptions: vec![AssumptionId(7)], inlined: Vec::new() })
    };
    let host = Arc::new(TestHost::new(Box::new(generate)));
    (Bench::on(gate.cc().to_str().unwrap(), builder, host), gate)
}

#[test]
#[cfg(unix)]
fn quick_code_is_callable_while_better_code_is_made_and_goes_after_its_callers() {
    need!("gcc", "tcc");
    let (bench, gate) = held(tiers().wait(true));
    // A host that waits has it when there is quick code.
    let slot = bench.submit(1, 0);
    assert!(matches!(slot.state(), SlotState::Callable(_)));
    assert_eq!(call(&slot), 11);
    let inside = slot.enter().unwrap();
    gate.open();
    bench.wait_for_line("JIT improved");
    assert_eq!(call(&slot), 12);
    assert_ne!(SlotState::Callable(inside.address()), slot.state());
    let collect = || {
        bench.worker().enter_gc();
        bench.worker().leave_gc();
    };
    collect();
    bench.worker().pause(true);
    assert_eq!(bench.lines("Unloading unit"), [""; 0], "somebody is inside");
    drop(inside);
    bench.worker().resume();
    collect();
    bench.wait_for_line("Unloading unit 0");
}

#[test]
#[cfg(unix)]
fn better_code_is_not_published_for_what_is_not_wanted_any_more() {
    need!("gcc", "tcc");
    type Change = fn(&Worker, &mjitcc::worker::Slot);
    let changes: [(Change, &str); 4] = [
        (
            |worker, _| assert_eq!(worker.invalidate(AssumptionId(7)), [OwnerId(1)]),
            "an assumption of the unit no longer holds",
        ),
        (|worker, _| assert_eq!(worker.cancel_all(), [OwnerId(1)]), "the unit was cancelled"),
        (
            |worker, _| {
                worker.enter_gc();
                worker.owner_died(OwnerId(1));
                worker.leave_gc();
            },
            "the owner was freed",
        ),
        (|worker, slot| assert!(worker.recompile(slot, Switches(1))), ""),
    ];
    for (change, why) in changes {
        let (bench, gate) = held(tiers());
        let slot = bench.submit(1, 0);
        assert_eq!(call(&slot), 11);
        wait_for_second_tier(&bench);
        change(bench.worker(), &slot);
        gate.open();
        bench.worker().pause(true);
        assert_eq!(failure(&slot), why);
        if why.is_empty() {
            // The new unit went through both tiers.
            assert_eq!((call(&slot), bench.lines("JIT improved").len()), (12, 1));
        } else {
            assert_eq!((settled(&slot), bench.lines("JIT improved").len()), (SlotState::Failed, 0));
        }
    }
}

/// Until a compiler other than tcc has the unit.
#[cfg(unix)]
pub fn wait_for_second_tier(bench: &Bench) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !bench.lines("Starting process: ").iter().any(|line| line.contains("u0.c") && line.contains("gated-cc")) {
        assert!(std::time::Instant::now() < until, "{:?}", bench.log.lock().unwrap());
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[test]
fn units_stand_behind_their_header_in_both_tiers() {
    need!("gcc", "tcc");
    let text = "long {entry}(void) { return (long)sizeof(vm_frame_t) * 0 + {owner}; }";
    let bench = Bench::of_text(text, tiers().header(fixture("vm.h")));
    assert_eq!(call(&bench.submit(6, 0)), 6);
    bench.worker().pause(true);
    assert_eq!((bench.lines("JIT success").len(), bench.lines("JIT improved").len()), (1, 1));
}
