//! Many units queued at once, behind the fixtures' header: when the first 10 and the hottest 100 are callable, compiled one by one and
//! together. `--short` only checks that it works.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a bench prints")]

use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use mjitcc::discover::CompilerSpec;
use mjitcc::worker::{Compaction, Generated, Host, OwnerId, Request, SlotState, SourceLocation, Unity, Worker};

/// Gives the fixtures' units in turn, under other names.
struct Vm(Vec<(String, String)>);

impl Host for Vm {
    fn generate(&self, request: &Request<'_>) -> Result<Generated, String> {
        let (entry, text) = &self.0[request.owner.0 as usize % self.0.len()];
        Ok(text.replace(entry.as_str(), request.entry).into())
    }
}

fn main() {
    let short = std::env::args().any(|arg| arg == "--short");
    let count: usize = if short { 20 } else { 5_000 };
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    println!("{count} units queued at once, one thread; seconds");
    println!("| | first 10 | hottest 100 |\n|---|---|---|");
    for (name, unity) in [("one by one", Unity::Off), ("together", Unity::Auto), ("together, 8 at most", at_most(8))] {
        let worker = Worker::builder()
            .compiler_spec(CompilerSpec { cc: Some("gcc".into()), ..CompilerSpec::default() })
            .header(fixtures.join("vm.h"))
            .compaction(Compaction::Never)
            .unity(unity)
            .start(Arc::new(Vm(units(&fixtures))));
        let submit = |owner: usize, heat: usize| {
            worker.submit(OwnerId(owner as u64), SourceLocation::default(), Arc::new(AtomicU64::new(heat as u64)))
        };
        // The first one finds the worker setting up.
        let first = submit(0, 0);
        while first.state() == SlotState::NotReady {
            std::thread::sleep(Duration::from_millis(1));
        }
        worker.pause(true);
        // The hottest comes first.
        let slots: Vec<_> = (0..count).map(|owner| submit(owner, count - owner)).collect();
        let began = Instant::now();
        worker.resume();
        let took = |many: usize| {
            while slots[..many.min(count)].iter().any(|slot| slot.state() == SlotState::NotReady) {
                std::thread::sleep(Duration::from_millis(1));
            }
            began.elapsed().as_secs_f64()
        };
        let (ten, hundred) = (took(10), took(100));
        let failure = slots.iter().find_map(|slot| slot.failure());
        assert!(failure.is_none(), "{failure:?}");
        println!("| {name} | {ten:.2} | {hundred:.2} |");
        // The others need not be made.
        worker.finish();
    }
}

fn at_most(units: usize) -> Unity {
    Unity::AtMost(NonZero::new(units).expect("some"))
}

/// Each unit's entry and text.
fn units(fixtures: &Path) -> Vec<(String, String)> {
    let files = std::fs::read_dir(fixtures.join("units")).expect("the fixtures are there");
    let mut units: Vec<(String, String)> = files
        .map(|file| {
            let text = std::fs::read_to_string(file.expect("a file").path()).expect("a text");
            let (before, _) = text.split_once("(vm_state_t *vm, vm_frame_t *frame)").expect("an entry");
            (before.split_whitespace().last().expect("its name").to_owned(), text)
        })
        .collect();
    units.sort();
    units
}
