//! What users can do about the complaints that they meet most, by the compilers' and linkers' own words.

/// For a full disk, whoever noticed it.
pub const DISK_FULL: &str = "the disk is full: make room and run again; what was built is kept";

/// What a compiler or linker says in such a case, and what helps.
const KNOWN: [(&str, &str); 6] = [
    ("No space left on device", DISK_FULL),
    (
        "could not open 'msvcrt.lib'",
        "there is no Windows SDK: set LIB to one's folders, or do without by --ldflag=-NODEFAULTLIB",
    ),
    (
        "cannot open file 'msvcrt.lib'",
        "run from a Visual Studio prompt, or do without the C runtime by --ldflag=-NODEFAULTLIB",
    ),
    ("undefined reference to", "name the library that defines it with --ldflag"),
    ("undefined symbol", "name the library that defines it with --ldflag"),
    ("LNK2019", "name the library that defines it with --ldflag"),
];

/// What helps against what this output complains of.
#[must_use]
pub fn on(output: &str) -> Option<&'static str> {
    KNOWN.iter().find(|(words, _)| output.contains(words)).map(|&(_, advice)| advice)
}
