//! The worker's lists, as the interlock guards them: what waits, what is being made, what is loaded. Pure: no threads, no files.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::slot::Slot;

/// What the host calls the thing that a unit is generated from: a method, a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OwnerId(pub u64);

/// Something that code relies on and the host may find untrue one day: a class as it is, a method not redefined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FactId(pub u64);

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

/// A unit whose code is loaded. `L` is the library: dropping it unloads the code, so not while anybody may be inside.
#[derive(Debug)]
struct Active<L> {
    ticket: Ticket,
    facts: Vec<FactId>,
    owner_lives: bool,
    library: L,
}

impl<L> Active<L> {
    fn heat(&self) -> u64 {
        self.ticket.heat()
    }
}

impl Ticket {
    fn heat(&self) -> u64 {
        self.hotness.load(Ordering::Relaxed)
    }
}

/// What a worker thread finds to do.
#[derive(Debug)]
pub(super) enum Work {
    /// Compile this unit.
    Make(Ticket),
    /// Make room: these are cold enough to go, coldest first, unless somebody is inside.
    Unload(Vec<Candidate>),
}

/// A loaded unit that could go. By its number: an owner may have been submitted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) id: u64,
    pub(super) owner: OwnerId,
}

/// A unit that a thread is making.
#[derive(Debug)]
struct InFlight {
    id: u64,
    owner: OwnerId,
    facts: Vec<FactId>,
    /// How many facts had been found untrue when its text began to be generated: the later ones concern it.
    began: usize,
    /// Why it will not be published.
    unwanted: Option<&'static str>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Units<L> {
    next_id: u64,
    queue: Vec<Ticket>,
    in_flight: Vec<InFlight>,
    active: Vec<Active<L>>,
    /// No slot leads to them any more; somebody may still be inside.
    retired: Vec<Active<L>>,
    /// The facts that were found untrue while anything is being made.
    untrue: Vec<FactId>,
    max_active: usize,
    /// Room was looked for and there was none; nothing has changed since.
    no_room: bool,
    /// Why nothing is compiled any more.
    disabled: Option<String>,
}

impl<L> Units<L> {
    pub(super) fn new(max_active: usize) -> Self {
        let (queue, in_flight, active, retired) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let untrue = Vec::new();
        Self { next_id: 0, queue, in_flight, active, retired, untrue, max_active, no_room: false, disabled: None }
    }

    /// Puts a unit into the queue, unless nothing is compiled any more: then its slot says so at once.
    pub(super) fn submit(&mut self, owner: OwnerId, place: Place, hotness: Arc<AtomicU64>) -> Slot {
        let slot = Slot::new();
        match &self.disabled {
            Some(why) => slot.fail(why.clone()),
            None => {
                let id = self.next_id;
                self.next_id += 1;
                self.no_room = false;
                self.queue.push(Ticket { id, owner, place, hotness, slot: slot.clone() });
            }
        }
        slot
    }

    /// What to do next: the hottest unit of the queue, by what the host's counters say now, of equals the one that came first;
    /// or to make room for it. Nothing while the cache is full of hotter code.
    pub(super) fn next_work(&mut self) -> Option<Work> {
        // max_by_key takes the last of equals, so look from the end.
        let (at, hottest) = self.queue.iter().enumerate().rev().max_by_key(|(_, ticket)| ticket.heat())?;
        if self.is_full() {
            let colder_than = hottest.heat();
            return (!self.no_room).then(|| self.unloadable(colder_than)).flatten().map(Work::Unload);
        }
        // Not swap_remove: the order is what decides among equals.
        let ticket = self.queue.remove(at);
        if self.in_flight.is_empty() {
            self.untrue.clear();
        }
        let (id, owner, began) = (ticket.id, ticket.owner, self.untrue.len());
        self.in_flight.push(InFlight { id, owner, facts: Vec::new(), began, unwanted: None });
        Some(Work::Make(ticket))
    }

