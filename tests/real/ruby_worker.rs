//! A thousand units of Ruby's MJIT through the worker, in this process: loaded, compacted, unloaded. Ruby is not here, so that
//! stand-ins have its symbols; the code is not called.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZero;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use mjitcc::discover::{Environment, Wish};
use mjitcc::platforms::{Flags, OptLevel};
use mjitcc::worker::{
    Code, Generated, Host, OwnerId, Place, Request, Slot, SlotState, Worker, WorkerEvent, WorkerHeader,
};
use object::{Object, ObjectSymbol, SymbolKind};

use crate::ruby::{min_header, script};
use crate::support::{need, run, text};

const METHODS: u64 = 1_050;

/// Instead of gcc's own: Ruby is to generate units and not to compile them.
const NO_CC1: &str = r#"#!/bin/sh
for word; do
    case $word in *.gch) : > "$word"; exit 0 ;; esac
done
exit 1
"#;

/// Lets Ruby generate units. It runs the gcc that it was built with; that is told where to look for its parts first.
fn generate(dir: &Path) -> Vec<String> {
    let parts = dir.join("parts");
    fs::create_dir(&parts).unwrap();
    fs::write(parts.join("cc1"), NO_CC1).unwrap();
    fs::set_permissions(parts.join("cc1"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut ruby = Command::new("ruby3.1");
    ruby.args(["--disable-all", "--mjit", "--mjit-wait", "--mjit-save-temps", "--mjit-min-calls=2"])
        .args(["--mjit-max-cache=5000", "--mjit-verbose=1"])
        .arg(script("many_methods.rb"))
        .args(["0", &METHODS.to_string()])
        .env("TMPDIR", dir)
        .env("COMPILER_PATH", &parts)
        .env_remove("RUBYOPT");
    let said = text(&run(&mut ruby, 0).stderr);
    let files = glob::glob(dir.join("_ruby_mjit_p*u*.c").to_str().unwrap()).unwrap().map(Result::unwrap);
    let units: Vec<String> = files.map(|file| unit(&file)).collect();
    assert!(units.len() >= 1_000, "{} units\n{said}", units.len());
    units
}

/// A unit as Ruby wrote it, without its header's `#include` and with `{entry}` for its function's name.
fn unit(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let (include, rest) = text.split_once('\n').unwrap();
    assert!(include.starts_with("#include "), "{include}");
    let number = file.file_stem().unwrap().to_str().unwrap().rsplit_once('u').unwrap().1;
    let name = format!("_mjit{number}");
    assert!(rest.contains(&format!("{name}(")), "{}", file.display());
    let mut pieces = rest.split(&name);
    let mut filled = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        // A longer number is another name.
        filled += if piece.starts_with(|next: char| next.is_ascii_digit()) { &name } else { "{entry}" };
        filled += piece;
    }
    filled
}

/// A library with all that Ruby's exports, and nothing behind it.
fn stand_ins(dir: &Path) -> Library {
    let found = "puts File.readlines('/proc/self/maps').grep(/libruby/).first.split.last";
    let ruby = text(&run(Command::new("ruby3.1").args(["--disable-all", "-e", found]), 0).stdout);
    let bytes = fs::read(ruby.trim()).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let mut source = String::new();
    for symbol in file.dynamic_symbols().filter(|symbol| !symbol.is_undefined()) {
        let name = symbol.name().unwrap();
        // Not what it has in place of the C library's.
        if !(name.starts_with("rb_") || name.starts_with("ruby_") || name.starts_with("mjit_")) {
            continue;
        }
        source += &match symbol.kind() {
            SymbolKind::Text => format!("void {name}(void) {{}}\n"),
            SymbolKind::Tls => format!("__thread char {name}[{}];\n", symbol.size().max(1)),
            _ => format!("char {name}[{}];\n", symbol.size().max(1)),
        };
    }
    assert!(source.lines().count() > 1_000, "{source}");
    let (c, library) = (dir.join("stand_ins.c"), dir.join("stand_ins.so"));
    fs::write(&c, source).unwrap();
    run(Command::new("gcc").args(["-w", "-O0", "-fno-builtin", "-fPIC", "-shared", "-o"]).arg(&library).arg(&c), 0);
    // SAFETY: it was made just now, of functions that do nothing and that nobody calls.
    unsafe { Library::open(Some(library), RTLD_NOW | RTLD_GLOBAL) }.unwrap()
}

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
    /// How many units each compaction put together, how long it took, and what was mapped then: the new library and the old ones.
    compactions: Vec<(usize, Duration, BTreeMap<String, u64>)>,
}

fn start(dir: PathBuf, header: PathBuf, units: Vec<String>, heard: &Arc<Mutex<Heard>>) -> Worker {
    let heard = Arc::clone(heard);
    Worker::builder()
        .wish(Wish { cc: Some("gcc".into()), ..Wish::default() })
        .environment(Environment { temp_dirs: vec![dir.clone()], ..Environment::read() })
        // gcc keeps every inline function that it does not optimise: O0 takes seven times as long.
        .flags(Flags { optimize: OptLevel::O1, ..Flags::default() })
        .header(WorkerHeader::File(header))
        .prefix(PREFIX)
        .threads(NonZero::new(2).unwrap())
        .timeout(Some(Duration::from_secs(300)))
        .observer(move |event| {
            let mut heard = heard.lock().unwrap();
            match event {
                WorkerEvent::Success { .. } => heard.loaded += 1,
                WorkerEvent::Compacted { units, took, .. } => heard.compactions.push((*units, *took, mapped())),
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
    let units = generate(generated.path());
    let count = units.len();
    let _stand_ins = stand_ins(generated.path());
    let ready = began.elapsed();

    let heard = Arc::new(Mutex::new(Heard::default()));
    let worker = start(dir.path().to_owned(), header, units, &heard);
    worker.pause(false);
    let slots: Vec<Slot> = (0..u64::try_from(count).unwrap())
        .map(|owner| {
            let place = Place { label: format!("unit {owner}"), path: "many_methods.rb".into(), line: 1 };
            worker.submit(OwnerId(owner), place, Arc::new(AtomicU64::new(0)))
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
    let Heard { lines, loaded, compactions } = std::mem::take(&mut *heard.lock().unwrap());
    assert!(lines.is_empty(), "{}", lines.join("\n"));
    assert_eq!(loaded, count);
    let [(compacted, took, mapped_then)] = &compactions[..] else { panic!("{} compactions", compactions.len()) };
    assert_eq!((*compacted, mapped_then.len()), (count, count + 1));
    let together = mapped_then.values().max().unwrap();
    let alone = mapped_then.values().sum::<u64>() - together;
    assert!(*together * 5 < alone, "{together} bytes together, {alone} alone");
    eprintln!(
        "{count} units of Ruby: generated in {ready:.1?}, loaded and compacted in {:.1?} (compacted in {took:.1?}); {} KiB of \
         memory alone, {} KiB together",
        began.elapsed() - ready,
        alone >> 10,
        together >> 10
    );
    // All lead to the one library that is left.
    assert_eq!(mapped().len(), 1);
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
