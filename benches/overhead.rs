//! What this tool costs beside the compilers it runs: the same commands by this tool and by a plain shell loop, alternating in
//! one run, one at a time, behind the same PCH. Prints medians a unit; `--short` only checks that it works.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a bench runs a shell and prints")]
#![allow(unreachable_pub, reason = "benches share what they like")]

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mjitcc::batch::{Batch, HeaderSource};
use mjitcc::event::Event;
use mjitcc::pch;
use mjitcc::platforms::Plan;

#[path = "shared/pipeline.rs"]
mod shared;

use shared::pipeline;

fn main() {
    let short = std::env::args().any(|arg| arg == "--short");
    let (rounds, most) = if short { (1, 3) } else { (9, usize::MAX) };
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let units: Vec<PathBuf> = fs::read_dir(fixtures.join("units"))
        .expect("fixtures are there")
        .map(|entry| entry.expect("fixtures can be read").path())
        .take(most)
        .collect();

    let dir = tempfile::tempdir().expect("a temporary directory");
    let pipeline = pipeline();
    let pch = dir.path().join("vm.pch.gch");
    drop(pch::prepare(&pipeline, &fixtures.join("vm.h"), &pch, &|_: &Event<'_>| {}).expect("the header compiles"));

    let mut ours = Vec::new();
    let mut own_cpu = Vec::new();
    let mut shell = Vec::new();
    for round in 0..rounds {
        // A new directory each time, so that nothing is reused.
        let batch = Batch {
            units: units.clone(),
            header: HeaderSource::Pch(pch.clone()),
            out_dir: dir.path().join(format!("out{round}")),
            compact: false,
            unity: mjitcc::batch::Unity::Off,
            alone: std::collections::HashSet::new(),
            jobs: NonZero::<usize>::MIN,
            keep_going: false,
        };
        let (began, cpu) = (Instant::now(), cpu_time());
        let report = batch.run(&pipeline, &|_: &Event<'_>| {}).expect("the units compile");
        ours.push(began.elapsed());
        own_cpu.push(cpu_time() - cpu);
        assert!(report.units.iter().all(|unit| unit.status.is_good()));

        let script = script(&batch.plan(&pipeline).expect("the plan is made"), &units);
        let began = Instant::now();
        let status = Command::new("/bin/sh").args(["-e", "-c", &script]).status().expect("a shell");
        shell.push(began.elapsed());
        assert!(status.success(), "the shell loop works");
    }

    let unit = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1e3 / units.len() as f64
    };
    let (ours, own_cpu, shell) = (unit(&mut ours), unit(&mut own_cpu), unit(&mut shell));
    println!("{}; {} units, {rounds} rounds, medians a unit", pipeline.toolchain().compiler(), units.len());
    println!("| | ms |\n|---|---|");
    println!("| this tool, wall | {ours:.2} |");
    println!("| shell loop, wall | {shell:.2} |");
    println!("| ratio | {:.3} |", ours / shell);
    println!("| this tool, its own CPU | {own_cpu:.2} (reach: 2) |");
}

/// The same commands, on sources that lie where this tool wrote its own.
fn script(plans: &[Plan], units: &[PathBuf]) -> String {
    let mut units = units.iter();
    let mut script = String::new();
    for step in plans.iter().flat_map(|plan| &plan.steps) {
        if let Some(at) = step.args.iter().position(|word| word == "-c") {
            fs::copy(units.next().expect("a unit for each compilation"), &step.args[at + 1])
                .expect("the scratch is there");
        }
        if let Some(at) = step.args.iter().position(|word| word == "-o") {
            let into = Path::new(&step.args[at + 1]).parent().expect("an output lies in a directory");
            fs::create_dir_all(into).expect("the output's directory can be made");
        }
        script += &format!("{step}\n");
    }
    script
}

/// This process's threads alone; its children are not in it.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
