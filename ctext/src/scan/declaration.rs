//! Parses a whole declaration: specifiers, declarators, initializers, a function's body. Does not know what a declaration means for
//! other units.

use std::ops::Range;

use super::{Declarator, Text};
use crate::words::Word;

/// A declaration or a function definition at file scope, as token ranges.
#[derive(Debug, Default)]
pub(crate) struct Item {
    pub(crate) tokens: Range<usize>,
    pub(crate) is_static: bool,
    pub(crate) is_extern: bool,
    pub(crate) is_typedef: bool,
    pub(crate) is_inline: bool,
    pub(crate) is_const: bool,
    pub(crate) is_volatile: bool,
    pub(crate) is_thread_local: bool,
    /// True if the specifiers name a function type.
    pub(crate) is_function_type: bool,
    /// True if the type is one of the language's arithmetic types.
    pub(crate) is_arithmetic: bool,
    /// The specifiers, and everything else before the first declarator.
    pub(crate) specifiers: Range<usize>,
    pub(crate) declarators: Vec<Declarator>,
    /// A function's braces and their content.
    pub(crate) body: Option<Range<usize>>,
    /// The names of attributes, without their arguments.
    pub(crate) attributes: Vec<usize>,
}

impl Item {
    /// Returns the names that a typedef defines, with the kind of each type.
    pub(crate) fn type_names(&self) -> impl Iterator<Item = (usize, TypeName)> {
        self.declarators.iter().filter_map(|declarator| {
            // A volatile type, or a type with an attribute, does not count as plain.
            let is_plain = declarator.const_pointer.is_none() && declarator.dimensions == 0;
            let is_arithmetic = self.is_arithmetic && is_plain && !self.is_volatile && self.attributes.is_empty();
            let kind = match declarator.is_function {
                true => TypeName::Function,
                false if is_arithmetic => TypeName::Arithmetic,
                false => TypeName::Other,
            };
            Some((declarator.name?, kind))
        })
    }
}

/// A struct, union or enum.
#[derive(Debug)]
pub(crate) struct Aggregate {
    pub(crate) tag: Option<usize>,
    /// The content of the braces, if any.
    pub(crate) body: Option<Range<usize>>,
    pub(crate) is_enum: bool,
}

/// The index of the token at which a declaration is not understood.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParseError(pub(crate) usize);

/// The scope of a declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    File,
    Struct,
    Block,
}

/// The kind of type that a typedef name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TypeName {
    /// A function type: `type name;` declares a function.
    Function,
    /// One of the language's arithmetic types.
    Arithmetic,
    Other,
}

/// Looks up typedef names.
pub(crate) type Types<'f> = &'f dyn Fn(&[u8]) -> Option<TypeName>;

impl Text<'_, '_> {
    /// Parses the declaration that begins here.
    pub(crate) fn item(&self, start: usize, scope: Scope, types: Types<'_>) -> Result<Item, ParseError> {
        let mut item = Item::default();
        let mut at = self.specifiers(start, &mut item, types)?;
        item.specifiers = start..at;
        if self.is(at, ";") {
            item.tokens = start..at + 1;
            return Ok(item);
        }
        loop {
            let mut declarator = self.declarator(at, 0, &mut item.attributes)?;
            at = self.skip_after_declarator(&mut declarator, &mut item.attributes)?;
            let is_first = item.declarators.is_empty();
            if self.is(at, "{") && is_first && declarator.is_function && scope != Scope::Struct && !item.is_typedef {
                let end = self.past(at);
                item.body = Some(at..end);
                item.declarators.push(declarator);
                item.tokens = start..end;
                return Ok(item);
            }
            if self.is(at, ":") && scope == Scope::Struct {
                at = self.expression(at + 1);
            } else if self.is(at, "=") && scope != Scope::Struct && !declarator.is_function {
                let end = self.expression(at + 1);
                declarator.initializer = Some(at + 1..end);
                at = end;
            }
            if declarator.name.is_none() && scope != Scope::Struct {
                return Err(ParseError(at));
            }
            declarator.part.end = at;
            let is_plain = declarator.const_pointer.is_none() && declarator.dimensions == 0;
            declarator.is_function |= item.is_function_type && is_plain;
            item.declarators.push(declarator);
            if self.is(at, ",") {
                at += 1;
            } else if self.is(at, ";") {
                item.tokens = start..at + 1;
                return Ok(item);
            } else {
                return Err(ParseError(at));
            }
        }
    }

