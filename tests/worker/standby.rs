//! Compilers that were started ahead: that they are taken, and that nothing depends on them.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mjitcc::platforms::Flags;
use mjitcc::worker::{Builder, CodeError, Request, SlotState, Standby};

use crate::host::{Bench, PLAIN, call, failure, fill, host_of, quiet, settled};
use crate::support::{fixture, has, need};

fn ahead() -> Builder {
    quiet().standby(Standby::EveryThread)
}

/// The processes that were started ahead by a worker in this directory: compilers proper, not their drivers.
fn waiting(dir: &Path) -> Vec<i32> {
    let is_ours = |pid: &i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains(&*dir.to_string_lossy()) && line.contains("standby-")
    };
    let pids = fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_ours).collect()
}

#[track_caller]
fn until(what: &str, is: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !is() {
        assert!(Instant::now() < until, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// How many compilers were started for a unit of its own name.
fn for_units(bench: &Bench) -> usize {
    bench.lines("Starting process").iter().filter(|line| line.contains("_mjit_p")).count()
}

fn units_are_made_by_those_that_wait(cc: &str) {
    let header = fixture("vm.h");
    let mut bench = Bench::on(cc, ahead().header(header), host_of(PLAIN));
    for owner in 1..=5 {
        until("a compiler waits", || !waiting(bench.dir.path()).is_empty());
        assert_eq!(call(&bench.submit(owner, 0)), owner.cast_signed(), "{cc}");
        bench.worker().pause(true);
        bench.worker().resume();
    }
    assert_eq!(for_units(&bench), 0, "{cc}: {:#?}", bench.lines("Starting process"));
    let dir = bench.dir.path().to_owned();
    assert!(bench.finish().is_empty());
    // Whoever reaps what a driver leaves takes a moment.
    until("they are gone", || waiting(&dir).is_empty());
}

#[test]
fn units_are_made_by_compilers_that_wait() {
    need!("gcc");
    units_are_made_by_those_that_wait("gcc");
    ["clang-14", "clang-19"].into_iter().filter(|cc| has(cc)).for_each(units_are_made_by_those_that_wait);
}

/// How many kilobytes of code a process has in files, and how many of them it could run at once.
#[cfg(target_os = "linux")]
fn mapped_code(pid: i32) -> Option<(u64, u64)> {
    let maps = fs::read_to_string(format!("/proc/{pid}/smaps")).ok()?;
    let (mut is_code, mut size, mut mapped) = (false, 0, 0);
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (name, value) = (words.next()?, words.next()?);
        match name {
            "Size:" if is_code => size += value.parse::<u64>().ok()?,
            "Rss:" if is_code => mapped += value.parse::<u64>().ok()?,
            _ if name.ends_with(':') => {}
            _ => is_code = value == "r-xp" && line.contains('/'),
        }
    }
    Some((size, mapped))
}

#[cfg(target_os = "linux")]
fn they_have_their_code_when_it_is_wanted(cc: &str) {
    let bench = Bench::on(cc, ahead().header(fixture("vm.h")), host_of(PLAIN));
    for owner in 1..=2 {
        until("all its code is mapped", || {
            let sizes = waiting(bench.dir.path()).into_iter().filter_map(mapped_code).max();
            sizes.is_some_and(|(size, mapped)| mapped * 10 > size * 9)
        });
        assert_eq!(call(&bench.submit(owner, 0)), owner.cast_signed(), "{cc}");
    }
    assert_eq!(for_units(&bench), 0, "{cc}");
}

#[cfg(target_os = "linux")]
#[test]
fn while_there_is_nothing_to_do_their_code_is_mapped() {
    need!("gcc");
    if !may_write_to_grandchildren() {
        return crate::support::skip("this system does not let a process look into its grandchildren's memory");
    }
    they_have_their_code_when_it_is_wanted("gcc");
    ["clang-14", "clang-19"].into_iter().filter(|cc| has(cc)).for_each(they_have_their_code_when_it_is_wanted);
}

/// How many kilobytes of a PCH a process has in all, and how many pages of its own.
#[cfg(target_os = "linux")]
fn private_pch(pid: i32) -> Option<(u64, u64)> {
    let maps = fs::read_to_string(format!("/proc/{pid}/smaps")).ok()?;
    let mut of_pch = maps.lines().skip_while(|line| !line.ends_with(".gch")).skip(1);
    let mut size = |name: &str| {
        let line = of_pch.find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    Some((size("Size:")?, size("Anonymous:")?))
}

/// Whether the system lets a process write to the memory of its children's children: it may be configured not to.
#[cfg(target_os = "linux")]
fn may_write_to_grandchildren() -> bool {
    let mut shell = Command::new("sh").args(["-c", "sleep 60; true"]).stdin(Stdio::null()).spawn().unwrap();
    let id = shell.id();
    let began = Instant::now();
    let mut may = false;
    while !may && began.elapsed() < Duration::from_secs(5) {
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        let memory = |child: &str| fs::File::options().read(true).write(true).open(format!("/proc/{child}/mem"));
        may = children.split_whitespace().any(|child| memory(child).is_ok());
        for child in children.split_whitespace() {
            // SAFETY: a plain system call.
            unsafe { libc::kill(child.parse().unwrap(), libc::SIGKILL) };
        }
    }
    shell.wait().unwrap();
    may
}

#[cfg(target_os = "linux")]
#[test]
fn while_there_is_nothing_to_do_they_are_given_pages_of_their_own() {
    need!("gcc");
    if !may_write_to_grandchildren() {
        return crate::support::skip("this system does not let a process write to its grandchildren's memory");
    }
    let dir = tempfile::tempdir().unwrap();
    let header = dir.path().join("big.h");
    let lines =
        (0..5_000).map(|number| format!("struct s{number} {{ int a, b; }}; int f{number}(struct s{number} *);\n"));
    fs::write(&header, lines.collect::<String>()).unwrap();
    let bench = Bench::on("gcc", ahead().header(header), host_of(PLAIN));
    for owner in 1..=3 {
        until("it has all of the PCH for itself", || {
            let sizes = waiting(bench.dir.path()).into_iter().find_map(private_pch);
            sizes.is_some_and(|(size, own)| size > 1_000 && size == own)
        });
        assert_eq!(call(&bench.submit(owner, 0)), owner.cast_signed());
    }
    assert_eq!(for_units(&bench), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_unit_does_not_wait_for_what_a_driver_does_in_the_end() {
    use std::os::unix::fs::PermissionsExt;
    for cc in ["gcc", "clang-19"].into_iter().filter(|cc| has(cc)) {
        let dir = tempfile::tempdir().unwrap();
        let slow = dir.path().join(cc);
        let text =
            format!("#!/bin/sh\n{cc} \"$@\"\nstatus=$?\ncase \"$*\" in *standby-*) sleep 20 ;; esac\nexit $status\n");
        fs::write(&slow, text).unwrap();
        fs::set_permissions(&slow, fs::Permissions::from_mode(0o755)).unwrap();
        let bench = Bench::on(slow.to_str().unwrap(), ahead(), host_of(PLAIN));
        until("a compiler waits", || !waiting(bench.dir.path()).is_empty());
        let began = Instant::now();
        assert_eq!(call(&bench.submit(3, 0)), 3);
        assert!(began.elapsed() < Duration::from_secs(10), "{cc}: {:?}", began.elapsed());
        assert_eq!(for_units(&bench), 0, "{cc}");
    }
}

#[test]
fn a_text_that_no_pipe_holds_goes_through_all_the_same() {
    need!("gcc");
    let generate = |request: &Request<'_>| {
        let comment = format!("/* {} */\n", "long ".repeat(100_000));
        Ok((comment + &fill(PLAIN, request)).into())
    };
    let bench = Bench::new(ahead(), Box::new(generate));
    until("a compiler waits", || !waiting(bench.dir.path()).is_empty());
    assert_eq!(call(&bench.submit(7, 0)), 7);
    assert_eq!(for_units(&bench), 0);
}

#[test]
fn one_that_was_killed_is_replaced_and_nobody_notices() {
    need!("gcc");
    let bench = Bench::of_text(PLAIN, ahead());
    for owner in 1..=3 {
        until("a compiler waits", || !waiting(bench.dir.path()).is_empty());
        for pid in waiting(bench.dir.path()) {
            // SAFETY: a plain system call. It may have ended by itself with another.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        assert_eq!(call(&bench.submit(owner, 0)), owner.cast_signed());
    }
    assert_eq!(for_units(&bench), 3);
}

#[test]
fn diagnostics_name_the_unit_as_ever() {
    need!("gcc");
    let bad = "long {entry}(void)\n{\n    return {owner} + ;\n}\n";
    let told = |builder: Builder, ahead: bool| {
        let bench = Bench::of_text(bad, builder.flags(Flags { warnings: true, ..Flags::default() }));
        until("a compiler waits", || !ahead || !waiting(bench.dir.path()).is_empty());
        let slot = bench.submit(1, 0);
        assert_eq!(settled(&slot), SlotState::Failed);
        let Some(CodeError::NotBuilt(why)) = slot.failure() else { panic!("{}", failure(&slot)) };
        let scratch = fs::read_dir(bench.dir.path()).unwrap().next().unwrap().unwrap().path();
        why.output().replace(&*scratch.to_string_lossy(), "DIR")
    };
    let (with, without) = (told(ahead(), true), told(quiet(), false));
    assert_eq!(with, without);
    assert!(with.contains("u0.c:3:") && !with.contains("stdin") && !with.contains("standby"), "{with}");
}

/// Not a test: what the next one runs, in a process of its own.
#[test]
#[ignore = "a test runs it as a process that dies"]
fn has_compilers_that_wait() {
    let mut bench = Bench::of_text(PLAIN, ahead());
    // Left to the one that looks.
    let dir = std::mem::replace(&mut bench.dir, tempfile::tempdir().unwrap()).keep();
    writeln!(std::io::stdout(), "in {}", dir.display()).unwrap();
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
fn none_outlives_a_process_that_was_killed() {
    need!("gcc");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "standby::has_compilers_that_wait", "--ignored", "--nocapture", "--test-threads=1"]);
    let mut owner = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(owner.stdout.take().unwrap()).lines().map_while(Result::ok);
    let dir = lines.filter_map(|line| line.split_once("in /").map(|(_, dir)| format!("/{dir}"))).next().unwrap();
    let dir = Path::new(&dir);
    until("a compiler waits", || !waiting(dir).is_empty());
    owner.kill().unwrap();
    owner.wait().unwrap();
    until("they are gone", || waiting(dir).is_empty());
    fs::remove_dir_all(dir).unwrap();
}
