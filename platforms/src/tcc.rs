//! The Tiny C Compiler's own words: no PCH, no optimiser, milliseconds a unit.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::compiler::Compiler;
use crate::depfile;
use crate::gnu::{self, Dialect};
use crate::job::{Flags, Pch};
use crate::plan::PlanError;
use crate::response::Syntax;
use crate::target::Target;

#[derive(Debug)]
pub(crate) struct Tcc;

impl Dialect for Tcc {
    fn pch_suffix(&self) -> Option<&'static str> {
        None
    }

    fn response(&self) -> Syntax {
        Syntax::Tcc
    }

    fn code(&self, _compiler: &Compiler, _flags: &Flags) -> Vec<&'static str> {
        // Its code is position-independent wherever it makes libraries.
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
        let mut word = OsString::from("-I");
        word.push(dir);
        vec![word]
    }

    fn dependencies(&self, depfile: &[u8]) -> Vec<PathBuf> {
        depfile::parse_lines(depfile)
    }

    /// tcc links an entry of its own, and knows no __stdcall without its headers.
    fn entry(&self, _compiler: &Compiler) -> &'static str {
        ""
    }

    fn waits(&self) -> bool {
        false
    }

    fn tells_commands(&self) -> bool {
        false
    }

    /// Half of what it takes is its start. On PE what a library exports has to be said at a link of its own.
    fn at_once(&self, target: &Target) -> bool {
        !target.is_pe()
    }

    fn takes_linkers(&self) -> bool {
        false
    }

    fn link(&self, Compiler { target, .. }: &Compiler) -> Vec<&'static str> {
        let mut words = gnu::shared(target).to_vec();
        if gnu::takes_nostdlib(target) {
            words.push("-nostdlib");
        }
        words
    }

    /// libtcc1 has what the compiler calls by itself (conversions of 64-bit integers); {B} is tcc's own folder.
    fn link_libraries(&self, target: &Target) -> &'static [&'static str] {
        if gnu::takes_nostdlib(target) { &["-L{B}", "-ltcc1"] } else { &[] }
    }
}
