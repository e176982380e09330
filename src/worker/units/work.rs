//! The work of a worker's thread. Data: `next` chooses it, `worker_thread` does it.

use std::sync::Arc;

use super::unit::Ticket;
use crate::worker::{Code, SourceLocation};

/// The work of a worker's thread.
#[derive(Debug)]
pub(in crate::worker) enum Work {
    /// Build these units, hottest first; never empty.
    Build(Vec<Ticket>),
    /// Unload units for hotter units: the candidates, coldest first. Those that are on a stack stay.
    Unload(Vec<Candidate>),
    /// No unit could be unloaded although a host's thread waits: the limit grew to this number.
    CacheGrown(usize),
    /// Optimize these units, hottest first.
    Improve(Vec<Part>),
    /// Compact these units.
    Compact(Vec<Part>),
    /// Unload retired code that is free.
    Sweep,
}

/// An active unit that may be unloaded. Identified by number, since its owner may have been submitted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::worker) struct Candidate {
    pub(in crate::worker) id: u64,
    pub(in crate::worker) code: Code,
}

/// An active unit that is compiled again, to optimize or to compact it.
#[derive(Clone, Debug)]
pub(in crate::worker) struct Part {
    pub(in crate::worker) id: u64,
    pub(in crate::worker) location: SourceLocation,
    pub(in crate::worker) text: Arc<str>,
}
