//! What Ruby's MJIT did with a unit: a compiler, a linker's driver, `dlopen`; nothing ahead, nothing in between.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mjitcc::library::Library;

/// As Debian's Ruby 3.1 prints them at verbosity 2.
const GCC: &[&str] = &["-w", "-Wfatal-errors", "-fPIC", "-shared", "-w", "-pipe", "-O3", "-fno-fast-math"];
const CLANG: &[&str] = &["-w", "-Wfatal-errors", "-fPIC", "-shared", "-O3", "-fno-fast-math"];
const DETACHED: &[&str] = &["-nostartfiles", "-nodefaultlibs", "-nostdlib"];

/// A compiler and its PCH.
pub struct Seed {
    cc: &'static str,
    flags: &'static [&'static str],
    dir: PathBuf,
    header: Vec<OsString>,
}

impl Seed {
    /// gcc behind a header.
    pub fn gcc(header: Option<&Path>, dir: &Path) -> Self {
        let mut seed = Self { cc: "gcc", flags: GCC, dir: dir.to_owned(), header: Vec::new() };
        if let Some(header) = header {
            let pch = dir.join("seed.h.gch");
            seed.run(Command::new("gcc").args(GCC).args(DETACHED).args(["-x", "c-header", "-o"]).arg(&pch).arg(header));
            seed.header = vec!["-include".into(), dir.join("seed.h").into()];
        }
        seed
    }

    /// clang 19 behind a header.
    pub fn clang(header: &Path, flags: &[String], dir: &Path) -> Self {
        let pch = dir.join("seed.pch");
        let mut seed = Self { cc: "clang-19", flags: CLANG, dir: dir.to_owned(), header: Vec::new() };
        seed.run(Command::new("clang-19").args(CLANG).args(flags).args(["-x", "c-header", "-o"]).arg(&pch).arg(header));
        seed.header = flags.iter().map(OsString::from).chain(["-include-pch".into(), pch.into()]).collect();
        seed
    }

    fn run(&self, command: &mut Command) {
        assert!(command.stdin(Stdio::null()).status().expect("it starts").success(), "{command:?}");
    }

    /// C text to an address.
    pub fn make(&self, number: usize, text: &str, entry: &str) -> (Duration, Library) {
        let path = |suffix: &str| self.dir.join(format!("seed{number}.{suffix}"));
        let began = Instant::now();
        std::fs::write(path("c"), text).expect("a file can be written");
        self.run(&mut self.compile(&path("c"), &path("o")));
        self.run(&mut self.link(&path("o"), &path("so")));
        let library = Library::open(&path("so")).expect("it can be loaded");
        library.address(entry).expect("it has its entry");
        (began.elapsed(), library)
    }

    /// The first of the two.
    pub fn compile(&self, source: &Path, object: &Path) -> Command {
        let mut command = Command::new(self.cc);
        command.args(self.flags).args(&self.header).arg("-o").arg(object).arg(source).arg("-c");
        if self.cc == "gcc" {
            command.args(DETACHED);
        }
        command
    }

    /// The second.
    pub fn link(&self, object: &Path, library: &Path) -> Command {
        let mut command = Command::new(self.cc);
        command.arg("-shared").args(self.flags).arg("-o").arg(library).arg(object);
        command.args(["-lgcc", "-Wl,-z,relro", "-Wl,-z,now"]).args(DETACHED);
        command
    }

    /// The compiler proper and the assembler alone, as the driver would start them.
    pub fn compile_proper(&self, source: &Path, object: &Path) -> Vec<Command> {
        let mut words = self.compile(source, object);
        let said = words.arg("-###").output().expect("gcc starts");
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        let assembly = object.with_extension("s");
        let lines = said.lines().filter(|line| line.starts_with(' '));
        lines
            .filter_map(shlex::split)
            .map(|mut words| {
                // Where the driver would connect it with the next.
                words.retain(|word| word != "|");
                // Through a file, not a pipe: one after the other.
                if words[0].ends_with("cc1") {
                    if let Some(at) = words.iter().position(|word| word == "-o") {
                        words.drain(at..at + 2);
                    }
                    words.extend(["-o".to_owned(), assembly.display().to_string()]);
                } else {
                    words.push(assembly.display().to_string());
                }
                let mut command = Command::new(&words[0]);
                command.args(&words[1..]).stdin(Stdio::null());
                command
            })
            .collect()
    }
}
