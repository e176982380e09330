//! Process groups and exit statuses as POSIX has them.

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::Exit;

/// A process and all that it started, as long as nobody left for a group of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group(Option<Pid>);

/// Makes the process lead a group. Not a pre_exec hook, which would cost posix_spawn.
pub(super) fn own_group(command: &mut Command) {
    command.process_group(0);
}

impl Group {
    pub(super) fn of(handle: &duct::Handle) -> Self {
        Self(handle.pids().first().and_then(|&pid| Pid::from_raw(pid.cast_signed())))
    }

    /// Ends the whole group. The leader must not have been reaped: its id could be another's by then.
    pub(super) fn end(self) {
        if let Some(leader) = self.0 {
            // It may have ended by itself just now, which is as good.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }

    /// Waits for the leader's end and leaves it a zombie.
    pub(super) fn wait_unreaped(self, _handle: &duct::Handle) {
        if let Some(leader) = self.0 {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while waitid(WaitId::Pid(leader), options).is_err_and(|error| error == Errno::INTR) {}
        }
    }
}

pub(super) fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or_default()),
    }
}

/// Whether a wait failed because somebody else had reaped the child, or nobody ever has to (`SIGCHLD` ignored).
pub(super) fn was_reaped_by_another(error: &std::io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::CHILD)
}
