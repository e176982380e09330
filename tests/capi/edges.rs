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
    assert_eq!(c::output(&mut c::command(&program, temp.path())).trim(), says);
    assert_eq!(c::left_in(temp.path()), [] as [PathBuf; 0]);
}

#[test]
fn what_is_not_as_it_should_be_is_refused_in_words() {
    need!("gcc");
    passes("edges.c", Linking::Shared, "edges hold");
}

#[test]
fn a_worker_does_all_that_it_is_asked() {
    need!("gcc");
    passes("worker.c", Linking::Shared, "worker holds");
}
