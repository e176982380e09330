//! The units that threads are making, and whether each is still wanted. So few that all are walked. Knows nothing of the other lists.

use super::by_owner::Owners;
use super::unit::{Assumptions, Ticket, Unit, Unwanted};
use crate::worker::slot::Slot;
use crate::worker::{AssumptionId, CodeError, OwnerId};

/// How far a unit is.
#[derive(Debug)]
enum Stage {
    /// Its text is generated; so many assumptions had been found untrue when that began: the later ones concern it.
    Generating(usize),
    /// There is text, which relies on these. What it inlines is among its owners.
    Building(Vec<AssumptionId>),
}

/// A unit that a thread is making.
#[derive(Debug)]
struct Making {
    owners: Owners,
    unit: Unit,
    stage: Stage,
    unwanted: Option<Unwanted>,
    /// Told apart from why it is unwanted: it may have been that before.
    owner_died: bool,
}

impl Making {
    fn is_generating(&self) -> bool {
        matches!(self.stage, Stage::Generating(_))
    }

    fn depends_on(&self, assumption: AssumptionId) -> bool {
        matches!(&self.stage, Stage::Building(assumptions) if assumptions.contains(&assumption))
    }

    /// The first reason counts.
    fn unwant(&mut self, why: &CodeError) {
        self.unwanted.get_or_insert_with(|| Unwanted::Failed(why.clone()));
    }
}

/// A unit that a thread is through with.
#[derive(Debug)]
pub(super) struct EndedFlight {
    pub(super) owners: Owners,
    pub(super) assumptions: Vec<AssumptionId>,
    pub(super) unit: Unit,
    pub(super) unwanted: Option<Unwanted>,
}

/// Units that threads are making.
#[derive(Debug, Default)]
pub(super) struct Flight {
    units: Vec<Making>,
    /// The assumptions that were found untrue while anything is being made.
    untrue: Vec<AssumptionId>,
}

impl Flight {
    pub(super) fn len(&self) -> usize {
        self.units.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Takes units up. Gives what the thread needs to know of them.
    pub(super) fn begin(&mut self, units: Vec<(OwnerId, Unit)>) -> Vec<Ticket> {
        if !self.units.iter().any(Making::is_generating) {
            self.untrue.clear();
        }
        let began = self.untrue.len();
        let tickets = units.iter().map(|(_, unit)| unit.ticket.clone()).collect();
        self.units.extend(units.into_iter().map(|(owner, unit)| Making {
            owners: owner.into(),
            unit,
            stage: Stage::Generating(began),
            unwanted: None,
            owner_died: false,
        }));
        tickets
    }

    /// Ends the making of a unit. None if it was not being made.
    pub(super) fn end(&mut self, id: u64) -> Option<EndedFlight> {
        let at = self.units.iter().position(|making| making.unit.id() == id)?;
        let Making { owners, unit, stage, unwanted, .. } = self.units.swap_remove(at);
        let assumptions = match stage {
            Stage::Generating(_) => Vec::new(),
            Stage::Building(assumptions) => assumptions,
        };
        Some(EndedFlight { owners, assumptions, unit, unwanted })
    }

    pub(super) fn ids(&self) -> Vec<u64> {
        self.units.iter().map(|making| making.unit.id()).collect()
    }

    /// Why a unit is not wanted any more.
    pub(super) fn unwanted(&self, id: u64) -> Option<Unwanted> {
        self.get(id).map_or(Some(Unwanted::Superseded), |making| making.unwanted.clone())
    }

    /// What the owner of a unit is called now.
    pub(super) fn owner(&self, id: u64) -> Option<OwnerId> {
        self.get(id).map(|making| making.owners.own)
    }

    fn get(&self, id: u64) -> Option<&Making> {
        self.units.iter().find(|making| making.unit.id() == id)
    }

    /// The unit's text was generated, and relies on this. Some assumptions may have been found untrue meanwhile.
    pub(super) fn depend_on(&mut self, id: u64, Assumptions { assumptions, inlined }: Assumptions) {
        let Some(making) = self.units.iter_mut().find(|making| making.unit.id() == id) else { return };
        let Stage::Generating(began) = making.stage else { return };
        if let Some(&assumption) = self.untrue[began..].iter().find(|assumption| assumptions.contains(assumption)) {
            making.unwant(&CodeError::NoLongerTrue(assumption));
        }
        making.owners.inlined = inlined;
        making.stage = Stage::Building(assumptions);
    }

    /// An assumption is untrue from now on.
    pub(super) fn invalidate(&mut self, assumption: AssumptionId) {
        if self.units.iter().any(Making::is_generating) {
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

    /// The unit of this slot, if it is wanted, can never write it again. Gives another one in its location.
    pub(super) fn supersede(&mut self, slot: &Slot) -> Option<(OwnerId, Unit)> {
        let mut units = self.units.iter_mut();
        let making = units.find(|making| making.unit.slot.is_same(slot) && making.unwanted.is_none())?;
        making.unwanted = Some(Unwanted::Superseded);
        Some((making.owners.own, making.unit.clone()))
    }

    /// The host has freed an owner.
    pub(super) fn owner_freed(&mut self, owner: OwnerId) {
        for making in self.units.iter_mut().filter(|making| making.owners.own == owner) {
            making.unwant(&CodeError::OwnerDied);
            making.owner_died = true;
        }
    }

    pub(super) fn rename(&mut self, old: OwnerId, new: OwnerId) {
        self.units.iter_mut().for_each(|making| making.owners.rename(old, new));
    }

    /// The owners that must stay alive.
    pub(super) fn owners(&self) -> impl Iterator<Item = OwnerId> {
        self.units.iter().filter(|making| !making.owner_died).flat_map(|making| making.owners.all())
    }
}
