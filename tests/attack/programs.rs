//! The small C programs of this suite, each built once: the tracer that injects, the loader of libraries, the attackers. Knows none of the
//! attacks.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::support::run;

/// A program of `programs/`, built by gcc.
pub fn program(name: &str) -> PathBuf {
    // One test builds it while the others wait.
    static BUILT: LazyLock<Mutex<Vec<String>>> = LazyLock::new(Mutex::default);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("attack");
    let program = dir.join(name);
    if !built.iter().any(|built| built == name) {
        std::fs::create_dir_all(&dir).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/attack/programs").join(format!("{name}.c"));
        // Renamed into its place: another run of the suite may be using the program.
        let unfinished = dir.join(format!("{name}-{}", std::process::id()));
        let mut command = Command::new("gcc");
        command.args(["-Wall", "-Wextra", "-Werror", "-O1"]).arg(source).arg("-o").arg(&unfinished).arg("-ldl");
        run(&mut command, 0);
        std::fs::rename(unfinished, &program).unwrap();
        built.push(name.to_owned());
    }
    program
}
