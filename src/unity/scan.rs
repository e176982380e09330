//! A unit's file scope: which piece of it defines or declares which names. Knows C's declarations; knows nothing of other
//! units, nor of what names will be called.
//!
//! `nesting` and `classes` read the tokens, `aggregates`, `specifiers`, `declarator` and `declaration` the grammar, `chunk` says what a
//! declaration means. This file walks the scope.

use std::collections::HashMap;
use std::ops::Range;

use super::lex::{Kind, Lexed, Token, Verb, line_of};
use super::macros::{Definition, Table, Traits};
use super::reason::Reason;
use super::words::Word;

mod aggregates;
mod chunk;
mod classes;
mod declaration;
mod declarator;
mod nesting;
mod specifiers;

pub(super) use classes::{Class, classes};

use aggregates::Aggregate;
use declaration::{Lost, Place};
use nesting::{Nesting, nesting};

/// A name that a chunk defines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Defined<'t> {
    pub(super) name: &'t [u8],
    pub(super) tag: bool,
    pub(super) function: bool,
    /// For itself alone, as far as can be seen.
    pub(super) is_static: bool,
}

/// A name that a chunk declares, and leaves to someone else, or to another chunk, to define.
#[derive(Clone, Debug)]
pub(super) struct Declared<'t> {
    pub(super) name: &'t [u8],
    /// Its part of the declaration, without the specifiers.
    pub(super) part: Range<usize>,
    /// The specifiers, or what else stands before all parts.
    pub(super) specifiers: Range<usize>,
    /// A macro around a prototype: only right where the unit defines the function too.
    pub(super) by_macro: bool,
}

/// A declaration, a function, or a whole conditional group, by its tokens.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunk<'t> {
    pub(super) tokens: Range<usize>,
    pub(super) defines: Vec<Defined<'t>>,
    pub(super) declares: Vec<Declared<'t>>,
    /// A function's braces and what is between them; of a conditional group, several.
    pub(super) bodies: Vec<Range<usize>>,
    /// Whether nothing in its own words forbids that several units have it in common.
    pub(super) shareable: bool,
    /// Whether it defines a variable: what its initializer points to may be one too, hidden in a macro.
    pub(super) variable: bool,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Scan<'t> {
    pub(super) chunks: Vec<Chunk<'t>>,
    /// For each token, how it is used.
    pub(super) classes: Vec<Class>,
    /// For each directive, whether it stands in a conditional group.
    pub(super) conditional: Vec<bool>,
    /// Where an opening bracket ends.
    pub(super) closes: HashMap<usize, usize>,
}

pub(super) fn scan<'t>(
    text: &'t [u8],
    lexed: &'t Lexed,
    own: &HashMap<&'t [u8], Vec<Definition<'t>>>,
    header: Option<&Table>,
) -> Result<Scan<'t>, Reason> {
    let tokens = &lexed.tokens;
    let Nesting { closes, endifs, conditional } = nesting(text, lexed)?;
    let mut scanner = Scanner {
        text,
        lexed,
        tokens,
        own,
        header,
        closes,
        endifs,
        classes: classes(text, tokens),
        aggregates: Vec::new(),
    };
    scanner.aggregates();
    let mut chunks = Vec::new();
    scanner.scope(0..tokens.len(), &mut chunks)?;
    Ok(Scan { chunks, classes: scanner.classes, conditional, closes: scanner.closes })
}

struct Scanner<'s, 't> {
    text: &'t [u8],
    lexed: &'t Lexed,
    tokens: &'t [Token],
    own: &'s HashMap<&'t [u8], Vec<Definition<'t>>>,
    header: Option<&'s Table>,
    closes: HashMap<usize, usize>,
    endifs: HashMap<usize, usize>,
    classes: Vec<Class>,
    aggregates: Vec<Aggregate>,
}

