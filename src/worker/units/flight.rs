//! Units in flight: threads build them. There are few, so each operation walks all of them. Knows nothing about the other lists.

use super::by_owner::Owners;
use super::unit::{Assumptions, Ticket, Unwanted, WorkerUnit};
use crate::worker::slot::Slot;
use crate::worker::{AssumptionId, CodeError, OwnerId};

/// The progress of a unit.
#[derive(Debug)]
enum BuildProgress {
    /// The text is being generated. The number of invalidated assumptions when that began: later ones may concern the unit.
    Generating(usize),
    /// The text exists and depends on these assumptions. Inlined owners are in `owners`.
    Building(Vec<AssumptionId>),
}

/// A unit that a thread builds.
#[derive(Debug)]
struct UnitInFlight {
    owners: Owners,
    unit: WorkerUnit,
    progress: BuildProgress,
    unwanted: Option<Unwanted>,
    /// Separate from `unwanted`, since the unit may have been unwanted for another reason first.
    owner_died: bool,
}

impl UnitInFlight {
    fn is_generating(&self) -> bool {
        matches!(self.progress, BuildProgress::Generating(_))
    }

    fn depends_on(&self, assumption: AssumptionId) -> bool {
        matches!(&self.progress, BuildProgress::Building(assumptions) if assumptions.contains(&assumption))
    }

    /// Marks the unit as unwanted. The first reason counts.
    fn unwant(&mut self, why: &CodeError) {
        self.unwanted.get_or_insert_with(|| Unwanted::Failed(why.clone()));
    }
}

/// A unit that a thread has finished.
#[derive(Debug)]
pub(super) struct EndedFlight {
    pub(super) owners: Owners,
    pub(super) assumptions: Vec<AssumptionId>,
    pub(super) unit: WorkerUnit,
    pub(super) unwanted: Option<Unwanted>,
}

#[derive(Debug, Default)]
pub(super) struct Flight {
    units: Vec<UnitInFlight>,
    /// The assumptions that were invalidated while texts are generated.
    untrue: Vec<AssumptionId>,
}

impl Flight {
    pub(super) fn len(&self) -> usize {
        self.units.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Adds units, and returns their tickets for the thread.
    pub(super) fn begin(&mut self, units: Vec<(OwnerId, WorkerUnit)>) -> Vec<Ticket> {
        if !self.units.iter().any(UnitInFlight::is_generating) {
            self.untrue.clear();
        }
        let began = self.untrue.len();
        let tickets = units.iter().map(|(_, unit)| unit.ticket.clone()).collect();
        self.units.extend(units.into_iter().map(|(owner, unit)| UnitInFlight {
            owners: owner.into(),
            unit,
            progress: BuildProgress::Generating(began),
            unwanted: None,
            owner_died: false,
        }));
        tickets
    }

    /// Removes a unit. `None` if the unit is not in flight.
    pub(super) fn end(&mut self, id: u64) -> Option<EndedFlight> {
        let at = self.units.iter().position(|making| making.unit.id() == id)?;
        let UnitInFlight { owners, unit, progress, unwanted, .. } = self.units.swap_remove(at);
        let assumptions = match progress {
            BuildProgress::Generating(_) => Vec::new(),
            BuildProgress::Building(assumptions) => assumptions,
        };
        Some(EndedFlight { owners, assumptions, unit, unwanted })
    }

    pub(super) fn ids(&self) -> Vec<u64> {
        self.units.iter().map(|making| making.unit.id()).collect()
    }

    /// Returns why a unit is no longer needed.
    pub(super) fn unwanted(&self, id: u64) -> Option<Unwanted> {
        self.get(id).map_or(Some(Unwanted::Superseded), |making| making.unwanted.clone())
    }

    /// Returns the current number of a unit's owner.
    pub(super) fn owner(&self, id: u64) -> Option<OwnerId> {
        self.get(id).map(|making| making.owners.own)
    }

    fn get(&self, id: u64) -> Option<&UnitInFlight> {
        self.units.iter().find(|making| making.unit.id() == id)
    }

    /// Notes the assumptions of a unit whose text was generated. Some of them may have been invalidated meanwhile.
    pub(super) fn depend_on(&mut self, id: u64, Assumptions { assumptions, inlined }: Assumptions) {
        let Some(making) = self.units.iter_mut().find(|making| making.unit.id() == id) else { return };
        let BuildProgress::Generating(began) = making.progress else { return };
        if let Some(&assumption) = self.untrue[began..].iter().find(|assumption| assumptions.contains(assumption)) {
            making.unwant(&CodeError::NoLongerTrue(assumption));
        }
        making.owners.inlined = inlined;
        making.progress = BuildProgress::Building(assumptions);
    }

    /// Marks units that depend on an invalidated assumption as unwanted.
    pub(super) fn invalidate(&mut self, assumption: AssumptionId) {
        if self.units.iter().any(UnitInFlight::is_generating) {
            self.untrue.push(assumption);
        }
        let why = CodeError::NoLongerTrue(assumption);
        self.units.iter_mut().filter(|making| making.depends_on(assumption)).for_each(|making| making.unwant(&why));
    }

    pub(super) fn unwant_all(&mut self, why: &CodeError) {
        self.units.iter_mut().for_each(|making| making.unwant(why));
    }

    pub(super) fn unwant(&mut self, slot: &Slot, why: &CodeError) {
        self.units.iter_mut().filter(|making| making.unit.slot.is_same(slot)).for_each(|making| making.unwant(why));
    }

    /// Supersedes the unit of this slot, which can then never write the slot, and returns a copy to build anew. `None` if no wanted unit
    /// has the slot.
    pub(super) fn supersede(&mut self, slot: &Slot) -> Option<(OwnerId, WorkerUnit)> {
        let mut units = self.units.iter_mut();
        let making = units.find(|making| making.unit.slot.is_same(slot) && making.unwanted.is_none())?;
        making.unwanted = Some(Unwanted::Superseded);
        Some((making.owners.own, making.unit.clone()))
    }

    /// Marks the units of a freed owner as unwanted.
    pub(super) fn owner_freed(&mut self, owner: OwnerId) {
        for making in self.units.iter_mut().filter(|making| making.owners.own == owner) {
            making.unwant(&CodeError::OwnerDied);
            making.owner_died = true;
        }
    }

    pub(super) fn rename(&mut self, old: OwnerId, new: OwnerId) {
        self.units.iter_mut().for_each(|making| making.owners.rename(old, new));
    }

    /// Returns the owners that must stay alive.
    pub(super) fn owners(&self) -> impl Iterator<Item = OwnerId> {
        self.units.iter().filter(|making| !making.owner_died).flat_map(|making| making.owners.all())
    }
}
