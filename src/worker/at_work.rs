//! Guards for work that a worker's thread has begun and other threads wait for. Their destructors end the work also if a host ends the
//! thread with `pthread_exit` in a callback. Knows nothing about how work is done.

use std::cell::Cell;

use super::host::CodeError;
use super::units::{Ticket, Work};
use super::{Shared, WorkerState};
use crate::unwind::is_thread_ending;

/// The life of a worker's thread.
pub(super) struct Life<'a> {
    shared: &'a Shared,
    sets_up: bool,
}

impl<'a> Life<'a> {
    pub(super) fn new(shared: &'a Shared, sets_up: bool) -> Self {
        Self { shared, sets_up }
    }
}

impl Drop for Life<'_> {
    fn drop(&mut self) {
        let left = self.shared.home.thread_ends();
        let nothing_follows = left == 0 || (self.sets_up && self.shared.engine().is_none());
        if is_thread_ending() && nothing_follows {
            self.shared.coordinator.with(|state| state.units.disable(&CodeError::ThreadEnded));
        }
    }
}

/// A thread that runs without having taken work.
pub(super) struct Running<'a>(pub(super) &'a Shared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.coordinator.end();
    }
}

/// A thread that has taken work.
pub(super) struct Busy<'a> {
    shared: &'a Shared,
    built: Vec<Ticket>,
    improved: Vec<u64>,
    compacts: bool,
}

impl<'a> Busy<'a> {
    pub(super) fn with(shared: &'a Shared, work: &Work) -> Self {
        let built = if let Work::Build(tickets) = work { tickets.clone() } else { Vec::new() };
        let improved =
            if let Work::Improve(parts) = work { parts.iter().map(|part| part.id).collect() } else { Vec::new() };
        Self { shared, built, improved, compacts: matches!(work, Work::Compact(_)) }
    }

    /// Fails the rest of work that was interrupted. The worker continues.
    pub(super) fn fails(&self, why: &CodeError) {
        self.shared.coordinator.with(|state| {
            self.built.iter().for_each(|ticket| drop(state.units.fail(ticket.id, why.clone())));
            self.improved.iter().for_each(|&id| state.units.stay_baseline(id));
            if self.compacts {
                state.units.compacted();
            }
        });
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        if is_thread_ending() {
            self.fails(&CodeError::ThreadEnded);
        }
        self.shared.coordinator.done();
    }
}

/// A thread that may access owners of the host, except between [`pause`](Self::pause) and [`go_on`](Self::go_on).
pub(super) struct Generating<'a> {
    shared: &'a Shared,
    now: Cell<bool>,
}

impl<'a> Generating<'a> {
    /// Waits for the end of a collection, then calls `check`; `None` if `check` finds no more work.
    pub(super) fn begin<R>(shared: &'a Shared, check: impl FnOnce(&mut WorkerState) -> Option<R>) -> Option<(Self, R)> {
        let checked = shared.coordinator.begin_generating(check)?;
        Some((Self { shared, now: Cell::new(true) }, checked))
    }

    /// Lets the host collect until [`Self::go_on`].
    pub(super) fn pause(&self) {
        self.now.set(false);
        self.shared.coordinator.end_generating(|_| ());
    }

    pub(super) fn go_on(&self) {
        self.shared.coordinator.begin_generating(|_| Some(()));
        self.now.set(true);
    }

    /// Ends the access to owners, and calls `note` in the same critical section.
    pub(super) fn end(self, note: impl FnOnce(&mut WorkerState)) {
        self.now.set(false);
        self.shared.coordinator.end_generating(note);
    }
}

impl Drop for Generating<'_> {
    fn drop(&mut self) {
        if self.now.get() {
            self.shared.coordinator.end_generating(|_| ());
        }
    }
}
