//! Runs compilers: the only module that starts processes. Knows steps, not their purpose.
//!
//! `running` is the table of the processes with its watchdog, `output` collects what they write, `orphans` ends them if their owner is
//! killed, `prestarted` is a process that waits for its input, `unix` and `windows` contain the differences between the systems.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, PipeReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mjit_cc_platforms::Step;
use mjit_cc_platforms::response::{CommandLine, Host};

#[cfg(unix)]
#[path = "exec/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "exec/windows.rs"]
mod system;

#[cfg(target_os = "linux")]
#[path = "exec/inotify.rs"]
mod watch;
#[cfg(not(target_os = "linux"))]
#[path = "exec/unwatched.rs"]
mod watch;

#[cfg(unix)]
#[path = "exec/orphans.rs"]
mod orphans;
#[cfg(not(unix))]
#[path = "exec/no_orphans.rs"]
mod orphans;

mod output;
mod prestarted;
mod running;
mod sleep;

#[cfg(unix)]
pub use crate::thread::is_ignored;
use crate::variables::Variables;
pub use output::{DEFAULT_LIMIT, NO_LIMIT};
pub use prestarted::PrestartedProcess;
pub(crate) use watch::Watch;

use crate::sync;
use crate::unwind::{catch, is_thread_ending};
use output::{Output, cut_off};
use running::{Ended, Processes, WaitGuard};

/// Returns the deadline of work that begins now. `None` without a limit, and for a limit past the end of the clock.
pub(crate) fn deadline(limit: Option<Duration>) -> Option<Instant> {
    limit.and_then(|limit| Instant::now().checked_add(limit))
}

/// The system that runs the compilers.
pub(crate) const HOST: Host = if cfg!(windows) { Host::Windows } else { Host::Unix };

/// One process to run.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'a> {
    /// Program and arguments.
    pub step: &'a Step,
    /// When to end the process and everything that it started.
    pub deadline: Option<Instant>,
    /// The directory for the process's temporary files, and for this crate's response file.
    pub temp_dir: &'a Path,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The exit code; 0 is success.
    Code(i32),
    /// The signal that ended the process.
    Signal(i32),
    /// The status is unknown: another part of the process reaped the child, for example by `waitpid(-1)`, or `SIGCHLD` is ignored.
    Unknown,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Unknown => {
                f.write_str("unknown exit status, because another part of the host's process reaped the compiler")
            }
        }
    }
}

/// A process that was not ended by this crate.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How the process ended.
    pub exit: Exit,
    /// Standard output and standard error, in the order in which they were written.
    pub output: Vec<u8>,
    /// The time in which the process, or this process, was stopped; it does not count towards the deadline.
    pub stopped: Duration,
}

