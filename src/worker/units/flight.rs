//! The units that threads are making, and whether each is still wanted. So few that all are walked. Knows nothing of the other lists.

use super::by_owner::Owners;
use super::unit::{Premises, Ticket, Unit, Unwanted};
use crate::worker::slot::Slot;
use crate::worker::{FactId, NoCode, OwnerId};

/// How far a unit is.
#[derive(Debug)]
enum Stage {
    /// Its text is generated; so many facts had been found untrue when that began: the later ones concern it.
    Generating(usize),
    /// There is text, which relies on these. What it inlines is among its owners.
    Building(Vec<FactId>),
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

    fn relies_on(&self, fact: FactId) -> bool {
        matches!(&self.stage, Stage::Building(facts) if facts.contains(&fact))
    }

    /// The first reason counts.
    fn unwant(&mut self, why: &NoCode) {
        self.unwanted.get_or_insert_with(|| Unwanted::Failed(why.clone()));
    }
}

/// A unit that a thread is through with.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) owners: Owners,
    pub(super) facts: Vec<FactId>,
    pub(super) unit: Unit,
    pub(super) unwanted: Option<Unwanted>,
}

/// Units that threads are making.
#[derive(Debug, Default)]
pub(super) struct Flight {
    units: Vec<Making>,
    /// The facts that were found untrue while anything is being made.
    untrue: Vec<FactId>,
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
    pub(super) fn end(&mut self, id: u64) -> Option<Made> {
        let at = self.units.iter().position(|making| making.unit.id() == id)?;
        let Making { owners, unit, stage, unwanted, .. } = self.units.swap_remove(at);
        let facts = match stage {
            Stage::Generating(_) => Vec::new(),
            Stage::Building(facts) => facts,
        };
        Some(Made { owners, facts, unit, unwanted })
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

    /// The unit's text was generated, and relies on this. Some facts may have been found untrue meanwhile.
    pub(super) fn rely(&mut self, id: u64, Premises { facts, inlined }: Premises) {
        let Some(making) = self.units.iter_mut().find(|making| making.unit.id() == id) else { return };
        let Stage::Generating(began) = making.stage else { return };
        if let Some(&fact) = self.untrue[began..].iter().find(|fact| facts.contains(fact)) {
            making.unwant(&NoCode::NoLongerTrue(fact));
        }
        making.owners.inlined = inlined;
        making.stage = Stage::Building(facts);
    }

    /// A fact is untrue from now on.
    pub(super) fn invalidate(&mut self, fact: FactId) {
        if self.units.iter().any(Making::is_generating) {
            self.untrue.push(fact);
        }
        let why = NoCode::NoLongerTrue(fact);
        self.units.iter_mut().filter(|making| making.relies_on(fact)).for_each(|making| making.unwant(&why));
    }

    pub(super) fn unwant_all(&mut self, why: &NoCode) {
        self.units.iter_mut().for_each(|making| making.unwant(why));
    }

    pub(super) fn unwant(&mut self, slot: &Slot, why: &NoCode) {
        self.units.iter_mut().filter(|making| making.unit.slot.is_same(slot)).for_each(|making| making.unwant(why));
    }

    /// The unit of this slot, if it is wanted, can never write it again. Gives another one in its place.
    pub(super) fn supersede(&mut self, slot: &Slot) -> Option<(OwnerId, Unit)> {
        let mut units = self.units.iter_mut();
        let making = units.find(|making| making.unit.slot.is_same(slot) && making.unwanted.is_none())?;
        making.unwanted = Some(Unwanted::Superseded);
        Some((making.owners.own, making.unit.clone()))
    }

    /// The host has freed an owner.
    pub(super) fn bury(&mut self, owner: OwnerId) {
        for making in self.units.iter_mut().filter(|making| making.owners.own == owner) {
            making.unwant(&NoCode::OwnerDied);
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
