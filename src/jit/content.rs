//! Renames a unit by its content, so that the cache finds the same function again under another number. Text in, text out; knows no more of
//! C than its identifiers.

use crate::key::KeyBuilder;

/// The number of hexadecimal digits of the hash in a name: 128 bits.
const DIGITS: usize = 32;

/// A unit under names that depend on its text alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Renamed {
    /// The text, which defines `entry`.
    pub(super) text: Vec<u8>,
    /// The new name of the entry symbol.
    pub(super) entry: String,
    /// The name of the source in `__FILE__` and diagnostics. Not a path, since temporary directories have another name in each run.
    pub(super) source: String,
}

/// Renames the entry symbol, and identifiers that begin with it (`ENTRY_helper`), by a hash of the text, also in comments and strings.
/// `None` if the entry is not an identifier of the text: then a macro may put the name together.
pub(super) fn rename(prefix: &str, entry: &str, text: &[u8]) -> Option<Renamed> {
    let offsets = offsets(entry.as_bytes(), text)?;
    // The parts between occurrences are separate fields: a text with another word at an occurrence has another key.
    let mut key = KeyBuilder::new("entry");
    let mut from = 0;
    for &at in &offsets {
        key = key.field(&text[from..at]);
        from = at + entry.len();
    }
    let hash = key.field(&text[from..]).finish();
    let hash = &hash.as_str()[..DIGITS];
    let name = format!("{prefix}_{hash}");
    let mut renamed = Vec::with_capacity(text.len() + offsets.len() * DIGITS);
    let mut from = 0;
    for &at in &offsets {
        renamed.extend_from_slice(&text[from..at]);
        renamed.extend_from_slice(name.as_bytes());
        from = at + entry.len();
    }
    renamed.extend_from_slice(&text[from..]);
    Some(Renamed { text: renamed, source: format!("{name}.c"), entry: name })
}

/// Returns the offsets of identifiers that are `entry` or begin with `entry_`. `None` if `entry` itself is not among them.
fn offsets(entry: &[u8], text: &[u8]) -> Option<Vec<usize>> {
    let first = *entry.first()?;
    let mut offsets = Vec::new();
    let mut has_entry = false;
    let mut at = 0;
    while let Some(next) = text[at..].iter().position(|&byte| byte == first) {
        at += next;
        let behind = text.get(at + entry.len()).copied();
        if text[at..].starts_with(entry) && !text[..at].last().is_some_and(|&byte| is_identifier_byte(byte)) {
            if !behind.is_some_and(is_identifier_byte) {
                has_entry = true;
                offsets.push(at);
            } else if behind == Some(b'_') {
                offsets.push(at);
            }
        }
        at += 1;
    }
    has_entry.then_some(offsets)
}

fn is_identifier_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(entry: &str, text: &str) -> Option<(String, String)> {
        rename("_jit", entry, text.as_bytes()).map(|unit| (String::from_utf8(unit.text).unwrap(), unit.entry))
    }

    #[test]
    fn the_number_is_nowhere_and_everything_else_is_as_it_was() {
        let text = |entry: &str| {
            format!("static int {entry}_x; int _jit31, x_jit3;\nint {entry}(void) {{ return {entry}_x; }} // {entry}")
        };
        let (three, entry) = of("_jit3", &text("_jit3")).unwrap();
        assert_eq!(three, text(&entry));
        assert!(entry.starts_with("_jit_") && entry.len() == 5 + DIGITS);
        assert_eq!(of("_jit77", &text("_jit77")), Some((three.clone(), entry.clone())));
        assert_ne!(of("_jit3", &(text("_jit3") + " ")).unwrap().1, entry);
    }

    #[test]
    fn another_text_has_another_name() {
        let names = ["int _jit3(void) { return 1; }", "int _jit3(void) { return 2; }", "int _jit3_(int _jit3);"];
        let mut names: Vec<String> = names.iter().map(|text| of("_jit3", text).unwrap().1).collect();
        names.dedup();
        assert_eq!(names.len(), 3);
    }

    #[test]
    fn a_name_that_is_put_together_is_left_alone() {
        assert_eq!(of("_jit3", "#define F(n) _jit##n\nint F(3)(void);"), None);
        assert_eq!(of("_jit3", "int _jit3_helper(void);"), None);
        assert_eq!(of("_jit3", "int _jit32(void);"), None);
    }
}
