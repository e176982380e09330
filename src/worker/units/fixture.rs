//! Helpers for the tests of the lists: they act as the host and as a thread. Libraries are the numbers of their owners.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::{Candidate, Loaded, Rules, Tier, Units, Unwanted, Work};
use crate::worker::slot::{Address, Slot};
use crate::worker::{OwnerId, SourceLocation, Switches};

pub(super) const RULES: Rules =
    Rules { max_active: 100, wait: false, unload: true, compact: false, group_limit: 1, threads: 1 };

pub(super) fn units(max_active: usize) -> Units<u64> {
    Units::new(Rules { max_active, ..RULES })
}

pub(super) fn submit(units: &mut Units<u64>, owner: u64, heat: u64) -> (Slot, Arc<AtomicU64>) {
    let hotness = Arc::new(AtomicU64::new(heat));
    (units.submit(OwnerId(owner), SourceLocation::default(), Arc::clone(&hotness), Switches::default()), hotness)
}

/// A unit in flight, with the number of its owner when it was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) id: u64,
    pub(super) owner: OwnerId,
    pub(super) switches: Switches,
}

pub(super) fn take(units: &mut Units<u64>) -> Option<Taken> {
    match units.next_work()? {
        Work::Build(tickets) if tickets.len() == 1 => {
            let (id, switches) = (tickets[0].id, tickets[0].switches);
            Some(Taken { id, owner: units.owner(id).unwrap(), switches })
        }
        work => panic!("{work:?}"),
    }
}

/// Addresses without code.
pub(super) fn address(number: u64) -> Address {
    NonNull::new(std::ptr::with_exposed_provenance_mut((0x1000 + number) as usize)).unwrap().into()
}

pub(super) fn publish(units: &mut Units<u64>, taken: Taken) -> Result<(), Unwanted> {
    let number = taken.owner.0;
    let loaded = Loaded { address: address(number), library: Arc::new(number) };
    units.publish(taken.id, Tier::Optimized, loaded, "text".into()).map_err(|(unwanted, _)| unwanted)
}

pub(super) fn load(units: &mut Units<u64>) {
    let taken = take(units).unwrap();
    publish(units, taken).unwrap();
}

pub(super) fn failure(slot: &Slot) -> String {
    slot.failure().map(|why| why.to_string()).unwrap_or_default()
}

/// Returns the libraries that can be unloaded if the host sees these owners on a stack.
pub(super) fn closable(units: &mut Units<u64>, on_stack: &[u64]) -> Vec<u64> {
    let mut code = units.retired_code();
    code.iter_mut().for_each(|code| code.on_stack = on_stack.contains(&code.owner.0));
    units.closable(&code).into_iter().map(|(_, _, library)| *library).collect()
}

pub(super) fn candidates(work: Option<Work>) -> Vec<Candidate> {
    let Some(Work::Unload(candidates)) = work else { panic!("{work:?}") };
    candidates
}

pub(super) fn owners(candidates: &[Candidate]) -> Vec<u64> {
    candidates.iter().map(|candidate| candidate.code.owner.0).collect()
}
