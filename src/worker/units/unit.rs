//! The types of a unit in the worker. Data without lists.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::worker::slot::{Address, Slot};
use crate::worker::{AssumptionId, CodeError, OwnerId, SourceLocation, Switches};

/// The data of a unit for the thread that builds it. Without the owner, whose number may change at any moment, and without the slot, which
/// only the lists write.
#[derive(Clone, Debug)]
pub(in crate::worker) struct Ticket {
    pub(in crate::worker) id: u64,
    pub(in crate::worker) location: SourceLocation,
    pub(in crate::worker) switches: Switches,
    /// When the unit was submitted.
    pub(in crate::worker) since: Instant,
}

/// The data of a unit in all lists, without its owners.
#[derive(Clone, Debug)]
pub(super) struct WorkerUnit {
    pub(super) ticket: Ticket,
    pub(super) hotness: Arc<AtomicU64>,
    pub(super) slot: Slot,
}

impl WorkerUnit {
    pub(super) fn id(&self) -> u64 {
        self.ticket.id
    }

    /// Returns the host's counter. The counter may change at any moment, so a comparison must read it once.
    pub(super) fn heat(&self) -> u64 {
        self.hotness.load(Ordering::Relaxed)
    }
}

/// The assumptions and inlined owners of a unit's text.
#[derive(Clone, Debug, Default)]
pub(in crate::worker) struct Assumptions {
    pub(in crate::worker) assumptions: Vec<AssumptionId>,
    /// Owners whose code is inlined.
    pub(in crate::worker) inlined: Vec<OwnerId>,
}

/// Loaded code: its address, and the library that keeps it loaded.
#[derive(Clone, Debug)]
pub(in crate::worker) struct Loaded<L> {
    pub(in crate::worker) address: Address,
    pub(in crate::worker) library: Arc<L>,
}

/// The tier of a unit's first code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::worker) enum Tier {
    /// Quick code, which will be optimized.
    Quick,
    /// Final code.
    Optimized,
}

/// Why a unit in flight will not be published.
#[derive(Clone, Debug)]
pub(in crate::worker) enum Unwanted {
    /// The slot belongs to another unit now and must not be written.
    Superseded,
    /// The slot fails with this reason.
    Failed(CodeError),
}

impl Unwanted {
    /// Fails the slot, if it still belongs to the unit.
    pub(super) fn tell(&self, slot: &Slot) {
        match self {
            Self::Superseded => {}
            Self::Failed(why) => slot.fail(why.clone()),
        }
    }
}
