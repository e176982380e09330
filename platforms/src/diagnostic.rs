//! Parses compilers' diagnostics into data. The input may contain colours.

use std::fmt;

/// The severity of a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Belongs to the diagnostic before it.
    Note,
    /// The compiler produced code.
    Warning,
    /// The compiler produced no code.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One message of a compiler or linker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, as the compiler names it; empty if the message names no file.
    pub file: String,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1, in bytes.
    pub column: Option<u32>,
    /// The severity.
    pub severity: Severity,
    /// The message, without position and severity.
    pub text: String,
}

/// True if a compiler's output reports a crash of the compiler itself: gcc's driver, clang's driver, cl.
#[must_use]
pub fn reports_crash(output: &[u8]) -> bool {
    let text = String::from_utf8_lossy(output);
    let marks =
        ["internal compiler error", " signal terminated program ", "frontend command failed", "fatal error C1001:"];
    marks.iter().any(|mark| text.contains(mark))
}

/// Parses gcc's, clang's and tcc's form: `FILE:LINE[:COLUMN]: [fatal] error|warning|note: TEXT`. The linker's lines have no
/// severity; the driver's `PROGRAM: error: …` have no line.
#[must_use]
pub(crate) fn gnu(output: &[u8]) -> Vec<Diagnostic> {
    strip_terminal_sequences(output).lines().filter_map(gnu_line).collect()
}

/// Removes terminal sequences (ECMA-48): colours, and gcc's links (`-fdiagnostics-urls`), which end with a bell or a backslash.
fn strip_terminal_sequences(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let mut rest = &*text;
    let mut plain = String::new();
    while let Some((before, sequence)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        let end = match sequence.as_bytes().first() {
            Some(b'[') => sequence[1..].find(|letter: char| ('@'..='~').contains(&letter)).map(|at| at + 2),
            Some(b']') => {
                sequence.find('\u{7}').map(|at| at + 1).or_else(|| sequence.find("\u{1b}\\").map(|at| at + 2))
            }
            Some(byte) if byte.is_ascii() => Some(1),
            _ => Some(0),
        };
        rest = end.map_or("", |end| &sequence[end..]);
    }
    plain + rest
}

fn gnu_line(line: &str) -> Option<Diagnostic> {
    const MARKS: [(&str, Severity); 7] = [
        (": fatal error: ", Severity::Error),
        (": internal compiler error: ", Severity::Error),
        (": sorry, unimplemented: ", Severity::Error),
        (": error: ", Severity::Error),
        (": warning: ", Severity::Warning),
        (": note: ", Severity::Note),
        (": undefined reference to ", Severity::Error),
    ];
    let (at, mark, severity) = MARKS
        .iter()
        .filter_map(|&(mark, severity)| line.find(mark).map(|at| (at, mark, severity)))
        .min_by_key(|&(at, ..)| at)?;
    let (file, line_number, column) = split_position(&line[..at]);
    let kept = match mark {
        ": internal compiler error: " | ": undefined reference to " => &line[at + 2..],
        _ => &line[at + mark.len()..],
    };
    Some(Diagnostic { file, line: line_number, column, severity, text: kept.to_owned() })
}

/// Splits `FILE[:LINE[:COLUMN]]`. Numbers are parsed from the right, so that `C:\a.c:3` keeps its drive.
fn split_position(position: &str) -> (String, Option<u32>, Option<u32>) {
    let mut file = position;
    let mut numbers = Vec::new();
    while numbers.len() < 2 {
        let Some((rest, number)) = file.rsplit_once(':') else { break };
        let Ok(number) = number.parse() else { break };
        numbers.push(number);
        file = rest;
    }
    let column = (numbers.len() == 2).then(|| numbers[0]);
    (file.to_owned(), numbers.last().copied(), column)
}

/// Parses cl's form: `FILE(LINE[,COLUMN]): [fatal] error CODE: TEXT`, `FILE : fatal error LNK1120: TEXT`, and lld-link's
/// `lld-link: error: TEXT`.
#[must_use]
pub(crate) fn msvc(output: &[u8]) -> Vec<Diagnostic> {
    strip_terminal_sequences(output).lines().filter_map(|line| msvc_line(line).or_else(|| gnu_line(line))).collect()
}

