//! `doctor`: what a machine has, tried out, and what would install the rest.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::Value;

use crate::compile::{Place, executable};
use crate::support::{need, run, text};

/// A machine whose `PATH` holds these programs and nothing else.
fn machine(programs: &[&str]) -> Place {
    let place = Place::new();
    fs::create_dir_all(place.join("bin")).unwrap();
    fs::create_dir_all(place.join("temp")).unwrap();
    for name in programs {
        let real = fs::canonicalize(which::which(name).unwrap()).unwrap();
        symlink(real, place.join("bin").join(name)).unwrap();
    }
    place
}

fn script(place: &Place, name: &str, lines: &str) {
    place.write(&format!("bin/{name}"), format!("#!/bin/sh\n{lines}\n"));
    executable(&place.join("bin").join(name));
}

fn doctor(place: &Place, words: &[&str]) -> Command {
    let mut command = place.tool(&["doctor"]);
    command.env("PATH", place.join("bin")).env("TMPDIR", place.join("temp")).args(words);
    command
}

#[track_caller]
fn findings(place: &Place, code: i32) -> Value {
    let output = run(&mut doctor(place, &["--message-format", "json"]), code);
    let lines = text(&output.stdout);
    assert_eq!(lines.lines().count(), 1, "{lines}");
    serde_json::from_str(&lines).unwrap()
}

#[test]
fn it_names_each_compiler_and_whether_its_pch_is_used() {
    need!("gcc", "clang", "tcc", "ld");
    let place = machine(&["gcc", "clang", "tcc", "as", "ld"]);
    let said = text(&run(&mut doctor(&place, &[]), 0).stdout);
    let line = |name: &str| {
        let start = format!("  {name}: ");
        said.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no {name} in {said}")).to_owned()
    };
    let version = text(&run(Command::new("gcc").arg("-dumpfullversion"), 0).stdout).trim().to_owned();
    let gcc = line("gcc");
    assert!(gcc.starts_with(&format!("  gcc: gcc {version} for ")), "{gcc}");
    assert!(gcc.ends_with(&format!("; PCH builds and is used ({})", place.join("bin/gcc").display())), "{gcc}");
    assert!(line("clang").contains("; PCH builds and is used ("));
    assert!(line("tcc").contains("; no PCH ("));
    assert!(said.lines().any(|line| line == "linkers: ld"), "{said}");
    let temp = format!("temporary directory: {}: libraries can be loaded from it", place.join("temp").display());
    assert!(said.lines().any(|line| line == temp), "{said}");
    assert_eq!(fs::read_dir(place.join("temp")).unwrap().count(), 0, "it left temporary files");
}

#[test]
fn it_says_what_is_missing_and_the_command_that_installs_it() {
    need!("gcc");
    let place = machine(&["gcc", "as", "ld"]);
    let said = text(&run(&mut doctor(&place, &[]), 0).stdout);
    assert!(said.lines().any(|line| line == "missing: clang"), "{said}");
    script(&place, "apt-get", "exit 1");
    let said = text(&run(&mut doctor(&place, &[]), 0).stdout);
    for line in [
        "missing: clang; to install it: apt-get install clang",
        "missing: tcc; to install it: apt-get install tcc",
        "missing: mingw; to install it: apt-get install gcc-mingw-w64-x86-64",
    ] {
        assert!(said.lines().any(|it| it == line), "{line} is not in {said}");
    }
    assert!(!said.contains("missing: gcc"), "{said}");
}

#[test]
fn its_json_says_the_same() {
    need!("gcc", "tcc");
    let place = machine(&["gcc", "tcc", "as", "ld"]);
    script(&place, "apt-get", "exit 1");
    script(&place, "clang", "echo I am broken >&2; exit 1");
    let findings = findings(&place, 0);
    assert_eq!(findings["version"], 1);
    let compilers = findings["compilers"].as_array().unwrap();
    let one = |name: &str| compilers.iter().find(|compiler| compiler["name"] == name).unwrap();
    let gcc = one("gcc");
    assert_eq!(gcc["path"], *place.join("bin/gcc").to_string_lossy());
    assert_eq!((&gcc["family"], &gcc["pch"], &gcc["error"]), (&"gcc".into(), &"used".into(), &Value::Null));
    assert!(gcc["release"].is_string() && gcc["target"].is_string(), "{gcc}");
    assert_eq!(one("tcc")["pch"], "unsupported");
    let clang = one("clang");
    assert_eq!(clang["family"], Value::Null);
    assert_eq!(clang["error"], "cannot preprocess C (exit code 1): I am broken");
    assert_eq!(findings["linkers"][0]["name"], "ld");
    assert_eq!(findings["temp_dir"]["path"], *place.join("temp").to_string_lossy());
    assert_eq!(findings["temp_dir"]["executable"], true);
    assert_eq!(findings["temp_dir"]["refused"], serde_json::json!([]));
    let missing = findings["missing"].as_array().unwrap();
    let clang = missing.iter().find(|missing| missing["what"] == "clang").unwrap();
    assert_eq!(clang["install"], "apt-get install clang");
}

