//! The Tiny C Compiler's own words: no PCH, no optimiser, milliseconds a unit.

use std::ffi::OsString;

use crate::gnu::{self, Dialect};
use crate::job::Pch;
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

    fn code(&self, _target: &Target) -> Vec<&'static str> {
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

    fn link(&self, target: &Target) -> Vec<&'static str> {
        let mut words = vec!["-shared"];
        if gnu::takes_nostdlib(target) {
            words.push("-nostdlib");
        }
        words
    }

    fn link_libraries(&self, _target: &Target) -> &'static [&'static str] {
        &[]
    }
}
