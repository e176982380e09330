//! Jobs for the VM's thread: what generating C text needs and only that thread may do. One at a time for each thread of the worker. Knows
//! neither units nor hosts.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Something to be run once.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// A job did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotRun {
    /// The worker is paused or finished. The unit is not lost: while paused it waits again.
    #[error("the worker stops")]
    Stopping,
    /// The owner died, or its unit is not wanted any more.
    #[error("the unit is not wanted any more")]
    Unwanted,
    /// It panicked.
    #[error("the job panicked")]
    Panicked,
}

/// Where jobs are handed in, and waited for.
pub(super) trait Desk: fmt::Debug {
    fn run(&self, job: Job) -> Result<(), NotRun>;
}

/// Hands a job in and brings back what it gave.
pub(super) fn run<T: Send + 'static>(desk: &dyn Desk, job: impl FnOnce() -> T + Send + 'static) -> Result<T, NotRun> {
    let result = Arc::new(Mutex::new(None));
    let location = Arc::clone(&result);
    let job = move || {
        let value = job();
        *location.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    };
    desk.run(Box::new(job))?;
    result.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or(NotRun::Panicked)
}

/// What waits for the VM's thread, as the coordinator guards it.
#[derive(Default)]
pub(super) struct Jobs {
    next: u64,
    waiting: VecDeque<(u64, Job)>,
    running: Vec<u64>,
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").field("waiting", &self.waiting.len()).field("running", &self.running).finish()
    }
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Waiting,
    Running,
    Done,
}

impl Jobs {
    pub(super) fn hand_in(&mut self, job: Job) -> u64 {
        self.next += 1;
        self.waiting.push_back((self.next, job));
        self.next
    }

    pub(super) fn progress(&self, number: u64) -> Progress {
        if self.waiting.iter().any(|(waiting, _)| *waiting == number) {
            Progress::Waiting
        } else if self.running.contains(&number) {
            Progress::Running
        } else {
            Progress::Done
        }
    }

    /// Nobody waits for it any more. Only before it runs. To be dropped outside the lock: what it holds is the host's.
    pub(super) fn withdraw(&mut self, number: u64) -> Option<Job> {
        let at = self.waiting.iter().position(|(waiting, _)| *waiting == number)?;
        self.waiting.remove(at).map(|(_, job)| job)
    }

    /// The next one, to be run outside the lock and then [`done`](Self::done).
    pub(super) fn start(&mut self) -> Option<(u64, Job)> {
        let (number, job) = self.waiting.pop_front()?;
        self.running.push(number);
        Some((number, job))
    }

    pub(super) fn done(&mut self, number: u64) {
        self.running.retain(|running| *running != number);
    }

    /// In the child of a fork nobody waits for anything. To be dropped outside the lock.
    pub(super) fn forget(&mut self) -> Vec<Job> {
        self.running.clear();
        self.waiting.drain(..).map(|(_, job)| job).collect()
    }
}
