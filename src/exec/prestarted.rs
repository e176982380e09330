//! A process that was started before there was anything for it to read: how it is fed, and how it ends. Starts none itself.

use std::fmt;
use std::io::{self, PipeReader, PipeWriter};
use std::time::Instant;

use super::running::Waits;
use super::{ExecError, Finished, Started, Watch, system};

/// A process that was started before there was anything for it to read. It ends with this, and when this process ends.
pub struct PrestartedProcess {
    /// None once it was waited for.
    started: Option<Started>,
    /// None once all was written. With the other end, so that a process that died is an error to whoever writes, and not a SIGPIPE,
    /// which ends a host in C.
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

    /// Gives it what it waits for, all there will be, and until when it must be through.
    ///
    /// # Errors
    /// What the system said; it may have ended meanwhile.
    pub fn feed(&mut self, text: &[u8], deadline: Option<Instant>) -> io::Result<()> {
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        let started = self.started.as_mut().ok_or_else(gone)?;
        if !started.processes.rearm(started.id, deadline, &started.output) {
            return Err(gone());
        }
        let (_reader, writer) = self.input.take().ok_or_else(gone)?;
        system::write_to_pipe(writer, text, || !started.process.has_ended())
    }

    /// Its number in the system; none once it was waited for.
    pub(crate) fn process(&self) -> Option<u32> {
        self.started.as_ref().map(|started| started.process.id())
    }

    /// Whether it ended, by its deadline or by itself.
    pub fn has_ended(&mut self) -> bool {
        self.started.as_mut().is_none_or(|started| started.process.has_ended())
    }

    /// Waits until `is_done`, which may come true with any change in the watched directory, or the process's end: whether it is done.
    pub(crate) fn wait_until(&mut self, watch: &Watch, is_done: &dyn Fn() -> bool) -> bool {
        let Some(started) = &mut self.started else { return false };
        let _waits = Waits::new(started.processes.waiting.clone());
        let changes = watch.with(started.process.id());
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

    /// Waits for its end.
    ///
    /// # Errors
    /// As [`Executor::run`](super::Executor::run).
    pub fn wait(mut self) -> Result<Finished, ExecError> {
        self.input = None;
        self.started.take().map_or(Err(ExecError::Cancelled), Started::wait)
    }

    /// In the child of a fork: the process is the parent's. What it reads ends with the parent all the same.
    pub(crate) fn abandon(mut self) {
        self.input = None;
        std::mem::forget(self.started.take());
    }
}

impl Drop for PrestartedProcess {
    fn drop(&mut self) {
        if let Some(started) = self.started.take() {
            started.processes.end(started.id);
            // Soon, and not always on a thread whose waiting interests anybody.
            let _ = started.wait_telling(None);
        }
    }
}
