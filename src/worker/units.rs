//! The worker's lists, as the interlock guards them: what waits, what is being made, what is loaded, what is to be unloaded. Pure: no
//! threads, no files. `L` is a library; dropping the last share of it unloads its code, so never in here.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::policy::{self, Census};
use super::slot::{Address, Generation, Slot};
use super::{Code, FactId, NoCode, OwnerId, Place, Switches};

/// One unit, on its way through the worker.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub(super) id: u64,
    pub(super) owner: OwnerId,
    pub(super) place: Place,
    pub(super) hotness: Arc<AtomicU64>,
    pub(super) switches: Switches,
    pub(super) slot: Slot,
    /// When it was submitted.
    pub(super) since: Instant,
}

impl Ticket {
    fn heat(&self) -> u64 {
        self.hotness.load(Ordering::Relaxed)
    }
}

/// What a unit's text was generated from and takes for granted.
#[derive(Clone, Debug, Default)]
pub(super) struct Premises {
    pub(super) facts: Vec<FactId>,
    /// Owners whose code is inside the unit's.
    pub(super) inlined: Vec<OwnerId>,
}

/// Code in memory: where it begins and what keeps it there.
#[derive(Clone, Debug)]
pub(super) struct Loaded<L> {
    pub(super) address: Address,
    pub(super) library: Arc<L>,
}

/// How good a unit's first code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tier {
    /// There is to be better code.
    Quick,
    /// As good as it gets.
    Optimized,
}

/// What becomes of code that is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prospect {
    /// It stays as it is, or is compacted.
    Optimized,
    /// Better code is to be made.
    Quick,
    /// Better code is being made.
    Improving,
    /// There is no better code, and this is none to be compiled again.
    Stuck,
}

/// A unit whose code is loaded.
#[derive(Debug)]
struct Active<L> {
    ticket: Ticket,
    premises: Premises,
    loaded: Loaded<L>,
    generation: Generation,
    prospect: Prospect,
    /// For what compiles it again, better or with others; none once there will be no more of that.
    text: Option<Arc<str>>,
}

/// Code that no slot leads to any more. Somebody may still be inside.
#[derive(Debug)]
struct Retired<L> {
    id: u64,
    place: Place,
    owner: OwnerId,
    /// They must live while anybody may be inside.
    inlined: Vec<OwnerId>,
    slot: Slot,
    generation: Generation,
    loaded: Loaded<L>,
}

/// What a worker thread finds to do.
#[derive(Debug)]
pub(super) enum Work {
    /// Compile these units, hottest first; never none.
    Make(Vec<Ticket>),
    /// Make room: these are cold enough to go, coldest first, unless somebody is inside.
    Unload(Vec<Candidate>),
    /// There was no room to make, and somebody waits: the cache has room for this many units now.
    Grown(usize),
    /// Make better code of these, hottest first.
    Improve(Vec<Part>),
    /// Compile these once more, together.
    Compact(Vec<Part>),
    /// Look whether retired code can go.
    Sweep,
}

/// A loaded unit that could go. By its number: an owner may have been submitted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) id: u64,
    pub(super) code: Code,
}

/// A loaded unit that is compiled once more.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) id: u64,
    pub(super) place: Place,
    pub(super) text: Arc<str>,
}

/// A unit that a thread is making.
#[derive(Debug)]
struct InFlight {
    ticket: Ticket,
    /// None while its text is generated.
    premises: Option<Premises>,
    /// How many facts had been found untrue when its text began to be generated: the later ones concern it.
    began: usize,
    unwanted: Option<Unwanted>,
    /// Told apart from why it is unwanted: it may have been that before.
    owner_died: bool,
}

impl InFlight {
    fn is_generating(&self) -> bool {
        self.premises.is_none()
    }

    fn relies_on(&self, fact: FactId) -> bool {
        self.premises.as_ref().is_some_and(|premises| premises.facts.contains(&fact))
    }
}

/// Why a unit that is being made will not be published.
#[derive(Clone, Debug)]
pub(super) enum Unwanted {
    /// Its slot belongs to another unit now and is not to be touched.
    Superseded,
    /// Its slot says so too.
    Failed(NoCode),
}

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
    queue: Vec<Ticket>,
    in_flight: Vec<InFlight>,
    active: Vec<Active<L>>,
    retired: Vec<Retired<L>>,
    /// The facts that were found untrue while anything is being made.
    untrue: Vec<FactId>,
    max_active: usize,
    /// Room was looked for and there was none; nothing has changed since.
    no_room: bool,
    /// How many units were taken at once the last time.
    taken: usize,
    /// The same for better code.
    improved: usize,
    /// Retired code may have come free.
    sweep: bool,
    /// Something was loaded since the last compaction, which looked at all.
    fresh: bool,
    compacting: bool,
    compactions: usize,
    unloads: usize,
    /// Why nothing is compiled any more.
    disabled: Option<NoCode>,
}

