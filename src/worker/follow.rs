//! A fork that the host did not announce: the worker is held still around it all the same, and goes on in the child when the child first calls it. Until
//! then the child has no threads and no files of the worker's, so that one which executes another program at once pays for neither.
//! Knows nothing of how a worker goes on.

use std::cell::Cell;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::coordinator::Held;
use super::{Shared, State, Worker};
use crate::at_fork::{self, ForkGuard, ForkParticipant, HeldShare};
use crate::sync::{Locked, lock};

/// How long a fork waits for a worker's threads. They run for a moment at a time, but for what the host does in a callback, which may wait
/// for what the forking thread holds.
const PATIENCE: Duration = Duration::from_secs(5);

thread_local! {
    /// The worker that this thread serves, as a number.
    static SERVES: Cell<usize> = const { Cell::new(0) };
}

impl Worker {
    /// From here on, forks find the worker held still.
    pub(super) fn follow_forks(&self) {
        let shared: Weak<Shared> = Arc::downgrade(&self.shared);
        at_fork::register(shared);
    }
}

impl Shared {
    /// This thread serves the worker: it cannot wait for itself when a callback forks.
    pub(super) fn served_here(&self) {
        SERVES.set(std::ptr::from_ref(self).addr());
    }
}

/// Everything of a worker that a fork must find free. The coordinator comes first, so that its threads can still wait.
struct HeldWorker<'a> {
    held: Held<'a, State>,
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
            // In the order that a worker which becomes the child's takes them.
            let arrival = lock(&shared.home.arrival);
            let held = shared.coordinator.hold_until(Instant::now() + PATIENCE)?;
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
        // A child that never calls the worker must not keep the parent's compilers waiting, nor what ends them with the parent.
        executor.leave();
        engine.iter().for_each(|engine| engine.leave_compilers());
        self.shared.home.inherit();
    }
}
