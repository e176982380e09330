//! Forks of a process with a worker: the worker continues in both processes. In the child it has threads and a private directory of its
//! own, and keeps the loaded code and the queue. A paused worker stays paused in both.

use std::sync::Arc;

use super::coordinator::Held;
use super::{Worker, WorkerState};
use crate::jit::ForkSnapshot;
use crate::sync::lock;

/// A worker that is stopped for a fork: none of its threads runs or holds a lock. Call [`in_parent`](Self::in_parent) or
/// [`in_child`](Self::in_child) after the fork; a drop means that the fork failed.
#[must_use = "a drop lets the worker continue"]
pub struct Fork<'a> {
    worker: &'a Worker,
    /// `None` if the worker belongs to another process.
    held: Option<Held<'a, WorkerState>>,
    snapshot: Option<ForkSnapshot>,
}

impl Worker {
    /// Stops the worker; call this before `fork`. Waits for running `generate` callbacks and for short sections of the worker's threads,
    /// not for compilers. No thread may be between [`enter_gc`](Self::enter_gc) and [`leave_gc`](Self::leave_gc). A process with several
    /// workers calls this for all of them: the child would inherit the state of another worker's threads half changed.
    pub fn before_fork(&self) -> Fork<'_> {
        if !self.is_here() {
            return Fork { worker: self, held: None, snapshot: None };
        }
        self.hold_for_fork()
    }

    pub(super) fn hold_for_fork(&self) -> Fork<'_> {
        // Before the worker is stopped, since this makes files.
        let engine = self.shared.engine();
        let snapshot = engine.as_ref().and_then(|engine| engine.snapshot());
        let held = self.shared.coordinator.hold();
        self.shared.home.announce(true);
        Fork { worker: self, held: Some(held), snapshot }
    }
}

#[cfg(not(all(unix, not(loom))))]
impl Worker {
    /// This system has no forks.
    #[expect(clippy::unused_self, reason = "on Unix the worker is registered")]
    pub(super) fn follow_forks(&self) {}
}

impl Drop for Fork<'_> {
    fn drop(&mut self) {
        if self.held.is_some() {
            self.worker.shared.home.announce(false);
        }
    }
}

impl Fork<'_> {
    /// Continues in the parent after a successful fork.
    pub fn in_parent(mut self) {
        if let Some(snapshot) = self.snapshot.take() {
            snapshot.abandon();
        }
    }

    /// Continues in the child.
    pub fn in_child(mut self) {
        let shared = &self.worker.shared;
        let Some(held) = &mut self.held else { return };
        let threads = std::mem::take(&mut *lock(&self.worker.threads));
        let stopped = threads.is_empty();
        // The child does not have these threads, so they can be neither joined nor detached.
        threads.into_iter().for_each(std::mem::forget);
        shared.home.move_here();
        held.forget_threads();
        if let Some(state) = held.data() {
            state.units.after_fork_in_child();
            // No thread waits for the jobs in the child, and their destructors may need locks that stay locked for ever.
            state.jobs.forget().into_iter().for_each(std::mem::forget);
        }
        shared.executor().abandon();
        shared.renew_executor();
        if let Some(record) = &shared.record {
            record.restart();
        }
        if let Some(reaper) = &shared.options.build.reaper {
            reaper.forked();
        }
        if let Some(old) = shared.engine() {
            old.abandon();
            let new =
                self.snapshot.take().map(|snapshot| Arc::new(old.after_fork_in_child(snapshot, &shared.executor())));
            // Not with `set_engine`, which takes the coordinator's lock.
            *lock(&shared.engine) = new;
            // Threads that the child does not have may have held locks of the engine.
            std::mem::forget(old);
        }
        let worker = self.worker;
        drop(self);
        if !stopped {
            worker.spawn();
        }
    }
}
