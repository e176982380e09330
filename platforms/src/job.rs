//! The jobs of a toolchain, and the flags that apply to all jobs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::link::Linker;

/// The optimisation level, named as in cc's flags.
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
    /// `-Os`: optimise for size.
    Os,
}

impl OptLevel {
    /// Parses the text after `-O`.
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

    /// Returns the level as gcc's flag.
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

/// The user's choices, the same for every job: a PCH accepts only units with the same code-generation flags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// Optimisation level.
    pub optimize: OptLevel,
    /// True for debug information.
    pub debug: bool,
    /// True if the compiler's warnings are enabled; they are usually useless for generated code.
    pub warnings: bool,
    /// Directories for `#include`, in order.
    pub includes: Vec<PathBuf>,
    /// Macro definitions, as `NAME` or `NAME=VALUE`.
    pub defines: Vec<OsString>,
    /// Further compiler flags, passed to every step in which they have a meaning. A plan refuses flags with which the compiler makes no
    /// library from a unit ([`PlanError::Flag`](crate::PlanError::Flag)).
    pub cflags: Vec<OsString>,
    /// Further arguments for the driver when it links, libraries included. Only the link gets them, because gcc's PCH and clang's
    /// warnings depend on them elsewhere (Ruby 88a37dc6, 8c7f4e8f).
    pub ldflags: Vec<OsString>,
    /// The host's import library, for Windows only: elsewhere the program that loads a library defines the open symbols. Only the link
    /// gets it, as `ldflags` (the libruby flag of Ruby's MJIT).
    pub host_library: Option<PathBuf>,
    /// The linker to use.
    pub linker: Linker,
}

/// A precompiled header on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pch {
    /// The header that was precompiled. MSVC names the header at every use.
    pub header: PathBuf,
    /// The precompiled file (`.gch`, `.pch`).
    pub file: PathBuf,
}

/// How the common header reaches a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header<'a> {
    /// The unit has no header.
    None,
    /// As text, compiled with each unit.
    Text(&'a Path),
    /// As a PCH.
    Pch(&'a Pch),
}

/// One request to a toolchain, answered with a [`Plan`](crate::Plan).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job<'a> {
    /// Precompiles a header.
    BuildPch {
        /// The path of the header and of the PCH.
        pch: &'a Pch,
        /// Where the compiler may write the list of files that it read.
        depfile: &'a Path,
    },
    /// Compiles a unit to an object.
    Compile {
        /// The unit's C, with the toolchain's prelude for [`Role::Object`](crate::Role::Object).
        source: &'a Path,
        /// The object to write.
        object: &'a Path,
        /// The unit's header.
        header: Header<'a>,
        /// The unit's directory, for `#include "…"`.
        quote_dir: Option<&'a Path>,
        /// Where the compiler may write the list of files that it read; `None` if the list is not needed.
        depfile: Option<&'a Path>,
    },
    /// Preprocesses a text with a header, with the `#define` and `#undef` lines in order (`-E -dD`).
    Preprocess {
        /// The C file.
        source: &'a Path,
        /// The header. For a PCH, the header that the PCH was made from, which must not have changed since.
        header: Header<'a>,
        /// The directory for `#include "…"`, as for a unit.
        quote_dir: Option<&'a Path>,
        /// The preprocessed text to write.
        text: &'a Path,
    },
    /// Links objects into one library.
    Link {
        /// The objects.
        objects: &'a [PathBuf],
        /// The library to write.
        library: &'a Path,
        /// The header of the objects' units: MSVC's PCH has an object, which the library needs.
        header: Header<'a>,
        /// Symbols to export, for platforms that export nothing by default.
        exports: &'a [String],
    },
    /// Compiles a unit to a library.
    CompileAndLink {
        /// The unit's C, with the toolchain's prelude for [`Role::Library`](crate::Role::Library).
        source: &'a Path,
        /// The library to write; intermediate files lie beside it.
        library: &'a Path,
        /// The unit's header.
        header: Header<'a>,
        /// The unit's directory, for `#include "…"`.
        quote_dir: Option<&'a Path>,
        /// Symbols to export, for platforms that export nothing by default.
        exports: &'a [String],
        /// Where the compiler may write the list of files that it read; `None` if the list is not needed.
        depfile: Option<&'a Path>,
    },
}
