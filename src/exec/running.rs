//! The table of running processes, for cancellation, and the watchdog that ends overdue processes. Does not know how the processes were
//! started.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::orphans::Orphans;
use super::output::Output;
use super::{BlockingObserver, Exit, Reaper, system};
use crate::sync::{Condvar, Locked, Mutex, lock};
use crate::unwind::catch;

/// Why a process ended.
pub(super) enum Ended {
    ByItself,
    TimedOut,
    Cancelled,
}

/// Tells the observer that a thread waits.
pub(super) struct WaitGuard(Option<Arc<dyn BlockingObserver>>);

impl WaitGuard {
    pub(super) fn new(waiting: Option<Arc<dyn BlockingObserver>>) -> Self {
        if let Some(waiting) = &waiting {
            waiting.begins();
        }
        Self(waiting)
    }
}

impl Drop for WaitGuard {
    fn drop(&mut self) {
        if let Some(waiting) = &self.0 {
            waiting.ends();
        }
    }
}

/// The processes of one executor.
pub(super) struct Processes {
    /// The process that started the children. In a fork of that process they are not children, and are not ended.
    parent: u32,
    table: Mutex<Table>,
    changed: Condvar,
    pub(super) orphans: Orphans,
    pub(super) reaper: Option<Arc<dyn Reaper>>,
    pub(super) waiting: Option<Arc<dyn BlockingObserver>>,
}

#[derive(Debug, Default)]
struct Table {
    cancelled: bool,
    /// True if the executor was dropped.
    is_dropped: bool,
    watchdog: Option<JoinHandle<()>>,
    /// When the watchdog wakes; `None` if it waits for a notification.
    watchdog_wakes: Option<Instant>,
    next_id: u64,
    running: HashMap<u64, RunningProcess>,
    clock: Clock,
}

#[derive(Debug)]
struct RunningProcess {
    group: system::ProcessGroup,
    deadline: Option<Instant>,
    timed_out: bool,
    /// The process's output; `None` after it exceeded the limit, and while the process waits for its input.
    output: Option<Arc<Output>>,
    /// The time for which the process was stopped, by which its deadline is extended.
    stopped: Duration,
    /// The remaining time for which the process may be stopped while this process runs: a process that stops itself must still end.
    may_stop: Duration,
}

/// Measures time in which processes could not run. A process that was stopped (Ctrl-Z, `SIGSTOP`) gets the time back; if this process was
/// stopped, which shows by a watchdog that wakes late, every process does. A process that is stopped while this process runs gets at most
/// [`PATIENCE`] times its limit.
#[derive(Debug, Default)]
struct Clock {
    /// The watchdog's last check, and its next scheduled check.
    last_check: Option<Instant>,
    next: Option<Instant>,
}

/// How many times its time limit a process may be stopped while this process runs.
const PATIENCE: u32 = 2;

/// The number of checks within a process's time limit, within these bounds: an undetected stop is at most one interval long.
const CHECKS: u32 = 16;
const SHORTEST_INTERVAL: Duration = Duration::from_millis(25);
const LONGEST_INTERVAL: Duration = Duration::from_secs(5);

impl Table {
    /// Extends deadlines by the time in which processes could not run since the last check.
    fn extend_deadlines(&mut self, now: Instant) {
        let Clock { last_check: Some(last_check), next: Some(next) } = self.clock else { return };
        let late = now.saturating_duration_since(next);
        let since = now.saturating_duration_since(last_check);
        for running in self.running.values_mut() {
            let alone = if running.group.is_stopped() {
                since.saturating_sub(late).min(running.may_stop)
            } else {
                Duration::ZERO
            };
            running.may_stop -= alone;
            let lost = late + alone;
            running.stopped += lost;
            running.deadline = running.deadline.and_then(|deadline| deadline.checked_add(lost));
        }
        self.clock = Clock { last_check: Some(now), next: Some(next.max(now)) };
    }
}

impl Processes {
    pub(super) fn for_host(reaper: Option<Arc<dyn Reaper>>, waiting: Option<Arc<dyn BlockingObserver>>) -> Self {
        let (table, changed) = (Mutex::default(), Condvar::default());
        Self { parent: std::process::id(), table, changed, orphans: Orphans::default(), reaper, waiting }
    }

    fn is_parent(&self) -> bool {
        self.parent == std::process::id()
    }