impl<'t> Scanner<'_, 't> {
    fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    fn is(&self, at: usize, byte: u8) -> bool {
        self.kind(at) == Some(Kind::Punct(byte))
    }

    fn slice(&self, at: usize) -> &'t [u8] {
        &self.text[self.tokens[at].range()]
    }

    fn line(&self, at: usize) -> usize {
        line_of(self.text, self.tokens.get(at).map_or(self.text.len(), |token| token.start))
    }

    /// Past the bracket that opens here.
    fn past(&self, at: usize) -> Result<usize, Lost> {
        self.closes.get(&at).map(|close| close + 1).ok_or(Lost(at))
    }

    /// What is known of a word that is a macro.
    fn macro_of(&self, at: usize) -> Option<(bool, Traits)> {
        let name = self.slice(at);
        if let Some(definitions) = self.own.get(name) {
            let traits = definitions.iter().fold(Traits::default(), |traits, definition| traits | definition.traits);
            return Some((definitions.iter().any(|definition| definition.function_like), traits));
        }
        self.header?.get(name).map(|known| (known.function_like, known.deep))
    }

    /// Everything between two places of the file scope.
    fn scope(&mut self, range: Range<usize>, chunks: &mut Vec<Chunk<'t>>) -> Result<(), Reason> {
        let mut at = range.start;
        while at < range.end {
            if self.is(at, b';') {
                at += 1;
                continue;
            }
            if let Kind::Directive(index) = self.tokens[at].kind {
                at = match self.lexed.directives[index].verb {
                    Verb::If => self.group(at, chunks)?,
                    _ => at + 1,
                };
                continue;
            }
            let chunk = self.item(at, range.end)?;
            at = chunk.tokens.end;
            chunks.push(chunk);
        }
        Ok(())
    }

    /// A conditional group of the file scope: one chunk.
    fn group(&mut self, start: usize, chunks: &mut Vec<Chunk<'t>>) -> Result<usize, Reason> {
        let end = self.endifs[&start];
        let mut inner = Vec::new();
        let mut at = start + 1;
        while at < end {
            // Up to the branch's end.
            let mut stop = at;
            while stop < end {
                match self.tokens[stop].kind {
                    Kind::Directive(index) => match self.lexed.directives[index].verb {
                        Verb::Else => break,
                        Verb::If => stop = self.endifs[&stop] + 1,
                        _ => stop += 1,
                    },
                    _ => stop = self.closes.get(&stop).unwrap_or(&stop) + 1,
                }
            }
            self.scope(at..stop, &mut inner)?;
            at = stop + 1;
        }
        let mut group = Chunk { tokens: start..end + 1, ..Chunk::default() };
        for chunk in inner {
            group.defines.extend(chunk.defines);
            group.declares.extend(chunk.declares);
            group.bodies.extend(chunk.bodies);
        }
        chunks.push(group);
        Ok(end + 1)
    }

    /// One declaration of the file scope.
    fn item(&mut self, at: usize, limit: usize) -> Result<Chunk<'t>, Reason> {
        let lost = |scanner: &Self, at| Reason::NotUnderstood { line: scanner.line(at) };
        match self.kind(at) {
            Some(Kind::Word(Word::Asm)) => return Err(Reason::Asm { line: self.line(at) }),
            Some(Kind::Word(Word::Pragma)) => return Err(Reason::Pragma { line: self.line(at) }),
            Some(Kind::Word(Word::StaticAssert)) => {
                let end = self.past(at + 1).map_err(|Lost(at)| lost(self, at))?;
                if !self.is(end, b';') {
                    return Err(lost(self, end));
                }
                return Ok(Chunk { tokens: at..end + 1, ..Chunk::default() });
            }
            Some(Kind::Word(word)) if word.is_name() && self.is(at + 1, b'(') => {
                if let Some(chunk) = self.prototype_in_macro(at) {
                    return Ok(chunk);
                }
            }
            _ => {}
        }
        let declaration = self.declaration(at, limit, Place::File).map_err(|Lost(at)| lost(self, at))?;
        self.chunk(at, &declaration)
    }
}
