//! clang's own words, behind gcc's command line.

use std::ffi::OsString;

use crate::gnu::{self, Dialect};
use crate::job::Pch;
use crate::plan::PlanError;
use crate::response::Syntax;
use crate::target::{Os, Target};
use crate::words::path_word;

#[derive(Debug)]
pub(crate) struct Clang;

impl Dialect for Clang {
    fn pch_suffix(&self) -> Option<&'static str> {
        Some("pch")
    }

    fn response(&self) -> Syntax {
        Syntax::Gnu
    }

    fn code(&self, target: &Target) -> Vec<&'static str> {
        // The user's flags go with every step, and clang would complain of those that a step has no use for.
        [&["-Wno-unused-command-line-argument"], gnu::pic(target)].concat()
    }

    fn pch_build(&self) -> &'static [&'static str] {
        // By default clang refuses a PCH once a header was touched, even with the same text (pytorch #162514); whoever reuses
        // a PCH compares the texts.
        &["-Xclang", "-fno-pch-timestamp"]
    }

    fn pch_use(&self, pch: &Pch) -> Result<Vec<OsString>, PlanError> {
        Ok(["-include-pch".into(), path_word(&pch.file)].into())
    }

    fn link(&self, target: &Target) -> Vec<&'static str> {
        let mut words = vec!["-Wno-unused-command-line-argument"];
        words.extend(gnu::shared(target));
        words.extend(gnu::pic(target));
        if gnu::takes_nostdlib(target) {
            words.extend(["-nostartfiles", "-nodefaultlibs", "-nostdlib"]);
        }
        if target.is_pe() {
            // lld, since MinGW's ld need not be here; the entry is the prelude's. -static-libgcc: otherwise the library wants libgcc_s_seh-1.dll when it is loaded.
            words.extend(["-fuse-ld=lld", "-nostartfiles", "-static-libgcc"]);
        }
        words
    }

    /// What the compiler calls by itself: 128-bit division everywhere, every atomic on Arm. clang for Linux comes with gcc's
    /// library; elsewhere a cross compiler often has none, and a unit that needs one says so with a linker flag.
    fn link_libraries(&self, target: &Target) -> &'static [&'static str] {
        if target.os == Os::Linux { &["-lgcc"] } else { &[] }
    }
}
