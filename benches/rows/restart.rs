//! A thousand units once more in a new process's worker, with what an earlier one left in the object cache.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mjitcc::cache::{CachePlace, DEFAULT_MAX_SIZE, Size};
use mjitcc::library::Library;
use mjitcc::worker::{Builder, Slot, SlotState};

use super::Work;
use super::callable::{Texts, builder, submit};
use super::support::fixture;
use super::table::Table;

fn text(number: usize) -> String {
    format!("VM_EXPORT vm_value_t {{entry}}(vm_state_t *vm, vm_frame_t *frame) {{ return VM_INT({number}); }}\n")
}

pub fn a_thousand_units(work: &Work, table: &mut Table) {
    let what = "units again after a restart, cache warm, a unit";
    let count = if work.short { 10 } else { 1_000 };
    let texts: Vec<String> = (0..count).map(text).collect();
    let cache = work.dir.path().join("cache");
    let place = CachePlace { dir: cache, max_size: Size(DEFAULT_MAX_SIZE) };
    let run = || queued(&texts, builder("gcc", &fixture("vm.h")).cache(place.clone())).as_secs_f64() * 1e3;
    run();
    let mut own: Vec<f64> = (0..work.rounds(5)).map(|_| run()).collect();
    own.sort_by(f64::total_cmp);
    let own = own[own.len() / 2] / count as f64;
    table.measure(&format!("{count} {what}"), "ms", own, 1.0);
    if which::which("ccache").is_err() {
        return table.skip("the same", "ccache is not here");
    }
    // Of as many as give a steady figure.
    let some = &texts[..count.min(100)];
    with_ccache(work.dir.path(), some);
    let theirs = with_ccache(work.dir.path(), some).as_secs_f64() * 1e3 / some.len() as f64;
    table.compare("the same", "ms", own, "ccache gcc -c, gcc -shared, dlopen", theirs, Some(1.0 / 20.0));
}

/// How long until all are callable, from when the first is: then the worker is set up.
pub fn queued(texts: &[String], builder: Builder) -> Duration {
    let worker = builder.start(std::sync::Arc::new(Texts(texts.to_vec())));
    let all = |slots: &[Slot]| {
        while slots.iter().any(|slot| slot.state() == SlotState::NotReady) {
            std::thread::sleep(Duration::from_micros(200));
        }
        assert!(slots.iter().all(|slot| slot.failure().is_none()), "{:?}", slots[0].failure());
    };
    all(&[submit(&worker, 0)]);
    worker.pause(true);
    let slots: Vec<Slot> = (0..texts.len() as u64).map(|owner| submit(&worker, owner)).collect();
    let began = Instant::now();
    worker.resume();
    all(&slots);
    let took = began.elapsed();
    worker.finish();
    took
}

fn with_ccache(dir: &Path, texts: &[String]) -> Duration {
    let dir = dir.join("ccache");
    std::fs::create_dir_all(&dir).expect("a directory");
    let began = Instant::now();
    let run = |command: &mut Command| {
        command.env("CCACHE_DIR", dir.join("kept")).env("CCACHE_SLOPPINESS", "pch_defines,time_macros");
        assert!(command.stdin(Stdio::null()).status().expect("it starts").success(), "{command:?}");
    };
    let flags = ["-w", "-fPIC", "-O3", "-fpch-preprocess", "-include"];
    let header = dir.join("vm.h");
    if !header.with_added_extension("gch").exists() {
        std::fs::copy(fixture("vm.h"), &header).expect("there is room");
        run(Command::new("gcc")
            .args(&flags[..3])
            .args(["-x", "c-header"])
            .arg(&header)
            .arg("-o")
            .arg(header.with_added_extension("gch")));
    }
    for (number, text) in texts.iter().enumerate() {
        let path = |suffix: &str| dir.join(format!("u{number}.{suffix}"));
        std::fs::write(path("c"), text.replace("{entry}", "entry")).expect("a file can be written");
        run(Command::new("ccache")
            .arg("gcc")
            .args(flags)
            .arg(&header)
            .arg("-c")
            .arg(path("c"))
            .arg("-o")
            .arg(path("o")));
        run(Command::new("gcc").args(["-shared", "-nostdlib", "-o"]).arg(path("so")).arg(path("o")));
        let library = Library::open(&path("so")).expect("it can be loaded");
        library.address("entry").expect("it has its entry");
    }
    began.elapsed()
}
