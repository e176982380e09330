//! Threads whose compilers have to wait for memory.

use std::num::NonZero;
use std::time::{Duration, Instant};

use mjitcc::worker::Unity;

use crate::host::{Bench, Counter, PLAIN, call, fill, quiet};
use crate::support::need;
use crate::timings::{of_kind, rows};

#[test]
fn one_compiler_runs_at_a_time_where_there_is_no_memory_for_two() {
    need!("gcc");
    let files = tempfile::tempdir().unwrap();
    for (memfree, alone) in [(u64::MAX, true), (0, false)] {
        let page = files.path().join(format!("{memfree}.html"));
        let threads = NonZero::new(3).unwrap();
        let mut bench =
            Bench::of_text(PLAIN, quiet().unity(Unity::Off).threads(threads).memfree(memfree).timings(&page));
        let slots: Vec<_> = (1..=9).map(|owner| bench.submit(owner, 0)).collect();
        assert_eq!(slots.iter().map(call).sum::<i64>(), 45);
        bench.finish();
        let rows = rows(&page);
        // Compiling and linking, by when they began.
        let mut spans: Vec<(u64, u64)> = of_kind(&rows, "unit")
            .iter()
            .flat_map(|row| row["spans"].as_array().unwrap())
            .filter(|span| [2, 3].contains(&span[0].as_u64().unwrap()))
            .map(|span| (span[1].as_u64().unwrap(), span[2].as_u64().unwrap()))
            .collect();
        spans.sort_unstable();
        assert_eq!(spans.len(), 18);
        assert_eq!(spans.windows(2).all(|two| two[0].1 <= two[1].0), alone, "{memfree}: {spans:?}");
    }
}

#[test]
fn a_fork_does_not_wait_for_a_thread_that_waits_for_memory() {
    need!("gcc");
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let text = format!("#include \"{}\"\n{PLAIN}", fifo.display());
    let begun = Counter::default();
    let counter = begun.clone();
    let generate = move |request: &mjitcc::worker::Request<'_>| {
        counter.increment();
        Ok(fill(&text, request).into())
    };
    let mut bench = Bench::new(quiet().threads(NonZero::new(2).unwrap()).memfree(u64::MAX), Box::new(generate));
    let _slots = [bench.submit(1, 0), bench.submit(2, 0)];
    // One's compiler hangs, and the other waits for it to end.
    begun.wait_for(2);
    std::thread::sleep(Duration::from_millis(100));
    let began = Instant::now();
    for _ in 0..10 {
        drop(bench.worker().before_fork());
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(bench.finish().is_empty());
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
}