fn msvc_line(line: &str) -> Option<Diagnostic> {
    const MARKS: [(&str, Severity); 4] = [
        ("fatal error", Severity::Error),
        ("error", Severity::Error),
        ("warning", Severity::Warning),
        ("note", Severity::Note),
    ];
    let (at, word, severity) = MARKS
        .iter()
        .flat_map(|&(word, severity)| {
            [format!("): {word}"), format!(" : {word}")].into_iter().map(move |mark| (mark, word, severity))
        })
        .filter_map(|(mark, word, severity)| line.find(&mark).map(|at| (at, word, severity)))
        .min_by_key(|&(at, ..)| at)?;
    let text = line[at + 3 + word.len()..].trim_start_matches(':').trim_start();
    let before = line[..=at].trim_end();
    let (file, numbers) = match before.strip_suffix(')').and_then(|open| open.rsplit_once('(')) {
        Some((file, numbers)) => (file, numbers),
        None => (before, ""),
    };
    let mut numbers = numbers.split(',').map(|number| number.trim().parse().ok());
    Some(Diagnostic {
        file: file.trim().to_owned(),
        line: numbers.next().flatten(),
        column: numbers.next().flatten(),
        severity,
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(found: Vec<Diagnostic>) -> (String, Option<u32>, Option<u32>, Severity, String) {
        assert_eq!(found.len(), 1, "{found:?}");
        let Diagnostic { file, line, column, severity, text } = found.into_iter().next().unwrap();
        (file, line, column, severity, text)
    }

    #[test]
    fn gnu_lines() {
        use Severity::{Error, Warning};
        for (line, file, at, column, severity, text) in [
            ("u.c:3:7: error: expected ';'", "u.c", Some(3), Some(7), Error, "expected ';'"),
            ("u.c:3: warning: odd", "u.c", Some(3), None, Warning, "odd"),
            (r"C:\a b\u.c:3:7: error: x", r"C:\a b\u.c", Some(3), Some(7), Error, "x"),
            ("u.c:1:10: fatal error: no.h: No such file", "u.c", Some(1), Some(10), Error, "no.h: No such file"),
            ("cc1: error: bad value", "cc1", None, None, Error, "bad value"),
            (
                "gcc: fatal error: Killed signal terminated program cc1",
                "gcc",
                None,
                None,
                Error,
                "Killed signal terminated program cc1",
            ),
            (
                "\u{1b}[01m\u{1b}[Ku.c:3:7:\u{1b}[m\u{1b}[K \u{1b}[01;31m\u{1b}[Kerror: \u{1b}[m\u{1b}[Kx",
                "u.c",
                Some(3),
                Some(7),
                Error,
                "x",
            ),
            (
                "u.c:3:7: warning: x [\u{1b}]8;;https://g\u{7}-Wx\u{1b}]8;;\u{7}]",
                "u.c",
                Some(3),
                Some(7),
                Warning,
                "x [-Wx]",
            ),
            (
                "u.c:3:7: warning: x \u{1b}]8;;https://g\u{1b}\\y\u{1b}]8;;\u{1b}\\",
                "u.c",
                Some(3),
                Some(7),
                Warning,
                "x y",
            ),
            ("u.c:9:1: error: a: note: b", "u.c", Some(9), Some(1), Error, "a: note: b"),
            ("/tmp/a.c:2: undefined reference to `f'", "/tmp/a.c", Some(2), None, Error, "undefined reference to `f'"),
        ] {
            assert_eq!(one(gnu(line.as_bytes())), (file.into(), at, column, severity, text.into()), "{line}");
        }
    }

    #[test]
    fn lines_without_a_severity_are_not_diagnostics() {
        assert!(gnu(b"u.c: In function 'f':\n    3 |   return\n      |   ^~~~\n").is_empty());
        assert!(msvc(b"u.c\r\nNote: including file: C:\\vm.h\r\n   Creating library u.lib\r\n").is_empty());
    }

    #[test]
    fn msvc_lines() {
        use Severity::{Error, Warning};
        for (line, file, at, column, severity, text) in [
            (
                "u.c(3): error C2065: 'x': undeclared identifier",
                "u.c",
                Some(3),
                None,
                Error,
                "C2065: 'x': undeclared identifier",
            ),
            (r"C:\a (b)\u.c(12,5): warning C4013: y", r"C:\a (b)\u.c", Some(12), Some(5), Warning, "C4013: y"),
            ("u.c(1,10): fatal error: 'no.h' file not found", "u.c", Some(1), Some(10), Error, "'no.h' file not found"),
            ("u.c(3,7): error: expected ';'", "u.c", Some(3), Some(7), Error, "expected ';'"),
            ("u.obj : error LNK2019: unresolved external", "u.obj", None, None, Error, "LNK2019: unresolved external"),
            ("LINK : fatal error LNK1104: cannot open file", "LINK", None, None, Error, "LNK1104: cannot open file"),
            ("lld-link: error: undefined symbol: f", "lld-link", None, None, Error, "undefined symbol: f"),
        ] {
            assert_eq!(one(msvc(line.as_bytes())), (file.into(), at, column, severity, text.into()), "{line}");
        }
    }

    #[test]
    fn colour_that_is_cut_off_costs_no_more_than_its_line() {
        for end in ["\u{1b}", "\u{1b}[", "\u{1b}[01;3", "\u{1b}]8;;x", "\u{1b}é"] {
            let found = gnu(format!("u.c:3:7: error: x\n{end}").as_bytes());
            assert_eq!(found.len(), 1, "{end:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_survive() {
        let found = gnu(b"sp\xe9c.c:1:2: error: \xff");
        assert_eq!((found[0].line, found[0].severity), (Some(1), Severity::Error));
    }
}
