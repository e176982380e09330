//! Decides which pieces of a unit another unit may share: hashes of a piece with everything that the piece depends on.

use std::collections::{BTreeSet, HashMap};

use super::unit::UnitScope;
use crate::identity::{Fields, Identity};
use crate::scc::components;

/// The dependencies of each piece of a unit.
pub(super) struct Sharing<'s> {
    /// The private names that each piece mentions.
    pub(super) mentions: Vec<BTreeSet<&'s [u8]>>,
    /// The identity of each piece; `None` if the piece cannot be shared.
    pub(super) identities: Vec<Option<Identity>>,
}

impl<'s> UnitScope<'s, '_> {
    pub(super) fn sharing(&self) -> Sharing<'s> {
        let mut mentions: Vec<BTreeSet<&'s [u8]>> = Vec::with_capacity(self.pieces.len());
        let mut uses: HashMap<&'s [u8], Vec<usize>> = HashMap::new();
        let mut foreign: Vec<BTreeSet<&'s [u8]>> = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            let mut names = BTreeSet::new();
            let mut others = BTreeSet::new();
            for at in piece.tokens.clone().filter(|&at| self.text.is_name(at)) {
                let name: &[u8] = &self.text.tokens[at].text;
                match self.privates.get_key_value(name) {
                    Some((&name, private)) if private.matches_usage(self.usages[at]) => {
                        names.insert(name);
                        uses.entry(name).or_default().push(at);
                    }
                    _ => drop(others.insert(name)),
                }
            }
            mentions.push(names);
            foreign.push(others);
        }
        let declared: HashMap<&[u8], &[u8; 32]> =
            self.pieces.iter().flat_map(|piece| &piece.declares).map(|(name, hash)| (*name, hash)).collect();
        let can_be_shared: Vec<bool> = self
            .pieces
            .iter()
            .map(|piece| {
                let plain = |name: &&[u8]| self.has_plain_uses_only(name, uses.get(name).map_or(&[], Vec::as_slice));
                piece.may_be_shared && !piece.privates.is_empty() && piece.privates.iter().all(plain)
            })
            .collect();
        // Pieces that define or declare the same name belong together.
        let edges: Vec<Vec<usize>> = mentions
            .iter()
            .zip(&self.pieces)
            .map(|(mentions, piece)| {
                mentions.iter().chain(&piece.privates).flat_map(|name| self.privates[name].pieces.clone()).collect()
            })
            .collect();
        let mut identities: Vec<Option<Identity>> = vec![None; self.pieces.len()];
        for mut together in components(&edges) {
            together.sort_unstable();
            if !together.iter().all(|&index| can_be_shared[index]) {
                continue;
            }
            let mut hash = Fields::new(b"shared");
            let mut is_whole = true;
            for &index in &together {
                hash.tokens(&self.text.tokens[self.pieces[index].tokens.clone()]);
                for name in &mentions[index] {
                    let piece = self.privates[name].pieces[0];
                    hash.field(name);
                    match identities[piece] {
                        _ if together.contains(&piece) => hash.field(b"here"),
                        Some(identity) => hash.field(&identity),
                        None => is_whole = false,
                    }
                }
                // The unit's declarations of names that other units define.
                for (name, hash_of) in foreign[index].iter().filter_map(|name| declared.get_key_value(name)) {
                    hash.field(name);
                    hash.field(*hash_of);
                }
            }
            if is_whole {
                let identity = hash.finish();
                together.into_iter().for_each(|index| identities[index] = Some(identity));
            }
        }
        Sharing { mentions, identities }
    }
}
