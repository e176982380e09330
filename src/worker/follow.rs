//! Forks that the host did not announce: `pthread_atfork` stops the worker around the fork, and the worker continues in the child when the
//! child first calls it. Until then the child has no threads and files of the worker, so a child that executes another program at once has
//! no cost. Knows nothing about how a worker continues.

use std::cell::Cell;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::coordinator::Held;
use super::{Shared, Worker, WorkerState};
use crate::at_fork::{self, ForkGuard, ForkParticipant, HeldShare};
use crate::sync::{Locked, lock};

/// How long a fork waits for the worker's threads. They run for short sections only, except in callbacks of the host, which may wait for a
/// lock of the forking thread.
const FORK_TIME_LIMIT: Duration = Duration::from_secs(5);

thread_local! {
    /// The address of the worker that this thread belongs to, as a number.
    static SERVES: Cell<usize> = const { Cell::new(0) };
}

impl Worker {
    /// Registers the worker, so that forks stop it.
    pub(super) fn follow_forks(&self) {
        let shared: Weak<Shared> = Arc::downgrade(&self.shared);
        at_fork::register(shared);
    }
}

impl Shared {
    /// Notes that this thread belongs to the worker: if a callback forks, the thread cannot wait for itself.
    pub(super) fn served_here(&self) {
        SERVES.set(std::ptr::from_ref(self).addr());
    }
}

/// All locks of a worker, which must be free in the child. The coordinator's lock is released first, so that threads can wait.
struct HeldWorker<'a> {
    held: Held<'a, WorkerState>,
    others: Others<'a>,
}

type Others<'a> =
    (Locked<'a, ()>, Locked<'a, Arc<crate::exec::ProcessExecutor>>, Locked<'a, Option<Arc<crate::jit::Jit>>>);

struct StillWorker {
    worker: HeldShare<Shared, HeldWorker<'static>>,
    shared: Arc<Shared>,
}

impl ForkParticipant for Shared {
    fn hold(self: Arc<Self>) -> Option<Box<dyn ForkGuard>> {
        let process = std::process::id();
        let lost = !self.home.is_of(process) && !self.home.may_move_to(process);
        if lost || self.home.is_announced_here() || SERVES.try_with(Cell::get) == Ok(Arc::as_ptr(&self).addr()) {
            return None;
        }
        let worker = HeldShare::new(Arc::clone(&self), |shared: &'static Self| {
            // In the order in which a worker that moves to the child takes the locks.
            let arrival = lock(&shared.home.arrival);
            let held = shared.coordinator.hold_until(Instant::now() + FORK_TIME_LIMIT)?;
            let others = (arrival, lock(&shared.executor), lock(&shared.engine));
            Some(HeldWorker { held, others })
        })?;
        Some(Box::new(StillWorker { worker, shared: self }))
    }
}

impl ForkGuard for StillWorker {
    fn inherited(&mut self) {
        let HeldWorker { held, others: (_, executor, engine) } = self.worker.guard();
        held.forget_threads();
        // A child that never calls the worker must not keep open the pipes of the parent's compilers and of their watchdog.
        executor.leave();
        engine.iter().for_each(|engine| engine.abandon_compilers());
        self.shared.home.allow_move_here();
    }
}
