//! The Lua interpreter's C files, many that call each other, compiled into one library that runs a script in this process.

#![allow(unsafe_code, reason = "C is called in this process")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr::{self, NonNull};

use mjitcc::library::Library;
use serde_json::Value;

use crate::support::{self, need, run, text};

const EXPECTED: &str = "\
closures 3 2
errors false 42 2
coroutines 1 4 9
metatables 5.0
garbage 0
numbers 0.8415 3 10000000000 9223372036854775807 9.007199254741e+15
patterns two one
sorting 9,5,2,1
libraries number function ä Lua 5.4";

/// Lua's sources: those of the crate that this package is tested with.
fn sources() -> PathBuf {
    let version = text(&run(Command::new(env!("CARGO")).arg("-vV"), 0).stdout);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let mut metadata = Command::new(env!("CARGO"));
    // For this machine alone: crates that only others want are not here, and nothing is to be downloaded.
    metadata.args(["metadata", "--format-version", "1", "--offline", "--filter-platform", host, "--manifest-path"]);
    let output = run(metadata.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")), 0);
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let lua = packages.iter().find(|package| package["name"] == "lua-src").unwrap();
    let folder = Path::new(lua["manifest_path"].as_str().unwrap()).parent().unwrap();
    let mut versions: Vec<PathBuf> =
        glob::glob(folder.join("lua-5.4.*").to_str().unwrap()).unwrap().map(Result::unwrap).collect();
    versions.pop().expect("the crate has Lua 5.4")
}

/// The interpreter without the programs around it, and without the one file that includes all others.
fn units(sources: &Path) -> Vec<PathBuf> {
    let mut units: Vec<PathBuf> =
        fs::read_dir(sources).unwrap().map(|entry| entry.unwrap().path()).filter(|path| is_unit(path)).collect();
    units.sort();
    assert!(units.len() > 30, "{units:?}");
    units
}

fn is_unit(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.ends_with(".c") && !["lua.c", "luac.c", "onelua.c", "ltests.c"].contains(&name)
}

/// Compiles it all into one library, and runs the script in that.
fn check(compiler: &str, more: &[&str], header: Option<&str>) {
    let sources = sources();
    let units = units(&sources);
    let dir = tempfile::tempdir().unwrap();
    let mut compile = support::mjit_cc();
    compile.args(["compile", "--compact", "--cc", compiler, "-DLUA_USE_LINUX", "--ldflag=-lm", "--ldflag=-lc"]);
    compile.args(more).args(&units).arg("-v").current_dir(dir.path());
    if let Some(header) = header {
        compile.arg("--header").arg(sources.join(header));
    }
    let output = run(&mut compile, 0);
    assert_eq!(text(&output.stdout), "out/units.so\n");
    let said = text(&output.stderr);
    assert_eq!(said.contains("proven to be used"), header.is_some(), "{said}");

    let report = support::report(&dir.path().join("out"));
    let reports = report["units"].as_array().unwrap();
    assert_eq!(reports.len(), units.len());
    let symbols: Vec<&str> = reports
        .iter()
        .flat_map(|unit| unit["symbols"].as_array().unwrap())
        .map(|symbol| symbol.as_str().unwrap())
        .collect();
    assert!(symbols.contains(&"luaL_newstate") && symbols.contains(&"lua_pcallk"), "{symbols:?}");

    let library = Library::open(&dir.path().join("out/units.so")).unwrap();
    // Lua hides what its files call of each other; tcc knows no hiding. units.json tells it as the loader sees it.
    let hidden = library.address("luaV_execute").is_err();
    assert_eq!(hidden, !symbols.contains(&"luaV_execute"), "{symbols:?}");
    assert!(hidden || compiler == "tcc");
    for symbol in &symbols {
        library.address(symbol).unwrap();
    }
    let script = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/script.lua")).unwrap();
    assert_eq!(evaluate(&library, &script), EXPECTED);
}

type State = *mut c_void;

/// Runs a script in an interpreter of its own; what it returns, or its error, as text.
fn evaluate(library: &Library, script: &str) -> String {
    let address = |symbol| library.address(symbol).unwrap();
    let script = CString::new(script).unwrap();
    // SAFETY: the types are those of lua.h and lauxlib.h of Lua 5.4, the addresses are valid as long as the library is, and
    // the text is copied before the state that owns it is closed.
    unsafe {
        let new_state: extern "C" fn() -> State = function(address("luaL_newstate"));
        let open_libs: extern "C" fn(State) = function(address("luaL_openlibs"));
        let load: extern "C" fn(State, *const c_char) -> c_int = function(address("luaL_loadstring"));
        let call: extern "C" fn(State, c_int, c_int, c_int, isize, *const c_void) -> c_int =
            function(address("lua_pcallk"));
        let to_text: extern "C" fn(State, c_int, *mut usize) -> *const c_char = function(address("lua_tolstring"));
        let close: extern "C" fn(State) = function(address("lua_close"));

        let state = new_state();
        assert!(!state.is_null());
        open_libs(state);
        if load(state, script.as_ptr()) == 0 {
            call(state, 0, 1, 0, 0, ptr::null());
        }
        let answer = to_text(state, -1, ptr::null_mut());
        assert!(!answer.is_null(), "the script returned no text");
        let answer = CStr::from_ptr(answer).to_str().unwrap().to_owned();
        close(state);
        answer
    }
}

/// An address as a function.
///
/// # Safety
/// `F` is the type of the function that is there.
unsafe fn function<F: Copy>(address: NonNull<c_void>) -> F {
    assert_eq!(size_of::<F>(), size_of::<NonNull<c_void>>());
    // SAFETY: both are one address, and the caller vouches for what is there.
    unsafe { std::mem::transmute_copy(&address) }
}

#[test]
fn lua_compiled_by_gcc_runs_a_script() {
    need!("gcc");
    check("gcc", &[], None);
}

#[test]
fn lua_compiled_by_clang_runs_a_script() {
    need!("clang");
    check("clang", &[], None);
}

#[test]
fn lua_compiled_by_tcc_runs_a_script() {
    need!("tcc");
    check("tcc", &[], None);
}

/// Every file of Lua's begins with this header, whose macros steer the system's headers behind it.
#[test]
fn lua_behind_its_common_header_precompiled_runs_a_script() {
    need!("gcc");
    check("gcc", &["-O1"], Some("lprefix.h"));
}
