//! Parses C declarations without macros: which names each piece of a text defines or declares, and how each identifier is used. Knows
//! nothing of merging.

use crate::lexer::{Token, TokenKind};
use crate::reason::Reason;
use crate::words::Word;

mod blocks;
mod declaration;
mod declarator;
mod usage;

pub(crate) use blocks::{BlockDeclarations, block_declarations};
pub(crate) use declaration::{Item, ParseError, Scope, TypeName, Types};
pub(crate) use declarator::Declarator;
pub(crate) use usage::{Usage, usages};

/// Tokens with shared lookup tables.
pub(crate) struct Text<'s, 't> {
    pub(crate) tokens: &'s [Token<'t>],
    /// The meaning of each identifier; `None` for other tokens.
    pub(crate) words: Vec<Option<Word>>,
    /// For an opening bracket, the index of the closing bracket; 0 for other tokens.
    closes: Vec<usize>,
    /// For a closing bracket, the index of the opening bracket plus one; 0 for other tokens.
    opens: Vec<usize>,
}

impl<'s, 't> Text<'s, 't> {
    /// Matches all brackets.
    pub(crate) fn new(tokens: &'s [Token<'t>]) -> Result<Self, Reason> {
        let words = tokens.iter().map(|token| (token.kind == TokenKind::Word).then(|| Word::of(&token.text))).collect();
        let (mut closes, mut opens) = (vec![0; tokens.len()], vec![0; tokens.len()]);
        let mut open: Vec<usize> = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            if token.kind != TokenKind::Punct {
                continue;
            }
            let opener = match &*token.text {
                b"(" | b"[" | b"{" => {
                    open.push(at);
                    continue;
                }
                b")" => "(",
                b"]" => "[",
                b"}" => "{",
                _ => continue,
            };
            let from = open.pop().filter(|&from| tokens[from].is(opener));
            let from = from.ok_or(Reason::Unbalanced { line: token.line as usize })?;
            closes[from] = at;
            opens[at] = from + 1;
        }
        match open.last() {
            Some(&at) => Err(Reason::Unbalanced { line: tokens[at].line as usize }),
            None => Ok(Self { tokens, words, closes, opens }),
        }
    }

    pub(crate) fn is(&self, at: usize, text: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is(text))
    }

    pub(crate) fn word(&self, at: usize) -> Option<Word> {
        self.words.get(at).copied().flatten()
    }

    /// True for an identifier.
    pub(crate) fn is_name(&self, at: usize) -> bool {
        self.word(at).is_some_and(Word::is_name)
    }

    pub(crate) fn name(&self, at: usize) -> &[u8] {
        &self.tokens[at].text
    }

    pub(crate) fn line(&self, at: usize) -> usize {
        self.tokens.get(at).or(self.tokens.last()).map_or(1, |token| token.line as usize)
    }

    /// Returns the index of the bracket that closes this opening bracket.
    pub(crate) fn close(&self, at: usize) -> Option<usize> {
        self.closes.get(at).copied().filter(|&close| close > 0)
    }

    /// Returns the index of the bracket that opens this closing bracket.
    pub(crate) fn open(&self, at: usize) -> Option<usize> {
        self.opens.get(at).and_then(|open| open.checked_sub(1))
    }

    /// Returns the index after this token, or after the whole bracket if the token opens a bracket.
    pub(crate) fn past(&self, at: usize) -> usize {
        self.close(at).unwrap_or(at) + 1
    }
}
