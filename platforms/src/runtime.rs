//! The run-time libraries that flags such as `-fsanitize=` make code call: which symbols belong to which library, and what to do if a
//! driver leaves such a library to the program, as clang does. Opens no file.

use std::ffi::OsString;

use crate::job::Flags;

/// A run-time library whose functions a compiler's code calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// The library's common name.
    pub name: &'static str,
    /// Prefixes of the functions' names.
    prefixes: &'static [&'static str],
    /// Prefixes of the file names of libraries with these functions.
    libraries: &'static [&'static str],
    /// What the user can do.
    pub help: &'static str,
}

/// For libraries that clang leaves to the program (its manual, "AddressSanitizer": the program links the run-time library).
const SANITIZER: &str = "add --cflag=-shared-libsan and --ldflag=-Wl,-rpath,DIR, with the folder that clang -print-runtime-dir names, so that the \
                         library brings it; or say --cflag=-static-libsan if the program that loads the library was linked with it";

const RUNTIMES: [Runtime; 11] = [
    Runtime {
        name: "AddressSanitizer",
        prefixes: &["__asan_", "__hwasan_"],
        libraries: &["libasan", "libhwasan", "libclang_rt.asan", "libclang_rt.hwasan"],
        help: SANITIZER,
    },
    Runtime {
        name: "UndefinedBehaviorSanitizer",
        prefixes: &["__ubsan_"],
        libraries: &["libubsan", "libclang_rt.ubsan", "libclang_rt.asan"],
        help: "add --cflag=-fsanitize-trap=undefined, which needs no library; or --cflag=-shared-libsan and --ldflag=-Wl,-rpath,DIR, with the \
               folder that clang -print-runtime-dir names; or --ldflag=-lubsan for gcc's; or say --cflag=-static-libsan if the \
               program that loads the library was linked with it",
    },
    Runtime {
        name: "ThreadSanitizer",
        prefixes: &["__tsan_"],
        libraries: &["libtsan", "libclang_rt.tsan"],
        help: SANITIZER,
    },
    Runtime { name: "MemorySanitizer", prefixes: &["__msan_"], libraries: &["libclang_rt.msan"], help: SANITIZER },
    Runtime {
        name: "another sanitizer",
        prefixes: &[
            "__sanitizer_",
            "__dfsan_",
            "__dfsw_",
            "__safestack_",
            "__cfi_",
            "__scudo_",
            "__memprof_",
            "__nsan_",
            "__rtsan_",
            "__tysan_",
        ],
        libraries: &["libasan", "libclang_rt.", "libtsan", "libubsan", "liblsan"],
        help: SANITIZER,
    },
    Runtime {
        name: "OpenMP's run-time library",
        prefixes: &["GOMP_", "omp_", "__kmpc_"],
        libraries: &["libgomp", "libomp", "libiomp5"],
        help: "add --ldflag=-fopenmp, or name the library with --ldflag (-lgomp, -lomp)",
    },
    Runtime {
        name: "OpenACC's run-time library",
        prefixes: &["GOACC_", "acc_"],
        libraries: &["libgomp"],
        help: "add --ldflag=-fopenacc, or name the library with --ldflag (-lgomp)",
    },
    Runtime {
        name: "the profiler's run-time library",
        prefixes: &["__gcov_", "__llvm_profile_", "__llvm_gcov_", "llvm_gcda_", "llvm_gcov_"],
        libraries: &["libclang_rt.profile"],
        help: "add the profiling flag to the link: --ldflag=--coverage, --ldflag=-fprofile-generate",
    },
    Runtime {
        name: "the transactional memory library",
        prefixes: &["_ITM_"],
        libraries: &["libitm"],
        help: "add --ldflag=-fgnu-tm, or name the library with --ldflag (-litm)",
    },
    Runtime {
        name: "XRay",
        prefixes: &["__xray_"],
        libraries: &["libclang_rt.xray"],
        help: "clang supports XRay in programs only: remove -fxray-instrument",
    },
    Runtime {
        name: "the split-stack library",
        prefixes: &["__morestack", "__splitstack_"],
        libraries: &[],
        help: "add --ldflag=-fsplit-stack",
    },
];

impl Runtime {
    /// Returns the run-time library that an open symbol belongs to, unless one of the needed libraries defines the symbol.
    pub fn missing(open: &str, needed: &[String]) -> Option<&'static Self> {
        let owner = RUNTIMES.iter().find(|one| one.prefixes.iter().any(|prefix| open.starts_with(prefix)))?;
        let has = |library: &String| owner.libraries.iter().any(|prefix| library.starts_with(prefix));
        (!needed.iter().any(has)).then_some(owner)
    }
}

/// True if flags make code call a run-time library, and do not say that the loading program contains it.
pub(crate) fn is_called(flags: &Flags) -> bool {
    const CALLS: [&str; 13] = [
        "--coverage",
        "-coverage",
        "-fcs-profile",
        "-fgnu-tm",
        "-finstrument-",
        "-fmemory-profile",
        "-fopenacc",
        "-fopenmp",
        "-fprofile",
        "-fsanitize",
        "-fsplit-stack",
        "-ftree-parallelize-loops",
        "-fxray",
    ];
    const ELSEWHERE: [&str; 5] =
        ["-static-libsan", "-static-libasan", "-fno-sanitize-link-runtime", "-nostdlib", "-nodefaultlibs"];
    let said = |arguments: &[OsString], list: &[&str]| {
        arguments
            .iter()
            .filter_map(|argument| argument.to_str())
            .any(|argument| list.iter().any(|one| argument.starts_with(one)))
    };
    said(&flags.cflags, &CALLS) && !said(&flags.cflags, &ELSEWHERE) && !said(&flags.ldflags, &ELSEWHERE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_has_the_names_of_those_that_it_needs() {
        let missing = |open: &str, needed: &str| Runtime::missing(open, &[needed.to_owned()]).map(|one| one.name);
        assert_eq!(missing("__asan_init", "libc.so.6"), Some("AddressSanitizer"));
        assert_eq!(missing("__asan_init", "libasan.so.8"), None);
        assert_eq!(missing("__ubsan_handle_add_overflow", "libclang_rt.asan-x86_64.so"), None);
        assert_eq!(missing("GOMP_parallel", "libc.so.6"), Some("OpenMP's run-time library"));
        assert_eq!(missing("memcpy", "libc.so.6"), None);
    }

    #[test]
    fn flags_say_who_calls_and_who_has_it() {
        let called = |arguments: &[&str]| {
            is_called(&Flags { cflags: arguments.iter().map(Into::into).collect(), ..Flags::default() })
        };
        assert!(called(&["-fsanitize=address"]) && called(&["--coverage"]));
        assert!(!called(&["-O2"]) && !called(&["-fsanitize=address", "-static-libsan"]));
    }
}
