//! Hosts in C that are no good citizens themselves: they fork unannounced, change the environment, end threads and processes, use what they
//! gave back, throw. Each is a process of its own, which nothing outlives and which leaves nothing behind.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::c::{self, Linking};
use crate::support::{need, text};

/// How often the fork tests fork: a few times, or as often as `MJIT_CC_FORKS` says.
fn rounds() -> String {
    std::env::var("MJIT_CC_FORKS").unwrap_or_else(|_| "7".to_owned())
}

/// A host, the directory for its temporary files, and the one that it was built in, with a header.
struct Host {
    program: PathBuf,
    temp: tempfile::TempDir,
    dir: tempfile::TempDir,
}

fn host(source: &str, linking: Linking) -> Host {
    let (dir, temp) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let source = c::root().join("tests/capi/hosts").join(source);
    let is_cxx = source.extension().is_some_and(|extension| extension == "cc");
    let (compiler, standard) = if is_cxx { ("g++", "-std=c++17") } else { ("gcc", "-std=c11") };
    // Sanitizers, say: `just asan-hosts`.
    let further = std::env::var("MJIT_CC_HOST_FLAGS").unwrap_or_default();
    let mut flags = vec![standard, "-D_DEFAULT_SOURCE", "-pthread"];
    flags.extend(further.split_whitespace());
    let program = c::build(compiler, &flags, &[source], linking, dir.path());
    std::fs::write(dir.path().join("vm.h"), "#define NUMBER 1000\n").unwrap();
    Host { program, temp, dir }
}

impl Host {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = c::command(&self.program, self.temp.path());
        command.args(words);
        command
    }

    fn header(&self) -> String {
        self.dir.path().join("vm.h").to_str().unwrap().to_owned()
    }

    /// Runs it: it ends with 0, says this last, and leaves no file.
    #[track_caller]
    fn passes(&self, words: &[&str], says: &str) {
        let output = c::output(&mut self.command(words));
        assert_eq!(output.trim().lines().last(), Some(says), "{output}");
        assert_eq!(c::left_in(self.temp.path()), [] as [PathBuf; 0]);
    }
}

#[test]
fn announced_forks_never_hang() {
    need!("gcc");
    let host = host("fork_protocol.c", Linking::Shared);
    for threads in ["2", "4"] {
        // Everything at its default; and units one by one, which are merged when they are put together.
        for unity in ["0", "1"] {
            host.passes(&[threads, &rounds(), unity], "forks hold");
        }
    }
}

#[test]
fn a_fork_that_nothing_announced_is_followed_or_refused_in_words() {
    need!("gcc");
    let host = host("fork_unannounced.c", Linking::Shared);
    host.passes(&[&host.header()], "forks hold");
}

#[test]
fn the_same_holds_in_a_program_that_the_library_is_linked_into() {
    need!("gcc");
    let host = host("fork_unannounced.c", Linking::Static);
    host.passes(&[&host.header()], "forks hold");
}

#[test]
fn other_threads_may_change_the_environment() {
    need!("gcc");
    let host = host("environment.c", Linking::Shared);
    host.passes(&[host.dir.path().to_str().unwrap()], "environment holds");
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn a_host_may_end_the_threads_that_call_it() {
    need!("gcc");
    host("ended.c", Linking::Shared).passes(&[], "ends hold");
    host("ended.c", Linking::Static).passes(&[], "ends hold");
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn exceptions_of_cxx_fail_what_threw_them() {
    need!("gcc", "g++");
    host("throws.cc", Linking::Shared).passes(&[], "exceptions hold");
    host("throws.cc", Linking::Static).passes(&[], "exceptions hold");
}

/// Without glibc's extensions: the header and what it asks of C is the same there.
#[test]
fn hosts_compile_for_musl() {
    need!("musl-gcc");
    for source in glob::glob(c::root().join("tests/capi/hosts/*.c").to_str().unwrap()).unwrap().flatten() {
        let mut command = Command::new("musl-gcc");
        command.args(["-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"]);
        crate::support::run(command.arg(c::root().join("include")).arg(source), 0);
    }
}

/// The header forbids this; it must not cost the host more than memory.
#[test]
fn a_jump_out_of_a_callback_leaves_no_lock_held() {
    need!("gcc");
    host("jumps.c", Linking::Shared).passes(&[], "jumps hold");
}

#[test]
fn processes_and_signals_of_the_host_disturb_nothing() {
    need!("gcc");
    host("storms.c", Linking::Shared).passes(&[], "storms hold");
}

#[test]
fn handles_that_were_given_back_are_refused() {
    need!("gcc");
    host("finished.c", Linking::Shared).passes(&[], "finished holds");
}

/// Waits until no process has the directory in its words or its environment.
fn wait_for_compilers(temp: &Path) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let name = temp.to_str().unwrap().as_bytes();
    let uses = |file: PathBuf| std::fs::read(file).is_ok_and(|text| text.windows(name.len()).any(|part| part == name));
    while glob::glob("/proc/[0-9]*").unwrap().flatten().any(|process| uses(process.join("environ"))) {
        assert!(std::time::Instant::now() < until, "a compiler lives on");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// One unit's compiler hangs, and has a child that does.
#[test]
#[cfg(target_os = "linux")]
fn compilers_end_with_their_host_however_that_ends() {
    use std::os::unix::fs::PermissionsExt as _;
    need!("gcc");
    let host = host("ends.c", Linking::Shared);
    let compiler = host.dir.path().join("hangs-cc");
    let script = "#!/bin/sh\nfor word; do case $word in *.c) grep -q 'return 5;' \"$word\" && sleep 300;; esac; done\nexec gcc \"$@\"\n";
    std::fs::write(&compiler, script).unwrap();
    std::fs::set_permissions(&compiler, std::fs::Permissions::from_mode(0o700)).unwrap();
    for how in ["kill", "exit", "_exit", "exec", "abort"] {
        let mut command = Command::new("timeout");
        command.args(["60", host.program.to_str().unwrap(), how]).env("HOST_CC", &compiler);
        command.env("TMPDIR", host.temp.path()).env_remove("CC");
        command.output().unwrap();
        wait_for_compilers(host.temp.path());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_process_may_end_without_finishing() {
    need!("gcc");
    let host = host("ends.c", Linking::Shared);
    for (how, signal) in [
        ("return", 0),
        ("exit", 0),
        ("_exit", 0),
        ("quick_exit", 0),
        ("exec", 0),
        ("callback", 0),
        ("thread", 0),
        ("term", 15),
        ("kill", 9),
        ("abort", 6),
    ] {
        for _ in 0..3 {
            let mut command = Command::new("timeout");
            command.args(["60", host.program.to_str().unwrap(), how]).env("TMPDIR", host.temp.path()).env_remove("CC");
            let Output { status, stdout, stderr } = command.output().unwrap();
            let said = text(&stdout) + &text(&stderr);
            assert_eq!(said.replace("Aborted", ""), "", "{how}");
            // timeout ends itself by the signal that ended its command, or says 128 more.
            let ended = status.signal().or(status.code().filter(|&code| code > 128).map(|code| code - 128));
            assert_eq!(ended.unwrap_or_default(), signal, "{how}: {status}");
            assert!(signal != 0 || status.success(), "{how}: {status}");
        }
    }
    wait_for_compilers(host.temp.path());
    // The next process that uses the library there.
    let next = self::host("finished.c", Linking::Shared);
    let mut command = c::command(&next.program, host.temp.path());
    assert_eq!(c::output(&mut command).trim(), "finished holds");
    assert_eq!(c::left_in(host.temp.path()), [] as [PathBuf; 0]);
}