    fn table(&self) -> Locked<'_, Table> {
        lock(&self.table)
    }

    /// Adds a process, so that `cancel` and the watchdog know it. If `cancel` was called meanwhile, the process is ended at once.
    pub(super) fn register(
        self: &Arc<Self>,
        mut group: system::ProcessGroup,
        leader: u32,
        deadline: Option<Instant>,
        output: Option<Arc<Output>>,
    ) -> u64 {
        self.orphans.add(leader);
        let mut table = self.table();
        if table.cancelled {
            group.end();
        }
        let id = table.next_id;
        table.next_id += 1;
        let wake = earlier(deadline, output.as_deref().and_then(next_check));
        let limit = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
        let (stopped, may_stop) = (Duration::ZERO, limit.saturating_mul(PATIENCE));
        table.running.insert(id, RunningProcess { group, deadline, timed_out: false, output, stopped, may_stop });
        self.watch_for(&mut table, wake);
        id
    }

    fn watch_for(self: &Arc<Self>, table: &mut Table, wake: Option<Instant>) {
        let Some(wake) = wake else { return };
        if table.watchdog.is_none() {
            let shared = Arc::clone(self);
            // Without the thread no deadline is enforced, which is better than not compiling.
            table.watchdog = thread::Builder::new().spawn(move || watch(&shared)).ok();
        }
        // Waking the thread for each process would cost a context switch per process.
        if table.watchdog_wakes.is_none_or(|until| wake < until) {
            self.changed.notify_all();
        }
    }

    /// Sets another deadline for a process that got its input. False if its time was up already.
    pub(super) fn rearm(self: &Arc<Self>, id: u64, deadline: Option<Instant>, output: &Arc<Output>) -> bool {
        let mut table = self.table();
        let Some(running) = table.running.get_mut(&id).filter(|running| !running.timed_out) else { return false };
        running.deadline = deadline;
        running.output = Some(Arc::clone(output));
        self.watch_for(&mut table, earlier(deadline, next_check(output)));
        true
    }

    pub(super) fn end(&self, id: u64) {
        if !self.is_parent() {
            return;
        }
        if let Some(running) = self.table().running.get_mut(&id) {
            running.group.end();
        }
    }

    /// Ends all processes, and those that are registered later.
    pub(super) fn cancel(&self) {
        if !self.is_parent() {
            return;
        }
        let mut table = self.table();
        table.cancelled = true;
        table.running.values_mut().for_each(|running| running.group.end());
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.table().cancelled
    }

    /// Ends the watchdog and the orphan shell, and waits for both.
    pub(super) fn end_watchdog(&self) {
        if !self.is_parent() {
            return;
        }
        let watchdog = {
            let mut table = self.table();
            table.is_dropped = true;
            table.watchdog.take()
        };
        self.changed.notify_all();
        // The thread does not panic, and no caller could handle it.
        let _ = watchdog.map(JoinHandle::join);
        self.orphans.close();
    }

    /// Waits for a process and removes it from the table.
    pub(super) fn wait(
        &self,
        id: u64,
        process: &mut system::Process,
        waiting: Option<Arc<dyn BlockingObserver>>,
    ) -> io::Result<(Exit, Ended, Duration)> {
        let waits = WaitGuard::new(waiting);
        let lent = self.reaper.as_ref().map(|reaper| catch(|| reaper.wait(process.id())).unwrap_or(Exit::Unknown));
        if lent.is_none() {
            // The process is reaped after its removal: until then its id cannot belong to another process.
            process.wait_unreaped();
        }
        let stopped;
        let ended = {
            let mut table = self.table();
            table.extend_deadlines(Instant::now());
            let running = table.running.remove(&id);
            stopped = running.as_ref().map_or(Duration::ZERO, |running| running.stopped);
            let timed_out = running.is_some_and(|running| running.timed_out);
            if table.cancelled {
                Ended::Cancelled
            } else if timed_out {
                Ended::TimedOut
            } else {
                Ended::ByItself
            }
        };
        self.orphans.remove(process.id());
        // After the removal: a fork may take long, and the process's id may be reused by then.
        drop(waits);
        let exit = match (lent, process.wait()) {
            (Some(exit), _) => exit,
            (None, Ok(status)) => system::exit(status),
            (None, Err(error)) if system::was_reaped_by_another(&error) => Exit::Unknown,
            (None, Err(error)) => return Err(error),
        };
        Ok((exit, ended, stopped))
    }
}

/// How long the watchdog stays awake without a running process.
const LINGER: Duration = Duration::from_millis(250);

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

fn next_check(output: &Output) -> Option<Instant> {
    output.pause().and_then(|pause| Instant::now().checked_add(pause))
}

/// Ends overdue processes, and processes whose output exceeds the limit.
fn watch(shared: &Processes) {
    let mut table = shared.table();
    // Checks once more after the last process has ended: with processes in sequence, none has to wake this thread.
    let mut last_check = false;
    while !table.is_dropped {
        let now = Instant::now();
        table.extend_deadlines(now);
        let (mut next, mut look): (Option<Instant>, Option<Instant>) = (None, None);
        for running in table.running.values_mut() {
            if let Some(output) = running.output.take_if(|output| output.is_over()) {
                drop(output);
                running.group.end();
            }
            look = earlier(look, running.output.as_deref().and_then(next_check));
            match running.deadline {
                // While this process was stopped, the other process may have ended.
                Some(deadline) if deadline <= now && running.group.has_ended() => running.deadline = None,
                Some(deadline) if deadline <= now => {
                    running.timed_out = true;
                    running.deadline = None;
                    running.group.end();
                }
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(now);
                    next = earlier(
                        next,
                        now.checked_add(left.min((left / CHECKS).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL))),
                    );
                }
                None => {}
            }
        }
        let lingers = last_check && look.is_none();
        last_check = look.is_some();
        let next = earlier(next, look.or_else(|| now.checked_add(LINGER).filter(|_| lingers)));
        table.watchdog_wakes = next;
        table.clock = Clock { last_check: next.map(|_| now), next };
        table = match next {
            Some(next) => table.wait_for(&shared.changed, next.saturating_duration_since(now)),
            None => table.wait(&shared.changed),
        };
    }
}
