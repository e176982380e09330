//! `mjit-cc doctor`: the compilers and linkers of this machine. Each compiler is tested with a small unit.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mjitcc::batch::{Batch, HeaderSource};
use mjitcc::discover::{DetectedCompiler, Environment, Finder};
use mjitcc::event::Event;
use mjitcc::exec::{DEFAULT_LIMIT, Executor, ProcessExecutor};
use mjitcc::pipeline::Pipeline;
use mjitcc::platforms::{Choice, Flags, LINKERS, Linker, install_hint, survey_names};
use mjitcc::scratch::{Purpose, Scratch, ScratchError};
use mjitcc::{Error, UnitError};
use serde::Serialize;

use crate::args::{DoctorArgs, MessageFormat};
use crate::exit::{CliError, Exit};
use crate::human::Human;
use crate::setup;
use crate::shown;

const VERSION: u32 = 1;

#[derive(Serialize)]
struct Findings {
    version: u32,
    compilers: Vec<Compiler>,
    linkers: Vec<Program>,
    temp_dir: TempDir,
    missing: Vec<Missing>,
}

#[derive(Serialize)]
struct Compiler {
    name: String,
    path: PathBuf,
    family: Option<String>,
    release: Option<String>,
    target: Option<String>,
    pch: PchWorks,
    /// Why the compiler does not work.
    error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum PchWorks {
    /// A PCH was built, and a compilation used the PCH.
    Used,
    /// The compiler has no PCHs.
    Unsupported,
    /// The compiler has PCHs, but building or using one failed.
    Broken,
}

#[derive(Serialize)]
struct Program {
    name: String,
    path: PathBuf,
}

#[derive(Serialize)]
struct TempDir {
    path: PathBuf,
    executable: bool,
    /// Directories that were tried first, each with the reason against it.
    refused: Vec<String>,
}

#[derive(Serialize)]
struct Missing {
    what: String,
    install: Option<String>,
}

pub(crate) fn run(args: &DoctorArgs, talk: &Human) -> Result<Exit, CliError> {
    let findings = examine(talk)?;
    let works = findings.compilers.iter().any(|compiler| compiler.error.is_none());
    match args.message_format {
        MessageFormat::Json => {
            serde_json::to_writer(io::stdout(), &findings).map_err(io::Error::from)?;
            writeln!(io::stdout())?;
        }
        MessageFormat::Human => print(&findings)?,
    }
    Ok(if works { Exit::Good } else { Exit::NoCompiler })
}

fn examine(talk: &Human) -> Result<Findings, CliError> {
    let environment = Environment::read();
    let mut refused = Vec::new();
    let (scratch, executable) = match Scratch::create(&environment.temp_dirs, Purpose::Code) {
        Ok(scratch) => (scratch, true),
        Err(ScratchError::Nowhere { tried }) => {
            refused = tried;
            (Scratch::create(&environment.temp_dirs, Purpose::Files).map_err(mjitcc::Error::from)?, false)
        }
    };
    let refused =
        refused.iter().chain(scratch.skipped()).map(|(path, error)| format!("{}: {error}", path.display())).collect();
    let executor = setup::executor(Some(DEFAULT_LIMIT))?;
    let finder = Finder { environment: &environment, executor: &*executor, temp_dir: scratch.path() };

    let mut compilers: Vec<Compiler> = Vec::new();
    let mut seen = Vec::new();
    for name in survey_names() {
        let Some(path) = environment.programs(OsStr::new(&name)).next() else { continue };
        // gcc may be a link to gcc-12: each file is tested once.
        let real = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
        if seen.contains(&real) {
            continue;
        }
        seen.push(real);
        talk.working(&name);
        compilers.push(examine_compiler(&finder, name, path, &environment, &executor));
        if executor.is_cancelled() {
            return Err(mjitcc::Error::Interrupted.into());
        }
    }
    let linkers = LINKERS.iter().filter_map(|&name| {
        environment.programs(OsStr::new(name)).next().map(|path| Program { name: name.to_owned(), path })
    });
    let linkers = linkers.collect();
    talk.end_bar();
    let missing = missing(&compilers, &environment);
    let temp_dir = TempDir { path: scratch.path().parent().unwrap_or(scratch.path()).to_owned(), executable, refused };
    Ok(Findings { version: VERSION, compilers, linkers, temp_dir, missing })
}

/// Tests one compiler: its family and release, whether it builds libraries, and whether its PCHs are used.
fn examine_compiler(
    finder: &Finder<'_>,
    name: String,
    path: PathBuf,
    environment: &Environment,
    executor: &Arc<ProcessExecutor>,
) -> Compiler {
    let found = match finder.identify(&name) {
        Ok(found) => found,
        Err(error) => {
            let (family, release, target) = (None, None, None);
            return Compiler { name, path, family, release, target, pch: PchWorks::Unsupported, error: Some(error) };
        }
    };
    let compiler = found.toolchain.compiler();
    let (family, release) = (compiler.family.to_string(), compiler.version.to_string());
    let target = compiler.target.to_string();
    let (pch, error) = match try_out(found, environment, executor) {
        Ok(pch) => (pch, None),
        Err(error) => (PchWorks::Broken, Some(error)),
    };
    Compiler { name, path, family: Some(family), release: Some(release), target: Some(target), pch, error }
}

/// Compiles and links a small unit with a small header in a temporary directory.
fn try_out(
    found: DetectedCompiler,
    environment: &Environment,
    executor: &Arc<ProcessExecutor>,
) -> Result<PchWorks, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let has_pch = found.toolchain.capabilities().pch_suffix.is_some();
    let scratch = Scratch::create(&environment.temp_dirs, Purpose::Files).map_err(|error| words(&error))?;
    let [header, unit, out_dir] = ["doctor.h", "doctor.c", "out"].map(|name| scratch.path().join(name));
    std::fs::write(&header, "typedef int doctor_int;\n").map_err(|error| words(&error))?;
    std::fs::write(&unit, "doctor_int doctor(doctor_int x) { return x; }\n").map_err(|error| words(&error))?;
    let batch = Batch {
        units: vec![unit],
        header: HeaderSource::Header(header),
        out_dir,
        compact: false,
        unity: mjitcc::batch::Unity::Off,
        alone: std::collections::HashSet::new(),
        jobs: NonZero::<usize>::MIN,
        keep_going: false,
    };
    // The linker inside this process would not test the compiler's own linker.
    let flags = Flags { linker: Linker::Driver, ..Flags::default() };
    let pipeline = Pipeline::new(found, flags, Arc::<ProcessExecutor>::clone(executor), scratch);
    let used = AtomicBool::new(false);
    let observer = |event: &Event<'_>| {
        if let Event::PchReady { .. } = event {
            used.store(true, Ordering::Relaxed);
        }
    };
    let report = batch.run(&pipeline, &observer).map_err(|error| match error {
        Error::Header { failure, .. } => told(&failure),
        error => words(&error),
    })?;
    match report.units.iter().find_map(|unit| unit.error.as_ref()) {
        Some(failure) => Err(told(failure)),
        None if used.into_inner() => Ok(PchWorks::Used),
        None if has_pch => Ok(PchWorks::Broken),
        None => Ok(PchWorks::Unsupported),
    }
}