impl<L> Units<L> {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            next_id: 0,
            queue: Vec::new(),
            in_flight: Vec::new(),
            active: Vec::new(),
            retired: Vec::new(),
            untrue: Vec::new(),
            max_active: rules.max_active.max(1),
            no_room: false,
            taken: 0,
            improved: 0,
            sweep: false,
            fresh: false,
            compacting: false,
            compactions: 0,
            unloads: 0,
            disabled: None,
        }
    }

    /// Puts a unit into the queue, unless nothing is compiled any more: then its slot says so at once.
    pub(super) fn submit(&mut self, owner: OwnerId, place: Place, hotness: Arc<AtomicU64>, switches: Switches) -> Slot {
        let slot = Slot::new();
        self.enqueue(Ticket { id: 0, owner, place, hotness, switches, slot: slot.clone(), since: Instant::now() });
        slot
    }

    /// In one section with the check whether anything is compiled (Ruby c5e8a49b). The ticket gets a number of its own.
    fn enqueue(&mut self, ticket: Ticket) {
        match &self.disabled {
            Some(why) => ticket.slot.fail(why.clone()),
            None => {
                let id = self.new_id();
                self.no_room = false;
                self.queue.push(Ticket { id, ..ticket });
            }
        }
    }

    /// A number that no unit and no compaction has.
    pub(super) fn new_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// What to do next: sweep; compact, if that is due; the hottest units of the queue, by what the host's counters say now, of equals
    /// those that came first; or making room for them; or better code than the quick. Nothing of the queue while the cache is full of
    /// hotter code.
    pub(super) fn next_work(&mut self) -> Option<Work> {
        if std::mem::take(&mut self.sweep) && !self.retired.is_empty() {
            return Some(Work::Sweep);
        }
        self.due_for_compaction().map(Work::Compact).or_else(|| self.next_unit()).or_else(|| self.next_better())
    }

    /// The part of [`Self::next_work`] that somebody who compacts may do in between.
    pub(super) fn next_unit(&mut self) -> Option<Work> {
        if self.is_full() {
            let colder_than = self.queue.iter().map(Ticket::heat).max()?;
            return self.make_room(colder_than);
        }
        let (waiting, Rules { threads, together, .. }) = (self.queue.len(), self.rules);
        let room = self.max_active - self.active.len() - self.in_flight.len();
        let count = policy::units_at_once(waiting, threads, self.taken, together).min(room);
        let tickets = self.take_hottest(count);
        if tickets.is_empty() {
            return None;
        }
        self.taken = count;
        if !self.in_flight.iter().any(InFlight::is_generating) {
            self.untrue.clear();
        }
        let began = self.untrue.len();
        let unit = |ticket: &Ticket| InFlight {
            ticket: ticket.clone(),
            premises: None,
            began,
            unwanted: None,
            owner_died: false,
        };
        self.in_flight.extend(tickets.iter().map(unit));
        Some(Work::Make(tickets))
    }

    /// Quick code that is to get better.
    fn next_better(&mut self) -> Option<Work> {
        if self.disabled.is_some() {
            return None;
        }
        let quick = self.active.iter_mut().filter(|unit| unit.prospect == Prospect::Quick);
        let mut waiting: Vec<(u64, &mut Active<L>)> = quick.map(|unit| (unit.ticket.heat(), unit)).collect();
        let Rules { threads, together, .. } = self.rules;
        let count = policy::units_at_once(waiting.len(), threads, self.improved, together);
        waiting.sort_by_key(|(heat, _)| Reverse(*heat));
        let parts: Vec<Part> = waiting
            .into_iter()
            .take(count)
            .filter_map(|(_, unit)| {
                unit.prospect = Prospect::Improving;
                unit.part()
            })
            .collect();
        self.improved = count;
        (!parts.is_empty()).then_some(Work::Improve(parts))
    }

    /// Better code is there. False if it is not wanted any more: the unit was given up, or is another one now.
    pub(super) fn improve(&mut self, id: u64, loaded: &Loaded<L>) -> bool {
        let keeps_text = self.may_compact();
        let Some(unit) = self.active.iter_mut().find(|unit| unit.ticket.id == id) else { return false };
        unit.prospect = Prospect::Optimized;
        if !keeps_text {
            unit.text = None;
        }
        self.fresh = true;
        !self.repoint(&[(id, loaded.address)], &loaded.library).is_empty()
    }

    /// There is no better code.
    pub(super) fn improve_never(&mut self, id: u64) {
        let found = self.active.iter_mut().find(|unit| unit.ticket.id == id && unit.prospect == Prospect::Improving);
        if let Some(unit) = found {
            (unit.prospect, unit.text) = (Prospect::Stuck, None);
        }
    }

    /// They wait for better code again.
    pub(super) fn improve_later(&mut self, ids: &[u64]) {
        let improving = self.active.iter_mut().filter(|unit| unit.prospect == Prospect::Improving);
        improving.filter(|unit| ids.contains(&unit.ticket.id)).for_each(|unit| unit.prospect = Prospect::Quick);
    }

    /// Takes units out of the queue, hottest first, of equals those that came first.
    fn take_hottest(&mut self, count: usize) -> Vec<Ticket> {
        // Hotness may change at any moment: it is read once.
        let mut order: Vec<(Reverse<u64>, usize)> =
            self.queue.iter().enumerate().map(|(at, ticket)| (Reverse(ticket.heat()), at)).collect();
        if count < order.len() {
            order.select_nth_unstable(count);
            order.truncate(count);
        }
        order.sort_unstable();
        let tickets = order.iter().map(|&(_, at)| self.queue[at].clone()).collect();
        let mut taken: Vec<usize> = order.into_iter().map(|(_, at)| at).collect();
        taken.sort_unstable();
        // Those that stay keep their order, which is what decides among equals.
        let mut at = 0;
        self.queue.retain(|_| {
            at += 1;
            taken.binary_search(&(at - 1)).is_err()
        });
        tickets
    }

    /// Units that were compiled together failed: the next ones go in smaller company.
    pub(super) fn company_failed(&mut self) {
        self.taken = 0;
    }

    fn make_room(&mut self, colder_than: u64) -> Option<Work> {
        if !self.no_room {
            let candidates = self.unloadable(colder_than);
            self.no_room = candidates.is_empty();
            if !candidates.is_empty() {
                return Some(Work::Unload(candidates));
            }
        }
        // Whoever waits for a unit must get it (Ruby a8dcab72, dbdeb92b). What is being made needs its room already.
        (self.rules.wait && self.in_flight.is_empty()).then(|| {
            self.max_active += 1;
            self.no_room = false;
            Work::Grown(self.max_active)
        })
    }

    /// Loaded units that are colder than what waits, coldest first (Ruby d80226e7).
    fn unloadable(&self, colder_than: u64) -> Vec<Candidate> {
        if !self.rules.unload {
            return Vec::new();
        }
        let mut cold: Vec<&Active<L>> = self.active.iter().filter(|unit| unit.ticket.heat() < colder_than).collect();
        cold.sort_by_key(|unit| unit.ticket.heat());
        cold.into_iter().map(|unit| Candidate { id: unit.ticket.id, code: unit.code() }).collect()
    }

    /// What became of candidates meanwhile: their owners may have moved, their code too, or gone.
    pub(super) fn refresh(&self, candidates: &mut Vec<Candidate>) {
        let now: HashMap<u64, Code> = self.active.iter().map(|unit| (unit.ticket.id, unit.code())).collect();
        candidates.retain_mut(|candidate| now.get(&candidate.id).map(|code| candidate.code = *code).is_some());
    }

    /// Takes the coldest of `candidates` out of their slots, all but those that are on a stack: a tenth of the cache at once, so
    /// that this is not done for every unit. Says how many.
    pub(super) fn retire_cold(&mut self, candidates: &[Candidate]) -> usize {
        // What is being made needs its room too.
        let wanted = policy::units_to_unload(self.active.len() + self.in_flight.len(), self.max_active);
        let free = candidates.iter().filter(|candidate| !candidate.code.on_stack);
        let going: HashSet<u64> = free.take(wanted).map(|candidate| candidate.id).collect();
        // Another thread may have made the room meanwhile.
        self.no_room = wanted > 0 && going.is_empty();
        let gone = self.retire(|unit| going.contains(&unit.ticket.id), Slot::unload);
        self.unloads += gone.len();
        gone.len()
    }

    /// Takes loaded units out of the lists; `tell` says so to their slots.
    fn retire(&mut self, which: impl Fn(&Active<L>) -> bool, tell: impl Fn(&Slot)) -> Vec<Ticket> {
        let (going, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.active).into_iter().partition(which);
        self.active = kept;
        let tickets: Vec<Ticket> = going.iter().map(|unit| unit.ticket.clone()).collect();
        for unit in going {
            tell(&unit.ticket.slot);
            self.retired.push(unit.into_retired());
        }
        if !tickets.is_empty() {
            self.no_room = false;
            self.sweep = true;
        }
        tickets
    }

    /// Retired code whose guards are gone, for the host to say whether it is on a stack.
    pub(super) fn retired_code(&self) -> Vec<Code> {
        self.retired.iter().filter(|one| !one.is_entered()).map(Retired::code).collect()
    }

    /// Retired code that nobody is inside any more, to be dropped outside the lock: no guard is held, and the host was asked
    /// and does not see it on a stack.
    pub(super) fn closable(&mut self, seen: &[Code]) -> Vec<(u64, Place, Arc<L>)> {
        let unseen: HashSet<Code> = seen.iter().filter(|code| !code.on_stack).copied().collect();
        let is_free = |one: &Retired<L>| !one.is_entered() && unseen.contains(&one.code());
        let (free, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.retired).into_iter().partition(is_free);
        self.retired = kept;
        free.into_iter().map(|one| (one.id, one.place, one.loaded.library)).collect()
    }

    /// Something was called or returned from: what was on a stack may not be any more.
    pub(super) fn look_again(&mut self) {
        self.no_room = false;
        self.sweep = true;
    }

    /// Why a unit that is being made is not wanted any more.
    pub(super) fn unwanted(&self, id: u64) -> Option<Unwanted> {
        match self.in_flight.iter().find(|unit| unit.ticket.id == id) {
            Some(unit) => unit.unwanted.clone(),
            None => Some(Unwanted::Superseded),
        }
    }

    /// The unit's text was generated, and relies on this. Some facts may have been found untrue meanwhile.
    pub(super) fn rely(&mut self, id: u64, premises: Premises) {
        let Some(unit) = self.in_flight.iter_mut().find(|unit| unit.ticket.id == id) else { return };
        if let Some(&fact) = self.untrue[unit.began..].iter().find(|fact| premises.facts.contains(fact)) {
            unit.unwanted.get_or_insert(Unwanted::Failed(NoCode::NoLongerTrue(fact)));
        }
        unit.premises = Some(premises);
    }

    /// A fact is untrue from now on: what relies on it is not published, or taken back. Gives what was taken back.
    pub(super) fn invalidate(&mut self, fact: FactId) -> Vec<Ticket> {
        if self.in_flight.iter().any(InFlight::is_generating) {
            self.untrue.push(fact);
        }
        let why = NoCode::NoLongerTrue(fact);
        for unit in self.in_flight.iter_mut().filter(|unit| unit.relies_on(fact)) {
            unit.unwanted.get_or_insert(Unwanted::Failed(why.clone()));
        }
        self.retire(|unit| unit.premises.facts.contains(&fact), |slot| slot.fail(why.clone()))
    }

    /// Takes everything back: what waits, what is being made, what is loaded. Gives what was loaded.
    pub(super) fn cancel_all(&mut self) -> Vec<Ticket> {
        self.queue.drain(..).for_each(|ticket| ticket.slot.fail(NoCode::Cancelled));
        for unit in &mut self.in_flight {
            unit.unwanted.get_or_insert(Unwanted::Failed(NoCode::Cancelled));
        }
        self.retire(|_| true, |slot| slot.fail(NoCode::Cancelled))
    }

    /// Wants other code in the same slot. The unit that had it can never write it again. None where the slot has no unit.
    pub(super) fn recompile(&mut self, slot: &Slot, switches: Switches) -> Option<Place> {
        if let Some(ticket) = self.queue.iter_mut().find(|ticket| ticket.slot.is_same(slot)) {
            ticket.switches = switches;
            return Some(ticket.place.clone());
        }
        let in_flight =
            self.in_flight.iter_mut().find(|unit| unit.ticket.slot.is_same(slot) && unit.unwanted.is_none()).map(
                |unit| {
                    unit.unwanted = Some(Unwanted::Superseded);
                    unit.ticket.clone()
                },
            );
        let ticket = in_flight.or_else(|| self.retire(|unit| unit.ticket.slot.is_same(slot), Slot::empty).pop())?;
        let place = ticket.place.clone();
        self.enqueue(Ticket { switches, since: Instant::now(), ..ticket });
        Some(place)
    }

    /// Somebody waited for this slot long enough.
    pub(super) fn give_up(&mut self, slot: &Slot) -> bool {
        self.queue.retain(|ticket| !ticket.slot.is_same(slot));
        for unit in self.in_flight.iter_mut().filter(|unit| unit.ticket.slot.is_same(slot)) {
            unit.unwanted.get_or_insert(Unwanted::Failed(NoCode::TooLate));
        }
        let gives_up = slot.state() == super::SlotState::NotReady;
        if gives_up {
            slot.fail(NoCode::TooLate);
        }
        gives_up
    }

    /// The unit's code is there. Publishes it if it is still wanted; gives the library back if not.
    pub(super) fn publish(
        &mut self,
        ticket: Ticket,
        tier: Tier,
        loaded: Loaded<L>,
        text: Arc<str>,
    ) -> Result<(), (Unwanted, Arc<L>)> {
        let unwanted = self.unwanted(ticket.id);
        // Its owner may have moved since the ticket was taken.
        let at = self.in_flight.iter().position(|unit| unit.ticket.id == ticket.id);
        let (ticket, premises) = at
            .map(|at| self.in_flight.swap_remove(at))
            .map_or_else(|| (ticket, None), |unit| (unit.ticket, unit.premises));
        let premises = premises.unwrap_or_default();
        self.no_room = false;
        if let Some(unwanted) = unwanted {
            if let Unwanted::Failed(why) = &unwanted {
                ticket.slot.fail(why.clone());
            }
            return Err((unwanted, loaded.library));
        }
        let generation = ticket.slot.publish(loaded.address);
        let text = (tier == Tier::Quick || self.may_compact()).then_some(text);
        let prospect = match tier {
            Tier::Quick => Prospect::Quick,
            Tier::Optimized => Prospect::Optimized,
        };
        self.active.push(Active { ticket, premises, loaded, generation, prospect, text });
        self.fresh = true;
        Ok(())
    }

    /// The unit will have no code. What it was unwanted for before counts more.
    pub(super) fn fail(&mut self, ticket: &Ticket, why: NoCode) -> Unwanted {
        let unwanted = self.unwanted(ticket.id).unwrap_or(Unwanted::Failed(why));
        self.in_flight.retain(|unit| unit.ticket.id != ticket.id);
        self.no_room = false;
        if let Unwanted::Failed(why) = &unwanted {
            ticket.slot.fail(why.clone());
        }
        unwanted
    }

    /// The unit could not be made now, and waits again.
    pub(super) fn put_back(&mut self, ticket: &Ticket) {
        let Some(at) = self.in_flight.iter().position(|unit| unit.ticket.id == ticket.id) else { return };
        let unit = self.in_flight.swap_remove(at);
        self.no_room = false;
        match unit.unwanted {
            None => self.queue.insert(0, unit.ticket),
            Some(Unwanted::Superseded) => {}
            Some(Unwanted::Failed(why)) => unit.ticket.slot.fail(why),
        }
    }

    /// The host has freed an owner: what waits is dropped, what is being made is not published, what is loaded goes.
    pub(super) fn bury(&mut self, owner: OwnerId) {
        self.queue.retain(|ticket| {
            let lives = ticket.owner != owner;
            if !lives {
                ticket.slot.fail(NoCode::OwnerDied);
            }
            lives
        });
        for unit in self.in_flight.iter_mut().filter(|unit| unit.ticket.owner == owner) {
            unit.unwanted.get_or_insert(Unwanted::Failed(NoCode::OwnerDied));
            unit.owner_died = true;
        }
        self.retire(|unit| unit.ticket.owner == owner, |slot| slot.fail(NoCode::OwnerDied));
    }

    /// The host calls an owner something else, such as its new address.
    pub(super) fn rename(&mut self, old: OwnerId, new: OwnerId) {
        let queued = self.queue.iter_mut().map(|ticket| &mut ticket.owner);
        let in_flight = self.in_flight.iter_mut().map(|unit| &mut unit.ticket.owner);
        let active = self.active.iter_mut().map(|unit| &mut unit.ticket.owner);
        let retired = self.retired.iter_mut().map(|one| &mut one.owner);
        queued
            .chain(in_flight)
            .chain(active)
            .chain(retired)
            .filter(|owner| **owner == old)
            .for_each(|owner| *owner = new);
        let in_flight = self.in_flight.iter_mut().filter_map(|unit| unit.premises.as_mut());
        let premises = in_flight.chain(self.active.iter_mut().map(|unit| &mut unit.premises));
        premises
            .flat_map(|premises| &mut premises.inlined)
            .chain(self.retired.iter_mut().flat_map(|one| &mut one.inlined))
            .filter(|owner| **owner == old)
            .for_each(|owner| *owner = new);
    }

    /// What the owner of a unit that is being made is called now.
    pub(super) fn owner(&self, id: u64) -> Option<OwnerId> {
        self.in_flight.iter().find(|unit| unit.ticket.id == id).map(|unit| unit.ticket.owner)
    }

    /// The owner of a loaded unit, if it is still there.
    pub(super) fn owner_of_code(&self, id: u64, address: Address) -> Option<OwnerId> {
        let unit = self.active.iter().find(|unit| unit.ticket.id == id && unit.loaded.address == address)?;
        Some(unit.ticket.owner)
    }

    /// Owners that must stay alive, those that were inlined among them: a snapshot, so that the host can mark them without any lock
    /// of ours. Some may be named twice.
    pub(super) fn living_owners(&self) -> Vec<OwnerId> {
        let queued = self.queue.iter().map(|ticket| ticket.owner);
        let in_flight = self.in_flight.iter().filter(|unit| !unit.owner_died);
        let in_flight = in_flight.flat_map(|unit| {
            let inlined = unit.premises.iter().flat_map(|premises| premises.inlined.iter().copied());
            std::iter::once(unit.ticket.owner).chain(inlined)
        });
        let active = self.active.iter().flat_map(|unit| owners(&unit.ticket, &unit.premises));
        let inlined = self.retired.iter().flat_map(|one| one.inlined.iter().copied());
        queued.chain(in_flight).chain(active).chain(inlined).collect()
    }

    /// Nothing is compiled any more; what waits is told why.
    pub(super) fn disable(&mut self, why: &NoCode) {
        self.disabled.get_or_insert(why.clone());
        self.queue.drain(..).for_each(|ticket| ticket.slot.fail(why.clone()));
        for unit in &mut self.in_flight {
            unit.unwanted.get_or_insert(Unwanted::Failed(why.clone()));
        }
    }

    pub(super) fn is_disabled(&self) -> bool {
        self.disabled.is_some()
    }

    pub(super) fn is_full(&self) -> bool {
        self.active.len() + self.in_flight.len() >= self.max_active
    }

    /// Whether the threads would find anything to do but sweeping.
    pub(super) fn has_work(&self) -> bool {
        let hottest = self.queue.iter().map(Ticket::heat).max();
        let finds_room = |hottest| !self.is_full() || self.rules.wait || !self.unloadable(hottest).is_empty();
        hottest.is_some_and(|hottest| !self.no_room && finds_room(hottest))
            || self.is_due_for_compaction()
            || (self.disabled.is_none() && self.active.iter().any(|unit| unit.prospect == Prospect::Quick))
    }

    fn is_due_for_compaction(&self) -> bool {
        let census = Census {
            active: self.active.len(),
            queued: self.queue.len(),
            max_active: self.max_active,
            compactions: self.compactions,
            unloads: self.unloads,
            wait: self.rules.wait,
        };
        // While anything is being made the next unit may come at any moment.
        self.may_compact()
            && self.fresh
            && !self.compacting
            && self.in_flight.is_empty()
            && self.disabled.is_none()
            && policy::should_compact(&census)
            // What is to get better would only be compiled once more.
            && !self.active.iter().any(Active::gets_better)
    }

    fn due_for_compaction(&mut self) -> Option<Vec<Part>> {
        self.is_due_for_compaction().then(|| {
            (self.fresh, self.compacting) = (false, true);
            self.active.iter().filter_map(Active::part).collect()
        })
    }

    /// A compacted library is there: leads the slots of its parts to it, those that still have the code they were compiled from.
    /// Gives what the host should be told.
    pub(super) fn repoint(&mut self, parts: &[(u64, Address)], library: &Arc<L>) -> Vec<(u64, Address)> {
        let parts: HashMap<u64, Address> = parts.iter().copied().collect();
        let mut moved = Vec::new();
        for unit in &mut self.active {
            let id = unit.ticket.id;
            let Some(&address) = parts.get(&id) else { continue };
            let generation = unit.ticket.slot.improve(address);
            let loaded = Loaded { address, library: Arc::clone(library) };
            let retired = Retired {
                id,
                place: unit.ticket.place.clone(),
                owner: unit.ticket.owner,
                inlined: unit.premises.inlined.clone(),
                slot: unit.ticket.slot.clone(),
                generation: std::mem::replace(&mut unit.generation, generation),
                loaded: std::mem::replace(&mut unit.loaded, loaded),
            };
            self.retired.push(retired);
            moved.push((id, address));
        }
        self.sweep = true;
        moved
    }

    /// The compaction is through, well or badly.
    pub(super) fn compacted(&mut self) {
        self.compacting = false;
        self.compactions += 1;
        if !self.may_compact() {
            let done = self.active.iter_mut().filter(|unit| !unit.gets_better());
            done.for_each(|unit| unit.text = None);
        }
    }

    /// The compaction was given up for now.
    pub(super) fn compact_later(&mut self) {
        (self.compacting, self.fresh) = (false, true);
    }

    fn may_compact(&self) -> bool {
        self.rules.compact && self.compactions < policy::compactions_at_most(self.max_active)
    }

    /// In the child of a fork nobody makes what was being made: it waits again.
    pub(super) fn adopt(&mut self) {
        self.fresh |= self.compacting;
        self.compacting = false;
        let improving = self.active.iter_mut().filter(|unit| unit.prospect == Prospect::Improving);
        improving.for_each(|unit| unit.prospect = Prospect::Quick);
        for ticket in self.in_flight.iter().map(|unit| unit.ticket.clone()).collect::<Vec<_>>() {
            self.put_back(&ticket);
        }
    }

    /// Gives up all code, for the end.
    pub(super) fn take_all(&mut self) -> Vec<Arc<L>> {
        self.retire(|_| true, |slot| slot.fail(NoCode::Finished));
        self.retired.drain(..).map(|one| one.loaded.library).collect()
    }
}

