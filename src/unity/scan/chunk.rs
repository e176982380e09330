//! What one declaration of the file scope defines and declares, and whether its own words let several units have it in common.

use std::ops::Range;

use super::declaration::{Declaration, Lost, Place};
use super::{Chunk, Declared, Defined, Scanner};
use crate::unity::lex::{Kind, Token, Verb};
use crate::unity::macros::Traits;
use crate::unity::reason::Reason;
use crate::unity::words::{HARMLESS, REPLACEABLE, Word};

impl<'t> Scanner<'_, 't> {
    pub(super) fn chunk(&mut self, at: usize, declaration: &Declaration) -> Result<Chunk<'t>, Reason> {
        let specifiers = &declaration.specifiers;
        let tokens = at..declaration.end;
        let lost = |at| Reason::NotUnderstood { line: self.line(at) };
        let mut chunk = Chunk { tokens: tokens.clone(), shareable: true, ..Chunk::default() };
        let body = declaration.body.clone();
        chunk.bodies.extend(body.clone());

        if specifiers.macro_traits.has(Traits::REPLACEABLE) {
            return Err(Reason::Replaceable { line: self.line(at) });
        }
        for declarator in &declaration.declarators {
            let name_at = declarator.name.ok_or_else(|| lost(at))?;
            let name = self.slice(name_at);
            let defined = |function| Defined { name, tag: false, function, is_static: specifiers.is_static };
            if specifiers.is_typedef || specifiers.macro_traits.has(Traits::STRUCTURE) {
                if !specifiers.is_clear() || specifiers.macro_traits.has(Traits::STRUCTURE) {
                    return Err(lost(name_at));
                }
                chunk.defines.push(Defined { is_static: true, ..defined(false) });
                continue;
            }
            if declarator.function {
                if body.is_some() {
                    if specifiers.is_inline && (!specifiers.is_static || specifiers.is_extern) {
                        return Err(Reason::Replaceable { line: self.line(at) });
                    }
                    chunk.defines.push(defined(true));
                    continue;
                }
                if !specifiers.is_clear() {
                    return Err(lost(name_at));
                }
            } else {
                if !specifiers.is_clear() {
                    return Err(lost(name_at));
                }
                let hidden_extern = specifiers.macro_traits.has(Traits::EXTERN);
                let hidden_storage = specifiers.unknown_before > 0 && specifiers.typed;
                let is_extern = specifiers.is_extern || hidden_extern;
                if declarator.initializer.is_none() && hidden_storage && !specifiers.is_static && !is_extern {
                    return Err(lost(name_at));
                }
                if declarator.initializer.is_some() || !is_extern {
                    chunk.defines.push(defined(false));
                    chunk.variable = true;
                    chunk.shareable &= declarator.pointer_const.unwrap_or(specifiers.is_const)
                        && !specifiers.is_volatile
                        && !specifiers.thread_local
                        && !self.has_compound_literal(declarator.initializer.clone().unwrap_or(0..0));
                    continue;
                }
            }
            chunk.declares.push(Declared {
                name,
                part: declarator.part.clone(),
                specifiers: declaration.specifier_range.clone(),
                by_macro: false,
            });
        }

        // Tags and enumerators, wherever they are outside of the function's body.
        let first = self.aggregates.partition_point(|aggregate| aggregate.at < tokens.start);
        let here = self.aggregates[first..].iter().take_while(|aggregate| aggregate.at < tokens.end);
        for aggregate in here.filter(|aggregate| !body.as_ref().is_some_and(|body| body.contains(&aggregate.at))) {
            if let Some(tag) = aggregate.tag {
                let name = self.slice(tag);
                chunk.defines.push(Defined { name, tag: true, function: false, is_static: true });
            }
            if aggregate.is_enum {
                for name in self.enumerators(aggregate.body.clone()).map_err(|Lost(at)| lost(at))? {
                    chunk.defines.push(Defined { name, tag: false, function: false, is_static: true });
                }
            }
        }

        self.attributes_of(&mut chunk)?;
        let whole = &self.tokens[tokens.clone()];
        chunk.shareable &= !whole.iter().any(|token| match token.kind {
            Kind::Directive(index) => !matches!(self.lexed.directives[index].verb, Verb::If | Verb::Else | Verb::Endif),
            Kind::Word(Word::ThreadLocal | Word::Asm) => true,
            _ => false,
        });
        if let Some(body) = body {
            // State of its own.
            let storage = |token: &Token| matches!(token.kind, Kind::Word(Word::Static | Word::Extern));
            chunk.shareable &= !self.tokens[body].iter().any(storage);
        }
        Ok(chunk)
    }

    /// `MACRO(static int f(int));`, which gives a function an attribute.
    pub(super) fn prototype_in_macro(&mut self, at: usize) -> Option<Chunk<'t>> {
        let close = *self.closes.get(&(at + 1))?;
        if !self.is(close + 1, b';') {
            return None;
        }
        let known = self.macro_of(at);
        let harmless = |(function_like, traits): (bool, Traits)| {
            function_like
                && !traits.has(
                    Traits::STRUCTURE
                        | Traits::HASH
                        | Traits::ASM
                        | Traits::PRAGMA
                        | Traits::REPLACEABLE
                        | Traits::SYMBOL,
                )
        };
        if self.header.is_some() && !known.is_some_and(harmless) || known.is_some_and(|known| !harmless(known)) {
            return None;
        }
        // The closing parenthesis stands where the semicolon would.
        let inside = self.declaration(at + 2, close + 1, Place::File).ok()?;
        let [declarator] = &inside.declarators[..] else { return None };
        if inside.end != close + 1 || inside.body.is_some() || !declarator.function || inside.specifiers.is_typedef {
            return None;
        }
        let declared = Declared {
            name: self.slice(declarator.name?),
            part: declarator.part.clone(),
            specifiers: at..inside.specifier_range.end,
            by_macro: true,
        };
        Some(Chunk { tokens: at..close + 2, declares: vec![declared], shareable: true, ..Chunk::default() })
    }

    fn has_compound_literal(&self, initializer: Range<usize>) -> bool {
        let tokens = &self.tokens[initializer];
        tokens.windows(2).any(|two| two[0].is(b')') && two[1].is(b'{'))
    }

    /// Looks at a chunk's attributes.
    fn attributes_of(&self, chunk: &mut Chunk<'t>) -> Result<(), Reason> {
        let mut at = chunk.tokens.start;
        while at < chunk.tokens.end {
            if self.kind(at) == Some(Kind::Word(Word::Attribute))
                && let Some(&close) = self.closes.get(&(at + 1))
            {
                for inside in at + 2..close {
                    let word = self.slice(inside);
                    if REPLACEABLE.contains(&word) {
                        return Err(Reason::Replaceable { line: self.line(inside) });
                    }
                    if matches!(self.tokens[inside].kind, Kind::Word(_)) && !HARMLESS.contains(&word) {
                        chunk.shareable &= self.slice(at).ends_with(b"lignas");
                    }
                }
                at = close;
            }
            at += 1;
        }
        Ok(())
    }
}
