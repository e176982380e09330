//! Expands response files in the user's flags: `@FILE` is replaced by the arguments in the file, so that every flag is checked. A file that
//! two compilers would read differently is left to the compiler. Knows no flag.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mjit_cc_platforms::response::Syntax;

use crate::files;

/// The nesting limit of response files.
const DEPTH: usize = 16;

/// Returns the arguments, with those of response files in their places.
pub(crate) fn expanded(arguments: Vec<OsString>, syntax: Syntax) -> Vec<OsString> {
    if syntax != Syntax::Gnu {
        return arguments;
    }
    arguments.into_iter().flat_map(|argument| read(&argument, DEPTH).unwrap_or_else(|| vec![argument])).collect()
}

/// Returns the arguments in a response file; `None` if the argument names no file, or compilers may read the file differently.
fn read(argument: &OsString, depth: usize) -> Option<Vec<OsString>> {
    let file = argument.to_str()?.strip_prefix('@')?;
    let text = files::read_to_string(Path::new(file)).ok()?;
    if depth == 0 {
        return None;
    }
    let arguments = split(&text)?.into_iter().map(OsString::from);
    // If one nested file cannot be expanded, the compiler reads all of them.
    let all = arguments.map(|argument| {
        let names_file = argument
            .to_str()
            .and_then(|argument| argument.strip_prefix('@'))
            .is_some_and(|file| fs::metadata(file).is_ok());
        if names_file { read(&argument, depth - 1) } else { Some(vec![argument]) }
    });
    Some(all.collect::<Option<Vec<_>>>()?.concat())
}

/// Returns the first response file that exists and is not regular, including nested response files.
pub(crate) fn not_regular<'w>(arguments: impl IntoIterator<Item = &'w OsString>) -> Option<(PathBuf, io::Error)> {
    arguments.into_iter().find_map(|argument| why_not(argument, DEPTH))
}

fn why_not(argument: &OsString, depth: usize) -> Option<(PathBuf, io::Error)> {
    let path = Path::new(argument.to_str()?.strip_prefix('@')?);
    match files::check(path) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Some((path.to_owned(), error)),
        Err(_) => return None,
        Ok(()) => {}
    }
    let text = files::read_to_string(path).ok().filter(|_| depth > 0)?;
    text.split_whitespace().find_map(|argument| why_not(&argument.into(), depth - 1))
}

/// Splits a text where libiberty's `buildargv` and LLVM's `TokenizeGNUCommandLine` agree; `None` if they, or releases of one of them,
/// differ.
pub(crate) fn split(text: &str) -> Option<Vec<String>> {
    if text.contains(['\0', '\x0b', '\x0c', '\u{feff}']) {
        return None;
    }
    let mut arguments = Vec::new();
    let mut argument: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', Some(_)) => return None,
            ('\\', None) => {
                argument.get_or_insert_default().push(chars.next().filter(|next| !matches!(next, '\n' | '\r'))?)
            }
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                argument.get_or_insert_default();
                quote = Some(c);
            }
            (' ' | '\t' | '\r' | '\n', None) => arguments.extend(argument.take()),
            (c, _) => argument.get_or_insert_default().push(c),
        }
    }
    arguments.extend(argument);
    let whole = quote.is_none() && arguments.iter().all(|argument| !argument.is_empty());
    whole.then_some(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_every_compiler_reads_alike() {
        let arguments = split("-DX=1  '-DY=a b'\n-D\"Z\"=\\\"q\\\" @more\r\n").unwrap();
        assert_eq!(arguments, ["-DX=1", "-DY=a b", "-DZ=\"q\"", "@more"]);
        for text in ["'a\\b'", "\"a\\\"b\"", "''", "'open", "a\\\n"] {
            assert_eq!(split(text), None, "{text}");
        }
    }

    #[test]
    #[cfg_attr(windows, ignore = "a path there has backslashes, which such a file has to escape")]
    fn files_name_files() {
        let dir = tempfile::tempdir().unwrap();
        let (outer, inner) = (dir.path().join("outer"), dir.path().join("inner"));
        fs::write(&inner, "-DB -DC").unwrap();
        fs::write(&outer, format!("-DA @{} @{}/none", inner.display(), dir.path().display())).unwrap();
        let given = || vec![OsString::from("-O1"), format!("@{}", outer.display()).into()];
        let none = format!("@{}/none", dir.path().display());
        assert_eq!(expanded(given(), Syntax::Gnu), ["-O1", "-DA", "-DB", "-DC", &none].map(OsString::from));
        assert_eq!(expanded(given(), Syntax::Tcc), given());
        fs::write(&inner, format!("@{}", outer.display())).unwrap();
        assert_eq!(expanded(given(), Syntax::Gnu), given());
    }
}
