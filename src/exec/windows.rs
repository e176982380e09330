//! Processes, jobs and exit statuses on Windows.

#![expect(clippy::disallowed_methods, reason = "a part of the only place that starts processes")]

use std::fs::File;
use std::io::{self, PipeWriter, Read, Seek, Write};
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use process_wrap::std::{ChildWrapper, CommandWrap, JobObject};
use win32job::{ExtendedLimitInfo, Job};

use super::{Exit, Launch};

/// A process and everything that it started. Ends when this process ends for any reason, until the last [`ProcessGroup`] is dropped.
#[derive(Debug)]
pub(super) struct ProcessGroup(Option<Job>);

/// The process runs no thread before it is in its job.
const CREATE_SUSPENDED: u32 = 0x4;
/// Only this process gets Ctrl-C: a compiler that reacts to it would look like a failed compiler.
const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;

/// Creates an unnamed file, which can grow.
pub(super) fn unnamed_file(dir: &Path, _size: Option<u64>) -> io::Result<(File, bool)> {
    Ok((tempfile::tempfile_in(dir)?, false))
}

/// Returns the first bytes of a file.
pub(super) fn read_start(mut file: &File, size: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.rewind()?;
    file.take(size).read_to_end(&mut text)?;
    Ok(text)
}

/// A process.
pub(super) struct Process(Child);

/// Starts a process in its own job. The process is suspended until it is in the job, so that its children are in the job too. std
/// alone cannot start a process suspended.
pub(super) fn start(launch: Launch<'_>) -> io::Result<(Process, ProcessGroup)> {
    let mut command = Command::new(launch.program);
    command.args(launch.args);
    if let Some(variables) = launch.variables {
        command.env_clear().envs(variables.iter());
    }
    command.envs(launch.env);
    command.stdin(launch.input.map_or_else(Stdio::null, Stdio::from));
    command.stdout(launch.output.try_clone()?).stderr(launch.output);
    spawn(command)
}

fn spawn(command: Command) -> io::Result<(Process, ProcessGroup)> {
    let job = Job::create_with_limit_info(ExtendedLimitInfo::new().limit_kill_on_job_close())?;
    let mut spawned = None;
    let resumed = CommandWrap::from(command).wrap(JobObject).spawn_with_child(|command| {
        let child = command.creation_flags(CREATE_SUSPENDED | CREATE_NEW_PROCESS_GROUP).spawn()?;
        let handle = child.as_handle().try_clone_to_owned();
        let handle = job.assign_process(child.as_raw_handle() as isize).map_err(Into::into).and(handle);
        spawned = Some(child);
        Ok(Box::new(Suspended(handle?)))
    });
    // The nested job of JobObject served to suspend and resume; it does not end with this process.
    match (resumed, spawned) {
        (Ok(_), Some(child)) => Ok((Process(child), ProcessGroup(Some(job)))),
        (Err(error), Some(mut child)) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
        (Err(error), None) => Err(error),
        (Ok(_), None) => Err(io::Error::other("a process was resumed before it was started")),
    }
}

impl ProcessGroup {
    /// Windows has no signal that stops a process.
    #[expect(clippy::unused_self, reason = "as on Unix")]
    pub(super) fn is_stopped(&self) -> bool {
        false
    }

    /// Unknown here: a process that has ended leaves the table a moment later.
    #[expect(clippy::unused_self, reason = "as on Unix")]
    pub(super) fn has_ended(&self) -> bool {
        false
    }

    /// Ends the process and everything that it started.
    pub(super) fn end(&mut self) {
        // Closing the job's only handle ends the processes in the job.
        self.0 = None;
    }
}

impl Drop for ProcessGroup {
    /// The process ended by itself. Processes that it left running may serve others: the compilers of Visual Studio share one `mspdbsrv`.
    fn drop(&mut self) {
        if let Some(job) = &self.0 {
            let _ = job.set_extended_limit_info(&ExtendedLimitInfo::new());
        }
    }
}

/// The handle that [`JobObject`] resumes; the waiting thread owns the process.
#[derive(Debug)]
struct Suspended(OwnedHandle);

impl ChildWrapper for Suspended {
    fn inner(&self) -> &dyn ChildWrapper {
        self
    }

    fn inner_mut(&mut self) -> &mut dyn ChildWrapper {
        self
    }

    fn into_inner(self: Box<Self>) -> Box<dyn ChildWrapper> {
        self
    }

