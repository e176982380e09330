//! What a worker's thread finds to do. Data, made by `next` and done by the crew.

use std::sync::Arc;

use super::unit::Ticket;
use crate::worker::{Code, SourceLocation};

/// What a worker's thread finds to do.
#[derive(Debug)]
pub(in crate::worker) enum Work {
    /// Compile these units, hottest first; never none.
    Make(Vec<Ticket>),
    /// Make room: these are cold enough to go, coldest first, unless somebody is inside.
    Unload(Vec<Candidate>),
    /// There was no room to make, and somebody waits: the cache has room for this many units now.
    CacheGrown(usize),
    /// Make better code of these, hottest first.
    Improve(Vec<Part>),
    /// Compile these once more, together.
    Compact(Vec<Part>),
    /// Look whether retired code can go.
    Sweep,
}

/// A loaded unit that could go. By its number: an owner may have been submitted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::worker) struct Candidate {
    pub(in crate::worker) id: u64,
    pub(in crate::worker) code: Code,
}

/// A loaded unit that is compiled once more.
#[derive(Clone, Debug)]
pub(in crate::worker) struct Part {
    pub(in crate::worker) id: u64,
    pub(in crate::worker) location: SourceLocation,
    pub(in crate::worker) text: Arc<str>,
}
