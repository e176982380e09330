//! The fixtures' units behind their header.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use mjitcc::ctext::{LeftOut, Reason};

use crate::build::{Source, compile, merge_sources, surroundings};
use crate::support::{fixture, fixture_units, need, run, text};

/// The fixtures, with the entries and answers of `expected.txt`.
pub fn fixtures() -> (Vec<Source>, BTreeMap<String, String>) {
    let expected = fs::read_to_string(fixture("expected.txt")).unwrap();
    let answers: BTreeMap<String, String> = expected
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(entry, answer)| (entry.to_owned(), answer.to_owned()))
        .collect();
    let sources = fixture_units()
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let entry = answers.keys().find(|entry| text.contains(&format!("\n{entry}("))).unwrap();
            Source::new(entry, &text)
        })
        .collect();
    (sources, answers)
}

fn check(compiler: &str) {
    let dir = tempfile::tempdir().unwrap();
    let (sources, answers) = fixtures();
    let merged = merge_sources(&sources, &surroundings(compiler, &fixture("vm.h"), ""), "");
    // tcc does not say how `INT64_C` joins words, so that its units are left out.
    let is_joined =
        |one: &LeftOut| matches!(&one.reason, Reason::Macro { name, .. } if compiler == "tcc" && name == "INT64_C");
    assert!(merged.left_out.iter().all(is_joined), "{compiler}: {:?}", merged.left_out);
    let answers: BTreeMap<String, String> = merged
        .units
        .iter()
        .flat_map(|unit| &unit.entries)
        .map(|entry| (entry.clone(), answers[entry].clone()))
        .collect();
    assert!(answers.len() * 2 > sources.len(), "{compiler}");
    let library = dir.path().join("merged.so");
    compile(compiler, &["-shared", "-fPIC", "-O1", "-Werror"], Some(&fixture("vm.h")), &merged.text, &library);
    let host = dir.path().join("host");
    run(Command::new("gcc").arg(fixture("host.c")).arg("-o").arg(&host).arg("-ldl"), 0);
    let said = text(&run(Command::new(&host).arg(&library).args(answers.keys()), 0).stdout);
    let found: BTreeMap<String, String> =
        said.lines().map(|line| line.split_once('=').unwrap()).map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
    assert_eq!(found, answers, "{compiler}");
}

#[test]
#[cfg_attr(windows, ignore = "a DLL wants the host's import library, as the tests of the command line give it")]
fn merged_fixtures_answer_as_they_do_alone() {
    need!("gcc");
    for compiler in ["gcc", "clang", "clang-19", "tcc"] {
        if crate::support::has(compiler) {
            check(compiler);
        }
    }
}
