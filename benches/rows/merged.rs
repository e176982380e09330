//! How many units of each kind `--unity auto` really compiles with others. Generated C is made here, by the generators that are there, from
//! small programs of our own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use object::{Object, ObjectSymbol};

use super::support::{fixture, fixture_units, has, report};
use super::table::Table;
use super::{Work, generated};

/// Ruby's units have to stay together, whatever the rules of merging are.
const RUBY: f64 = 0.9;

pub fn of_generated_units(work: &Work, table: &mut Table) {
    let dir = work.dir.path().join("merged");
    let corpora: [Corpus; 4] =
        [ruby(work, &dir.join("ruby")), fixtures(), nim(work, &dir.join("nim")), wasm2c(work, &dir.join("wasm"))];
    for corpus in corpora {
        let what = format!("merged share, {}", corpus.name);
        match corpus.units {
            Err(why) => table.skip(&what, why),
            Ok(units) => {
                let out = dir.join(format!("out-{}", corpus.name.split(' ').next().unwrap_or_default()));
                let (merged, built) = share(&units, corpus.header.as_deref(), &corpus.flags, &out);
                let what = format!("{what}: {merged} of {built} units that compile ({} in all)", units.len());
                table.at_least(&what, merged as f64 / built.max(1) as f64, corpus.reach);
            }
        }
    }
}

/// Units of one generator.
struct Corpus {
    name: &'static str,
    header: Option<PathBuf>,
    flags: Vec<String>,
    units: Result<Vec<PathBuf>, &'static str>,
    reach: Option<f64>,
}

/// The units that share an object with others, and the units that were compiled.
fn share(units: &[PathBuf], header: Option<&Path>, flags: &[String], out: &Path) -> (usize, usize) {
    let mut tool = super::support::mjit_cc();
    tool.args(["compile", "-q", "-k", "-j2", "--compact", "--unity", "auto", "--cc", "gcc", "-O", "1", "--cflag=-w"]);
    tool.args(flags).arg("--out-dir").arg(out);
    if let Some(header) = header {
        tool.arg("--header").arg(header);
    }
    // Some corpora have units that want more than is here.
    tool.args(units).stdin(Stdio::null()).output().expect("the tool starts");
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    let mut built = 0;
    for unit in report(out)["units"].as_array().expect("units") {
        built += usize::from(unit["status"] == "built");
        for symbol in unit["symbols"].as_array().expect("symbols") {
            owners.insert(symbol.as_str().expect("a name").to_owned(), unit["unit"].to_string());
        }
    }
    let mut merged: BTreeSet<&str> = BTreeSet::new();
    for object in fs::read_dir(out.join(".mjit-cc/objects")).expect("objects") {
        let path = object.expect("an object").path();
        if path.extension().is_none_or(|extension| extension != "o") {
            continue;
        }
        let bytes = fs::read(path).expect("an object");
        let file = object::File::parse(&*bytes).expect("ELF");
        let defined = file.symbols().filter(|symbol| symbol.is_definition() && symbol.is_global());
        let units: BTreeSet<&str> =
            defined.filter_map(|symbol| owners.get(symbol.name().ok()?).map(String::as_str)).collect();
        if units.len() > 1 {
            merged.extend(units);
        }
    }
    (merged.len(), built)
}

fn ruby(work: &Work, dir: &Path) -> Corpus {
    let units = if which::which("ruby3.1").is_err() {
        Err("ruby3.1 is not here")
    } else {
        fs::create_dir_all(dir).expect("a directory");
        let texts = generated::generate(dir, if work.short { 6 } else { 60 });
        let write = |(number, text): (usize, &String)| {
            let path = dir.join(format!("unit{number}.c"));
            fs::write(&path, text.replace("{entry}", &format!("_mjit_{number}"))).expect("there is room");
            path
        };
        Ok(texts.iter().enumerate().map(write).collect())
    };
    Corpus { name: "Ruby's units", header: Some(work.header.clone()), flags: Vec::new(), units, reach: Some(RUBY) }
}

fn fixtures() -> Corpus {
    let header = Some(fixture("vm.h"));
    Corpus { name: "fixtures", header, flags: Vec::new(), units: Ok(fixture_units()), reach: Some(RUBY) }
}

