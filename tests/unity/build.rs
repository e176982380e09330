//! Compiling and loading: one text, one library, by the compiler itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mjitcc::library::Library;
use mjitcc::unity::{HeaderMacros, Member, Merged, merge};

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
}

pub fn merge_sources(sources: &[Source], header: &HeaderMacros) -> Merged {
    let names: Vec<String> = sources.iter().map(|source| format!("{}.c", source.entry)).collect();
    let member = |(source, name): (&'_ Source, &'_ String)| (source.clone(), name.clone());
    let owned: Vec<_> = sources.iter().zip(&names).map(member).collect();
    let members: Vec<Member<'_>> = owned
        .iter()
        .map(|(source, name)| Member { name, entry: &source.entry, folder: None, text: source.text.as_bytes() })
        .collect();
    merge(&members, header)
}

/// The header's macros as gcc lists them.
pub fn macros_of(header: &Path) -> HeaderMacros {
    let mut gcc = Command::new("gcc");
    let output = run(gcc.args(["-E", "-dM", "-w", "-x", "c"]).arg(header), 0);
    HeaderMacros::from_definitions(&output.stdout)
}

/// A compiler and the words that make it compile C into a library.
pub fn compile(compiler: &str, words: &[&str], header: Option<&Path>, source: &[u8], out: &Path) {
    let c = out.with_extension("c");
    fs::write(&c, source).unwrap();
    let mut parts = compiler.split(' ');
    let mut command = Command::new(parts.next().unwrap());
    command.args(parts).args(words);
    if let Some(header) = header {
        command.arg("-include").arg(header);
    }
    command.arg("-o").arg(out).arg(&c);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}\n{}", text(&output.stderr), numbered(source));
}

#[allow(dead_code)]
pub fn load(dir: &Path, name: &str) -> Library {
    Library::open(&dir.join(name)).unwrap()
}

pub fn so(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.so"))
}

/// A text as people look for a compiler's lines in it.
fn numbered(source: &[u8]) -> String {
    let source = String::from_utf8_lossy(source).into_owned();
    let lines: Vec<String> = source.lines().enumerate().map(|(at, line)| format!("{:4} {line}", at + 1)).collect();
    lines.join("\n")
}
