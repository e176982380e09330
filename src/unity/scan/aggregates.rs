//! Structs, unions and enums with a body: their tags, and which words are members and enumerators.

use std::ops::Range;

use super::Scanner;
use super::classes::Class;
use super::declaration::{Lost, Place};
use crate::unity::lex::Kind;
use crate::unity::words::Word;

/// A struct, union or enum with a body.
pub(super) struct Aggregate {
    /// Its keyword.
    pub(super) at: usize,
    pub(super) tag: Option<usize>,
    pub(super) body: Range<usize>,
    pub(super) is_enum: bool,
}

impl<'t> Scanner<'_, 't> {
    /// Finds every struct, union and enum with a body, and marks the names of members.
    pub(super) fn aggregates(&mut self) {
        let mut found = Vec::new();
        for at in 0..self.tokens.len() {
            let is_enum = match self.tokens[at].kind {
                Kind::Word(Word::Record) => false,
                Kind::Word(Word::Enum) => true,
                _ => continue,
            };
            let Ok((tag, open)) = self.aggregate_head(at) else { continue };
            if let Some(tag) = tag {
                self.classes[tag] = Class::Tag;
            }
            if self.is(open, b'{')
                && let Ok(end) = self.past(open)
            {
                found.push(Aggregate { at, tag, body: open + 1..end - 1, is_enum });
            }
        }
        for aggregate in found.iter().filter(|aggregate| !aggregate.is_enum) {
            self.members(aggregate.body.clone());
        }
        self.aggregates = found;
    }

    /// The tag of the aggregate whose keyword stands here, and what stands behind that.
    pub(super) fn aggregate_head(&self, at: usize) -> Result<(Option<usize>, usize), Lost> {
        let mut at = self.attributes(at + 1)?;
        let mut tag = None;
        if let Some(Kind::Word(word)) = self.kind(at)
            && word.is_name()
        {
            // A macro between keyword and tag.
            if let Some(Kind::Word(next)) = self.kind(at + 1)
                && next.is_name()
                && self.kind(at + 2) == Some(Kind::Punct(b'{'))
            {
                at += 1;
            }
            tag = Some(at);
            at = self.attributes(at + 1)?;
        }
        // `enum name : type {` is C23's.
        Ok((tag, at))
    }

    fn members(&mut self, body: Range<usize>) {
        let mut at = body.start;
        while at < body.end {
            if matches!(self.tokens[at].kind, Kind::Directive(_)) || self.is(at, b';') {
                at += 1;
                continue;
            }
            if self.kind(at) == Some(Kind::Word(Word::StaticAssert)) {
                at += 1;
                continue;
            }
            match self.declaration(at, body.end, Place::Struct) {
                Ok(declaration) if declaration.specifiers.is_clear() => {
                    for name in declaration.declarators.iter().filter_map(|declarator| declarator.name) {
                        self.classes[name] = Class::Member;
                    }
                    at = declaration.end;
                }
                _ => {
                    // Which of its words are members is not known.
                    for class in &mut self.classes[at..body.end] {
                        if *class == Class::Ordinary {
                            *class = Class::Murky;
                        }
                    }
                    return;
                }
            }
        }
    }

    pub(super) fn enumerators(&self, body: Range<usize>) -> Result<Vec<&'t [u8]>, Lost> {
        let mut names = Vec::new();
        let mut at = body.start;
        while at < body.end {
            match self.tokens[at].kind {
                Kind::Directive(_) => {
                    at += 1;
                    continue;
                }
                Kind::Word(word) if word.is_name() => names.push(self.slice(at)),
                _ => return Err(Lost(at)),
            }
            at += 1;
            while at < body.end && !self.is(at, b',') {
                at = self.closes.get(&at).unwrap_or(&at) + 1;
            }
            at += 1;
        }
        Ok(names)
    }
}