/// A module for the programs below, one of several that differ in a number.
fn nim_module(number: usize) -> String {
    format!(
        "import std/[tables, strutils, sequtils]\n\
         type Shape{number}* = object\n  name*: string\n  sides*: int\n\
         proc words{number}*(text: string): Table[string, int] =\n  \
           for word in text.splitWhitespace: result.mgetOrPut(word, 0).inc({number})\n\
         proc area{number}*(shape: Shape{number}): float = shape.sides.float * {number}.5\n\
         proc squares{number}*(count: int): seq[int] = toSeq(1..count).mapIt(it * it + {number})\n"
    )
}

fn nim(work: &Work, dir: &Path) -> Corpus {
    let name = "Nim's units";
    let reach = None;
    if !has("nim") {
        return Corpus { name, header: None, flags: Vec::new(), units: Err("nim is not here"), reach };
    }
    fs::create_dir_all(dir).expect("a directory");
    let modules = if work.short { 3 } else { 24 };
    let mut program = "import std/tables\n".to_owned();
    for number in 0..modules {
        fs::write(dir.join(format!("part{number}.nim")), nim_module(number)).expect("there is room");
        let _ = writeln!(
            program,
            "import part{number}\necho words{number}(\"one two two\").len, area{number}(Shape{number}(sides: 3)), squares{number}(4)"
        );
    }
    fs::write(dir.join("program.nim"), program).expect("there is room");
    let cache = dir.join("cache");
    let mut nim = Command::new("nim");
    nim.args(["c", "--compileOnly", "--hints:off", "--warnings:off"]).arg(format!("--nimcache:{}", cache.display()));
    nim.arg(dir.join("program.nim")).env("HOME", dir).env("XDG_CONFIG_HOME", dir).stdin(Stdio::null());
    assert!(nim.status().expect("nim starts").success());
    let library = which::which("nim").ok().and_then(|nim| nim.canonicalize().ok());
    let found = library.iter().flat_map(|nim| nim.ancestors()).map(|above| above.join("lib"));
    let places = found.chain([PathBuf::from("/usr/lib/nim/lib")]);
    let Some(include) = places.into_iter().find(|place| place.join("nimbase.h").exists()) else {
        return Corpus { name, header: None, flags: Vec::new(), units: Err("nimbase.h is not here"), reach };
    };
    let flags = vec!["-I".to_owned(), include.display().to_string()];
    Corpus { name, header: None, flags, units: Ok(c_files(&cache)), reach }
}

/// A module with a memory, a table and a loop.
fn wat(number: usize) -> String {
    format!(
        "(module\n  (memory 1)\n  (table 2 funcref)\n  (global $g (mut i32) (i32.const {number}))\n  \
         (type $unary (func (param i32) (result i32)))\n  \
         (func $up (type $unary) (i32.add (local.get 0) (i32.const {number})))\n  \
         (func $twice (type $unary) (i32.mul (local.get 0) (i32.const 2)))\n  \
         (elem (i32.const 0) $up $twice)\n  \
         (func $run (export \"run\") (param $n i32) (result i32)\n    \
           (global.set $g (call_indirect (type $unary) (local.get $n) (i32.and (local.get $n) (i32.const 1))))\n    \
           (i32.store (i32.const 16) (global.get $g))\n    (i32.load (i32.const 16))))\n"
    )
}

fn wasm2c(work: &Work, dir: &Path) -> Corpus {
    let name = "wasm2c's units";
    let reach = None;
    if !(has("wat2wasm") && has("wasm2c")) {
        return Corpus { name, header: None, flags: Vec::new(), units: Err("wabt is not here"), reach };
    }
    fs::create_dir_all(dir).expect("a directory");
    for number in 0..if work.short { 3 } else { 24 } {
        let path = |suffix: &str| dir.join(format!("module{number}.{suffix}"));
        fs::write(path("wat"), wat(number)).expect("there is room");
        let run = |command: &mut Command| assert!(command.status().expect("it starts").success(), "{command:?}");
        run(Command::new("wat2wasm").arg(path("wat")).arg("-o").arg(path("wasm")));
        let module = format!("module{number}");
        run(Command::new("wasm2c").arg(path("wasm")).args(["-n", &module, "-o"]).arg(path("c")));
    }
    Corpus { name, header: None, flags: Vec::new(), units: Ok(c_files(dir)), reach }
}

fn c_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("a file").path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == "c")).collect();
    files.sort();
    files
}
