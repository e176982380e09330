//! A whole declaration, of the file scope or of a struct: specifiers, declarators, initializers, a function's body. Knows nothing of what it
//! means to other units.

use std::ops::Range;

use super::Scanner;
use super::declarator::Declarator;
use super::specifiers::Specifiers;
use crate::unity::lex::{Kind, Token};
use crate::unity::words::Word;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    File,
    Struct,
}

pub(super) struct Declaration {
    pub(super) specifiers: Specifiers,
    pub(super) specifier_range: Range<usize>,
    pub(super) declarators: Vec<Declarator>,
    pub(super) body: Option<Range<usize>>,
    pub(super) end: usize,
}

/// The declaration cannot be understood; where.
pub(super) struct Lost(pub(super) usize);

impl<'t> Scanner<'_, 't> {
    pub(super) fn declaration(&self, start: usize, limit: usize, place: Place) -> Result<Declaration, Lost> {
        let (specifiers, mut at) = self.specifiers(start, place)?;
        let specifier_range = start..at;
        let mut declarators = Vec::new();
        let mut body = None;
        let ends = |at: usize| self.is(at, b';') || (at + 1 == limit && self.is(at, b')'));
        if !ends(at) {
            if !specifiers.has_type() {
                return Err(Lost(at));
            }
            loop {
                let mut declarator = self.declarator(at, 0)?;
                at = self.behind_declarator(declarator.part.end)?;
                let first = declarators.is_empty();
                if self.is(at, b'{') && first && declarator.function && place == Place::File && !specifiers.is_typedef {
                    let end = self.past(at)?;
                    body = Some(at..end);
                    declarators.push(declarator);
                    return self.within(limit, Declaration { specifiers, specifier_range, declarators, body, end });
                }
                if self.is(at, b':') && place == Place::Struct {
                    at = self.expression(at + 1, limit);
                } else if self.is(at, b'=') && place == Place::File && !declarator.function {
                    let end = self.expression(at + 1, limit);
                    declarator.initializer = Some(at + 1..end);
                    at = end;
                }
                declarator.part.end = at;
                if declarator.name.is_none() && place == Place::File {
                    return Err(Lost(at));
                }
                declarators.push(declarator);
                if self.is(at, b',') {
                    at += 1;
                } else if ends(at) {
                    break;
                } else {
                    return Err(Lost(at));
                }
            }
        }
        let words = &self.tokens[specifier_range.clone()];
        let aggregate = |token: &Token| matches!(token.kind, Kind::Word(Word::Record | Word::Enum));
        if declarators.is_empty() && place == Place::File && (specifiers.is_typedef || !words.iter().any(aggregate)) {
            // It names something that the scanner takes for a type of everyone's.
            return Err(Lost(start));
        }
        self.within(limit, Declaration { specifiers, specifier_range, declarators, body, end: at + 1 })
    }

    fn within(&self, limit: usize, declaration: Declaration) -> Result<Declaration, Lost> {
        if declaration.end <= limit { Ok(declaration) } else { Err(Lost(limit.min(self.tokens.len()))) }
    }

    /// Past an initializer or a width.
    fn expression(&self, mut at: usize, limit: usize) -> usize {
        while at < limit && !self.is(at, b',') && !self.is(at, b';') {
            at = self.closes.get(&at).unwrap_or(&at) + 1;
        }
        at
    }
}
