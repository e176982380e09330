//! The worker's lists, as the interlock guards them: what waits, what is being made, what is loaded. Pure: no threads, no files.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::slot::Slot;
use crate::library::Library;

/// What the host calls the thing that a unit is generated from: a method, a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OwnerId(pub u64);

/// What a unit is called in messages. Owned: the host's own strings may move or die.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// What the owner is called, such as `block in <main>`.
    pub label: String,
    /// The file that it comes from.
    pub path: String,
    /// The line in it.
    pub line: u32,
}

/// One unit, on its way through the worker.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub(super) id: u64,
    pub(super) owner: OwnerId,
    pub(super) place: Place,
    pub(super) hotness: Arc<AtomicU64>,
    pub(super) slot: Slot,
}

/// A unit whose code is loaded.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) ticket: Ticket,
    pub(super) owner_lives: bool,
    /// Dropping it unloads the code: not while anybody may be inside.
    pub(super) _library: Library,
}

/// A unit that a thread is making.
#[derive(Debug)]
struct InFlight {
    id: u64,
    owner: OwnerId,
    owner_lives: bool,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Units {
    next_id: u64,
    queue: Vec<Ticket>,
    in_flight: Vec<InFlight>,
    active: Vec<Active>,
    max_active: usize,
    /// Why nothing is compiled any more.
    disabled: Option<String>,
}

impl Units {
    pub(super) fn new(max_active: usize) -> Self {
        let (queue, in_flight, active) = (Vec::new(), Vec::new(), Vec::new());
        Self { next_id: 0, queue, in_flight, active, max_active, disabled: None }
    }

    /// Puts a unit into the queue, unless nothing is compiled any more: then its slot says so at once.
    pub(super) fn submit(&mut self, owner: OwnerId, place: Place, hotness: Arc<AtomicU64>) -> Slot {
        let slot = Slot::new();
        match &self.disabled {
            Some(why) => slot.fail(why.clone()),
            None => {
                let id = self.next_id;
                self.next_id += 1;
                self.queue.push(Ticket { id, owner, place, hotness, slot: slot.clone() });
            }
        }
        slot
    }

    /// The hottest unit of the queue, by what the host's counters say now; of equals the one that came first. Nothing while the
    /// cache is full.
    pub(super) fn take_hottest(&mut self) -> Option<Ticket> {
        if self.is_full() {
            return None;
        }
        let heat = |ticket: &Ticket| ticket.hotness.load(Ordering::Relaxed);
        // max_by_key takes the last of equals, so look from the end.
        let (at, _) = self.queue.iter().enumerate().rev().max_by_key(|(_, ticket)| heat(ticket))?;
        // Not swap_remove: the order is what decides among equals.
        let ticket = self.queue.remove(at);
        self.in_flight.push(InFlight { id: ticket.id, owner: ticket.owner, owner_lives: true });
        Some(ticket)
    }

    /// Whether a unit that is being made is still wanted: its owner lives and compiling goes on.
    pub(super) fn is_wanted(&self, id: u64) -> bool {
        self.in_flight.iter().any(|unit| unit.id == id && unit.owner_lives)
    }

    /// The unit's code is there. Publishes it if it is still wanted; gives the library back if not.
    pub(super) fn publish(
        &mut self,
        ticket: Ticket,
        address: std::ptr::NonNull<std::ffi::c_void>,
        library: Library,
    ) -> Result<(), Library> {
        let wanted = self.is_wanted(ticket.id);
        self.in_flight.retain(|unit| unit.id != ticket.id);
        if !wanted {
            ticket.slot.fail(OWNER_DIED.to_owned());
            return Err(library);
        }
        ticket.slot.publish(address);
        self.active.push(Active { ticket, owner_lives: true, _library: library });
        Ok(())
    }

    /// The unit will have no code.
    pub(super) fn fail(&mut self, ticket: &Ticket, why: String) {
        self.in_flight.retain(|unit| unit.id != ticket.id);
        ticket.slot.fail(why);
    }

