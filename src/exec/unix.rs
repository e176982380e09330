//! Process groups and exit statuses as POSIX has them.

#![expect(clippy::disallowed_methods, reason = "a part of the only place that starts processes")]

use std::fs::File;
use std::io::{self, PipeWriter, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::{Exit, Launch};
use crate::discover::Variables;

/// A process and all that it started, as long as nobody left for a group of its own.
#[derive(Debug)]
pub(super) struct Group(Option<Pid>);

/// A process.
pub(super) enum Process {
    /// With this process's own environment.
    Own(Box<duct::Handle>),
    /// With an environment that was given.
    Given(Child),
}

/// Starts a process that leads a group. Not by a pre_exec hook, which would cost posix_spawn.
pub(super) fn start(launch: Launch<'_>) -> io::Result<(Process, Group)> {
    let process = match launch.variables {
        Some(variables) => Process::Given(start_with(variables, launch)?),
        None => Process::Own(Box::new(start_own(launch)?)),
    };
    let group = Group(process.pid());
    Ok((process, group))
}

/// Starts a process with the environment of this process.
fn start_own(launch: Launch<'_>) -> io::Result<duct::Handle> {
    let command = duct::cmd(launch.program, launch.args);
    let command = match launch.input {
        Some(input) => command.stdin_file(input),
        None => command.stdin_null(),
    };
    let mut command = command
        // duct applies the outermost first: this sends standard error where the next line has sent standard output.
        .stderr_to_stdout()
        .stdout_file(launch.output)
        .unchecked()
        .before_spawn(|command| {
            command.process_group(0);
            Ok(())
        });
    for (name, value) in launch.env {
        command = command.env(name, value);
    }
    command.start()
}

/// Starts a process with a given environment. The environment of this process is not read: another thread of the host may be changing
/// it.
fn start_with(variables: &Variables, launch: Launch<'_>) -> io::Result<Child> {
    let mut command = Command::new(launch.program);
    command.args(launch.args).process_group(0);
    command.env_clear().envs(variables.iter()).envs(launch.env);
    command.stdin(launch.input.map_or_else(Stdio::null, Stdio::from));
    command.stdout(launch.output.try_clone()?).stderr(launch.output);
    let mut tries = 0;
    loop {
        match command.spawn() {
            // A fork of another thread's had the program open for writing for a moment (Go issue 22315).
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES => {
                tries += 1;
                thread::sleep(BUSY_PAUSE);
            }
            started => return started,
        }
    }
}

/// How often a program that is still open for writing is tried again, and after how long.
const BUSY_TRIES: u32 = 10;
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// A file without a name, in memory where that can be: to make and remove it in a directory takes ten times as long.
pub(super) fn unnamed_file(dir: &Path) -> io::Result<File> {
    #[cfg(target_os = "linux")]
    if let Ok(memory) = crate::memfd::create("output", crate::memfd::Holds::Text) {
        return Ok(memory);
    }
    tempfile::tempfile_in(dir)
}

impl Process {
    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(self.id().cast_signed())
    }

    pub(super) fn id(&self) -> u32 {
        match self {
            Self::Own(handle) => handle.pids().first().copied().unwrap_or_default(),
            Self::Given(child) => child.id(),
        }
    }

    /// Whether it ended, without reaping it.
    pub(super) fn has_ended(&mut self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        // One that is not there any more was reaped by another.
        self.pid().is_none_or(|pid| !matches!(waitid(WaitId::Pid(pid), options), Ok(None) | Err(Errno::INTR)))
    }

    /// Waits for the end and leaves a zombie.
    pub(super) fn wait_unreaped(&mut self) {
        if let Some(pid) = self.pid() {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while waitid(WaitId::Pid(pid), options).is_err_and(|error| error == Errno::INTR) {}
        }
    }

    /// Waits for the end and reaps it.
    pub(super) fn wait(&mut self) -> io::Result<ExitStatus> {
        match self {
            Self::Own(handle) => handle.wait().map(|output| output.status),
            Self::Given(child) => child.wait(),
        }
    }
}

impl Group {
    /// True if the leader is stopped. Where it is not known, it is not.
    pub(super) fn is_stopped(&self) -> bool {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        self.0.is_some_and(|leader| matches!(waitid(WaitId::Pid(leader), options), Ok(Some(_))))
    }

    /// True if the leader came to its end and was not reaped.
    pub(super) fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        self.0.is_some_and(|leader| matches!(waitid(WaitId::Pid(leader), options), Ok(Some(_))))
    }

    /// Ends the whole group. The leader must not have been reaped: its id could be another's by then.
    pub(super) fn end(&mut self) {
        if let Some(leader) = self.0 {
            // It may have ended by itself just now, which is as good.
            let _ = kill_process_group(leader, Signal::KILL);
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
pub(super) fn was_reaped_by_another(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::CHILD)
}

/// Writes all of it as long as somebody may read it.
pub(super) fn write_to_pipe(
    mut pipe: PipeWriter,
    mut text: &[u8],
    mut is_read: impl FnMut() -> bool,
) -> io::Result<()> {
    rustix::io::ioctl_fionbio(&pipe, true)?;
    while !text.is_empty() {
        match pipe.write(text) {
            Ok(count) => text = &text[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && is_read() => thread::sleep(FULL_PIPE),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
    Ok(())
}

/// How long a compiler is given to read on: it takes what a pipe holds in a few microseconds.
const FULL_PIPE: Duration = Duration::from_micros(100);
