//! The command lines of each C compiler on each platform.
//!
//! This crate is pure: it reads no file, starts no process, reads no environment variable and does not depend on the system it
//! runs on, so that every platform's command lines can be checked on any machine. [`probe`] identifies a compiler;
//! [`toolchain`] returns the [`Toolchain`] for the answer; the toolchain turns a [`Job`] and the user's [`Flags`] into a [`Plan`]:
//! processes and their files, as data. The caller runs the plan.
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
    CompilerParts, ask_processor, contains_directory, hides_inputs, possible_files, processor, uncacheable_reason,
    unknown_inputs_reason,
};
pub use candidates::{Choice, LINKERS, PackageManager, candidates, install_hint, survey_names};
pub use compiler::{Compiler, Family, Version};
pub use diagnostic::{Diagnostic, Severity, reports_crash};
pub use job::{Flags, Header, Job, OptLevel, Pch};
pub use launcher::{Launcher, UserSettings};
pub use link::Linker;
pub use link_line::LinkLine;
pub use plan::{Plan, PlanError, Step, TextFile};
pub use runtime::Runtime;
pub use search::SearchList;
pub use target::{Arch, Env, Os, Target, UnknownTarget};

/// The output of a unit, which decides its prelude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An object, linked with others later.
    Object,
    /// A library, made in one job.
    Library,
}

/// The abilities of a toolchain beyond compiling and linking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// The suffix of a PCH's name, without the dot; `None` if the compiler has no PCH.
    pub pch_suffix: Option<&'static str>,
    /// True if one process makes a library from a unit, so that [`Job::CompileAndLink`] is the fast way.
    pub one_step: bool,
    /// True if [`Job::CompileAndLink`] is one process and its library exports all that the unit defines: the fastest way to one loaded
    /// unit whose object is not needed.
    pub at_once: bool,
}

/// The sign that a compiler's object is complete. Many compilers spend their last milliseconds on freeing memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The exit of the compiler's process.
    AtExit,
    /// The object exists under its name: the compiler writes it under another name first.
    Renamed,
    /// A section of this name in a complete ELF file, whose tables are written last.
    Section(&'static str),
}

/// One compiler on one platform: a pure planner, shared by any number of threads.
pub trait Toolchain: Send + Sync + Debug {
    /// The compiler that the plans call.
    fn compiler(&self) -> &Compiler;

    /// Returns the toolchain's abilities.
    fn capabilities(&self) -> Capabilities;

    /// Returns C source to put before a unit's own.
    fn prelude(&self, role: Role) -> &'static str;

    /// Plans the processes for `job`, and their files.
    ///
    /// # Errors
    /// [`PlanError`] if the compiler or its platform cannot do the job.
    fn plan(&self, flags: &Flags, job: &Job<'_>) -> Result<Plan, PlanError>;

    /// Returns the arguments for an ELF linker inside this process that replaces the driver, without inputs and output.
    ///
    /// # Errors
    /// Why a linker inside this process cannot link with these flags.
    fn link_in_process(&self, _flags: &Flags) -> Result<Vec<&'static str>, &'static str> {
        Err("the built-in linker supports ELF only")
    }

    /// Returns the files that flags read before a header for their macros only. A PCH can contain such a file only if the file has
    /// nothing but macros.
    fn macro_files<'a>(&self, _flags: &'a Flags) -> Vec<&'a Path> {
        Vec::new()
    }

    /// Returns the process that prints how the compiler links a library: its start-up files and library directories. `None` if a linker
    /// inside this process has no use for the answer.
    fn ask_link(&self, _flags: &Flags) -> Option<Step> {
        None
    }

    /// Parses the answer to [`ask_link`](Self::ask_link); `None` if the output is no answer.
    fn link_line(&self, _output: &[u8]) -> Option<LinkLine> {
        None
    }

    /// True if code compiled with these flags calls a run-time library that the library has to bring, so that linked
    /// libraries are checked for it.
    fn calls_runtime(&self, _flags: &Flags) -> bool {
        false
    }

    /// Returns the syntax of the driver's response files.
    fn response(&self) -> response::Syntax;

    /// Returns the process that prints the driver's commands for a unit and its link without running them: the output contains what
    /// configuration files, specs and variables add to the flags. `None` if the compiler has no such query.
    fn ask_configuration(&self, _flags: &Flags) -> Option<Step> {
        None
    }

    /// Returns the process that prints the compiler's include directories; [`search_list`](Self::search_list) parses the output.
    fn ask_search_list(&self, _flags: &Flags) -> Option<Step> {
        None
    }

    /// Parses the include directories from the answer; `None` if the answer does not name them.
    fn search_list(&self, _answer: &[u8]) -> Option<SearchList> {
        None
    }

    /// True if the compiler lists the files that it reads in the depfile; otherwise they are in its output.
    fn writes_depfile(&self) -> bool {
        false
    }

    /// Returns arguments that make the driver's linker list the files that it reads in `depfile`; `None` if the linker has no such list.
    fn link_depfile(&self, _depfile: &Path) -> Option<Vec<OsString>> {
        None
    }

    /// Parses the files that the linker read from that list.
    fn link_dependencies(&self, _depfile: &[u8]) -> Vec<PathBuf> {
        Vec::new()
    }

    /// Returns C source that includes the unit from standard input, for a compiler that loads the PCH and waits for the unit there. `None`
    /// if the compiler cannot do that, or would gain nothing.
    fn standby_source(&self) -> Option<&'static str> {
        None
    }

    /// Returns the sign that an object is complete.
    fn completion(&self, _flags: &Flags) -> Completion {
        Completion::AtExit
    }

    /// True if the compiler works in a private copy of its PCH, whose pages the system creates at the first write. A waiting compiler can
    /// write to the pages in advance.
    fn copies_pch(&self) -> bool {
        false
    }

    /// Parses the compiler's diagnostics from its output.
    fn diagnostics(&self, output: &[u8]) -> Vec<Diagnostic>;

    /// Returns the files that the compiler read, from the depfile (empty if the compiler wrote none) or from its output. The unit itself
    /// may be among them.
    fn dependencies(&self, depfile: &[u8], output: &[u8]) -> Vec<PathBuf>;

    /// Returns the compiler's output for display to the user.
    fn readable(&self, output: &[u8]) -> String;
}

/// Returns the planner for a compiler.
#[must_use]
pub fn toolchain(compiler: Compiler) -> Arc<dyn Toolchain> {
    match compiler.family {
        Family::Gcc => Arc::new(gnu::Gnu { compiler, dialect: gcc::Gcc }),
        Family::Clang => Arc::new(gnu::Gnu { compiler, dialect: clang::Clang }),
        Family::Tcc => Arc::new(gnu::Gnu { compiler, dialect: tcc::Tcc }),
        Family::Msvc | Family::ClangCl => Arc::new(msvc::Msvc { compiler }),
    }
}
