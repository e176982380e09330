//! Ctrl-C and worse: nothing keeps running, nothing is left, and the next run works. And runs that meet in one output directory.

use std::path::PathBuf;

use super::processes::{Place, Running};
use crate::support::{need, run, statuses, text};

/// What a process is told.
#[derive(Clone, Copy, PartialEq)]
enum Signal {
    /// What Ctrl-C says.
    Int,
    #[cfg(unix)]
    Term,
    #[cfg(unix)]
    Hup,
    /// What nobody can do anything about.
    Kill,
}

#[cfg(unix)]
fn send(tool: &Running, signal: Signal) {
    use rustix::process::{Pid, kill_process};
    let signal = match signal {
        Signal::Int => rustix::process::Signal::INT,
        Signal::Term => rustix::process::Signal::TERM,
        Signal::Hup => rustix::process::Signal::HUP,
        Signal::Kill => rustix::process::Signal::KILL,
    };
    kill_process(Pid::from_raw(tool.id().cast_signed()).unwrap(), signal).unwrap();
}

/// By the programs that Windows has for it, and one of the fixtures that presses Ctrl-C in another's console.
#[cfg(windows)]
fn send(tool: &Running, signal: Signal) {
    use std::process::Command;
    let pid = tool.id().to_string();
    match signal {
        Signal::Int => run(Command::new("ctrl-c").arg(pid), 0),
        Signal::Kill => run(Command::new("taskkill").args(["/F", "/PID", &pid]), 0),
    };
}

/// What the tests want that interrupt.
const CTRL_C: &str = if cfg!(windows) { "ctrl-c" } else { "gcc" };

/// Ends the tool by a signal while a compiler hangs, and looks that all is well.
fn ends_everything(signal: Signal, when: &str, words: &str) {
    let place = Place::new();
    place.units(&["first", "stuck", "last"]);
    place.write("vm.h", "typedef int word;\n");
    let words = format!("first.c stuck.c last.c {words}");
    let (tool, hanging) = Running::start_hanging(&place, place.with_mischief("hang", when, &words));
    assert_eq!(place.leavings().len(), 1, "a run has a temporary directory");
    send(&tool, signal);
    let (code, said) = tool.end();
    // As shells have it.
    let expected = match signal {
        #[cfg(unix)]
        Signal::Term => 143,
        #[cfg(unix)]
        Signal::Hup => 129,
        Signal::Int | Signal::Kill => 130,
    };
    assert_eq!(code, Some(expected), "{said}");
    assert!(said.contains("error: interrupted\n"), "{said}");
    hanging.are_gone();
    assert_eq!(place.leavings(), Vec::<PathBuf>::new());
    let damaged = place.files().into_iter().filter(|file| file.contains("stuck") || file.contains("/tmp/"));
    assert_eq!(damaged.collect::<Vec<_>>(), [""; 0]);

    run(&mut place.compile(&words), 0);
    assert!(statuses(&place.out()).iter().all(|status| status == "built" || status == "reused"));
}

#[test]
fn ctrl_c_ends_a_hanging_compiler_and_leaves_nothing() {
    need!("gcc", CTRL_C);
    ends_everything(Signal::Int, "stuck.c", "");
}

#[test]
#[cfg(unix)]
fn a_terminal_that_goes_ends_everything() {
    need!("gcc");
    ends_everything(Signal::Hup, "stuck.c", "");
}

#[test]
#[cfg(unix)]
fn below_nohup_a_terminal_may_go() {
    need!("gcc", "nohup");
    let place = Place::new();
    place.units(&["stuck"]);
    let tool = place.with_mischief("hang", "stuck.c", "stuck.c");
    let mut command = std::process::Command::new("nohup");
    command.arg(tool.get_program()).args(tool.get_args()).current_dir(tool.get_current_dir().unwrap());
    for (name, value) in tool.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let (tool, hanging) = Running::start_hanging(&place, command);
    send(&tool, Signal::Hup);
    // The first signal that ends it says with what.
    send(&tool, Signal::Term);
    assert_eq!(tool.end().0, Some(143));
    hanging.are_gone();
}

