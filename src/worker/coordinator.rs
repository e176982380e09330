//! Who may touch what, and when: the protocol between the host's threads and the worker's. One mutex guards the lists and says
//! whether the host collects garbage or forks, what the worker's threads do, and what they are told to do.
//!
//! - Collecting waits only while C text is being generated, never for a compiler.
//! - Generating and publishing wait while the host collects, so that owners neither move nor die under them.
//! - Forking waits only while a worker's thread runs, never for a compiler, and happens with the mutex held: a thread that the
//!   child does not have held no other lock.
//! - No process runs, and no callback of the host's, while the mutex is held.
//!
//! Knows nothing of units: `T` is whatever the mutex guards. Checked by loom, below.

use std::time::{Duration, Instant};

use crate::exec::BlockingObserver;
#[cfg(all(unix, not(loom)))]
use crate::sync::try_lock;
use crate::sync::{Condvar, Locked, Mutex, lock};

/// What the worker's threads are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Run,
    Pause,
    Stop,
}

/// The mutex, what it guards, and the ways to wait.
#[derive(Debug)]
pub(super) struct Coordinator<T> {
    state: Mutex<State<T>>,
    /// One for all: there are few threads, and a forgotten wake-up is worse than one too many.
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    data: T,
    command: Command,
    /// Nested collections.
    collecting: u32,
    /// Threads that wait to begin one: generating gives way to them, or they might wait for ever.
    about_to_collect: u32,
    /// A thread that waits to fork: the worker's threads give way to it.
    about_to_fork: bool,
    /// Worker threads that touch owners.
    generating: u32,
    /// Worker threads that hold a unit.
    busy: u32,
    /// Worker threads that neither wait here nor for a process.
    running: u32,
    /// Threads of either kind that wait here: waking nobody costs a system call too.
    waiting: u32,
}

/// Pausing found the worker paused or stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotRunning;

impl<T> Coordinator<T> {
    pub(super) fn new(data: T) -> Self {
        let state = State {
            data,
            command: Command::Run,
            collecting: 0,
            about_to_collect: 0,
            about_to_fork: false,
            generating: 0,
            busy: 0,
            running: 0,
            waiting: 0,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn wait<'a>(&self, mut state: Locked<'a, State<T>>) -> Locked<'a, State<T>> {
        state.waiting += 1;
        let mut state = state.wait(&self.changed);
        state.waiting -= 1;
        state
    }

