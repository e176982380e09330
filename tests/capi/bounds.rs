//! Programs in C that go through the whole of the ABI, and out of bounds.

use std::path::PathBuf;

use crate::c::{self, Linking};
use crate::support::need;

fn program(name: &str) -> PathBuf {
    c::root().join("tests/capi/programs").join(name)
}

/// Builds and runs one, which leaves no file behind.
#[track_caller]
fn passes(name: &str, linking: Linking, says: &str) {
    let (build, temp) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let program = c::build("gcc", &["-pthread"], &[program(name)], linking, build.path());
    let header = build.path().join("vm.h");
    std::fs::write(&header, "#define NUMBER 1000\n").unwrap();
    let mut command = c::command(&program, temp.path());
    match name {
        "engine.c" => command.arg(&header).arg(build.path().join("cache")),
        "options.c" => command.arg(build.path()),
        _ => &mut command,
    };
    assert_eq!(c::output(&mut command).trim(), says);
    assert_eq!(c::left_in(temp.path()), [] as [PathBuf; 0]);
}

#[test]
fn what_is_not_as_it_should_be_is_refused_in_words() {
    need!("gcc");
    passes("bounds.c", Linking::Shared, "bounds hold");
}

#[test]
fn a_worker_does_all_that_it_is_asked() {
    need!("gcc");
    passes("worker.c", Linking::Shared, "worker holds");
}

#[test]
fn what_a_host_wants_of_the_machine_around_the_compilers_is_done() {
    need!("gcc");
    passes("options.c", Linking::Shared, "options hold");
}

#[test]
fn the_parts_work_by_themselves() {
    need!("gcc");
    passes("engine.c", Linking::Static, "engine holds");
}
