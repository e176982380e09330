//! The C host of `examples/c-host`: a VM that lives on the ABI alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::c::{self, Linking};
use crate::support::{has, need, run};

fn sources() -> Vec<PathBuf> {
    let files = std::fs::read_dir(c::root().join("examples/c-host")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "c")).collect()
}

/// Flags that the header does not need and the VM does: what C11 has, and -O1, so that tests are quick.
const FLAGS: [&str; 2] = ["-std=c11", "-O1"];

/// The VM, about to run.
fn host(program: &Path, temp: &Path, words: &[&str]) -> Command {
    let mut command = c::command(program, temp);
    command.arg("--header").arg(c::root().join("examples/c-host/runtime.h")).args(words);
    command
}

/// Builds the VM and runs it: the programs give the same as machine code, and no file is left.
#[track_caller]
fn lives(cc: &str, linking: Linking, flags: &[&str], words: &[&str]) -> String {
    let (build, temp) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let program = c::build(cc, &[&FLAGS[..], flags].concat(), &sources(), linking, build.path());
    let output = c::output(&mut host(&program, temp.path(), words));
    assert!(output.contains("churn      right"), "{output}");
    assert!(!output.contains("WRONG"), "{output}");
    assert_eq!(c::left_in(temp.path()), [] as [PathBuf; 0]);
    output
}

#[test]
fn it_lives_on_the_shared_library() {
    need!("gcc");
    lives("gcc", Linking::Shared, &[], &["--quick", "--cc", "gcc"]);
}

#[test]
fn it_lives_on_the_static_library_and_waits() {
    need!("clang", "gcc");
    lives("clang", Linking::Static, &[], &["--quick", "--wait", "--cc", "gcc", "--threads", "2"]);
}

#[test]
fn it_forks() {
    need!("gcc");
    let output = lives("gcc", Linking::Shared, &[], &["--quick", "--fork", "--cc", "gcc"]);
    assert!(output.contains("child      right"), "{output}");
}

#[test]
fn it_lives_under_the_address_sanitizer() {
    need!("gcc");
    let flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"];
    lives("gcc", Linking::Static, &flags, &["--quick", "--fork", "--cc", "gcc"]);
}

#[test]
fn it_lives_under_valgrind() {
    need!("gcc", "valgrind");
    let (build, temp) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let program = c::build("gcc", &FLAGS, &sources(), Linking::Shared, build.path());
    let mut command = c::command(Path::new("valgrind"), temp.path());
    command.args(["-q", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite"]).arg(&program);
    command.arg("--header").arg(c::root().join("examples/c-host/runtime.h")).args(["--quick", "--wait", "--cc", "gcc"]);
    let output = c::output(&mut command);
    assert!(output.contains("churn      right"), "{output}");
    assert_eq!(c::left_in(temp.path()), [] as [PathBuf; 0]);
}

#[test]
fn it_compiles_for_windows() {
    if !has("x86_64-w64-mingw32-gcc") {
        return;
    }
    let build = tempfile::tempdir().unwrap();
    for source in sources() {
        let object = build.path().join(source.with_extension("o").file_name().unwrap());
        let mut command = Command::new("x86_64-w64-mingw32-gcc");
        command.args(["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-I"]).arg(c::root().join("include"));
        run(command.arg("-c").arg(source).arg("-o").arg(object), 0);
    }
}
