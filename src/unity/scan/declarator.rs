//! One declared name with what belongs to it: `*name[3]`, `(*name)(int)`, and the attributes and macros behind it.

use std::ops::Range;

use super::Scanner;
use super::declaration::Lost;
use super::nesting::DEEPEST;
use crate::unity::lex::Kind;
use crate::unity::macros::Traits;
use crate::unity::words::Word;

pub(super) struct Declarator {
    pub(super) name: Option<usize>,
    pub(super) part: Range<usize>,
    pub(super) function: bool,
    /// Whether the object itself is constant; None where its specifiers say so.
    pub(super) pointer_const: Option<bool>,
    pub(super) initializer: Option<Range<usize>>,
}

impl<'t> Scanner<'_, 't> {
    pub(super) fn declarator(&self, start: usize, depth: usize) -> Result<Declarator, Lost> {
        let mut at = start;
        let mut pointer_const = None;
        let mut volatile = false;
        let mut found = loop {
            match self.kind(at) {
                Some(Kind::Punct(b'*')) => pointer_const = Some(false),
                Some(Kind::Word(Word::Const)) if pointer_const.is_some() => pointer_const = Some(true),
                Some(Kind::Word(Word::Volatile | Word::Atomic)) => volatile = true,
                Some(Kind::Word(Word::Qualifier | Word::Specifier | Word::Const)) => {}
                Some(Kind::Word(Word::Attribute)) => {
                    at = self.past(at + 1)?;
                    continue;
                }
                Some(Kind::Word(word)) if word.is_name() => {
                    at += 1;
                    let function = self.is(at, b'(');
                    break Declarator {
                        name: Some(at - 1),
                        part: start..at,
                        function,
                        pointer_const,
                        initializer: None,
                    };
                }
                Some(Kind::Punct(b'(')) => {
                    let end = self.past(at)?;
                    if depth == DEEPEST {
                        return Err(Lost(at));
                    }
                    let inner = self.declarator(at + 1, depth + 1)?;
                    if inner.part.end != end - 1 || inner.name.is_none() {
                        return Err(Lost(at));
                    }
                    at = end;
                    let bare = inner.part.len() == 1;
                    let function = inner.function || (bare && self.is(at, b'('));
                    let pointer_const = inner.pointer_const.or(pointer_const);
                    break Declarator { function, pointer_const, ..inner };
                }
                // An unnamed bit-field.
                Some(Kind::Punct(b':')) => {
                    break Declarator {
                        name: None,
                        part: start..at,
                        function: false,
                        pointer_const,
                        initializer: None,
                    };
                }
                _ => return Err(Lost(at)),
            }
            at += 1;
        };
        while self.is(at, b'(') || self.is(at, b'[') {
            at = self.past(at)?;
        }
        found.part = start..at;
        if volatile {
            found.pointer_const = Some(false);
        }
        Ok(found)
    }

    /// Past attributes and known macros behind a declarator.
    pub(super) fn behind_declarator(&self, mut at: usize) -> Result<usize, Lost> {
        loop {
            at = self.attributes(at)?;
            match self.kind(at) {
                Some(Kind::Word(word)) if word.is_name() => match self.macro_of(at) {
                    Some((_, traits)) if traits.has(Traits::STRUCTURE | Traits::ASM | Traits::REPLACEABLE) => {
                        return Err(Lost(at));
                    }
                    Some((true, _)) if self.is(at + 1, b'(') => at = self.past(at + 1)?,
                    Some((false, _)) => at += 1,
                    _ => return Err(Lost(at)),
                },
                Some(Kind::Word(Word::Asm)) => return Err(Lost(at)),
                _ => return Ok(at),
            }
        }
    }

    /// Past attributes and calling conventions.
    pub(super) fn attributes(&self, mut at: usize) -> Result<usize, Lost> {
        loop {
            at = match self.kind(at) {
                Some(Kind::Word(Word::Attribute)) => self.past(at + 1)?,
                Some(Kind::Word(Word::Specifier)) => at + 1,
                _ => return Ok(at),
            };
        }
    }
}
