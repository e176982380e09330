//! Jobs that the worker's threads run on the VM's thread while they generate C text. Each thread has at most one job. Knows nothing about
//! units and hosts.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

pub(super) type VmJob = Box<dyn FnOnce() + Send>;

/// Why a job has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The worker pauses or stops. After a pause the unit is generated again.
    #[error("the worker pauses or stops")]
    Stopping,
    /// The unit was cancelled, or the owner was freed.
    #[error("the unit is no longer needed")]
    Unwanted,
    /// The job panicked.
    #[error("the job panicked")]
    Panicked,
}

/// Runs jobs on the VM's thread.
pub(super) trait Desk: fmt::Debug {
    fn run(&self, job: VmJob) -> Result<(), JobError>;
}

/// Runs a job on the VM's thread and returns its result.
pub(super) fn run<T: Send + 'static>(desk: &dyn Desk, job: impl FnOnce() -> T + Send + 'static) -> Result<T, JobError> {
    let result = Arc::new(Mutex::new(None));
    let location = Arc::clone(&result);
    let job = move || {
        let value = job();
        *location.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
    };
    desk.run(Box::new(job))?;
    result.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or(JobError::Panicked)
}

/// The jobs that wait for the VM's thread. The coordinator guards the list.
#[derive(Default)]
pub(super) struct Jobs {
    next: u64,
    waiting: VecDeque<(u64, VmJob)>,
    running: Vec<u64>,
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").field("waiting", &self.waiting.len()).field("running", &self.running).finish()
    }
}

/// The progress of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JobProgress {
    Waiting,
    Running,
    Done,
}

impl Jobs {
    pub(super) fn hand_in(&mut self, job: VmJob) -> u64 {
        self.next += 1;
        self.waiting.push_back((self.next, job));
        self.next
    }

    pub(super) fn progress(&self, number: u64) -> JobProgress {
        if self.waiting.iter().any(|(waiting, _)| *waiting == number) {
            JobProgress::Waiting
        } else if self.running.contains(&number) {
            JobProgress::Running
        } else {
            JobProgress::Done
        }
    }

    /// Removes a job that has not started. Drop the job outside the lock, since its destructor is the host's code.
    pub(super) fn withdraw(&mut self, number: u64) -> Option<VmJob> {
        let at = self.waiting.iter().position(|(waiting, _)| *waiting == number)?;
        self.waiting.remove(at).map(|(_, job)| job)
    }

    /// Takes the next job. Run the job outside the lock, then call [`done`](Self::done).
    pub(super) fn start(&mut self) -> Option<(u64, VmJob)> {
        let (number, job) = self.waiting.pop_front()?;
        self.running.push(number);
        Some((number, job))
    }

    pub(super) fn done(&mut self, number: u64) {
        self.running.retain(|running| *running != number);
    }

    /// Removes all jobs in the child of a fork, where no thread waits for them. Drop the jobs outside the lock.
    pub(super) fn forget(&mut self) -> Vec<VmJob> {
        self.running.clear();
        self.waiting.drain(..).map(|(_, job)| job).collect()
    }
}
