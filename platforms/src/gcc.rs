//! GCC's own words, on every system that it makes libraries for.

use std::ffi::OsString;

use crate::Completion;
use crate::args::path_word;
use crate::compiler::Compiler;
use crate::gnu::{self, Dialect};
use crate::job::{Flags, Pch};
use crate::mingw;
use crate::plan::PlanError;
use crate::response::Syntax;
use crate::target::Os;

#[derive(Debug)]
pub(crate) struct Gcc;

impl Gcc {
    /// `-nostdlib` and its kin are words for the link, but gcc notes them in a PCH: PCH and units get the same ones
    /// (Ruby 8c7f4e8f, b0a291f6).
    fn detached(compiler: &Compiler, flags: &Flags) -> Vec<&'static str> {
        let target = &compiler.target;
        let mut words = Vec::new();
        if gnu::links_plainly(compiler, flags) {
            return words;
        }
        if target.os != Os::OpenBsd {
            words.push("-nostartfiles");
        }
        if gnu::takes_nostdlib(target) {
            words.extend(["-nodefaultlibs", "-nostdlib"]);
        }
        words
    }
}

impl Dialect for Gcc {
    fn pch_suffix(&self) -> Option<&'static str> {
        Some("gch")
    }

    fn response(&self) -> Syntax {
        Syntax::Gnu
    }

    fn code(&self, compiler: &Compiler, flags: &Flags) -> Vec<&'static str> {
        // -pipe: the assembler starts beside cc1 instead of after it, and no .s goes through the disk.
        [&["-pipe"], gnu::pic(&compiler.target), &Self::detached(compiler, flags)].concat()
    }

    fn pch_build(&self) -> &'static [&'static str] {
        &[]
    }

    /// gcc looks for `NAME.gch` wherever it is told to read `NAME`, and reads `NAME` itself without a word when the PCH does
    /// not fit. Where no file `NAME` exists a misfit is a fatal error; where one does, -Werror=invalid-pch makes it one, unless
    /// -w silences it (gcc's manual, "Using Precompiled Headers").
    fn pch_use(&self, pch: &Pch) -> Result<Vec<OsString>, PlanError> {
        if pch.file.extension().is_none_or(|suffix| suffix != "gch") {
            return Err(PlanError::Unsupported {
                toolchain: "gcc".to_owned(),
                what: "use a precompiled header whose name does not end in .gch",
                instead: "build it again under such a name",
            });
        }
        Ok([
            "-Winvalid-pch".into(),
            "-Werror=invalid-pch".into(),
            "-include".into(),
            path_word(&pch.file.with_extension("")),
        ]
        .into())
    }

    fn includes_macro_files(&self) -> bool {
        true
    }

    /// cc1 says as the last thing of all that no stack need be executable, and only where it found no error (`compile_file` in gcc's
    /// toplev.cc); then there are milliseconds left for giving its memory back, and the driver's own end. With -pipe the assembler ends first.
    fn completion(&self) -> Completion {
        Completion::Section(".note.GNU-stack")
    }

    /// Mapped privately, and written to from end to end: that was a third of what a tiny unit took behind Ruby's header.
    fn copies_pch(&self) -> bool {
        true
    }

    fn link(&self, compiler: &Compiler, flags: &Flags) -> Vec<&'static str> {
        let target = &compiler.target;
        [gnu::shared(target), gnu::pic(target), &Self::detached(compiler, flags)].concat()
    }

    /// libgcc has what the compiler calls by itself (128-bit division, big stack frames on MinGW) and is static.
    fn link_libraries(&self, compiler: &Compiler, flags: &Flags) -> &'static [&'static str] {
        if compiler.target.os == Os::Windows {
            mingw::GCC_LIBRARIES
        } else if gnu::links_plainly(compiler, flags) {
            &[]
        } else {
            &["-lgcc"]
        }
    }
}
