//! Building C against the library, shared and static.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::{run, text};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// How a C program is linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linking {
    Shared,
    Static,
}

/// Builds both libraries, once, as the README says, in a place beside the tests' own. Gives the directory they are in.
pub fn libraries() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("capi");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(root()).args(["rustc", "--locked", "--lib", "--no-default-features", "--features", "capi"]);
        command.args(["--crate-type", "cdylib,staticlib", "--target-dir"]).arg(&target);
        // What these tests are themselves built with is not for it: sanitizers, say.
        for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR"] {
            command.env_remove(name);
        }
        run(&mut command, 0);
        target.join("debug")
    })
}

/// What a program is linked with.
pub fn link_args(linking: Linking) -> Vec<String> {
    let dir = libraries().display();
    match linking {
        Linking::Shared => vec![format!("-L{dir}"), "-lmjitcc".into(), format!("-Wl,-rpath,{dir}")],
        // What rustc says with --print native-static-libs.
        Linking::Static => [&format!("{dir}/libmjitcc.a"), "-lgcc_s", "-lutil", "-lrt", "-lpthread", "-lm", "-ldl"]
            .map(ToString::to_string)
            .into(),
    }
}

/// Compiles a program of some C files, or C++ ones.
#[track_caller]
pub fn build(cc: &str, flags: &[&str], sources: &[PathBuf], linking: Linking, into: &Path) -> PathBuf {
    let program = into.join("program");
    let mut command = Command::new(cc);
    if !cc.ends_with("++") {
        command.arg("-std=c99");
    }
    command.args(["-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-g", "-D_POSIX_C_SOURCE=200809L"]);
    command.args(flags).arg("-I").arg(root().join("include")).args(sources).arg("-o").arg(&program);
    command.args(link_args(linking));
    run(&mut command, 0);
    program
}

/// A command that looks for temporary files nowhere but in `temp`.
pub fn command(program: &Path, temp: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("TMPDIR", temp).env_remove("CC");
    command
}

/// What is left in a directory.
pub fn left_in(dir: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The standard output of a command that succeeds.
#[track_caller]
pub fn output(command: &mut Command) -> String {
    text(&run(command, 0).stdout)
}
