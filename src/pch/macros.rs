//! Whether a file has nothing in it but macros, so that to include the file is the same as to read it for its macros. Where a file's text is not
//! plainly so, the answer is no.

use std::path::Path;

use crate::files;

/// True if a file has no line that is not empty, a comment, or a directive that leaves no text.
pub(super) fn are_all(file: &Path) -> bool {
    files::read_to_string(file).is_ok_and(|text| are_all_of(&text))
}

fn are_all_of(text: &str) -> bool {
    const SILENT: [&str; 9] = ["define", "undef", "if", "ifdef", "ifndef", "elif", "else", "endif", "error"];
    let joined = text.replace("\\\r\n", "").replace("\\\n", "");
    // A quote may hide a comment's beginning, and a raw backslash at a line's end may be followed by blanks.
    let plain = !joined.lines().any(|line| line.trim_end().ends_with('\\')) && !joined.contains("??");
    let Some(bare) = without_comments(&joined).filter(|_| plain) else { return false };
    bare.lines().map(str::trim).filter(|line| !line.is_empty()).all(|line| {
        let word = line.strip_prefix('#').map(str::trim_start).unwrap_or_default();
        let word = word.split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default();
        SILENT.contains(&word)
    })
}

/// The text with a blank for each comment; nothing where a comment does not end.
fn without_comments(text: &str) -> Option<String> {
    let mut bare = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['/', '"', '\'']) {
        let (before, from) = rest.split_at(at);
        bare.push_str(before);
        if let Some(comment) = from.strip_prefix("/*") {
            let (inside, behind) = comment.split_once("*/")?;
            // A directive that goes on behind a comment of several lines is one line.
            bare.push(' ');
            if inside.contains('\n') && !bare.lines().next_back().unwrap_or_default().trim().is_empty() {
                return None;
            }
            rest = behind;
        } else if from.starts_with("//") {
            rest = &from[from.find('\n').unwrap_or(from.len())..];
        } else if let Some(behind) = from.strip_prefix('/') {
            bare.push('/');
            rest = behind;
        } else {
            let end = quoted(from)?;
            bare.push_str(&from[..end]);
            rest = &from[end..];
        }
    }
    Some(bare + rest)
}

/// Where a string or a character ends that a text begins with, on its line.
fn quoted(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            '\n' => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            letter if letter == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::are_all_of;

    #[test]
    fn definitions_conditions_and_comments_are_no_text() {
        assert!(are_all_of(
            "/* int x; */\n#ifndef A\n# define A \"/*\" // */ int y;\n#define F(x) \\\n  ((x) + '\"')\n#endif\n"
        ));
        assert!(are_all_of("") && are_all_of("\n/* a\n b */\n#undef A\n"));
    }

    #[test]
    fn whatever_may_be_text_is_text() {
        for text in [
            "int x;",
            "#define A 1\nint x;",
            "#include <stdio.h>",
            "#pragma pack(1)",
            "_Pragma(\"once\")",
            "/* open",
            "#define A \"open",
            "#define A 1 /* a\n */ 2\nint x;",
            "# 1 \"x.h\"",
            "#define A \\ \nint x;",
            "??=define A",
            "#line 3",
        ] {
            assert!(!are_all_of(text), "{text}");
        }
    }
}
