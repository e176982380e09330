//! Ends compilers whose owner was killed: a shell reads a pipe that ends when the owner ends for any reason, and then ends the process
//! groups that were running. A death signal is tied to a thread and prevents `posix_spawn`; a thread would die with the owner. Knows
//! groups by number, and not their purpose.

#![expect(clippy::disallowed_methods, reason = "a part of the only place that starts processes")]

use std::io::{self, PipeReader, PipeWriter, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use crate::sync::{Mutex, lock, try_lock};

/// Input lines are `+ GROUP` and `- GROUP`. The shell ignores the signals with which a terminal ends its owner.
const SCRIPT: &str = r#"trap '' HUP INT QUIT TERM PIPE; cd /
all=' '
while read -r sign group; do
  case $sign in
  +) all="$all$group " ;;
  -) all="${all%% $group *} ${all#* $group }" ;;
  esac
done
for group in $all; do kill -KILL "-$group"; done"#;

/// The shell's state. Shared by threads.
#[derive(Default)]
pub(super) struct Orphans(Mutex<ShellState>);

#[derive(Default)]
enum ShellState {
    #[default]
    Idle,
    /// The lines to write once the shell runs.
    Starting(Vec<u8>),
    Running(ShellProcess),
    /// The shell could not be started, or died: nothing is recorded.
    Off,
}

struct ShellProcess {
    shell: Child,
    writer: PipeWriter,
    /// With an open reader, a write to a dead shell is an error and not a SIGPIPE, which ends a host written in C.
    _reader: PipeReader,
}

impl Orphans {
    /// Records that this group runs.
    pub(super) fn add(&self, group: u32) {
        let line = format!("+ {group}\n");
        {
            let mut state = lock(&self.0);
            match &mut *state {
                ShellState::Idle => *state = ShellState::Starting(line.into_bytes()),
                ShellState::Starting(waiting) => return waiting.extend(line.into_bytes()),
                ShellState::Running(_) => return state.write(line.as_bytes()),
                ShellState::Off => return,
            }
        }
        let started = ShellProcess::start();
        let mut state = lock(&self.0);
        let next = started.map_or(ShellState::Off, ShellState::Running);
        if let ShellState::Starting(waiting) = std::mem::replace(&mut *state, next) {
            state.write(&waiting);
        }
    }

    /// Records that this group has ended. Call before the group's leader is reaped, so that the number still belongs to it.
    pub(super) fn remove(&self, group: u32) {
        let line = format!("- {group}\n");
        let mut state = lock(&self.0);
        match &mut *state {
            ShellState::Starting(waiting) => waiting.extend(line.into_bytes()),
            ShellState::Running(_) => state.write(line.as_bytes()),
            ShellState::Idle | ShellState::Off => {}
        }
    }

    /// Ends the shell, when no process runs any more.
    pub(super) fn close(&self) {
        let state = std::mem::replace(&mut *lock(&self.0), ShellState::Off);
        if let ShellState::Running(ShellProcess { mut shell, writer, _reader }) = state {
            drop((writer, _reader));
            // Another part of the process may have reaped the shell.
            let _ = shell.wait();
        }
    }

    /// For the child of a fork: the parent's shell must not wait for the child's end.
    pub(super) fn leave(&self) {
        if let Some(mut state) = try_lock(&self.0) {
            drop(std::mem::replace(&mut *state, ShellState::Off));
        }
    }
}

impl ShellState {
    /// Writes to the shell. If a line cannot be written, the shell is ended: it would later end a group whose number was reused.
    fn write(&mut self, text: &[u8]) {
        let Self::Running(process) = self else { return };
        if process.writer.write_all(text).is_err() {
            // The shell is not reaped yet, so that the number is still the shell's.
            let _ = process.shell.kill();
            let _ = process.shell.try_wait();
            *self = Self::Off;
        }
    }
}

impl ShellProcess {
    fn start() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        // A stopped shell must not block this process.
        rustix::io::ioctl_fionbio(&writer, true)?;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT]).env_clear().process_group(0);
        command.stdin(reader.try_clone()?).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { shell: command.spawn()?, writer, _reader: reader })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, test_kill_process_group};
    use std::time::{Duration, Instant};

    fn sleeper() -> (Child, u32) {
        let sleeper = Command::new("sleep").arg("300").process_group(0).spawn().unwrap();
        let group = sleeper.id();
        (sleeper, group)
    }

    #[test]
    fn what_still_runs_when_the_pipe_ends_is_ended_and_nothing_else() {
        let orphans = Orphans::default();
        let ((mut first, one), (mut second, two), (mut third, three)) = (sleeper(), sleeper(), sleeper());
        for group in [one, two, three] {
            orphans.add(group);
        }
        orphans.remove(two);
        // As if the owner died.
        orphans.close();
        assert!(!first.wait().unwrap().success() && !third.wait().unwrap().success());
        let group = Pid::from_raw(two.cast_signed()).unwrap();
        assert!(second.try_wait().unwrap().is_none() && test_kill_process_group(group).is_ok());
        second.kill().unwrap();
        second.wait().unwrap();
    }

    #[test]
    fn a_shell_that_died_harms_nothing() {
        let orphans = Orphans::default();
        let (mut sleeper, group) = sleeper();
        orphans.add(group);
        if let ShellState::Running(process) = &mut *lock(&orphans.0) {
            process.shell.kill().unwrap();
            process.shell.wait().unwrap();
        }
        let until = Instant::now() + Duration::from_secs(20);
        // Until the pipe is full.
        while !matches!(*lock(&orphans.0), ShellState::Off) {
            assert!(Instant::now() < until);
            orphans.add(group);
            orphans.remove(group);
        }
        orphans.close();
        assert!(sleeper.try_wait().unwrap().is_none());
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
    }
}
