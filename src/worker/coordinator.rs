//! The protocol between the host's threads and the worker's threads. One mutex guards the lists, whether the host collects garbage or
//! forks, what the worker's threads do, and the command that they have to follow.
//!
//! - A collection waits for `generate` callbacks only, never for a compiler.
//! - Generating and publishing wait for the end of a collection, so that owners neither move nor die during them.
//! - A fork waits only while a worker's thread runs, never for a compiler, and happens with the mutex held: a thread that the child does
//!   not have holds no other lock.
//! - No process runs, and no callback of the host runs, while the mutex is held.
//!
//! Knows nothing about units: `T` is the guarded data. The loom models below check the protocol.

use std::time::{Duration, Instant};

use crate::exec::BlockingObserver;
#[cfg(all(unix, not(loom)))]
use crate::sync::try_lock;
use crate::sync::{Condvar, Locked, Mutex, lock};

/// The command for the worker's threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Run,
    Pause,
    Stop,
}

/// The mutex, the guarded data, and the functions that wait.
#[derive(Debug)]
pub(super) struct Coordinator<T> {
    state: Mutex<State<T>>,
    /// One condition variable for all changes: there are few threads, and a lost wake-up is worse than a spurious one.
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    data: T,
    command: Command,
    /// The depth of nested collections.
    collecting: u32,
    /// Threads that wait to begin a collection. Generating waits for them, or they might starve.
    about_to_collect: u32,
    /// True if a thread waits to fork. The worker's threads wait for the fork.
    about_to_fork: bool,
    /// Worker threads that access owners.
    generating: u32,
    /// Worker threads that have taken work.
    busy: u32,
    /// Worker threads that wait neither here nor for a process.
    running: u32,
    /// Threads that wait here. Without any, the system call of a wake-up is skipped.
    waiting: u32,
}

