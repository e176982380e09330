//! What a chunk depends on that stands around it: macros, private names, declarations; and whether several units can have it in
//! common. Hashes nothing.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;

use super::Unit;
use super::own::{State, States};
use crate::unity::lex::{Kind, Token};
use crate::unity::macros::{Definition, Table, Traits, is_number_suffix};
use crate::unity::scan::{Chunk, Class};
use crate::unity::words::Word;

/// Where something depends on what stands around it.
#[derive(Default)]
pub(super) struct Needs<'t> {
    /// By name, in words that hash alike only if they mean the same.
    pub(super) macros: BTreeMap<&'t [u8], Vec<u8>>,
    pub(super) privates: BTreeSet<&'t [u8]>,
    pub(super) declared: BTreeMap<&'t [u8], Vec<u8>>,
    /// Nothing that depends on the unit itself.
    pub(super) shareable: bool,
    pub(super) traits: Traits,
}

impl<'t> Unit<'_, 't> {
    pub(super) fn needs(&self, chunk: &Chunk<'t>, states: &States<'t>) -> Needs<'t> {
        let mut needs = Needs { shareable: chunk.shareable && !chunk.defines.is_empty(), ..Needs::default() };
        if self.header.is_some_and(Table::odd)
            || chunk.defines.iter().any(|defined| self.entries.contains(defined.name))
        {
            needs.shareable = false;
        }
        if !needs.shareable {
            return needs;
        }
        let local = self.local_names(chunk.tokens.clone());
        self.collect(chunk.tokens.clone(), &local, states, &mut needs);
        for defined in &chunk.defines {
            let Some(private) = self.privates.get(defined.name) else { continue };
            for (annex, range) in &private.annexes {
                // False for a declaration under a condition.
                needs.shareable &= self.scan.chunks[*annex].shareable;
                self.collect(range.clone(), &local, states, &mut needs);
            }
        }
        let bad = Traits::STATIC
            | Traits::PLACE
            | Traits::FUNCTION_NAME
            | Traits::COUNTER
            | Traits::PASTE
            | Traits::ASM
            | Traits::SYMBOL
            | Traits::REPLACEABLE;
        needs.shareable &= !needs.traits.has(bad);
        needs.shareable &= !(chunk.variable && needs.traits.has(Traits::STRUCTURE));
        if needs.traits.has(Traits::SUFFIX) {
            // What looks like a number with a suffix might become one of the unit's words.
            let ends = |name: &&[u8]| name.last().is_some_and(|last| is_number_suffix(&[*last]));
            needs.shareable &= !self.privates.keys().any(ends) && !self.own.names.iter().any(ends);
        }
        needs
    }

    /// The words that a chunk visibly declares itself: no macro of an unknown header can be meant by them.
    fn local_names(&self, range: Range<usize>) -> HashSet<&'t [u8]> {
        let mut local = HashSet::new();
        if self.header.is_some() {
            return local;
        }
        let tokens = &self.lexed.tokens[range.clone()];
        for (at, token) in tokens.iter().enumerate() {
            let Kind::Word(word) = token.kind else { continue };
            if !word.is_name() {
                continue;
            }
            let before = tokens[..at].iter().rposition(|token| {
                !(token.is(b'*') || matches!(token.kind, Kind::Word(Word::Const | Word::Volatile | Word::Qualifier)))
            });
            let Some(before) = before else { continue };
            let typed = match tokens[before].kind {
                Kind::Word(Word::Type) => true,
                // Not `name * word`, which may be a product.
                Kind::Word(word) if word.is_name() => {
                    before + 1 == at && self.privates.contains_key(self.slice(&tokens[before]))
                }
                _ => false,
            };
            if typed {
                local.insert(self.slice(token));
            }
        }
        local
    }

    /// Adds what some tokens depend on.
    pub(super) fn collect(
        &self,
        range: Range<usize>,
        local: &HashSet<&[u8]>,
        states: &States<'t>,
        needs: &mut Needs<'t>,
    ) {
        let here = range.start;
        let mut todo: Vec<(&'t [u8], Class)> = Vec::new();
        let mut seen: HashSet<&[u8]> = HashSet::new();
        for at in range {
            let token = &self.lexed.tokens[at];
            match token.kind {
                Kind::Word(word) if word.is_name() => todo.push((self.slice(token), self.scan.classes[at])),
                // `static` and `extern` of a declaration itself are the scanner's.
                Kind::Word(word) => {
                    if matches!(word, Word::Place | Word::FunctionName | Word::Counter | Word::Asm) {
                        needs.traits = needs.traits | Traits::of(word);
                    }
                }
                Kind::Directive(index) => {
                    let inner = &self.lexed.inner[self.lexed.directives[index].tokens.clone()];
                    let words = inner.iter().filter(|token| matches!(token.kind, Kind::Word(_)));
                    todo.extend(words.map(|token| (self.slice(token), Class::Ordinary)));
                }
                _ => {}
            }
        }
        while let Some((name, class)) = todo.pop() {
            if !seen.insert(name) {
                continue;
            }
            if self.privates.contains_key(name) {
                needs.privates.insert(name);
                continue;
            }
            if self.own.names.contains(name) {
                let changes = states.get(name).map_or(&[][..], Vec::as_slice);
                let change = changes.iter().rev().find(|(at, _)| *at < here).map(|change| change.1);
                match change {
                    None => {}
                    Some(State::Unsure) => needs.shareable = false,
                    Some(State::Undefined) => drop(needs.macros.insert(name, b"undefined".to_vec())),
                    Some(State::Defined(index)) => {
                        let mut words = b"defined".to_vec();
                        self.normal(&self.lexed.inner[self.lexed.directives[index].tokens.clone()], &mut words);
                        needs.macros.insert(name, words);
                        let inner = &self.lexed.inner[self.lexed.directives[index].tokens.clone()];
                        if let Some(definition) = Definition::read(self.text, inner) {
                            needs.traits = needs.traits | definition.traits;
                            todo.extend(definition.mentions.iter().map(|(name, _)| (*name, Class::Ordinary)));
                        }
                    }
                }
                if change.is_some() {
                    continue;
                }
            }
            self.declared_words(name, needs);
            match self.header {
                Some(header) => {
                    if let Some(known) = header.get(name) {
                        needs.traits = needs.traits | known.deep;
                        todo.extend(self.reached(name).into_iter().map(|name| (name, Class::Ordinary)));
                    }
                }
                // It may be a macro, and hide anything.
                None => needs.shareable &= local.contains(name) || class == Class::Member,
            }
        }
    }

    /// How the unit declares someone else's name.
    fn declared_words(&self, name: &'t [u8], needs: &mut Needs<'t>) {
        let Some(places) = self.declared.get(name) else { return };
        let mut words = Vec::new();
        for place in places {
            self.normal(&self.lexed.tokens[place.clone()], &mut words);
        }
        needs.declared.insert(name, words);
    }

    /// Writes tokens so that comments and line breaks do not matter.
    pub(super) fn normal(&self, tokens: &[Token], out: &mut Vec<u8>) {
        let mut end = None;
        for token in tokens {
            // Whether there is space before it matters to `#define F(x)`, and between `+` and `+`.
            out.push(if end == Some(token.start) { b'\x01' } else { b'\x02' });
            out.extend_from_slice(self.slice(token));
            end = Some(token.end);
        }
        out.push(b'\x03');
    }
}
