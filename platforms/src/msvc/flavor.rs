//! The differences between clang-cl and cl, all in this file. Does not know the jobs.

use std::path::PathBuf;

use crate::args::{Args, path_argument};
use crate::compiler::{Compiler, Family};
use crate::job::{Flags, Pch};
use crate::link::Linker;
use crate::plan::TextFile;

/// The compilers with cl's command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClFlavor {
    Cl,
    ClangCl,
}

/// The input of a PCH build.
pub(crate) struct PchSource {
    /// The arguments that name the source and request a PCH.
    pub(crate) arguments: Args,
    /// The source to write, if any.
    pub(crate) write: Option<TextFile>,
}

impl ClFlavor {
    pub(crate) fn of(compiler: &Compiler) -> Self {
        if compiler.family == Family::ClangCl { Self::ClangCl } else { Self::Cl }
    }

    /// Flags for every link.
    pub(crate) fn link(self) -> &'static [&'static str] {
        match self {
            Self::Cl => &[],
            // Otherwise clang-cl would call link.exe, which only Windows has.
            Self::ClangCl => &["-fuse-ld=lld"],
        }
    }

    pub(crate) fn supports_linker(self, linker: Linker) -> bool {
        match linker {
            Linker::Auto | Linker::Driver => true,
            Linker::Lld => self == Self::ClangCl,
            Linker::Wild | Linker::Mold | Linker::Gold | Linker::Bfd => false,
        }
    }

    pub(crate) fn pch_source(self, flags: &Flags, pch: &Pch) -> PchSource {
        let mut arguments = Args::default();
        match self {
            // cl makes a PCH while it compiles a source; this source is empty. -FI and -Yc with the same name end the PCH after the
            // header, without an #include in the source.
            Self::Cl => {
                let path: PathBuf = pch.file.with_extension("pch.c");
                arguments.joined("-Yc", &pch.header).joined("-FI", &pch.header).joined("-Tc", path_argument(&path));
                PchSource {
                    arguments,
                    write: Some(TextFile { path, text: "/* the header, precompiled */\n".to_owned() }),
                }
            }
            // clang's PCH names its source and needs it at every use: the header itself, which is not deleted.
            Self::ClangCl => {
                if flags.warnings {
                    // clang-cl reads the header a second time, for the object, ignores its include guard, and would warn about that.
                    arguments.push_all(["-w"]);
                }
                arguments.push_all(["-Xclang", "-fno-pch-timestamp", "-Yc"]).joined("-Tc", path_argument(&pch.header));
                PchSource { arguments, write: None }
            }
        }
    }
}
