//! Exit codes and what they mean. A promise: scripts read them.

use std::io;
use std::path::PathBuf;

use mjitcc::discover::{DiscoverError, LauncherError};
use mjitcc::{DIRECTORY_IN_THE_WAY, Error};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All good.
    Good,
    /// Some units, or their header, did not compile or cannot be read.
    UnitsFailed,
    /// The command line asks for something that makes no sense. clap's own.
    Usage,
    /// No working compiler.
    NoCompiler,
    /// The machine is in the way (a full disk, a directory that cannot be written to), or mjit-cc is at fault.
    Internal,
    /// Ctrl-C or another signal: 128 and its number, as shells have it.
    Interrupted,
}

/// The same for `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0    all good
  1    some units, or the header, did not compile or cannot be read
  2    the command line is wrong
  3    no working compiler
  4    the machine is in the way (disk full, directory not writable) or mjit-cc is at fault
  129  the terminal was closed (SIGHUP)
  130  interrupted
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

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// What the library says.
    #[error(transparent)]
    Work(#[from] Error),
    /// The words on the command line are well-formed and make no sense.
    #[error("{0}")]
    Usage(String),
    /// Standard output cannot be written to.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    /// Signals that end the tool cannot be waited for.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    /// A file that was named is not there.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl CliError {
    /// The code that the command ends with.
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
            // Whoever reads went away, as `head` does.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Good,
            Self::Output(_) | Self::Signals(_) => Exit::Internal,
            Self::Unreadable { .. } => Exit::UnitsFailed,
        }
    }

    /// The compiler's own lines, and what the user could do.
    pub(crate) fn details(&self) -> (&str, Option<&'static str>) {
        match self {
            Self::Work(error @ Error::Header { failure, .. }) => (failure.output(), error.hint()),
            Self::Work(Error::File { path, action, .. }) if *action == "write" && path.is_dir() => {
                ("", Some(DIRECTORY_IN_THE_WAY))
            }
            Self::Work(Error::CompilerGone { .. }) => {
                ("", Some("it answered when this run began: was it removed or updated?"))
            }
            Self::Work(error) => ("", error.hint()),
            _ => ("", None),
        }
    }
}
