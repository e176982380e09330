//! Active units: their code is loaded and published in their slots. In the order of publication, with indexes by number, owner and
//! assumption. Knows nothing about what happens to them next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::by_owner::{ByOwner, Owners, Position};
use super::unit::{Loaded, WorkerUnit};
use super::work::{Candidate, Part};
use crate::worker::slot::{Generation, Slot};
use crate::worker::{AssumptionId, Code, OwnerId};

/// The tier of loaded code.
#[derive(Debug)]
pub(super) enum TierState {
    /// Final code. With its text the unit may be compacted.
    Settled(Option<Arc<str>>),
    /// Quick code, which will be optimized from this text.
    Quick(Arc<str>),
    /// Quick code, which is being optimized from this text.
    Improving(Arc<str>),
}

/// A unit whose code is loaded.
#[derive(Debug)]
pub(super) struct ActiveUnit<L> {
    pub(super) unit: WorkerUnit,
    pub(super) assumptions: Vec<AssumptionId>,
    pub(super) loaded: Loaded<L>,
    pub(super) generation: Generation,
    pub(super) tier_state: TierState,
}

impl<L> ActiveUnit<L> {
    pub(super) fn gets_better(&self) -> bool {
        !matches!(self.tier_state, TierState::Settled(_))
    }

    pub(super) fn is_quick(&self) -> bool {
        matches!(self.tier_state, TierState::Quick(_))
    }

    fn part(&self, text: &Arc<str>) -> Part {
        let ticket = &self.unit.ticket;
        Part { id: ticket.id, location: ticket.location.clone(), text: Arc::clone(text) }
    }

    /// Returns the unit as a part of a compaction, if the unit may be compacted.
    pub(super) fn settled_part(&self) -> Option<Part> {
        match &self.tier_state {
            TierState::Settled(Some(text)) => Some(self.part(text)),
            _ => None,
        }
    }

    /// Begins to optimize quick code.
    pub(super) fn improve(&mut self) -> Option<Part> {
        let TierState::Quick(text) = &self.tier_state else { return None };
        let part = self.part(text);
        self.tier_state = TierState::Improving(Arc::clone(text));
        Some(part)
    }

    pub(super) fn improve_later(&mut self) {
        if let TierState::Improving(text) = &self.tier_state {
            self.tier_state = TierState::Quick(Arc::clone(text));
        }
    }

    /// Marks the code as final.
    pub(super) fn settle(&mut self, keeps_text: bool) {
        let text = match std::mem::replace(&mut self.tier_state, TierState::Settled(None)) {
            TierState::Settled(text) => text,
            TierState::Quick(text) | TierState::Improving(text) => Some(text),
        };
        self.tier_state = TierState::Settled(text.filter(|_| keeps_text));
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
    /// The units that depend on each assumption.
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

    /// Returns the position of a unit, if it is active.
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

    /// Returns the units that are colder than `heat`, coldest first.
    pub(super) fn colder_than(&self, heat: u64) -> Vec<Candidate> {
        // Hotness may change at any moment, so it is read once.
        let all = self.units.iter().map(|(_, owners, unit)| (unit.unit.heat(), unit.candidate(owners.own)));
        let mut cold: Vec<(u64, Candidate)> = all.filter(|(own, _)| *own < heat).collect();
        cold.sort_by_key(|(heat, _)| *heat);
        cold.into_iter().map(|(_, candidate)| candidate).collect()
    }

    pub(super) fn rename(&mut self, old: OwnerId, new: OwnerId) {
        self.units.rename(old, new);
    }

    /// Returns the owners that must stay alive.
    pub(super) fn owners(&self) -> impl Iterator<Item = OwnerId> {
        self.units.iter().flat_map(|(_, owners, _)| owners.all())
    }
}
