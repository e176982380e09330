//! A batch of programs as data: its header, its programs, their units, and the items that a unit consists of. Any part can be
//! left out, which is how a difference is reduced. Knows nothing of how a batch is generated or compiled.

use std::fs;
use std::path::Path;

/// Programs that share a header, flags and one run of the tool.
#[derive(Clone, Debug)]
pub struct Batch {
    pub cc: &'static str,
    pub flags: Vec<String>,
    /// How many units are merged at a time.
    pub unity: &'static str,
    pub header: Vec<Fragment>,
    pub programs: Vec<Program>,
}

/// A piece of the header.
#[derive(Clone, Debug)]
pub struct Fragment(pub String);

/// Units that are written for each other.
#[derive(Clone, Debug)]
pub struct Program {
    /// All symbols and files of the program begin with this and an underscore.
    pub prefix: String,
    pub folder: String,
    pub files: Vec<(String, String)>,
    pub units: Vec<Unit>,
    /// It means something else in a library for each unit.
    pub whole: bool,
}

/// One C file.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Relative to the directory of the batch.
    pub path: String,
    pub items: Vec<Item>,
}

/// A form of a kind in a unit, with the functions that show what it means.
#[derive(Clone, Debug, Default)]
pub struct Item {
    pub kind: String,
    /// What the item adds to the header.
    pub header: String,
    /// Text before the functions, the functions, and text at the end of the unit.
    pub top: String,
    pub functions: String,
    pub tail: String,
    /// The functions that the host calls.
    pub entries: Vec<String>,
    /// The functions stand at the unit's end, not behind `top`.
    pub late: bool,
}

impl Unit {
    pub fn text(&self) -> String {
        let mut text = String::new();
        for item in &self.items {
            text += &item.top;
            if !item.late {
                text += &item.functions;
            }
        }
        for item in self.items.iter().filter(|item| item.late) {
            text += &item.functions;
        }
        for item in &self.items {
            text += &item.tail;
        }
        text
    }
}

impl Batch {
    pub fn units(&self) -> impl Iterator<Item = &Unit> {
        self.programs.iter().flat_map(|program| &program.units)
    }

    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.units().flat_map(|unit| &unit.items)
    }

    pub fn entries(&self) -> impl Iterator<Item = &str> {
        self.items().flat_map(|item| &item.entries).map(String::as_str)
    }

    pub fn header_text(&self) -> String {
        let fragments = self.header.iter().map(|fragment| fragment.0.as_str());
        fragments.chain(self.items().map(|item| item.header.as_str())).collect()
    }

    /// The programs that `keep` says.
    pub fn only(&self, keep: impl Fn(usize) -> bool) -> Self {
        let mut batch = self.clone();
        let mut at = 0..;
        batch.programs.retain(|_| keep(at.next().unwrap()));
        batch
    }

    /// Writes all files into a directory.
    pub fn write(&self, dir: &Path) {
        fs::write(dir.join("header.h"), self.header_text()).unwrap();
        // For the flavour of flags that includes it.
        fs::write(dir.join("forced.h"), "#define const\n#define FORCED 1\n").unwrap();
        for program in &self.programs {
            fs::create_dir_all(dir.join(&program.folder)).unwrap();
            for (name, text) in &program.files {
                fs::write(dir.join(&program.folder).join(name), text).unwrap();
            }
            for unit in &program.units {
                fs::write(dir.join(&unit.path), unit.text()).unwrap();
            }
        }
    }
}
