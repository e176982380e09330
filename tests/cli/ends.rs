//! How the tool and its processes end: killed at a bad moment, stopped for longer than a unit may take, short of something that the system gives.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::compile::{Place, fields, unit};
use crate::processes::until;
use crate::support::{self, need, run, skip, text};

fn script(place: &Place, name: &str, text: &str) {
    place.write(name, text);
    fs::set_permissions(place.join(name), fs::Permissions::from_mode(0o755)).unwrap();
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The tool below a shell that does something first.
fn behind(place: &Place, first: &str, words: &[&str]) -> Command {
    let tool = support::mjit_cc();
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{first}; exec \"$0\" \"$@\"")]).arg(tool.get_program()).args(words);
    shell.current_dir(place.path()).env("TMPDIR", place.join("tmp"));
    for (name, value) in tool.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

fn place() -> Place {
    let place = Place::new();
    place.write("u.c", unit("u", 1));
    fs::create_dir(place.join("tmp")).unwrap();
    place
}

#[test]
fn a_process_that_is_killed_at_any_step_of_its_directory_leaves_what_the_next_one_sweeps() {
    need!("gcc", "strace");
    let place = place();
    let tool = support::mjit_cc();
    let mut killed = 0;
    for call in ["mkdirat", "mkdir", "renameat", "rename", "flock", "unlinkat", "unlink", "rmdir"] {
        for when in 1..=4 {
            let mut strace = Command::new("strace");
            strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
            strace.args(["-e", &format!("inject={call}:signal=KILL:when={when}")]);
            strace.arg(tool.get_program()).args(["compile", "-n", "--cc", "gcc", "u.c"]).current_dir(place.path());
            strace.env("TMPDIR", place.join("tmp")).stdout(Stdio::null()).stderr(Stdio::null());
            if !strace.status().unwrap().success() {
                killed += 1;
            }
            run(place.tool(&["compile", "-n", "--cc", "gcc", "u.c"]).env("TMPDIR", place.join("tmp")), 0);
            assert_eq!(entries(&place.join("tmp")), [""; 0].map(PathBuf::from), "killed at {call} number {when}");
        }
    }
    if killed == 0 {
        skip("nothing can be traced here");
    }
}

#[test]
fn leftovers_of_every_kind_are_swept() {
    need!("gcc");
    let place = place();
    let dir = |name: &str| {
        fs::create_dir(place.join(name)).unwrap();
        fs::set_permissions(place.join(name), fs::Permissions::from_mode(0o700)).unwrap();
    };
    // Killed before the directory was there, before the lock was in it, after the lock was out of it.
    place.write("tmp/mjit-cc-0000000000000001.lock", "");
    place.write("tmp/mjit-cc-0000000000000002.lock", "\n");
    dir("tmp/mjit-cc-0000000000000002");
    place.write("tmp/mjit-cc-0000000000000003.lock", "\n");
    dir("tmp/mjit-cc-0000000000000003");
    place.write("tmp/mjit-cc-0000000000000003/late.o", "");
    // A user's own.
    place.write("tmp/mjit-cc-build.lock", "");
    run(place.tool(&["compile", "--cc", "gcc", "u.c"]).env("TMPDIR", place.join("tmp")), 0);
    assert_eq!(entries(&place.join("tmp")), [place.join("tmp/mjit-cc-build.lock")]);
}

/// A compiler that is done when it is told to be, stopped for longer than it may take: with or without the tool.
fn is_stopped(tool_too: bool, compiler_too: bool) {
    let place = place();
    let cc = "#!/bin/sh\ncase \" $* \" in *' -c '*) echo $$ > pid.new; mv pid.new pid; while [ ! -e go ]; do sleep 0.1; done ;; esac\nexec gcc \"$@\"\n";
    script(&place, "cc", cc);
    let mut tool = place.tool(&["compile", "--cc", "./cc", "--linker", "driver", "--timeout", "9", "u.c"]);
    let mut tool = tool.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let compiler = until("a compiler", || fs::read_to_string(place.join("pid")).ok());
    let compiler = Pid::from_raw(compiler.trim().parse().unwrap()).unwrap();
    let own = Pid::from_child(&tool);
    let tell = |signal| {
        if tool_too {
            kill_process(own, signal).unwrap();
        }
        if compiler_too {
            kill_process_group(compiler, signal).unwrap();
        }
    };
    tell(Signal::STOP);
    if !compiler_too {
        place.write("go", "");
    }
    thread::sleep(Duration::from_secs(11));
    place.write("go", "");
    tell(Signal::CONT);
    until("the tool's end", || tool.try_wait().unwrap());
    let output = tool.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn a_compiler_that_was_stopped_has_that_time_back() {
    need!("gcc");
    is_stopped(false, true);
}

#[test]
fn a_tool_that_was_stopped_with_its_compiler_gives_it_that_time_back() {
    need!("gcc");
    is_stopped(true, true);
}

#[test]
fn a_compiler_that_was_done_while_the_tool_was_stopped_was_done_in_time() {
    need!("gcc");
    is_stopped(true, false);
}

/// What may be said where the machine is in the way, and with which exit code.
#[track_caller]
fn is_the_machines(output: &Output, what: &str) -> bool {
    let said = text(&output.stderr);
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 4)), "{what}: {} {said}", output.status);
    for wrong in ["panicked", "install", "smaller -j", "--timeout"] {
        assert!(!said.contains(wrong), "{what}: {said}");
    }
    if code == Some(4) {
        assert!(said.contains("error: "), "{what}: {said}");
    }
    code == Some(4)
}

