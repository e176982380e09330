//! clang's differences within gcc's command line.

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

/// The stack protector's guard, which OpenBSD's crtbeginS.o defines; the stack protector is on by default there. The loader fills the
/// section with random bytes.
const OPENBSD_GUARD: &str = "\
long __guard_local __attribute__((visibility(\"hidden\"), section(\".openbsd.randomdata\")));
";

/// True if an argument sets the directory of the target's system.
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
        // Every step gets the user's flags, and clang would warn about flags that a step does not use.
        let mut words = vec!["-Wno-unused-command-line-argument"];
        words.extend(gnu::pic(&compiler.target));
        if compiler.is_bare() && !names_sysroot(compiler.leading.iter().chain(&flags.cflags)) {
            // Otherwise clang would read the headers of the build system. clang's own headers, such as stdint.h, stay.
            words.push("-nostdlibinc");
        }
        words
    }

    fn pch_build(&self) -> &'static [&'static str] {
        // By default clang refuses a PCH after a header was touched, even with the same text (pytorch #162514). The cache of PCHs
        // compares the texts instead.
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
            // The linker named ld links for the build system only; lld links for every system.
            words.push("-fuse-ld=lld");
        }
        if target.is_pe() {
            // lld, since MinGW's ld may be missing; the prelude defines the entry point. Without -static-libgcc the library would need
            // libgcc_s_seh-1.dll when it is loaded.
            words.extend(["-fuse-ld=lld", "-nostartfiles", "-static-libgcc"]);
        }
        words
    }

    /// clang writes the object under a temporary name (LLVM's `sys::fs::TempFile`), and spends its last milliseconds on cleaning up.
    fn completion(&self) -> Completion {
        Completion::Renamed
    }

    /// The compiler's own calls: 128-bit division on every system, every atomic on Arm. clang for Linux comes with gcc's library; a cross
    /// compiler for another system often has none, and then a unit that needs the library names it with a linker flag.
    fn link_libraries(&self, compiler: &Compiler, flags: &Flags) -> &'static [&'static str] {
        if compiler.target.os == Os::Linux && !gnu::links_plainly(compiler, flags) { &["-lgcc"] } else { &[] }
    }
}
