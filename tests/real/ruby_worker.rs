//! A thousand units of Ruby's MJIT through the worker, in this process: loaded, compacted, unloaded. Ruby is not here, so that
//! stand-ins have its symbols; the code is not called.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mjitcc::discover::{CompilerSpec, Environment};
use mjitcc::platforms::{Flags, OptLevel};
use mjitcc::worker::{
    Code, Generated, Host, OwnerId, Request, Slot, SlotState, SourceLocation, Unity, Worker, WorkerEvent,
};

use crate::generated::{generate, min_header, stand_ins};
use crate::support::need;

const METHODS: usize = 1_050;

/// Gives Ruby's texts as its own.
struct Ruby(Vec<String>);

impl Host for Ruby {
    fn generate(&self, request: &Request<'_>) -> Result<Generated, String> {
        let at = usize::try_from(request.owner.0).unwrap();
        Ok(self.0[at].replace("{entry}", request.entry).into())
    }

    /// Nobody calls any of it.
    fn scan_stacks(&self, _code: &mut [Code]) {}
}

/// What no other worker's files are called.
const PREFIX: &str = "_mjit_of_ruby_";

/// The worker's libraries in this process, and how much memory each takes.
fn mapped() -> BTreeMap<String, u64> {
    let mut sizes = BTreeMap::new();
    for line in fs::read_to_string("/proc/self/maps").unwrap().lines() {
        let Some((_, path)) = line.split_once('/').filter(|(_, path)| path.contains(PREFIX)) else { continue };
        let bounds = line.split_whitespace().next().unwrap().split_once('-').unwrap();
        let [from, to] = [bounds.0, bounds.1].map(|bound| u64::from_str_radix(bound, 16).unwrap());
        *sizes.entry(path.to_owned()).or_default() += to - from;
    }
    sizes
}

/// What was heard of the worker.
#[derive(Default)]
struct Heard {
    lines: Vec<String>,
    loaded: usize,
    /// What was mapped when all were loaded, each by itself.
    alone: BTreeMap<String, u64>,
    /// How many units each compaction put together, and how long it took.
    compactions: Vec<(usize, Duration)>,
}

fn start(dir: PathBuf, header: PathBuf, units: Vec<String>, heard: &Arc<Mutex<Heard>>) -> Worker {
    let (heard, count) = (Arc::clone(heard), units.len());
    Worker::builder()
        .compiler_spec(CompilerSpec { cc: Some("gcc".into()), ..CompilerSpec::default() })
        .environment(Environment { temp_dirs: vec![dir.clone()], ..Environment::read() })
        // gcc keeps every inline function that it does not optimise: O0 takes seven times as long.
        .flags(Flags { optimize: OptLevel::O1, ..Flags::default() })
        .header(header)
        .prefix(PREFIX)
        // A library each, to see what putting them together saves.
        .unity(Unity::Off)
        .threads(NonZero::new(2).unwrap())
        .timeout(Some(Duration::from_secs(300)))
        .observer(move |event| {
            let mut heard = heard.lock().unwrap();
            match event {
                WorkerEvent::Success { .. } => {
                    heard.loaded += 1;
                    if heard.loaded == count {
                        heard.alone = mapped();
                    }
                }
                WorkerEvent::Compacted { units, took, .. } => heard.compactions.push((*units, *took)),
                WorkerEvent::Failure { .. } | WorkerEvent::NotCompacted { .. } | WorkerEvent::Warning(_) => {
                    heard.lines.push(format!("{event} {}", event.detail().unwrap_or_default()));
                }
                _ => {}
            }
        })
        .start(Arc::new(Ruby(units)))
}

#[test]
fn a_thousand_units_of_ruby_load_compact_and_unload_in_one_process() {
    need!("ruby3.1", "gcc");
    let Some(header) = min_header() else { return };
    let began = Instant::now();
    let (generated, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let units = generate(generated.path(), METHODS);
    let count = units.len();
    let _stand_ins = stand_ins(generated.path());
    let ready = began.elapsed();

    let heard = Arc::new(Mutex::new(Heard::default()));
    let worker = start(dir.path().to_owned(), header, units, &heard);
    worker.pause(false);
    let slots: Vec<Slot> = (0..u64::try_from(count).unwrap())
        .map(|owner| {
            let location = SourceLocation { label: format!("unit {owner}"), path: "many_methods.rb".into(), line: 1 };
            worker.submit(OwnerId(owner), location, Arc::new(AtomicU64::new(0)))
        })
        .collect();
    worker.resume();
    let until = Instant::now() + Duration::from_secs(600);
    while slots.iter().any(|slot| slot.state() == SlotState::NotReady) {
        let (loaded, wrong) = {
            let heard = heard.lock().unwrap();
            (heard.loaded, heard.lines.join("\n"))
        };
        assert!(wrong.is_empty() && Instant::now() < until, "{loaded} loaded\n{wrong}");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(worker.pause(true));
    let Heard { lines, loaded, alone, compactions } = std::mem::take(&mut *heard.lock().unwrap());
    assert!(lines.is_empty(), "{}", lines.join("\n"));
    assert_eq!(loaded, count);
    let [(compacted, took)] = compactions[..] else { panic!("{} compactions", compactions.len()) };
    assert_eq!((compacted, alone.len()), (count, count));
    let alone = alone.values().sum::<u64>();
    // All lead to the one library that is left.
    let left: Vec<u64> = mapped().into_values().collect();
    let [together] = left[..] else { panic!("{} libraries are left", left.len()) };
    assert!(together * 5 < alone, "{together} bytes together, {alone} alone");
    eprintln!(
        "{count} units of Ruby: generated in {ready:.1?}, loaded and compacted in {:.1?} (compacted in {took:.1?}); {} KiB of \
         memory alone, {} KiB together",
        began.elapsed() - ready,
        alone >> 10,
        together >> 10
    );
    assert!(slots.iter().all(|slot| matches!(slot.state(), SlotState::Callable(_))));

    worker.resume();
    assert_eq!(worker.cancel_all().len(), count);
    let until = Instant::now() + Duration::from_secs(60);
    while !mapped().is_empty() {
        assert!(Instant::now() < until, "{:?} is not unloaded", mapped());
        std::thread::sleep(Duration::from_millis(1));
    }
    worker.finish();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    assert!(slots.iter().all(|slot| slot.state() == SlotState::Failed));
}