/// Why a process was ended, or was not started.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The program does not exist (any more) or is not executable.
    #[error("cannot start {}: {source}", program.display())]
    NotStarted {
        /// The program.
        program: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The deadline passed; the process and everything that it started were ended.
    #[error("ended at its deadline")]
    TimedOut {
        /// What the process had written.
        output: Vec<u8>,
    },
    /// The process wrote more than the limit; the process and everything that it started were ended.
    #[error("wrote more than {limit} bytes")]
    Flooded {
        /// The limit in bytes.
        limit: u64,
        /// The beginning of the output, with a line about the dropped rest.
        output: Vec<u8>,
    },
    /// [`Executor::cancel`] was called.
    #[error("interrupted")]
    Cancelled,
    /// An error with the process's files, or while waiting for its end.
    #[error("cannot run {}: {source}", program.display())]
    Io {
        /// The program.
        program: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// Runs steps. Shared by threads; each thread waits for its own process.
pub trait Executor: Send + Sync {
    /// Runs one process and waits until it ends.
    ///
    /// # Errors
    /// [`ExecError`]; a non-zero exit code is no error.
    fn run(&self, invocation: &Invocation<'_>) -> Result<Finished, ExecError>;

    /// Starts a process that waits for its input, and returns at once. The invocation's deadline limits the wait for the input.
    ///
    /// # Errors
    /// [`ExecError`], also if the host waits for children itself.
    fn prestart(&self, invocation: &Invocation<'_>) -> Result<PrestartedProcess, ExecError>;

    /// Runs `wait`, which waits for something other than a process, and tells the [`BlockingObserver`] about it.
    fn wait_otherwise(&self, wait: &mut dyn FnMut()) {
        wait();
    }

    /// Ends every running process, and starts no more. May be called from any thread, any number of times.
    fn cancel(&self);

    /// True if [`cancel`](Self::cancel) was called.
    fn is_cancelled(&self) -> bool;
}

/// The host's way to wait for children, for a host whose `SIGCHLD` handler or `waitpid(-1)` would otherwise take their exit status
/// (Ruby Bug #14867). Called on the thread that runs the process, in the order of the methods. The process may be forked between
/// [`enter`](Self::enter) and [`leave`](Self::leave), and while [`wait`](Self::wait) blocks: hold no lock then, or reset the lock in
/// [`forked`](Self::forked). A panic counts as an unknown exit status.
pub trait Reaper: Send + Sync {
    /// Called before a process is started: from now on the host must not reap children that it does not know.
    fn enter(&self);

    /// Waits for the process's end and reaps it.
    fn wait(&self, pid: u32) -> Exit;

    /// Called after the process has ended, or was not started.
    fn leave(&self);

    /// Called in the child of a fork, where the threads between `enter` and `leave` do not exist.
    fn forked(&self) {}
}

/// Told when a thread begins to wait, for its process or for permission to start one, and when it continues. While it waits, the thread
/// holds no lock of the host and changes nothing, so that the process may be forked.
pub trait BlockingObserver: Send + Sync {
    /// Called when the thread begins to wait.
    fn begins(&self);

    /// Called when the thread stops waiting.
    fn ends(&self);
}

/// Runs real processes, each in its own process group so that its children end with it.
pub struct ProcessExecutor {
    processes: Arc<Processes>,
    /// The environment of the processes; `None` for this process's environment.
    variables: Option<Variables>,
    output_limit: u64,
    abandoned: AtomicBool,
}

impl Default for ProcessExecutor {
    fn default() -> Self {
        Self::for_host(None, None)
    }
}

/// The watchdog ends with the executor.
impl Drop for ProcessExecutor {
    fn drop(&mut self) {
        if !self.abandoned.load(Ordering::Relaxed) {
            self.processes.end_watchdog();
        }
    }
}

impl ProcessExecutor {
    /// Creates an executor for a host that waits for children itself, or forks.
    #[must_use]
    pub fn for_host(reaper: Option<Arc<dyn Reaper>>, waiting: Option<Arc<dyn BlockingObserver>>) -> Self {
        let processes = Arc::new(Processes::for_host(reaper, waiting));
        Self { processes, variables: None, output_limit: DEFAULT_LIMIT, abandoned: AtomicBool::new(false) }
    }

    /// Sets the environment of the processes, and never reads the environment of this process, which other threads of a host may change.
    #[must_use]
    pub fn with_variables(mut self, variables: Variables) -> Self {
        self.variables = Some(variables);
        self
    }

    /// Sets the limit, in bytes, of a process's standard output and standard error together; a process that writes more is ended. The
    /// default is [`DEFAULT_LIMIT`]; [`NO_LIMIT`] keeps all.
    #[must_use]
    pub fn with_output_limit(mut self, bytes: u64) -> Self {
        self.output_limit = bytes;
        self
    }

    /// For the child of a fork: the watchdog thread does not exist here, cannot be joined or detached, and may have held the lock.
    pub(crate) fn abandon(&self) {
        self.leave();
        self.abandoned.store(true, Ordering::Relaxed);
        std::mem::forget(Arc::clone(&self.processes));
    }

    /// For the child of a fork: closes what the parent's helper processes wait for.
    pub(crate) fn leave(&self) {
        #[cfg(unix)]
        self.processes.orphans.leave();
    }

    /// Starts a process whose standard input is `input`.
    fn start(&self, invocation: &Invocation<'_>, input: Option<PipeReader>) -> Result<Started, ExecError> {
        let Invocation { step, deadline, temp_dir } = *invocation;
        sync::assert_none_held();
        let failed = |source| ExecError::Io { program: step.program.clone(), source };
        if self.is_cancelled() {
            return Err(ExecError::Cancelled);
        }
        let mut response = None;
        let args = match step.command_line(HOST) {
            CommandLine::Direct => step.args.clone(),
            CommandLine::ViaFile(contents) => {
                let mut file =
                    tempfile::Builder::new().prefix("args").suffix(".rsp").tempfile_in(temp_dir).map_err(failed)?;
                file.write_all(&contents).map_err(failed)?;
                let mut word = OsString::from("@");
                word.push(file.path());
                response = Some(file.into_temp_path());
                vec![word]
            }
        };
        let output = Arc::new(Output::new(temp_dir, self.output_limit).map_err(failed)?);
        let temp = ["TMPDIR", "TMP", "TEMP"].map(|name| (OsString::from(name), OsString::from(temp_dir)));
        // If a name had two values, the system would decide which one counts.
        let temp = temp.into_iter().filter(|(name, _)| step.env.iter().all(|(set, _)| set != name));
        let env = step.env.iter().cloned().chain(temp).collect();
        let args = step.leading.iter().cloned().chain(args).collect();
        let (program, variables) = (&step.program, self.variables.as_ref());
        let waits_for_input = input.is_some();
        let launch = Launch { program, args, variables, env, input, output: output.for_process().map_err(failed)? };
        let entered = self.processes.reaper.clone().map(ReaperGuard::new);
        let (process, group) =
            system::start(launch).map_err(|source| ExecError::NotStarted { program: step.program.clone(), source })?;
        let id =
            self.processes.register(group, process.id(), deadline, (!waits_for_input).then(|| Arc::clone(&output)));
        let program = step.program.clone();
        Ok(Started {
            processes: Arc::clone(&self.processes),
            id,
            process,
            program,
            output_limit: self.output_limit,
            output,
            _entered: entered,
            _response: response,
        })
    }
}

/// A running process.
struct Started {
    processes: Arc<Processes>,
    id: u64,
    process: system::Process,
    program: PathBuf,
    output_limit: u64,
    output: Arc<Output>,
    _entered: Option<ReaperGuard>,
    _response: Option<tempfile::TempPath>,
}

impl Started {
    /// Waits until the process ends.
    fn wait(self) -> Result<Finished, ExecError> {
        let waiting = self.processes.waiting.clone();
        self.wait_telling(waiting)
    }

    fn wait_telling(mut self, waiting: Option<Arc<dyn BlockingObserver>>) -> Result<Finished, ExecError> {
        sync::assert_none_held();
        let failed = |source| ExecError::Io { program: self.program.clone(), source };
        let (exit, ended, stopped) = self.processes.wait(self.id, &mut self.process, waiting).map_err(failed)?;
        let (text, dropped) = self.output.read().map_err(failed)?;
        match ended {
            Ended::Cancelled => Err(ExecError::Cancelled),
            // Also if the process ended first: the result must not depend on the timing.
            _ if dropped > 0 => Err(ExecError::Flooded { limit: self.output_limit, output: cut_off(text, dropped) }),
            Ended::TimedOut => Err(ExecError::TimedOut { output: text }),
            Ended::ByItself => Ok(Finished { exit, output: text, stopped }),
        }
    }
}

/// A process to start.
struct Launch<'a> {
    program: &'a Path,
    args: Vec<OsString>,
    /// The environment; `None` for this process's environment.
    variables: Option<&'a Variables>,
    /// Variables to add to the environment.
    env: Vec<(OsString, OsString)>,
    /// Standard input; empty if `None`.
    input: Option<PipeReader>,
    /// The file for standard output and standard error.
    output: File,
}

/// Calls `leave` when it is dropped.
struct ReaperGuard(Arc<dyn Reaper>);

impl ReaperGuard {
    fn new(reaper: Arc<dyn Reaper>) -> Self {
        let entered = Self(reaper);
        let _ = catch(|| entered.0.enter());
        entered
    }
}

impl Drop for ReaperGuard {
    fn drop(&mut self) {
        // A thread that the host is ending must not call the host.
        if !is_thread_ending() {
            let _ = catch(|| self.0.leave());
        }
    }
}

impl Executor for ProcessExecutor {
    fn run(&self, invocation: &Invocation<'_>) -> Result<Finished, ExecError> {
        self.start(invocation, None)?.wait()
    }

    fn prestart(&self, invocation: &Invocation<'_>) -> Result<PrestartedProcess, ExecError> {
        let failed = |source| ExecError::Io { program: invocation.step.program.clone(), source };
        if self.processes.reaper.is_some() {
            // The process would be between the host's `enter` and `leave` for as long as it waits.
            return Err(failed(io::ErrorKind::Unsupported.into()));
        }
        let (reader, writer) = io::pipe().map_err(failed)?;
        let started = self.start(invocation, Some(reader.try_clone().map_err(failed)?))?;
        Ok(PrestartedProcess::new(started, reader, writer))
    }

    fn wait_otherwise(&self, wait: &mut dyn FnMut()) {
        sync::assert_none_held();
        let _waits = WaitGuard::new(self.processes.waiting.clone());
        wait();
    }

    fn cancel(&self) {
        self.processes.cancel();
    }

    fn is_cancelled(&self) -> bool {
        self.processes.is_cancelled()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use mjit_cc_platforms::response::Syntax;
    use std::thread;

    fn shell(script: &str) -> Step {
        Step {
            program: "/bin/sh".into(),
            leading: Vec::new(),
            args: vec!["-c".into(), script.into()],
            env: vec![("GREETING".into(), "hello".into())],
            response: Syntax::Gnu,
        }
    }

    fn run(executor: &ProcessExecutor, step: &Step, within: Option<Duration>) -> Result<Finished, ExecError> {
        let dir = tempfile::tempdir().unwrap();
        let deadline = within.map(|within| Instant::now() + within);
        executor.run(&Invocation { step, deadline, temp_dir: dir.path() })
    }

    #[test]
    fn output_keeps_its_order_and_the_exit_its_kind() {
        let executor = ProcessExecutor::default();
        let finished = run(&executor, &shell("echo $GREETING; echo two >&2; echo three; exit 3"), None).unwrap();
        assert_eq!(finished.exit, Exit::Code(3));
        assert_eq!(finished.output, b"hello\ntwo\nthree\n");
        let finished = run(&executor, &shell("kill -SEGV $$"), None).unwrap();
        assert_eq!(finished.exit, Exit::Signal(11));
    }

    #[test]
    fn a_program_that_is_not_there() {
        let mut step = shell("");
        step.program = "/no/such/compiler".into();
        let error = run(&ProcessExecutor::default(), &step, None).unwrap_err();
        assert!(matches!(error, ExecError::NotStarted { .. }), "{error:?}");
    }

    #[test]
    fn the_deadline_ends_grandchildren_too() {
        let executor = ProcessExecutor::default();
        let step = shell("sleep 300 & echo $!; wait");
        let error = run(&executor, &step, Some(Duration::from_secs(2))).unwrap_err();
        let ExecError::TimedOut { output } = error else { panic!("{error:?}") };
        let grandchild: i32 = String::from_utf8(output).unwrap().trim().parse().unwrap();
        let pid = rustix::process::Pid::from_raw(grandchild).unwrap();
        // The host's init process reaps it a moment later.
        let gone = (0..100).any(|_| {
            thread::sleep(Duration::from_millis(20));
            let stat = std::fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
            rustix::process::test_kill_process(pid).is_err() || stat.contains(") Z ")
        });
        assert!(gone, "grandchild {grandchild} lives on");
    }

    #[test]
    fn the_watchdog_is_gone_with_its_executor() {
        let executor = ProcessExecutor::default();
        run(&executor, &shell("true"), Some(Duration::from_secs(600))).unwrap();
        let watched = Arc::downgrade(&executor.processes);
        assert_eq!(watched.strong_count(), 2, "nobody watches");
        drop(executor);
        assert_eq!(watched.strong_count(), 0, "the thread goes on");
    }

    #[test]
    fn cancelling_ends_what_runs_and_starts_nothing_more() {
        let executor = ProcessExecutor::default();
        let began = Instant::now();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| run(&executor, &shell("sleep 300"), None));
            thread::sleep(Duration::from_millis(200));
            executor.cancel();
            assert!(matches!(waiting.join().unwrap(), Err(ExecError::Cancelled)));
        });
        assert!(matches!(run(&executor, &shell("true"), None), Err(ExecError::Cancelled)));
        assert!(began.elapsed() < Duration::from_secs(60));
    }
}
