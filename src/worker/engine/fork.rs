//! Engines and forks: a snapshot is taken before the fork; in the child a new engine continues from the snapshot, and the old one leaves its
//! files and processes to the parent.

use std::sync::Arc;

use super::{BuildEngine, GroupLibraries};
use crate::exec::ProcessExecutor;
use crate::header::UnitHeader;
use crate::pipeline::Pipeline;
use crate::scratch::{Purpose, Scratch};
use crate::standby::Standby;

/// Files that the child of a fork needs, linked before the fork: after the fork the parent may remove its own at any time.
pub(crate) struct ForkSnapshot {
    scratch: Scratch,
    header: UnitHeader,
    quick: Option<Box<ForkSnapshot>>,
}

impl BuildEngine {
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
        let Pipeline { compiler, flags, timeout, cache, launcher, admission, watched, .. } = &*self.pipeline;
        let executor: Arc<ProcessExecutor> = Arc::clone(executor);
        let mut pipeline = Pipeline::new(compiler.clone(), flags.clone(), executor, scratch);
        pipeline.timeout = *timeout;
        pipeline.watched = watched.clone();
        (pipeline.cache, pipeline.launcher) = (cache.clone(), launcher.clone());
        pipeline.admission = admission.afresh();
        pipeline.records_units = pipeline.cache.is_some();
        let (surroundings, pipeline) = (Arc::clone(&self.surroundings), Arc::new(pipeline));
        let standby = Standby::new(self.standby.wanted());
        let perf = self.perf.as_ref().map(|_| Arc::default());
        let group_libraries = self.group_libraries.as_ref().map(|_| GroupLibraries::default());
        Self { pipeline, header, surroundings, quick, standby, names: self.names.clone(), perf, group_libraries }
    }

    /// Closes the child's copies of pipes to waiting compilers of the parent, which end only when all copies are closed.
    #[cfg(all(unix, not(loom)))]
    pub(in crate::worker) fn abandon_compilers(&self) {
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
    pub(in crate::worker) fn abandon(self) {
        self.scratch.abandon();
        if let Some(quick) = self.quick {
            quick.abandon();
        }
    }
}