#[test]
fn without_a_compiler_its_exit_code_says_so() {
    let place = machine(&[]);
    let said = text(&run(&mut doctor(&place, &[]), 3).stdout);
    assert!(said.starts_with("compilers:\n  none\nlinkers: none\n"), "{said}");
    assert!(said.lines().any(|line| line == "missing: gcc"), "{said}");
    assert_eq!(findings(&place, 3)["compilers"], serde_json::json!([]));
}

#[test]
fn a_compiler_that_does_not_work_is_no_compiler() {
    let place = machine(&[]);
    script(&place, "gcc", "echo no licence >&2; exit 1");
    let said = text(&run(&mut doctor(&place, &[]), 3).stdout);
    assert!(said.contains("  gcc: does not work: cannot preprocess C (exit code 1): no licence ("), "{said}");
    assert!(said.lines().any(|line| line == "missing: gcc"), "{said}");
}

#[test]
fn a_compiler_that_compiles_without_its_pch_still_counts() {
    need!("gcc");
    let place = machine(&["as", "ld"]);
    let gcc = which::which("gcc").unwrap();
    // Makes a PCH of nothing: what it wrote is emptied.
    let lines = "for word; do last=$word; done; case \" $* \" in *' c-header '*) : >\"$last\";; esac";
    script(&place, "gcc", &format!("{} \"$@\" || exit\n{lines}", gcc.display()));
    let said = text(&run(&mut doctor(&place, &[]), 0).stdout);
    assert!(said.contains("; PCH does not work ("), "{said}");
    let findings = findings(&place, 0);
    assert_eq!(findings["compilers"][0]["pch"], "broken");
    assert_eq!(findings["compilers"][0]["error"], Value::Null);
}

#[test]
fn one_compiler_under_two_names_is_listed_once() {
    need!("gcc");
    let place = machine(&["gcc", "as", "ld"]);
    symlink("gcc", place.join("bin/cc")).unwrap();
    let findings = findings(&place, 0);
    assert_eq!(findings["compilers"].as_array().unwrap().len(), 1, "{findings}");
}

#[test]
fn a_compiler_that_cannot_make_code_does_not_work() {
    need!("tcc", "gcc");
    // It preprocesses, which is all that the first question asks for.
    let place = machine(&["as", "ld"]);
    for real in ["gcc", "tcc"] {
        let path = which::which(real).unwrap();
        let lines =
            format!("case \" $* \" in *' -E '*) exec {} \"$@\";; esac\necho no code today >&2; exit 1", path.display());
        script(&place, real, &lines);
    }
    let said = text(&run(&mut doctor(&place, &[]), 3).stdout);
    assert!(said.contains("  gcc: does not work: ") && said.contains("  tcc: does not work: "), "{said}");
    assert_eq!(said.matches("no code today").count(), 2, "{said}");
}

#[test]
fn a_compiler_that_cannot_link_does_not_work() {
    need!("gcc");
    let place = machine(&["as"]);
    let lines = "case \" $* \" in *' -shared '*) echo no linker today >&2; exit 1;; esac\nexec";
    script(&place, "gcc", &format!("{lines} {} \"$@\"", which::which("gcc").unwrap().display()));
    let said = text(&run(&mut doctor(&place, &[]), 3).stdout);
    assert!(said.contains("  gcc: does not work: ") && said.contains("no linker today"), "{said}");
}

#[test]
fn a_temporary_directory_that_cannot_be_used_is_named() {
    let place = machine(&[]);
    let mut command = doctor(&place, &[]);
    let missing = place.join("missing");
    let said = text(&run(command.env("TMPDIR", &missing).env("TMP", place.join("temp")), 3).stdout);
    assert!(said.contains(&format!("temporary directory: {}: ", place.join("temp").display())), "{said}");
    assert!(said.contains(&format!("  not used: {}: No such file or directory", missing.display())), "{said}");
}
