//! What the worker leaves in its directory: nothing for long, also where a library stays as long as it is loaded, and nothing for
//! ever, also where the process dies.

use std::path::{Path, PathBuf};
use std::process::Command;

use mjitcc::scratch::{Purpose, Scratch};

use crate::host::{Bench, PLAIN, call, quiet};
use crate::support::need;

fn entries(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The libraries in the worker's directory.
fn libraries(dir: &Path) -> Vec<PathBuf> {
    let suffix = std::env::consts::DLL_EXTENSION;
    let [scratch] = &entries(dir)[..] else { panic!("{:?}", entries(dir)) };
    entries(scratch).into_iter().filter(|path| path.extension().is_some_and(|it| it == suffix)).collect()
}

#[test]
fn a_library_goes_as_soon_as_the_system_lets_it() {
    need!("gcc");
    let mut bench = Bench::of_text(PLAIN, quiet().max_cache_size(1));
    for owner in 1..=5 {
        let slot = bench.submit(owner, owner);
        assert_eq!(call(&slot), owner.cast_signed());
    }
    bench.worker().pause(true);
    // Where libraries stay while they are loaded, the last one is.
    assert_eq!(libraries(bench.dir.path()).len(), usize::from(cfg!(windows)));
    assert_eq!(bench.finish(), [""; 0].map(PathBuf::from));
}

/// Not a test: what the next one runs, in a process of its own.
#[test]
#[ignore = "a test runs it as a process that dies"]
fn dies_with_code_loaded() {
    // Somebody who runs all that is ignored wants no test process to die.
    if std::env::var_os("MJIT_CC_TEST_DIES").is_some() {
        let bench = Bench::of_text(PLAIN, quiet());
        assert_eq!(call(&bench.submit(1, 0)), 1);
        std::process::abort();
    }
}

#[test]
fn what_a_dead_process_left_is_swept_by_the_next_start() {
    need!("gcc");
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "cleanup::dies_with_code_loaded"]).env("MJIT_CC_TEST_DIES", "1");
    command.envs(["TMPDIR", "TMP", "TEMP"].map(|name| (name, dir.path())));
    let output = command.output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stdout);
    let [base] = &entries(dir.path())[..] else { panic!("{said}{}", String::from_utf8_lossy(&output.stderr)) };
    let left = entries(base);
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(libraries(base).len(), usize::from(cfg!(windows)));
    let _next = Scratch::create(std::slice::from_ref(base), Purpose::Code).unwrap();
    assert!(!left[0].exists());
}
