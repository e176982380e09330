//! The operations for the host's collector: owners that must live, freed owners, renamed owners. The VM is stopped during them, so they
//! walk no list unless they must.

use super::Units;
use crate::worker::slot::Address;
use crate::worker::{CodeError, OwnerId};

impl<L> Units<L> {
    /// Handles a freed owner: its queued units fail, its units in flight are not published, its loaded code is retired.
    pub(in crate::worker) fn owner_freed(&mut self, owner: OwnerId) {
        self.queue.take_own(owner).into_iter().for_each(|unit| unit.slot.fail(CodeError::OwnerDied));
        self.flight.owner_freed(owner);
        self.retire(self.active.own(owner), |slot| slot.fail(CodeError::OwnerDied));
    }

    /// Changes the number of an owner.
    pub(in crate::worker) fn rename(&mut self, old: OwnerId, new: OwnerId) {
        self.queue.rename(old, new);
        self.flight.rename(old, new);
        self.active.rename(old, new);
        self.retired.rename(old, new);
    }

    /// Returns the current number of the owner of a unit in flight.
    pub(in crate::worker) fn owner(&self, id: u64) -> Option<OwnerId> {
        self.flight.owner(id)
    }

    /// Returns the owner of an active unit, if the unit still has code at this address.
    pub(in crate::worker) fn owner_of_code(&self, id: u64, address: Address) -> Option<OwnerId> {
        self.active.get(id).filter(|(_, unit)| unit.loaded.address == address).map(|(owners, _)| owners.own)
    }

    /// Returns a snapshot of the owners that must stay alive, inlined owners included. An owner may occur twice.
    pub(in crate::worker) fn living_owners(&self) -> Vec<OwnerId> {
        let making = self.queue.owners().chain(self.flight.owners());
        making.chain(self.active.owners()).chain(self.retired.inlined()).collect()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::fixture::*;
    use super::super::*;
    use crate::worker::SlotState;

    #[test]
    fn a_dead_owner_leaves_queue_flight_and_marking() {
        let mut units = units(100);
        let (first, _) = submit(&mut units, 1, 0);
        let (second, _) = submit(&mut units, 2, 0);
        let ticket = take(&mut units).unwrap();
        assert_eq!(units.living_owners(), [OwnerId(2), OwnerId(1)]);
        units.owner_freed(OwnerId(1));
        units.owner_freed(OwnerId(2));
        assert!(matches!(units.unwanted(ticket.id), Some(Unwanted::Failed(CodeError::OwnerDied))));
        assert_eq!(units.living_owners(), []);
        assert_eq!((first.state(), second.state()), (SlotState::NotReady, SlotState::Failed));
        assert_eq!(failure(&second), "the owner was freed");
    }

    #[test]
    fn a_dead_owner_s_code_goes() {
        let mut units = units(100);
        let (slot, _) = submit(&mut units, 1, 0);
        load(&mut units);
        units.owner_freed(OwnerId(1));
        assert_eq!(slot.state(), SlotState::Failed);
        assert!(matches!(units.next_work(), Some(Work::Sweep)));
        assert_eq!(closable(&mut units, &[]), [1]);
        assert!(units.next_work().is_none());
    }

    #[test]
    fn an_owner_that_moved_is_known_by_its_new_name() {
        let mut units = units(100);
        for owner in 1..=3 {
            submit(&mut units, owner, 0);
        }
        load(&mut units);
        let ticket = take(&mut units).unwrap();
        units.depend_on(ticket.id, Assumptions { inlined: vec![OwnerId(9)], ..Assumptions::default() });
        for owner in [1, 2, 3, 9] {
            units.rename(OwnerId(owner), OwnerId(owner + 10));
        }
        assert_eq!(units.living_owners(), [13, 12, 19, 11].map(OwnerId));
        units.owner_freed(OwnerId(12));
        assert!(publish(&mut units, ticket).is_err());
    }

    #[test]
    fn an_owner_that_moved_while_its_unit_was_made_is_published_under_its_new_name() {
        let mut units = units(100);
        let (slot, _) = submit(&mut units, 1, 0);
        let ticket = take(&mut units).unwrap();
        units.rename(OwnerId(1), OwnerId(11));
        publish(&mut units, ticket).unwrap();
        assert_eq!(units.living_owners(), [OwnerId(11)]);
        units.owner_freed(OwnerId(11));
        assert_eq!(slot.state(), SlotState::Failed);
    }

    #[test]
    fn an_owner_that_died_is_not_marked_though_its_unit_was_unwanted_before() {
        let mut units = units(100);
        let slots: Vec<Slot> = (1..=2).map(|owner| submit(&mut units, owner, 0).0).collect();
        let _tickets: Vec<Taken> = (0..2).map(|_| take(&mut units).unwrap()).collect();
        units.recompile(&slots[0], Switches(1));
        units.cancel_all();
        units.owner_freed(OwnerId(1));
        units.owner_freed(OwnerId(2));
        assert_eq!(units.living_owners(), []);
    }

    #[test]
    fn who_is_inlined_lives_as_long_as_anybody_may_be_inside() {
        let mut units = units(10);
        let (slot, _) = submit(&mut units, 1, 0);
        let ticket = take(&mut units).unwrap();
        units.depend_on(ticket.id, Assumptions { inlined: vec![OwnerId(9)], ..Assumptions::default() });
        publish(&mut units, ticket).unwrap();
        let inside = slot.enter().unwrap();
        units.cancel_all();
        units.rename(OwnerId(9), OwnerId(19));
        assert_eq!(units.living_owners(), [OwnerId(19)]);
        drop(inside);
        closable(&mut units, &[]);
        assert_eq!(units.living_owners(), []);
    }
}
