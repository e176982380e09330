//! Each system call of the tool that can fail fails once, or from some place on, with the errors of a machine in trouble. The run gives the right
//! library, or ends with code 4 and names the file; never a panic, a signal's death, or another meaning.

use std::collections::BTreeMap;

use crate::kills::{calls, injected};
use crate::stage::{Ended, Stage};
use crate::support::need;
use crate::tally::{Tally, choose};

const EIO: i32 = 5;
const EAGAIN: i32 = 11;
const ENOMEM: i32 = 12;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;

/// The errors of a call that a machine in trouble gives. None for a call that cannot fail so.
pub fn errors(call: &str) -> &'static [i32] {
    match call {
        "open" | "openat" => &[EMFILE, EIO, ENOSPC, ENOMEM],
        "read" | "pread64" | "getdents64" | "statx" | "readlink" => &[EIO],
        "write" | "pwrite64" | "writev" | "copy_file_range" | "ftruncate" | "fallocate" => &[ENOSPC, EIO],
        "mkdir" | "mkdirat" | "rename" | "renameat" | "renameat2" | "link" | "linkat" | "symlink" => &[ENOSPC, EIO],
        "unlink" | "unlinkat" | "rmdir" | "chmod" | "fchmod" | "utimensat" | "fsync" | "flock" => &[EIO],
        "pipe2" | "memfd_create" | "eventfd2" | "inotify_init1" | "pidfd_open" | "epoll_create1" | "fcntl" => &[EMFILE],
        "inotify_add_watch" => &[ENOSPC],
        "mmap" => &[ENOMEM],
        "clone" | "clone3" | "vfork" | "fork" => &[EAGAIN, ENOMEM],
        _ => &[],
    }
}

/// Calls at which a file is at stake, so that the error must name one.
fn is_about_a_file(call: &str) -> bool {
    let others =
        ["pipe2", "memfd_create", "eventfd2", "inotify_init1", "pidfd_open", "epoll_create1", "fcntl", "prlimit"];
    !others.contains(&call) && !["mmap", "clone", "clone3", "vfork", "fork", "inotify_add_watch"].contains(&call)
}

pub fn name_of(error: i32) -> &'static str {
    match error {
        EIO => "EIO",
        EAGAIN => "EAGAIN",
        ENOMEM => "ENOMEM",
        EMFILE => "EMFILE",
        _ => "ENOSPC",
    }
}

/// What is wrong with a run in which a call failed.
fn wrong(stage: &Stage, call: &str, ended: &Ended) -> Vec<String> {
    // With few open files the system's loader fails, before the tool's first line.
    if ended.stderr.contains("error while loading shared libraries") && ended.code == Some(127) {
        return Vec::new();
    }
    // The words themselves could not be written.
    if call.starts_with("write") && !ended.stderr.contains("error") && ended.code == Some(4) {
        return Vec::new();
    }
    let mut wrongs = stage.unclear(ended, &[4]);
    wrongs.extend(stage.misleads(ended));
    if ended.code == Some(4)
        && is_about_a_file(call)
        && !["/", "vm.h", "first.c", "standard output"].iter().any(|name| ended.stderr.contains(name))
    {
        wrongs.push(format!("names no file: {:?}", ended.stderr));
    }
    wrongs
}

/// The call of this name that is number `number` of them fails. By its name, since a process makes more of some calls in one run than in another.
fn attack(tally: &mut Tally, call: &str, mode: &str, number: usize, error: i32) {
    let stage = Stage::new();
    let words = [mode, call, &number.to_string(), &error.to_string()];
    let ended = stage.run(&mut injected(&stage, &words, &stage.compile()));
    let mut wrongs = wrong(&stage, call, &ended);
    wrongs.extend(stage.wrong_next());
    tally.note(format!("{mode}/{call}/{}/{number}", name_of(error)), wrongs);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn each_call_fails() {
    need!("gcc");
    let mut tally = Tally::new("errors");
    let Some(calls) = calls(Stage::compile) else {
        tally.skip("all", "the system allows no tracing");
        return tally.finish();
    };
    let (mut cases, mut numbers) = (Vec::new(), BTreeMap::new());
    // Where the system's loader and Rust's start are through; what they do without memory is theirs.
    let own = calls.iter().position(|call| call == "sigaltstack").map_or(0, |at| at + 3);
    for (at, call) in calls.iter().enumerate() {
        let number = numbers.entry(call).and_modify(|number| *number += 1).or_insert(1_usize);
        for &error in errors(call).iter().filter(|_| at >= own) {
            for mode in ["fail", "stay"] {
                // A process that gets no memory at all any more cannot say so.
                if mode == "fail" || call != "mmap" {
                    cases.push((call.as_str(), mode, *number, error));
                }
            }
        }
    }
    for (call, mode, number, error) in choose(cases, 70) {
        attack(&mut tally, call, mode, number, error);
    }
    tally.finish();
}

/// So many open files and no more, for the tool and its compilers.
#[test]
fn few_files_may_be_open() {
    need!("gcc", "prlimit");
    let mut tally = Tally::new("open-files");
    for limit in choose((4..48).collect(), 16) {
        let stage = Stage::new();
        let limit = format!("--nofile={limit}");
        let words = ["prlimit", &limit].map(std::ffi::OsStr::new);
        let ended = stage.run(&mut stage.below(&words, &stage.compile()));
        let mut wrongs = wrong(&stage, "prlimit", &ended);
        wrongs.extend(stage.wrong_next());
        tally.note(limit.trim_start_matches("--nofile="), wrongs);
    }
    tally.finish();
}
