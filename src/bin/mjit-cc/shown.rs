//! Makes names and compiler output safe to print on a terminal. File names and compiler output may come from another user: a control
//! character in them could move the cursor, rename the window, or type for the user.
//!
//! Names in messages are always made safe, since messages are for people. Compiler output keeps its colours, and is made safe only on a
//! terminal. Results on standard output are made safe on a terminal and unchanged for a program, as with `ls`.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::path::Path;

/// Returns a path for a message.
pub(crate) fn path(path: &Path) -> String {
    plain(&path.display().to_string())
}

/// Returns a path for standard output.
pub(crate) fn result(path: &Path) -> String {
    on_stdout(path.display().to_string())
}

/// Returns text for standard output.
pub(crate) fn on_stdout(text: String) -> String {
    if std::io::stdout().is_terminal() { plain(&text) } else { text }
}

/// Returns text without control characters except line ends and tabs.
pub(crate) fn plain(text: &str) -> String {
    neutral(text, |_| None)
}

/// Returns compiler output for standard error.
pub(crate) fn output(text: &str) -> String {
    if std::io::stderr().is_terminal() { neutral(text, colour) } else { text.to_owned() }
}

/// Replaces control characters by `^X` and `<U+XXXX>`. `keep` returns the harmless sequence that the text begins with, if any.
fn neutral(text: &str, keep: impl Fn(&str) -> Option<&str>) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if let Some(harmless) = keep(rest) {
            shown += harmless;
            rest = &rest[harmless.len()..];
            continue;
        }
        rest = &rest[letter.len_utf8()..];
        match letter {
            '\n' | '\t' => shown.push(letter),
            // A line end of Windows.
            '\r' if rest.starts_with('\n') => {}
            '\0'..='\x1f' | '\x7f' => {
                shown.push('^');
                shown.push(char::from(letter as u8 ^ 0x40));
            }
            // C1 controls, and characters that change the direction of text.
            '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                let _ = write!(shown, "<U+{:04X}>", u32::from(letter));
            }
            letter => shown.push(letter),
        }
    }
    shown
}

/// Returns the sequence that sets colours (SGR) at the beginning of a text.
fn colour(text: &str) -> Option<&str> {
    let parameters = text.strip_prefix("\x1b[")?;
    let length = parameters.find(|letter: char| !letter.is_ascii_digit() && letter != ';' && letter != ':')?;
    // gcc clears to the end of the line after a colour.
    parameters[length..].starts_with(['m', 'K']).then(|| &text[..2 + length + 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_colours_are_kept() {
        assert_eq!(
            plain("a\x1b]0;title\x07b\x1b[31m\r\n\tc\rd\u{9b}2J\u{202e}x\x7f"),
            "a^[]0;title^Gb^[[31m\n\tc^Md<U+009B>2J<U+202E>x^?"
        );
        let text = "\x1b[01;31m\x1b[Kerror\x1b[m\x1b[K: \x1b[2J\x1b[6n\x1bc\x1b[38:5:1mx";
        assert_eq!(neutral(text, colour), "\x1b[01;31m\x1b[Kerror\x1b[m\x1b[K: ^[[2J^[[6n^[c\x1b[38:5:1mx");
        assert_eq!(neutral("\x1b[", colour), "^[[");
    }
}
