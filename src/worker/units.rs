//! The worker's lists, as the coordinator guards them. Pure: no threads, no files. `L` is a library; dropping the last share of it unloads
//! its code, so never in here.
//!
//! A unit goes one way, and is in one list at a time: `queue`, `flight`, `active`; then its code is `retired`. `next` says what a thread
//! does next, `replace` leads slots to better code, `room` makes room, `withdraw` takes back what is not wanted, `owners` is what the
//! collector asks and tells. This file is the way itself.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use super::slot::Slot;
use super::{AssumptionId, CodeError, OwnerId, SourceLocation, Switches};

mod active;
mod by_owner;
#[cfg(all(test, not(loom)))]
mod fixture;
mod flight;
mod next;
mod owners;
mod queue;
mod replace;
mod retired;
mod room;
mod unit;
mod withdraw;
mod work;

pub(super) use unit::{Assumptions, Loaded, Ticket, Tier, Unwanted};
pub(super) use work::{Candidate, Part, Work};

use active::{Active, ActiveUnit, TierState};
use flight::{EndedFlight, Flight};
use queue::Queue;
use replace::Compactions;
use retired::Retired;
use room::Room;
use unit::Unit;

/// What does not change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// How many units may be loaded at first.
    pub(super) max_active: usize,
    /// Submitting waits for the unit.
    pub(super) wait: bool,
    pub(super) unload: bool,
    pub(super) compact: bool,
    /// How many units may become one translation unit; one is none.
    pub(super) together: usize,
    pub(super) threads: usize,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Units<L> {
    rules: Rules,
    next_id: u64,
    queue: Queue,
    flight: Flight,
    active: Active<L>,
    retired: Retired<L>,
    room: Room,
    compactions: Compactions,
    /// How many units were taken at once the last time.
    taken: usize,
    /// The same for better code.
    improved: usize,
    /// Retired code may have come free.
    sweep: bool,
    /// Why nothing is compiled any more.
    disabled: Option<CodeError>,
}

impl<L> Units<L> {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            next_id: 0,
            queue: Queue::default(),
            flight: Flight::default(),
            active: Active::default(),
            retired: Retired::default(),
            room: Room::of(rules.max_active),
            compactions: Compactions::default(),
            taken: 0,
            improved: 0,
            sweep: false,
            disabled: None,
        }
    }

    /// Puts a unit into the queue, unless nothing is compiled any more: then its slot says so at once.
    pub(super) fn submit(
        &mut self,
        owner: OwnerId,
        location: SourceLocation,
        hotness: Arc<AtomicU64>,
        switches: Switches,
    ) -> Slot {
        let slot = Slot::new();
        let ticket = Ticket { id: 0, location, switches, since: Instant::now() };
        self.enqueue(owner, Unit { ticket, hotness, slot: slot.clone() });
        slot
    }

    /// In one section with the check whether anything is compiled (Ruby c5e8a49b). The unit gets a number of its own.
    fn enqueue(&mut self, owner: OwnerId, mut unit: Unit) {
        match &self.disabled {
            Some(why) => unit.slot.fail(why.clone()),
            None => {
                unit.ticket.id = self.new_id();
                self.room.look_again();
                self.queue.push(owner, unit);
            }
        }
    }

    /// A number that no unit and no compaction has.
    pub(super) fn new_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Why a unit that is being made is not wanted any more.
    pub(super) fn unwanted(&self, id: u64) -> Option<Unwanted> {
        self.flight.unwanted(id)
    }

    /// The unit's text was generated, and relies on this.
    pub(super) fn depend_on(&mut self, id: u64, premises: Assumptions) {
        self.flight.depend_on(id, premises);
    }

    /// The unit's code is there. Publishes it if it is still wanted; gives the library back if not.
    pub(super) fn publish(
        &mut self,
        id: u64,
        tier: Tier,
        loaded: Loaded<L>,
        text: Arc<str>,
    ) -> Result<(), (Unwanted, Arc<L>)> {
        self.room.look_again();
        let Some(made) = self.flight.end(id) else { return Err((Unwanted::Superseded, loaded.library)) };
        // Its owner may have moved since it was taken up.
        let EndedFlight { owners, assumptions, unit, unwanted } = made;
        if let Some(unwanted) = unwanted {
            unwanted.tell(&unit.slot);
            return Err((unwanted, loaded.library));
        }
        let generation = unit.slot.publish(loaded.address);
        let prospect = match tier {
            Tier::Quick => TierState::Quick(text),
            Tier::Optimized => TierState::Settled(self.may_compact().then_some(text)),
        };
        self.active.push(owners, ActiveUnit { unit, assumptions, loaded, generation, prospect });
        self.compactions.look_again();
        Ok(())
    }

    /// The unit will have no code. What it was unwanted for before counts more.
    pub(super) fn fail(&mut self, id: u64, why: CodeError) -> Unwanted {
        self.room.look_again();
        let Some(made) = self.flight.end(id) else { return Unwanted::Superseded };
        let unwanted = made.unwanted.unwrap_or(Unwanted::Failed(why));
        unwanted.tell(&made.unit.slot);
        unwanted
    }

    /// The unit could not be made now, and waits again.
    pub(super) fn put_back(&mut self, id: u64) {
        let Some(made) = self.flight.end(id) else { return };
        self.room.look_again();
        match made.unwanted {
            None => self.queue.push_first(made.owners.own, made.unit),
            Some(unwanted) => unwanted.tell(&made.unit.slot),
        }
    }

    /// In the child of a fork nobody makes what was being made: it waits again.
    pub(super) fn adopt(&mut self) {
        self.compactions.adopt();
        self.active.iter_mut().for_each(ActiveUnit::improve_later);
        self.flight.ids().into_iter().for_each(|id| self.put_back(id));
    }

    /// Nothing is compiled any more; what waits is told why.
    pub(super) fn disable(&mut self, why: &CodeError) {
        self.disabled.get_or_insert(why.clone());
        self.queue.drain().for_each(|unit| unit.slot.fail(why.clone()));
        self.flight.unwant_all(why);
    }

    pub(super) fn is_disabled(&self) -> bool {
        self.disabled.is_some()
    }

    /// Gives up all code, for the end.
    pub(super) fn take_all(&mut self) -> Vec<Arc<L>> {
        self.retire(self.active.all(), |slot| slot.fail(CodeError::Finished));
        self.retired.drain()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::fixture::*;
    use super::*;
    use crate::worker::SlotState;

    #[test]
    fn disabling_tells_everyone_why() {
        let mut units = units(100);
        let (before, _) = submit(&mut units, 1, 0);
        units.disable(&CodeError::Finished);
        let (after, _) = submit(&mut units, 2, 0);
        for slot in [before, after] {
            assert_eq!((slot.state(), failure(&slot).as_str()), (SlotState::Failed, "the worker was finished"));
        }
    }

    #[test]
    fn what_a_child_inherits_half_made_waits_again() {
        let mut units = units(10);
        let (slot, _) = submit(&mut units, 1, 0);
        submit(&mut units, 2, 0);
        take(&mut units).unwrap();
        units.adopt();
        assert_eq!(take(&mut units).unwrap().owner, OwnerId(1));
        assert_eq!(slot.state(), SlotState::NotReady);
    }
}
