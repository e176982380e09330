//! Room for code: how many units may be loaded, and which units are unloaded for hotter units. Knows nothing about how units are built.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Candidate, Units, Work};
use crate::worker::slot::Slot;
use crate::worker::{Code, SourceLocation, policy};

/// The limit of loaded units.
#[derive(Debug)]
pub(super) struct Room {
    most: usize,
    /// True if the last search found no unit to unload, and nothing has changed since.
    none: bool,
    unloads: usize,
}

impl Room {
    pub(super) fn of(most: usize) -> Self {
        Self { most: most.max(1), none: false, unloads: 0 }
    }

    /// Returns how many units may be active or in flight.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// Returns how many units were unloaded because the limit was reached.
    pub(super) fn unloads(&self) -> usize {
        self.unloads
    }

    /// Notes a change, after which a search may find room.
    pub(super) fn look_again(&mut self) {
        self.none = false;
    }

    fn grow(&mut self) {
        self.most += 1;
        self.none = false;
    }
}

impl<L> Units<L> {
    pub(super) fn is_full(&self) -> bool {
        self.active.len() + self.flight.len() >= self.room.most
    }

    pub(super) fn make_room(&mut self, colder_than: u64) -> Option<Work> {
        if !self.room.none {
            let candidates = self.unloadable(colder_than);
            self.room.none = candidates.is_empty();
            if !candidates.is_empty() {
                return Some(Work::Unload(candidates));
            }
        }
        // A host that waits for a unit must get it (Ruby a8dcab72, dbdeb92b). Units in flight have their room already.
        (self.rules.wait && self.flight.is_empty()).then(|| {
            self.room.grow();
            Work::CacheGrown(self.room.most)
        })
    }

    /// True if a unit of this hotness would be built, or room made for it.
    pub(super) fn may_find_room(&self, heat: u64) -> bool {
        !self.room.none && (!self.is_full() || self.rules.wait || !self.unloadable(heat).is_empty())
    }

    /// Returns the active units that are colder, coldest first (Ruby d80226e7).
    fn unloadable(&self, colder_than: u64) -> Vec<Candidate> {
        if self.rules.unload { self.active.colder_than(colder_than) } else { Vec::new() }
    }

    /// Updates candidates: their owners or their code may have moved, or they may no longer be active.
    pub(in crate::worker) fn refresh(&self, candidates: &mut Vec<Candidate>) {
        *candidates = candidates.iter().filter_map(|candidate| self.active.candidate(candidate.id)).collect();
    }

    /// Retires the coldest candidates that are on no stack, until a tenth of the limit is free, so that the search does not run for each
    /// unit. Returns their number.
    pub(in crate::worker) fn retire_cold(&mut self, candidates: &[Candidate]) -> usize {
        // Units in flight need room too.
        let wanted = policy::units_to_unload(self.active.len() + self.flight.len(), self.room.most);
        let free = candidates.iter().filter(|candidate| !candidate.code.on_stack);
        let going: HashSet<u64> = free.take(wanted).map(|candidate| candidate.id).collect();
        // Another thread may have made room meanwhile.
        self.room.none = wanted > 0 && going.is_empty();
        let mut going: Vec<_> = going.into_iter().filter_map(|id| self.active.position(id)).collect();
        going.sort_unstable();
        let gone = self.retire(going, Slot::unload).len();
        self.room.unloads += gone;
        gone
    }

    /// Notes that code which was on a stack may not be any more.
    pub(in crate::worker) fn look_again(&mut self) {
        self.room.look_again();
        self.sweep = true;
    }

    /// True if there is retired code that no guard holds.
    pub(in crate::worker) fn may_close(&self) -> bool {
        self.retired.unguarded().next().is_some()
    }

    /// Returns retired code that no guard holds, to ask the host whether it is on a stack.
    pub(in crate::worker) fn retired_code(&self) -> Vec<Code> {
        self.retired.unguarded().collect()
    }

