//! What each C compiler wants to hear on each platform.
//!
//! This crate is pure: it reads no file, starts no process, asks no environment variable and does not care what system it
//! runs on, so that every platform's command lines can be checked on any machine. [`probe`] asks a compiler who it is;
//! [`toolchain`] gives the [`Toolchain`] for the answer; that turns a [`Job`] and the user's [`Flags`] into a [`Plan`]:
//! processes as data, with the files that come of them. Somebody else runs it.
//!
//! ```
//! use mjit_cc_platforms::*;
//! use std::path::Path;
//!
//! let answer = "mjitcc_family \"gcc\"\nmjitcc_version 12 2 0\nmjitcc_os \"linux\"\nmjitcc_env \"gnu\"\nmjitcc_arch \"x86_64\"";
//! let compiler = probe::read_answer("/usr/bin/cc".into(), Vec::new(), answer.as_bytes())?;
//! let job = Job::Compile {
//!     source: Path::new("u.c"),
//!     object: Path::new("u.o"),
//!     header: Header::None,
//!     quote_dir: None,
//!     depfile: Some(Path::new("u.d")),
//! };
//! let plan = toolchain(compiler).plan(&Flags::default(), &job).unwrap();
//! assert_eq!(plan.outputs, [Path::new("u.o")]);
//! # Ok::<(), probe::ProbeError>(())
//! ```

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

mod args;
mod cacheability;
mod candidates;
mod cflags;
mod clang;
mod clflags;
mod compiler;
mod dependencies;
mod depfile;
mod diagnostic;
mod gcc;
mod gnu;
pub mod hints;
mod job;
mod launcher;
mod link;
mod link_line;
mod mingw;
mod msvc;
mod plan;
pub mod probe;
pub mod quote;
pub mod response;
mod runtime;
mod search;
mod target;
mod tcc;

pub use cacheability::{
    CompilerParts, ask_processor, hides_inputs, possible_files, processor, tells_directory, uncacheable_reason,
    why_unknown,
};
pub use candidates::{Choice, LINKERS, PackageManager, candidates, install_hint, survey_names};
pub use compiler::{Compiler, Family, Version};
pub use diagnostic::{Diagnostic, Severity, tells_of_crash};
pub use job::{Flags, Header, Job, OptLevel, Pch};
pub use launcher::{Launcher, UserSettings};
pub use link::Linker;
pub use link_line::LinkLine;
pub use plan::{Plan, PlanError, Step, TextFile};
pub use runtime::Runtime;
pub use search::SearchList;
pub use target::{Arch, Env, Os, Target, UnknownTarget};

/// What a unit becomes: the prelude differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An object, to be linked with others.
    Object,
    /// A library of its own, in one job.
    Library,
}

/// What a toolchain can do beyond compiling and linking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// What the name of a PCH ends with, after the dot; none where there is no PCH.
    pub pch_suffix: Option<&'static str>,
    /// Whether one process makes a library of a unit, so that [`Job::CompileAndLink`] is the quick way.
    pub one_step: bool,
    /// Whether [`Job::CompileAndLink`] is one process and its library exports all that the unit defines: the quick way for whoever wants one
    /// unit soon and has no use for its object.
    pub at_once: bool,
}

/// What tells that a compiler's object is whole. Many compilers spend their last milliseconds on giving memory back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The end of its process alone.
    AtExit,
    /// The object's name: it is written under another.
    Renamed,
    /// A section of this name in an ELF file that is whole, whose tables are written last.
    Section(&'static str),
}

/// One compiler on one platform: a pure planner, shared by any number of threads.
pub trait Toolchain: Send + Sync + Debug {
    /// The compiler that the plans call.
    fn compiler(&self) -> &Compiler;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// C that stands above a unit's own.
    fn prelude(&self, role: Role) -> &'static str;

