//! The Tiny C Compiler's differences: no PCH, no optimiser, milliseconds per unit.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::compiler::Compiler;
use crate::depfile;
use crate::gnu::{self, Dialect};
use crate::job::{Flags, Pch};
use crate::plan::PlanError;
use crate::response::Syntax;
use crate::target::{Env, Os, Target};

#[derive(Debug)]
pub(crate) struct Tcc;

/// What gcc's `crtbeginS.o` does in libraries, and tcc links without: `atexit` functions of the library run, and are forgotten, when
/// the library is unloaded (Itanium C++ ABI, "DSO Object Destruction API"). Declared under names that no header declares.
const UNLOAD: &str = "\
extern char mjit_cc_library[] __asm__(\"__dso_handle\");
extern void mjit_cc_finalize(void *) __asm__(\"__cxa_finalize\");
static void __attribute__((destructor)) mjit_cc_unload(void)
{
    mjit_cc_finalize(mjit_cc_library);
}
";

impl Dialect for Tcc {
    fn pch_suffix(&self) -> Option<&'static str> {
        None
    }

    fn response(&self) -> Syntax {
        Syntax::Tcc
    }

    fn code(&self, _compiler: &Compiler, _flags: &Flags) -> Vec<&'static str> {
        // tcc's code is position-independent on every system that tcc makes libraries for.
        Vec::new()
    }

    fn pch_build(&self) -> &'static [&'static str] {
        &[]
    }

    fn pch_use(&self, _pch: &Pch) -> Result<Vec<OsString>, PlanError> {
        Err(PlanError::Unsupported {
            toolchain: "tcc".to_owned(),
            what: "use a precompiled header",
            instead: "compile the header with each unit as text",
        })
    }

    /// tcc has no -iquote.
    fn quote_dir(&self, dir: &OsStr) -> Vec<OsString> {
        let mut argument = OsString::from("-I");
        argument.push(dir);
        vec![argument]
    }

    fn dependencies(&self, depfile: &[u8]) -> Vec<PathBuf> {
        depfile::parse_lines(depfile)
    }

    /// On PE tcc links an entry point of its own, and knows no __stdcall without its headers.
    fn entry(&self, Compiler { target, .. }: &Compiler) -> &'static str {
        if target.os == Os::Linux && target.env == Env::Gnu { UNLOAD } else { "" }
    }

    fn is_worth_prestarting(&self) -> bool {
        false
    }

    fn has_dry_run(&self) -> bool {
        false
    }

    /// Half of tcc's time is its start. On PE the names to export must be given at a separate link.
    fn at_once(&self, target: &Target) -> bool {
        !target.is_pe()
    }

    fn supports_linkers(&self) -> bool {
        false
    }

    fn link(&self, compiler: &Compiler, flags: &Flags) -> Vec<&'static str> {
        let target = &compiler.target;
        let mut arguments = gnu::shared(target).to_vec();
        if gnu::supports_nostdlib(target) && !gnu::links_default_files(compiler, flags) {
            arguments.push("-nostdlib");
        }
        arguments
    }

    /// libtcc1 has the functions that the compiler calls (conversions of 64-bit integers); {B} is tcc's directory.
    fn link_libraries(&self, compiler: &Compiler, flags: &Flags) -> &'static [&'static str] {
        if gnu::supports_nostdlib(&compiler.target) && !gnu::links_default_files(compiler, flags) {
            &["-L{B}", "-ltcc1"]
        } else {
            &[]
        }
    }
}
