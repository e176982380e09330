//! clang's own words, behind gcc's command line.

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
pub(crate) struct Clang;

/// What OpenBSD's crtbeginS.o has for the stack protector, which is on there without being asked for: the loader fills the section
/// with random bytes.
const OPENBSD_GUARD: &str = "\
long __guard_local __attribute__((visibility(\"hidden\"), section(\".openbsd.randomdata\")));
";

/// Whether words say where the target's system lies.
fn names_sysroot<'a>(words: impl IntoIterator<Item = &'a OsString>) -> bool {
    words
        .into_iter()
        .filter_map(|word| word.to_str())
        .any(|word| ["--sysroot", "-isysroot"].iter().any(|flag| word.starts_with(flag)))
}

impl Dialect for Clang {
    fn pch_suffix(&self) -> Option<&'static str> {
        Some("pch")
    }

    fn response(&self) -> Syntax {
        Syntax::Gnu
    }

    fn code(&self, compiler: &Compiler, flags: &Flags) -> Vec<&'static str> {
        // The user's flags go with every step, and clang would complain of those that a step has no use for.
        let mut words = vec!["-Wno-unused-command-line-argument"];
        words.extend(gnu::pic(&compiler.target));
        if compiler.is_bare() && !names_sysroot(compiler.leading.iter().chain(&flags.cflags)) {
            // Or clang would read the headers of the system that it runs on. Its own, such as stdint.h, stay.
            words.push("-nostdlibinc");
        }
        words
    }

    fn pch_build(&self) -> &'static [&'static str] {
        // By default clang refuses a PCH once a header was touched, even with the same text (pytorch #162514); whoever reuses
        // a PCH compares the texts.
        &["-Xclang", "-fno-pch-timestamp"]
    }

    fn pch_use(&self, pch: &Pch) -> Result<Vec<OsString>, PlanError> {
        Ok(["-include-pch".into(), path_word(&pch.file)].into())
    }

    fn entry(&self, compiler: &Compiler) -> &'static str {
        match compiler.target.os {
            Os::Windows => mingw::ENTRY,
            Os::OpenBsd if compiler.is_bare() => OPENBSD_GUARD,
            _ => "",
        }
    }

    fn link(&self, compiler: &Compiler, flags: &Flags) -> Vec<&'static str> {
        let target = &compiler.target;
        let mut words = vec!["-Wno-unused-command-line-argument"];
        words.extend(gnu::shared(target));
        words.extend(gnu::pic(target));
        if (gnu::takes_nostdlib(target) && !gnu::links_plainly(compiler, flags)) || compiler.is_bare() {
            words.extend(["-nostartfiles", "-nodefaultlibs", "-nostdlib"]);
        }
        if compiler.is_bare() {
            // The linker called ld links for the system that it runs on; lld for every one.
            words.push("-fuse-ld=lld");
        }
        if target.is_pe() {
            // lld, since MinGW's ld need not be here; the entry is the prelude's. -static-libgcc: otherwise the library wants libgcc_s_seh-1.dll when it is loaded.
            words.extend(["-fuse-ld=lld", "-nostartfiles", "-static-libgcc"]);
        }
        words
    }

    /// It writes under another name (LLVM's `sys::fs::TempFile`) and spends its last milliseconds on tidying up.
    fn completion(&self) -> Completion {
        Completion::Renamed
    }

    /// What the compiler calls by itself: 128-bit division everywhere, every atomic on Arm. clang for Linux comes with gcc's
    /// library; elsewhere a cross compiler often has none, and a unit that needs one says so with a linker flag.
    fn link_libraries(&self, compiler: &Compiler, flags: &Flags) -> &'static [&'static str] {
        if compiler.target.os == Os::Linux && !gnu::links_plainly(compiler, flags) { &["-lgcc"] } else { &[] }
    }
}
