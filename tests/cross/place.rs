//! A directory in which the tool runs, and what it leaves there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::Object;
use object::read::NameOrOrdinal;
use tempfile::TempDir;

use crate::support::{self, fixture, text};

pub struct Place {
    dir: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("tmp")).unwrap();
        Self { dir }
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn out(&self) -> PathBuf {
        self.join("out")
    }

    pub fn write(&self, name: &str, contents: &str) -> PathBuf {
        fs::write(self.join(name), contents).unwrap();
        self.join(name)
    }

    /// `compile` with these words, for units behind the fixtures' header.
    pub fn compile(&self, words: &[&str], units: &[PathBuf]) -> Command {
        let mut tool = support::mjit_cc();
        tool.arg("compile").args(words).arg("--header").arg(fixture("vm.h")).args(units);
        tool.current_dir(self.dir.path()).env("TMPDIR", self.join("tmp")).env_remove("LIB");
        tool
    }

    /// The symbols that units.json promises of each library.
    pub fn symbols(&self) -> BTreeMap<String, BTreeSet<String>> {
        support::symbols(&self.out())
    }

    /// Everything that is nobody's result: in the output directory, and in the one for temporary files.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let libraries = self.symbols();
        let mut found = Vec::new();
        walk(&self.out(), &mut found);
        found.retain(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let suffix = name.rsplit_once('.').map_or("", |(_, suffix)| suffix);
            let kept: &[&str] = match path.strip_prefix(self.out()).unwrap().parent().and_then(Path::to_str).unwrap() {
                "" => return name != "units.json" && !libraries.contains_key(name),
                ".mjit-cc" => return name != "lock",
                ".mjit-cc/objects" => &["o", "obj", "json"],
                ".mjit-cc/libraries" => &["json"],
                // Microsoft's PCH has companions.
                ".mjit-cc/pch" => &["gch", "pch", "obj", "pdb", "json"],
                _ => &[],
            };
            !kept.contains(&suffix)
        });
        walk(&self.join("tmp"), &mut found);
        found
    }
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

/// The C names that a library exports.
pub fn exports(file: &object::File<'_>, prefix: &str) -> BTreeSet<String> {
    let name = |export: object::Result<object::read::Export<'_>>| match export.unwrap().name() {
        NameOrOrdinal::Name(name) => text(name).strip_prefix(prefix).unwrap().to_owned(),
        other => panic!("{other:?}"),
    };
    file.exports().unwrap().map(name).collect()
}