fn owners(ticket: &Ticket, premises: &Premises) -> impl Iterator<Item = OwnerId> {
    std::iter::once(ticket.owner).chain(premises.inlined.iter().copied())
}

impl<L> Active<L> {
    fn code(&self) -> Code {
        Code { owner: self.ticket.owner, address: self.loaded.address.pointer(), on_stack: false }
    }

    fn gets_better(&self) -> bool {
        matches!(self.prospect, Prospect::Quick | Prospect::Improving)
    }

    fn part(&self) -> Option<Part> {
        let Ticket { id, place, .. } = &self.ticket;
        Some(Part { id: *id, place: place.clone(), text: Arc::clone(self.text.as_ref()?) })
    }

    fn into_retired(self) -> Retired<L> {
        let Ticket { id, place, owner, slot, .. } = self.ticket;
        Retired {
            id,
            place,
            owner,
            inlined: self.premises.inlined,
            slot,
            generation: self.generation,
            loaded: self.loaded,
        }
    }
}

impl<L> Retired<L> {
    fn code(&self) -> Code {
        Code { owner: self.owner, address: self.loaded.address.pointer(), on_stack: false }
    }

    fn is_entered(&self) -> bool {
        self.slot.is_entered(self.generation)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::worker::SlotState;
    use std::ptr::NonNull;

    const RULES: Rules = Rules { max_active: 100, wait: false, unload: true, compact: false, together: 1, threads: 1 };

    fn units(max_active: usize) -> Units<u64> {
        Units::new(Rules { max_active, ..RULES })
    }

    fn submit(units: &mut Units<u64>, owner: u64, heat: u64) -> (Slot, Arc<AtomicU64>) {
        let hotness = Arc::new(AtomicU64::new(heat));
        (units.submit(OwnerId(owner), Place::default(), Arc::clone(&hotness), Switches::default()), hotness)
    }

    fn take(units: &mut Units<u64>) -> Option<Ticket> {
        match units.next_work()? {
            Work::Make(mut tickets) if tickets.len() == 1 => tickets.pop(),
            work => panic!("{work:?}"),
        }
    }

    /// Addresses that are none.
    fn address(number: u64) -> Address {
        NonNull::new(std::ptr::with_exposed_provenance_mut((0x1000 + number) as usize)).unwrap().into()
    }

    /// Code whose library is called by its owner's number.
    fn publish(units: &mut Units<u64>, ticket: Ticket) -> Result<(), Unwanted> {
        let number = ticket.owner.0;
        let loaded = Loaded { address: address(number), library: Arc::new(number) };
        units.publish(ticket, Tier::Optimized, loaded, "text".into()).map_err(|(unwanted, _)| unwanted)
    }

    fn load(units: &mut Units<u64>) {
        let ticket = take(units).unwrap();
        publish(units, ticket).unwrap();
    }

    fn failure(slot: &Slot) -> String {
        slot.failure().map(|why| why.to_string()).unwrap_or_default()
    }

    /// What can go, when the host sees these owners on a stack.
    fn closable(units: &mut Units<u64>, on_stack: &[u64]) -> Vec<u64> {
        let mut code = units.retired_code();
        code.iter_mut().for_each(|code| code.on_stack = on_stack.contains(&code.owner.0));
        units.closable(&code).into_iter().map(|(_, _, library)| *library).collect()
    }

    fn candidates(work: Option<Work>) -> Vec<Candidate> {
        let Some(Work::Unload(candidates)) = work else { panic!("{work:?}") };
        candidates
    }

    fn owners(candidates: &[Candidate]) -> Vec<u64> {
        candidates.iter().map(|candidate| candidate.code.owner.0).collect()
    }

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

    #[test]
    fn a_dead_owner_leaves_queue_flight_and_marking() {
        let mut units = units(100);
        let (first, _) = submit(&mut units, 1, 0);
        let (second, _) = submit(&mut units, 2, 0);
        let ticket = take(&mut units).unwrap();
        assert_eq!(units.living_owners(), [OwnerId(2), OwnerId(1)]);
        units.bury(OwnerId(1));
        units.bury(OwnerId(2));
        assert!(matches!(units.unwanted(ticket.id), Some(Unwanted::Failed(NoCode::OwnerDied))));
        assert_eq!(units.living_owners(), []);
        assert_eq!((first.state(), second.state()), (SlotState::NotReady, SlotState::Failed));
        assert_eq!(failure(&second), "its owner died");
    }

    #[test]
    fn a_dead_owner_s_code_goes() {
        let mut units = units(100);
        let (slot, _) = submit(&mut units, 1, 0);
        load(&mut units);
        units.bury(OwnerId(1));
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
        units.rely(ticket.id, Premises { inlined: vec![OwnerId(9)], ..Premises::default() });
        for owner in [1, 2, 3, 9] {
            units.rename(OwnerId(owner), OwnerId(owner + 10));
        }
        assert_eq!(units.living_owners(), [13, 12, 19, 11].map(OwnerId));
        units.bury(OwnerId(12));
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
        units.bury(OwnerId(11));
        assert_eq!(slot.state(), SlotState::Failed);
    }

    #[test]
    fn an_owner_that_died_is_not_marked_though_its_unit_was_unwanted_before() {
        let mut units = units(100);
        let slots: Vec<Slot> = (1..=2).map(|owner| submit(&mut units, owner, 0).0).collect();
        let _tickets: Vec<Ticket> = (0..2).map(|_| take(&mut units).unwrap()).collect();
        units.recompile(&slots[0], Switches(1));
        units.cancel_all();
        units.bury(OwnerId(1));
        units.bury(OwnerId(2));
        assert_eq!(units.living_owners(), []);
    }

    #[test]
    fn disabling_tells_everyone_why() {
        let mut units = units(100);
        let (before, _) = submit(&mut units, 1, 0);
        units.disable(&NoCode::Finished);
        let (after, _) = submit(&mut units, 2, 0);
        for slot in [before, after] {
            assert_eq!((slot.state(), failure(&slot).as_str()), (SlotState::Failed, "the worker was finished"));
        }
    }

    const FACTS: [FactId; 2] = [FactId(7), FactId(8)];

    fn rely(units: &mut Units<u64>, id: u64, facts: &[FactId]) {
        units.rely(id, Premises { facts: facts.to_vec(), ..Premises::default() });
    }

    #[test]
    fn a_fact_that_turns_untrue_while_text_is_generated_is_not_missed() {
        let mut units = units(10);
        let slots: Vec<Slot> = (1..=2).map(|owner| submit(&mut units, owner, 0).0).collect();
        let first = take(&mut units).unwrap();
        units.invalidate(FACTS[0]);
        // What was known before it began does not concern it; what turns out meanwhile does.
        let second = take(&mut units).unwrap();
        units.invalidate(FACTS[1]);
        rely(&mut units, first.id, &FACTS[..1]);
        rely(&mut units, second.id, &FACTS);
        for (ticket, untrue) in [(first, FACTS[0]), (second, FACTS[1])] {
            let why = publish(&mut units, ticket);
            assert!(matches!(why, Err(Unwanted::Failed(NoCode::NoLongerTrue(fact))) if fact == untrue), "{why:?}");
        }
        for slot in slots {
            assert_eq!(
                (slot.state(), failure(&slot).as_str()),
                (SlotState::Failed, "what it relies on is no longer true")
            );
        }
        submit(&mut units, 3, 0);
        let third = take(&mut units).unwrap();
        rely(&mut units, third.id, &FACTS);
        assert!(publish(&mut units, third).is_ok());
    }

    #[test]
    fn loaded_code_is_taken_back_with_what_it_relies_on_and_its_owner_is_named() {
        let mut units = units(10);
        let slots: Vec<Slot> = (1..=2).map(|owner| submit(&mut units, owner, 0).0).collect();
        for fact in FACTS {
            let ticket = take(&mut units).unwrap();
            rely(&mut units, ticket.id, &[fact]);
            publish(&mut units, ticket).unwrap();
        }
        let inside = slots[0].enter().unwrap();
        let cancelled: Vec<OwnerId> = units.invalidate(FACTS[0]).iter().map(|ticket| ticket.owner).collect();
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
        assert_eq!(slots.iter().map(failure).collect::<Vec<_>>(), ["it was cancelled"; 3]);
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
        assert!(matches!(publish(&mut units, old.clone()), Err(Unwanted::Superseded)));
        assert_eq!(slot.state(), SlotState::NotReady);
        publish(&mut units, new).unwrap();
        units.fail(&old, NoCode::Cancelled);
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
        units.bury(OwnerId(3));
        assert!(units.recompile(&gone, Switches(1)).is_none());
    }

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
        units.bury(OwnerId(2));
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
    fn who_is_inlined_lives_as_long_as_anybody_may_be_inside() {
        let mut units = units(10);
        let (slot, _) = submit(&mut units, 1, 0);
        let ticket = take(&mut units).unwrap();
        units.rely(ticket.id, Premises { inlined: vec![OwnerId(9)], ..Premises::default() });
        publish(&mut units, ticket).unwrap();
        let inside = slot.enter().unwrap();
        units.cancel_all();
        units.rename(OwnerId(9), OwnerId(19));
        assert_eq!(units.living_owners(), [OwnerId(19)]);
        drop(inside);
        closable(&mut units, &[]);
        assert_eq!(units.living_owners(), []);
    }

    #[test]
    fn texts_are_kept_only_while_something_may_be_compacted() {
        let mut units = Units::new(Rules { compact: true, ..RULES });
        submit(&mut units, 1, 0);
        load(&mut units);
        (0..10).for_each(|_| units.compacted());
        submit(&mut units, 2, 0);
        load(&mut units);
        assert!(units.active.iter().all(|unit| unit.text.is_none()));
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
        assert!(matches!(units.next_work(), Some(Work::Grown(4))));
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
        units.bury(OwnerId(3));
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

    #[test]
    fn whoever_waited_too_long_gets_nothing_later() {
        let mut units = units(10);
        let (slot, _) = submit(&mut units, 1, 0);
        let ticket = take(&mut units).unwrap();
        assert!(units.give_up(&slot));
        assert!(publish(&mut units, ticket).is_err());
        assert_eq!(failure(&slot), "it was not ready in time");
        assert!(!units.give_up(&slot));
    }
}