    fn process_handle(&self) -> Option<BorrowedHandle<'_>> {
        Some(self.0.as_handle())
    }

    /// Called if the process cannot be put into the job; `spawn` ends the process then.
    fn start_kill(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Process {
    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }

    /// True if the process has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// Waits for the end. The id is not reused while the handle exists.
    pub(super) fn wait_unreaped(&mut self) {
        let _ = self.0.wait();
    }

    /// Waits for the end and returns the exit status.
    pub(super) fn wait(&mut self) -> io::Result<ExitStatus> {
        self.0.wait()
    }
}

pub(super) fn exit(status: ExitStatus) -> Exit {
    Exit::Code(status.code().unwrap_or(-1))
}

/// Always false: an open handle gives the exit code.
pub(super) fn was_reaped_by_another(_error: &std::io::Error) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;
    use std::time::{Duration, Instant};
    use std::{env, thread};

    use mjit_cc_platforms::Step;
    use mjit_cc_platforms::response::Syntax;

    use super::super::{ExecError, Executor, Finished, Invocation, ProcessExecutor};
    use super::*;

    /// The directory in which the processes of a test keep their files.
    const DIR: &str = "MJIT_CC_TEST_DIR";

    /// Not a test, but the program that the tests run. Starts a process that holds a lock until it is told to stop.
    #[test]
    #[ignore = "the tests run it as a process of their own"]
    fn parent() {
        let Some(dir) = env::var_os(DIR) else { return };
        let child = Command::new(env::current_exe().unwrap()).args(["--ignored", "tests::child"]).spawn();
        drop(child.unwrap());
        wait_for(&Path::new(&dir).join("locked"));
        if !Path::new(&dir).join("leave").exists() {
            thread::sleep(Duration::from_secs(300));
        }
    }

    /// Not a test either.
    #[test]
    #[ignore = "a test's process starts it"]
    fn child() {
        let Some(dir) = env::var_os(DIR) else { return };
        let dir = Path::new(&dir);
        let lock = File::create(dir.join("locking")).unwrap();
        lock.lock().unwrap();
        fs::write(dir.join("locked"), "").unwrap();
        let began = Instant::now();
        while !dir.join("stop").exists() && began.elapsed() < Duration::from_secs(300) {
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn wait_for(path: &Path) {
        until(&path.display().to_string(), || path.exists());
    }

    #[track_caller]
    fn until(what: &str, happened: impl Fn() -> bool) {
        let began = Instant::now();
        while !happened() {
            assert!(began.elapsed() < Duration::from_secs(60), "not in a minute: {what}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn run(executor: &ProcessExecutor, dir: &Path, within: Option<Duration>) -> Result<Finished, ExecError> {
        let step = Step {
            program: env::current_exe().unwrap(),
            leading: Vec::new(),
            args: ["--ignored", "tests::parent"].map(Into::into).into(),
            env: vec![(DIR.into(), dir.into())],
            response: Syntax::Gnu,
        };
        executor.run(&Invocation { step: &step, deadline: within.map(|within| Instant::now() + within), temp_dir: dir })
    }

    fn is_alive(dir: &Path) -> bool {
        File::open(dir.join("locking")).unwrap().try_lock().is_err()
    }

    #[test]
    fn the_deadline_ends_what_a_process_started() {
        let dir = tempfile::tempdir().unwrap();
        let error = run(&ProcessExecutor::default(), dir.path(), Some(Duration::from_secs(5))).unwrap_err();
        assert!(matches!(error, ExecError::TimedOut { .. }), "{error:?}");
        until("the child's end", || !is_alive(dir.path()));
    }

    #[test]
    fn cancelling_ends_what_a_process_started() {
        let dir = tempfile::tempdir().unwrap();
        let executor = ProcessExecutor::default();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| run(&executor, dir.path(), None));
            wait_for(&dir.path().join("locked"));
            assert!(is_alive(dir.path()));
            executor.cancel();
            assert!(matches!(waiting.join().unwrap(), Err(ExecError::Cancelled)));
        });
        until("the child's end", || !is_alive(dir.path()));
    }

    #[test]
    fn what_a_process_left_running_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("leave"), "").unwrap();
        let finished = run(&ProcessExecutor::default(), dir.path(), None).unwrap();
        assert_eq!(finished.exit, Exit::Code(0), "{}", String::from_utf8_lossy(&finished.output));
        thread::sleep(Duration::from_millis(300));
        assert!(is_alive(dir.path()));
        fs::write(dir.path().join("stop"), "").unwrap();
        until("the child's end", || !is_alive(dir.path()));
    }
}

/// Writes the whole text. An error if the process reads no more.
pub(super) fn write_to_pipe(mut pipe: PipeWriter, text: &[u8], _is_read: impl FnMut() -> bool) -> io::Result<()> {
    pipe.write_all(text)
}
