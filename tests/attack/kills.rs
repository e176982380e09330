//! The tool is killed at each system call that it makes, on any of its threads and in its children before they execute a compiler. The next
//! undisturbed run is right, and nothing is left.

use std::ffi::OsStr;
use std::fs;
use std::process::Command;

use crate::programs::program;
use crate::stage::{Ended, Stage};
use crate::support::need;
use crate::tally::{Tally, choose};

/// The command below the tracer.
pub fn injected(stage: &Stage, what: &[&str], inner: &Command) -> Command {
    let (inject, log) = (program("inject"), stage.path("calls"));
    let mut words: Vec<&OsStr> = vec![inject.as_os_str(), log.as_os_str()];
    words.extend(what.iter().map(OsStr::new));
    words.push(OsStr::new("--"));
    stage.below(&words, inner)
}

/// Returns the names of the calls that an undisturbed first run makes, in order; none where the system allows no tracing.
pub fn calls(command: impl Fn(&Stage) -> Command) -> Option<Vec<String>> {
    let stage = Stage::new();
    let Ended { code, stderr, .. } = stage.run(&mut injected(&stage, &["count"], &command(&stage)));
    if code == Some(125) {
        return None;
    }
    assert_eq!(code, Some(0), "{stderr}");
    let log = fs::read_to_string(stage.path("calls")).unwrap();
    Some(log.lines().filter_map(|line| Some(line.split_once(' ')?.1.to_owned())).collect())
}

/// The name of the call that was hit.
pub fn hit(stage: &Stage) -> Option<String> {
    fs::read_to_string(stage.path("calls")).ok()?.lines().next().map(ToOwned::to_owned)
}

fn kill(tally: &mut Tally, kind: &str, place: usize, stage: &Stage) {
    let ended = stage.run(&mut injected(stage, &["kill", "any", &place.to_string()], &stage.compile()));
    let mut wrongs = Vec::new();
    match (hit(stage), ended.signal, ended.code) {
        // Fewer calls this time.
        (None, _, Some(0)) => wrongs.extend(stage.wrong_answers()),
        (Some(_), _, Some(137)) => {}
        _ => wrongs.push(format!("not killed: {ended:?}")),
    }
    wrongs.extend(stage.wrong_next());
    tally.note(format!("{kind}/{place}/{}", hit(stage).unwrap_or_default()), wrongs);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn killed_at_each_call() {
    need!("gcc");
    let mut tally = Tally::new("kills");
    let Some(first) = calls(Stage::compile) else {
        tally.skip("all", "the system allows no tracing");
        return tally.finish();
    };
    // Where only time is asked for or memory is given, nothing has changed since the call before.
    let idle = [
        "brk",
        "munmap",
        "mprotect",
        "madvise",
        "rt_sigprocmask",
        "rt_sigaction",
        "sigaltstack",
        "getrandom",
        "prlimit64",
        "sched_getaffinity",
        "lseek",
        "getcwd",
        "getpid",
        "gettid",
        "sched_yield",
    ];
    let places: Vec<usize> = (1..=first.len()).filter(|&place| !idle.contains(&first[place - 1].as_str())).collect();
    for place in choose(places.clone(), 50) {
        kill(&mut tally, "first", place, &Stage::new());
    }
    // A run after a change, over what an earlier one left.
    let finished = Stage::new();
    assert_eq!(finished.run(&mut finished.compile()).code, Some(0));
    let saved = finished.save();
    for place in choose(places, 15) {
        finished.restore(&saved);
        // So that there is something to do.
        fs::remove_dir_all(finished.out().join(".mjit-cc/libraries")).unwrap();
        kill(&mut tally, "again", place, &finished);
    }
    tally.finish();
}
