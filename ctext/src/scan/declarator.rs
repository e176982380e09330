//! Parses one declarator: `*name[3]`, `(*name)(int)`, with the attributes after it.

use std::ops::Range;

use super::Text;
use super::declaration::ParseError;
use crate::words::Word;

/// The nesting limit of declarators, which bounds the parser's stack.
const DEEPEST: usize = 64;

/// A declared name.
#[derive(Debug)]
pub(crate) struct Declarator {
    /// `None` for an unnamed bit-field.
    pub(crate) name: Option<usize>,
    /// All tokens of the declarator, including its initializer.
    pub(crate) part: Range<usize>,
    pub(crate) is_function: bool,
    /// The number of array brackets after the name.
    pub(crate) dimensions: usize,
    /// For a pointer, true if the pointer itself is constant; `None` for other types.
    pub(crate) const_pointer: Option<bool>,
    pub(crate) initializer: Option<Range<usize>>,
    /// True if an `asm` label sets another symbol name.
    pub(crate) has_label: bool,
}

impl Text<'_, '_> {
    pub(crate) fn declarator(
        &self,
        start: usize,
        depth: usize,
        attributes: &mut Vec<usize>,
    ) -> Result<Declarator, ParseError> {
        let mut at = start;
        let mut const_pointer = None;
        let mut is_volatile = false;
        let mut found = loop {
            if self.is_bracket_attribute(at) {
                at = self.attribute(at, attributes)?;
                continue;
            }
            match self.word(at) {
                Some(Word::Const) if const_pointer.is_some() => const_pointer = Some(true),
                Some(Word::Volatile | Word::Atomic) => is_volatile = true,
                Some(Word::Qualifier | Word::Specifier | Word::Const) => {}
                Some(Word::Attribute) => {
                    at = self.attribute(at, attributes)?;
                    continue;
                }
                Some(Word::Name) => {
                    at += 1;
                    break Declarator {
                        name: Some(at - 1),
                        part: start..at,
                        is_function: self.is(at, "("),
                        dimensions: 0,
                        const_pointer,
                        initializer: None,
                        has_label: false,
                    };
                }
                None if self.is(at, "*") => const_pointer = Some(false),
                None if self.is(at, "(") && depth < DEEPEST => {
                    let end = self.past(at);
                    let inner = self.declarator(at + 1, depth + 1, attributes)?;
                    if inner.part.end != end - 1 || inner.name.is_none() {
                        return Err(ParseError(at));
                    }
                    at = end;
                    let is_bare = inner.part.len() == 1;
                    let is_function = inner.is_function || (is_bare && self.is(at, "("));
                    let const_pointer = inner.const_pointer.or(const_pointer);
                    break Declarator { is_function, const_pointer, ..inner };
                }
                None if self.is(at, ":") => {
                    break Declarator {
                        name: None,
                        part: start..at,
                        is_function: false,
                        dimensions: 0,
                        const_pointer,
                        initializer: None,
                        has_label: false,
                    };
                }
                _ => return Err(ParseError(at)),
            }
            at += 1;
        };
        while self.is(at, "(") || (self.is(at, "[") && !self.is_bracket_attribute(at)) {
            found.dimensions += usize::from(self.is(at, "["));
            at = self.past(at);
        }
        found.part = start..at;
        if is_volatile {
            found.const_pointer = Some(false);
        }
        Ok(found)
    }

    /// Returns the index after a label and attributes that follow a declarator.
    pub(crate) fn skip_after_declarator(
        &self,
        declarator: &mut Declarator,
        attributes: &mut Vec<usize>,
    ) -> Result<usize, ParseError> {
        let mut at = declarator.part.end;
        loop {
            at = self.attributes(at, attributes)?;
            if self.word(at) != Some(Word::Asm) {
                return Ok(at);
            }
            declarator.has_label = true;
            at = self.close(at + 1).ok_or(ParseError(at))? + 1;
        }
    }
}
