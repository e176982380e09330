//! The process that links: this program again, told by its environment. Each object's number is in a file before the object is linked, so
//! that the number is known when the process has ended.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use mjitcc::untrusted::ObjectLinker;

use crate::watched::{self, Ended};
use crate::{corpus, damage};

const CHILD: &str = "MJIT_CC_MUTATE_CHILD";

pub const WORDS: [&str; 5] = ["-m", EMULATION, "-shared", "--eh-frame-hdr", "--hash-style=gnu"];
const EMULATION: &str = if cfg!(target_arch = "x86_64") { "elf_x86_64" } else { "aarch64linux" };

/// What became of objects.
#[derive(Debug, Default)]
pub struct Tally {
    pub linked: u64,
    pub unsound: u64,
    pub refused: u64,
    pub panicked: u64,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        self.linked += other.linked;
        self.unsound += other.unsound;
        self.refused += other.refused;
        self.panicked += other.panicked;
    }

    pub fn total(&self) -> u64 {
        self.linked + self.unsound + self.refused + self.panicked
    }

    fn count(&mut self, result: &Result<usize, String>) {
        match result {
            Ok(_) => self.linked += 1,
            Err(why) if why.starts_with("an object is damaged") => self.unsound += 1,
            Err(why) if why.contains("panicked") => self.panicked += 1,
            Err(_) => self.refused += 1,
        }
    }

    fn write(&self, path: &Path) {
        let Self { linked, unsound, refused, panicked } = self;
        fs::write(path, format!("{linked} {unsound} {refused} {panicked}")).unwrap();
    }

    fn read(path: &Path) -> Option<Self> {
        let text = fs::read_to_string(path).ok()?;
        let mut numbers = text.split(' ').map(|number| number.parse().ok());
        let mut next = || numbers.next().flatten();
        Some(Self { linked: next()?, unsound: next()?, refused: next()?, panicked: next()? })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { linked, unsound, refused, panicked } = self;
        write!(f, "{} objects: {unsound} found damaged, {refused} refused by the linker, ", self.total())?;
        write!(f, "{panicked} that it panicked at, {linked} linked")
    }
}

/// Links a range of objects in a process. With the number of the object, and how, if the process ended before.
pub fn in_process(dir: &Path, seed: u64, range: Range<u64>) -> (Tally, Option<(u64, String)>) {
    let (number, tally) = (dir.join("number"), dir.join("tally"));
    for path in [&number, &tally] {
        let _ = fs::remove_file(path);
    }
    let errors = dir.join("errors");
    let child = watched::again("damaged_objects", (CHILD, format!("{seed} {} {}", range.start, range.end)), dir);
    let at = || fs::read_to_string(&number).ok().and_then(|text| text.parse().ok()).unwrap_or(range.start);
    let how = watched::watch(child, at).map(|how| match how {
        Ended::BySignal(signal) => format!("ended by signal {signal}"),
        Ended::Failed => "failed".to_owned(),
        Ended::Hung => "is linked for ever".to_owned(),
    });
    let done = Tally::read(&tally).unwrap_or_default();
    let said = || fs::read_to_string(&errors).unwrap_or_default();
    (done, how.map(|how| (at(), format!("{how}; {}", said().trim().lines().last().unwrap_or("nothing said")))))
}

/// Leaves a line for the parent process.
fn note(line: &str) {
    let file = File::options().append(true).create(true).open("results");
    file.and_then(|mut file| writeln!(file, "{line}")).unwrap();
}

/// Links what the environment says, if it says so.
pub fn is_child() -> bool {
    let Ok(told) = std::env::var(CHILD) else { return false };
    let told: Vec<u64> = told.split(' ').map(|number| number.parse().unwrap()).collect();
    let [seed, from, to] = told[..] else { panic!("three numbers") };
    watched::limit_memory();
    std::panic::set_hook(Box::new(|panic| note(&panic.to_string())));
    ObjectLinker::on_this_thread();
    let objects = corpus::read(Path::new("corpus"));
    let (linker, mut tally) = (ObjectLinker::default(), Tally::default());
    let number_file = File::create("number").unwrap();
    for number in from..to {
        // As wide as any number, so that a shorter one leaves nothing of a longer one.
        number_file.write_all_at(format!("{number:020}").as_bytes(), 0).unwrap();
        tally.write(Path::new("tally"));
        let (name, bytes) = damage::nth(&objects, seed, number);
        fs::write("damaged.o", bytes).unwrap();
        let mut inputs = vec!["damaged.o".into()];
        if number % 2 == 1 {
            // Beside a whole one, whose symbols and sections it meets.
            fs::write("whole.o", &objects[usize::try_from(number).unwrap() % objects.len()].1).unwrap();
            inputs.insert(usize::try_from(number / 2 % 2).unwrap(), "whole.o".into());
        }
        let result = linker.link(&WORDS, &inputs);
        if crate::setting("ONLY").is_some() || result.as_ref().is_err_and(|why| why.contains("panicked")) {
            note(&format!("object {number}, of {name}: {result:?}"));
        }
        tally.count(&result);
    }
    tally.write(Path::new("tally"));
    true
}
