//! What each kind of reader reads as a rule: texts of the fixtures, and what the compilers of this machine write about them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{fixture, fixture_units, mjit_cc, run};

/// Which files of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corpus {
    C,
    Output,
    Depfile,
    Driver,
    Record,
    Object,
    Words,
}

impl Corpus {
    fn dir(self) -> String {
        format!("{self:?}")
    }
}

const TEXTS: [(Corpus, &str); 8] = [
    (Corpus::Depfile, "out\\ put.o: a.c /usr/include/b$$.h \\\n ..\\#c.h D:\\\\x.h\n\na.h:\n"),
    (Corpus::Depfile, "a.so: \\\n  /usr/lib/libc.so.6 crt1.o\n\ncrt1.o:\n"),
    (
        Corpus::Output,
        "Note: including file: C:\\x\\a.h\r\nNote: including file:   b.h\r\nu.c(3): warning C4000: words\r\n",
    ),
    (
        Corpus::Output,
        "In file included from a.h:3,\n                 from u.c:1:\nb.h:2:7: error: words\n    2 | int x\n      |     ^\n",
    ),
    (Corpus::Words, "-O2 \"a b\" 'c d' e\\ f @other -DX=\\\"y\\\"\n-I /usr/include\n"),
    (
        Corpus::Words,
        "/* GNU ld script */ OUTPUT_FORMAT(elf64-x86-64)\nGROUP ( /lib/libc.so.6 AS_NEEDED ( /lib/ld.so ) )\n",
    ),
    (
        Corpus::C,
        "#define F(x, ...) x ## __VA_ARGS__ #x\n#embed \"a\" limit(3)\nint f(a) int a; { _Static_assert(1, \"x\"); return F(a, b); }\n",
    ),
    (
        Corpus::C,
        "__asm__(\".incbin \\\"f\\\"\\n\"); struct s { int a : 3; } v = { .a = 1 }, *p[3] = {0};\nint (*(*g)(int))[2];\n",
    ),
];

pub fn make(dir: &Path) {
    for corpus in
        [Corpus::C, Corpus::Output, Corpus::Depfile, Corpus::Driver, Corpus::Record, Corpus::Object, Corpus::Words]
    {
        fs::create_dir(dir.join(corpus.dir())).unwrap();
    }
    let add = |corpus: Corpus, bytes: &[u8]| {
        let dir = dir.join(corpus.dir());
        let number = fs::read_dir(&dir).unwrap().count();
        fs::write(dir.join(format!("{number:04}")), bytes).unwrap();
    };
    TEXTS.iter().for_each(|(corpus, text)| add(*corpus, text.as_bytes()));
    for unit in fixture_units() {
        add(Corpus::C, &fs::read(unit).unwrap());
    }
    let header = fs::read(fixture("vm.h")).unwrap();
    add(Corpus::C, &header);
    for kinds in glob::glob(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/campaign/kinds/*.txt")).unwrap() {
        add(Corpus::C, &fs::read(kinds.unwrap()).unwrap());
    }
    for compiler in ["gcc", "clang", "tcc"].into_iter().filter(|compiler| which::which(compiler).is_ok()) {
        by_compiler(dir, compiler, &add);
    }
    let out = dir.join("out");
    let mut tool = mjit_cc();
    tool.current_dir(dir).args(["compile", "--compact", "--cc", "gcc", "--header"]).arg(fixture("vm.h"));
    tool.args(["--out-dir", "out", "--cache", "cache"]).args(&fixture_units()[..3]);
    run(&mut tool, 0);
    for file in glob::glob(out.join(".mjit-cc/*/*.json").to_str().unwrap()).unwrap() {
        let record = fs::read(file.unwrap()).unwrap();
        add(Corpus::Record, record.split(|&byte| byte == b'\n').next().unwrap());
        add(Corpus::Record, &record);
    }
    for file in glob::glob(dir.join("cache/v1/??/*").to_str().unwrap()).unwrap() {
        add(Corpus::Record, &fs::read(file.unwrap()).unwrap());
    }
    for file in glob::glob(out.join("*.so").to_str().unwrap()).unwrap() {
        add(Corpus::Object, &fs::read(file.unwrap()).unwrap());
    }
}

fn by_compiler(dir: &Path, compiler: &str, add: &dyn Fn(Corpus, &[u8])) {
    let (unit, bad) = (&fixture_units()[2], dir.join("bad.c"));
    fs::write(
        &bad,
        "#include <stddef.h>\n#warning words\nint f(void) { int unused; return g(\"x\" + ; }\nstruct s { t x }\n",
    )
    .unwrap();
    let said = |command: &mut Command| {
        let output = command.current_dir(dir).output().unwrap();
        [output.stdout, output.stderr].concat()
    };
    let words = ["-Wall", "-c", "-o", "x.o"];
    add(Corpus::Output, &said(Command::new(compiler).args(words).arg(&bad)));
    add(Corpus::Driver, &said(Command::new(compiler).args(["-shared", "-###"]).arg(unit)));
    add(Corpus::Driver, &said(Command::new(compiler).args(["-v", "-E", "-xc", "/dev/null"])));
    let header = fixture("vm.h");
    let good = said(
        Command::new(compiler)
            .args(["-O2", "-g", "-c", "-o", "y.o", "-MD", "-MF", "y.d", "-include"])
            .arg(header)
            .arg(unit),
    );
    add(Corpus::Output, &good);
    for (corpus, file) in [(Corpus::Object, "y.o"), (Corpus::Depfile, "y.d")] {
        if let Ok(bytes) = fs::read(dir.join(file)) {
            add(corpus, &bytes);
            fs::remove_file(dir.join(file)).unwrap();
        }
    }
}

pub fn read(dir: &Path, corpus: Corpus) -> Vec<Vec<u8>> {
    let mut files: Vec<_> = fs::read_dir(dir.join(corpus.dir())).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}
