//! When to compact and what to unload: the rules of Ruby's MJIT, as pure functions. A host with a worker of its own may use them too.

/// The numbers that decide about compaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Units with loaded code.
    pub active: usize,
    /// Units in the queue.
    pub queued: usize,
    /// How many units may be loaded.
    pub max_active: usize,
    /// Compactions so far.
    pub compactions: usize,
    /// Units that were unloaded so far because `max_active` was reached.
    pub unloads: usize,
    /// True if the host waits for each unit.
    pub wait: bool,
}

/// True if compaction should run now: if the queue is empty, unless the host waits; or if `max_active` units are loaded and a tenth of them
/// was unloaded since the last compaction (Ruby 122cd359, 096f5442). At most ten times, or `max_active / 100` times (Ruby cc6afff0,
/// 028f1887).
#[must_use]
pub fn should_compact(census: &Census) -> bool {
    let Census { active, queued, max_active, compactions, unloads, wait } = *census;
    let idle = !wait && queued == 0;
    let full = active >= max_active && compactions * (max_active / 10) <= unloads;
    active > 1 && (idle || full) && compactions < compactions_at_most(max_active)
}

/// Returns the largest number of compactions of a worker.
#[must_use]
pub fn compactions_at_most(max_active: usize) -> usize {
    (max_active / 100).max(10)
}

/// Returns how many units to unload at once: until a tenth of `max_active` is free, so that the search does not run for each unit.
#[must_use]
pub fn units_to_unload(active: usize, max_active: usize) -> usize {
    (active + (max_active / 10).max(1)).saturating_sub(max_active)
}

/// Returns the size of the next group: the `waiting` units divided by the threads, at most twice the size of the group `before`, and at
/// most `at_most`. So the hottest few units do not wait for many others, and a single unit is compiled alone.
#[must_use]
pub fn units_at_once(waiting: usize, threads: usize, before: usize, at_most: usize) -> usize {
    waiting.div_ceil(threads.max(1)).min(before.saturating_mul(2)).min(at_most).max(1)
}

/// A loaded unit, for [`pick_unloads`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitHeat {
    /// The call counter.
    pub calls: u64,
    /// True if the code may be on a stack.
    pub in_use: bool,
    /// True if the owner was freed.
    pub dead: bool,
}

/// Returns the indexes of the units in `loaded` to unload: all units whose owner was freed, then the coldest units that are colder than the
/// hottest queued unit, until a tenth of `max_active` is free. Never a unit in use.
#[must_use]
pub fn pick_unloads(loaded: &[UnitHeat], queued: &[u64], max_active: usize) -> Vec<usize> {
    let hottest = queued.iter().copied().max().unwrap_or(0);
    let mut candidates: Vec<usize> =
        (0..loaded.len()).filter(|&at| !loaded[at].in_use && (loaded[at].dead || loaded[at].calls < hottest)).collect();
    candidates.sort_by_key(|&at| (!loaded[at].dead, loaded[at].calls));
    let dead = candidates.iter().filter(|&&at| loaded[at].dead).count();
    candidates.truncate(units_to_unload(loaded.len(), max_active).max(dead));
    candidates
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn compaction_waits_for_an_empty_queue_or_a_full_cache() {
        let census = Census { active: 2, max_active: 100, ..Census::default() };
        assert!(should_compact(&census));
        assert!(!should_compact(&Census { active: 1, ..census }), "nothing to put together");
        assert!(!should_compact(&Census { queued: 1, ..census }));
        assert!(!should_compact(&Census { wait: true, ..census }));
        assert!(should_compact(&Census { wait: true, queued: 1, active: 100, ..census }));
    }

    #[test]
    fn compaction_is_throttled() {
        let full = Census { active: 100, max_active: 100, queued: 1, compactions: 1, ..Census::default() };
        assert!(!should_compact(&Census { unloads: 9, ..full }));
        assert!(should_compact(&Census { unloads: 10, ..full }));
        let idle = Census { active: 2, max_active: 100, compactions: 10, ..Census::default() };
        assert!(!should_compact(&idle));
        assert!(should_compact(&Census { max_active: 10_000, ..idle }));
    }

    #[test]
    fn translation_units_grow_while_the_queue_is_long_and_share_it_among_the_threads() {
        let mut before = 0;
        let mut waiting = 100;
        let sizes: Vec<usize> = std::iter::from_fn(|| {
            before = units_at_once(waiting, 2, before, 16);
            waiting = waiting.checked_sub(before).filter(|_| waiting > 0)?;
            Some(before)
        })
        .collect();
        assert_eq!(sizes, [1, 2, 4, 8, 16, 16, 16, 16, 11, 5, 3, 1, 1]);
        assert_eq!(units_at_once(1, 1, 16, 16), 1);
        assert_eq!(units_at_once(100, 1, 16, 1), 1, "a limit of one merges nothing");
    }

    #[test]
    fn the_dead_go_first_and_the_used_never() {
        let unit = |calls| UnitHeat { calls, in_use: false, dead: false };
        let loaded = [
            unit(5),
            UnitHeat { dead: true, ..unit(99) },
            unit(1),
            UnitHeat { in_use: true, ..unit(0) },
            unit(50),
            UnitHeat { in_use: true, dead: true, ..unit(0) },
        ];
        assert_eq!(pick_unloads(&loaded, &[20], 6), [1]);
        assert_eq!(pick_unloads(&loaded, &[20], 4), [1, 2, 0]);
        assert_eq!(pick_unloads(&loaded, &[], 4), [1], "nothing is colder than nothing");
    }
}
