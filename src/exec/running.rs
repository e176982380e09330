//! The processes that run, as whoever cancels them knows them, and the watchdog that ends what is overdue. Knows nothing of how they were
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

/// Tells whoever wants to know that a thread waits.
pub(super) struct Waits(Option<Arc<dyn BlockingObserver>>);

impl Waits {
    pub(super) fn new(waiting: Option<Arc<dyn BlockingObserver>>) -> Self {
        if let Some(waiting) = &waiting {
            waiting.begins();
        }
        Self(waiting)
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        if let Some(waiting) = &self.0 {
            waiting.ends();
        }
    }
}

/// The processes of one executor.
pub(super) struct Processes {
    /// Whose children they are. In a process that was forked from that one they are none, and are not ended.
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
    /// The executor is gone.
    over: bool,
    watchdog: Option<JoinHandle<()>>,
    /// Until when the watchdog sleeps; none where it waits to be told.
    watchdog_sleeps: Option<Instant>,
    next_id: u64,
    running: HashMap<u64, Running>,
    clock: Clock,
}

#[derive(Debug)]
struct Running {
    group: system::Group,
    deadline: Option<Instant>,
    timed_out: bool,
    /// What it writes; none where it has written too much, and where it has nothing to do yet.
    output: Option<Arc<Output>>,
    /// For how long it could not run, by which its deadline came later.
    stopped: Duration,
}

/// Tells time in which processes could not run. A process that was stopped (Ctrl-Z, `SIGSTOP`) has that time back, and so has each where this process was
/// stopped itself, which shows by a watchdog that wakes late.
#[derive(Debug, Default)]
struct Clock {
    /// When the watchdog looked last, and when it is to look next.
    looked: Option<Instant>,
    next: Option<Instant>,
}

/// The watchdog looks so often in the time that a process has, within these bounds: what it misses of a stop is at most one look.
const LOOKS: u32 = 16;
const OFTEN: Duration = Duration::from_millis(25);
const SELDOM: Duration = Duration::from_secs(5);

impl Table {
    /// Gives back the time in which processes could not run since the watchdog looked last.
    fn give_back(&mut self, now: Instant) {
        let Clock { looked: Some(looked), next: Some(next) } = self.clock else { return };
        let late = now.saturating_duration_since(next);
        let since = now.saturating_duration_since(looked);
        for running in self.running.values_mut() {
            let lost = if running.group.is_stopped() { since } else { late };
            running.stopped += lost;
            running.deadline = running.deadline.and_then(|deadline| deadline.checked_add(lost));
        }
        self.clock = Clock { looked: Some(now), next: Some(next.max(now)) };
    }
}

impl Processes {
    pub(super) fn within(reaper: Option<Arc<dyn Reaper>>, waiting: Option<Arc<dyn BlockingObserver>>) -> Self {
        let (table, changed) = (Mutex::default(), Condvar::default());
        Self { parent: std::process::id(), table, changed, orphans: Orphans::default(), reaper, waiting }
    }

    fn are_ours(&self) -> bool {
        self.parent == std::process::id()
    }

