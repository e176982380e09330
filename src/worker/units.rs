//! The lists of units, guarded by the coordinator. Pure: no threads, no files. `L` is a library; dropping the last reference unloads the
//! code, which must not happen in here.
//!
//! A unit is in one list at a time:
//!
//! ```text
//!           submit          next_unit           publish           retire             take_free
//!   host ───────────► queue ──────────► flight ─────────► active ────────► retired ────────────► unloaded
//!                      │ ▲                │ │              │  ▲
//!                      │ └── put_back ────┘ │              └──┘ improve, repoint: the slot gets new code, the old code is retired
//!                      │  (pause, fork)     │
//!                      └─────────┬──────────┘
//!                                ▼ fail, disable, cancel_all, owner_freed, give_up
//!                              failed
//! ```
//!
//! The slot is "not ready" in `queue` and `flight`, and "callable" in `active`. Retiring makes it "unloaded" (`room`), "failed"
//! (`invalidate`, `cancel_all`, `owner_freed`) or "not ready" (`recompile`, which also queues a new unit for the slot). A unit that is
//! cancelled in `flight` stays there until its thread has finished.
//!
//! `next` chooses the work of a thread, `replace` gives slots better code, `room` chooses code to unload, `withdraw` cancels units, and
//! `owners` serves the collector. This file moves units along the states.

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
use unit::WorkerUnit;

/// The options of the lists.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// How many units may be loaded at first.
    pub(super) max_active: usize,
    /// True if `submit` waits for the unit.
    pub(super) wait: bool,
    pub(super) unload: bool,
    pub(super) compact: bool,
    /// The largest size of a group; 1 disables groups.
    pub(super) group_limit: usize,
    pub(super) threads: usize,
}

/// All units of a worker.
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
    /// The size of the last group.
    taken: usize,
    /// The size of the last group that was optimized.
    improved: usize,
    /// True if retired code may have become free.
    sweep: bool,
    /// The reason why compiling is disabled.
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

    /// Puts a unit into the queue. If compiling is disabled, the slot fails at once.
    pub(super) fn submit(
        &mut self,
        owner: OwnerId,
        location: SourceLocation,
        hotness: Arc<AtomicU64>,
        switches: Switches,
    ) -> Slot {
        let slot = Slot::new();
        let ticket = Ticket { id: 0, location, switches, since: Instant::now() };
        self.enqueue(owner, WorkerUnit { ticket, hotness, slot: slot.clone() });
        slot
    }

    /// Checks in the same critical section whether compiling is disabled (Ruby c5e8a49b). The unit gets a new number.
    fn enqueue(&mut self, owner: OwnerId, mut unit: WorkerUnit) {
        match &self.disabled {
            Some(why) => unit.slot.fail(why.clone()),
            None => {
                unit.ticket.id = self.new_id();
                self.room.look_again();
                self.queue.push(owner, unit);
            }
        }
    }

    /// Returns a number that no unit and no compaction has.
    pub(super) fn new_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Returns why a unit in flight is no longer needed.
    pub(super) fn unwanted(&self, id: u64) -> Option<Unwanted> {
        self.flight.unwanted(id)
    }

    /// Notes the assumptions of a unit whose text was generated.
    pub(super) fn depend_on(&mut self, id: u64, assumptions: Assumptions) {
        self.flight.depend_on(id, assumptions);
    }

    /// Publishes the code of a unit. Returns the library if the unit is no longer needed.
    pub(super) fn publish(
        &mut self,
        id: u64,
        tier: Tier,
        loaded: Loaded<L>,
        text: Arc<str>,
    ) -> Result<(), (Unwanted, Arc<L>)> {
        self.room.look_again();
        let Some(made) = self.flight.end(id) else { return Err((Unwanted::Superseded, loaded.library)) };
        // The owner may have moved during the build.
        let EndedFlight { owners, assumptions, unit, unwanted } = made;
        if let Some(unwanted) = unwanted {
            unwanted.tell(&unit.slot);
            return Err((unwanted, loaded.library));
        }
        let generation = unit.slot.publish(loaded.address);
        let tier_state = match tier {
            Tier::Quick => TierState::Quick(text),
            Tier::Optimized => TierState::Settled(self.may_compact().then_some(text)),
        };
        self.active.push(owners, ActiveUnit { unit, assumptions, loaded, generation, tier_state });
        self.compactions.look_again();
        Ok(())
    }

    /// Fails a unit. An earlier reason takes precedence.
    pub(super) fn fail(&mut self, id: u64, why: CodeError) -> Unwanted {
        self.room.look_again();
        let Some(made) = self.flight.end(id) else { return Unwanted::Superseded };
        let unwanted = made.unwanted.unwrap_or(Unwanted::Failed(why));
        unwanted.tell(&made.unit.slot);
        unwanted
    }

    /// Puts a unit back into the queue.
    pub(super) fn put_back(&mut self, id: u64) {
        let Some(made) = self.flight.end(id) else { return };
        self.room.look_again();
        match made.unwanted {
            None => self.queue.push_first(made.owners.own, made.unit),
            Some(unwanted) => unwanted.tell(&made.unit.slot),
        }
    }

    /// Puts the units in flight back into the queue, since the child of a fork does not have the threads that built them.
    pub(super) fn after_fork_in_child(&mut self) {
        self.compactions.after_fork_in_child();
        self.active.iter_mut().for_each(ActiveUnit::improve_later);
        self.flight.ids().into_iter().for_each(|id| self.put_back(id));
    }

    /// Disables compiling, and fails all queued units.
    pub(super) fn disable(&mut self, why: &CodeError) {
        self.disabled.get_or_insert(why.clone());
        self.queue.drain().for_each(|unit| unit.slot.fail(why.clone()));
        self.flight.unwant_all(why);
    }

    pub(super) fn is_disabled(&self) -> bool {
        self.disabled.is_some()
    }

    /// Retires all code and returns all libraries, when the worker is finished.
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
    fn units_in_flight_wait_again_in_the_child_of_a_fork() {
        let mut units = units(10);
        let (slot, _) = submit(&mut units, 1, 0);
        submit(&mut units, 2, 0);
        take(&mut units).unwrap();
        units.after_fork_in_child();
        assert_eq!(take(&mut units).unwrap().owner, OwnerId(1));
        assert_eq!(slot.state(), SlotState::NotReady);
    }
}
