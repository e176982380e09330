//! The errors of the crate, for callers to match: of one unit ([`UnitError`]), or of the whole run ([`Error`]).

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mjit_cc_platforms::{Diagnostic, PlanError, Runtime, hints};

use crate::discover::{DiscoverError, LauncherError};
pub use crate::exec::Exit;
pub use crate::imports::ImportLibraryError;
pub use crate::library::LoadError;
use crate::machine;
pub use crate::scratch::ScratchError;
use crate::settings::{CacheSettingError, Size};
pub use crate::symbols::SymbolsError;
pub use crate::unit::UnitReadError;

/// The hint for a file that cannot be written because a directory has its name.
pub const DIRECTORY_IN_THE_WAY: &str = "a directory has the name of this file: remove the directory";

/// An error that ends the whole run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No working compiler was found.
    #[error(transparent)]
    Discover(#[from] DiscoverError),
    /// The launcher was not found.
    #[error(transparent)]
    Launcher(#[from] LauncherError),
    /// The settings of the object cache are wrong.
    #[error(transparent)]
    CacheSetting(#[from] CacheSettingError),
    /// No directory for temporary files can be used.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// The header does not compile, also not as text.
    #[error("the header {} does not compile: {failure}", header.display())]
    Header {
        /// The header.
        header: PathBuf,
        /// The cause.
        failure: Box<UnitError>,
        /// A hint for the user.
        hint: Option<&'static str>,
    },
    /// A file cannot be read, written, locked or renamed.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried: a verb, such as "read".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A thread of the worker cannot be started.
    #[error("cannot start a thread: {0}")]
    NoThread(#[source] io::Error),
    /// A file that was given as a PCH was not built by this crate.
    #[error("{} was not built by mjit-cc build-pch, or the record of the PCH is damaged: give the header instead of the PCH", .0.display())]
    UnknownPch(PathBuf),
    /// The compiler would not find a PCH of this name.
    #[error("{}: this compiler finds a PCH only if its name ends with .{suffix}", path.display())]
    PchName {
        /// The name.
        path: PathBuf,
        /// The required suffix.
        suffix: &'static str,
    },
    /// A header or PCH that the caller named cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The compiler does not support what was requested.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The file that was given as the import library of the host is no import library.
    #[error(transparent)]
    ImportLibrary(#[from] ImportLibraryError),
    /// The compiler can no longer be started.
    #[error("cannot start {}: {source}", program.display())]
    CompilerGone {
        /// The program.
        program: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// An engine was called in a process that has not opened the engine.
    #[error("the engine belongs to the process that this process was forked from: open an engine in this process")]
    OtherProcess,
    /// The run was interrupted.
    #[error("interrupted")]
    Interrupted,
}

impl From<Error> for UnitError {
    /// Converts the errors that can occur while a unit is written to the output directory.
    fn from(error: Error) -> Self {
        match error {
            Error::File { action, path, source } => Self::File { action, path, source },
            Error::CompilerGone { program, source } => Self::NotStarted { program, source },
            Error::Plan(error) => Self::Plan(error),
            Error::Interrupted => Self::Interrupted,
            error => Self::Other(Box::new(error)),
        }
    }
}

impl Error {
    /// For `map_err`: an operation on a file failed.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    /// True if the system caused the error, and neither a unit nor a compiler is wrong.
    #[must_use]
    pub fn is_of_machine(&self) -> bool {
        match self {
            Self::File { .. } | Self::NoThread(_) | Self::Scratch(_) => true,
            Self::Unreadable { source, .. } | Self::CompilerGone { source, .. } => machine::is_at_fault(source),
            Self::Discover(error) => matches!(error, DiscoverError::Machine { .. }),
            Self::Header { failure, .. } => failure.is_of_machine(),
            _ => false,
        }
    }

    /// Returns a hint for the user, if there is one.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Header { failure, hint, .. } => hint.or_else(|| failure.hint()),
            Self::File { source, .. } | Self::Unreadable { source, .. } | Self::NoThread(source) => {
                machine::hint(source)
            }
            Self::Discover(DiscoverError::Machine { hint, .. }) => *hint,
            Self::Scratch(ScratchError::Nowhere { tried }) => tried.iter().find_map(|(_, error)| machine::hint(error)),
            _ => None,
        }
    }

    /// For `map_err`: a file that the user named does not exist or cannot be read.
    pub(crate) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Unreadable { path, source }
    }
}

/// The purpose of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Compiling.
    Compile,
    /// Linking.
    Link,
}

impl Phase {
    fn program(self) -> &'static str {
        match self {
            Self::Compile => "compiler",
            Self::Link => "linker",
        }
    }
}

