//! What users can do about the complaints that they meet most, by the compilers' and linkers' own words.

/// For a full disk, whoever noticed it.
pub const DISK_FULL: &str = "the disk is full: make room and run again; what was built is kept";

/// For a limit on the size of files.
pub const FILE_SIZE: &str = "a file became larger than this user's limit: raise the limit (ulimit -f)";

/// For too many open files.
pub const DESCRIPTORS: &str =
    "too many files are open: raise the limit (ulimit -n), or end programs that hold many files open";

/// For memory that ran out.
pub const MEMORY: &str = "memory ran out: end other programs, or raise the limit (ulimit -v)";

/// For processes and threads that cannot be started.
pub const PROCESSES: &str = "the system starts no more processes: raise the limit (ulimit -u), or end other programs";

/// For a device that fails.
pub const DEVICE: &str = "the system could not read from or write to a device: look at its log, and check the disk";

/// What compilers and linkers say where the machine is in their way.
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

/// For a clang that has no linker for other systems.
const NO_LLD: &str = "install lld, the linker that links for every system, in the compiler's release: lld, lld-19";

/// For a symbol that a Windows linker misses: there everything needs a library.
const WINDOWS_SYMBOL: &str = "name the library that defines it with --ldflag, the host's with --host-library; a variable of \
                              the host's is declared with __declspec(dllimport)";

/// What a compiler or linker says in such a case, and what helps.
const KNOWN: [(&str, &str); 16] = [
    (
        "could not open 'msvcrt.lib'",
        "there is no Windows SDK: set LIB to one's folders, or do without by --ldflag=-NODEFAULTLIB",
    ),
    (
        "cannot open file 'msvcrt.lib'",
        "run from a Visual Studio prompt, or do without the C runtime by --ldflag=-NODEFAULTLIB",
    ),
    ("invalid linker name in", NO_LLD),
    ("collect2: fatal error: cannot find 'ld'", "the linker is not there: install it, or choose another with --linker"),
    ("Executable \"lld-link\" doesn't exist", NO_LLD),
    (
        "unable to find library -lgcc",
        "this clang does not find MinGW's libgcc: name the folder that x86_64-w64-mingw32-gcc -print-libgcc-file-name tells \
         with --ldflag=-LDIR, or take a newer clang",
    ),
    (
        "libclang_rt.",
        "clang's run-time libraries are not installed: their package is called after clang's, as libclang-rt-19-dev, or compiler-rt",
    ),
    (
        "cannot find -lomp",
        "clang's OpenMP library is not installed: its package is called libomp-dev, or libomp-19-dev, or openmp",
    ),
    (
        "cannot find -l",
        "install the library's package for developers, or name the library's folder with --ldflag=-LDIR",
    ),
    ("can't be auto-imported", "declare the host's variable with __declspec(dllimport), or leave auto-import on"),
    (
        "' file not found",
        "name its folder with -I; another system's headers are looked for where --cflag=--sysroot=DIR says, Microsoft's where INCLUDE does",
    ),
    ("undefined reference to", "name the library that defines it with --ldflag"),
    ("lld-link: error: undefined symbol", WINDOWS_SYMBOL),
    ("undefined symbol", "name the library that defines it with --ldflag"),
    ("LNK2019", WINDOWS_SYMBOL),
    ("LNK2001", WINDOWS_SYMBOL),
];

/// What helps against what this output complains of.
#[must_use]
pub fn for_output(output: &str) -> Option<&'static str> {
    MACHINE.iter().chain(&KNOWN).find(|(words, _)| output.contains(words)).map(|&(_, hint)| hint)
}

/// What helps where an output complains of the machine, and not of what was compiled. A unit may have such words itself, so that only a line counts that
/// ends with the words, and that no directive of the unit's has written.
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
