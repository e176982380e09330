//! Processes and exit statuses as Windows has them.

use std::process::{Command, ExitStatus};

use super::Exit;

/// A process, by its id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group(u32);

pub(super) fn own_group(_command: &mut Command) {}

impl Group {
    pub(super) fn of(handle: &duct::Handle) -> Self {
        Self(handle.pids().first().copied().unwrap_or_default())
    }

    /// Ends the process and what it started.
    pub(super) fn end(self) {
        let id = self.0.to_string();
        let _ = duct::cmd("taskkill", ["/F", "/T", "/PID", &id]).stdout_null().stderr_null().unchecked().run();
    }

    /// Waits for the process's end. Its id is not reused while a handle is open, and duct holds one.
    pub(super) fn wait_unreaped(self, handle: &duct::Handle) {
        let _ = handle.wait();
    }
}

pub(super) fn exit(status: ExitStatus) -> Exit {
    Exit::Code(status.code().unwrap_or(-1))
}

/// Never: whoever holds a process's handle can ask for its exit code.
pub(super) fn was_reaped_by_another(_error: &std::io::Error) -> bool {
    false
}