    /// The host has freed an owner: what waits is dropped, what is being made is not published.
    pub(super) fn bury(&mut self, owner: OwnerId) {
        self.queue.retain(|ticket| {
            let lives = ticket.owner != owner;
            if !lives {
                ticket.slot.fail(OWNER_DIED.to_owned());
            }
            lives
        });
        self.in_flight.iter_mut().filter(|unit| unit.owner == owner).for_each(|unit| unit.owner_lives = false);
        self.active.iter_mut().filter(|unit| unit.ticket.owner == owner).for_each(|unit| unit.owner_lives = false);
    }

    /// Owners that must stay alive: a snapshot, so that the host can mark them without any lock of ours.
    pub(super) fn living_owners(&self) -> Vec<OwnerId> {
        let queued = self.queue.iter().map(|ticket| ticket.owner);
        let in_flight = self.in_flight.iter().filter(|unit| unit.owner_lives).map(|unit| unit.owner);
        let active = self.active.iter().filter(|unit| unit.owner_lives).map(|unit| unit.ticket.owner);
        queued.chain(in_flight).chain(active).collect()
    }

    /// Nothing is compiled any more; what waits is told why.
    pub(super) fn disable(&mut self, why: &str) {
        self.disabled = Some(why.to_owned());
        self.queue.drain(..).for_each(|ticket| ticket.slot.fail(why.to_owned()));
    }

    pub(super) fn is_full(&self) -> bool {
        self.active.len() >= self.max_active
    }

    pub(super) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Gives up all code, for the end.
    pub(super) fn take_active(&mut self) -> Vec<Active> {
        std::mem::take(&mut self.active)
    }
}

pub(super) const OWNER_DIED: &str = "its owner died";

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::worker::SlotState;

    fn submit(units: &mut Units, owner: u64, heat: u64) -> (Slot, Arc<AtomicU64>) {
        let hotness = Arc::new(AtomicU64::new(heat));
        (units.submit(OwnerId(owner), Place::default(), Arc::clone(&hotness)), hotness)
    }

    fn taken(units: &mut Units) -> Vec<u64> {
        std::iter::from_fn(|| units.take_hottest().map(|ticket| ticket.owner.0)).collect()
    }

    #[test]
    fn hottest_first_and_among_equals_first_come() {
        let mut units = Units::new(100);
        let (_, cold) = submit(&mut units, 1, 5);
        for (owner, heat) in [(2, 9), (3, 5), (4, 9), (5, 5)] {
            submit(&mut units, owner, heat);
        }
        // Hotness is read when a unit is taken, not when it was submitted.
        cold.store(7, Ordering::Relaxed);
        assert_eq!(taken(&mut units), [2, 4, 1, 3, 5]);
    }

    #[test]
    fn a_dead_owner_leaves_queue_flight_and_marking() {
        let mut units = Units::new(100);
        let (first, _) = submit(&mut units, 1, 0);
        let (second, _) = submit(&mut units, 2, 0);
        let ticket = units.take_hottest().unwrap();
        assert_eq!(units.living_owners(), [OwnerId(2), OwnerId(1)]);
        units.bury(OwnerId(1));
        units.bury(OwnerId(2));
        assert!(!units.is_wanted(ticket.id));
        assert_eq!(units.living_owners(), []);
        assert_eq!((first.state(), second.state()), (SlotState::NotReady, SlotState::Failed));
        assert_eq!(second.failure(), Some(OWNER_DIED));
    }

    #[test]
    fn disabling_tells_everyone_why() {
        let mut units = Units::new(100);
        let (before, _) = submit(&mut units, 1, 0);
        units.disable("no compiler");
        let (after, _) = submit(&mut units, 2, 0);
        for slot in [before, after] {
            assert_eq!((slot.state(), slot.failure()), (SlotState::Failed, Some("no compiler")));
        }
    }
}
