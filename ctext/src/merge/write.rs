//! Writes a unit without macros and with new names. Each token keeps its line, and its column if there is room.

use std::collections::HashSet;

use super::plan::UnitPlan;
use super::unit::UnitScope;
use crate::lexer::{Token, TokenKind};
use crate::surroundings::Surroundings;

/// A longer run of empty lines becomes a line directive.
const MOST_EMPTY_LINES: u32 = 16;

pub(super) fn write(out: &mut Vec<u8>, files: &Files<'_>, unit: &UnitScope<'_, '_>, plan: &UnitPlan<'_>) {
    let mut writer = Writer { out, files, file: 0, line: 0, start: 0, last: None };
    let mut pieces = unit.pieces.iter().zip(&plan.is_written).peekable();
    for (at, token) in unit.text.tokens.iter().enumerate() {
        while pieces.peek().is_some_and(|(piece, _)| piece.tokens.end <= at) {
            pieces.next();
        }
        if let Some((piece, false)) = pieces.peek()
            && piece.tokens.contains(&at)
        {
            continue;
        }
        let renamed = plan.names.get(&*token.text).filter(|_| {
            token.kind == TokenKind::Word
                && unit.privates.get(&*token.text).is_some_and(|own| own.matches_usage(unit.usages[at]))
        });
        writer.token(token, renamed.map_or(&token.text, |name| name.as_bytes()));
    }
    writer.out.push(b'\n');
}

/// Undefines the header's macros that a unit's tokens would invoke: the tokens are already expanded.
pub(super) fn undefine(
    out: &mut Vec<u8>,
    unit: &UnitScope<'_, '_>,
    surroundings: &Surroundings,
    undefined: &mut HashSet<Vec<u8>>,
) {
    for token in unit.text.tokens.iter().filter(|token| token.kind == TokenKind::Word) {
        if surroundings.macros.has(&token.text) && undefined.insert(token.text.to_vec()) {
            out.extend_from_slice(&[b"#undef ", &*token.text, b"\n"].concat());
        }
    }
}

/// The file names of a unit's lines.
pub(super) struct Files<'f> {
    unit: Vec<u8>,
    others: &'f [Vec<u8>],
}

impl<'f> Files<'f> {
    pub(super) fn new(unit: &str, others: &'f [Vec<u8>]) -> Self {
        Self { unit: format!("\"{}\"", mjit_cc_platforms::quote::c_string(unit)).into_bytes(), others }
    }

    /// Returns the directive that gives the next line this number and file.
    pub(super) fn directive(&self, line: u32, file: u16) -> Vec<u8> {
        let name = usize::from(file).checked_sub(1).and_then(|at| self.others.get(at)).unwrap_or(&self.unit);
        [b"#line ", line.to_string().as_bytes(), b" ", name, b"\n"].concat()
    }
}

struct Writer<'w> {
    out: &'w mut Vec<u8>,
    files: &'w Files<'w>,
    file: u16,
    /// 0 before the first token.
    line: u32,
    /// The offset of the current line.
    start: usize,
    last: Option<u8>,
}

impl Writer<'_> {
    fn token(&mut self, token: &Token<'_>, text: &[u8]) {
        let is_near = self.line > 0 && (self.line..=self.line + MOST_EMPTY_LINES).contains(&token.line);
        if !is_near || token.file != self.file {
            if self.line > 0 {
                self.out.push(b'\n');
            }
            self.file = token.file;
            self.out.extend_from_slice(&self.files.directive(token.line, token.file));
            self.begin_line(token.line);
        }
        while self.line < token.line {
            self.out.push(b'\n');
            self.begin_line(self.line + 1);
        }
        let column = token.column.map_or(0, |column| column as usize);
        let here = self.out.len() - self.start;
        if here < column {
            self.out.extend(std::iter::repeat_n(b' ', column - here));
        } else if let Some(last) = self.last
            && (token.space || may_join(last, text))
        {
            self.out.push(b' ');
        }
        self.out.extend_from_slice(text);
        self.last = text.last().copied();
    }

    fn begin_line(&mut self, line: u32) {
        (self.line, self.start, self.last) = (line, self.out.len(), None);
    }
}

/// True if two tokens without white space between them could be read as other tokens.
fn may_join(last: u8, text: &[u8]) -> bool {
    let Some(&first) = text.first() else { return false };
    let is_word =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'.' | b'"' | b'\'') || byte >= 0x80;
    let brackets = |byte: u8| matches!(byte, b'(' | b')' | b'[' | b']' | b'{' | b'}' | b';' | b',');
    if is_word(last) && is_word(first) {
        return true;
    }
    !(is_word(last) || is_word(first) || brackets(last) || brackets(first))
}
