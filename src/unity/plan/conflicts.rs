//! Whether any single word of a unit forbids that it is merged: a private name that is a macro too, another unit's entry, what goes on
//! from unit to unit, assembler that speaks of symbols. Knows nothing of what names will be called.

use std::collections::HashSet;
use std::ops::Range;

use super::{Unit, lossy};
use crate::unity::lex::{Kind, Token, Verb};
use crate::unity::macros::Traits;
use crate::unity::reason::Reason;
use crate::unity::scan::{Chunk, Class};
use crate::unity::words::Word;

impl<'t> Unit<'_, 't> {
    /// Looks at every word once.
    pub(super) fn words(&mut self, entries: &HashSet<&[u8]>) -> Result<(), Reason> {
        for name in self.privates.keys() {
            if self.own.names.contains(name) || self.header.is_some_and(|header| header.get(name).is_some()) {
                return Err(Reason::MacroToo(lossy(name)));
            }
        }
        let private_functions: Vec<Range<usize>> = self.private_functions();
        let lexed = self.lexed;
        let mut bodies = private_functions.iter().peekable();
        for (at, token) in lexed.tokens.iter().enumerate() {
            while bodies.peek().is_some_and(|body| body.end <= at) {
                bodies.next();
            }
            let in_private = bodies.peek().is_some_and(|body| body.contains(&at));
            let Kind::Word(word) = token.kind else { continue };
            if word == Word::Asm {
                self.assembler(at)?;
            }
            self.word(token, word, self.scan.classes[at], in_private, entries)?;
        }
        for directive in &lexed.directives {
            let asks = matches!(directive.verb, Verb::If | Verb::Else);
            for at in directive.tokens.clone() {
                let token = &lexed.inner[at];
                let Kind::Word(word) = token.kind else { continue };
                if asks && self.privates.contains_key(self.slice(token)) {
                    return Err(Reason::MacroToo(lossy(self.slice(token))));
                }
                if word == Word::Asm {
                    return Err(Reason::Asm { line: self.line(token) });
                }
                self.word(token, word, self.inner_classes[at], !private_functions.is_empty(), entries)?;
            }
        }
        Ok(())
    }

    fn private_functions(&self) -> Vec<Range<usize>> {
        let private = |chunk: &&Chunk<'_>| {
            chunk.defines.iter().any(|defined| defined.function && !self.entries.contains(defined.name))
        };
        let mut bodies: Vec<_> =
            self.scan.chunks.iter().filter(private).flat_map(|chunk| chunk.bodies.iter().cloned()).collect();
        bodies.sort_by_key(|body| body.start);
        bodies
    }

    fn word(
        &mut self,
        token: &Token,
        word: Word,
        class: Class,
        in_private: bool,
        entries: &HashSet<&[u8]>,
    ) -> Result<(), Reason> {
        match word {
            Word::Pragma => return Err(Reason::Pragma { line: self.line(token) }),
            Word::Counter => return Err(Reason::Counter),
            Word::FunctionName if in_private => return Err(Reason::FunctionName { line: self.line(token) }),
            _ if !word.is_name() => return Ok(()),
            _ => {}
        }
        let name = self.slice(token);
        if let Some(private) = self.privates.get_mut(name) {
            private.murky_uses |= class == Class::Murky;
            private.foreign_uses |= !private.means(class);
        } else if class != Class::Member && entries.contains(name) && !self.entries.contains(name) {
            return Err(Reason::OtherEntry(lossy(name)));
        }
        if let Some(known) = self.header.and_then(|header| header.get(name)) {
            if known.deep.has(Traits::COUNTER) {
                return Err(Reason::Counter);
            }
            if in_private && known.deep.has(Traits::FUNCTION_NAME) {
                return Err(Reason::FunctionName { line: self.line(token) });
            }
        }
        Ok(())
    }

    /// Assembler may speak of symbols in its strings, under names that they will not have, or define some.
    fn assembler(&self, at: usize) -> Result<(), Reason> {
        let tokens = &self.lexed.tokens;
        let reason = || Reason::Asm { line: self.line(&tokens[at]) };
        let open = (at + 1..tokens.len()).find(|&at| tokens[at].is(b'(')).ok_or_else(reason)?;
        let close = *self.scan.closes.get(&open).ok_or_else(reason)?;
        for token in tokens[open..close].iter().filter(|token| token.kind == Kind::Text) {
            let template = self.slice(token);
            let mut words = template.split(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'$' | b'.'));
            let speaks = words.any(|word| {
                self.privates.contains_key(word) || word.strip_prefix(b".").is_some_and(|rest| !rest.is_empty())
            });
            // A label, though not of assembler's own numbered kind.
            let labels =
                template.windows(2).any(|two| two[1] == b':' && (two[0].is_ascii_alphabetic() || two[0] == b'_'));
            if speaks || labels {
                return Err(reason());
            }
        }
        Ok(())
    }
}
