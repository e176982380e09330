//! The units whose code is loaded and whose slots lead to it, in the order of their publication; found by number, by owner and by
//! what they rely on. Knows nothing of what is made of them next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::by_owner::{ByOwner, Owners, Position};
use super::unit::{Loaded, Unit};
use super::work::{Candidate, Part};
use crate::worker::slot::{Generation, Slot};
use crate::worker::{AssumptionId, Code, OwnerId};

/// What becomes of code that is loaded.
#[derive(Debug)]
pub(super) enum TierState {
    /// It is as good as it gets. With its text it may be compiled once more, together with others.
    Settled(Option<Arc<str>>),
    /// Better code is to be made of this text.
    Quick(Arc<str>),
    /// Better code is being made of it.
    Improving(Arc<str>),
}

/// A unit whose code is loaded.
#[derive(Debug)]
pub(super) struct ActiveUnit<L> {
    pub(super) unit: Unit,
    pub(super) assumptions: Vec<AssumptionId>,
    pub(super) loaded: Loaded<L>,
    pub(super) generation: Generation,
    pub(super) prospect: TierState,
}

impl<L> ActiveUnit<L> {
    pub(super) fn gets_better(&self) -> bool {
        !matches!(self.prospect, TierState::Settled(_))
    }

    pub(super) fn is_quick(&self) -> bool {
        matches!(self.prospect, TierState::Quick(_))
    }

    fn part(&self, text: &Arc<str>) -> Part {
        let ticket = &self.unit.ticket;
        Part { id: ticket.id, location: ticket.location.clone(), text: Arc::clone(text) }
    }

    /// As part of what is compacted, if it may be.
    pub(super) fn settled_part(&self) -> Option<Part> {
        match &self.prospect {
            TierState::Settled(Some(text)) => Some(self.part(text)),
            _ => None,
        }
    }

    /// Better code is made of it from now on, if it was quick.
    pub(super) fn improve(&mut self) -> Option<Part> {
        let TierState::Quick(text) = &self.prospect else { return None };
        let part = self.part(text);
        self.prospect = TierState::Improving(Arc::clone(text));
        Some(part)
    }

    /// It waits for better code again.
    pub(super) fn improve_later(&mut self) {
        if let TierState::Improving(text) = &self.prospect {
            self.prospect = TierState::Quick(Arc::clone(text));
        }
    }

    /// There is no better code to come.
    pub(super) fn settle(&mut self, keeps_text: bool) {
        let text = match std::mem::replace(&mut self.prospect, TierState::Settled(None)) {
            TierState::Settled(text) => text,
            TierState::Quick(text) | TierState::Improving(text) => Some(text),
        };
        self.prospect = TierState::Settled(text.filter(|_| keeps_text));
    }

    fn candidate(&self, owner: OwnerId) -> Candidate {
        let code = Code { owner, address: self.loaded.address.pointer(), on_stack: false };
        Candidate { id: self.unit.id(), code }
    }
}

/// Units whose code is loaded.
#[derive(Debug)]
pub(super) struct Active<L> {
    units: ByOwner<ActiveUnit<L>>,
    by_id: BTreeMap<u64, Position>,
    /// For each assumption, which units rely on it.
    by_assumption: BTreeSet<(u64, Position)>,
}

impl<L> Default for Active<L> {
    fn default() -> Self {
        Self { units: ByOwner::default(), by_id: BTreeMap::new(), by_assumption: BTreeSet::new() }
    }
}

impl<L> Active<L> {
    pub(super) fn len(&self) -> usize {
        self.units.len()
    }

    pub(super) fn push(&mut self, owners: Owners, unit: ActiveUnit<L>) {
        let (id, assumptions) = (unit.unit.id(), unit.assumptions.clone());
        let at = self.units.push_back(owners, unit);
        self.by_id.insert(id, at);
        self.by_assumption.extend(assumptions.into_iter().map(|assumption| (assumption.0, at)));
    }

    pub(super) fn remove(&mut self, at: Position) -> Option<(Owners, ActiveUnit<L>)> {
        let (owners, unit) = self.units.remove(at)?;
        self.by_id.remove(&unit.unit.id());
        for assumption in &unit.assumptions {
            self.by_assumption.remove(&(assumption.0, at));
        }
        Some((owners, unit))
    }

    /// Where a unit stands, if its code is still loaded.
    pub(super) fn position(&self, id: u64) -> Option<Position> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn get(&self, id: u64) -> Option<(&Owners, &ActiveUnit<L>)> {
        self.units.get(self.position(id)?)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<(&Owners, &mut ActiveUnit<L>)> {
        self.units.get_mut(self.position(id)?)
    }

    pub(super) fn at_mut(&mut self, at: Position) -> Option<(&Owners, &mut ActiveUnit<L>)> {
        self.units.get_mut(at)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ActiveUnit<L>> {
        self.units.things()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut ActiveUnit<L>> {
        self.units.things_mut()
    }

    pub(super) fn all(&self) -> Vec<Position> {
        self.units.iter().map(|(at, ..)| at).collect()
    }

    pub(super) fn own(&self, owner: OwnerId) -> Vec<Position> {
        self.units.own(owner)
    }

    pub(super) fn depending_on(&self, assumption: AssumptionId) -> Vec<Position> {
        let range = (assumption.0, Position::FIRST)..=(assumption.0, Position::LAST);
        self.by_assumption.range(range).map(|(_, at)| *at).collect()
    }

    pub(super) fn of_slot(&self, slot: &Slot) -> Option<Position> {
        self.units.iter().find(|(_, _, unit)| unit.unit.slot.is_same(slot)).map(|(at, ..)| at)
    }

    pub(super) fn candidate(&self, id: u64) -> Option<Candidate> {
        self.get(id).map(|(owners, unit)| unit.candidate(owners.own))
    }

    /// Those that are colder, coldest first.
    pub(super) fn colder_than(&self, heat: u64) -> Vec<Candidate> {
        // Hotness may change at any moment: it is read once.
        let all = self.units.iter().map(|(_, owners, unit)| (unit.unit.heat(), unit.candidate(owners.own)));
        let mut cold: Vec<(u64, Candidate)> = all.filter(|(own, _)| *own < heat).collect();
        cold.sort_by_key(|(heat, _)| *heat);
        cold.into_iter().map(|(_, candidate)| candidate).collect()
    }

    pub(super) fn rename(&mut self, old: OwnerId, new: OwnerId) {
        self.units.rename(old, new);
    }

    /// The owners that must stay alive.
    pub(super) fn owners(&self) -> impl Iterator<Item = OwnerId> {
        self.units.iter().flat_map(|(_, owners, _)| owners.all())
    }
}
