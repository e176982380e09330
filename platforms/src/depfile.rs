//! Parsers for the lists of files that compilers read: make rules (`-MD`) and cl's `-showIncludes`.

use std::path::PathBuf;

/// The prefix of each file in the output of `-showIncludes`, in English (`VSLANG=1033`).
const INCLUDE_NOTE: &str = "Note: including file:";

/// Returns the prerequisites of a make rule as gcc, clang and tcc write it: white space separates; before a space, 2N+1 backslashes
/// are N backslashes and the space (gcc's `mkdeps.cc`, after GNU make); one backslash precedes a `#`; `$` is doubled.
#[must_use]
pub(crate) fn parse(rule: &[u8]) -> Vec<PathBuf> {
    let text = String::from_utf8_lossy(rule).replace("\\\r\n", " ").replace("\\\n", " ");
    let mut files = Vec::new();
    let mut word = String::new();
    let mut in_targets = true;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let mut count = 1;
                while chars.next_if_eq(&'\\').is_some() {
                    count += 1;
                }
                let quotes = count % 2 == 1 && matches!(chars.peek(), Some(' ' | '\t'));
                // Elsewhere backslashes are part of a Windows path.
                let kept = match chars.peek() {
                    Some(' ' | '\t') => count / 2,
                    Some('#') => count - 1,
                    _ => count,
                };
                word.push_str(&"\\".repeat(kept));
                if quotes || chars.peek() == Some(&'#') {
                    word.extend(chars.next());
                }
            }
            '$' if chars.peek() == Some(&'$') => word.extend(chars.next()),
            ':' if in_targets && chars.peek().is_none_or(|next| next.is_whitespace()) => {
                in_targets = false;
                word.clear();
                files.clear();
            }
            // Only the first rule counts: -MP adds empty rules after it.
            '\n' if !in_targets => break,
            ' ' | '\r' | '\n' => flush(&mut word, &mut files),
            // Tabs included: clang escapes no tab.
            c => word.push(c),
        }
    }
    flush(&mut word, &mut files);
    if in_targets { Vec::new() } else { files }
}

fn flush(word: &mut String, files: &mut Vec<PathBuf>) {
    if !word.is_empty() {
        files.push(std::mem::take(word).into());
    }
}

/// Parses tcc's rule: one file per line, nothing escaped.
#[must_use]
pub(crate) fn parse_lines(rule: &[u8]) -> Vec<PathBuf> {
    let text = String::from_utf8_lossy(rule);
    let files = text.lines().skip(1).map(|line| line.strip_suffix(" \\").unwrap_or(line));
    files.filter_map(|line| line.strip_prefix("  ")).map(PathBuf::from).collect()
}

/// Returns the files that cl and clang-cl list as included.
#[must_use]
pub(crate) fn show_includes(output: &[u8]) -> Vec<PathBuf> {
    String::from_utf8_lossy(output)
        .lines()
        .filter_map(|line| line.strip_prefix(INCLUDE_NOTE))
        .map(|path| path.trim().into())
        .collect()
}

/// Returns the rest of such output: the messages for the user. Leaves out the name of the source, which cl prints first, and the
/// linker's lines about the import library, which no step uses.
#[must_use]
pub(crate) fn without_includes(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let chatter = |line: &str| {
        line.starts_with(INCLUDE_NOTE)
            || line.starts_with("   Creating library ")
            || (line.ends_with(".c") && !line.contains([':', ' ']))
    };
    text.lines().filter(|line| !chatter(line)).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(rule: &str) -> Vec<String> {
        parse(rule.as_bytes()).into_iter().map(|path| path.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn make_rules() {
        assert_eq!(parsed("u.o: u.c \\\n  vm.h \\\n"), ["u.c", "vm.h"]);
        assert_eq!(parsed("a\\ b.o: a\\ b.c c\\#$$d.h\nvm.h:\n"), ["a b.c", "c#$d.h"]);
        assert_eq!(parsed("C:\\o\\u.o: C:\\s\\u.c \\\r\n D:\\vm.h\r\n"), ["C:\\s\\u.c", "D:\\vm.h"]);
        assert_eq!(parsed("u.o: back\\\\\\ slash.h c:\\a\\\\b.h\n"), ["back\\ slash.h", "c:\\a\\\\b.h"]);
        assert_eq!(parsed("u.o:"), [""; 0]);
        assert_eq!(parsed("not a rule"), [""; 0]);
    }

    #[test]
    fn tcc_s_rules_have_a_file_a_line() {
        let files = parse_lines(b"u.o: \\\n  a b/u.c \\\n  vm.h\n");
        assert_eq!(files, [PathBuf::from("a b/u.c"), "vm.h".into()]);
    }

    #[test]
    fn includes_that_cl_shows() {
        let output = b"u.c\r\nNote: including file: C:\\a b\\vm.h\r\nNote: including file:  C:\\std.h\r\nu.c(1): error C1: x\r\n";
        assert_eq!(show_includes(output), [PathBuf::from("C:\\a b\\vm.h"), "C:\\std.h".into()]);
        assert_eq!(without_includes(output), "u.c(1): error C1: x\n");
    }
}
