//! Replaces loaded code by better code, from tiers and compactions. The slots get the new address; the old code is retired.

use std::sync::Arc;

use super::active::{ActiveUnit, TierState};
use super::{Loaded, Part, Units};
use crate::worker::policy::{self, Census};
use crate::worker::slot::Address;

#[derive(Debug, Default)]
pub(super) struct Compactions {
    /// Compactions so far, with or without success.
    count: usize,
    /// True if a compaction is running.
    running: bool,
    /// True if units were loaded since the last compaction.
    fresh: bool,
}

impl Compactions {
    /// Notes that a unit was loaded.
    pub(super) fn look_again(&mut self) {
        self.fresh = true;
    }

    /// Ends a running compaction in the child of a fork, which does not have its thread.
    pub(super) fn after_fork_in_child(&mut self) {
        self.fresh |= self.running;
        self.running = false;
    }
}

impl<L> Units<L> {
    /// Publishes optimized code. False if the unit is no longer active.
    pub(in crate::worker) fn improve(&mut self, id: u64, loaded: &Loaded<L>) -> bool {
        let keeps_text = self.may_compact();
        let Some((_, unit)) = self.active.get_mut(id) else { return false };
        unit.settle(keeps_text);
        self.compactions.look_again();
        !self.repoint(&[(id, loaded.address)], &loaded.library).is_empty()
    }

    /// Keeps the quick code of a unit after optimizing failed.
    pub(in crate::worker) fn stay_baseline(&mut self, id: u64) {
        if let Some((_, unit)) = self.active.get_mut(id)
            && matches!(unit.tier_state, TierState::Improving(_))
        {
            unit.settle(false);
        }
    }

    pub(in crate::worker) fn improve_later(&mut self, ids: &[u64]) {
        for id in ids {
            if let Some((_, unit)) = self.active.get_mut(*id) {
                unit.improve_later();
            }
        }
    }

    pub(super) fn is_due_for_compaction(&self) -> bool {
        let census = Census {
            active: self.active.len(),
            queued: self.queue.len(),
            max_active: self.room.most(),
            compactions: self.compactions.count,
            unloads: self.room.unloads(),
            wait: self.rules.wait,
        };
        // While units are in flight the next unit may come at any moment.
        self.may_compact()
            && self.compactions.fresh
            && !self.compactions.running
            && self.flight.is_empty()
            && self.disabled.is_none()
            && policy::should_compact(&census)
            // Units that will be optimized would be compiled twice.
            && !self.active.iter().any(ActiveUnit::gets_better)
    }

    pub(super) fn due_for_compaction(&mut self) -> Option<Vec<Part>> {
        self.is_due_for_compaction().then(|| {
            (self.compactions.fresh, self.compactions.running) = (false, true);
            self.active.iter().filter_map(ActiveUnit::settled_part).collect()
        })
    }

    /// Publishes the code of a compacted library in the slots of its units that are still active. Returns the units and addresses to report
    /// to the host.
    pub(in crate::worker) fn repoint(&mut self, parts: &[(u64, Address)], library: &Arc<L>) -> Vec<(u64, Address)> {
        let places = parts.iter().filter_map(|&(id, address)| Some((self.active.position(id)?, id, address)));
        let mut places: Vec<_> = places.collect();
        places.sort_unstable_by_key(|(at, ..)| *at);
        let mut moved = Vec::with_capacity(places.len());
        for (at, id, address) in places {
            let Some((owners, unit)) = self.active.at_mut(at) else { continue };
            let generation = unit.unit.slot.improve(address);
            let loaded = Loaded { address, library: Arc::clone(library) };
            let generation = std::mem::replace(&mut unit.generation, generation);
            let loaded = std::mem::replace(&mut unit.loaded, loaded);
            self.retired.push(owners.clone(), &unit.unit, generation, loaded);
            moved.push((id, address));
        }
        self.sweep = true;
        moved
    }

    /// Ends a compaction, with or without success.
    pub(in crate::worker) fn compacted(&mut self) {
        self.compactions.running = false;
        self.compactions.count += 1;
        if !self.may_compact() {
            let done = self.active.iter_mut().filter(|unit| !unit.gets_better());
            done.for_each(|unit| unit.settle(false));
        }
    }

    pub(in crate::worker) fn compact_later(&mut self) {
        (self.compactions.running, self.compactions.fresh) = (false, true);
    }

    pub(super) fn may_compact(&self) -> bool {
        self.rules.compact && self.compactions.count < policy::compactions_at_most(self.room.most())
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::fixture::*;
    use super::super::*;
    use crate::worker::{SlotState, slot::Address};

    #[test]
    fn texts_are_kept_only_while_something_may_be_compacted() {
        let mut units = Units::new(Rules { compact: true, ..RULES });
        submit(&mut units, 1, 0);
        load(&mut units);
        (0..10).for_each(|_| units.compacted());
        submit(&mut units, 2, 0);
        load(&mut units);
        assert!(units.active.iter().all(|unit| matches!(unit.tier_state, TierState::Settled(None))));
    }

    #[test]
    fn compaction_repoints_what_is_still_there_and_the_old_code_goes_after_its_callers() {
        let mut units = Units::new(Rules { compact: true, ..RULES });
        let slots: Vec<Slot> = (1..=3).map(|owner| submit(&mut units, owner, 0).0).collect();
        (0..3).for_each(|_| load(&mut units));
        let Some(Work::Compact(parts)) = units.next_work() else { panic!() };
        assert!(units.next_work().is_none(), "one at a time");
        let inside = slots[0].enter().unwrap();
        // While it is compiled, one is superseded and one dies.
        units.recompile(&slots[1], Switches(1));
        units.owner_freed(OwnerId(3));
        let addresses: Vec<(u64, Address)> = parts.iter().map(|part| (part.id, address(100 + part.id))).collect();
        let library = Arc::new(99);
        units.compacted();
        assert_eq!(units.repoint(&addresses, &library).len(), 1);
        assert_eq!(slots[0].state(), SlotState::Callable(address(100).pointer()));
        assert_eq!(slots[1].state(), SlotState::NotReady);
        assert_eq!(closable(&mut units, &[]), [2, 3]);
        drop(inside);
        assert_eq!(closable(&mut units, &[]), [1]);
        assert_eq!(Arc::strong_count(&library), 2);
    }
}
