//! Checks that a file contains nothing but macros, so that `-include` of the file has the same effect as `-imacros`. A file in doubt does
//! not pass.

use std::path::Path;

use crate::files;

/// True if [`has_only_macros`] holds for the file's text.
pub(super) fn file_has_only_macros(file: &Path) -> bool {
    files::read_to_string(file).is_ok_and(|text| has_only_macros(&text))
}

/// True if each line is empty, a comment, or a directive that produces no text.
pub(crate) fn has_only_macros(text: &str) -> bool {
    const SILENT: [&str; 9] = ["define", "undef", "if", "ifdef", "ifndef", "elif", "else", "endif", "error"];
    let joined = text.replace("\\\r\n", "").replace("\\\n", "");
    // Trigraphs, and a backslash that blanks separate from the line's end, would change how the text is split.
    let is_plain = !joined.lines().any(|line| line.trim_end().ends_with('\\')) && !joined.contains("??");
    let Some(bare) = without_comments(&joined).filter(|_| is_plain) else { return false };
    bare.lines().map(str::trim).filter(|line| !line.is_empty()).all(|line| {
        let word = line.strip_prefix('#').map(str::trim_start).unwrap_or_default();
        let word = word.split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default();
        SILENT.contains(&word)
    })
}

/// Returns the text with a blank for each comment; `None` if a comment or a string does not end.
fn without_comments(text: &str) -> Option<String> {
    let mut bare = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['/', '"', '\'']) {
        let (before, from) = rest.split_at(at);
        bare.push_str(before);
        if let Some(comment) = from.strip_prefix("/*") {
            let (inside, behind) = comment.split_once("*/")?;
            // A directive continues behind a comment of several lines, and its rest would look like a line of its own.
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
            let end = literal_end(from)?;
            bare.push_str(&from[..end]);
            rest = &from[end..];
        }
    }
    Some(bare + rest)
}

/// Returns the end of the string or character literal at the beginning of a text; `None` if the literal does not end on its line.
fn literal_end(text: &str) -> Option<usize> {
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
    use super::has_only_macros;

    #[test]
    fn definitions_conditions_and_comments_are_no_text() {
        assert!(has_only_macros(
            "/* int x; */\n#ifndef A\n# define A \"/*\" // */ int y;\n#define F(x) \\\n  ((x) + '\"')\n#endif\n"
        ));
        assert!(has_only_macros("") && has_only_macros("\n/* a\n b */\n#undef A\n"));
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
            assert!(!has_only_macros(text), "{text}");
        }
    }
}
