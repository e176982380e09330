//! The table of what reads bytes that others wrote.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use mjitcc::ctext::{Member, Surroundings, defines, leading_includes, merge};
use mjitcc::platforms::{Compiler, Family, Target as System, Toolchain, Version, toolchain};
use mjitcc::untrusted::{READERS, Reader};
use mjitcc::{imports, symbols};

use crate::corpus::Corpus;

/// One reader.
pub struct Target {
    pub name: &'static str,
    pub corpus: Corpus,
    pub read: Reader,
}

pub fn all() -> Vec<Target> {
    let own = READERS.iter().map(|&(name, read)| Target { name, corpus: corpus_of(name), read });
    let target = |name, corpus, read| Target { name, corpus, read };
    own.chain([
        target("merge", Corpus::C, merge_texts as Reader),
        target("header", Corpus::C, |bytes| drop(Surroundings::read(bytes))),
        target("diagnostics", Corpus::Output, |bytes| {
            each(|kind| {
                drop(kind.diagnostics(bytes));
                drop(kind.readable(bytes));
            })
        }),
        target("dependencies", Corpus::Depfile, |bytes| {
            each(|kind| {
                drop(kind.dependencies(bytes, b""));
                drop(kind.link_dependencies(bytes));
            })
        }),
        target("show-includes", Corpus::Output, |bytes| each(|kind| drop(kind.dependencies(b"", bytes)))),
        target("driver", Corpus::Driver, |bytes| {
            each(|kind| {
                drop(kind.link_line(bytes));
                drop(kind.search_list(bytes));
            })
        }),
        target("probe", Corpus::Driver, |bytes| {
            drop(mjitcc::platforms::probe::read_answer("cc".into(), Vec::new(), bytes))
        }),
        target("advice", Corpus::Output, |bytes| {
            _ = mjitcc::platforms::hints::for_output(&String::from_utf8_lossy(bytes))
        }),
        target("object", Corpus::Object, read_object),
    ])
    .collect()
}

fn corpus_of(name: &str) -> Corpus {
    match name {
        "record" | "record-json" | "pch-record-json" | "cache-entry" => Corpus::Record,
        "configuration" => Corpus::Driver,
        "response-file" => Corpus::Words,
        "linker" => Corpus::Object,
        _ => Corpus::C,
    }
}

fn each(read: impl Fn(&dyn Toolchain)) {
    static KINDS: LazyLock<Vec<Arc<dyn Toolchain>>> = LazyLock::new(|| {
        let kind = |family, system: &str| {
            toolchain(Compiler {
                program: "cc".into(),
                leading: Vec::new(),
                family,
                version: Version(14, 2, 0),
                version_text: "14.2.0".to_owned(),
                target: System::parse(system).unwrap(),
                env: Vec::new(),
                foreign: false,
            })
        };
        vec![
            kind(Family::Gcc, "x86_64-linux-gnu"),
            kind(Family::Clang, "x86_64-linux-gnu"),
            kind(Family::Msvc, "x86_64-windows-msvc"),
            kind(Family::Tcc, "x86_64-linux-gnu"),
        ]
    });
    KINDS.iter().for_each(|kind| read(&**kind));
}

fn merge_texts(bytes: &[u8]) {
    static HEADER: LazyLock<Surroundings> = LazyLock::new(|| {
        let text =
            b"#define HEADER_MACRO(x) (x)\ntypedef unsigned long size_t; typedef int host_t;\nstatic int state;\n\
            static inline int twice(int n) { return n * 2; } struct boxed { int n; };\n";
        Surroundings::read(text).unwrap()
    });
    let includes = leading_includes(bytes);
    let member = |name| Member { name, entries: None, text: bytes };
    let _ = merge(&[member("a.c"), member("b.c")], &HEADER, &includes);
    let _ = defines(bytes, &HEADER);
}

fn read_object(bytes: &[u8]) {
    let path = PathBuf::from("input.o");
    std::fs::write(&path, bytes).unwrap();
    for system in ["x86_64-linux-gnu", "x86_64-w64-mingw32", "arm64-apple-macos"] {
        let system = System::parse(system).unwrap();
        let _ = symbols::defined_by_object(&path, &system);
        let _ = symbols::exported_by_library(&path, &system);
        let _ = imports::check_import_library(Path::new(&path), &system);
    }
}
