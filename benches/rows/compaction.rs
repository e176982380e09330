//! Linking five thousand objects into one library.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mjitcc::event::Event;

use super::seed::Seed;
use super::shared::pipeline;
use super::table::{Table, median};
use super::{Work, generated};

/// The name that real objects get, to be replaced by others as long.
const ENTRY: &str = "_mjit_000000";

pub fn five_thousand(work: &Work, table: &mut Table) {
    let count = if work.short { 50 } else { 5_000 };
    let dir = work.dir.path().join("compaction");
    fs::create_dir(&dir).expect("a directory");
    let objects = objects(work, &dir, count);
    let library = dir.join("all.so");
    let list = dir.join("objects.rsp");
    let names: Vec<String> = objects.iter().map(|path| path.display().to_string()).collect();
    fs::write(&list, names.join("\n")).expect("a file can be written");

    let pipeline = pipeline();
    let threads = std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let rivals: Vec<(&str, &str)> = [("bfd", "ld.bfd"), ("lld", "ld.lld"), ("mold", "mold"), ("gold", "ld.gold")]
        .into_iter()
        .filter(|(_, program)| which::which(program).is_ok())
        .collect();
    let (mut own, mut one) = (Vec::new(), Vec::new());
    let mut theirs: Vec<Vec<Duration>> = vec![Vec::new(); rivals.len()];
    for _ in 0..work.rounds(5) {
        for (threads, times) in [(threads, &mut own), (NonZero::<usize>::MIN, &mut one)] {
            let began = Instant::now();
            let (image, _) = pipeline.link_in_memory(&objects, threads, &|_: &Event<'_>| {}).expect("wild links them");
            fs::write(&library, &*image).expect("there is room");
            times.push(began.elapsed());
        }
        for ((name, _), times) in rivals.iter().zip(&mut theirs) {
            let began = Instant::now();
            let mut command = Command::new("gcc");
            command.args(["-shared", "-nostdlib", &format!("-fuse-ld={name}"), "-o"]).arg(&library);
            let status = command.arg(format!("@{}", list.display())).status().expect("gcc starts");
            assert!(status.success(), "{name}");
            times.push(began.elapsed());
        }
    }
    for (index, (name, _)) in rivals.iter().enumerate() {
        let reach = if *name == "bfd" { 0.12 } else { 1.0 };
        let what = format!("linking {count} objects into one library, {threads} threads");
        table.compare(&what, "ms", median(&own), &format!("gcc with {name}"), median(&theirs[index]), Some(reach));
        if *name == "bfd" {
            let what = "the same on one thread, as the worker does it";
            table.compare(what, "ms", median(&one), &format!("gcc with {name}"), median(&theirs[index]), None);
        }
    }
}

/// Real units' objects, each many times under other names.
fn objects(work: &Work, dir: &Path, count: usize) -> Vec<PathBuf> {
    let made = tempfile::tempdir().expect("a temporary directory");
    let mut texts = generated::generate(made.path(), 3);
    texts.truncate(if work.short { 2 } else { 20 });
    let seed = Seed::gcc(Some(&work.header), dir);
    let originals: Vec<Vec<u8>> = texts
        .iter()
        .map(|text| {
            let (source, object) = (dir.join("real.c"), dir.join("real.o"));
            fs::write(&source, text.replace("{entry}", ENTRY)).expect("a file can be written");
            assert!(seed.compile(&source, &object).status().expect("gcc starts").success());
            fs::read(object).expect("an object")
        })
        .collect();
    (0..count)
        .map(|number| {
            let name = format!("_mjit_{number:06}");
            let mut bytes = originals[number % originals.len()].clone();
            let places: Vec<usize> = places(&bytes).collect();
            assert!(!places.is_empty());
            places.into_iter().for_each(|at| bytes[at..at + name.len()].copy_from_slice(name.as_bytes()));
            let path = dir.join(format!("o{number}.o"));
            fs::write(&path, bytes).expect("there is room");
            path
        })
        .collect()
}

fn places(bytes: &[u8]) -> impl Iterator<Item = usize> {
    bytes.windows(ENTRY.len()).enumerate().filter(|(_, part)| *part == ENTRY.as_bytes()).map(|(at, _)| at)
}
