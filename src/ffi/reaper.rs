//! The reaper of a C host, which waits for child processes in place of the library.

#[cfg(unix)]
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;

use super::fault::FfiError;
use super::host::Context;
use super::memory::read;
use super::{NotifyFn, Reaper, WaitFn};
use crate::exec::{self, Exit};
use crate::thread::allow_thread_exit;

#[derive(Debug)]
struct Lent {
    ctx: Context,
    enter: Option<NotifyFn>,
    wait: WaitFn,
    leave: Option<NotifyFn>,
    forked: Option<NotifyFn>,
}

impl Lent {
    fn notify(&self, function: Option<NotifyFn>) {
        if let Some(function) = function {
            // SAFETY: the host registered a function of this type.
            allow_thread_exit(|| unsafe { function(self.ctx.pointer()) });
        }
    }
}

impl exec::Reaper for Lent {
    fn enter(&self) {
        self.notify(self.enter);
    }

    fn wait(&self, pid: u32) -> Exit {
        let mut status = 0;
        let pid = i64::from(pid);
        // SAFETY: as above; the status outlives the call.
        let wait = || unsafe { (self.wait)(self.ctx.pointer(), pid, &raw mut status) };
        let reaped = allow_thread_exit(wait);
        if reaped == pid { exit(status) } else { Exit::Unknown }
    }

    fn leave(&self) {
        self.notify(self.leave);
    }

    fn forked(&self) {
        self.notify(self.forked);
    }
}

/// # Safety
/// As [`read`].
pub(super) unsafe fn lent(at: *const Reaper) -> Result<Option<Arc<dyn exec::Reaper>>, FfiError> {
    if at.is_null() {
        return Ok(None);
    }
    // SAFETY: required of the caller.
    let Reaper { ctx, enter, wait, leave, forked, .. } = unsafe { read(at) }?;
    let wait = wait.ok_or_else(|| FfiError::invalid("mjitcc_reaper.wait is NULL"))?;
    Ok(Some(Arc::new(Lent { ctx: Context::new(ctx), enter, wait, leave, forked })))
}

/// Converts a status of `waitpid`.
#[cfg(unix)]
fn exit(status: i32) -> Exit {
    let status: std::process::ExitStatus = ExitStatusExt::from_raw(status);
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        // Stopped or continued: not an end.
        (None, None) => Exit::Unknown,
    }
}

/// Converts a status of `GetExitCodeProcess`.
#[cfg(not(unix))]
fn exit(status: i32) -> Exit {
    Exit::Code(status)
}
