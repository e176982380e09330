//! Cancels units: after an invalidated assumption, by `cancel_all`, by `recompile`, or after a timeout of `submit`. Units in flight are not
//! published, loaded code is retired.

use std::time::Instant;

use super::by_owner::Position;
use super::unit::WorkerUnit;
use super::{AssumptionId, CodeError, OwnerId, Slot, SourceLocation, Switches, Units};
use crate::worker::SlotState;

impl<L> Units<L> {
    /// Cancels the units that depend on an assumption. Returns the owners of cancelled code.
    pub(in crate::worker) fn invalidate(&mut self, assumption: AssumptionId) -> Vec<(OwnerId, SourceLocation)> {
        self.flight.invalidate(assumption);
        named(self.retire(self.active.depending_on(assumption), |slot| slot.fail(CodeError::NoLongerTrue(assumption))))
    }

    /// Cancels all units. Returns the owners of loaded code.
    pub(in crate::worker) fn cancel_all(&mut self) -> Vec<(OwnerId, SourceLocation)> {
        self.queue.drain().for_each(|unit| unit.slot.fail(CodeError::Cancelled));
        self.flight.unwant_all(&CodeError::Cancelled);
        named(self.retire(self.active.all(), |slot| slot.fail(CodeError::Cancelled)))
    }

    /// Queues a new unit for a slot. The old unit can never write the slot again. `None` if the slot has no unit.
    pub(in crate::worker) fn recompile(&mut self, slot: &Slot, switches: Switches) -> Option<SourceLocation> {
        if let Some(location) = self.queue.switch(slot, switches) {
            return Some(location);
        }
        let (owner, mut unit) = match self.flight.supersede(slot) {
            Some(making) => making,
            None => {
                let at = self.active.of_slot(slot)?;
                self.retire(vec![at], Slot::empty).pop()?
            }
        };
        let location = unit.ticket.location.clone();
        unit.ticket.switches = switches;
        unit.ticket.since = Instant::now();
        self.enqueue(owner, unit);
        Some(location)
    }

    /// Fails a slot after the time limit of `submit`. False if the slot is not waiting any more.
    pub(in crate::worker) fn give_up(&mut self, slot: &Slot) -> bool {
        self.queue.forget(slot);
        self.flight.unwant(slot, &CodeError::TooLate);
        let gives_up = slot.state() == SlotState::NotReady;
        if gives_up {
            slot.fail(CodeError::TooLate);
        }
        gives_up
    }

    /// Retires active units in order; `tell` changes their slots.
    pub(super) fn retire(&mut self, which: Vec<Position>, tell: impl Fn(&Slot)) -> Vec<(OwnerId, WorkerUnit)> {
        let mut gone = Vec::with_capacity(which.len());
        for (owners, active) in which.into_iter().filter_map(|at| self.active.remove(at)) {
            tell(&active.unit.slot);
            let owner = owners.own;
            self.retired.push(owners, &active.unit, active.generation, active.loaded);
            gone.push((owner, active.unit));
        }
        if !gone.is_empty() {
            self.look_again();
        }
        gone
    }
}