    /// Removes retired code that no guard holds and that the host saw on no stack. Drop the libraries outside the lock.
    pub(in crate::worker) fn closable(&mut self, seen: &[Code]) -> Vec<(u64, SourceLocation, Arc<L>)> {
        self.retired.take_free(seen)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::fixture::*;
    use super::super::*;
    use crate::worker::SlotState;

    /// Three loaded units of heat 10, 20, 30 in a full cache.
    fn full(rules: Rules) -> (Units<u64>, Vec<Slot>) {
        let mut units = Units::new(Rules { max_active: 3, ..rules });
        let slots = (1..=3).map(|owner| submit(&mut units, owner, owner * 10).0).collect();
        (0..3).for_each(|_| load(&mut units));
        (units, slots)
    }

    #[test]
    fn only_code_that_is_colder_than_what_waits_is_unloaded_coldest_first() {
        let (mut units, slots) = full(RULES);
        submit(&mut units, 4, 10);
        assert!(units.next_work().is_none(), "nothing is colder than 10");
        submit(&mut units, 5, 25);
        let going = candidates(units.next_work());
        assert_eq!(owners(&going), [1, 2]);
        assert_eq!(units.retire_cold(&going), 1);
        assert_eq!(slots[0].state(), SlotState::Unloaded);
        assert_eq!(closable(&mut units, &[]), [1]);
        assert_eq!(take(&mut units).unwrap().owner, OwnerId(5));
    }

    #[test]
    fn code_on_a_stack_stays_and_room_is_looked_for_again_only_after_a_change() {
        let (mut units, _slots) = full(RULES);
        submit(&mut units, 5, 15);
        let mut going = candidates(units.next_work());
        going[0].code.on_stack = true;
        assert_eq!(units.retire_cold(&going), 0);
        assert!(units.next_work().is_none());
        units.look_again();
        assert!(matches!(units.next_work(), Some(Work::Unload(_))));
    }

    #[test]
    fn candidates_are_asked_about_under_their_owners_present_names() {
        let (mut units, _slots) = full(RULES);
        submit(&mut units, 5, 25);
        let mut going = candidates(units.next_work());
        units.rename(OwnerId(1), OwnerId(11));
        units.owner_freed(OwnerId(2));
        units.refresh(&mut going);
        assert_eq!(owners(&going), [11]);
    }

    #[test]
    fn what_is_being_made_counts_when_room_is_made() {
        let mut units = units(3);
        for owner in 1..=3 {
            submit(&mut units, owner, owner * 10);
        }
        (0..2).for_each(|_| load(&mut units));
        let in_flight = take(&mut units).unwrap();
        submit(&mut units, 4, 40);
        let going = candidates(units.next_work());
        assert_eq!(units.retire_cold(&going), 1);
        assert!(matches!(units.next_work(), Some(Work::Sweep)));
        assert_eq!(take(&mut units).unwrap().owner, OwnerId(4));
        publish(&mut units, in_flight).unwrap();
    }

    #[test]
    fn two_threads_that_make_room_at_once_do_not_hide_it() {
        let (mut units, _slots) = full(RULES);
        for owner in 4..=6 {
            submit(&mut units, owner, 50);
        }
        let (first, second) = (candidates(units.next_work()), candidates(units.next_work()));
        assert_eq!((units.retire_cold(&first), units.retire_cold(&second)), (1, 0));
        assert!(matches!(units.next_work(), Some(Work::Sweep)));
        load(&mut units);
        assert!(matches!(units.next_work(), Some(Work::Unload(_))), "there is more to make room for");
    }

    #[test]
    fn nothing_is_unloaded_where_that_is_not_wanted() {
        let (mut units, _slots) = full(Rules { unload: false, ..RULES });
        submit(&mut units, 5, 99);
        assert!(units.next_work().is_none());
    }

    #[test]
    fn the_cache_grows_for_whoever_waits() {
        let (mut units, _slots) = full(Rules { wait: true, ..RULES });
        submit(&mut units, 4, 5);
        assert!(matches!(units.next_work(), Some(Work::CacheGrown(4))));
        assert_eq!(take(&mut units).unwrap().owner, OwnerId(4));
    }

    #[test]
    fn retired_code_is_closed_once_nobody_is_inside() {
        let (mut units, slots) = full(RULES);
        let guard = slots[0].enter().unwrap();
        submit(&mut units, 4, 15);
        let going = candidates(units.next_work());
        assert_eq!(units.retire_cold(&going), 1);
        assert!(slots[0].enter().is_none());
        assert!(closable(&mut units, &[]).is_empty(), "a guard is held");
        drop(guard);
        assert!(closable(&mut units, &[1]).is_empty(), "it is on a stack");
        assert_eq!(closable(&mut units, &[]), [1]);
    }
}
