//! Process groups and exit statuses as POSIX has them.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::Exit;

/// A process and all that it started, as long as nobody left for a group of its own.
#[derive(Debug)]
pub(super) struct Group(Pid);

/// Starts a process that leads a group. Not by a pre_exec hook, which would cost posix_spawn.
pub(super) fn spawn(mut command: Command) -> io::Result<(Child, Group)> {
    let child = command.process_group(0).spawn()?;
    let group = Group(Pid::from_child(&child));
    Ok((child, group))
}

impl Group {
    /// Ends the whole group. The leader must not have been reaped: its id could be another's by then.
    pub(super) fn end(&mut self) {
        // It may have ended by itself just now, which is as good.
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}

/// Waits for the process's end and leaves it a zombie.
pub(super) fn wait_unreaped(child: &mut Child) {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while waitid(WaitId::Pid(Pid::from_child(child)), options).is_err_and(|error| error == Errno::INTR) {}
}

pub(super) fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or_default()),
    }
}
