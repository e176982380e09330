//! What users can do about common errors of compilers and linkers, found by the text of the error.

/// For a full disk.
pub const DISK_FULL: &str = "the disk is full: make room and run again; what was built is kept";

/// For a limit on the size of files.
pub const FILE_SIZE: &str = "a file became larger than this user's limit: raise the limit (ulimit -f)";

/// For too many open files.
pub const DESCRIPTORS: &str =
    "too many files are open: raise the limit (ulimit -n), or end programs that hold many files open";

/// For exhausted memory.
pub const MEMORY: &str = "memory ran out: end other programs, or raise the limit (ulimit -v)";

/// For processes and threads that cannot be started.
pub const PROCESSES: &str = "the system starts no more processes: raise the limit (ulimit -u), or end other programs";

/// For a device that fails.
pub const DEVICE: &str = "the system could not read from or write to a device: look at its log, and check the disk";

/// Errors of compilers and linkers that report a problem of the machine.
const MACHINE: [(&str, &str); 11] = [
    ("No space left on device", DISK_FULL),
    ("Disk quota exceeded", DISK_FULL),
    ("File too large", FILE_SIZE),
    ("File size limit exceeded", FILE_SIZE),
    ("Too many open files", DESCRIPTORS),
    ("Cannot allocate memory", MEMORY),
    ("virtual memory exhausted", MEMORY),
    ("failed to map segment from shared object", MEMORY),
    ("required memory segment unavailable", MEMORY),
    ("Resource temporarily unavailable", PROCESSES),
    ("Input/output error", DEVICE),
];

/// For a clang without a linker for the target's system.
const NO_LLD: &str = "install lld, the linker for every system, in the same release as the compiler: lld, lld-19";

/// For a symbol that a Windows linker cannot find: on Windows every symbol needs a library.
const WINDOWS_SYMBOL: &str = "name the library that defines it with --ldflag, or the host's library with --host-library; declare a \
                              variable of the host with __declspec(dllimport)";

/// Errors of compilers and linkers, and what to do about each.
const KNOWN: [(&str, &str); 16] = [
    (
        "could not open 'msvcrt.lib'",
        "no Windows SDK was found: set LIB to the SDK's library folders, or link without the C runtime by --ldflag=-NODEFAULTLIB",
    ),
    (
        "cannot open file 'msvcrt.lib'",
        "run mjit-cc in a Visual Studio prompt, or link without the C runtime by --ldflag=-NODEFAULTLIB",
    ),
    ("invalid linker name in", NO_LLD),
    (
        "collect2: fatal error: cannot find 'ld'",
        "the linker is not installed: install the linker, or choose another with --linker",
    ),
    ("Executable \"lld-link\" doesn't exist", NO_LLD),
    (
        "unable to find library -lgcc",
        "this clang does not find MinGW's libgcc: name the folder that x86_64-w64-mingw32-gcc -print-libgcc-file-name prints \
         with --ldflag=-LDIR, or use a newer clang",
    ),
    (
        "libclang_rt.",
        "clang's run-time libraries are not installed: install the package of clang's release, such as libclang-rt-19-dev, or compiler-rt",
    ),
    (
        "cannot find -lomp",
        "clang's OpenMP library is not installed: install the package libomp-dev, libomp-19-dev or openmp",
    ),
    ("cannot find -l", "install the library's development package, or name the library's folder with --ldflag=-LDIR"),
    ("can't be auto-imported", "declare the host's variable with __declspec(dllimport), or leave auto-import on"),
    (
        "' file not found",
        "name the file's folder with -I; for another system's headers use --cflag=--sysroot=DIR, for Microsoft's headers set INCLUDE",
    ),
    ("undefined reference to", "name the library that defines it with --ldflag"),
    ("lld-link: error: undefined symbol", WINDOWS_SYMBOL),
    ("undefined symbol", "name the library that defines it with --ldflag"),
    ("LNK2019", WINDOWS_SYMBOL),
    ("LNK2001", WINDOWS_SYMBOL),
];

/// Returns what to do about an error in this output.
#[must_use]
pub fn for_output(output: &str) -> Option<&'static str> {
    MACHINE.iter().chain(&KNOWN).find(|(words, _)| output.contains(words)).map(|&(_, hint)| hint)
}

/// Returns what to do if an output reports a problem of the machine, and not of the compiled text. A unit may contain the same text:
/// only lines count that end with the text, and that no `#error` or `#warning` wrote.
#[must_use]
pub fn for_machine(output: &str) -> Option<&'static str> {
    let lines = || output.lines().filter(|line| !line.contains("#error") && !line.contains("#warning"));
    if lines().any(|line| line.contains("out of memory allocating ")) {
        return Some(MEMORY);
    }
    let ends = |words: &str| lines().any(|line| line.trim_end().trim_end_matches(['.', ')', ']']).ends_with(words));
    MACHINE.iter().find(|(words, _)| ends(words)).map(|&(_, hint)| hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_at_fault_only_where_a_compiler_says_so() {
        for (line, advice) in [
            ("/tmp/a.s: Fatal error: can't write 7 bytes: No space left on device", DISK_FULL),
            ("cc1: out of memory allocating 65536 bytes after a total of 8192 bytes", MEMORY),
            ("as: can't create u.o: Too many open files", DESCRIPTORS),
        ] {
            assert_eq!(for_machine(line), Some(advice), "{line}");
        }
        let own = "u.c:1:2: error: #error File too large\n    1 | #error File too large\n";
        assert_eq!(for_machine(own), None);
        assert_eq!(for_machine("u.c:1:5: error: unknown name 'Too many open files'"), None);
    }
}
