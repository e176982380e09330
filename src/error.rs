//! What can go wrong, for callers to match: with one unit ([`UnitError`]), or with the whole work ([`Error`]).

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mjit_cc_platforms::{Diagnostic, PlanError, Runtime, hints};

use crate::discover::{DiscoverError, LauncherError};
use crate::exec::Exit;
use crate::imports::ImportLibraryError;
use crate::library::LoadError;
use crate::machine;
use crate::scratch::ScratchError;
use crate::settings::{CacheSettingError, Size};
use crate::symbols::SymbolsError;
use crate::unit::UnitReadError;

/// What to do where a file cannot be written because a directory has its name.
pub const DIRECTORY_IN_THE_WAY: &str = "a directory is in the place of that file: remove the directory";

/// The work as a whole cannot be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no compiler.
    #[error(transparent)]
    Discover(#[from] DiscoverError),
    /// There is no such launcher.
    #[error(transparent)]
    Launcher(#[from] LauncherError),
    /// What is said of the object cache makes no sense.
    #[error(transparent)]
    CacheSetting(#[from] CacheSettingError),
    /// There is no place for temporary files.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// The header does not compile, as text either.
    #[error("the header {} does not compile: {failure}", header.display())]
    Header {
        /// The header.
        header: PathBuf,
        /// Why.
        failure: Box<UnitError>,
        /// What the user could do.
        hint: Option<&'static str>,
    },
    /// A file cannot be read, written, locked or renamed.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, in one word or two.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A thread of the worker's cannot be started.
    #[error("cannot start a thread: {0}")]
    NoThread(#[source] io::Error),
    /// A file given as a PCH is not one that this crate built.
    #[error("{} was not built by mjit-cc build-pch, or the record beside it is damaged, so that it is not known what the PCH was made of; name its header instead", .0.display())]
    UnknownPch(PathBuf),
    /// A PCH is wanted under a name that its compiler would not find it by.
    #[error("{}: a PCH of this compiler is called *.{suffix}", path.display())]
    PchName {
        /// The name.
        path: PathBuf,
        /// What it must end with.
        suffix: &'static str,
    },
    /// A header or a PCH that was named cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The compiler cannot do it.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// What was named as the host's import library is none.
    #[error(transparent)]
    ImportLibrary(#[from] ImportLibraryError),
    /// The compiler went away during the work.
    #[error("cannot start {}: {source}", program.display())]
    CompilerGone {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An engine was called in a process that has not opened the engine.
    #[error("the engine belongs to the process that this one was forked from: open another engine here")]
    OtherProcess,
    /// The work was interrupted.
    #[error("interrupted")]
    Interrupted,
}

impl From<Error> for UnitError {
    /// For the few errors that an output directory gives while a unit is put into it.
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
    /// For `map_err`: something done to a file failed.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    /// True if the machine is in the way, and no unit and no compiler is at fault.
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

    /// What the user could do, where that does not follow from the words.
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

    /// For `map_err`: a file that the user named is not there, or not to be read.
    pub(crate) fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Unreadable { path, source }
    }
}

/// What a process was started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// To compile.
    Compile,
    /// To link.
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

/// One unit (or header, or library) could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
    /// The file is no unit.
    #[error(transparent)]
    Read(#[from] UnitReadError),
    /// The compiler cannot do it.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The compiler or linker refused it.
    #[error("the {} failed ({exit})", phase.program())]
    Refused {
        /// Which of them.
        phase: Phase,
        /// How it ended.
        exit: Exit,
        /// Its own lines.
        output: String,
        /// The same as data.
        diagnostics: Vec<Diagnostic>,
    },
    /// The compiler or linker itself broke.
    #[error("the {} crashed ({exit})", phase.program())]
    Crashed {
        /// Which of them.
        phase: Phase,
        /// How it ended.
        exit: Exit,
        /// Its own lines.
        output: String,
    },
    /// The compiler or linker succeeded and left nothing.
    #[error("the {} succeeded and left no {}", phase.program(), path.display())]
    NoOutput {
        /// Which of them.
        phase: Phase,
        /// What should be there.
        path: PathBuf,
        /// Its own lines.
        output: String,
    },
    /// It was not done in time.
    #[error("the {} was not done after {} s and was ended", phase.program(), limit.as_secs_f64())]
    TimedOut {
        /// Which of them.
        phase: Phase,
        /// The time it had.
        limit: Duration,
        /// What it had said.
        output: String,
    },
    /// It had too much to say.
    #[error("the {} wrote more than {} of messages and was ended", phase.program(), Size(*limit))]
    Flooded {
        /// Which of them.
        phase: Phase,
        /// How many bytes are kept.
        limit: u64,
        /// The beginning of what it said.
        output: String,
    },
    /// The compiler could not be started.
    #[error("cannot start {}: {source}", program.display())]
    NotStarted {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be read, written or renamed.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, in one word or two.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The compiler succeeded and left no whole object.
    #[error(transparent)]
    Symbols(#[from] SymbolsError),
    /// The library was made and cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The library was made and calls a run-time library that it does not bring.
    #[error("its library calls {symbol} of {}, which the compiler does not link by itself", runtime.name)]
    NoRuntime {
        /// A function that the library leaves open.
        symbol: String,
        /// Whose function that is.
        runtime: &'static Runtime,
    },
    /// Another unit of the same library defines the same symbol.
    #[error("defines {symbol}, which {other} defines too")]
    DuplicateSymbol {
        /// The symbol.
        symbol: String,
        /// The unit that came first.
        other: String,
    },
    /// It compiled, but the library that it belongs to was not made.
    #[error("compiled, but not linked because another unit failed")]
    NotLinked,
    /// It compiled, but the linker refused the library that it belongs to; its words are told once.
    #[error("compiled, but its library could not be linked")]
    LinkFailed,
    /// The compiler went away before its turn came.
    #[error("not compiled because the compiler went away")]
    NoCompiler,
    /// What it stands behind is not there.
    #[error("not compiled because its header could not be made ready")]
    NoHeader,
    /// Its turn never came.
    #[error("not compiled because another unit failed")]
    Skipped,
    /// The work was interrupted.
    #[error("interrupted")]
    Interrupted,
    /// Something that concerns more than this unit.
    #[error(transparent)]
    Other(Box<Error>),
}

impl UnitError {
    /// For `map_err`: something done to a file failed.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { action, path, source }
    }

    /// The compiler's own lines, as it wrote them.
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

    /// Changes the names that the compiler used into the user's.
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

    /// True if the machine is in the way (a full disk, too many open files, a device that fails), and no unit is at fault.
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

    /// What the user could do, where that does not follow from the words.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::File { path, .. } if path.is_dir() => Some(DIRECTORY_IN_THE_WAY),
            Self::File { source, .. } | Self::NotStarted { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => Some("check the permissions of the file and its directory"),
                io::ErrorKind::NotFound => Some("it was there when this run began: was it removed or updated?"),
                _ => machine::hint(source),
            },
            Self::Symbols(SymbolsError::Io { source, .. }) | Self::Read(UnitReadError::Unreadable(source)) => {
                machine::hint(source)
            }
            Self::Crashed { exit: Exit::Signal(signal), .. } if machine::is_file_size_signal(*signal) => {
                Some(hints::FILE_SIZE)
            }
            Self::Other(error) => error.hint(),
            Self::Refused { output, .. } if output.trim().is_empty() => Some("it said nothing; -vv shows the command"),
            Self::Refused { output, .. } => hints::for_output(output),
            Self::Crashed { exit: Exit::Signal(9), .. } => {
                Some("it was killed: perhaps memory ran out; try a smaller -j")
            }
            Self::Crashed { .. } => {
                Some("try a lower -O, or another compiler with --cc; --save-temps keeps the source")
            }
            Self::NoOutput { .. } => Some("does a flag keep it from that? -vv shows the command"),
            Self::TimedOut { .. } => Some("give it more time with --timeout, or less to do with a lower -O"),
            Self::Flooded { .. } => Some("its first messages say most; --output-limit keeps more of them"),
            Self::NoRuntime { runtime, .. } => Some(runtime.help),
            Self::DuplicateSymbol { .. } => Some("rename one of them, or build without --compact"),
            Self::NotLinked | Self::Skipped => Some("use -k to build the others all the same"),
            _ => None,
        }
    }
}