    fn wait_for<'a>(&self, mut state: Locked<'a, State<T>>, time: Duration) -> Locked<'a, State<T>> {
        state.waiting += 1;
        let mut state = state.wait_for(&self.changed, time);
        state.waiting -= 1;
        state
    }

    /// Unlocks, and wakes whoever waits for a change.
    fn release(&self, state: Locked<'_, State<T>>) {
        let wakes = state.waiting > 0;
        drop(state);
        if wakes {
            self.changed.notify_all();
        }
    }

    /// A host's thread waits.
    fn wait_while<'a>(
        &self,
        mut state: Locked<'a, State<T>>,
        condition: impl Fn(&State<T>) -> bool,
    ) -> Locked<'a, State<T>> {
        while condition(&state) {
            state = self.wait(state);
        }
        state
    }

    /// A running worker thread waits, and longer if the host wants to fork.
    fn rest_while<'a>(
        &self,
        mut state: Locked<'a, State<T>>,
        condition: impl Fn(&State<T>) -> bool,
    ) -> Locked<'a, State<T>> {
        if condition(&state) || state.about_to_fork {
            state.running -= 1;
            self.changed.notify_all();
            state = self.wait_while(state, |state| condition(state) || state.about_to_fork);
            state.running += 1;
        }
        state
    }

    /// Looks at or changes what the mutex guards, and wakes whoever waits for a change of it.
    pub(super) fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut state = lock(&self.state);
        let result = change(&mut state.data);
        self.release(state);
        result
    }

    /// The host begins to collect; returns once no C text is being generated. May be nested. Says whether it had to wait.
    pub(super) fn enter_gc(&self) -> bool {
        let mut state = lock(&self.state);
        let waits = state.generating > 0;
        if waits {
            state.about_to_collect += 1;
            state = self.wait_while(state, |state| state.generating > 0);
            state.about_to_collect -= 1;
        }
        state.collecting += 1;
        waits
    }

    /// The host has collected.
    ///
    /// # Panics
    /// When it had not begun to.
    pub(super) fn leave_gc(&self, then: impl FnOnce(&mut T)) {
        let mut state = lock(&self.state);
        state.collecting = state.collecting.checked_sub(1).expect("leave_gc without enter_gc");
        then(&mut state.data);
        self.release(state);
    }

    /// A worker thread's wait for work: until `take` finds some, or for ever while paused, or nothing once stopped. The thread is
    /// busy and running from then on, until [`Self::done`]. Where there is none for as long as it has patience, it is running, and not busy,
    /// until [`Self::end`].
    pub(super) fn take<U>(
        &self,
        patience: Option<Duration>,
        mut take: impl FnMut(&mut T, Status) -> Option<U>,
    ) -> Taken<U> {
        let until = patience.and_then(|patience| Instant::now().checked_add(patience));
        let mut state = lock(&self.state);
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            match state.command {
                Command::Stop => return Taken::Stopped,
                // Taking reads the owners' hotness and may drop the dead.
                Command::Run if state.collecting == 0 && !state.about_to_fork => {
                    let status = state.status();
                    if let Some(work) = take(&mut state.data, status) {
                        state.busy += 1;
                        state.running += 1;
                        return Taken::Work(work);
                    }
                    if left.is_some_and(|left| left.is_zero()) {
                        state.running += 1;
                        return Taken::Nothing;
                    }
                }
                Command::Run | Command::Pause => {}
            }
            // What holds it up now takes longer than that.
            state = match left.filter(|left| !left.is_zero()) {
                Some(left) => self.wait_for(state, left),
                None => self.wait(state),
            };
        }
    }

    /// What a busy thread may take up beside what it holds: nothing unless it could take it otherwise.
    pub(super) fn take_more<U>(&self, take: impl FnOnce(&mut T) -> Option<U>) -> Option<U> {
        let mut state = lock(&self.state);
        let may = state.command == Command::Run && state.collecting == 0;
        may.then(|| take(&mut state.data)).flatten()
    }

    /// Whether a busy thread should put off what can wait.
    pub(super) fn is_paused(&self) -> bool {
        lock(&self.state).command == Command::Pause
    }

    /// The thread is through with what it took.
    pub(super) fn done(&self) {
        let mut state = lock(&self.state);
        state.busy -= 1;
        state.running -= 1;
        self.release(state);
    }

    /// A worker thread runs without having taken anything, until [`Self::end`].
    pub(super) fn begin(&self) {
        let state = lock(&self.state);
        self.wait_while(state, |state| state.about_to_fork).running += 1;
    }

    /// Ends [`Self::begin`].
    pub(super) fn end(&self) {
        let mut state = lock(&self.state);
        state.running -= 1;
        self.release(state);
    }

    /// Begins to touch owners: waits until the host does not collect, then asks whether that is still wanted.
    pub(super) fn begin_generating<R>(&self, check: impl FnOnce(&mut T) -> Option<R>) -> Option<R> {
        let state = lock(&self.state);
        let mut state = self.rest_while(state, |state| state.collecting > 0 || state.about_to_collect > 0);
        let checked = check(&mut state.data);
        state.generating += u32::from(checked.is_some());
        checked
    }

    /// The owners are no longer touched. In the same section, what was found of them is noted: a collector that waits for this moves
    /// and frees them right afterwards.
    pub(super) fn end_generating(&self, note: impl FnOnce(&mut T)) {
        let mut state = lock(&self.state);
        state.generating -= 1;
        note(&mut state.data);
        self.release(state);
    }

    /// Changes what the host sees, in one section: waits until it does not collect, so that owners that died meanwhile are
    /// known to have.
    pub(super) fn publish<R>(&self, publish: impl FnOnce(&mut T) -> R) -> R {
        let state = lock(&self.state);
        let mut state = self.rest_while(state, |state| state.collecting > 0);
        let result = publish(&mut state.data);
        self.release(state);
        result
    }

    /// A busy worker thread waits for something that a host's thread does.
    pub(super) fn rest_until<R>(&self, mut condition: impl FnMut(&mut T, Status) -> Option<R>) -> R {
        let mut state = lock(&self.state);
        loop {
            state = self.rest_while(state, |_| false);
            let status = state.status();
            if let Some(result) = condition(&mut state.data, status) {
                return result;
            }
            state.running -= 1;
            self.changed.notify_all();
            state = self.wait(state);
            state.running += 1;
        }
    }

    /// A host's thread waits until something is true of what the mutex guards.
    pub(super) fn wait_until<R>(
        &self,
        until: Option<Instant>,
        mut condition: impl FnMut(&mut T, Status) -> Option<R>,
    ) -> Waited<R> {
        let mut state = lock(&self.state);
        loop {
            let status = state.status();
            if status.stopped {
                return Waited::Stopped;
            }
            if let Some(result) = condition(&mut state.data, status) {
                return Waited::Until(result);
            }
            state = match until {
                None => self.wait(state),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Waited::TooLong;
                    }
                    self.wait_for(state, left)
                }
            };
        }
    }

    /// Tells the threads to take nothing more, and waits until they are through with what they hold, publication included.
    pub(super) fn pause(&self) -> Result<(), NotRunning> {
        let mut state = lock(&self.state);
        if state.command != Command::Run {
            return Err(NotRunning);
        }
        state.command = Command::Pause;
        self.changed.notify_all();
        // Another thread may have resumed it meanwhile.
        drop(self.wait_while(state, |state| state.busy > 0 && state.command == Command::Pause));
        Ok(())
    }

    /// Lets paused threads go on. False when they were not paused.
    pub(super) fn resume(&self) -> bool {
        let mut state = lock(&self.state);
        let paused = state.command == Command::Pause;
        if paused {
            state.command = Command::Run;
        }
        self.release(state);
        paused
    }

    /// Tells the threads to end. They are through with what they hold when they are joined. False when they were told before.
    pub(super) fn stop(&self) -> bool {
        let mut state = lock(&self.state);
        let before = std::mem::replace(&mut state.command, Command::Stop);
        self.release(state);
        before != Command::Stop
    }

    /// Holds everything still, for a fork: no worker thread runs, and none begins to, until this is dropped.
    pub(super) fn hold(&self) -> Held<'_, T> {
        let state = lock(&self.state);
        let mut state = self.wait_while(state, |state| state.about_to_fork);
        state.about_to_fork = true;
        let mut state = self.wait_while(state, |state| state.running > 0);
        state.about_to_fork = false;
        Held { state: Some(state), coordinator: self }
    }

    /// As [`hold`](Self::hold) for a limited time: none where a worker thread runs for longer, or another thread holds everything still.
    #[cfg(all(unix, not(loom)))]
    pub(super) fn hold_until(&self, until: Instant) -> Option<Held<'_, T>> {
        loop {
            if let Some(mut state) = try_lock(&self.state).filter(|state| !state.about_to_fork) {
                state.about_to_fork = true;
                while state.running > 0 {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    state = self.wait_for(state, left);
                }
                state.about_to_fork = false;
                if state.running == 0 {
                    return Some(Held { state: Some(state), coordinator: self });
                }
                self.release(state);
                return None;
            }
            if Instant::now() >= until {
                return None;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

impl<T> State<T> {
    fn status(&self) -> Status {
        Status { idle: self.busy == 0, paused: self.command == Command::Pause, stopped: self.command == Command::Stop }
    }
}

/// Compilers are waited for without holding up a fork.
impl<T: Send> BlockingObserver for Coordinator<T> {
    fn begins(&self) {
        let mut state = lock(&self.state);
        state.running -= 1;
        self.release(state);
    }

    fn ends(&self) {
        let state = lock(&self.state);
        self.wait_while(state, |state| state.about_to_fork).running += 1;
    }
}

/// Everything held still.
pub(super) struct Held<'a, T> {
    state: Option<Locked<'a, State<T>>>,
    coordinator: &'a Coordinator<T>,
}

impl<T> Held<'_, T> {
    /// What the mutex guards.
    pub(super) fn data(&mut self) -> Option<&mut T> {
        self.state.as_mut().map(|state| &mut state.data)
    }

    /// This is the child: it has no worker threads, whatever they were doing in the parent.
    pub(super) fn forget_threads(&mut self) {
        if let Some(state) = &mut self.state {
            (state.busy, state.running, state.generating, state.about_to_collect, state.waiting) = (0, 0, 0, 0, 0);
        }
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        if let Some(state) = self.state.take() {
            self.coordinator.release(state);
        }
    }
}

