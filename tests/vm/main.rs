//! The example's virtual machine as a host of the worker: whatever runs a program, it comes to the same, and nothing is left.

#![allow(clippy::disallowed_methods, reason = "the walls are the product's")]
#![allow(unreachable_pub, reason = "modules of a test binary share what they like")]

#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::need;

/// The example, which `cargo test` builds.
fn vm() -> Command {
    let tool = Path::new(env!("CARGO_BIN_EXE_mjit-cc"));
    let path = tool.parent().unwrap().join("examples").join(format!("vm{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is not built: run cargo test, or cargo build --examples", path.display());
    let mut command = Command::new(path);
    command.env_remove("CC");
    command
}

fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/vm/programs").join(name).with_added_extension("vm")
}

fn programs() -> Vec<String> {
    let entries = std::fs::read_dir(program("fib").parent().unwrap()).unwrap();
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<String> = entries.map(|entry| stem(entry.unwrap().path())).collect();
    names.sort();
    names
}

/// What came of running the VM.
struct Ran {
    stdout: String,
    log: String,
}

impl Ran {
    /// How many lines of the log begin like this.
    fn count(&self, beginning: &str) -> usize {
        self.log.lines().filter(|line| line.starts_with(beginning)).count()
    }

    /// A number of the VM's own line, such as that before `functions died`.
    #[track_caller]
    fn statistic(&self, what: &str) -> u64 {
        let line = self.log.lines().find_map(|line| line.strip_prefix("VM: ")).expect("the VM's own line");
        let part = line.split(", ").find(|part| part.ends_with(what)).expect("such a number");
        part.split(' ').next().unwrap().parse().unwrap()
    }
}

/// Runs a program; nothing may be left of it in the temporary directory.
#[track_caller]
fn run(name: &str, options: &[&str]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let mut command = vm();
    // The smallest size: the VM may be built without optimisation.
    command.args(["--scale", "1"]).args(options).arg(program(name)).env("TMPDIR", dir.path()).env("TMP", dir.path());
    let ran = finish(&mut command);
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, Vec::<PathBuf>::new(), "{command:?}");
    ran
}

/// Runs a command that must end well, and within five minutes: what is hung up is ended, a forked child included.
#[track_caller]
fn finish(command: &mut Command) -> Ran {
    let [stdout, log] = [(); 2].map(|()| tempfile::NamedTempFile::new().unwrap());
    command.stdin(Stdio::null()).stdout(stdout.reopen().unwrap()).stderr(log.reopen().unwrap());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let mut child = command.spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(300);
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if Instant::now() > until => break None,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    if status.is_none() {
        #[cfg(unix)]
        let _ = rustix::process::kill_process_group(
            rustix::process::Pid::from_child(&child),
            rustix::process::Signal::KILL,
        );
        let _ = child.kill();
        let _ = child.wait();
    }
    let [stdout, log] = [stdout, log].map(|file| std::fs::read_to_string(file.path()).unwrap());
    let good = status.is_some_and(|status| status.success());
    assert!(good, "{command:?}: {status:?}\nstdout:\n{stdout}\nstderr:\n{log}");
    Ran { stdout, log }
}

/// The program's output as the interpreter alone gives it.
#[track_caller]
fn interpreted(name: &str) -> String {
    run(name, &["--run", "--no-jit"]).stdout
}

#[test]
fn the_interpreter_is_right() {
    // Computed without this VM.
    let expected = [
        ("closures", "1055436\n"),
        ("errors", "52490\nerror: there is no element 3\n"),
        ("factorial", "8683317618811886495518194401280000000\n16899\n"),
        ("fib", "17711\n"),
        ("mandelbrot", "643\n"),
        ("matrix", "1414\n"),
        ("owners", "685186\n"),
        ("quicksort", "true\n1088515474\n"),
        ("recursion", "false\n103\nerror: the stack is full\n"),
        ("redefine", "14800\n"),
        ("sieve", "9592\n"),
        ("values", "\n1\n65\nerror: nil and 19 are not both integers\n"),
    ];
    assert_eq!(programs(), expected.map(|(name, _)| name));
    for (name, end) in expected {
        let output = interpreted(name);
        assert!(output.ends_with(end), "{name}: {output}");
    }
}

/// Every program, every way to run it, on one compiler.
fn all_ways_agree(cc: &str) {
    let ways: [&[&str]; 3] = [
        &["--wait", "--min-calls", "1"],
        &["--wait", "--min-calls", "2", "--gc-stress"],
        &["--min-calls", "1", "--threads", "2"],
    ];
    // What differs there is the compiler, and Wine takes a second to start one.
    let ways = if cfg!(windows) { &ways[..1] } else { &ways[..] };
    for name in programs() {
        let expected = interpreted(&name);
        for way in ways {
            let options = [&["--run", "--verbose", "1", "--cc", cc], *way].concat();
            let ran = run(&name, &options);
            assert_eq!(ran.stdout, expected, "{name} {options:?}");
            assert!(ran.count("JIT success") > 0 || !way.contains(&"--wait"), "{name} {options:?}: {}", ran.log);
        }
    }
}

#[test]
fn machine_code_of_gcc_agrees_with_the_interpreter() {
    need!("gcc");
    all_ways_agree("gcc");
}

#[test]
#[cfg_attr(
    windows,
    ignore = "clang-cl is the same compiler, MinGW's gcc has the same linker, and time is short under Wine"
)]
fn machine_code_of_clang_agrees_with_the_interpreter() {
    need!("clang");
    all_ways_agree("clang");
}

