//! Flags of gcc and clang that affect a link: with such a flag the compiler's driver has to link. Knows no linker.

use std::ffi::OsString;

use super::{Flag, TAKES_VALUE, flags, language, text};

/// True if a driver may act on one of these flags when it links. A flag counts unless it is known to affect code generation,
/// diagnostics or the preprocessor only.
pub(crate) fn concern_link(arguments: &[OsString]) -> bool {
    flags(arguments).any(concerns_link)
}

fn concerns_link(flag: Flag<'_>) -> bool {
    /// `-f…` flags that affect code of other files, or add libraries that the code calls.
    const OF_F: [&str; 31] = [
        "-fcf-protection",
        "-fcs-profile",
        "-fcoverage",
        "-fcreate-profile",
        "-fembed-bitcode",
        "-fgnu-tm",
        "-fhardened",
        "-fhip",
        "-fmemory-profile",
        "-fms-",
        "-fmudflap",
        "-fno-lto",
        "-fno-profile",
        "-fno-sanitize",
        "-fobjc",
        "-foffload",
        "-fopenacc",
        "-fopenmp",
        "-fplugin",
        "-fprofile",
        "-fpseudo-probe",
        "-frtlib",
        "-fsanitize",
        "-fsplit-lto",
        "-fsplit-stack",
        "-fsycl",
        "-ftree-parallelize-loops",
        "-fuse-",
        "-fvtable-verify",
        "-fwhole-program",
        "-fxray",
    ];
    /// `-f…` flags that begin with a prefix above and affect code generation only.
    const OF_F_CODE: [&str; 4] =
        ["-fopenmp-simd", "-fprofile-partial-training", "-fprofile-reorder-functions", "-fsanitize-recover"];
    /// `-m…` flags that choose the kind of the library or its start-up files.
    const OF_M: [&str; 19] = [
        "-m16",
        "-m31",
        "-m32",
        "-m64",
        "-mabi",
        "-mandroid",
        "-mbionic",
        "-mbig-endian",
        "-mconsole",
        "-mdaz-ftz",
        "-mdll",
        "-mglibc",
        "-mlittle-endian",
        "-mmusl",
        "-mpc",
        "-mthreads",
        "-muclibc",
        "-mwindows",
        "-mx32",
    ];
    /// Flags for the preprocessor or the assembler, and flags that choose diagnostics.
    const HARMLESS: [&str; 36] = [
        "-D",
        "-I",
        "-MD",
        "-MF",
        "-MG",
        "-MMD",
        "-MP",
        "-MQ",
        "-MT",
        "-MV",
        "-O",
        "-U",
        "-W",
        "-Wa,",
        "-Wp,",
        "-Xassembler",
        "-Xclang",
        "-Xpreprocessor",
        "-ansi",
        "-g",
        "-idirafter",
        "-imacros",
        "-imultiarch",
        "-include",
        "-iprefix",
        "-iquote",
        "-isystem",
        "-iwithprefix",
        "-nostdinc",
        "-pedantic",
        "-pipe",
        "-std=",
        "-trigraphs",
        "-undef",
        "-w",
        "--param",
    ];
    if language(flag).is_some() {
        // The language of units, which is C; other languages are refused.
        return false;
    }
    let argument = text(flag);
    let begins = |list: &[&str]| list.iter().any(|prefix| argument.starts_with(prefix));
    if argument.is_empty()
        || argument.starts_with("-flto")
        || argument.starts_with("-Wl,")
        || argument == "-I-"
        || argument == "-pg"
    {
        return true;
    }
    if argument.starts_with("-f") {
        return begins(&OF_F) && !begins(&OF_F_CODE);
    }
    if argument.starts_with("-m") {
        return begins(&OF_M) || argument == "-m";
    }
    // A flag whose value is missing: the driver reports the error.
    let cut_short = flag.len() == 1 && TAKES_VALUE.contains(&argument);
    cut_short || argument.starts_with("-gz") || !begins(&HARMLESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(arguments: &[&str]) -> Vec<OsString> {
        arguments.iter().map(Into::into).collect()
    }

    #[test]
    fn words_that_make_other_code_leave_the_link_alone() {
        for arguments in [
            "-fno-plt",
            "-ffast-math",
            "-funroll-loops",
            "-fopenmp-simd",
            "-march=native",
            "-mavx2",
            "-msse4.2",
            "-mno-sse4",
            "-mtune=generic",
            "-std=gnu11",
            "-ansi",
            "-pedantic",
            "-DX=1",
            "-D X",
            "-U X",
            "-I dir",
            "-isystem dir",
            "-iquotedir",
            "-include config.h",
            "-imacros config.h",
            "-g",
            "-g3",
            "-ggdb",
            "-O2",
            "-w",
            "-Wall",
            "-Wextra",
            "-Werror=format",
            "-pipe",
            "-MMD",
            "-MF file",
            "-Wp,-DX",
            "-Wa,--noexecstack",
            "-Xclang -target-feature",
            "--param max-inline-insns-auto=40",
            "-fdiagnostics-color=always",
        ] {
            assert!(!concern_link(&owned(&arguments.split(' ').collect::<Vec<_>>())), "{arguments}");
        }
    }

    #[test]
    fn words_that_may_concern_the_link_go_to_the_driver() {
        for arguments in [
            "-flto",
            "-flto=thin",
            "-fsanitize=address",
            "-fno-sanitize=all",
            "-fopenmp",
            "-fopenacc",
            "-fgnu-tm",
            "-fsplit-stack",
            "-fprofile-generate",
            "-fprofile-instr-generate",
            "-fprofile-arcs",
            "--coverage",
            "-coverage",
            "-pg",
            "-pthread",
            "-m32",
            "-mabi=ms",
            "-Wl,-z,now",
            "-Xlinker -z",
            "-B/x",
            "-L/x",
            "-lm",
            "-T script",
            "-static",
            "-static-libgcc",
            "-shared-libgcc",
            "-fuse-ld=bfd",
            "-nostdlib",
            "-specs=x",
            "--sysroot=/x",
            "-target x",
            "-unheard-of",
            "x.o",
            "@words",
            "-D",
            "-I-",
            "-rdynamic",
        ] {
            assert!(concern_link(&owned(&arguments.split(' ').collect::<Vec<_>>())), "{arguments}");
        }
    }
}