fn named(gone: Vec<(OwnerId, WorkerUnit)>) -> Vec<(OwnerId, SourceLocation)> {
    gone.into_iter().map(|(owner, unit)| (owner, unit.ticket.location)).collect()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::fixture::*;
    use super::super::*;
    use crate::worker::SlotState;

    const ASSUMPTIONS: [AssumptionId; 2] = [AssumptionId(7), AssumptionId(8)];

    fn depend_on(units: &mut Units<u64>, id: u64, assumptions: &[AssumptionId]) {
        units.depend_on(id, Assumptions { assumptions: assumptions.to_vec(), ..Assumptions::default() });
    }

    #[test]
    fn a_fact_that_turns_untrue_while_text_is_generated_is_not_missed() {
        let mut units = units(10);
        let slots: Vec<Slot> = (1..=2).map(|owner| submit(&mut units, owner, 0).0).collect();
        let first = take(&mut units).unwrap();
        units.invalidate(ASSUMPTIONS[0]);
        // What was known before it began does not concern it; what turns out meanwhile does.
        let second = take(&mut units).unwrap();
        units.invalidate(ASSUMPTIONS[1]);
        depend_on(&mut units, first.id, &ASSUMPTIONS[..1]);
        depend_on(&mut units, second.id, &ASSUMPTIONS);
        for (ticket, untrue) in [(first, ASSUMPTIONS[0]), (second, ASSUMPTIONS[1])] {
            let why = publish(&mut units, ticket);
            assert!(
                matches!(why, Err(Unwanted::Failed(CodeError::NoLongerTrue(assumption))) if assumption == untrue),
                "{why:?}"
            );
        }
        for slot in slots {
            assert_eq!(
                (slot.state(), failure(&slot).as_str()),
                (SlotState::Failed, "an assumption of the unit no longer holds")
            );
        }
        submit(&mut units, 3, 0);
        let third = take(&mut units).unwrap();
        depend_on(&mut units, third.id, &ASSUMPTIONS);
        assert!(publish(&mut units, third).is_ok());
    }

    #[test]
    fn loaded_code_is_taken_back_with_what_it_relies_on_and_its_owner_is_named() {
        let mut units = units(10);
        let slots: Vec<Slot> = (1..=2).map(|owner| submit(&mut units, owner, 0).0).collect();
        for assumption in ASSUMPTIONS {
            let ticket = take(&mut units).unwrap();
            depend_on(&mut units, ticket.id, &[assumption]);
            publish(&mut units, ticket).unwrap();
        }
        let inside = slots[0].enter().unwrap();
        let cancelled: Vec<OwnerId> = units.invalidate(ASSUMPTIONS[0]).iter().map(|(owner, _)| *owner).collect();
        assert_eq!(cancelled, [OwnerId(1)]);
        assert_eq!(slots[0].state(), SlotState::Failed);
        assert!(matches!(slots[1].state(), SlotState::Callable(_)));
        assert!(closable(&mut units, &[]).is_empty());
        drop(inside);
        assert_eq!(closable(&mut units, &[]), [1]);
        // Submitted again, it is another unit with another slot.
        let (again, _) = submit(&mut units, 1, 0);
        load(&mut units);
        assert!(matches!(again.state(), SlotState::Callable(_)));
        assert_eq!(slots[0].state(), SlotState::Failed);
    }

    #[test]
    fn cancelling_all_takes_back_what_waits_what_is_made_and_what_is_loaded() {
        let mut units = units(10);
        let slots: Vec<Slot> = (1..=3).map(|owner| submit(&mut units, owner, 0).0).collect();
        load(&mut units);
        let ticket = take(&mut units).unwrap();
        assert_eq!(units.cancel_all().len(), 1);
        assert!(publish(&mut units, ticket).is_err());
        assert_eq!(slots.iter().map(failure).collect::<Vec<_>>(), ["the unit was cancelled"; 3]);
        submit(&mut units, 4, 0);
        assert!(units.next_unit().is_some(), "what comes later is compiled");
    }

    #[test]
    fn a_superseded_unit_can_never_write_the_slot_again() {
        let mut units = units(10);
        let (slot, _) = submit(&mut units, 1, 0);
        let old = take(&mut units).unwrap();
        // Superseded while it is being made: published late, failed late.
        assert!(units.recompile(&slot, Switches(1)).is_some());
        let new = take(&mut units).unwrap();
        assert_eq!((new.switches, new.owner), (Switches(1), OwnerId(1)));
        assert!(matches!(publish(&mut units, old), Err(Unwanted::Superseded)));
        assert_eq!(slot.state(), SlotState::NotReady);
        publish(&mut units, new).unwrap();
        units.fail(old.id, CodeError::Cancelled);
        assert!(matches!(slot.state(), SlotState::Callable(_)));
        // Superseded when it is loaded: the slot is empty until the new code is there, and the old code goes after its callers.
        let inside = slot.enter().unwrap();
        assert!(units.recompile(&slot, Switches(2)).is_some());
        assert_eq!(slot.state(), SlotState::NotReady);
        assert!(matches!(units.next_work(), Some(Work::Sweep)));
        load(&mut units);
        let inside_new = slot.enter().unwrap();
        assert!(closable(&mut units, &[]).is_empty());
        drop(inside);
        assert_eq!(closable(&mut units, &[]), [1], "the new code's callers do not keep the old code");
        drop(inside_new);
        // Waiting, it only changes its switches.
        let (waiting, _) = submit(&mut units, 2, 0);
        assert!(units.recompile(&waiting, Switches(3)).is_some());
        assert_eq!(take(&mut units).unwrap().switches, Switches(3));
        assert!(take(&mut units).is_none());
        let (gone, _) = submit(&mut units, 3, 0);
        units.owner_freed(OwnerId(3));
        assert!(units.recompile(&gone, Switches(1)).is_none());
    }

    #[test]
    fn whoever_waited_too_long_gets_nothing_later() {
        let mut units = units(10);
        let (slot, _) = submit(&mut units, 1, 0);
        let ticket = take(&mut units).unwrap();
        assert!(units.give_up(&slot));
        assert!(publish(&mut units, ticket).is_err());
        assert_eq!(failure(&slot), "the unit was not ready in time");
        assert!(!units.give_up(&slot));
    }
}