#[test]
#[cfg(windows)]
fn machine_code_of_clang_cl_agrees_with_the_interpreter() {
    need!("clang-cl");
    all_ways_agree("clang-cl");
}

// As cl compiles it.
#[test]
fn machine_code_of_plain_c_agrees_with_the_interpreter() {
    need!("gcc");
    for name in ["factorial", "values"] {
        let ran = run(name, &["--run", "--wait", "--min-calls", "1", "--verbose", "1", "--cc", "gcc -DVM_PLAIN_C"]);
        assert_eq!(ran.stdout, interpreted(name));
        assert!(ran.count("JIT success") > 0, "{}", ran.log);
    }
}

/// Cold and warm runs agree, and the warm one is one of code that was put together.
#[track_caller]
fn compacted_code_agrees(cc: &str) {
    let ran = run("redefine", &["--cc", cc, "--min-calls", "1", "--verbose", "1"]);
    let told: Vec<&str> = ran.log.lines().filter(|line| line.starts_with("JIT compaction")).collect();
    assert!(told.iter().any(|line| line.contains("Compacted ")), "{}", ran.log);
}

#[test]
fn compacted_code_of_gcc_agrees_with_the_interpreter() {
    need!("gcc");
    compacted_code_agrees("gcc");
}

#[test]
#[cfg(windows)]
fn compacted_code_of_clang_cl_agrees_with_the_interpreter() {
    need!("clang-cl");
    compacted_code_agrees("clang-cl");
}

#[test]
#[cfg_attr(windows, ignore = "what is compiled is that of other tests, and time is short under Wine")]
fn the_table_compares_cold_and_warm_runs_by_itself() {
    need!("gcc");
    for name in programs() {
        let ran = run(&name, &["--min-calls", "5"]);
        assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
        assert!(ran.stdout.lines().nth(1).unwrap().starts_with(&name), "{}", ran.stdout);
    }
}

#[test]
fn collecting_at_each_allocation_changes_nothing() {
    for name in programs() {
        assert_eq!(run(&name, &["--run", "--no-jit", "--gc-stress"]).stdout, interpreted(&name), "{name}");
    }
}

#[test]
fn an_assumption_that_fails_is_not_made_again() {
    need!("gcc");
    let ran = run("factorial", &["--wait", "--min-calls", "1", "--verbose", "1"]);
    // Two functions meet large integers, each once.
    assert_eq!(ran.count("JIT recompile: factorial@"), 1, "{}", ran.log);
    assert_eq!(ran.count("JIT recompile: digits@"), 1, "{}", ran.log);
    assert_eq!(ran.count("JIT recompile: "), 2 + ran.count("JIT recompile: main@"), "{}", ran.log);
    assert!(ran.count("JIT success") >= 4, "{}", ran.log);
    assert!(ran.statistic("assumptions failed") >= 2);
}

#[test]
fn dead_functions_take_their_code_along() {
    need!("gcc");
    // Far more functions get code than there is room for at once, and no room is made by force.
    let options = ["--wait", "--min-calls", "10", "--max-cache", "4", "--verbose", "2", "--scale", "5"];
    let ran = run("owners", &options);
    assert!(ran.count("JIT success") > 16, "{}", ran.log);
    assert_eq!(ran.count("No units can be unloaded"), 0, "{}", ran.log);
    assert!(ran.statistic("functions died") >= 30, "{}", ran.log);
    assert!(ran.count("Unloading unit") > 12, "{}", ran.log);
}

#[test]
fn code_that_relies_on_a_global_is_taken_back_with_it() {
    need!("gcc");
    let ran = run("redefine", &["--wait", "--min-calls", "1", "--verbose", "1"]);
    assert!(ran.count("JIT cancel: even@") >= 1, "{}", ran.log);
    assert!(ran.count("JIT cancel: odd@") >= 1, "{}", ran.log);
    assert!(ran.statistic("functions cancelled") >= 2, "{}", ran.log);
}

#[test]
fn without_a_compiler_everything_is_interpreted() {
    let ran = run("fib", &["--run", "--cc", "no-such-compiler", "--min-calls", "1", "--wait", "--verbose", "1"]);
    assert_eq!(ran.stdout, interpreted("fib"));
    assert!(ran.log.contains("compiling is disabled"), "{}", ran.log);
    assert_eq!(ran.count("JIT success"), 0);
}

#[test]
#[cfg(unix)]
fn parent_and_child_both_go_on_after_a_fork() {
    need!("gcc");
    for way in [&["--min-calls", "5"][..], &["--wait", "--min-calls", "1"]] {
        let options = [&["--fork", "--verbose", "1"], way].concat();
        // Functions that did not exist at the fork get code in both.
        let ran = run("closures", &options);
        let rows: Vec<&str> = ran.stdout.lines().skip(1).collect();
        let result = interpreted("closures");
        assert_eq!(rows.len(), 2, "{}", ran.stdout);
        assert!(rows.iter().all(|row| row.contains(result.trim())), "{}", ran.stdout);
        assert!(rows[0].trim_start().starts_with("(forked)") && rows[1].starts_with("closures"), "{}", ran.stdout);
        assert_eq!(ran.count("Successful MJIT finish"), 2, "{}", ran.log);
        assert_eq!(ran.count("VM: "), 2, "{}", ran.log);
    }
}
