//! What sets clang-cl apart from cl: here, and nowhere else. Does not know the jobs.

use std::path::PathBuf;

use crate::args::{Args, path_word};
use crate::compiler::{Compiler, Family};
use crate::job::{Flags, Pch};
use crate::link::Linker;
use crate::plan::TextFile;

/// Who speaks cl's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClFlavor {
    Cl,
    ClangCl,
}

/// How a header becomes a PCH.
pub(crate) struct PchSource {
    /// The words that name what is compiled, and say that a PCH comes of it.
    pub(crate) words: Args,
    /// The file to write for it, if any.
    pub(crate) write: Option<TextFile>,
}

impl ClFlavor {
    pub(crate) fn of(compiler: &Compiler) -> Self {
        if compiler.family == Family::ClangCl { Self::ClangCl } else { Self::Cl }
    }

    /// Words for every link.
    pub(crate) fn link(self) -> &'static [&'static str] {
        match self {
            Self::Cl => &[],
            // Or it would call link.exe, which only Windows has.
            Self::ClangCl => &["-fuse-ld=lld"],
        }
    }

    pub(crate) fn takes_linker(self, linker: Linker) -> bool {
        match linker {
            Linker::Auto | Linker::Driver => true,
            Linker::Lld => self == Self::ClangCl,
            Linker::Wild | Linker::Mold | Linker::Gold | Linker::Bfd => false,
        }
    }

    pub(crate) fn pch_source(self, flags: &Flags, pch: &Pch) -> PchSource {
        let mut words = Args::default();
        match self {
            // A PCH is made while a source is compiled; this one has nothing of its own. -FI and -Yc with the same words mark
            // the header's end as the PCH's, without an #include in the source.
            Self::Cl => {
                let path: PathBuf = pch.file.with_extension("pch.c");
                words.joined("-Yc", &pch.header).joined("-FI", &pch.header).joined("-Tc", path_word(&path));
                PchSource { words, write: Some(TextFile { path, text: "/* the header, precompiled */\n".to_owned() }) }
            }
            // clang's PCH names its source and wants it at every use: the header itself, which stays where it is.
            Self::ClangCl => {
                if flags.warnings {
                    // It reads it once more, for the object, where its guard is of no use, and would warn of that.
                    words.push_all(["-w"]);
                }
                words.push_all(["-Xclang", "-fno-pch-timestamp", "-Yc"]).joined("-Tc", path_word(&pch.header));
                PchSource { words, write: None }
            }
        }
    }
}
