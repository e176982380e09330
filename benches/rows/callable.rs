//! From submitting a unit to an idle worker to its code.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use mjitcc::discover::CompilerSpec;
use mjitcc::platforms::Flags;
use mjitcc::worker::{Builder, Compaction, Generated, Host, OwnerId, Request, Slot, SlotState, SourceLocation, Worker};

use super::Work;
use super::generated;
use super::seed::Seed;
use super::table::{Table, median};

/// How long a worker may take to be idle again, with its compilers ready.
const REST: Duration = Duration::from_millis(150);

/// Gives texts by their owners' numbers.
pub struct Texts(pub Vec<String>);

impl Host for Texts {
    fn generate(&self, request: &Request<'_>) -> Result<Generated, String> {
        let text = &self.0[usize::try_from(request.owner.0).expect("a number") % self.0.len()];
        Ok(text.replace("{entry}", request.entry).into())
    }
}

/// A worker that does what it does as soon as it can.
pub fn builder(cc: &str, header: &Path) -> Builder {
    Worker::builder()
        .compiler_spec(CompilerSpec { cc: Some(cc.into()), ..CompilerSpec::default() })
        .header(header.to_owned())
        .compaction(Compaction::Never)
}

pub fn submit(worker: &Worker, owner: u64) -> Slot {
    worker.submit(OwnerId(owner), SourceLocation::default(), Arc::new(AtomicU64::new(0)))
}

/// Waits for code.
pub fn callable(slot: &Slot) {
    while slot.state() == SlotState::NotReady {
        std::thread::sleep(Duration::from_micros(20));
    }
    assert!(matches!(slot.state(), SlotState::Callable(_)), "{:?}", slot.failure());
}

fn ours(worker: &Worker, owner: u64) -> Duration {
    std::thread::sleep(REST);
    let began = Instant::now();
    callable(&submit(worker, owner));
    began.elapsed()
}

pub fn tiny_behind_ruby(work: &Work, table: &mut Table) {
    let text = "VALUE {entry}(VALUE n) { return n; }\n";
    let seed = Seed::gcc(Some(&work.header), work.dir.path());
    let worker = builder("gcc", &work.header).start(Arc::new(Texts(vec![text.to_owned()])));
    callable(&submit(&worker, 0));
    let (mut own, mut theirs) = (Vec::new(), Vec::new());
    for number in 0..work.rounds(31) {
        own.push(ours(&worker, 0));
        theirs.push(seed.make(number, &text.replace("{entry}", "entry"), "entry").0);
    }
    worker.finish();
    let what = "submit to callable, idle worker, tiny unit behind Ruby's header, gcc";
    table.compare(what, "ms", median(&own), "the seed's pipeline", median(&theirs), Some(0.45));
}

/// Where ruby.h is, and what it wants.
fn ruby_flags() -> Option<(PathBuf, Vec<String>)> {
    let said = Command::new("pkg-config").args(["--cflags-only-I", "ruby-3.1"]).output().ok()?;
    let flags = String::from_utf8(said.stdout).ok()?;
    let flags: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
    let header = flags.iter().find_map(|flag| {
        let path = Path::new(flag.strip_prefix("-I")?).join("ruby.h");
        path.exists().then_some(path)
    })?;
    Some((header, flags))
}

pub fn tiny_behind_clang(work: &Work, table: &mut Table) {
    let what = "submit to callable, idle worker, tiny unit, clang 19 behind ruby.h as PCH";
    let Some((header, flags)) = ruby_flags().filter(|_| which::which("clang-19").is_ok()) else {
        return table.skip(what, "clang 19 or ruby.h is not here");
    };
    let text = "VALUE {entry}(VALUE n) { return n; }\n";
    let seed = Seed::clang(&header, &flags, work.dir.path());
    let compiling = Flags { cflags: flags.iter().map(Into::into).collect(), ..Flags::default() };
    let worker = builder("clang-19", &header).flags(compiling).start(Arc::new(Texts(vec![text.to_owned()])));
    callable(&submit(&worker, 0));
    let mut repl = which::which("clang-repl-19").ok().map(|_| Repl::start(&header, &flags));
    let (mut own, mut theirs, mut repls) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..work.rounds(31) {
        own.push(ours(&worker, 0));
        theirs.push(seed.make(number, &text.replace("{entry}", "entry"), "entry").0);
        repls.extend(repl.as_mut().map(|repl| repl.define_and_call(number)));
    }
    worker.finish();
    table.compare(what, "ms", median(&own), "the seed's pipeline with clang 19", median(&theirs), Some(0.15));
    let what = "the same";
    match repl {
        Some(_) => table.compare(what, "ms", median(&own), "clang-repl 19, define and call", median(&repls), Some(1.0)),
        None => table.skip(what, "clang-repl-19 is not here"),
    }
}

/// A running clang-repl.
struct Repl {
    process: std::process::Child,
    said: BufReader<std::process::ChildStdout>,
}

impl Repl {
    fn start(header: &Path, flags: &[String]) -> Self {
        let mut command = Command::new("clang-repl-19");
        let words = ["-xc", "-O3", "-w"].into_iter().chain(flags.iter().map(String::as_str));
        for word in words {
            command.arg(format!("--Xcc={word}"));
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("clang-repl starts");
        let said = BufReader::new(process.stdout.take().expect("its output"));
        let mut repl = Self { process, said };
        repl.say(&format!("#include \"{}\"", header.display()));
        repl.define_and_call(1_000_000);
        repl
    }

    fn say(&mut self, line: &str) {
        writeln!(self.process.stdin.as_mut().expect("its input"), "{line}").expect("it reads");
    }

    fn define_and_call(&mut self, number: usize) -> Duration {
        let began = Instant::now();
        self.say(&format!("VALUE entry{number}(VALUE n) {{ return n; }}"));
        self.say(&format!("if (entry{number}(1) == 1) {{ puts(\"called\"); fflush(0); }}"));
        let mut line = String::new();
        while !line.contains("called") {
            line.clear();
            assert!(self.said.read_line(&mut line).expect("it speaks") > 0, "clang-repl ended");
        }
        began.elapsed()
    }
}

impl Drop for Repl {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn all_units(work: &Work, table: &mut Table) {
    let units = tempfile::tempdir().expect("a temporary directory");
    let mut texts = generated::generate(units.path(), if work.short { 3 } else { 60 });
    if work.short {
        texts.truncate(3);
    }
    let _stand_ins = generated::stand_ins(units.path());
    let seed = Seed::gcc(Some(&work.header), work.dir.path());
    let worker = builder("gcc", &work.header).start(Arc::new(Texts(texts.clone())));
    callable(&submit(&worker, 0));
    let (mut own, mut theirs, mut propers) = (Vec::new(), Vec::new(), Vec::new());
    for (number, text) in texts.iter().enumerate() {
        own.push(ours(&worker, number as u64));
        let text = text.replace("{entry}", "entry");
        theirs.push(seed.make(number, &text, "entry").0);
        let source = work.dir.path().join(format!("seed{number}.c"));
        let began = Instant::now();
        for mut command in seed.compile_proper(&source, &source.with_extension("proper.o")) {
            assert!(command.status().expect("it starts").success(), "{command:?}");
        }
        propers.push(began.elapsed());
    }
    worker.finish();
    let what = format!("submit to callable, idle worker, median of {} real units", texts.len());
    table.compare(&what, "ms", median(&own), "the seed's pipeline", median(&theirs), Some(0.80));
    table.compare("the same", "ms", median(&own), "cc1 and as of that unit", median(&propers), Some(1.10));
}
