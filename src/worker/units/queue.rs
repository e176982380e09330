//! The queue of units, and the order in which they are taken. Knows nothing about what happens to them next.

use std::cmp::Reverse;

use super::by_owner::{ByOwner, Position};
use super::unit::WorkerUnit;
use crate::worker::slot::Slot;
use crate::worker::{OwnerId, SourceLocation, Switches};

/// Queued units, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Queue(ByOwner<WorkerUnit>);

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn push(&mut self, owner: OwnerId, unit: WorkerUnit) {
        self.0.push_back(owner.into(), unit);
    }

    /// Adds a unit in front of all units that are as hot.
    pub(super) fn push_first(&mut self, owner: OwnerId, unit: WorkerUnit) {
        self.0.push_front(owner.into(), unit);
    }

    /// Returns the hotness of the hottest unit.
    pub(super) fn heat(&self) -> Option<u64> {
        self.0.things().map(WorkerUnit::heat).max()
    }

    /// Takes the hottest units by the current counters, hottest first; among equals those that came first.
    pub(super) fn take_hottest(&mut self, count: usize) -> Vec<(OwnerId, WorkerUnit)> {
        // Hotness may change at any moment, so it is read once.
        let mut order: Vec<(Reverse<u64>, Position)> =
            self.0.iter().map(|(at, _, unit)| (Reverse(unit.heat()), at)).collect();
        if count < order.len() {
            order.select_nth_unstable(count);
            order.truncate(count);
        }
        order.sort_unstable();
        order.into_iter().filter_map(|(_, at)| self.take(at)).collect()
    }

    /// Changes the switches of the unit of this slot.
    pub(super) fn switch(&mut self, slot: &Slot, switches: Switches) -> Option<SourceLocation> {
        let unit = self.0.things_mut().find(|unit| unit.slot.is_same(slot))?;
        unit.ticket.switches = switches;
        Some(unit.ticket.location.clone())
    }

    /// Removes the unit of this slot.
    pub(super) fn forget(&mut self, slot: &Slot) {
        let found = self.0.iter().find(|(_, _, unit)| unit.slot.is_same(slot)).map(|(at, ..)| at);
        found.and_then(|at| self.0.remove(at));
    }

    /// Removes the units of an owner that was freed.
    pub(super) fn take_own(&mut self, owner: OwnerId) -> Vec<WorkerUnit> {
        self.0.own(owner).into_iter().filter_map(|at| self.take(at)).map(|(_, unit)| unit).collect()
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = WorkerUnit> + use<> {
        self.0.drain().map(|(_, unit)| unit)
    }

    pub(super) fn rename(&mut self, old: OwnerId, new: OwnerId) {
        self.0.rename(old, new);
    }

    pub(super) fn owners(&self) -> impl Iterator<Item = OwnerId> {
        self.0.iter().map(|(_, owners, _)| owners.own)
    }

    fn take(&mut self, at: Position) -> Option<(OwnerId, WorkerUnit)> {
        self.0.remove(at).map(|(owners, unit)| (owners.own, unit))
    }
}