/// What came of a worker thread's wait for work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken<U> {
    Work(U),
    /// There is none so far.
    Nothing,
    /// There will be none.
    Stopped,
}

/// What came of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited<R> {
    Until(R),
    /// Time is up.
    TooLong,
    /// The threads will do no more.
    Stopped,
}

/// What the worker's threads do, for whoever waits for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Status {
    /// None of them holds a unit.
    pub(super) idle: bool,
    /// They were told to take nothing more.
    pub(super) paused: bool,
    /// They were told to end.
    pub(super) stopped: bool,
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    /// An owner that the collector moves and the generator reads. loom fails on any access at the same time.
    struct Owner(UnsafeCell<u32>);

    // The protocol is what makes this true.
    #[expect(unsafe_code, reason = "a model of the host's memory")]
    // SAFETY: the coordinator keeps accesses apart, which is what the model checks.
    unsafe impl Sync for Owner {}

    #[test]
    fn owners_never_move_while_text_is_generated_from_them() {
        loom::model(|| {
            let coordinator = Arc::new(Coordinator::new(()));
            let owner = Arc::new(Owner(UnsafeCell::new(0)));
            let collector = {
                let (coordinator, owner) = (Arc::clone(&coordinator), Arc::clone(&owner));
                thread::spawn(move || {
                    coordinator.enter_gc();
                    coordinator.enter_gc();
                    owner.0.with_mut(|_| ());
                    coordinator.leave_gc(|_| ());
                    owner.0.with_mut(|_| ());
                    coordinator.leave_gc(|_| ());
                })
            };
            coordinator.begin();
            coordinator.begin_generating(|()| Some(()));
            owner.0.with(|_| ());
            coordinator.end_generating(|()| ());
            coordinator.end();
            collector.join().unwrap();
        });
    }

    #[test]
    fn an_owner_that_died_is_never_published_to() {
        loom::model(|| {
            // Alive, and what was published.
            let coordinator = Arc::new(Coordinator::new((true, false)));
            let collector = {
                let coordinator = Arc::clone(&coordinator);
                thread::spawn(move || {
                    coordinator.enter_gc();
                    let published_before = coordinator.with(|(alive, published)| {
                        *alive = false;
                        *published
                    });
                    let published_after = coordinator.with(|(_, published)| *published);
                    assert_eq!(published_before, published_after, "published while the host collected");
                    coordinator.leave_gc(|_| ());
                })
            };
            coordinator.begin();
            coordinator.publish(|(alive, published)| *published = *alive);
            coordinator.end();
            collector.join().unwrap();
        });
    }

    #[test]
    fn a_paused_worker_holds_nothing_and_goes_on_when_resumed() {
        loom::model(|| {
            let coordinator = Arc::new(Coordinator::new(1_u32));
            let worker = {
                let coordinator = Arc::clone(&coordinator);
                thread::spawn(move || {
                    while let Taken::Work(()) =
                        coordinator.take(None, |queued, _| queued.checked_sub(1).map(|left| *queued = left))
                    {
                        coordinator.done();
                    }
                })
            };
            assert_eq!(coordinator.pause(), Ok(()));
            assert_eq!(lock(&coordinator.state).busy, 0);
            assert_eq!(coordinator.pause(), Err(NotRunning));
            assert!(coordinator.resume());
            assert!(!coordinator.resume());
            coordinator.wait_until(None, |queued, status| (*queued == 0 && status.idle).then_some(()));
            coordinator.stop();
            worker.join().unwrap();
        });
    }

    #[test]
    fn stopping_ends_a_worker_that_waits_and_one_that_is_paused() {
        loom::model(|| {
            let coordinator = Arc::new(Coordinator::new(()));
            let worker = {
                let coordinator = Arc::clone(&coordinator);
                thread::spawn(move || assert_eq!(coordinator.take(None, |(), _| None::<()>), Taken::Stopped))
            };
            let _ = coordinator.pause();
            coordinator.stop();
            worker.join().unwrap();
        });
    }

    #[test]
    fn nothing_runs_while_the_host_forks_and_a_compiler_does_not_hold_it_up() {
        loom::model(|| {
            let coordinator = Arc::new(Coordinator::new(()));
            // What a running thread may hold at any time: a lock of the host's, say.
            let elsewhere = Arc::new(Owner(UnsafeCell::new(0)));
            let worker = {
                let (coordinator, elsewhere) = (Arc::clone(&coordinator), Arc::clone(&elsewhere));
                thread::spawn(move || {
                    coordinator.take(None, |(), _| Some(()));
                    elsewhere.0.with_mut(|_| ());
                    coordinator.begins();
                    // A process runs.
                    coordinator.ends();
                    elsewhere.0.with_mut(|_| ());
                    coordinator.publish(|()| ());
                    coordinator.done();
                })
            };
            {
                let held = coordinator.hold();
                elsewhere.0.with_mut(|_| ());
                drop(held);
            }
            worker.join().unwrap();
        });
    }

    #[test]
    fn a_thread_that_waits_for_the_host_gives_way_to_a_fork_and_to_a_pause() {
        loom::model(|| {
            let coordinator = Arc::new(Coordinator::new(()));
            let worker = {
                let coordinator = Arc::clone(&coordinator);
                thread::spawn(move || {
                    if coordinator.take(None, |(), _| Some(())) == Taken::Work(()) {
                        coordinator.rest_until(|(), status| (status.paused || status.stopped).then_some(()));
                        coordinator.done();
                    }
                })
            };
            drop(coordinator.hold());
            assert_eq!(coordinator.pause(), Ok(()));
            coordinator.stop();
            worker.join().unwrap();
        });
    }
}
