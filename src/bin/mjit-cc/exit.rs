//! Exit codes and the errors of the command line. Exit codes are stable, since scripts read them.

use std::io;
use std::path::PathBuf;

use mjitcc::discover::{DiscoverError, LauncherError};
use mjitcc::error::{DIRECTORY_IN_THE_WAY, Error};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All units were built or are up to date.
    Good,
    /// Some units, or their header, did not compile or cannot be read.
    UnitsFailed,
    /// The command line is wrong. The same code as clap's.
    Usage,
    /// No compiler works.
    NoCompiler,
    /// The system failed (a full disk, a directory that is not writable), or mjit-cc has a bug.
    Internal,
    /// Ctrl-C or another signal: 128 plus the number of the signal, as in shells.
    Interrupted,
}

/// The exit codes as `--help` prints them.
pub(crate) const HELP: &str = "\
Exit codes:
  0    success
  1    a unit or the header cannot be read or does not compile
  2    wrong command line
  3    no working compiler
  4    a failure of the system (disk full, directory not writable) or a bug in mjit-cc
  129  hangup (SIGHUP)
  130  interrupted (SIGINT)
  143  terminated (SIGTERM)";

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Good => 0,
            Exit::UnitsFailed => 1,
            Exit::Usage => 2,
            Exit::NoCompiler => 3,
            Exit::Internal => 4,
            Exit::Interrupted => crate::signals::exit_code(),
        })
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// An error of the library.
    #[error(transparent)]
    Work(#[from] Error),
    /// The arguments are well-formed but wrong.
    #[error("{0}")]
    Usage(String),
    /// Standard output cannot be written to.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    /// The signal handlers cannot be installed.
    #[error("cannot handle signals: {0}")]
    Signals(io::Error),
    /// A file on the command line cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

impl CliError {
    /// Returns the exit code for this error.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Work(error) => match error {
                error if error.is_of_machine() => Exit::Internal,
                Error::Discover(DiscoverError::Interrupted) | Error::Interrupted => Exit::Interrupted,
                Error::Discover(DiscoverError::UnknownTarget(_))
                | Error::CacheSetting(_)
                | Error::Launcher(LauncherError::NoCommand(_))
                | Error::PchName { .. }
                | Error::UnknownPch(_)
                | Error::ImportLibrary(_)
                | Error::Plan(_) => Exit::Usage,
                Error::Discover(_) | Error::Launcher(_) | Error::CompilerGone { .. } => Exit::NoCompiler,
                Error::Header { .. } | Error::Unreadable { .. } => Exit::UnitsFailed,
                _ => Exit::Internal,
            },
            Self::Usage(_) => Exit::Usage,
            // The reader closed the pipe, as `head` does.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Good,
            Self::Output(_) | Self::Signals(_) => Exit::Internal,
            Self::Unreadable { .. } => Exit::UnitsFailed,
        }
    }

    /// Returns the compiler's output and a hint for the user.
    pub(crate) fn details(&self) -> (&str, Option<&'static str>) {
        match self {
            Self::Work(error @ Error::Header { failure, .. }) => (failure.output(), error.hint()),
            Self::Work(Error::File { path, action, .. }) if *action == "write" && path.is_dir() => {
                ("", Some(DIRECTORY_IN_THE_WAY))
            }
            Self::Work(Error::CompilerGone { .. }) => {
                ("", Some("the compiler worked when this run began: check whether it was removed or updated"))
            }
            Self::Work(error) => ("", error.hint()),
            _ => ("", None),
        }
    }
}
