//! From submitting a tiny unit to its first code, with tiers, against one at a time through gcc's driver: `gcc -c`, `gcc -shared`, loading.
//! Prints medians and their ratio; `--short` only checks that it works.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a bench runs compilers and prints")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use mjitcc::discover::CompilerSpec;
use mjitcc::library::Library;
use mjitcc::worker::{Compaction, Generated, Host, OwnerId, Request, SlotState, SourceLocation, Tiers, Worker};

struct Vm;

impl Host for Vm {
    fn generate(&self, request: &Request<'_>) -> Result<Generated, String> {
        Ok(text(request.entry).into())
    }
}

fn text(entry: &str) -> String {
    format!("long {entry}(long n) {{ return n + 1; }}\n")
}

fn main() {
    if which::which("tcc").is_err() {
        println!("SKIPPED: tcc is not here");
        return;
    }
    let short = std::env::args().any(|arg| arg == "--short");
    let count = if short { 3 } else { 100 };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let spec = CompilerSpec { cc: Some("gcc".into()), ..CompilerSpec::default() };
    let worker =
        Worker::builder().compiler_spec(spec).tiers(Tiers::Quickest).compaction(Compaction::Never).start(Arc::new(Vm));
    let mut next = 0;
    let mut submit = || {
        next += 1;
        let began = Instant::now();
        let slot = worker.submit(OwnerId(next), SourceLocation::default(), Arc::new(AtomicU64::new(0)));
        while slot.state() == SlotState::NotReady {
            std::thread::sleep(Duration::from_micros(20));
        }
        let (first, took) = (slot.state(), began.elapsed());
        assert!(matches!(first, SlotState::Callable(_)), "{:?}", slot.failure());
        while slot.state() == first {
            std::thread::sleep(Duration::from_micros(100));
        }
        (took, began.elapsed())
    };
    // The first one finds the worker setting up.
    submit();
    let (mut firsts, mut finals, mut seeds) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..count {
        let (first, last) = submit();
        firsts.push(first);
        finals.push(last);
        seeds.push(seed(dir.path(), number));
    }
    let [first, last, seed] = [firsts, finals, seeds].map(median);
    println!("a tiny unit, {count} times, medians in ms");
    println!("| submit to first code | submit to optimised code | gcc -c, gcc -shared, loading | ratio | reach |");
    println!("|---|---|---|---|---|");
    println!("| {first:.2} | {last:.2} | {seed:.2} | {:.2} | 0.20 |", first / seed);
}

fn seed(dir: &Path, number: usize) -> Duration {
    let began = Instant::now();
    let path = |suffix: &str| dir.join(format!("u{number}.{suffix}"));
    std::fs::write(path("c"), text("entry")).expect("a file can be written");
    let flags = ["-w", "-O3", "-pipe", "-fPIC", "-nodefaultlibs", "-nostdlib", "-nostartfiles"];
    let run = |command: &mut Command| assert!(command.status().expect("gcc starts").success());
    run(Command::new("gcc").args(flags).arg("-c").arg(path("c")).arg("-o").arg(path("o")));
    run(Command::new("gcc").arg("-shared").args(flags).arg("-o").arg(path("so")).arg(path("o")).arg("-lgcc"));
    let library = Library::open(&path("so")).expect("it can be loaded");
    library.address("entry").expect("it has its entry");
    began.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e3
}
