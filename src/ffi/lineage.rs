//! The process that an engine belongs to, and how an engine follows forks. Knows nothing about what the engine does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::engine::Engine;
use crate::sync::Mutex;

pub(super) struct Lineage {
    /// The process that opened the engine, or that continues with it after a fork.
    process: AtomicU32,
    /// A child of that process in which the engine's locks are free, or 0.
    heir: AtomicU32,
    /// True after a fork.
    forked: AtomicBool,
    /// True if the PCH was taken into the child.
    whole: AtomicBool,
    /// Locked while the engine moves to the child.
    pub(super) arrival: Mutex<()>,
}

impl Lineage {
    pub(super) fn here() -> Self {
        Self {
            process: AtomicU32::new(std::process::id()),
            heir: AtomicU32::new(0),
            forked: AtomicBool::new(false),
            whole: AtomicBool::new(true),
            arrival: Mutex::new(()),
        }
    }

    pub(super) fn is_here(&self) -> bool {
        self.process.load(Ordering::Acquire) == std::process::id()
    }

    pub(super) fn is_heir(&self) -> bool {
        self.heir.load(Ordering::Acquire) == std::process::id()
    }

    /// True if the PCH was taken into this child; `None` if this is the process that opened the engine.
    pub(super) fn inherited(&self) -> Option<bool> {
        self.forked.load(Ordering::Relaxed).then(|| self.whole.load(Ordering::Relaxed))
    }

    pub(super) fn move_here(&self, whole: bool) {
        self.forked.store(true, Ordering::Relaxed);
        self.whole.store(whole, Ordering::Relaxed);
        self.process.store(std::process::id(), Ordering::Release);
    }
}

/// Registers the engine for forks: the child of a fork finds the engine's locks free.
#[cfg(unix)]
pub(super) fn follow_forks(engine: &Arc<Engine>) {
    let engine: std::sync::Weak<Engine> = Arc::downgrade(engine);
    crate::at_fork::register(engine);
}

#[cfg(not(unix))]
pub(super) fn follow_forks(_: &Arc<Engine>) {}

#[cfg(unix)]
mod held {
    use super::{Arc, Engine, Ordering};
    use crate::at_fork::{ForkGuard, ForkParticipant, HeldShare};
    use crate::sync::lock;

    struct HeldEngine<G> {
        _locks: HeldShare<Engine, G>,
        engine: Arc<Engine>,
    }

    impl ForkParticipant for Engine {
        fn hold(self: Arc<Self>) -> Option<Box<dyn ForkGuard>> {
            if !self.lineage.is_here() && !self.lineage.is_heir() {
                return None;
            }
            let locks = HeldShare::new(Arc::clone(&self), |engine: &'static Self| {
                let arrival = lock(&engine.lineage.arrival);
                Some((arrival, lock(&engine.state), lock(&engine.handles), engine.turns.hold()))
            })?;
            Some(Box::new(HeldEngine { _locks: locks, engine: self }))
        }
    }

    impl<G> ForkGuard for HeldEngine<G> {
        fn inherited(&mut self) {
            self.engine.lineage.heir.store(std::process::id(), Ordering::Release);
        }
    }
}
