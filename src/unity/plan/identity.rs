//! Hashes: of a chunk with all that it depends on, of a private name, of how others' names are declared. What hashes alike means the same.

use std::collections::HashSet;

use super::needs::Needs;
use super::own::States;
use super::{Before, Plan, Private, Unit, lossy};
use crate::unity::groups::groups;
use crate::unity::reason::Reason;

/// A hash of a definition and of all that it depends on.
pub(super) type Identity = [u8; 32];

impl<'t> Unit<'_, 't> {
    /// The identity of each chunk; none where it is the unit's alone.
    pub(super) fn identities(&self, needs: &[Needs<'t>]) -> Vec<Option<Identity>> {
        // A chunk depends on those that define what it mentions; chunks that define one name belong together.
        let mut edges: Vec<Vec<usize>> = Vec::with_capacity(needs.len());
        for (index, chunk) in self.scan.chunks.iter().enumerate() {
            let mut to: Vec<usize> =
                needs[index].privates.iter().flat_map(|name| self.privates[name].chunks.iter().copied()).collect();
            for defined in &chunk.defines {
                if let Some(private) = self.privates.get(defined.name) {
                    to.extend(&private.chunks);
                }
            }
            edges.push(to);
        }
        let mut identities: Vec<Option<Identity>> = vec![None; needs.len()];
        let mut group_of = vec![usize::MAX; needs.len()];
        for (number, mut group) in groups(&edges).into_iter().enumerate() {
            group.sort_unstable();
            for &index in &group {
                group_of[index] = number;
            }
            let identity = self.identity(&group, number, &group_of, needs, &identities);
            for index in group {
                identities[index] = identity;
            }
        }
        identities
    }

    /// The identity of chunks that depend on each other, all that they depend on having theirs already. None where it is the
    /// unit's alone.
    fn identity(
        &self,
        group: &[usize],
        number: usize,
        group_of: &[usize],
        needs: &[Needs<'t>],
        identities: &[Option<Identity>],
    ) -> Option<Identity> {
        let mut hash = Fields::new(b"shared");
        for &index in group {
            let needs = &needs[index];
            if !needs.shareable {
                return None;
            }
            let mut words = Vec::new();
            let chunk = &self.scan.chunks[index];
            self.normal(&self.lexed.tokens[chunk.tokens.clone()], &mut words);
            for defined in &chunk.defines {
                for (_, range) in self.privates.get(defined.name).map_or(&[][..], |private| &private.annexes) {
                    self.normal(&self.lexed.tokens[range.clone()], &mut words);
                }
            }
            hash.field(&words);
            for (name, words) in &needs.macros {
                hash.field(b"macro");
                hash.field(name);
                hash.field(words);
            }
            for (name, words) in &needs.declared {
                hash.field(b"declared");
                hash.field(name);
                hash.field(words);
            }
            for name in &needs.privates {
                let chunk = self.privates[name].chunks[0];
                hash.field(b"private");
                hash.field(name);
                if group_of[chunk] == number {
                    hash.field(b"here");
                } else {
                    hash.field(&identities[chunk]?);
                }
            }
        }
        Some(hash.finish())
    }

    /// The hash that a private name carries.
    pub(super) fn name_hash(&self, name: &[u8], private: &Private, identities: &[Option<Identity>]) -> Identity {
        // All chunks that define a name are in one group.
        identities[private.chunks[0]].unwrap_or_else(|| {
            let mut hash = Fields::new(b"own");
            hash.field(self.first_entry);
            hash.field(name);
            hash.finish()
        })
    }

    /// Compares what the unit declares of others with what earlier units declared.
    pub(super) fn foreign(
        &self,
        plan: &mut Plan<'t>,
        before: &Before,
        states: &States<'t>,
        identities: &[Option<Identity>],
    ) -> Result<(), Reason> {
        for (name, places) in &self.declared {
            let mut hash = Fields::new(b"declared");
            let mut needs = Needs { shareable: true, ..Needs::default() };
            let local = HashSet::new();
            for range in places {
                let mut words = Vec::new();
                self.normal(&self.lexed.tokens[range.clone()], &mut words);
                hash.field(&words);
                self.collect(range.clone(), &local, states, &mut needs);
            }
            for (name, words) in &needs.macros {
                hash.field(name);
                hash.field(words);
            }
            for name in &needs.privates {
                hash.field(name);
                hash.field(&self.name_hash(name, &self.privates[name], identities));
            }
            let identity = hash.finish();
            if before.declared.get(*name).is_some_and(|other| *other != identity) {
                return Err(Reason::DeclaredOtherwise(lossy(name)));
            }
            plan.declared.push((name.to_vec(), identity));
        }
        Ok(())
    }
}

/// Bytes to be hashed, each field with its length, so that no two lists of fields hash alike.
struct Fields(Vec<u8>);

impl Fields {
    fn new(kind: &[u8]) -> Self {
        let mut fields = Self(Vec::new());
        fields.field(kind);
        fields
    }

    fn field(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> Identity {
        *blake3::hash(&self.0).as_bytes()
    }
}
