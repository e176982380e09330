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
const MACHINE: [(&str, &str); 9] = [
    ("No space left on device", DISK_FULL),
    ("Disk quota exceeded", DISK_FULL),
    ("File too large", FILE_SIZE),
    ("File size limit exceeded", FILE_SIZE),
    ("Too many open files", DESCRIPTORS),
    ("Cannot allocate memory", MEMORY),
    ("virtual memory exhausted", MEMORY),
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
pub fn on(output: &str) -> Option<&'static str> {
    MACHINE.iter().chain(&KNOWN).find(|(words, _)| output.contains(words)).map(|&(_, advice)| advice)
}

/// What helps where an output complains of the machine, and not of what was compiled. Units may be about such words, so that only what looks like a
/// compiler's own complaint counts: a line that ends with the words.
#[must_use]
pub fn on_machine(output: &str) -> Option<&'static str> {
    let ends =
        |words: &str| output.lines().any(|line| line.trim_end().trim_end_matches(['.', ')', ']']).ends_with(words));
    let exhausted = |words: &str| output.lines().any(|line| line.starts_with(words));
    MACHINE.iter().find(|(words, _)| ends(words) || exhausted(words)).map(|&(_, advice)| advice)
}
