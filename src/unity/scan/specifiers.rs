//! What stands before the declared names of a declaration: storage, type, qualifiers, and macros that may be any of these.

use super::Scanner;
use super::declaration::{Lost, Place};
use crate::unity::lex::Kind;
use crate::unity::macros::Traits;
use crate::unity::words::Word;

#[derive(Default)]
pub(super) struct Specifiers {
    pub(super) is_static: bool,
    pub(super) is_extern: bool,
    pub(super) is_typedef: bool,
    pub(super) is_inline: bool,
    pub(super) is_const: bool,
    pub(super) is_volatile: bool,
    pub(super) thread_local: bool,
    /// A type that is one for sure.
    pub(super) typed: bool,
    /// Words that may be types or macros, before any type and behind one.
    pub(super) unknown_before: usize,
    pub(super) unknown_after: usize,
    /// Words that are macros for sure.
    pub(super) macros: bool,
    pub(super) macro_traits: Traits,
}

impl Specifiers {
    /// Whether it is clear which of its words is the declared name.
    pub(super) fn is_clear(&self) -> bool {
        self.unknown_after == 0 && (self.typed || self.unknown_before <= 1)
    }

    pub(super) fn has_type(&self) -> bool {
        self.typed || self.macros || self.unknown_before > 0
    }

    fn see_type(&mut self) {
        // Two of them, as in `unsigned long`, are one type; a word between them was a macro.
        self.unknown_before += std::mem::take(&mut self.unknown_after);
        self.typed = true;
    }
}

impl<'t> Scanner<'_, 't> {
    pub(super) fn specifiers(&self, start: usize, place: Place) -> Result<(Specifiers, usize), Lost> {
        let mut found = Specifiers::default();
        let mut at = start;
        loop {
            let Some(kind) = self.kind(at) else { return Err(Lost(at)) };
            let word = match kind {
                Kind::Word(word) => word,
                Kind::Punct(b'*' | b'(' | b';' | b')') => return Ok((found, at)),
                Kind::Punct(b':') if place == Place::Struct => return Ok((found, at)),
                _ => return Err(Lost(at)),
            };
            match word {
                Word::Static => found.is_static = true,
                Word::Extern => found.is_extern = true,
                Word::Typedef => found.is_typedef = true,
                Word::Inline => found.is_inline = true,
                Word::Const => found.is_const = true,
                Word::Volatile => found.is_volatile = true,
                Word::ThreadLocal => found.thread_local = true,
                Word::Specifier | Word::Qualifier => {}
                Word::Type => found.see_type(),
                Word::Attribute => {
                    at = self.past(at + 1)?;
                    continue;
                }
                Word::TypeOf => {
                    found.see_type();
                    at = self.past(at + 1)?;
                    continue;
                }
                Word::Atomic => {
                    found.is_volatile = true;
                    if self.is(at + 1, b'(') {
                        found.see_type();
                        at = self.past(at + 1)?;
                        continue;
                    }
                }
                Word::Record | Word::Enum => {
                    found.see_type();
                    let (tag, behind) = self.aggregate_head(at)?;
                    at = behind;
                    if word == Word::Enum && self.is(at, b':') {
                        return Err(Lost(at));
                    }
                    if self.is(at, b'{') {
                        at = self.past(at)?;
                    } else if tag.is_none() {
                        return Err(Lost(at));
                    }
                    continue;
                }
                Word::Name | Word::OffsetOf => {
                    if self.begins_declarator(at, &found, place)? {
                        return Ok((found, at));
                    }
                    match self.macro_of(at) {
                        // It may be a type too.
                        Some((false, traits)) => {
                            found.macros = true;
                            found.macro_traits = found.macro_traits | traits;
                            found.is_static |= traits.has(Traits::STATIC) && !traits.has(Traits::EXTERN);
                        }
                        Some((true, _)) => return Err(Lost(at)),
                        None if found.typed => found.unknown_after += 1,
                        None => found.unknown_before += 1,
                    }
                }
                _ => return Err(Lost(at)),
            }
            at += 1;
        }
    }

    /// Whether the word here is the declared name, and not a type or a macro before it.
    fn begins_declarator(&self, at: usize, found: &Specifiers, place: Place) -> Result<bool, Lost> {
        let behind = self.attributes(at + 1)?;
        match self.kind(behind) {
            Some(Kind::Punct(b'(')) => {
                // `type (*name)(…)` or `type (name)(…)`, against `name(…)`.
                let close = *self.closes.get(&behind).ok_or(Lost(behind))?;
                let pointer = self.is(behind + 1, b'*') || self.is(behind + 1, b'^');
                let named = close == behind + 2 && self.is(close + 1, b'(');
                if pointer || named {
                    return Ok(false);
                }
                if found.has_type() { Ok(true) } else { Err(Lost(at)) }
            }
            Some(Kind::Punct(b',' | b';' | b'=' | b'[' | b')')) => Ok(true),
            Some(Kind::Punct(b':')) if place == Place::Struct => Ok(true),
            Some(Kind::Word(Word::Asm)) => Err(Lost(behind)),
            Some(Kind::Word(word)) => {
                // `type name MACRO;` where the macro is known.
                let trailing = found.has_type() && word.is_name() && self.macro_of(behind).is_some();
                Ok(trailing && self.macro_of(at).is_none() && self.ends_behind_macros(behind))
            }
            Some(Kind::Punct(b'*')) => Ok(false),
            _ => Err(Lost(behind)),
        }
    }

    /// Whether nothing but known macros stands between here and the declarator's end.
    fn ends_behind_macros(&self, at: usize) -> bool {
        self.behind_declarator(at).is_ok_and(|at| matches!(self.kind(at), Some(Kind::Punct(b',' | b';' | b'='))))
    }
}
