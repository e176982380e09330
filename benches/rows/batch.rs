//! Sixty units of Ruby's from their texts to their libraries, by the command line.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::seed::Seed;
use super::table::{Table, median};
use super::{Work, generated};

/// Units as files, behind a header's PCH.
struct Place {
    units: Vec<PathBuf>,
    pch: PathBuf,
}

pub fn sixty_units(work: &Work, table: &mut Table) {
    let dir = work.dir.path().join("batch");
    fs::create_dir(&dir).expect("a directory");
    let made = tempfile::tempdir().expect("a temporary directory");
    let mut texts = generated::generate(made.path(), if work.short { 3 } else { 60 });
    texts.truncate(if work.short { 3 } else { texts.len() });
    let _stand_ins = generated::stand_ins(made.path());
    let units: Vec<PathBuf> = texts
        .iter()
        .enumerate()
        .map(|(number, text)| {
            let path = dir.join(format!("u{number}.c"));
            fs::write(&path, text.replace("{entry}", &format!("_mjit{number}"))).expect("a file can be written");
            path
        })
        .collect();
    let pch = dir.join("ruby.pch.gch");
    run(tool().args(["build-pch", "--cc", "gcc", "--cflag=-w"]).arg(&work.header).arg("-o").arg(&pch));
    let place = Place { units, pch };
    let seed = Seed::gcc(Some(&work.header), &dir);
    let makefile = makefile(&place, &seed, &dir);

    let (mut own, mut together, mut theirs, mut made) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..work.rounds(3) {
        let out = dir.join(format!("out{round}"));
        own.push(compile(&place, &out.join("each"), &[]));
        together.push(compile(&place, &out.join("all"), &["--compact", "--unity", "auto"]));
        let began = Instant::now();
        for (number, text) in texts.iter().enumerate() {
            let entry = format!("_mjit{number}");
            drop(seed.make(number, &text.replace("{entry}", &entry), &entry));
        }
        theirs.push(began.elapsed());
        let began = Instant::now();
        run(Command::new("make").args(["-s", "-B", "-j2", "-f"]).arg(&makefile));
        made.push(began.elapsed());
    }
    let what = format!(
        "{} real units, whole batch, {} cores",
        texts.len(),
        std::thread::available_parallelism().map_or(1, usize::from)
    );
    let [own, together, theirs, made] = [own, together, theirs, made].map(|times| median(&times));
    let alone = format!("{what}, a library each");
    let all = format!("{what}, one library (--compact --unity auto)");
    for (what, ours) in [(&alone, own), (&all, together)] {
        table.compare(what, "ms", ours, "the seed's pipeline", theirs, Some(1.0 / 3.3));
        table.compare(what, "ms", ours, "make -j2, the same commands", made, Some(1.0 / 1.7));
    }
    sizes(&place, &dir, table);
}

fn compile(place: &Place, out: &Path, words: &[&str]) -> Duration {
    let began = Instant::now();
    let mut command = tool();
    command.args(["compile", "-q", "--cc", "gcc", "--cflag=-w", "--pch"]).arg(&place.pch).args(words);
    run(command.arg("--out-dir").arg(out).args(&place.units));
    began.elapsed()
}

/// What merging saves of a library of all.
fn sizes(place: &Place, dir: &Path, table: &mut Table) {
    let relinked = compile(place, &dir.join("relinked"), &["--compact", "--linker", "driver"]).as_secs_f64() * 1e3;
    let merged = compile(place, &dir.join("merged"), &["--compact", "--unity", "1000"]).as_secs_f64() * 1e3;
    let size = |name: &str| fs::metadata(dir.join(name).join("units.so")).expect("a library").len() as f64 / 1024.0;
    let what = "compaction with merged helpers, size";
    table.compare(what, "KiB", size("merged"), "relinked by the driver", size("relinked"), Some(0.3));
    let each: u64 = fs::read_dir(dir.join("out0/each"))
        .expect("the libraries of units")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "so"))
        .map(|path| fs::metadata(path).expect("a library").len())
        .sum();
    table.compare("the same, size", "KiB", size("merged"), "a library each", each as f64 / 1024.0, None);
    table.compare("the same, time with compiling", "ms", merged, "compiled and relinked", relinked, None);
}

fn makefile(place: &Place, seed: &Seed, dir: &Path) -> PathBuf {
    let mut text = String::new();
    let mut rules = String::new();
    for unit in &place.units {
        let (object, library) = (unit.with_extension("make.o"), unit.with_extension("make.so"));
        let compile = seed.compile(unit, &object);
        let link = seed.link(&object, &library);
        let line = |command: &Command| {
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
        };
        let _ = write!(text, " {}", library.display());
        let _ = write!(rules, "{}:\n\t{}\n\t{}\n", library.display(), line(&compile), line(&link));
    }
    let path = dir.join("Makefile");
    fs::write(&path, format!("all:{text}\n{rules}")).expect("a file can be written");
    path
}

pub fn tool() -> Command {
    Command::new(env!("CARGO_BIN_EXE_mjit-cc"))
}

fn run(command: &mut Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().expect("it starts");
    assert!(status.success(), "{command:?}");
}