    /// Parses specifiers. Returns the index of the first declarator.
    fn specifiers(&self, start: usize, item: &mut Item, types: Types<'_>) -> Result<usize, ParseError> {
        let mut at = start;
        let mut has_type = false;
        loop {
            if self.is_bracket_attribute(at) {
                at = self.attribute(at, &mut item.attributes)?;
                continue;
            }
            let Some(word) = self.word(at) else {
                let declarator = self.is(at, "*") || self.is(at, "(") || self.is(at, ";") || self.is(at, ":");
                return if declarator && has_type { Ok(at) } else { Err(ParseError(at)) };
            };
            match word {
                Word::Static => item.is_static = true,
                Word::Extern => item.is_extern = true,
                Word::Typedef => item.is_typedef = true,
                Word::Inline => item.is_inline = true,
                Word::Const => item.is_const = true,
                Word::Volatile => item.is_volatile = true,
                Word::ThreadLocal => item.is_thread_local = true,
                Word::Specifier | Word::Qualifier => {}
                Word::Type => {
                    item.is_arithmetic = !has_type || item.is_arithmetic;
                    has_type = true;
                    // `__auto_type` may be any type.
                    item.is_arithmetic &= self.name(at) != b"__auto_type" && self.name(at) != b"__builtin_va_list";
                }
                Word::Attribute => {
                    at = self.attribute(at, &mut item.attributes)?;
                    continue;
                }
                Word::TypeOf => {
                    has_type = true;
                    at = self.close(at + 1).ok_or(ParseError(at))? + 1;
                    continue;
                }
                Word::Atomic => {
                    item.is_volatile = true;
                    if self.is(at + 1, "(") {
                        has_type = true;
                        at = self.past(at + 1);
                        continue;
                    }
                }
                Word::Record | Word::Enum => {
                    has_type = true;
                    let aggregate = self.aggregate(at, &mut item.attributes)?;
                    at = aggregate.1;
                    continue;
                }
                Word::Name if has_type => return Ok(at),
                Word::Name => {
                    let kind = types(self.name(at)).ok_or(ParseError(at))?;
                    item.is_function_type = kind == TypeName::Function;
                    item.is_arithmetic = kind == TypeName::Arithmetic;
                    has_type = true;
                }
                _ => return Err(ParseError(at)),
            }
            at += 1;
        }
    }

    /// Parses the struct, union or enum whose keyword is here. Returns the aggregate and the index after it.
    pub(crate) fn aggregate(&self, at: usize, attributes: &mut Vec<usize>) -> Result<(Aggregate, usize), ParseError> {
        let is_enum = self.word(at) == Some(Word::Enum);
        let mut at = self.attributes(at + 1, attributes)?;
        let tag = self.is_name(at).then_some(at);
        if tag.is_some() {
            at = self.attributes(at + 1, attributes)?;
        }
        let mut body = None;
        if self.is(at, "{") {
            let end = self.past(at);
            body = Some(at + 1..end - 1);
            at = self.attributes(end, attributes)?;
        } else if tag.is_none() || (is_enum && self.is(at, ":")) {
            // `enum name : type {` belongs to C23.
            return Err(ParseError(at));
        }
        Ok((Aggregate { tag, body, is_enum }, at))
    }

    /// Returns the index after an initializer or a width.
    fn expression(&self, mut at: usize) -> usize {
        while at < self.tokens.len() && !self.is(at, ",") && !self.is(at, ";") {
            at = self.past(at);
        }
        at
    }

    /// Returns the names of an enum's constants.
    pub(crate) fn enumerators(&self, body: Range<usize>) -> Result<Vec<usize>, ParseError> {
        let mut names = Vec::new();
        let mut at = body.start;
        while at < body.end {
            if !self.is_name(at) {
                return Err(ParseError(at));
            }
            names.push(at);
            while at < body.end && !self.is(at, ",") {
                at = self.past(at);
            }
            at += 1;
        }
        Ok(names)
    }

    /// Returns the index after the attributes here.
    pub(crate) fn attributes(&self, mut at: usize, found: &mut Vec<usize>) -> Result<usize, ParseError> {
        while self.word(at) == Some(Word::Attribute) || self.is_bracket_attribute(at) {
            at = self.attribute(at, found)?;
        }
        Ok(at)
    }

    /// True for C23's `[[…]]`.
    pub(crate) fn is_bracket_attribute(&self, at: usize) -> bool {
        self.is(at, "[") && self.is(at + 1, "[")
    }

    /// Returns the index after one `__attribute__((…))`, `[[…]]`, `__declspec(…)` or `_Alignas(…)`.
    pub(crate) fn attribute(&self, at: usize, found: &mut Vec<usize>) -> Result<usize, ParseError> {
        let open = if self.is(at, "[") { at } else { at + 1 };
        let close = self.close(open).ok_or(ParseError(at))?;
        if self.name(at).ends_with(b"lignas") {
            return Ok(close + 1);
        }
        let mut inside = open + 1;
        while inside < close {
            // The inner brackets of `((…))` and `[[…]]`.
            if inside == open + 1 && (self.is(inside, "(") || self.is(inside, "[")) {
                inside += 1;
                continue;
            }
            // `gnu::` is the namespace of the attribute that follows.
            if self.tokens[inside].kind == crate::lexer::TokenKind::Word && !self.is(inside + 1, "::") {
                found.push(inside);
            }
            inside = self.past(inside);
        }
        Ok(close + 1)
    }
}
