//! The C host of `examples/c-host`: a VM that lives on the ABI alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::c::{self, Linking};
use crate::support::{has, need, run};

fn sources() -> Vec<PathBuf> {
    let files = std::fs::read_dir(c::root().join("examples/c-host")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "c")).collect()
}

/// Flags that the header does not need and the VM does: what C11 has, and -O1, so that tests are quick.
const FLAGS: [&str; 2] = ["-std=c11", "-O1"];

/// The VM, about to run.
fn host(program: &Path, temp: &Path, words: &[&str]) -> Command {
    let mut command = c::command(program, temp);
    command.arg("--header").arg(c::root().join("examples/c-host/runtime.h")).args(words);
    command
}

/// Builds the VM and runs it: the programs give the same as machine code, and no file is left.
#[track_caller]
fn lives(cc: &str, linking: Linking, flags: &[&str], words: &[&str], env: &[(&str, &str)]) -> String {
    let (build, temp) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let program = c::build(cc, &[&FLAGS[..], flags].concat(), &sources(), linking, build.path());
    let output = c::output(host(&program, temp.path(), words).envs(env.iter().copied()));
    assert!(output.contains("churn      right"), "{output}");
    assert!(!output.contains("WRONG"), "{output}");
    assert_eq!(c::left_in(temp.path()), [] as [PathBuf; 0]);
    output
}

#[test]
fn it_lives_on_the_shared_library() {
    need!("gcc");
    lives("gcc", Linking::Shared, &[], &["--quick", "--cc", "gcc"], &[]);
}

#[test]
fn it_lives_on_the_static_library_and_waits() {
    need!("clang", "gcc");
    lives("clang", Linking::Static, &[], &["--quick", "--wait", "--cc", "gcc", "--threads", "2"], &[]);
}

#[test]
fn it_forks() {
    need!("gcc");
    let output = lives("gcc", Linking::Shared, &[], &["--quick", "--fork", "--cc", "gcc"], &[]);
    assert!(output.contains("child      right"), "{output}");
}

/// What the child of a fork cannot free: its parent's threads do not exist in it, and what only their stacks led to is out of reach.
/// That is what they allocated themselves, the units that they were making just then, their own handles, and their lists of
/// thread-local destructors. Nor the parent's compilers that wait. The run without a fork suppresses nothing.
const OF_VANISHED_THREADS: &str = "leak:mjitcc*Standby*start\nleak:mjitcc*worker*serve\nleak:mjitcc_worker_submit\nleak:mjitcc*Worker*spawn\nleak:__cxa_thread_atexit_impl\n";

const SANITIZE: [&str; 3] = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"];

#[test]
fn it_lives_under_the_address_sanitizer() {
    need!("gcc");
    lives("gcc", Linking::Static, &SANITIZE, &["--quick", "--cc", "gcc"], &[("ASAN_OPTIONS", "detect_leaks=1")]);
}

#[test]
fn it_forks_under_the_address_sanitizer() {
    need!("gcc");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("suppressions");
    std::fs::write(&file, OF_VANISHED_THREADS).unwrap();
    let leaks = format!("suppressions={}:print_suppressions=0", file.display());
    // Whole stacks: Rust's library has no frame pointers.
    let env = [
        ("ASAN_OPTIONS", "detect_leaks=1:fast_unwind_on_malloc=0:malloc_context_size=80"),
        ("LSAN_OPTIONS", leaks.as_str()),
    ];
    lives("gcc", Linking::Static, &SANITIZE, &["--quick", "--fork", "--cc", "gcc"], &env);
}

#[test]
fn it_lives_under_valgrind() {
    need!("gcc", "valgrind");
    let (build, temp) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let program = c::build("gcc", &FLAGS, &sources(), Linking::Shared, build.path());
    let mut command = c::command(Path::new("valgrind"), temp.path());
    command.args(["-q", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite"]).arg(&program);
    command.arg("--header").arg(c::root().join("examples/c-host/runtime.h")).args(["--quick", "--wait", "--cc", "gcc"]);
    let output = c::output(&mut command);
    assert!(output.contains("churn      right"), "{output}");
    assert_eq!(c::left_in(temp.path()), [] as [PathBuf; 0]);
}

#[test]
fn it_compiles_for_windows() {
    if !has("x86_64-w64-mingw32-gcc") {
        return;
    }
    let build = tempfile::tempdir().unwrap();
    for source in sources() {
        let object = build.path().join(source.with_extension("o").file_name().unwrap());
        let mut command = Command::new("x86_64-w64-mingw32-gcc");
        command.args(["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-I"]).arg(c::root().join("include"));
        run(command.arg("-c").arg(source).arg("-o").arg(object), 0);
    }
}

#[test]
fn cargo_c_installs_it_and_pkg_config_finds_it() {
    need!("gcc", "pkg-config", "cargo-cinstall");
    let (build, temp, root) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut install = Command::new("cargo-cinstall");
    install.current_dir(c::root()).args(["cinstall", "--offline", "--no-default-features", "--debug", "--prefix"]);
    install.arg(root.path()).args(["--libdir", "lib", "--target-dir"]);
    run(install.arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("cargo-c")), 0);
    let ask = |words: &[&str]| {
        let mut command = Command::new("pkg-config");
        command.env("PKG_CONFIG_PATH", root.path().join("lib/pkgconfig")).args(words).arg("mjitcc");
        c::output(&mut command).split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(ask(&["--modversion"]), [env!("CARGO_PKG_VERSION")]);
    let program = build.path().join("vm");
    let mut compile = Command::new("gcc");
    compile.args(FLAGS).arg("-D_POSIX_C_SOURCE=200809L").args(sources()).args(ask(&["--cflags", "--libs"]));
    run(compile.arg("-o").arg(&program), 0);
    let mut vm = host(&program, temp.path(), &["--quick", "--cc", "gcc"]);
    let output = c::output(vm.env("LD_LIBRARY_PATH", root.path().join("lib")));
    assert!(output.contains("churn      right"), "{output}");
}
