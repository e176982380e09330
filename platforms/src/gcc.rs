//! GCC's differences within its command line, for every system that GCC makes libraries for.

use std::ffi::OsString;

use crate::Completion;
use crate::args::path_argument;
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
    /// `-nostdlib` and related flags are for the link, but gcc records them in a PCH: PCH and units get the same flags
    /// (Ruby 8c7f4e8f, b0a291f6).
    fn nostdlib_flags(compiler: &Compiler, flags: &Flags) -> Vec<&'static str> {
        let target = &compiler.target;
        let mut arguments = Vec::new();
        if gnu::links_default_files(compiler, flags) {
            return arguments;
        }
        if target.os != Os::OpenBsd {
            arguments.push("-nostartfiles");
        }
        if gnu::supports_nostdlib(target) {
            arguments.extend(["-nodefaultlibs", "-nostdlib"]);
        }
        arguments
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
        // -pipe: the assembler runs beside cc1 instead of after it, and no .s file is written.
        [&["-pipe"], gnu::pic(&compiler.target), &Self::nostdlib_flags(compiler, flags)].concat()
    }

    fn pch_build(&self) -> &'static [&'static str] {
        &[]
    }

    /// gcc looks for `NAME.gch` when it is told to read `NAME`, and silently reads `NAME` itself if the PCH does not fit. If no file
    /// `NAME` exists, a misfit is a fatal error; if the file exists, -Werror=invalid-pch makes the misfit an error, unless -w silences
    /// it (gcc's manual, "Using Precompiled Headers").
    fn pch_use(&self, pch: &Pch) -> Result<Vec<OsString>, PlanError> {
        if pch.file.extension().is_none_or(|suffix| suffix != "gch") {
            return Err(PlanError::Unsupported {
                toolchain: "gcc".to_owned(),
                what: "use a precompiled header whose name does not end in .gch",
                instead: "build the precompiled header under a name with that suffix",
            });
        }
        Ok([
            "-Winvalid-pch".into(),
            "-Werror=invalid-pch".into(),
            "-include".into(),
            path_argument(&pch.file.with_extension("")),
        ]
        .into())
    }

    fn includes_macro_files(&self) -> bool {
        true
    }

    /// cc1's last line of assembly says that no executable stack is needed, and only if cc1 found no error (`compile_file` in gcc's
    /// toplev.cc). After the line cc1 spends milliseconds on freeing memory, and the driver on its exit. With -pipe the
    /// assembler ends first.
    fn completion(&self) -> Completion {
        Completion::Section(".note.GNU-stack")
    }

    /// gcc maps the PCH privately and writes to all of it: a third of a tiny unit's compile time with Ruby's header.
    fn copies_pch(&self) -> bool {
        true
    }

    fn link(&self, compiler: &Compiler, flags: &Flags) -> Vec<&'static str> {
        let target = &compiler.target;
        [gnu::shared(target), gnu::pic(target), &Self::nostdlib_flags(compiler, flags)].concat()
    }

    /// libgcc has the functions that the compiler calls (128-bit division, big stack frames on MinGW), and is static.
    fn link_libraries(&self, compiler: &Compiler, flags: &Flags) -> &'static [&'static str] {
        if compiler.target.os == Os::Windows {
            mingw::GCC_LIBRARIES
        } else if gnu::links_default_files(compiler, flags) {
            &[]
        } else {
            &["-lgcc"]
        }
    }
}
