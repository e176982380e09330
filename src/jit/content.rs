//! Names a unit after the hash of its text, so that the object cache finds the same function under any number. Pure: text in, text out.
//! Knows identifiers of C, but no other syntax.

use crate::key::KeyBuilder;

/// The number of hash digits in a name: 128 bits.
const DIGITS: usize = 32;

/// A unit under names that depend on its text alone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Renamed {
    /// The text, which defines `entry`.
    pub(super) text: Vec<u8>,
    /// The name of the function.
    pub(super) entry: String,
    /// The name of the source for `__FILE__` and diagnostics. No path, since temporary directories have other names each time.
    pub(super) source: String,
}

/// Replaces the entry symbol, and names that begin with it (`ENTRY_helper`), by a name from the hash of the text, also in comments and
/// strings. `None` if the text does not contain the entry symbol as an identifier, for example because a macro builds it.
pub(super) fn rename(prefix: &str, entry: &str, text: &[u8]) -> Option<Renamed> {
    let places = places(entry.as_bytes(), text)?;
    // The parts between the entries are separate fields, so that no other text has the same key.
    let mut key = KeyBuilder::new("entry");
    let mut from = 0;
    for &at in &places {
        key = key.field(&text[from..at]);
        from = at + entry.len();
    }
    let hash = key.field(&text[from..]).finish();
    let hash = &hash.as_str()[..DIGITS];
    let name = format!("{prefix}_{hash}");
    let mut renamed = Vec::with_capacity(text.len() + places.len() * DIGITS);
    let mut from = 0;
    for &at in &places {
        renamed.extend_from_slice(&text[from..at]);
        renamed.extend_from_slice(name.as_bytes());
        from = at + entry.len();
    }
    renamed.extend_from_slice(&text[from..]);
    Some(Renamed { text: renamed, source: format!("{name}.c"), entry: name })
}

/// Returns the positions of identifiers that are `entry` or begin with `entry_`. `None` if no identifier is exactly `entry`.
fn places(entry: &[u8], text: &[u8]) -> Option<Vec<usize>> {
    let first = *entry.first()?;
    let mut places = Vec::new();
    let mut alone = false;
    let mut at = 0;
    while let Some(next) = text[at..].iter().position(|&byte| byte == first) {
        at += next;
        let behind = text.get(at + entry.len()).copied();
        if text[at..].starts_with(entry) && !text[..at].last().is_some_and(|&byte| is_word(byte)) {
            if !behind.is_some_and(is_word) {
                alone = true;
                places.push(at);
            } else if behind == Some(b'_') {
                places.push(at);
            }
        }
        at += 1;
    }
    alone.then_some(places)
}

fn is_word(byte: u8) -> bool {
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