    /// The processes that do `job`, and their files.
    ///
    /// # Errors
    /// [`PlanError`] when the compiler or its platform cannot do it.
    fn plan(&self, flags: &Flags, job: &Job<'_>) -> Result<Plan, PlanError>;

    /// What an ELF linker is told that links inside this process in the driver's place, but for inputs and output.
    ///
    /// # Errors
    /// Why it cannot.
    fn link_in_process(&self, _flags: &Flags) -> Result<Vec<&'static str>, &'static str> {
        Err("it links ELF alone")
    }

    /// The files that flags put before a header for their macros alone, and that a PCH can have in it only if they have nothing but macros.
    fn macro_files<'a>(&self, _flags: &'a Flags) -> Vec<&'a Path> {
        Vec::new()
    }

    /// Asks the compiler how it links a library: which start-up files stand around the objects, and where libraries lie. Returns
    /// nothing where a linker inside this process has no use for the answer.
    fn ask_link(&self, _flags: &Flags) -> Option<Step> {
        None
    }

    /// Reads the answer to [`ask_link`](Self::ask_link), or nothing where the output is no answer.
    fn link_line(&self, _output: &[u8]) -> Option<LinkLine> {
        None
    }

    /// True if code that these flags make calls a run-time library which a library has to bring, so that one that was linked is worth a look.
    fn calls_runtime(&self, _flags: &Flags) -> bool {
        false
    }

    /// How its driver reads a response file.
    fn response(&self) -> response::Syntax;

    /// Asks the driver for the commands that it would run for a unit and its link, without running them: the answer has in it what
    /// configuration files, specs and variables add to the flags. None where the compiler cannot be asked.
    fn ask_configuration(&self, _flags: &Flags) -> Option<Step> {
        None
    }

    /// Asks the compiler for the directories that it looks for included files in; [`search_list`](Self::search_list) reads the answer.
    fn ask_search_list(&self, _flags: &Flags) -> Option<Step> {
        None
    }

    /// The directories out of the answer; none where it does not name them.
    fn search_list(&self, _answer: &[u8]) -> Option<SearchList> {
        None
    }

    /// True if the files that it reads are listed in the depfile; otherwise they are in its output.
    fn writes_depfile(&self) -> bool {
        false
    }

    /// Words that make the driver's linker list the files that it reads in `depfile`; none where the linker has no such list.
    fn link_depfile(&self, _depfile: &Path) -> Option<Vec<OsString>> {
        None
    }

    /// The files that the linker read, out of that list.
    fn link_dependencies(&self, _depfile: &[u8]) -> Vec<PathBuf> {
        Vec::new()
    }

    /// The whole C of a source whose compiler waits for the unit on its standard input, once it has loaded the PCH; none where that
    /// cannot be, or gains nothing.
    fn standby_source(&self) -> Option<&'static str> {
        None
    }

    /// What tells that an object is whole before the compiler's end does.
    fn completion(&self, _flags: &Flags) -> Completion {
        Completion::AtExit
    }

    /// Whether it works in a copy of its PCH, of which the system makes a page when it is first written to. A compiler that waits can
    /// have that behind it.
    fn copies_pch(&self) -> bool {
        false
    }

    /// What the compiler complained about, out of its output.
    fn diagnostics(&self, output: &[u8]) -> Vec<Diagnostic>;

    /// The files that the compiler read, out of the depfile it wrote (empty where it wrote none) or of its output. The unit
    /// itself may be among them.
    fn dependencies(&self, depfile: &[u8], output: &[u8]) -> Vec<PathBuf>;

    /// The compiler's output as a person wants to read it.
    fn readable(&self, output: &[u8]) -> String;
}

/// The planner for a compiler.
#[must_use]
pub fn toolchain(compiler: Compiler) -> Arc<dyn Toolchain> {
    match compiler.family {
        Family::Gcc => Arc::new(gnu::Gnu { compiler, dialect: gcc::Gcc }),
        Family::Clang => Arc::new(gnu::Gnu { compiler, dialect: clang::Clang }),
        Family::Tcc => Arc::new(gnu::Gnu { compiler, dialect: tcc::Tcc }),
        Family::Msvc | Family::ClangCl => Arc::new(msvc::Msvc { compiler }),
    }
}