#[test]
#[cfg(unix)]
fn a_file_that_may_not_get_so_large_is_an_error() {
    need!("gcc");
    let place = Place::new();
    place.units(&["first"]);
    let tool = place.compile("first.c");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "ulimit -f 1; exec \"$0\" \"$@\""]).arg(tool.get_program()).args(tool.get_args());
    shell.current_dir(tool.get_current_dir().unwrap());
    for (name, value) in tool.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let output = shell.output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{} {}", output.status, text(&output.stderr));
    assert!(text(&output.stderr).contains("too large"), "{}", text(&output.stderr));
}

#[test]
fn ctrl_c_ends_everything_while_others_would_go_on() {
    need!("gcc", CTRL_C);
    ends_everything(Signal::Int, "stuck.c", "-k -j4 --timeout 600");
}

#[test]
fn ctrl_c_ends_a_hanging_linker() {
    need!("gcc", CTRL_C);
    ends_everything(Signal::Int, "-shared", "--compact");
}

#[test]
fn ctrl_c_ends_the_making_of_a_pch() {
    need!("gcc", CTRL_C);
    ends_everything(Signal::Int, "c-header", "--header vm.h");
}

#[test]
fn ctrl_c_ends_a_compiler_that_does_not_say_what_it_is() {
    need!("gcc", CTRL_C);
    // The probe is the first run of all.
    ends_everything(Signal::Int, "-E", "");
}

#[test]
#[cfg(unix)]
fn a_termination_signal_is_as_good_as_ctrl_c() {
    need!("gcc");
    ends_everything(Signal::Term, "stuck.c", "");
}

#[test]
fn the_report_tells_what_an_interrupt_kept_from_being_built() {
    need!("gcc", CTRL_C);
    let place = Place::new();
    place.units(&["first", "stuck", "last"]);
    let command = place.with_mischief("hang", "stuck.c", "first.c stuck.c last.c");
    let (tool, hanging) = Running::start_hanging(&place, command);
    send(&tool, Signal::Int);
    assert_eq!(tool.end().0, Some(130));
    hanging.are_gone();
    let statuses = statuses(&place.out());
    assert_eq!(statuses[..2], ["built", "interrupted"]);
    assert!(matches!(&*statuses[2], "interrupted" | "skipped"), "{statuses:?}");
    place.has_function("first", "first");
}

#[test]
fn ctrl_c_ends_the_wait_for_another_run() {
    need!("gcc", CTRL_C);
    let place = Place::new();
    place.units(&["stuck"]);
    let (holder, hanging) = Running::start_hanging(&place, place.with_mischief("hang", "stuck.c", "stuck.c"));
    let waiter = Running::start(&place, "waiter", place.compile("stuck.c"));
    waiter.says("waiting for another mjit-cc");
    send(&waiter, Signal::Int);
    let (code, said) = waiter.end();
    assert_eq!(code, Some(130), "{said}");
    assert!(hanging.are_alive(), "it is the other run's");
    assert_eq!(place.leavings().len(), 1, "the other run's");
    send(&holder, Signal::Int);
    assert_eq!(holder.end().0, Some(130));
    hanging.are_gone();
}

#[test]
fn what_a_killed_run_left_is_swept_by_the_next() {
    need!("gcc");
    let place = Place::new();
    place.units(&["first", "stuck"]);
    let (tool, hanging) = Running::start_hanging(&place, place.with_mischief("hang", "stuck.c", "first.c stuck.c"));
    send(&tool, Signal::Kill);
    let (code, _) = tool.end();
    // Windows has a code for it, and Wine another.
    assert!(cfg!(windows) || code.is_none());
    assert_eq!(place.leavings().len(), 1, "nobody could remove it");
    // Its compiler ends with it, and what that had started.
    hanging.are_gone();
    // What a compiler had begun.
    place.write("out/.mjit-cc/tmp/begun.o", "half");
    let output = run(&mut place.compile("first.c stuck.c"), 0);
    assert!(!text(&output.stderr).contains("waiting"), "{}", text(&output.stderr));
    assert_eq!(place.leavings(), Vec::<PathBuf>::new());
    assert_eq!(statuses(&place.out()).last().unwrap(), "built");
    assert!(!place.files().iter().any(|file| file.contains("begun")), "{:?}", place.files());
}

