//! The table: what a row says, and how it is run through each place that keeps code. Knows no kind of input.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::{self, has, library, report, run};

/// A directory of a row's own, in which the tool is run.
pub struct Place {
    dir: TempDir,
    environment: Vec<(String, String)>,
}

impl Place {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// A program that a shell runs.
    pub fn script(&self, name: &str, lines: &str) {
        self.write(name, format!("#!/bin/sh\n{lines}\n"));
        fs::set_permissions(self.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Sets a variable for the tool.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(other, _)| other != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    pub fn shell(&self, line: &str) {
        run(Command::new("sh").args(["-c", line]).current_dir(self.path()), 0);
    }

    pub fn tool(&self, words: &[&str]) -> Command {
        let mut command = support::mjit_cc();
        command.current_dir(self.path()).args(words).env_remove("CCC_OVERRIDE_OPTIONS").env("HOME", self.path());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Builds `unit.c`, and gives the library and whether anything was made for it.
    #[track_caller]
    pub fn build(&self, out_dir: &str, words: &[&str]) -> Outcome {
        let words = [&["compile", "unit.c", "--out-dir", out_dir], words].concat();
        run(&mut self.tool(&words), 0);
        let report = report(&self.path().join(out_dir));
        let unit = &report["units"][0];
        let library = fs::read(self.path().join(out_dir).join(library("unit"))).unwrap();
        let is_new = unit["status"] == "built" || unit["timings"]["link_ms"] != 0.0 && unit["cached"] == false;
        Outcome { library, is_new }
    }
}

/// What came of a run.
pub struct Outcome {
    pub library: Vec<u8>,
    pub is_new: bool,
}

/// Where code is kept that may be old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    OutputDirectory,
    Cache,
    Pch,
}

/// A kind of input.
pub struct Row<'a> {
    /// What the reader of a failure is told.
    pub what: &'a str,
    /// Text that may stand in a unit or in a header.
    pub before: &'a str,
    /// The rest of the unit.
    pub unit: &'a str,
    pub flags: &'a [&'a str],
    pub compilers: &'a [&'a str],
    /// Whether what was made of it is kept at all, where it can be known what was read.
    pub is_kept: bool,
    /// Whether the cache keeps it too.
    pub is_cached: bool,
    pub prepare: &'a dyn Fn(&mut Place),
    pub change: &'a dyn Fn(&mut Place),
}

pub const BOTH: &[&str] = &["gcc", "clang-19"];

pub const UNIT: &str = "int value(void) { return VALUE; }\n";

impl Row<'_> {
    pub const PLAIN: Row<'static> = Row {
        what: "",
        before: "",
        unit: UNIT,
        flags: &[],
        compilers: BOTH,
        is_kept: true,
        is_cached: true,
        prepare: &|_| {},
        change: &|_| {},
    };

    /// Runs the row with each compiler that is here, in each place that keeps code.
    #[track_caller]
    pub fn check(&self) {
        self.check_in(&[Keeper::OutputDirectory, Keeper::Cache, Keeper::Pch]);
    }

    #[track_caller]
    pub fn check_in(&self, keepers: &[Keeper]) {
        for cc in self.compilers {
            let program = cc.rsplit('=').next().unwrap();
            if program.starts_with("./") || has(program) {
                keepers.iter().for_each(|&keeper| self.check_one(cc, keeper));
            }
        }
    }

    #[track_caller]
    fn check_one(&self, cc: &str, keeper: Keeper) {
        let shown = format!("{}, {cc}, {keeper:?}", self.what);
        let mut place = Place::new();
        let (header, unit) = match keeper {
            Keeper::Pch => (self.before, self.unit.to_owned()),
            Keeper::OutputDirectory | Keeper::Cache => ("", format!("{}{}", self.before, self.unit)),
        };
        place.write("unit.c", unit);
        place.write("vm.h", header);
        (self.prepare)(&mut place);
        let flags: Vec<&str> = [&["--cc", cc], self.flags].concat();
        let with = |more: &[&'static str]| -> Vec<&str> { [&flags[..], more].concat() };
        let (words, again, is_kept): (Vec<&str>, _, _) = match keeper {
            Keeper::OutputDirectory => (flags.clone(), "out", self.is_kept),
            Keeper::Cache => (with(&["--cache", "cache"]), "out2", self.is_kept && self.is_cached),
            Keeper::Pch => (with(&["--header", "vm.h"]), "out", self.is_kept),
        };
        let plain = match keeper {
            Keeper::Pch => words.clone(),
            Keeper::OutputDirectory | Keeper::Cache => flags.clone(),
        };

        let first = place.build("out", &words);
        assert!(first.is_new, "{shown}: it is built");
        let idle = place.build(if keeper == Keeper::Cache { "out1" } else { "out" }, &words);
        assert_eq!(idle.is_new, !is_kept, "{shown}: nothing changed");
        assert!(idle.library == first.library, "{shown}: nothing changed, and it is another library");

        (self.change)(&mut place);
        let second = place.build(again, &words);
        let fresh = place.build("fresh", &plain);
        assert!(fresh.library != first.library, "{shown}: the row changes nothing");
        assert!(second.library == fresh.library, "{shown}: an old library was used again");
        let idle = place.build(if keeper == Keeper::Cache { "out3" } else { "out" }, &words);
        assert_eq!(idle.is_new, !is_kept, "{shown}: nothing changed any more");
        assert!(idle.library == fresh.library, "{shown}: nothing changed any more, and it is another library");
    }
}