    /// Loaded units that are colder than what waits, coldest first, and whatever has lost its owner.
    fn unloadable(&mut self, colder_than: u64) -> Option<Vec<Candidate>> {
        let cold = |unit: &&Active<L>| !unit.owner_lives || unit.heat() < colder_than;
        let mut cold: Vec<&Active<L>> = self.active.iter().filter(cold).collect();
        cold.sort_by_key(|unit| (unit.owner_lives, unit.heat()));
        let candidate = |unit: &Active<L>| Candidate { id: unit.ticket.id, owner: unit.ticket.owner };
        let candidates: Vec<Candidate> = cold.into_iter().map(candidate).collect();
        self.no_room = candidates.is_empty();
        (!candidates.is_empty()).then_some(candidates)
    }

    /// Takes the coldest of `candidates` out of their slots, all but those that are on a stack: a tenth of the cache at once, so
    /// that this is not done for every unit. Says how many.
    pub(super) fn retire(&mut self, candidates: &[Candidate], on_stack: &[OwnerId]) -> usize {
        let wanted = (self.active.len() + (self.max_active / 10).max(1)).saturating_sub(self.max_active);
        let free = candidates.iter().filter(|candidate| !on_stack.contains(&candidate.owner));
        let going: Vec<u64> = free.take(wanted).map(|candidate| candidate.id).collect();
        self.no_room = going.is_empty();
        let (retired, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.active).into_iter().partition(|unit| going.contains(&unit.ticket.id));
        self.active = kept;
        retired.iter().for_each(|unit| unit.ticket.slot.unload());
        let count = retired.len();
        self.retired.extend(retired);
        count
    }

    /// Retired libraries that nobody is inside any more, to be dropped outside the lock: no guard is held, and the host sees none of
    /// them on a stack.
    pub(super) fn closable(&mut self, on_stack: &[OwnerId]) -> Vec<L> {
        let inside = |unit: &Active<L>| unit.ticket.slot.is_entered() || on_stack.contains(&unit.ticket.owner);
        let (kept, free): (Vec<_>, Vec<_>) = std::mem::take(&mut self.retired).into_iter().partition(inside);
        self.retired = kept;
        free.into_iter().map(|unit| unit.library).collect()
    }

    /// The owners of retired code.
    pub(super) fn retired_owners(&self) -> Vec<OwnerId> {
        self.retired.iter().map(|unit| unit.ticket.owner).collect()
    }

    /// Why a unit that is being made is not wanted any more.
    pub(super) fn unwanted(&self, id: u64) -> Option<&'static str> {
        self.in_flight.iter().find(|unit| unit.id == id).map_or(Some(OWNER_DIED), |unit| unit.unwanted)
    }

    /// The unit's text was generated, and relies on these facts. Some of them may have been found untrue meanwhile.
    pub(super) fn rely(&mut self, id: u64, facts: Vec<FactId>) {
        let Some(unit) = self.in_flight.iter_mut().find(|unit| unit.id == id) else { return };
        if self.untrue[unit.began..].iter().any(|fact| facts.contains(fact)) {
            unit.unwanted.get_or_insert(NO_LONGER_TRUE);
        }
        unit.facts = facts;
    }

    /// A fact is untrue from now on: what relies on it is not published, or taken back. Gives the owners of what was taken back.
    pub(super) fn invalidate(&mut self, fact: FactId) -> Vec<OwnerId> {
        self.untrue.push(fact);
        let concerned = self.in_flight.iter_mut().filter(|unit| unit.facts.contains(&fact));
        concerned.for_each(|unit| {
            unit.unwanted.get_or_insert(NO_LONGER_TRUE);
        });
        let (cancelled, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.active).into_iter().partition(|unit| unit.facts.contains(&fact));
        self.active = kept;
        cancelled.iter().for_each(|unit| unit.ticket.slot.cancel(NO_LONGER_TRUE));
        let owners = cancelled.iter().filter(|unit| unit.owner_lives).map(|unit| unit.ticket.owner).collect();
        self.retired.extend(cancelled);
        self.no_room = false;
        owners
    }

    /// The unit's code is there. Publishes it if it is still wanted; gives the library back if not.
    pub(super) fn publish(
        &mut self,
        ticket: Ticket,
        address: std::ptr::NonNull<std::ffi::c_void>,
        library: L,
    ) -> Result<(), Unwanted<L>> {
        let why = self.unwanted(ticket.id);
        let at = self.in_flight.iter().position(|unit| unit.id == ticket.id);
        let facts = at.map(|at| self.in_flight.swap_remove(at).facts).unwrap_or_default();
        if let Some(why) = why {
            ticket.slot.fail(why.to_owned());
            return Err(Unwanted { why, _library: library });
        }
        ticket.slot.publish(address);
        self.active.push(Active { ticket, facts, owner_lives: true, library });
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
        self.in_flight.iter_mut().filter(|unit| unit.owner == owner).for_each(|unit| unit.unwanted = Some(OWNER_DIED));
        self.active.iter_mut().filter(|unit| unit.ticket.owner == owner).for_each(|unit| unit.owner_lives = false);
        self.no_room = false;
    }

    /// The host collected, or returned from somewhere: what was on a stack may not be any more.
    pub(super) fn look_for_room_again(&mut self) {
        self.no_room = false;
    }

    /// Owners that must stay alive: a snapshot, so that the host can mark them without any lock of ours.
    pub(super) fn living_owners(&self) -> Vec<OwnerId> {
        let queued = self.queue.iter().map(|ticket| ticket.owner);
        let in_flight = self.in_flight.iter().filter(|unit| unit.unwanted != Some(OWNER_DIED)).map(|unit| unit.owner);
        let active = self.active.iter().filter(|unit| unit.owner_lives).map(|unit| unit.ticket.owner);
        queued.chain(in_flight).chain(active).collect()
    }

    /// Nothing is compiled any more; what waits is told why.
    pub(super) fn disable(&mut self, why: &str) {
        self.disabled = Some(why.to_owned());
        self.queue.drain(..).for_each(|ticket| ticket.slot.fail(why.to_owned()));
    }

    pub(super) fn is_full(&self) -> bool {
        self.active.len() + self.in_flight.len() >= self.max_active
    }

    pub(super) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Gives up all code, for the end.
    pub(super) fn take_all(&mut self) -> Vec<L> {
        self.active.drain(..).chain(self.retired.drain(..)).map(|unit| unit.library).collect()
    }
}

