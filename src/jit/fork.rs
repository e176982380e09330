//! Forks: a snapshot is taken before the fork; in the child a new [`Jit`] continues from the snapshot, and the old one leaves its files and
//! processes to the parent.

use std::sync::Arc;

use super::{GroupLibraries, Jit};
use crate::exec::ProcessExecutor;
use crate::header::UnitHeader;
use crate::scratch::{Purpose, Scratch};

/// Files that the child of a fork needs, linked before the fork: after the fork the parent may remove its own at any time.
pub(crate) struct ForkSnapshot {
    scratch: Scratch,
    header: UnitHeader,
    quick: Option<Box<ForkSnapshot>>,
}

impl Jit {
    /// Takes a snapshot before a fork. `None` after an error: then the child sets up a new engine.
    pub(crate) fn snapshot(&self) -> Option<ForkSnapshot> {
        let scratch = Scratch::create(&[self.pipeline.scratch.path().parent()?.to_owned()], Purpose::Files).ok()?;
        let header = self.header.moved_to(scratch.path()).ok()?;
        let quick = match &self.quick {
            Some(quick) => Some(Box::new(quick.snapshot()?)),
            None => None,
        };
        Some(ForkSnapshot { scratch, header, quick })
    }

    /// Returns an engine for the child of a fork, with a private directory of its own.
    pub(crate) fn after_fork_in_child(&self, snapshot: ForkSnapshot, executor: &Arc<ProcessExecutor>) -> Self {
        let ForkSnapshot { scratch, header, quick } = snapshot;
        scratch.take_over();
        let quick = self
            .quick
            .as_ref()
            .zip(quick)
            .map(|(old, snapshot)| Box::new(old.after_fork_in_child(*snapshot, executor)));
        let executor: Arc<ProcessExecutor> = Arc::clone(executor);
        let pipeline = self.pipeline.in_child(executor, scratch);
        Self {
            merging: Arc::clone(&self.merging),
            quick,
            perf: self.perf.as_ref().map(|_| Arc::default()),
            group_libraries: self.group_libraries.as_ref().map(|_| GroupLibraries::default()),
            ..self.beside(Arc::new(pipeline), header)
        }
    }

    /// Closes the child's copies of pipes to waiting compilers of the parent, which end only when all copies are closed.
    #[cfg(all(unix, not(loom)))]
    pub(crate) fn abandon_compilers(&self) {
        self.standby.abandon();
        self.quick.iter().for_each(|quick| quick.abandon_compilers());
    }

    /// Leaves files and processes to the parent, in the child of a fork.
    pub(crate) fn abandon(&self) {
        self.standby.abandon();
        self.pipeline.scratch.abandon();
        self.quick.iter().for_each(|quick| quick.abandon());
    }
}

impl ForkSnapshot {
    /// Leaves the files to the child, in the parent after a fork.
    pub(crate) fn abandon(self) {
        self.scratch.abandon();
        if let Some(quick) = self.quick {
            quick.abandon();
        }
    }
}
