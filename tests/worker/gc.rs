//! Collecting while the worker works.

use std::time::{Duration, Instant};

use mjitcc::worker::{Options, OwnerId, Request, SlotState};

use crate::host::{Bench, Counter, PLAIN, call, fill, settled};
use crate::support::need;

/// A bench that counts the units whose text was generated.
fn counting(generated: &Counter) -> Bench {
    let generated = generated.clone();
    let generate = move |request: &Request| {
        generated.increment();
        Ok(fill(PLAIN, request).into())
    };
    Bench::new("gcc", Options::default(), Box::new(generate))
}

#[test]
fn collecting_never_waits_for_a_compiler() {
    need!("gcc");
    let generated = Counter::default();
    let bench = counting(&generated);
    let slots: Vec<_> = (1..=4).map(|owner| bench.submit(owner, 0)).collect();
    generated.wait_for(1);
    let mut longest = Duration::ZERO;
    for _ in 0..200 {
        let began = Instant::now();
        bench.worker().enter_gc();
        longest = longest.max(began.elapsed());
        bench.worker().leave_gc();
        std::thread::sleep(Duration::from_micros(200));
    }
    slots.iter().for_each(|slot| assert!(matches!(settled(slot), SlotState::Callable(_))));
    // A unit takes its compiler tens of milliseconds; this leaves a busy machine some.
    assert!(longest < Duration::from_millis(15), "{longest:?}");
}

#[test]
fn nothing_is_generated_or_published_while_the_host_collects() {
    need!("gcc");
    let generated = Counter::default();
    let bench = counting(&generated);
    bench.worker().enter_gc();
    bench.worker().enter_gc();
    let slot = bench.submit(1, 0);
    bench.worker().leave_gc();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(slot.state(), SlotState::NotReady);
    bench.worker().leave_gc();
    generated.wait_for(1);
    // From here on the text is made and the compiler runs; collecting now must hold publication back.
    bench.worker().enter_gc();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(slot.state(), SlotState::NotReady);
    bench.worker().leave_gc();
    assert_eq!(call(&slot), 1);
}

#[test]
fn an_owner_that_dies_while_its_unit_is_compiled_is_not_published_to() {
    need!("gcc");
    let generated = Counter::default();
    let bench = counting(&generated);
    let (slot, waiting) = (bench.submit(1, 0), bench.submit(2, 0));
    generated.wait_for(1);
    bench.worker().enter_gc();
    assert_eq!(bench.worker().living_owners(), [OwnerId(2), OwnerId(1)]);
    bench.worker().owner_died(OwnerId(1));
    bench.worker().owner_died(OwnerId(2));
    assert_eq!(bench.worker().living_owners(), []);
    bench.worker().leave_gc();
    for slot in [slot, waiting] {
        assert_eq!((settled(&slot), slot.failure()), (SlotState::Failed, Some("its owner died")));
    }
}
