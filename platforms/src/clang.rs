//! clang's differences within gcc's command line.

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
pub(crate) struct Clang;

/// The stack protector's guard, which OpenBSD's crtbeginS.o defines; the stack protector is on by default there. The loader fills the
/// section with random bytes.
const OPENBSD_GUARD: &str = "\
long __guard_local __attribute__((visibility(\"hidden\"), section(\".openbsd.randomdata\")));
";

/// True if an argument sets the directory of the target's system.
fn names_sysroot<'a>(arguments: impl IntoIterator<Item = &'a OsString>) -> bool {
    arguments
        .into_iter()
        .filter_map(|argument| argument.to_str())
        .any(|argument| ["--sysroot", "-isysroot"].iter().any(|flag| argument.starts_with(flag)))
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
        let mut arguments = vec!["-Wno-unused-command-line-argument"];
        arguments.extend(gnu::pic(&compiler.target));
        if compiler.lacks_target_system() && !names_sysroot(compiler.leading.iter().chain(&flags.cflags)) {
            // Otherwise clang would read the headers of the build system. clang's own headers, such as stdint.h, stay.
            arguments.push("-nostdlibinc");
        }
        arguments
    }

    fn pch_build(&self) -> &'static [&'static str] {
        // By default clang refuses a PCH after a header was touched, even with the same text (pytorch #162514). The cache of PCHs
        // compares the texts instead.
        &["-Xclang", "-fno-pch-timestamp"]
    }

    fn pch_use(&self, pch: &Pch) -> Result<Vec<OsString>, PlanError> {
        Ok(["-include-pch".into(), path_argument(&pch.file)].into())
    }

    fn entry(&self, compiler: &Compiler) -> &'static str {
        match compiler.target.os {
            Os::Windows => mingw::ENTRY,
            Os::OpenBsd if compiler.lacks_target_system() => OPENBSD_GUARD,
            _ => "",
        }
    }

    fn link(&self, compiler: &Compiler, flags: &Flags) -> Vec<&'static str> {
        let target = &compiler.target;
        let mut arguments = vec!["-Wno-unused-command-line-argument"];
        arguments.extend(gnu::shared(target));
        arguments.extend(gnu::pic(target));
        if (gnu::supports_nostdlib(target) && !gnu::links_default_files(compiler, flags))
            || compiler.lacks_target_system()
        {
            arguments.extend(["-nostartfiles", "-nodefaultlibs", "-nostdlib"]);
        }
        if compiler.lacks_target_system() {
            // The linker named ld links for the build system only; lld links for every system.
            arguments.push("-fuse-ld=lld");
        }
        if target.is_pe() {
            // lld, since MinGW's ld may be missing; the prelude defines the entry point. Without -static-libgcc the library would need
            // libgcc_s_seh-1.dll when it is loaded.
            arguments.extend(["-fuse-ld=lld", "-nostartfiles", "-static-libgcc"]);
        }
        arguments
    }

    /// clang writes the object under a temporary name (LLVM's `sys::fs::TempFile`), and spends its last milliseconds on cleaning up.
    fn completion(&self) -> Completion {
        Completion::Renamed
    }

    /// The compiler's own calls: 128-bit division on every system, every atomic on Arm. clang for Linux comes with gcc's library; a cross
    /// compiler for another system often has none, and then a unit that needs the library names it with a linker flag.
    fn link_libraries(&self, compiler: &Compiler, flags: &Flags) -> &'static [&'static str] {
        if compiler.target.os == Os::Linux && !gnu::links_default_files(compiler, flags) { &["-lgcc"] } else { &[] }
    }
}
