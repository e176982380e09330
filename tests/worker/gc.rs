//! Collecting while the worker works.

use std::time::Duration;

use mjitcc::worker::{CodeError, OwnerId, Request, SlotState};

use crate::host::{Bench, Counter, PLAIN, call, fill, held_back, quiet, settled};
use crate::support::need;

/// A bench that counts the units whose text was generated.
fn counting(generated: &Counter) -> Bench {
    let generated = generated.clone();
    let generate = move |request: &Request<'_>| {
        generated.increment();
        Ok(fill(PLAIN, request).into())
    };
    Bench::new(quiet(), Box::new(generate))
}

#[test]
#[cfg_attr(windows, ignore = "a named pipe that gcc includes holds the compiler back")]
fn collecting_never_waits_for_a_compiler() {
    need!("gcc");
    let (mut bench, fifo) = held_back();
    let slot = bench.submit(1, 0);
    bench.wait_for_line("Starting process");
    // The compiler waits for the other end of the pipe, for as long as it takes.
    let worker = bench.worker.take().unwrap();
    let (told, collected) = std::sync::mpsc::channel();
    let collector = std::thread::spawn(move || {
        for _ in 0..100 {
            worker.enter_gc();
            worker.leave_gc();
        }
        let _ = told.send(());
        worker
    });
    collected.recv_timeout(Duration::from_secs(60)).expect("collecting waited for the compiler");
    bench.worker = Some(collector.join().unwrap());
    assert_eq!(slot.state(), SlotState::NotReady);
    std::fs::write(fifo.path().join("fifo"), "/* go on */\n").unwrap();
    assert_eq!(call(&slot), 1);
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
        assert_eq!(settled(&slot), SlotState::Failed);
        assert!(matches!(slot.failure(), Some(CodeError::OwnerDied)));
    }
}
