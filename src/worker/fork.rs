//! Forking a process that has a worker: both go on, the child with threads and a directory of its own, and with the code and the
//! queue that it inherited. A pause holds in both.

use std::sync::Arc;

use super::coordinator::Held;
use super::{State, Worker};
use crate::jit::ForkSnapshot;
use crate::sync::lock;

/// The worker held still for a fork: none of its threads holds a lock of anybody's, and none begins anything. Tell it what came of the
/// fork; dropped, it takes the fork for failed and the worker goes on.
#[must_use = "dropping this lets the worker go on"]
pub struct Fork<'a> {
    worker: &'a Worker,
    /// None where there is nothing to hold: the worker is another process's.
    held: Option<Held<'a, State>>,
    snapshot: Option<ForkSnapshot>,
}

impl Worker {
    /// To be called before `fork`. Waits while C text is being generated and while a thread of the worker's runs, which is short;
    /// not for compilers. No thread is to be between [`enter_gc`](Self::enter_gc) and [`leave_gc`](Self::leave_gc). A process with several
    /// workers holds all of them: what another one's threads are at, such as loading code, would be half done in the child.
    pub fn before_fork(&self) -> Fork<'_> {
        if !self.is_here() {
            return Fork { worker: self, held: None, snapshot: None };
        }
        self.hold_for_fork()
    }

    pub(super) fn hold_for_fork(&self) -> Fork<'_> {
        // Before anything is held: it makes files.
        let engine = self.shared.engine();
        let snapshot = engine.as_ref().and_then(|engine| engine.snapshot());
        let held = self.shared.coordinator.hold();
        self.shared.home.announce(true);
        Fork { worker: self, held: Some(held), snapshot }
    }
}

#[cfg(not(all(unix, not(loom))))]
impl Worker {
    /// There are no forks.
    #[expect(clippy::unused_self, reason = "elsewhere the worker is held still")]
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
    /// This is the parent, and there is a child.
    pub fn in_parent(mut self) {
        if let Some(snapshot) = self.snapshot.take() {
            snapshot.hand_over();
        }
    }

    /// This is the child.
    pub fn in_child(mut self) {
        let shared = &self.worker.shared;
        let Some(held) = &mut self.held else { return };
        let threads = std::mem::take(&mut *lock(&self.worker.threads));
        let stopped = threads.is_empty();
        // They do not exist here, so that they can be neither joined nor detached.
        threads.into_iter().for_each(std::mem::forget);
        shared.home.move_here();
        held.forget_threads();
        if let Some(state) = held.data() {
            state.units.adopt();
            // Nobody waits for them here, and what they hold may want locks that nobody will ever give back.
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
            old.disown();
            let new = self.snapshot.take().map(|snapshot| Arc::new(old.inherit(snapshot, &shared.executor())));
            // Not by set_engine, which takes the lock that is held.
            *lock(&shared.engine) = new;
            // Threads that it had do not exist here, and may have held locks of theirs.
            std::mem::forget(old);
        }
        let worker = self.worker;
        drop(self);
        if !stopped {
            worker.spawn();
        }
    }
}
