//! Compiling, loading and calling: one text, one library, by the compiler itself.

#![allow(unsafe_code, reason = "C is called in this process")]

use std::fs;
use std::path::Path;
use std::process::Command;

use mjitcc::ctext::{Group, Member, Surroundings, merge};
use mjitcc::library::Library;

use crate::support::{run, text};

/// A unit of a test's own.
#[derive(Clone, Debug)]
pub struct Source {
    pub entry: String,
    pub text: String,
}

impl Source {
    pub fn new(entry: &str, text: &str) -> Self {
        Self { entry: entry.to_owned(), text: text.to_owned() }
    }

    pub fn name(&self) -> String {
        format!("{}.c", self.entry)
    }
}

/// Merges units that all begin with the same `#include` lines, and puts those into the merged text.
pub fn merge_sources(sources: &[Source], surroundings: &Surroundings, includes: &str) -> Group {
    let names: Vec<String> = sources.iter().map(Source::name).collect();
    let members: Vec<Member<'_>> = sources
        .iter()
        .zip(&names)
        .map(|(source, name)| Member {
            name,
            entries: Some(std::slice::from_ref(&source.entry)),
            text: source.text.as_bytes(),
        })
        .collect();
    merge(&members, surroundings, includes.as_bytes())
}

/// The indexes of the units in a merged text, in the order of the text.
pub fn merged_units(group: &Group) -> Vec<usize> {
    group.units.iter().map(|unit| unit.index).collect()
}

/// What a compiler's preprocessor says of a header and the units' common `#include` lines.
pub fn surroundings(compiler: &str, header: &Path, includes: &str) -> Surroundings {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("surroundings.c");
    fs::write(&source, includes).unwrap();
    let mut parts = compiler.split(' ');
    let mut command = Command::new(parts.next().unwrap());
    command.args(parts).args(["-E", "-dD", "-w", "-include"]).arg(header).arg(&source);
    Surroundings::read(&run(&mut command, 0).stdout).unwrap()
}

/// Runs a compiler, its name with words of its own, over one text.
pub fn compile(compiler: &str, words: &[&str], header: Option<&Path>, source: &[u8], out: &Path) {
    let c = out.with_extension("c");
    fs::write(&c, source).unwrap();
    let mut parts = compiler.split(' ');
    let mut command = Command::new(parts.next().unwrap());
    command.args(parts).args(words).current_dir(out.parent().unwrap());
    if let Some(header) = header {
        command.arg("-include").arg(header);
    }
    command.arg("-o").arg(out).arg(&c);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}\n{}", text(&output.stderr), numbered(source));
}

/// What every entry of the tests' own units is.
pub type Entry = extern "C" fn(i64) -> i64;

/// An entry of a library that outlives all calls.
pub fn entry(library: &Library, name: &str) -> Entry {
    let address = library.address(name).unwrap();
    // SAFETY: the tests' units define it with that type.
    unsafe { std::mem::transmute::<*mut std::ffi::c_void, Entry>(address.as_ptr()) }
}

/// A text as people look for a compiler's lines in it.
fn numbered(source: &[u8]) -> String {
    let source = String::from_utf8_lossy(source).into_owned();
    let lines: Vec<String> = source.lines().enumerate().map(|(at, line)| format!("{:4} {line}", at + 1)).collect();
    lines.join("\n")
}
