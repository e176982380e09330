//! The answer of a toolchain: the processes to run and their files. Plain data; the caller runs it.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use crate::quote::shell_argument;
use crate::response::Syntax;

/// How to do a job: write `writes`, then run `steps` in order; afterwards `outputs` exist, `companions` may exist, and `leftovers`
/// can be deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Small files that the steps read.
    pub writes: Vec<TextFile>,
    /// The processes, one after the other.
    pub steps: Vec<Step>,
    /// The job's results.
    pub outputs: Vec<PathBuf>,
    /// Files that must be kept as long as an output (MSVC's PCH has an `.obj` and may have a `.pdb`).
    pub companions: Vec<PathBuf>,
    /// Files that are useless after the steps, in success and in failure.
    pub leftovers: Vec<PathBuf>,
}

/// A file to write before the steps run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFile {
    /// The path.
    pub path: PathBuf,
    /// The content.
    pub text: String,
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The program to start.
    pub program: PathBuf,
    /// Arguments that come first and never go into a response file: `--driver-mode=cl` decides how the file is read.
    pub leading: Vec<OsString>,
    /// The further arguments, unquoted.
    pub args: Vec<OsString>,
    /// Environment variables to set beyond the inherited ones.
    pub env: Vec<(OsString, OsString)>,
    /// The syntax of a response file, for a command line that is too long for the host.
    pub response: Syntax,
}

/// Formats the step as a POSIX shell command.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shell_argument(self.program.as_os_str()))?;
        self.leading.iter().chain(&self.args).try_for_each(|word| write!(f, " {}", shell_argument(word)))
    }
}

/// A job that the toolchain or its platform cannot do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The toolchain has no such feature.
    #[error("{toolchain} cannot {what}: {instead}")]
    Unsupported {
        /// Family and target of the compiler.
        toolchain: String,
        /// The requested feature.
        what: &'static str,
        /// What the user can do instead.
        instead: &'static str,
    },
    /// A user's flag keeps the compiler from making the requested output.
    #[error("the flag {flag} cannot be used: {why}")]
    Flag {
        /// The flag, with its value if any.
        flag: String,
        /// What the flag would do, or what to do instead.
        why: &'static str,
    },
}