/// A library that nobody wants any more, to be dropped outside the lock.
#[derive(Debug)]
pub(super) struct Unwanted<L> {
    pub(super) why: &'static str,
    _library: L,
}

pub(super) const OWNER_DIED: &str = "its owner died";
pub(super) const NO_LONGER_TRUE: &str = "what it relies on is no longer true";

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::worker::SlotState;

    fn submit(units: &mut Units<u64>, owner: u64, heat: u64) -> (Slot, Arc<AtomicU64>) {
        let hotness = Arc::new(AtomicU64::new(heat));
        (units.submit(OwnerId(owner), Place::default(), Arc::clone(&hotness)), hotness)
    }

    fn take(units: &mut Units<u64>) -> Option<Ticket> {
        match units.next_work()? {
            Work::Make(ticket) => Some(ticket),
            Work::Unload(candidates) => panic!("unload {candidates:?}"),
        }
    }

    fn load(units: &mut Units<u64>) {
        let ticket = take(units).unwrap();
        let owner = ticket.owner.0;
        units.publish(ticket, std::ptr::NonNull::<u64>::dangling().cast(), owner).unwrap();
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
        let order: Vec<u64> = std::iter::from_fn(|| take(&mut units).map(|ticket| ticket.owner.0)).collect();
        assert_eq!(order, [2, 4, 1, 3, 5]);
    }

    #[test]
    fn a_dead_owner_leaves_queue_flight_and_marking() {
        let mut units = Units::new(100);
        let (first, _) = submit(&mut units, 1, 0);
        let (second, _) = submit(&mut units, 2, 0);
        let ticket = take(&mut units).unwrap();
        assert_eq!(units.living_owners(), [OwnerId(2), OwnerId(1)]);
        units.bury(OwnerId(1));
        units.bury(OwnerId(2));
        assert_eq!(units.unwanted(ticket.id), Some(OWNER_DIED));
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

    fn numbers(candidates: &[Candidate]) -> Vec<u64> {
        candidates.iter().map(|candidate| candidate.owner.0).collect()
    }

    const FACTS: [FactId; 2] = [FactId(7), FactId(8)];

    #[test]
    fn a_fact_that_turns_untrue_while_text_is_generated_is_not_missed() {
        let mut units = Units::new(10);
        let (slot, _) = submit(&mut units, 1, 0);
        units.invalidate(FACTS[0]);
        let ticket = take(&mut units).unwrap();
        let id = ticket.id;
        // What was known before it began does not concern it.
        units.rely(id, vec![FACTS[0]]);
        assert_eq!(units.unwanted(id), None);
        units.invalidate(FACTS[1]);
        units.rely(id, FACTS.to_vec());
        let unwanted = units.publish(ticket, std::ptr::NonNull::<u64>::dangling().cast(), 1).unwrap_err();
        assert_eq!(unwanted.why, NO_LONGER_TRUE);
        assert_eq!((slot.state(), slot.failure()), (SlotState::Failed, Some(NO_LONGER_TRUE)));
    }

    #[test]
    fn loaded_code_is_taken_back_with_what_it_relies_on_and_its_owner_is_named() {
        let mut units = Units::new(10);
        let slots: Vec<Slot> = (1..=2).map(|owner| submit(&mut units, owner, 0).0).collect();
        for fact in FACTS {
            let ticket = take(&mut units).unwrap();
            units.rely(ticket.id, vec![fact]);
            let owner = ticket.owner.0;
            units.publish(ticket, std::ptr::NonNull::<u64>::dangling().cast(), owner).unwrap();
        }
        let inside = slots[0].enter().unwrap();
        assert_eq!(units.invalidate(FACTS[0]), [OwnerId(1)]);
        assert_eq!(slots[0].state(), SlotState::Failed);
        assert!(matches!(slots[1].state(), SlotState::Callable(_)));
        assert!(units.closable(&[]).is_empty());
        drop(inside);
        assert_eq!(units.closable(&[]), [1]);
        // Submitted again, it is another unit with another slot.
        let (again, _) = submit(&mut units, 1, 0);
        load(&mut units);
        assert!(matches!(again.state(), SlotState::Callable(_)));
        assert_eq!(slots[0].state(), SlotState::Failed);
    }

    /// Three loaded units of heat 10, 20, 30 in a full cache.
    fn full() -> (Units<u64>, Vec<Slot>) {
        let mut units = Units::new(3);
        let slots = (1..=3).map(|owner| submit(&mut units, owner, owner * 10).0).collect();
        (0..3).for_each(|_| load(&mut units));
        (units, slots)
    }

    #[test]
    fn only_code_that_is_colder_than_what_waits_is_unloaded_coldest_first() {
        let (mut units, slots) = full();
        submit(&mut units, 4, 10);
        assert!(units.next_work().is_none(), "nothing is colder than 10");
        submit(&mut units, 5, 25);
        let Some(Work::Unload(owners)) = units.next_work() else { panic!() };
        assert_eq!(numbers(&owners), [1, 2]);
        assert_eq!(units.retire(&owners, &[]), 1);
        assert_eq!(slots[0].state(), SlotState::Unloaded);
        assert_eq!(units.closable(&[]), [1]);
        assert_eq!(take(&mut units).unwrap().owner, OwnerId(5));
    }

    #[test]
    fn code_on_a_stack_stays_and_room_is_looked_for_again_only_after_a_change() {
        let (mut units, _slots) = full();
        submit(&mut units, 5, 15);
        let Some(Work::Unload(candidates)) = units.next_work() else { panic!() };
        assert_eq!(units.retire(&candidates, &[OwnerId(1)]), 0);
        assert!(units.next_work().is_none());
        units.look_for_room_again();
        assert!(matches!(units.next_work(), Some(Work::Unload(_))));
    }

    #[test]
    fn retired_code_is_closed_once_nobody_is_inside() {
        let (mut units, slots) = full();
        let guard = slots[0].enter().unwrap();
        units.retire(&[Candidate { id: 0, owner: OwnerId(1) }], &[]);
        assert!(slots[0].enter().is_none());
        assert!(units.closable(&[]).is_empty(), "a guard is held");
        drop(guard);
        assert!(units.closable(&[OwnerId(1)]).is_empty(), "it is on a stack");
        assert_eq!(units.closable(&[]), [1]);
    }

    #[test]
    fn code_without_an_owner_goes_first_however_hot() {
        let (mut units, _slots) = full();
        units.bury(OwnerId(3));
        submit(&mut units, 4, 15);
        let Some(Work::Unload(owners)) = units.next_work() else { panic!() };
        assert_eq!(numbers(&owners), [3, 1]);
    }
}
