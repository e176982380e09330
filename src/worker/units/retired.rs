//! Retired code: no slot has its address any more, but callers may still be inside. Its owner may be dead; its number still identifies the
//! code in `scan_stacks`. Knows nothing about why code was retired.

use std::collections::HashSet;
use std::sync::Arc;

use super::by_owner::{ByOwner, Owners};
use super::unit::{Loaded, WorkerUnit};
use crate::worker::slot::{Generation, Slot};
use crate::worker::{Code, OwnerId, SourceLocation};

#[derive(Debug)]
struct RetiredCode<L> {
    id: u64,
    location: SourceLocation,
    slot: Slot,
    generation: Generation,
    loaded: Loaded<L>,
}

impl<L> RetiredCode<L> {
    fn is_entered(&self) -> bool {
        self.slot.is_entered(self.generation)
    }

    fn code(&self, owners: &Owners) -> Code {
        Code { owner: owners.own, address: self.loaded.address.pointer(), on_stack: false }
    }
}

/// Code whose address no slot has any more.
#[derive(Debug)]
pub(super) struct Retired<L>(ByOwner<RetiredCode<L>>);

impl<L> Default for Retired<L> {
    fn default() -> Self {
        Self(ByOwner::default())
    }
}

impl<L> Retired<L> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds code. The slot has been changed already.
    pub(super) fn push(&mut self, owners: Owners, unit: &WorkerUnit, generation: Generation, loaded: Loaded<L>) {
        let (id, location, slot) = (unit.id(), unit.ticket.location.clone(), unit.slot.clone());
        self.0.push_back(owners, RetiredCode { id, location, slot, generation, loaded });
    }

    /// Returns the code that no guard holds, to ask the host whether it is on a stack.
    pub(super) fn unguarded(&self) -> impl Iterator<Item = Code> {
        self.0.iter().filter(|(_, _, one)| !one.is_entered()).map(|(_, owners, one)| one.code(owners))
    }

    /// Removes the code that no guard holds and that the host saw on no stack.
    pub(super) fn take_free(&mut self, seen: &[Code]) -> Vec<(u64, SourceLocation, Arc<L>)> {
        let unseen: HashSet<Code> = seen.iter().filter(|code| !code.on_stack).copied().collect();
        let free = self.0.iter().filter(|(_, owners, one)| !one.is_entered() && unseen.contains(&one.code(owners)));
        let free: Vec<_> = free.map(|(at, ..)| at).collect();
        let taken = free.into_iter().filter_map(|at| self.0.remove(at));
        taken.map(|(_, one)| (one.id, one.location, one.loaded.library)).collect()
    }

    pub(super) fn drain(&mut self) -> Vec<Arc<L>> {
        self.0.drain().map(|(_, one)| one.loaded.library).collect()
    }

    pub(super) fn rename(&mut self, old: OwnerId, new: OwnerId) {
        self.0.rename(old, new);
    }

    /// Returns the inlined owners, which must live while callers may be inside.
    pub(super) fn inlined(&self) -> impl Iterator<Item = OwnerId> {
        self.0.iter().flat_map(|(_, owners, _)| owners.inlined.iter().copied())
    }
}
