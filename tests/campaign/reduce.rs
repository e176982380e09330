//! From a batch that differs to the smallest one that still does.

use std::collections::BTreeSet;

use crate::program::Batch;

/// Leaves out programs, units, items and pieces of the header as long as `differs` holds.
pub fn reduce(batch: &Batch, differs: &dyn Fn(&Batch) -> bool) -> Batch {
    let mut batch = batch.clone();
    loop {
        let before = size(&batch);
        each(
            &mut batch,
            differs,
            |batch| batch.programs.len(),
            |batch, at| {
                batch.programs.remove(at);
            },
        );
        each(&mut batch, differs, |batch| batch.units().count(), remove_unit);
        // Half of the header at once, as long as that goes.
        while halve_header(&mut batch, differs) {}
        each(
            &mut batch,
            differs,
            |batch| batch.header.len(),
            |batch, at| {
                batch.header.remove(at);
            },
        );
        each(&mut batch, differs, |batch| batch.items().count(), remove_item);
        if size(&batch) == before {
            return batch;
        }
    }
}

fn size(batch: &Batch) -> (usize, usize, usize, usize) {
    (batch.programs.len(), batch.units().count(), batch.items().count(), batch.header.len())
}

fn each(
    batch: &mut Batch,
    differs: &dyn Fn(&Batch) -> bool,
    count: impl Fn(&Batch) -> usize,
    remove: impl Fn(&mut Batch, usize),
) {
    let mut at = count(batch);
    while at > 0 {
        at -= 1;
        let mut smaller = batch.clone();
        remove(&mut smaller, at);
        if smaller.units().count() > 0 && differs(&smaller) {
            *batch = smaller;
            at = at.min(count(batch));
        }
    }
}

fn halve_header(batch: &mut Batch, differs: &dyn Fn(&Batch) -> bool) -> bool {
    let half = batch.header.len() / 2;
    if half < 2 {
        return false;
    }
    for first in [true, false] {
        let mut smaller = batch.clone();
        if first {
            smaller.header.truncate(half);
        } else {
            smaller.header.drain(..half);
        }
        if differs(&smaller) {
            *batch = smaller;
            return true;
        }
    }
    false
}

fn remove_unit(batch: &mut Batch, mut at: usize) {
    for program in &mut batch.programs {
        if at < program.units.len() {
            program.units.remove(at);
            return;
        }
        at -= program.units.len();
    }
}

fn remove_item(batch: &mut Batch, mut at: usize) {
    for unit in batch.programs.iter_mut().flat_map(|program| &mut program.units) {
        if at < unit.items.len() {
            unit.items.remove(at);
            return;
        }
        at -= unit.items.len();
    }
}

/// Splits a batch that differs without saying where into the programs that differ by themselves.
pub fn split(batch: &Batch, differs: &dyn Fn(&Batch) -> bool) -> Vec<Batch> {
    if batch.programs.len() < 2 {
        return vec![batch.clone()];
    }
    // Programs of one folder are merged with each other, and stay together as long as there are several folders.
    let folders: BTreeSet<&str> = batch.programs.iter().map(|program| program.folder.as_str()).collect();
    let half = if folders.len() > 1 {
        let folder = folders.iter().nth(folders.len() / 2).unwrap();
        batch.programs.iter().position(|program| program.folder == *folder).unwrap_or(1).max(1)
    } else {
        batch.programs.len() / 2
    };
    let halves = [batch.only(|at| at < half), batch.only(|at| at >= half)];
    let found: Vec<Batch> = halves.iter().filter(|half| differs(half)).flat_map(|half| split(half, differs)).collect();
    // Neither half by itself: they differ only together.
    if found.is_empty() { vec![batch.clone()] } else { found }
}
