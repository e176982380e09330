//! A process that was started before its input exists: how it gets its input, and how it ends. Starts no process.

use std::fmt;
use std::io::{self, PipeReader, PipeWriter};
use std::time::Instant;

use super::running::WaitGuard;
use super::{ExecError, Finished, Started, Watch, system};

/// A process that was started before its input exists. It ends when this value is dropped, and when this process ends.
pub struct PrestartedProcess {
    /// `None` after the wait.
    started: Option<Started>,
    /// `None` after the input was written. Includes the reader, so that a write to a dead process is an error and not a SIGPIPE, which
    /// ends a host written in C.
    input: Option<(PipeReader, PipeWriter)>,
}

impl fmt::Debug for PrestartedProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrestartedProcess").finish_non_exhaustive()
    }
}

impl PrestartedProcess {
    pub(super) fn new(started: Started, reader: PipeReader, writer: PipeWriter) -> Self {
        Self { started: Some(started), input: Some((reader, writer)) }
    }

    /// Writes the whole input, and sets the deadline for the rest of the process's work.
    ///
    /// # Errors
    /// The system's error; the process may have ended meanwhile.
    pub fn feed(&mut self, text: &[u8], deadline: Option<Instant>) -> io::Result<()> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let started = self.started.as_mut().ok_or_else(gone)?;
        if !started.processes.rearm(started.id, deadline, &started.output) {
            return Err(gone());
        }
        let (_reader, writer) = self.input.take().ok_or_else(gone)?;
        system::write_to_pipe(writer, text, || !started.process.has_ended())
    }

    /// Returns the process id; `None` after the wait.
    pub(crate) fn process(&self) -> Option<u32> {
        self.started.as_ref().map(|started| started.process.id())
    }

    /// True if the process has ended, by its deadline or otherwise.
    pub fn has_ended(&mut self) -> bool {
        self.started.as_mut().is_none_or(|started| started.process.has_ended())
    }

    /// Waits until `is_done` returns true or the process ends; `is_done` is called after each change in the watched directory. Returns the
    /// last result of `is_done`.
    pub(crate) fn wait_until(&mut self, watch: &Watch, is_done: &dyn Fn() -> bool) -> bool {
        let Some(started) = &mut self.started else { return false };
        let _waits = WaitGuard::new(started.processes.waiting.clone());
        let changes = watch.with_process(started.process.id());
        let began = Instant::now();
        loop {
            changes.wait(began.elapsed());
            if is_done() {
                return true;
            }
            if started.process.has_ended() {
                return is_done();
            }
        }
    }

    /// Waits until the process ends.
    ///
    /// # Errors
    /// As [`Executor::run`](super::Executor::run).
    pub fn wait(mut self) -> Result<Finished, ExecError> {
        self.input = None;
        self.started.take().map_or(Err(ExecError::Cancelled), Started::wait)
    }

    /// For the child of a fork: the process belongs to the parent, and its input still ends with the parent.
    pub(crate) fn abandon(mut self) {
        self.input = None;
        std::mem::forget(self.started.take());
    }
}

impl Drop for PrestartedProcess {
    fn drop(&mut self) {
        if let Some(started) = self.started.take() {
            started.processes.end(started.id);
            // Short, and maybe on a thread that the observer does not know.
            let _ = started.wait_telling(None);
        }
    }
}