#[test]
fn a_run_sweeps_nothing_of_a_run_that_lives() {
    need!("gcc");
    let place = Place::new();
    place.units(&["stuck", "other"]);
    let (tool, hanging) = Running::start_hanging(&place, place.with_mischief("hang", "stuck.c", "stuck.c"));
    let living = place.leavings();
    let mut other = crate::support::mjit_cc();
    other.current_dir(place.path("")).env("TMPDIR", place.path("tmp"));
    run(other.args(["compile", "other.c", "--out-dir", "elsewhere"]), 0);
    assert_eq!(place.leavings(), living);
    hanging.end();
    assert_eq!(tool.end().0, Some(1));
}

#[test]
fn a_run_waits_for_another_in_the_same_directory_and_goes_on_from_there() {
    need!("gcc");
    let place = Place::new();
    place.units(&["first", "stuck"]);
    // Both with the same compiler, which misbehaves once.
    let command = || {
        let mut command = place.with_mischief("hang", "stuck.c", "first.c stuck.c -k");
        command.env("FAKE_CC_TIMES", "1");
        command
    };
    let (holder, hanging) = Running::start_hanging(&place, command());
    let waiter = Running::start(&place, "waiter", command());
    waiter.says("waiting for another mjit-cc");
    // Time to look for the lock again and again, and to say so once.
    std::thread::sleep(std::time::Duration::from_millis(200));
    hanging.end();
    let (code, said) = holder.end();
    assert_eq!(code, Some(1), "its compiler was killed: {said}");
    let (code, said) = waiter.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("waiting").count(), 1, "{said}");
    assert_eq!(statuses(&place.out()), ["reused", "built"]);
}

#[test]
fn runs_at_once_in_one_directory_all_succeed() {
    need!("gcc");
    let place = Place::new();
    place.units(&["one", "two", "three"]);
    place.write("vm.h", "typedef int word;\n");
    let runs: Vec<Running> = ["--compact", "", "-O1", "--compact"]
        .iter()
        .enumerate()
        .map(|(number, words)| {
            let command = place.compile(&format!("one.c two.c three.c --header vm.h {words}"));
            Running::start(&place, &format!("run{number}"), command)
        })
        .collect();
    for run in runs {
        let (code, said) = run.end();
        assert_eq!(code, Some(0), "{said}");
    }
    for name in ["one", "two", "three"] {
        place.has_function("units", name);
        place.has_function(name, name);
    }
    assert_eq!(place.leavings(), Vec::<PathBuf>::new());
}

#[test]
fn an_interrupted_run_has_its_timings_written() {
    need!("gcc", CTRL_C);
    let place = Place::new();
    place.units(&["first", "stuck", "last"]);
    let words = "first.c stuck.c last.c --timings=t.html --trace=t.json";
    let (tool, hanging) = Running::start_hanging(&place, place.with_mischief("hang", "stuck.c", words));
    send(&tool, Signal::Int);
    let (code, said) = tool.end();
    assert_eq!(code, Some(130), "{said}");
    hanging.are_gone();
    let page = std::fs::read_to_string(place.path("t.html")).unwrap();
    for (unit, outcome) in [("first", "built"), ("stuck", "interrupted"), ("last", "interrupted")] {
        assert!(page.contains(&format!("\"name\":\"{unit}.c\",\"outcome\":\"{outcome}\"")), "{unit}: {page}");
    }
    serde_json::from_slice::<serde_json::Value>(&std::fs::read(place.path("t.json")).unwrap()).unwrap();
}
