//! What can be asked of a toolchain: the jobs, and the flags that go with all of them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::link::Linker;

/// How hard the compiler tries. The names are cc's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OptLevel {
    /// `-O0`.
    O0,
    /// `-O1`.
    O1,
    /// `-O2`.
    O2,
    /// `-O3`.
    #[default]
    O3,
    /// For size.
    Os,
}

impl OptLevel {
    /// Reads what follows `-O`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "0" => Self::O0,
            "" | "1" => Self::O1,
            "2" => Self::O2,
            "3" => Self::O3,
            "s" => Self::Os,
            _ => return None,
        })
    }

    /// gcc's word for it.
    #[must_use]
    pub fn flag(self) -> &'static str {
        match self {
            Self::O0 => "-O0",
            Self::O1 => "-O1",
            Self::O2 => "-O2",
            Self::O3 => "-O3",
            Self::Os => "-Os",
        }
    }
}

/// What the user chose, the same for every job: a PCH accepts only units with the same code-generation flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Optimisation.
    pub optimize: OptLevel,
    /// Debug information.
    pub debug: bool,
    /// Whether the compiler's warnings are wanted; generated code seldom wants them.
    pub warnings: bool,
    /// Directories for `#include`.
    pub includes: Vec<PathBuf>,
    /// `NAME` or `NAME=VALUE`.
    pub defines: Vec<OsString>,
    /// Further words for the compiler, in every step that starts it, as far as they mean something there. A plan refuses those with which
    /// no library comes of a unit ([`PlanError::Flag`](crate::PlanError::Flag)).
    pub cflags: Vec<OsString>,
    /// Further words for the linker's driver, libraries among them; they are given at the link only, because gcc's
    /// PCH and clang's warnings mind them elsewhere (Ruby 88a37dc6, 8c7f4e8f).
    pub ldflags: Vec<OsString>,
    /// The host's import library, for Windows alone: elsewhere the program that loads a library fills in what is open. At the
    /// link only, as `ldflags` (the seed's libruby flag).
    pub host_library: Option<PathBuf>,
    /// Who links.
    pub linker: Linker,
}

/// A precompiled header as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pch {
    /// The header that was precompiled. MSVC names it again at every use.
    pub header: PathBuf,
    /// The precompiled file (`.gch`, `.pch`).
    pub file: PathBuf,
}

/// How the common header reaches a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header<'a> {
    /// There is none.
    None,
    /// As text, compiled anew with each unit.
    Text(&'a Path),
    /// Precompiled.
    Pch(&'a Pch),
}

/// One question to a toolchain, answered with a [`Plan`](crate::Plan).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job<'a> {
    /// Precompile a header.
    BuildPch {
        /// Where the header is and where the PCH goes.
        pch: &'a Pch,
        /// Where the compiler may write the list of files that it read.
        depfile: &'a Path,
    },
    /// Turn a unit into an object.
    Compile {
        /// The unit's C, with the toolchain's prelude for [`Role::Object`](crate::Role::Object).
        source: &'a Path,
        /// The object to make.
        object: &'a Path,
        /// The header it stands behind.
        header: Header<'a>,
        /// The unit's own folder, for its `#include "…"`.
        quote_dir: Option<&'a Path>,
        /// Where the compiler may write the list of files that it read; none where nobody wants to know.
        depfile: Option<&'a Path>,
    },
    /// Preprocess a text behind a header, with the `#define` and `#undef` lines in order (`-E -dD`).
    Preprocess {
        /// A C file.
        source: &'a Path,
        /// The header. Of a PCH, the header that the PCH was made from: it must not have changed since.
        header: Header<'a>,
        /// The directory that `#include "…"` starts from, as for a unit.
        quote_dir: Option<&'a Path>,
        /// The preprocessed text to make.
        text: &'a Path,
    },
    /// Turn objects into one library.
    Link {
        /// The objects.
        objects: &'a [PathBuf],
        /// The library to make.
        library: &'a Path,
        /// The header that the objects stand behind: MSVC's PCH has an object of its own.
        header: Header<'a>,
        /// Names to export, where the platform exports nothing by itself.
        exports: &'a [String],
    },
    /// Turn a unit into a library in one step.
    CompileAndLink {
        /// The unit's C, with the toolchain's prelude for [`Role::Library`](crate::Role::Library).
        source: &'a Path,
        /// The library to make; what falls by the way lies beside it.
        library: &'a Path,
        /// The header it stands behind.
        header: Header<'a>,
        /// The unit's own folder, for its `#include "…"`.
        quote_dir: Option<&'a Path>,
        /// Names to export, where the platform exports nothing by itself.
        exports: &'a [String],
        /// Where the compiler may write the list of files that it read; none where nobody wants to know.
        depfile: Option<&'a Path>,
    },
}
