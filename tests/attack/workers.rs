//! A host with a worker is killed, or its calls fail. Each unit gives the right number or says why there is no code, nothing waits for ever, and
//! after the next host that is let alone nothing is left.

use std::collections::BTreeMap;
use std::process::Command;

use crate::c::{self, Linking};
use crate::errors::{errors, name_of};
use crate::kills::{calls, hit, injected};
use crate::stage::{Ended, Stage, shortened};
use crate::support::need;
use crate::tally::{Tally, choose};

struct Host {
    program: std::path::PathBuf,
    _dir: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = c::root().join("tests/attack/programs/worker.c");
        let program = c::build("gcc", &["-std=c11"], &[source], Linking::Shared, dir.path());
        Self { program, _dir: dir }
    }

    fn command(&self, stage: &Stage) -> Command {
        let mut command = Command::new(&self.program);
        stage.steer(&mut command);
        command.arg(stage.path("work/vm.h")).env_remove("CC");
        command
    }

    /// What is wrong after a host that nothing disturbs.
    fn wrong_next(&self, stage: &Stage) -> Vec<String> {
        let ended = stage.run(&mut self.command(stage));
        let mut wrongs = stage.left_behind();
        if ended.code != Some(0) || ended.stdout != "0 gives 1000\n1 gives 1001\n2 gives 1002\n" {
            wrongs.push(format!("the next host: {ended:?}"));
        }
        wrongs
    }
}

fn wrong(ended: &Ended) -> Vec<String> {
    let mut wrongs = Vec::new();
    let loader = ended.stderr.contains("error while loading shared libraries");
    if ended.hung {
        wrongs.push("hangs".to_owned());
    } else if ended.code != Some(0) && !(loader && ended.code == Some(127)) {
        wrongs.push(format!("ended with {:?} {:?}", ended.code, ended.signal));
    }
    if ended.stderr.contains("panicked") {
        wrongs.push("panics".to_owned());
    }
    if !wrongs.is_empty() {
        wrongs.push(format!("{:?} {:?}", shortened(&ended.stdout), shortened(&ended.stderr)));
    }
    wrongs
}

#[test]
#[cfg(target_arch = "x86_64")]
fn hosts_are_killed_at_each_call() {
    need!("gcc");
    let (mut tally, host) = (Tally::new("killed-hosts"), Host::new());
    let Some(calls) = calls(|stage| host.command(stage)) else {
        tally.skip("all", "the system allows no tracing");
        return tally.finish();
    };
    let idle = ["rt_sigaction", "rt_sigprocmask", "clock_nanosleep", "prlimit64", "munmap", "mprotect", "brk"];
    let places = (1..=calls.len()).filter(|&place| !idle.contains(&calls[place - 1].as_str())).collect();
    for place in choose(places, 20) {
        let stage = Stage::new();
        let place = place.to_string();
        stage.run(&mut injected(&stage, &["kill", "any", &place], &host.command(&stage)));
        let name = format!("{place}/{}", hit(&stage).unwrap_or_default());
        // A process that was about to become a compiler has the host's files open until it does, its locks among them.
        let mut wrongs = stage.living();
        wrongs.extend(host.wrong_next(&stage));
        tally.note(name, wrongs);
    }
    tally.finish();
}

#[test]
#[cfg(target_arch = "x86_64")]
fn each_call_of_a_host_fails() {
    need!("gcc");
    let (mut tally, host) = (Tally::new("host-errors"), Host::new());
    let Some(calls) = calls(|stage| host.command(stage)) else {
        tally.skip("all", "the system allows no tracing");
        return tally.finish();
    };
    let (mut cases, mut numbers) = (Vec::new(), BTreeMap::new());
    for call in &calls {
        let number = numbers.entry(call).and_modify(|number| *number += 1).or_insert(1_usize);
        for &error in errors(call) {
            for mode in ["fail", "stay"] {
                // A process that gets no memory at all any more ends.
                if mode == "fail" || call != "mmap" {
                    cases.push((call.as_str(), mode, *number, error));
                }
            }
        }
    }
    for (call, mode, number, error) in choose(cases, 40) {
        let stage = Stage::new();
        let words = [mode, call, &number.to_string(), &error.to_string()];
        let ended = stage.run(&mut injected(&stage, &words, &host.command(&stage)));
        let mut wrongs = wrong(&ended);
        wrongs.extend(host.wrong_next(&stage));
        tally.note(format!("{mode}/{call}/{}/{number}", name_of(error)), wrongs);
    }
    tally.finish();
}
