//! What a worker's thread has begun and somebody waits for: each is ended also where the thread is ended from outside, as a host does that calls
//! `pthread_exit` in a callback. Knows nothing of how work is done.

use std::cell::Cell;

use super::host::CodeError;
use super::units::{Ticket, Work};
use super::{Shared, State};
use crate::unwind::is_thread_ending;

/// A thread's life.
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
        let left = self.shared.home.is_thread_ending();
        let nothing_follows = left == 0 || (self.sets_up && self.shared.engine().is_none());
        if is_thread_ending() && nothing_follows {
            self.shared.coordinator.with(|state| state.units.disable(&CodeError::ThreadEnded));
        }
    }
}

/// A thread runs, without having taken anything.
pub(super) struct Running<'a>(pub(super) &'a Shared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.coordinator.end();
    }
}

/// A thread holds work.
pub(super) struct Busy<'a> {
    shared: &'a Shared,
    made: Vec<Ticket>,
    improved: Vec<u64>,
    compacts: bool,
}

impl<'a> Busy<'a> {
    pub(super) fn with(shared: &'a Shared, work: &Work) -> Self {
        let made = if let Work::Make(tickets) = work { tickets.clone() } else { Vec::new() };
        let improved =
            if let Work::Improve(parts) = work { parts.iter().map(|part| part.id).collect() } else { Vec::new() };
        Self { shared, made, improved, compacts: matches!(work, Work::Compact(_)) }
    }

    /// It did not come to an end: what is left of it fails, and the worker goes on.
    pub(super) fn fails(&self, why: &CodeError) {
        self.shared.coordinator.with(|state| {
            self.made.iter().for_each(|ticket| drop(state.units.fail(ticket.id, why.clone())));
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

/// A thread touches owners, but for when it stops that for a while.
pub(super) struct Generating<'a> {
    shared: &'a Shared,
    now: Cell<bool>,
}

impl<'a> Generating<'a> {
    /// Waits until the host does not collect, and asks whether that is still wanted.
    pub(super) fn begin<R>(shared: &'a Shared, check: impl FnOnce(&mut State) -> Option<R>) -> Option<(Self, R)> {
        let checked = shared.coordinator.begin_generating(check)?;
        Some((Self { shared, now: Cell::new(true) }, checked))
    }

    /// Lets the host collect, until [`Self::go_on`].
    pub(super) fn pause(&self) {
        self.now.set(false);
        self.shared.coordinator.end_generating(|_| ());
    }

    pub(super) fn go_on(&self) {
        self.shared.coordinator.begin_generating(|_| Some(()));
        self.now.set(true);
    }

    /// The owners are no longer touched, and this was found of them.
    pub(super) fn end(self, note: impl FnOnce(&mut State)) {
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
