//! A unit, in each shape that it passes through the worker in. Data, and no lists.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::worker::slot::{Address, Slot};
use crate::worker::{AssumptionId, CodeError, OwnerId, SourceLocation, Switches};

/// What a thread knows of a unit that it makes. Neither the owner, whose name may change at any moment, nor the slot, which only the
/// lists write.
#[derive(Clone, Debug)]
pub(in crate::worker) struct Ticket {
    pub(in crate::worker) id: u64,
    pub(in crate::worker) location: SourceLocation,
    pub(in crate::worker) switches: Switches,
    /// When it was submitted.
    pub(in crate::worker) since: Instant,
}

/// What the lists know of every unit, but for its owner.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) ticket: Ticket,
    pub(super) hotness: Arc<AtomicU64>,
    pub(super) slot: Slot,
}

impl Unit {
    pub(super) fn id(&self) -> u64 {
        self.ticket.id
    }

    /// What the host's counter says now. It may say something else in the next moment: whoever compares reads each once.
    pub(super) fn heat(&self) -> u64 {
        self.hotness.load(Ordering::Relaxed)
    }
}

/// What a unit's text was generated from and takes for granted.
#[derive(Clone, Debug, Default)]
pub(in crate::worker) struct Assumptions {
    pub(in crate::worker) assumptions: Vec<AssumptionId>,
    /// Owners whose code is inside the unit's.
    pub(in crate::worker) inlined: Vec<OwnerId>,
}

/// Code in memory: where it begins and what keeps it there.
#[derive(Clone, Debug)]
pub(in crate::worker) struct Loaded<L> {
    pub(in crate::worker) address: Address,
    pub(in crate::worker) library: Arc<L>,
}

/// How good a unit's first code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::worker) enum Tier {
    /// There is to be better code.
    Quick,
    /// As good as it gets.
    Optimized,
}

/// Why a unit that is being made will not be published.
#[derive(Clone, Debug)]
pub(in crate::worker) enum Unwanted {
    /// Its slot belongs to another unit now and is not to be touched.
    Superseded,
    /// Its slot says so too.
    Failed(CodeError),
}

impl Unwanted {
    /// Says so to the slot, if that is the unit's.
    pub(super) fn tell(&self, slot: &Slot) {
        match self {
            Self::Superseded => {}
            Self::Failed(why) => slot.fail(why.clone()),
        }
    }
}
