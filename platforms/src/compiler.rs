//! The identity of a compiler, as the probe found it. Does not know the compiler's flags, or how the compiler was found.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use crate::target::{Os, Target};

/// Compilers that share a command-line language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// GCC, including MinGW's gcc.
    Gcc,
    /// clang with gcc's command line, including Apple's clang.
    Clang,
    /// Microsoft's `cl`.
    Msvc,
    /// clang with `cl`'s command line.
    ClangCl,
    /// The Tiny C Compiler.
    Tcc,
}

impl Family {
    /// Every family and its name in options, probe answers and reports.
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
    /// Arguments that always come first: `-m32` of `CC="gcc -m32"`, clang's `--target=`.
    pub leading: Vec<OsString>,
    /// Environment variables beyond the inherited ones: `INCLUDE` and `LIB` for a cl that is not on `PATH`.
    pub env: Vec<(OsString, OsString)>,
    /// The family, which decides the command line.
    pub family: Family,
    /// Its release.
    pub version: Version,
    /// The release as the compiler prints it, such as `12.2.0` or `Debian Clang 14.0.6`.
    pub version_text: String,
    /// The system and processor that the compiler generates code for.
    pub target: Target,
    /// True if the compiler runs on another system than its target: then the target's headers, libraries and linker may be missing.
    pub foreign: bool,
}

impl Compiler {
    /// True if only the compiler's own files are available for the target's system: a clang for a system without cross-compilation
    /// packages in distributions (clang finds the packages for Linux and MinGW).
    pub(crate) fn lacks_target_system(&self) -> bool {
        self.foreign && matches!(self.target.os, Os::MacOs | Os::FreeBsd | Os::OpenBsd | Os::NetBsd)
    }
}

impl fmt::Display for Compiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} for {} ({})", self.family, self.version, self.target, self.program.display())
    }
}
