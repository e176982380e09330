//! This tool and its rivals side by side: each row alternates between them in one run and compares medians. The table goes to standard output and, of a
//! whole run, into `benches/RESULTS.md`. Words name rows to run alone; `--short` only checks that they work.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench runs compilers and prints"
)]
#![allow(unsafe_code, reason = "a library of stand-ins is loaded, and code is called")]
#![allow(unused_macros, unused_imports, reason = "what the tests share is more than a bench wants")]
#![allow(unreachable_pub, reason = "modules of a bench share what they like")]

#[path = "../../tests/support/ruby.rs"]
mod generated;
#[path = "../../tests/support/mod.rs"]
mod support;

#[path = "../shared/pipeline.rs"]
mod shared;

mod batch;
mod cached;
mod callable;
mod calls;
mod compaction;
mod machine;
mod memory;
mod merged;
mod restart;
mod seed;
mod table;

use table::Table;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let short = words.iter().any(|word| word == "--short");
    let wanted: Vec<&String> = words.iter().filter(|word| *word != "--short").collect();
    let Some(header) = generated::min_header() else { return };
    let work = Work { short, header, dir: tempfile::tempdir().expect("a temporary directory") };
    let rows: [(&str, Row); 10] = [
        ("gcc", callable::tiny_behind_ruby),
        ("clang", callable::tiny_behind_clang),
        ("units", callable::all_units),
        ("batch", batch::sixty_units),
        ("compaction", compaction::five_thousand),
        ("restart", restart::a_thousand_units),
        ("cached", cached::together_or_alone),
        ("calls", calls::in_random_order),
        ("memory", memory::ten_thousand),
        ("merged", merged::of_generated_units),
    ];
    let mut table = Table::default();
    for (name, row) in rows {
        if wanted.is_empty() || wanted.iter().any(|word| *word == name) {
            eprintln!("{name} …");
            row(&work, &mut table);
        }
    }
    let text = format!("{}\n{table}", machine::describe());
    println!("{text}");
    if !short && wanted.is_empty() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/RESULTS.md");
        let reasons = include_str!("reasons.md");
        std::fs::write(path, text + reasons).expect("the table can be written");
    }
}

/// Runs, and adds what it found.
type Row = fn(&Work, &mut Table);

/// What rows work with.
pub struct Work {
    /// To see that it works.
    pub short: bool,
    /// Ruby's own.
    pub header: std::path::PathBuf,
    /// For files.
    pub dir: tempfile::TempDir,
}

impl Work {
    /// So many, or a few where that is enough.
    pub fn rounds(&self, rounds: usize) -> usize {
        if self.short { rounds.min(2) } else { rounds }
    }
}
