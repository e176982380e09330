//! What the worker costs the VM's own threads while a compiler takes ten seconds: submitting a unit, and entering and leaving a garbage
//! collection. Prints percentiles; `--short` only checks that it works.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a bench makes a compiler and prints")]

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use mjitcc::discover::CompilerSpec;
use mjitcc::worker::{Generated, Host, OwnerId, Request, SlotState, SourceLocation, Standby, Unity, Worker};

struct Vm;

impl Host for Vm {
    fn generate(&self, request: &Request<'_>) -> Result<Generated, String> {
        Ok(format!("long {}(void) {{ return 1; }}", request.entry).into())
    }
}

fn main() {
    let short = std::env::args().any(|arg| arg == "--short");
    let (seconds, count) = if short { (1, 1_000) } else { (10, 100_000) };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let compiler = dir.path().join("slow-cc");
    let script = format!("#!/bin/sh\ncase \"$*\" in *_mjit_p*) sleep {seconds};; esac\nexec cc \"$@\"\n");
    std::fs::write(&compiler, script).expect("a script can be written");
    std::fs::set_permissions(&compiler, PermissionsExt::from_mode(0o700)).expect("and made a program");

    let spec = CompilerSpec { cc: Some(compiler.into_os_string()), ..CompilerSpec::default() };
    // The compiler is slow with a unit of its own name.
    let worker = Worker::builder().compiler_spec(spec).standby(Standby::Off).unity(Unity::Off).start(Arc::new(Vm));
    let location = || SourceLocation { label: "Object#method".to_owned(), path: "lib/program.rb".to_owned(), line: 1 };
    let first = worker.submit(OwnerId(0), location(), Arc::new(AtomicU64::new(u64::MAX)));
    // By then the compiler has the first unit.
    std::thread::sleep(Duration::from_millis(500));

    // What the host has anyway: an owner with a counter and a name.
    let owners: Vec<_> = (0..count).map(|heat| (OwnerId(heat), location(), Arc::new(AtomicU64::new(heat)))).collect();
    let mut slots = Vec::with_capacity(owners.len());
    let submitting = measure(owners, |(owner, location, hotness)| slots.push(worker.submit(owner, location, hotness)));
    let collecting = measure((0..count).collect(), |_| {
        worker.enter_gc();
        worker.leave_gc();
    });
    assert_eq!(first.state(), SlotState::NotReady, "the compiler was to take longer than the measurement");
    worker.finish();

    println!("{count} calls each, while one compiler runs; microseconds");
    println!("| | median | 99 % | 99.9 % | reach (99 %) |\n|---|---|---|---|---|");
    for (name, times, reach) in [("submit", submitting, 2), ("enter and leave GC", collecting, 20)] {
        let at = |part: f64| times[(times.len() as f64 * part) as usize].as_secs_f64() * 1e6;
        println!("| {name} | {:.2} | {:.2} | {:.2} | {reach} |", at(0.5), at(0.99), at(0.999));
    }
}

/// How long each call took, sorted.
fn measure<T>(items: Vec<T>, mut call: impl FnMut(T)) -> Vec<Duration> {
    let mut times = Vec::with_capacity(items.len());
    for item in items {
        let began = Instant::now();
        call(item);
        times.push(began.elapsed());
    }
    times.sort();
    times
}