#[test]
fn too_few_descriptors_are_an_error_that_says_so() {
    need!("gcc");
    let mut errors = 0;
    for limit in 4..34 {
        let place = place();
        place.write("v.h", "#define V 1\n");
        let words = ["compile", "--cc", "gcc", "--header", "v.h", "--cache", "c", "-j2", "u.c"];
        let output = behind(&place, &format!("ulimit -n {limit}"), &words).output().unwrap();
        if limit < 8 && output.status.code() == Some(127) {
            continue;
        }
        errors += u32::from(is_the_machines(&output, &format!("ulimit -n {limit}")));
        // Nothing that came of it is stale.
        place.write("u.c", unit("u", 2));
        run(&mut place.tool(&words), 0);
        assert_eq!(fields(&place.join("out"), "status"), ["built"]);
    }
    assert!(errors > 0);
}

#[test]
fn files_that_may_not_get_large_are_an_error_that_says_so() {
    need!("gcc");
    let mut errors = 0;
    for blocks in [0, 1, 2, 4, 8, 9, 12, 16, 32, 64, 256] {
        let place = place();
        place.write("v.h", "#include <stdio.h>\n#include <stdlib.h>\n");
        let words = ["compile", "--cc", "gcc", "--header", "v.h", "-g", "u.c"];
        let output = behind(&place, &format!("ulimit -f {blocks}"), &words).output().unwrap();
        errors += u32::from(is_the_machines(&output, &format!("ulimit -f {blocks}")));
    }
    assert!(errors > 0);
}

#[test]
fn a_full_temporary_directory_is_an_error_that_says_so() {
    need!("gcc");
    let place = place();
    let mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs"];
    let dir = place.join("tmp");
    let mounted = Command::new(mount[0]).args(&mount[1..]).arg(&dir).stderr(Stdio::null()).status();
    if !mounted.is_ok_and(|status| status.success()) {
        skip("a file system cannot be mounted here");
        return;
    }
    let mut codes = Vec::new();
    let body: String = (0..400).map(|n| format!("int f{n}(int x) {{ return x * {n} + {n}; }}\n")).collect();
    place.write("u.c", body);
    for free in [4, 8, 12, 16, 24, 32, 64, 900] {
        let filled = fs::write(dir.join("fill"), vec![0; (1024 - free) << 10]);
        let output = place.tool(&["compile", "--cc", "gcc", "-g", "u.c"]).env("TMPDIR", &dir).output().unwrap();
        codes.push((free, filled.is_ok(), output.status.code(), text(&output.stderr)));
        let _ = fs::remove_file(dir.join("fill"));
        let _ = fs::remove_dir_all(place.join("out"));
    }
    assert!(Command::new("umount").arg(&dir).status().unwrap().success());
    for (free, filled, code, said) in &codes {
        assert!(*filled && matches!(code, Some(0 | 4)) && !said.contains("install"), "{free} KiB: {code:?} {said}");
    }
    assert!(codes.iter().any(|(_, _, code, said)| *code == Some(4) && said.contains("disk is full")), "{codes:?}");
}

#[test]
fn a_list_of_includes_that_cannot_be_read_keeps_nothing() {
    need!("gcc", "mkfifo");
    for then in
        ["rm -f \"$file\"; mkfifo \"$file\"", "rm -f \"$file\"; mkdir \"$file\"", "rm -f \"$file\"", ": > \"$file\""]
    {
        let place = place();
        place.write("own.h", "#define OWN 1\n");
        place.write("u.c", "#include \"own.h\"\nint u(void) { return OWN; }\n");
        let cc = format!(
            "#!/bin/sh\ngcc \"$@\" || exit\nfor word; do case $word in -MF*) file=${{word#-MF}} ;; *.d) file=$word ;; esac; done\n[ -z \"$file\" ] || {{ {then}; }}\n"
        );
        script(&place, "cc", &cc);
        let words = ["compile", "--cc", "./cc", "--cache", "c", "u.c"];
        run(&mut place.tool(&words), 0);
        place.write("own.h", "#define OWN 2\n");
        run(&mut place.tool(&words), 0);
        assert_eq!(fields(&place.join("out"), "status"), ["built"], "{then}");
    }
}
