//! Chooses the next work of a worker's thread. Knows nothing about how the work is done.

use std::cmp::Reverse;

use super::active::ActiveUnit;
use super::{Part, Rules, Units, Work};
use crate::worker::policy;

impl<L> Units<L> {
    /// Returns the next work, in this order: sweep; compact, if due; build the hottest units of the queue (among equals those that came
    /// first), or unload colder code for them; optimize quick code. Queued units wait while all loaded code is hotter and the limit is
    /// reached.
    pub(in crate::worker) fn next_work(&mut self) -> Option<Work> {
        if std::mem::take(&mut self.sweep) && !self.retired.is_empty() {
            return Some(Work::Sweep);
        }
        self.due_for_compaction().map(Work::Compact).or_else(|| self.next_unit()).or_else(|| self.next_better())
    }

    /// The part of [`Self::next_work`] that a thread may do during a compaction.
    pub(in crate::worker) fn next_unit(&mut self) -> Option<Work> {
        if self.is_full() {
            let colder_than = self.queue.heat()?;
            return self.make_room(colder_than);
        }
        let (waiting, Rules { threads, group_limit, .. }) = (self.queue.len(), self.rules);
        let room = self.room.most() - self.active.len() - self.flight.len();
        let count = policy::units_at_once(waiting, threads, self.taken, group_limit).min(room);
        let units = self.queue.take_hottest(count);
        if units.is_empty() {
            return None;
        }
        self.taken = count;
        Some(Work::Build(self.flight.begin(units)))
    }

    /// Returns quick code to optimize.
    fn next_better(&mut self) -> Option<Work> {
        if self.disabled.is_some() {
            return None;
        }
        let quick = self.active.iter_mut().filter(|unit| unit.is_quick());
        let mut waiting: Vec<(u64, &mut ActiveUnit<L>)> = quick.map(|unit| (unit.unit.heat(), unit)).collect();
        let Rules { threads, group_limit, .. } = self.rules;
        let count = policy::units_at_once(waiting.len(), threads, self.improved, group_limit);
        waiting.sort_by_key(|(heat, _)| Reverse(*heat));
        let parts: Vec<Part> = waiting.into_iter().take(count).filter_map(|(_, unit)| unit.improve()).collect();
        self.improved = count;
        (!parts.is_empty()).then_some(Work::Improve(parts))
    }

    /// A group failed to compile: the next groups begin small again.
    pub(in crate::worker) fn group_failed(&mut self) {
        self.taken = 0;
    }

    /// True if there is work other than a sweep.
    pub(in crate::worker) fn has_work(&self) -> bool {
        self.queue.heat().is_some_and(|hottest| self.may_find_room(hottest))
            || self.is_due_for_compaction()
            || (self.disabled.is_none() && self.active.iter().any(ActiveUnit::is_quick))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::Ordering;

    use super::super::fixture::*;

    #[test]
    fn hottest_first_and_among_equals_first_come() {
        let mut units = units(100);
        let (_, cold) = submit(&mut units, 1, 5);
        for (owner, heat) in [(2, 9), (3, 5), (4, 9), (5, 5)] {
            submit(&mut units, owner, heat);
        }
        // Hotness is read when a unit is taken, not when it was submitted.
        cold.store(7, Ordering::Relaxed);
        let order: Vec<u64> = std::iter::from_fn(|| take(&mut units).map(|ticket| ticket.owner.0)).collect();
        assert_eq!(order, [2, 4, 1, 3, 5]);
    }
}
