//! What the test binaries share: the tool as a command, the fixtures, and which compilers this machine has. A test that lacks
//! something says so and is skipped, unless `MJIT_CC_REQUIRE` names it: then lacking it is a failure.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A file or folder of `fixtures/`.
pub fn fixture(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    // Built elsewhere for Windows, it is a path without a drive.
    std::path::absolute(path).unwrap()
}

/// The generated-looking units, sorted.
pub fn fixture_units() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(fixture("units")).unwrap();
    let mut units: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    units.sort();
    units
}

/// The tool, with nothing in its environment that would steer it.
pub fn mjit_cc() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mjit-cc"));
    for name in [
        "CC",
        "CFLAGS",
        "CPPFLAGS",
        "LDFLAGS",
        "CPATH",
        "C_INCLUDE_PATH",
        "LIBRARY_PATH",
        "NO_COLOR",
        "CLICOLOR_FORCE",
        "MAKEFLAGS",
        "MFLAGS",
        "CARGO_MAKEFLAGS",
    ] {
        command.env_remove(name);
    }
    for name in ["MJIT_CC_CACHE", "MJIT_CC_CACHE_SIZE", "MJIT_CC_LAUNCHER", "CCACHE_SLOPPINESS", "DISTCC_HOSTS"] {
        command.env_remove(name);
    }
    command
}

/// The fake compiler, which `cargo test` builds as an example.
pub fn fake_cc() -> PathBuf {
    let tool = Path::new(env!("CARGO_BIN_EXE_mjit-cc"));
    let name = format!("fake-cc{}", std::env::consts::EXE_SUFFIX);
    let path = std::path::absolute(tool.parent().unwrap().join("examples").join(name)).unwrap();
    assert!(path.exists(), "{} is not built: run cargo test, or cargo build --examples", path.display());
    path
}

/// A library's file name on this system.
pub fn library(stem: &str) -> String {
    format!("{stem}{}", std::env::consts::DLL_SUFFIX)
}

/// A path below the working directory as the tool prints it.
pub fn shown(path: &str) -> String {
    path.replace('/', std::path::MAIN_SEPARATOR_STR)
}

/// What the system says of a file that is not there. Wine has words of its own.
pub const NO_SUCH_FILE: &str = if cfg!(windows) { "" } else { "No such file or directory" };

/// A word that every linker of this system takes, and that changes nothing that the tests look at.
pub const LINKER_FLAG: &str = if cfg!(windows) { "-Wl,--nxcompat" } else { "-Wl,-z,now" };

/// Whether a program is on `PATH`; if not, says that the test is skipped for want of it.
pub fn has(program: &str) -> bool {
    if which::which(program).is_ok() {
        return true;
    }
    let required = std::env::var("MJIT_CC_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|word| word == program), "MJIT_CC_REQUIRE names {program}, and it is not here");
    skip(&format!("{program} is not here"));
    false
}

/// Says that a test is not run, and why.
pub fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Not by eprintln, which the test harness keeps to itself where a test passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}

/// Ends a test early, in words, unless all the programs are there.
macro_rules! need {
    ($($program:expr),+ $(,)?) => {
        if !($($crate::support::has($program))&&+) {
            return;
        }
    };
}
pub(crate) use need;

/// Runs a command and insists on its exit code.
#[track_caller]
pub fn run(command: &mut Command, code: i32) -> Output {
    let output = command.output().unwrap();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{command:?}\nstdout:\n{stdout}\nstderr:\n{stderr}");
    output
}

/// Output as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `units.json` of an output directory.
pub fn report(out_dir: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(out_dir.join("units.json")).unwrap()).unwrap()
}

/// The status of each unit in `units.json`, in order.
pub fn statuses(out_dir: &Path) -> Vec<String> {
    let report = report(out_dir);
    report["units"].as_array().unwrap().iter().map(|unit| unit["status"].as_str().unwrap().to_owned()).collect()
}

/// The symbols that `units.json` promises of each library.
pub fn symbols(out_dir: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut symbols: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for unit in report(out_dir)["units"].as_array().unwrap() {
        if let Some(library) = unit["library"].as_str() {
            let names = unit["symbols"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
            symbols.entry(library.to_owned()).or_default().extend(names);
        }
    }
    symbols
}
