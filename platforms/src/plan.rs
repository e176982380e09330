//! What a toolchain answers: the processes to run and the files that come of them. Plain data; running it is
//! somebody else's work.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use crate::quote::shell_word;
use crate::response::Syntax;

/// How a job is done: in order, write `writes`, run `steps`; then `outputs` are there, `companions` may be, and
/// `leftovers` can go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Small files that the steps read.
    pub writes: Vec<TextFile>,
    /// The processes, one after the other.
    pub steps: Vec<Step>,
    /// What the job is for.
    pub outputs: Vec<PathBuf>,
    /// Files that an output needs for as long as it lives (MSVC's PCH has an `.obj` and may have a `.pdb`).
    pub companions: Vec<PathBuf>,
    /// Files that nobody needs once the steps are through, in success and in failure.
    pub leftovers: Vec<PathBuf>,
}

/// A file to write before the steps run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFile {
    /// Where.
    pub path: PathBuf,
    /// What.
    pub text: String,
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The program to start.
    pub program: PathBuf,
    /// Words that come before all others, and never go through a response file: `--driver-mode=cl` decides how that is read.
    pub leading: Vec<OsString>,
    /// Its further arguments, unquoted.
    pub args: Vec<OsString>,
    /// Environment variables to set for it, beyond what it inherits.
    pub env: Vec<(OsString, OsString)>,
    /// How a command line that is too long for the host goes through a file.
    pub response: Syntax,
}

/// As a line that a POSIX shell would run.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shell_word(self.program.as_os_str()))?;
        self.leading.iter().chain(&self.args).try_for_each(|word| write!(f, " {}", shell_word(word)))
    }
}

/// A job that the toolchain or its platform cannot do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It has no such feature.
    #[error("{toolchain} cannot {what}: {instead}")]
    Unsupported {
        /// Family and target.
        toolchain: String,
        /// What was asked.
        what: &'static str,
        /// What the user can do.
        instead: &'static str,
    },
    /// A flag of the user's keeps the compiler from making what is asked for.
    #[error("the flag {flag} cannot be used: {why}")]
    Flag {
        /// The flag, with its value if any.
        flag: String,
        /// What it would do, or what to do instead.
        why: &'static str,
    },
}
