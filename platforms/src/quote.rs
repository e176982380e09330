//! Quotes text for other languages: C strings, shell commands. Response files are in `response.rs`.

use std::ffi::OsStr;

/// Returns `text` as the inside of a C string literal, as `#line` needs it. Non-ASCII characters are unchanged.
#[must_use]
pub fn c_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            // Two question marks would start a trigraph under -std=c99.
            '?' => out.push_str("\\?"),
            c if c.is_ascii_control() => out.push_str(&format!("\\{:03o}", c as u32)),
            c => out.push(c),
        }
    }
    out
}

/// Returns the line that makes a compiler report the C after it as line 1 of `name`.
#[must_use]
pub fn line_directive(name: &str) -> String {
    format!("#line 1 \"{}\"\n", c_string(name))
}

/// Quotes one argument for a POSIX shell, for display.
#[must_use]
pub fn shell_argument(argument: &OsStr) -> String {
    let text = argument.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./,:@%^".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_strings() {
        assert_eq!(c_string(r#"C:\a "b"??/é"#), r#"C:\\a \"b\"\?\?/é"#);
        assert_eq!(c_string("a\nb\t"), r"a\012b\011");
    }

    #[test]
    fn shell_arguments() {
        assert_eq!(shell_argument(OsStr::new("-I/usr/include")), "-I/usr/include");
        assert_eq!(shell_argument(OsStr::new("it's $5")), r"'it'\''s $5'");
        assert_eq!(shell_argument(OsStr::new("")), "''");
    }
}
