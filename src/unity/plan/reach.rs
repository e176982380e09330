//! What macros, the unit's and the header's, come to mention when they are expanded, and by which way each private name is changed
//! so that they find it.

use std::collections::{HashMap, HashSet};

use super::{Unit, lossy};
use crate::unity::lex::Kind;
use crate::unity::macros::Traits;
use crate::unity::reason::Reason;

impl<'t> Unit<'_, 't> {
    /// Finds the header's macros that lead to something of the unit's.
    pub(super) fn reach(&mut self) {
        if let Some(header) = self.header {
            let names = self.privates.keys().chain(&self.own.names).copied();
            self.reaching = header.reaching(names);
        }
    }

    /// Chooses how each name is changed.
    ///
    /// A `#define` reaches what the header's macros make of a name, and leaves alone what they turn into text; but it takes
    /// members of the same name along. Where there are some, each use is edited instead.
    pub(super) fn choose_ways(&mut self) -> Result<(), Reason> {
        let words: HashSet<&[u8]> = if self.reaching.is_empty() {
            HashSet::new()
        } else {
            let all = self.lexed.tokens.iter().chain(&self.lexed.inner);
            all.filter(|token| matches!(token.kind, Kind::Word(_))).map(|token| self.slice(token)).collect()
        };
        for (name, private) in &mut self.privates {
            let mut as_member = private.foreign_uses;
            let mut as_name = false;
            if let Some(header) = self.header
                && !self.reaching.is_empty()
            {
                let used = |macros: HashSet<usize>| {
                    !macros.is_empty()
                        && words.iter().any(|word| header.id_of(word).is_some_and(|id| macros.contains(&id)))
                };
                as_member |= used(header.reaching_member(name));
                as_name = used(header.reaching_plain(name));
            }
            // Of an unknown header any macro may speak of the name, and would not find it.
            as_name |= self.header.is_none();
            if as_member && (as_name || private.murky_uses) {
                return Err(Reason::Ambiguous(lossy(name)));
            }
            private.by_define = !as_member;
        }
        Ok(())
    }

    /// What a macro may come to bring with it, and what of that is not its own.
    pub(super) fn deep(&self, name: &'t [u8]) -> (Traits, Traits) {
        let mut own = Traits::default();
        let mut below = Traits::default();
        let mut seen: HashSet<&[u8]> = HashSet::new();
        let mut todo = vec![name];
        while let Some(next) = todo.pop() {
            let mut brings = Traits::default();
            for definition in self.own.definitions.get(next).into_iter().flatten() {
                brings = brings | definition.traits;
                todo.extend(definition.mentions.iter().map(|(name, _)| *name).filter(|name| seen.insert(name)));
            }
            if let Some(known) = self.header.and_then(|header| header.get(next)) {
                brings = brings | known.deep;
                if next == name {
                    below = below | known.below;
                }
                // The header's macro may lead to one of the unit's.
                todo.extend(self.reached(next).into_iter().filter(|name| seen.insert(name)));
            }
            if next == name {
                own = own | brings;
            } else {
                below = below | brings;
            }
        }
        (own | below, below)
    }

    /// What of the unit's own a macro of the header's may come to mention.
    pub(super) fn reached(&self, name: &[u8]) -> Vec<&'t [u8]> {
        let Some(header) = self.header else { return Vec::new() };
        let Some(start) = header.id_of(name).filter(|id| self.reaching.contains(id)) else { return Vec::new() };
        let mine = self.privates.keys().chain(&self.own.names);
        let ids: HashMap<usize, &'t [u8]> = mine.filter_map(|&name| Some((header.id_of(name)?, name))).collect();
        let mut found = Vec::new();
        let mut seen = HashSet::from([start]);
        let mut todo = vec![start];
        while let Some(id) = todo.pop() {
            for &mentioned in header.mentions(id) {
                if let Some(name) = ids.get(&mentioned) {
                    found.push(*name);
                }
                if self.reaching.contains(&mentioned) && seen.insert(mentioned) {
                    todo.push(mentioned);
                }
            }
        }
        found
    }
}