    fn table(&self) -> Locked<'_, Table> {
        lock(&self.table)
    }

    /// From here on `cancel` and the watchdog know the process. A cancel that came in between ends it at once.
    pub(super) fn register(
        self: &Arc<Self>,
        mut group: system::Group,
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
        let wake = earlier(deadline, output.as_deref().and_then(next_look));
        table.running.insert(id, Running { group, deadline, timed_out: false, output, stopped: Duration::ZERO });
        self.watch_for(&mut table, wake);
        id
    }

    fn watch_for(self: &Arc<Self>, table: &mut Table, wake: Option<Instant>) {
        let Some(wake) = wake else { return };
        if table.watchdog.is_none() {
            let shared = Arc::clone(self);
            // Without a thread for it no limit is kept, which is better than not to compile.
            table.watchdog = thread::Builder::new().spawn(move || watch(&shared)).ok();
        }
        // To be woken for each process would be its only work, and a switch of threads for each.
        if table.watchdog_sleeps.is_none_or(|until| wake < until) {
            self.changed.notify_all();
        }
    }

    /// Gives a process that has something to do from now on another deadline. Not one whose time was up.
    pub(super) fn rearm(self: &Arc<Self>, id: u64, deadline: Option<Instant>, output: &Arc<Output>) -> bool {
        let mut table = self.table();
        let Some(running) = table.running.get_mut(&id).filter(|running| !running.timed_out) else { return false };
        running.deadline = deadline;
        running.output = Some(Arc::clone(output));
        self.watch_for(&mut table, earlier(deadline, next_look(output)));
        true
    }

    pub(super) fn end(&self, id: u64) {
        if !self.are_ours() {
            return;
        }
        if let Some(running) = self.table().running.get_mut(&id) {
            running.group.end();
        }
    }

    /// Ends all, and those that come too late for that.
    pub(super) fn cancel(&self) {
        if !self.are_ours() {
            return;
        }
        let mut table = self.table();
        table.cancelled = true;
        table.running.values_mut().for_each(|running| running.group.end());
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.table().cancelled
    }

    /// Ends the watchdog and what ends orphans, and waits for that.
    pub(super) fn end_watchdog(&self) {
        if !self.are_ours() {
            return;
        }
        let watchdog = {
            let mut table = self.table();
            table.over = true;
            table.watchdog.take()
        };
        self.changed.notify_all();
        // It cannot panic, and nobody is left to tell.
        let _ = watchdog.map(JoinHandle::join);
        self.orphans.close();
    }

    /// Waits for a process and takes it out of the table.
    pub(super) fn wait(
        &self,
        id: u64,
        process: &mut system::Process,
        waiting: Option<Arc<dyn BlockingObserver>>,
    ) -> io::Result<(Exit, Ended, Duration)> {
        let waits = Waits::new(waiting);
        let lent = self.reaper.as_ref().map(|reaper| catch(|| reaper.wait(process.id())).unwrap_or(Exit::Unknown));
        if lent.is_none() {
            // Not reaped before it left the table: until then its id cannot belong to another process.
            process.wait_unreaped();
        }
        let stopped;
        let ended = {
            let mut table = self.table();
            table.give_back(Instant::now());
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
        // After the table: a fork may take its time, and the process's id may be another's by then.
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

/// How long the watchdog stays awake when nothing runs any more.
const LINGER: Duration = Duration::from_millis(250);

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

fn next_look(output: &Output) -> Option<Instant> {
    output.pause().and_then(|pause| Instant::now().checked_add(pause))
}

/// Ends what is overdue, and what writes too much.
fn watch(shared: &Processes) {
    let mut table = shared.table();
    // Looks once more after the last process has ended: where one comes after the other, none has to wake this thread.
    let mut looked = false;
    while !table.over {
        let now = Instant::now();
        table.give_back(now);
        let (mut next, mut look): (Option<Instant>, Option<Instant>) = (None, None);
        for running in table.running.values_mut() {
            if let Some(output) = running.output.take_if(|output| output.is_over()) {
                drop(output);
                running.group.end();
            }
            look = earlier(look, running.output.as_deref().and_then(next_look));
            match running.deadline {
                // While this process was stopped, the other one may have come to its end.
                Some(deadline) if deadline <= now && running.group.has_ended() => running.deadline = None,
                Some(deadline) if deadline <= now => {
                    running.timed_out = true;
                    running.deadline = None;
                    running.group.end();
                }
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(now);
                    next = earlier(next, now.checked_add(left.min((left / LOOKS).clamp(OFTEN, SELDOM))));
                }
                None => {}
            }
        }
        let lingers = looked && look.is_none();
        looked = look.is_some();
        let next = earlier(next, look.or_else(|| now.checked_add(LINGER).filter(|_| lingers)));
        table.watchdog_sleeps = next;
        table.clock = Clock { looked: next.map(|_| now), next };
        table = match next {
            Some(next) => table.wait_for(&shared.changed, next.saturating_duration_since(now)),
            None => table.wait(&shared.changed),
        };
    }
}
