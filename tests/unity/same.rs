//! Whether units answer in a merged library as they do in libraries of their own, called again and again in turns.

use std::fs;

use mjitcc::ctext::Group;
use mjitcc::library::Library;
use tempfile::TempDir;

use crate::build::{Source, compile, entry, merge_sources, merged_units, surroundings};
use crate::support::has;

const ROUNDS: i64 = 4;

/// Units, the header that they stand behind, and what they answer alone.
pub struct Bench {
    dir: TempDir,
    sources: Vec<Source>,
    answers: Vec<Vec<i64>>,
}

impl Bench {
    pub fn new(header: &str, sources: &[Source]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("header.h"), header).unwrap();
        let mut bench = Self { dir, sources: sources.to_vec(), answers: Vec::new() };
        let libraries: Vec<Library> = sources
            .iter()
            .map(|source| {
                let text = format!("#line 1 \"{}\"\n{}", source.name(), source.text);
                bench.library("gcc", &source.entry, text.as_bytes())
            })
            .collect();
        let all: Vec<usize> = (0..sources.len()).collect();
        bench.answers = bench.call(&all, |index| &libraries[index]);
        bench
    }

    fn header(&self) -> std::path::PathBuf {
        self.dir.path().join("header.h")
    }

    fn library(&self, compiler: &str, name: &str, text: &[u8]) -> Library {
        let path = self.dir.path().join(format!("{name}.so"));
        compile(compiler, &["-w", "-shared", "-fPIC"], Some(&self.header()), text, &path);
        Library::open(&path).unwrap()
    }

    fn call<'l>(&self, units: &[usize], library: impl Fn(usize) -> &'l Library) -> Vec<Vec<i64>> {
        let mut answers = vec![Vec::new(); self.sources.len()];
        for round in 0..ROUNDS {
            for &unit in units {
                let entry = entry(library(unit), &self.sources[unit].entry);
                answers[unit].push(entry(round * 7 + 1));
            }
        }
        answers
    }

    /// Merges, compiles by each compiler that is here, and compares. Gives back what the first compiler's preprocessor led to.
    #[track_caller]
    pub fn check(&self, compilers: &[&str]) -> Group {
        self.check_behind("", compilers)
    }

    /// As above, for units of which some begin with `#include` lines.
    #[track_caller]
    pub fn check_behind(&self, includes: &str, compilers: &[&str]) -> Group {
        let mut first = None;
        for (number, compiler) in compilers.iter().enumerate().filter(|(_, compiler)| has(compiler)) {
            let group = merge_sources(&self.sources, &surroundings(compiler, &self.header(), includes), includes);
            let units = merged_units(&group);
            if !units.is_empty() {
                let library = self.library(compiler, &format!("merged{number}"), &group.text);
                let answers = self.call(&units, |_| &library);
                for &unit in &units {
                    let text = String::from_utf8_lossy(&group.text);
                    let source = &self.sources[unit];
                    assert_eq!(answers[unit], self.answers[unit], "{compiler}: {}\n{text}", source.entry);
                }
            }
            let first = first.get_or_insert_with(|| group.clone());
            assert_eq!(units, merged_units(first), "{compiler}: {:?}", group.left_out);
        }
        first.expect("the first compiler is here")
    }
}
