//! Parses the linker command that gcc's and clang's drivers print for `-###`: the start-up files around the objects, and the
//! directories of libraries. Opens no file.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Stands for the objects in the query: drivers pass on the name of a library and search for no file.
pub(crate) const OBJECTS: &str = "-lmjit_cc_objects";

/// A driver's arguments for its linker, for a library of objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkLine {
    /// The start-up files before the objects, in order.
    pub start: Vec<PathBuf>,
    /// The start-up files after the objects, in order.
    pub end: Vec<PathBuf>,
    /// Archives that are named by path.
    pub archives: Vec<PathBuf>,
    /// Directories of libraries, in search order.
    pub dirs: Vec<PathBuf>,
    /// The root of the target's system, if not `/`.
    pub sysroot: Option<PathBuf>,
}

/// Parses a driver's output. Returns `None` if no line of the output is a link.
#[must_use]
pub(crate) fn read(output: &[u8]) -> Option<LinkLine> {
    let is_objects = |argument: &OsString| argument == OBJECTS;
    let arguments =
        output.split(|&byte| byte == b'\n').map(arguments).rfind(|arguments| arguments.iter().any(is_objects))?;
    let mut line = LinkLine::default();
    let mut behind = false;
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let Some(text) = argument.to_str() else { continue };
        let path = PathBuf::from(text);
        if is_objects(&argument) {
            behind = true;
        } else if text == "-o" {
            arguments.next();
        } else if text == "-L" {
            line.dirs.extend(arguments.next().map(PathBuf::from));
        } else if let Some(dir) = text.strip_prefix("-L") {
            line.dirs.push(dir.into());
        } else if let Some(dir) = text.strip_prefix("--sysroot=").filter(|dir| !dir.is_empty()) {
            line.sysroot = Some(dir.into());
        } else if text.starts_with('-') {
        } else if path.extension() == Some(OsStr::new("a")) {
            line.archives.push(path);
        } else if path.extension() == Some(OsStr::new("o")) {
            if behind { &mut line.end } else { &mut line.start }.push(path);
        }
    }
    Some(line)
}

/// Splits a line into arguments as gcc and clang quote them: in double quotes, with backslashes before a shell's special characters.
fn arguments(line: &[u8]) -> Vec<OsString> {
    let mut arguments = Vec::new();
    let mut argument: Option<Vec<u8>> = None;
    let mut quoted = false;
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                quoted = !quoted;
                argument.get_or_insert_default();
            }
            b' ' | b'\t' | b'\r' if !quoted => arguments.extend(argument.take()),
            b'\\' if quoted => argument.get_or_insert_default().extend(bytes.next()),
            byte => argument.get_or_insert_default().push(byte),
        }
    }
    arguments.extend(argument);
    // A pure crate has no portable way to build a path that is not UTF-8.
    arguments.into_iter().map(|argument| String::from_utf8_lossy(&argument).into_owned().into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(arguments: &[&str]) -> Vec<PathBuf> {
        arguments.iter().map(Into::into).collect()
    }

    #[test]
    fn gcc_quotes_some_words_and_says_more_behind_the_command() {
        let line = read(
            b"Target: x86_64-linux-gnu\nCOLLECT_GCC_OPTIONS='-shared'\n /g/collect2 -plugin /g/p.so \"-plugin-opt=-pass-through=-lc\" \
              -m elf_x86_64 \"--hash-style=gnu\" -shared /l/crti.o /g/crtbeginS.o -L/g \"-L/a \\\"b\" -lmjit_cc_objects -lgcc -lc \
              /g/crtendS.o /l/crtn.o\nCOLLECT_GCC_OPTIONS='-shared'\n",
        )
        .unwrap();
        assert_eq!(line.start, paths(&["/l/crti.o", "/g/crtbeginS.o"]));
        assert_eq!(line.end, paths(&["/g/crtendS.o", "/l/crtn.o"]));
        assert_eq!(line.dirs, paths(&["/g", "/a \"b"]));
        assert_eq!((line.archives, line.sysroot), (Vec::new(), None));
    }

    #[test]
    fn clang_quotes_every_word() {
        let line = read(
            b" \"/usr/bin/ld\" \"--sysroot=/s\" \"-o\" \"a.o\" \"/l/crti.o\" \"-L\" \"/l\" \"-lmjit_cc_objects\" \"/g/libgcc.a\"\n",
        )
        .unwrap();
        assert_eq!((line.start, line.end), (paths(&["/l/crti.o"]), Vec::new()));
        assert_eq!((line.dirs, line.archives), (paths(&["/l"]), paths(&["/g/libgcc.a"])));
        assert_eq!(line.sysroot, Some("/s".into()));
    }

    #[test]
    fn what_is_no_link_gives_nothing() {
        assert_eq!(read(b"clang: error: no input files\n"), None);
    }
}
