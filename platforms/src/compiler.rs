//! Which compiler stands behind a program's name, as the probe found it. Knows neither its flags nor
//! how it was found.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use crate::target::{Os, Target};

/// Compilers that hear the same language on their command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// GCC, MinGW's gcc among it.
    Gcc,
    /// clang with gcc's command line, Apple's among it.
    Clang,
    /// Microsoft's `cl`.
    Msvc,
    /// clang with `cl`'s command line.
    ClangCl,
    /// The Tiny C Compiler.
    Tcc,
}

impl Family {
    /// Every family and the name that options, the probe and reports give it.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("gcc", Self::Gcc),
        ("clang", Self::Clang),
        ("msvc", Self::Msvc),
        ("clang-cl", Self::ClangCl),
        ("tcc", Self::Tcc),
    ];

    /// Finds a family by its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(word, _)| *word == name).map(|&(_, family)| family)
    }

    /// The family's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, family)| *family == self).map_or("unknown", |(word, _)| word)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A compiler's release: major, minor, patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u32, pub u32, pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// A compiler that answered the probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler {
    /// The program to start.
    pub program: PathBuf,
    /// Words that always come first: `-m32` of `CC="gcc -m32"`, clang's `--target=`.
    pub leading: Vec<OsString>,
    /// Environment variables that it needs beyond what it inherits: `INCLUDE` and `LIB` of a cl that is not on `PATH`.
    pub env: Vec<(OsString, OsString)>,
    /// Whose command line it speaks.
    pub family: Family,
    /// Its release.
    pub version: Version,
    /// Its own full words for its release, such as `12.2.0` or `Debian Clang 14.0.6`.
    pub version_text: String,
    /// What it compiles for.
    pub target: Target,
    /// Whether it runs on another system than it compiles for: then that system's headers, libraries and linker are not simply
    /// there.
    pub foreign: bool,
}

impl Compiler {
    /// Whether nothing of its target's system is at hand but what the compiler brings: a clang for a system that one does not cross
    /// compile to with a distribution's packages (it knows where those for Linux and MinGW are).
    pub(crate) fn is_bare(&self) -> bool {
        self.foreign && matches!(self.target.os, Os::MacOs | Os::FreeBsd | Os::OpenBsd | Os::NetBsd)
    }
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} for {} ({})", self.family, self.version, self.target, self.program.display())
    }
}
