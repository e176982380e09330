//! How many compilers run at once: never more than make's jobserver allows, whoever else it serves, and never more than there is memory
//! for. A compiler of these tests notes when it begins and when it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::compile::{Place, unit};
use crate::support::{need, run, skip, text};

/// GNU's, of a version that is not older than Debian's.
const MAKE: &str = if cfg!(target_os = "linux") { "make" } else { "gmake" };

/// A place with some units and a compiler that takes notes.
struct Counted {
    place: Place,
}

impl Counted {
    fn new() -> Self {
        let place = Place::new();
        for dir in ["a", "b"] {
            for number in 0..6 {
                place.write(&format!("{dir}/{dir}{number}.c"), unit(&format!("{dir}{number}"), number));
            }
        }
        let log = place.join("log");
        let script = format!(
            "#!/bin/sh\necho + >>'{log}'\nsleep 0.1\ngcc \"$@\"\ncode=$?\necho - >>'{log}'\nexit $code\n",
            log = log.display()
        );
        place.write("cc.sh", script);
        fs::set_permissions(place.join("cc.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        Self { place }
    }

    /// The most compilers that ran at once since this was asked before. All of them count, those that are asked who they are too.
    fn most(&self) -> usize {
        let log = self.place.join("log");
        let notes = fs::read_to_string(&log).unwrap();
        fs::remove_file(log).unwrap();
        let (mut now, mut most, mut all) = (0_usize, 0, 0);
        for note in notes.lines() {
            match note {
                "+" => (now, all) = (now + 1, all + 1),
                _ => now -= 1,
            }
            most = most.max(now);
        }
        assert!(now == 0 && all >= 6, "{notes}");
        most
    }

    /// Runs make with a recipe for each of the folders.
    fn make(&self, jobs: &str, prefix: &str, folders: &str, options: &str) -> String {
        let tool = env!("CARGO_BIN_EXE_mjit-cc");
        let makefile = format!(
            "all: {folders}\n{folders}:\n\t{prefix}@{tool} compile --cc ./cc.sh {options} $@/*.c --out-dir out-$@\n\
             .PHONY: {folders}\n"
        );
        self.place.write("Makefile", makefile);
        let mut make = Command::new(MAKE);
        make.current_dir(self.place.path()).arg(jobs).env_remove("MAKEFLAGS").env_remove("CARGO_MAKEFLAGS");
        let output = run(&mut make, 0);
        let said = text(&output.stderr);
        // make counts its tokens in the end.
        assert!(!said.contains("INTERNAL"), "{said}");
        said
    }
}

#[test]
fn two_runs_below_one_make_share_its_jobserver() {
    need!("gcc", MAKE);
    let counted = Counted::new();
    let said = counted.make("-j2", "+", "a b", "-j6");
    assert_eq!(counted.most(), 2, "{said}");
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn one_run_takes_the_tokens_that_nobody_else_wants() {
    need!("gcc", MAKE);
    let counted = Counted::new();
    counted.make("-j3", "+", "a", "-j6");
    assert_eq!(counted.most(), 3);
    // And no more than it was told to.
    counted.make("-j3", "+", "b", "-j2");
    assert_eq!(counted.most(), 2);
}

#[test]
fn what_was_built_before_waits_for_nobody() {
    need!("gcc", MAKE);
    let counted = Counted::new();
    counted.make("-j2", "+", "a", "-j6 --timings=t.html");
    let waits = |page: &str| fs::read_to_string(counted.place.join(page)).unwrap().matches("\"spans\":[[0,").count();
    assert!(waits("t.html") > 0);
    counted.make("-j2", "+", "a", "-j6 --timings=t.html");
    assert_eq!(waits("t.html"), 0);
}

#[test]
fn waiting_for_a_token_does_not_count_as_compiling() {
    need!("gcc", MAKE);
    let counted = Counted::new();
    for number in 6..12 {
        counted.place.write(&format!("a/a{number}.c"), unit(&format!("a{number}"), 1));
        counted.place.write(&format!("b/b{number}.c"), unit(&format!("b{number}"), 1));
    }
    // All begin at once, two at a time, and the last waits longer than it has for itself.
    let said = counted.make("-j2", "+", "a b", "-j12 --timeout 1");
    assert_eq!(counted.most(), 2, "{said}");
}

#[test]
fn a_jobserver_out_of_reach_leaves_one_compiler_at_a_time_and_says_so() {
    need!("gcc", MAKE);
    let version = text(&run(Command::new(MAKE).arg("--version"), 0).stdout);
    if ["4.0", "4.1", "4.2", "4.3"].iter().all(|old| !version.starts_with(&format!("GNU Make {old}"))) {
        return skip("this make gives its jobserver a name, which is in everybody's reach");
    }
    let counted = Counted::new();
    let said = counted.make("-j3", "", "a", "");
    assert_eq!(counted.most(), 1);
    assert!(said.contains("warning: cannot use make's jobserver") && said.contains("put + before"), "{said}");
    let said = counted.make("-j3", "", "b", "-j2");
    assert_eq!(counted.most(), 2);
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn a_make_without_a_jobserver_changes_nothing() {
    need!("gcc", MAKE);
    let counted = Counted::new();
    let said = counted.make("-j1", "", "a", "-j2");
    assert_eq!(counted.most(), 2);
    assert!(!said.contains("warning"), "{said}");
}

#[test]
#[cfg(target_os = "linux")]
fn one_compiler_runs_where_there_is_no_memory_for_more() {
    need!("gcc");
    let counted = Counted::new();
    let words = ["compile", "--cc", "./cc.sh", "-j4", "a/*.c", "--memfree"];
    counted.place.good(&[&words as &[_], &["1000000G"]].concat());
    assert_eq!(counted.most(), 1);
    counted.place.good(&["compile", "--cc", "./cc.sh", "-j4", "b/*.c", "--memfree", "0"]);
    assert_eq!(counted.most(), 4);
}

#[test]
fn a_size_that_is_none_is_refused() {
    let place = Place::new();
    for size in ["", "M", "12X", "-1", "99999999999G"] {
        let output = run(&mut place.tool(&["compile", "u.c", &format!("--memfree={size}")]), 2);
        assert!(text(&output.stderr).contains("--memfree"), "{output:?}");
    }
}
