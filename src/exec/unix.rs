//! Process groups and exit statuses on POSIX systems.

#![expect(clippy::disallowed_methods, reason = "a part of the only place that starts processes")]

use std::fs::File;
use std::io::{self, PipeWriter, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::{Exit, Launch};
use crate::variables::Variables;

/// A process and everything that it started, except processes that changed their group.
#[derive(Debug)]
pub(super) struct ProcessGroup(Option<Pid>);

/// A process.
pub(super) enum Process {
    /// Started with this process's environment.
    Own(Box<duct::Handle>),
    /// Started with an explicit environment.
    Given(Child),
}

/// Starts a process that leads a group. Without a pre_exec hook, which would prevent posix_spawn.
pub(super) fn start(launch: Launch<'_>) -> io::Result<(Process, ProcessGroup)> {
    let process = match launch.variables {
        Some(variables) => Process::Given(start_with(variables, launch)?),
        None => Process::Own(Box::new(start_own(launch)?)),
    };
    let group = ProcessGroup(process.pid());
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

/// Starts a process with an explicit environment. The environment of this process is not read, because another thread of the host may
/// change it.
fn start_with(variables: &Variables, launch: Launch<'_>) -> io::Result<Child> {
    let mut command = Command::new(launch.program);
    command.args(launch.args).process_group(0);
    command.env_clear().envs(variables.iter()).envs(launch.env);
    command.stdin(launch.input.map_or_else(Stdio::null, Stdio::from));
    command.stdout(launch.output.try_clone()?).stderr(launch.output);
    let mut tries = 0;
    loop {
        match command.spawn() {
            // A fork of another thread had the program open for writing for a moment (Go issue 22315).
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES => {
                tries += 1;
                thread::sleep(BUSY_PAUSE);
            }
            started => return started,
        }
    }
}

/// How often, and at which interval, a program that is open for writing is tried again.
const BUSY_TRIES: u32 = 10;
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// Creates an unnamed file, in memory if possible: creating and removing a file in a directory takes ten times as long. The flag is true if
/// the file cannot grow beyond the size.
pub(super) fn unnamed_file(dir: &Path, size: Option<u64>) -> io::Result<(File, bool)> {
    #[cfg(target_os = "linux")]
    if let Ok(memory) = crate::memfd::create("output", crate::memfd::MemfdContent::Text) {
        let is_fixed = size.is_some_and(|size| may_be_so_large(size) && crate::memfd::fix(&memory, size).is_ok());
        return Ok((memory, is_fixed));
    }
    let _ = size;
    Ok((tempfile::tempfile_in(dir)?, false))
}

/// True if this process may create a file of that size: trying would end a process that may not.
#[cfg(target_os = "linux")]
fn may_be_so_large(size: u64) -> bool {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current.is_none_or(|limit| size <= limit)
}

/// Returns the first bytes of a file, independent of the shared offset.
pub(super) fn read_start(file: &File, size: u64) -> io::Result<Vec<u8>> {
    let mut text = vec![0; usize::try_from(size).map_err(io::Error::other)?];
    let mut end = 0;
    while end < text.len() {
        match file.read_at(&mut text[end..], end as u64) {
            Ok(0) => break,
            Ok(count) => end += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    text.truncate(end);
    Ok(text)
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

    /// True if the process has ended. Does not reap it.
    pub(super) fn has_ended(&mut self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        // Another part of the process reaped a child that does not exist.
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

impl ProcessGroup {
    /// True if the leader is stopped. False if unknown.
    pub(super) fn is_stopped(&self) -> bool {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        self.0.is_some_and(|leader| matches!(waitid(WaitId::Pid(leader), options), Ok(Some(_))))
    }

    /// True if the leader has ended and was not reaped.
    pub(super) fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        self.0.is_some_and(|leader| matches!(waitid(WaitId::Pid(leader), options), Ok(Some(_))))
    }

    /// Ends the whole group. The leader must not have been reaped: its id could be reused.
    pub(super) fn end(&mut self) {
        if let Some(leader) = self.0 {
            // The group may have ended just now, which is fine.
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

/// True if a wait failed because another part of the process reaped the child, or because the system does (`SIGCHLD` ignored).
pub(super) fn was_reaped_by_another(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::CHILD)
}

/// Writes the whole text while the process may still read it.
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

/// How long to wait for a compiler to read more: a compiler reads a full pipe in a few microseconds.
const FULL_PIPE: Duration = Duration::from_micros(100);
