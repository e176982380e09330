//! `#embed "NAME"` of a file in the unit's directory. A compiler looks for the file in the directory of the source, which is another one,
//! and no flag adds a directory for quoted names only: the unit's directory is written into the text.

use std::borrow::Cow;
use std::path::Path;

/// Returns a text in which the names of embedded files in `dir` are absolute.
pub(super) fn with_absolute_names<'t>(text: &'t [u8], dir: Option<&Path>) -> Cow<'t, [u8]> {
    let mentions = text.windows(5).any(|word| word == b"embed");
    let Some(dir) = dir.filter(|_| mentions) else { return Cow::Borrowed(text) };
    // A quoted path cannot escape characters.
    let Some(shown) = dir.to_str().filter(|dir| !dir.contains(['"', '\n'])) else { return Cow::Borrowed(text) };
    let mut out = Vec::with_capacity(text.len());
    let mut is_continued = false;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let mut rest = line;
        while let Some((before, name)) = next_name(rest).filter(|_| !is_continued && is_directive(line)) {
            let exists = std::str::from_utf8(name).is_ok_and(|name| dir.join(name).is_file());
            out.extend(&rest[..before]);
            if exists && Path::new(&*String::from_utf8_lossy(name)).is_relative() {
                out.extend(shown.as_bytes());
                out.push(b'/');
            }
            out.extend(name);
            rest = &rest[before + name.len()..];
        }
        out.extend(rest);
        is_continued = line.trim_ascii_end().ends_with(b"\\");
    }
    Cow::Owned(out)
}

/// Returns the length of the new text, for the tests of untrusted texts.
pub(crate) fn embedded_length(text: &[u8], dir: &Path) -> usize {
    with_absolute_names(text, Some(dir)).len()
}

fn is_directive(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"#")
}

/// Returns the first quoted name behind `embed` or `__has_embed(`, and its offset.
fn next_name(line: &[u8]) -> Option<(usize, &[u8])> {
    let word = line.windows(5).position(|word| word == b"embed")? + 5;
    let blank = line[word..].iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'(')).count();
    let begin = word + blank + 1;
    if line.get(begin - 1) != Some(&b'"') {
        // Another `embed` may follow.
        return next_name(&line[word..]).map(|(at, name)| (word + at, name));
    }
    let length = line[begin..].iter().position(|&byte| byte == b'"')?;
    Some((begin, &line[begin..begin + length]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_beside_the_unit_are_found_there() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.bin"), "A").unwrap();
        let shown = dir.path().display();
        let text = "# embed \"a.bin\" limit(1)\n#embed <a.bin>\n#if __has_embed( \"a.bin\") && __has_embed(\"b.bin\")\nchar *embed = \"a.bin\";\n";
        let expected = format!(
            "# embed \"{shown}/a.bin\" limit(1)\n#embed <a.bin>\n#if __has_embed( \"{shown}/a.bin\") && __has_embed(\"b.bin\")\nchar *embed = \"a.bin\";\n"
        );
        assert_eq!(String::from_utf8_lossy(&with_absolute_names(text.as_bytes(), Some(dir.path()))), expected);
        assert_eq!(with_absolute_names(text.as_bytes(), None), text.as_bytes());
    }
}