/// The worker was already paused or stopped.
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

    /// Unlocks, and wakes waiting threads.
    fn release(&self, state: Locked<'_, State<T>>) {
        let wakes = state.waiting > 0;
        drop(state);
        if wakes {
            self.changed.notify_all();
        }
    }

    /// Waits on a thread of the host.
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

    /// Waits on a worker thread while the condition holds or a thread waits to fork.
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

    /// Reads or changes the guarded data, and wakes waiting threads.
    pub(super) fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut state = lock(&self.state);
        let result = change(&mut state.data);
        self.release(state);
        result
    }

    /// Begins a collection: waits until no C text is generated. May be nested. True if the call had to wait.
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

    /// Ends a collection.
    ///
    /// # Panics
    /// Without a matching [`Self::enter_gc`].
    pub(super) fn leave_gc(&self, then: impl FnOnce(&mut T)) {
        let mut state = lock(&self.state);
        state.collecting = state.collecting.checked_sub(1).expect("leave_gc without enter_gc");
        then(&mut state.data);
        self.release(state);
    }

    /// Waits for work on a worker thread until `take` finds work or the worker stops. The thread is then busy and running until
    /// [`Self::done`]. If `take` finds no work within `patience`, the thread is running but not busy until [`Self::end`].
    pub(super) fn take<U>(
        &self,
        patience: Option<Duration>,
        mut take: impl FnMut(&mut T, ThreadStatus) -> Option<U>,
    ) -> TakeResult<U> {
        let until = patience.and_then(|patience| Instant::now().checked_add(patience));
        let mut state = lock(&self.state);
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            match state.command {
                Command::Stop => return TakeResult::Stopped,
                // `take` reads the hotness of owners and may drop dead owners.
                Command::Run if state.collecting == 0 && !state.about_to_fork => {
                    let status = state.status();
                    if let Some(work) = take(&mut state.data, status) {
                        state.busy += 1;
                        state.running += 1;
                        return TakeResult::Work(work);
                    }
                    if left.is_some_and(|left| left.is_zero()) {
                        state.running += 1;
                        return TakeResult::Nothing;
                    }
                }
                Command::Run | Command::Pause => {}
            }
            // After `patience` only a collection, a fork or a pause can be in the way, which take longer.
            state = match left.filter(|left| !left.is_zero()) {
                Some(left) => self.wait_for(state, left),
                None => self.wait(state),
            };
        }
    }

    /// Takes further work on a busy thread, under the same conditions as [`Self::take`].
    pub(super) fn take_more<U>(&self, take: impl FnOnce(&mut T) -> Option<U>) -> Option<U> {
        let mut state = lock(&self.state);
        let may = state.command == Command::Run && state.collecting == 0;
        may.then(|| take(&mut state.data)).flatten()
    }

    /// True if a busy thread should postpone work that can wait.
    pub(super) fn is_paused(&self) -> bool {
        lock(&self.state).command == Command::Pause
    }

    /// The thread has finished the work that it took.
    pub(super) fn done(&self) {
        let mut state = lock(&self.state);
        state.busy -= 1;
        state.running -= 1;
        self.release(state);
    }

    /// A worker thread runs without having taken work, until [`Self::end`].
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

    /// Begins to access owners: waits for the end of a collection, then calls `check`, which returns `None` if the work is obsolete.
    pub(super) fn begin_generating<R>(&self, check: impl FnOnce(&mut T) -> Option<R>) -> Option<R> {
        let state = lock(&self.state);
        let mut state = self.rest_while(state, |state| state.collecting > 0 || state.about_to_collect > 0);
        let checked = check(&mut state.data);
        state.generating += u32::from(checked.is_some());
        checked
    }

    /// Ends the access to owners. `note` runs in the same critical section: a waiting collector moves and frees owners right afterwards.
    pub(super) fn end_generating(&self, note: impl FnOnce(&mut T)) {
        let mut state = lock(&self.state);
        state.generating -= 1;
        note(&mut state.data);
        self.release(state);
    }

    /// Changes what the host sees, in one critical section after the end of a collection, so that the lists know all dead owners.
    pub(super) fn publish<R>(&self, publish: impl FnOnce(&mut T) -> R) -> R {
        let state = lock(&self.state);
        let mut state = self.rest_while(state, |state| state.collecting > 0);
        let result = publish(&mut state.data);
        self.release(state);
        result
    }

    /// Waits on a busy worker thread for an action of a host's thread.
    pub(super) fn rest_until<R>(&self, mut condition: impl FnMut(&mut T, ThreadStatus) -> Option<R>) -> R {
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

    /// Waits on a host's thread for a condition of the guarded data.
    pub(super) fn wait_until<R>(
        &self,
        until: Option<Instant>,
        mut condition: impl FnMut(&mut T, ThreadStatus) -> Option<R>,
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

    /// Tells the threads to take no more work, and waits until they have finished their work, publication included.
    pub(super) fn pause(&self) -> Result<(), NotRunning> {
        let mut state = lock(&self.state);
        if state.command != Command::Run {
            return Err(NotRunning);
        }
        state.command = Command::Pause;
        self.changed.notify_all();
        // Another thread may have resumed the worker meanwhile.
        drop(self.wait_while(state, |state| state.busy > 0 && state.command == Command::Pause));
        Ok(())
    }

    /// Lets paused threads continue. False if the worker was not paused.
    pub(super) fn resume(&self) -> bool {
        let mut state = lock(&self.state);
        let paused = state.command == Command::Pause;
        if paused {
            state.command = Command::Run;
        }
        self.release(state);
        paused
    }

    /// Tells the threads to end. They finish their work before they can be joined. False if they were told before.
    pub(super) fn stop(&self) -> bool {
        let mut state = lock(&self.state);
        let before = std::mem::replace(&mut state.command, Command::Stop);
        self.release(state);
        before != Command::Stop
    }

    /// Stops the worker for a fork: no worker thread runs until the returned value is dropped.
    pub(super) fn hold(&self) -> Held<'_, T> {
        let state = lock(&self.state);
        let mut state = self.wait_while(state, |state| state.about_to_fork);
        state.about_to_fork = true;
        let mut state = self.wait_while(state, |state| state.running > 0);
        state.about_to_fork = false;
        Held { state: Some(state), coordinator: self }
    }

    /// As [`hold`](Self::hold), with a time limit: `None` if a worker thread runs for longer, or if another thread holds the worker.
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
    fn status(&self) -> ThreadStatus {
        ThreadStatus {
            idle: self.busy == 0,
            paused: self.command == Command::Pause,
            stopped: self.command == Command::Stop,
        }
    }
}

/// Waiting for a compiler does not delay a fork.
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

/// The worker, stopped for a fork.
pub(super) struct Held<'a, T> {
    state: Option<Locked<'a, State<T>>>,
    coordinator: &'a Coordinator<T>,
}

impl<T> Held<'_, T> {
    pub(super) fn data(&mut self) -> Option<&mut T> {
        self.state.as_mut().map(|state| &mut state.data)
    }

    /// Forgets the worker threads in the child of a fork, which does not have them.
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

/// The result of [`Coordinator::take`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TakeResult<U> {
    Work(U),
    /// There is no work yet.
    Nothing,
    /// The worker was stopped.
    Stopped,
}

/// The result of [`Coordinator::wait_until`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited<R> {
    Until(R),
    /// The time limit was reached.
    TooLong,
    /// The worker was stopped.
    Stopped,
}

/// What the worker's threads do, for threads that wait for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ThreadStatus {
    /// No thread has work.
    pub(super) idle: bool,
    /// The worker is paused.
    pub(super) paused: bool,
    /// The worker was stopped.
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
                    while let TakeResult::Work(()) =
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
                thread::spawn(move || assert_eq!(coordinator.take(None, |(), _| None::<()>), TakeResult::Stopped))
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
            // A lock that a running thread may hold at any time.
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
                    if coordinator.take(None, |(), _| Some(())) == TakeResult::Work(()) {
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