/// Why a unit, a header or a library could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
    /// The file cannot be read as a unit.
    #[error(transparent)]
    Read(#[from] UnitReadError),
    /// The compiler does not support what was requested.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The compiler or linker reported errors.
    #[error("the {} failed ({exit})", phase.program())]
    Refused {
        /// Which program.
        phase: Phase,
        /// How the process ended.
        exit: Exit,
        /// The output of the program.
        output: String,
        /// The output as data.
        diagnostics: Vec<Diagnostic>,
    },
    /// The compiler or linker crashed.
    #[error("the {} crashed ({exit})", phase.program())]
    Crashed {
        /// Which program.
        phase: Phase,
        /// How the process ended.
        exit: Exit,
        /// The output of the program.
        output: String,
    },
    /// The compiler or linker succeeded but wrote no file.
    #[error("the {} succeeded but did not write {}", phase.program(), path.display())]
    NoOutput {
        /// Which program.
        phase: Phase,
        /// The missing file.
        path: PathBuf,
        /// The output of the program.
        output: String,
    },
    /// The time limit was reached.
    #[error("the {} exceeded the time limit of {} s and was ended", phase.program(), limit.as_secs_f64())]
    TimedOut {
        /// Which program.
        phase: Phase,
        /// The time limit.
        limit: Duration,
        /// Its output until then.
        output: String,
    },
    /// The compiler or linker wrote too many messages.
    #[error("the {} wrote more than {} of messages and was ended", phase.program(), Size(*limit))]
    Flooded {
        /// Which program.
        phase: Phase,
        /// The limit in bytes.
        limit: u64,
        /// The beginning of its output.
        output: String,
    },
    /// The compiler could not be started.
    #[error("cannot start {}: {source}", program.display())]
    NotStarted {
        /// The program.
        program: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A file cannot be read, written or renamed.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried: a verb, such as "read".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The compiler succeeded but wrote a damaged object.
    #[error(transparent)]
    Symbols(#[from] SymbolsError),
    /// The library was linked but cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The library was linked but calls a run-time library that the compiler does not link.
    #[error("its library calls {symbol} of {}, which the compiler does not link by default", runtime.name)]
    NoRuntime {
        /// An undefined function of the library.
        symbol: String,
        /// The run-time library that defines the function.
        runtime: &'static Runtime,
    },
    /// Another unit of the same library defines the same symbol.
    #[error("defines {symbol}, which {other} defines too")]
    DuplicateSymbol {
        /// The symbol.
        symbol: String,
        /// The unit that was named first.
        other: String,
    },
    /// The unit compiled, but its library was not linked because another unit failed.
    #[error("compiled, but not linked because another unit failed")]
    NotLinked,
    /// The unit compiled, but linking its library failed. The linker's output is reported once.
    #[error("compiled, but its library could not be linked")]
    LinkFailed,
    /// The compiler can no longer be started.
    #[error("not compiled because the compiler can no longer be started")]
    NoCompiler,
    /// The header could not be prepared.
    #[error("not compiled because the header could not be prepared")]
    NoHeader,
    /// Another unit failed first.
    #[error("not compiled because another unit failed")]
    Skipped,
    /// The work was interrupted.
    #[error("interrupted")]
    Interrupted,
    /// An error that concerns more than this unit.
    #[error(transparent)]
    Other(Box<Error>),
}

impl UnitError {
    /// For `map_err`: an operation on a file failed.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    /// Returns the output of the compiler or linker.
    #[must_use]
    pub fn output(&self) -> &str {
        match self {
            Self::Refused { output, .. }
            | Self::Crashed { output, .. }
            | Self::NoOutput { output, .. }
            | Self::TimedOut { output, .. }
            | Self::Flooded { output, .. } => output,
            _ => "",
        }
    }

    /// Returns what the compiler or linker reports, as data; empty unless the unit was refused.
    pub(crate) fn diagnostics(&self) -> &[Diagnostic] {
        match self {
            Self::Refused { diagnostics, .. } => diagnostics,
            _ => &[],
        }
    }

    /// Returns the error in words, with the output behind it if there is any.
    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) fn with_output(&self) -> String {
        format!("{self}\n{}", self.output()).trim_end().to_owned()
    }

    /// Replaces the file names in the output by the names that the user knows.
    pub(crate) fn rewrite_output(&mut self, rewrite: impl Fn(&str) -> String) {
        match self {
            Self::Refused { output, diagnostics, .. } => {
                *output = rewrite(output);
                diagnostics.iter_mut().for_each(|one| one.file = rewrite(&one.file));
            }
            Self::Crashed { output, .. }
            | Self::NoOutput { output, .. }
            | Self::TimedOut { output, .. }
            | Self::Flooded { output, .. } => {
                *output = rewrite(output);
            }
            _ => {}
        }
    }

    /// True if the system caused the error (a full disk, too many open files, a failing device), and the unit is not wrong.
    #[must_use]
    pub fn is_of_machine(&self) -> bool {
        match self {
            Self::File { .. } => true,
            Self::NotStarted { source, .. }
            | Self::Symbols(SymbolsError::Io { source, .. })
            | Self::Read(UnitReadError::Unreadable(source)) => machine::is_at_fault(source),
            Self::Crashed { exit: Exit::Signal(signal), .. } if machine::is_file_size_signal(*signal) => true,
            Self::Refused { output, .. } | Self::Crashed { output, .. } => hints::for_machine(output).is_some(),
            Self::Other(error) => error.is_of_machine(),
            _ => false,
        }
    }

    /// Returns a hint for the user, if there is one.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::File { path, .. } if path.is_dir() => Some(DIRECTORY_IN_THE_WAY),
            Self::File { source, .. } | Self::NotStarted { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => Some("check the permissions of the file and its directory"),
                io::ErrorKind::NotFound => {
                    Some("the file existed when this run began: check whether it was removed or updated")
                }
                _ => machine::hint(source),
            },
            Self::Symbols(SymbolsError::Io { source, .. }) | Self::Read(UnitReadError::Unreadable(source)) => {
                machine::hint(source)
            }
            Self::Crashed { exit: Exit::Signal(signal), .. } if machine::is_file_size_signal(*signal) => {
                Some(hints::FILE_SIZE)
            }
            Self::Other(error) => error.hint(),
            Self::Refused { output, .. } if output.trim().is_empty() => {
                Some("the program printed no message; -vv shows the command")
            }
            Self::Refused { output, .. } => hints::for_output(output),
            Self::Crashed { exit: Exit::Signal(9), .. } => {
                Some("the process was killed, perhaps because memory ran out: try a smaller -j")
            }
            Self::Crashed { .. } => {
                Some("try a lower -O, or another compiler with --cc; --save-temps keeps the source")
            }
            Self::NoOutput { .. } => Some("check whether a flag prevents the output; -vv shows the command"),
            Self::TimedOut { .. } => Some("set a longer --timeout, or a lower -O"),
            Self::Flooded { .. } => Some("fix the first messages, or raise the limit with --output-limit"),
            Self::NoRuntime { runtime, .. } => Some(runtime.help),
            Self::DuplicateSymbol { .. } => Some("rename one of the symbols, or build without --compact"),
            Self::NotLinked | Self::Skipped => Some("use -k to build the other units regardless"),
            _ => None,
        }
    }
}