/// A failure with the first line of the compiler's output.
fn told(failure: &UnitError) -> String {
    match failure.output().lines().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("{failure}: {}", line.trim()),
        None => failure.to_string(),
    }
}

fn missing(compilers: &[Compiler], environment: &Environment) -> Vec<Missing> {
    let manager = environment.package_manager();
    let has = |choice: Choice| {
        let works = compilers.iter().filter(|compiler| compiler.error.is_none());
        works.into_iter().any(|compiler| match choice {
            Choice::Mingw => compiler.target.as_deref().is_some_and(|target| target.ends_with("windows-gnu")),
            _ => compiler.family.as_deref() == Some(choice.name()),
        })
    };
    [Choice::Gcc, Choice::Clang, Choice::Tcc, Choice::Mingw]
        .into_iter()
        .filter(|&choice| !has(choice))
        .map(|choice| Missing {
            what: choice.name().to_owned(),
            install: manager.map(|manager| install_hint(manager, Some(choice), None)),
        })
        .collect()
}

fn print(findings: &Findings) -> io::Result<()> {
    let mut out = Vec::new();
    writeln!(out, "compilers:")?;
    if findings.compilers.is_empty() {
        writeln!(out, "  none")?;
    }
    for Compiler { name, path, family, release, target, pch, error } in &findings.compilers {
        let what = match (family, release, target) {
            (Some(family), Some(release), Some(target)) => format!("{family} {release} for {target}"),
            _ => "unknown".to_owned(),
        };
        let pch = match pch {
            PchWorks::Used => "PCH builds and is used",
            PchWorks::Unsupported => "no PCH",
            PchWorks::Broken => "PCH does not work",
        };
        match error {
            None => writeln!(out, "  {name}: {what}; {pch} ({})", path.display())?,
            Some(error) => writeln!(out, "  {name}: does not work: {error} ({})", path.display())?,
        }
    }
    let linkers: Vec<&str> = findings.linkers.iter().map(|linker| linker.name.as_str()).collect();
    writeln!(out, "linkers: {}", if linkers.is_empty() { "none".to_owned() } else { linkers.join(", ") })?;
    let TempDir { path, executable, refused } = &findings.temp_dir;
    let can =
        if *executable { "libraries can be loaded from it" } else { "libraries cannot be loaded from it (noexec?)" };
    writeln!(out, "temporary directory: {}: {can}", path.display())?;
    for refused in refused {
        writeln!(out, "  not used: {refused}")?;
    }
    for Missing { what, install } in &findings.missing {
        match install {
            Some(install) => writeln!(out, "missing: {what}; to install it: {install}")?,
            None => writeln!(out, "missing: {what}")?,
        }
    }
    io::stdout().write_all(shown::on_stdout(String::from_utf8_lossy(&out).into_owned()).as_bytes())
}
