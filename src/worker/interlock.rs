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

use crate::exec::Waiting;
#[cfg(all(unix, not(loom)))]
use crate::sync::try_lock;
use crate::sync::{Condvar, Locked, Mutex, lock};

/// What the worker's threads are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Run,
    Pause,
    Stop,
}

/// The mutex, what it guards, and the ways to wait.
#[derive(Debug)]
pub(super) struct Interlock<T> {
    gate: Mutex<Gate<T>>,
    /// One for all: there are few threads, and a forgotten wake-up is worse than one too many.
    changed: Condvar,
}

#[derive(Debug)]
struct Gate<T> {
    data: T,
    order: Order,
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

impl<T> Interlock<T> {
    pub(super) fn new(data: T) -> Self {
        let gate = Gate {
            data,
            order: Order::Run,
            collecting: 0,
            about_to_collect: 0,
            about_to_fork: false,
            generating: 0,
            busy: 0,
            running: 0,
            waiting: 0,
        };
        Self { gate: Mutex::new(gate), changed: Condvar::new() }
    }

    fn wait<'a>(&self, mut gate: Locked<'a, Gate<T>>) -> Locked<'a, Gate<T>> {
        gate.waiting += 1;
        let mut gate = gate.wait(&self.changed);
        gate.waiting -= 1;
        gate
    }

    fn wait_for<'a>(&self, mut gate: Locked<'a, Gate<T>>, time: Duration) -> Locked<'a, Gate<T>> {
        gate.waiting += 1;
        let mut gate = gate.wait_for(&self.changed, time);
        gate.waiting -= 1;
        gate
    }

    /// Unlocks, and wakes whoever waits for a change.
    fn release(&self, gate: Locked<'_, Gate<T>>) {
        let wakes = gate.waiting > 0;
        drop(gate);
        if wakes {
            self.changed.notify_all();
        }
    }

    /// A host's thread waits.
    fn wait_while<'a>(
        &self,
        mut gate: Locked<'a, Gate<T>>,
        condition: impl Fn(&Gate<T>) -> bool,
    ) -> Locked<'a, Gate<T>> {
        while condition(&gate) {
            gate = self.wait(gate);
        }
        gate
    }

    /// A running worker thread waits, and longer if the host wants to fork.
    fn rest_while<'a>(
        &self,
        mut gate: Locked<'a, Gate<T>>,
        condition: impl Fn(&Gate<T>) -> bool,
    ) -> Locked<'a, Gate<T>> {
        if condition(&gate) || gate.about_to_fork {
            gate.running -= 1;
            self.changed.notify_all();
            gate = self.wait_while(gate, |gate| condition(gate) || gate.about_to_fork);
            gate.running += 1;
        }
        gate
    }

    /// Looks at or changes what the mutex guards, and wakes whoever waits for a change of it.
    pub(super) fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut gate = lock(&self.gate);
        let result = change(&mut gate.data);
        self.release(gate);
        result
    }

    /// The host begins to collect; returns once no C text is being generated. May be nested. Says whether it had to wait.
    pub(super) fn enter_gc(&self) -> bool {
        let mut gate = lock(&self.gate);
        let waits = gate.generating > 0;
        if waits {
            gate.about_to_collect += 1;
            gate = self.wait_while(gate, |gate| gate.generating > 0);
            gate.about_to_collect -= 1;
        }
        gate.collecting += 1;
        waits
    }

    /// The host has collected.
    ///
    /// # Panics
    /// When it had not begun to.
    pub(super) fn leave_gc(&self, then: impl FnOnce(&mut T)) {
        let mut gate = lock(&self.gate);
        gate.collecting = gate.collecting.checked_sub(1).expect("leave_gc without enter_gc");
        then(&mut gate.data);
        self.release(gate);
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
        let mut gate = lock(&self.gate);
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            match gate.order {
                Order::Stop => return Taken::Stopped,
                // Taking reads the owners' hotness and may drop the dead.
                Order::Run if gate.collecting == 0 && !gate.about_to_fork => {
                    let status = gate.status();
                    if let Some(work) = take(&mut gate.data, status) {
                        gate.busy += 1;
                        gate.running += 1;
                        return Taken::Work(work);
                    }
                    if left.is_some_and(|left| left.is_zero()) {
                        gate.running += 1;
                        return Taken::Nothing;
                    }
                }
                Order::Run | Order::Pause => {}
            }
            // What holds it up now takes longer than that.
            gate = match left.filter(|left| !left.is_zero()) {
                Some(left) => self.wait_for(gate, left),
                None => self.wait(gate),
            };
        }
    }

    /// What a busy thread may take up beside what it holds: nothing unless it could take it otherwise.
    pub(super) fn take_more<U>(&self, take: impl FnOnce(&mut T) -> Option<U>) -> Option<U> {
        let mut gate = lock(&self.gate);
        let may = gate.order == Order::Run && gate.collecting == 0;
        may.then(|| take(&mut gate.data)).flatten()
    }

    /// Whether a busy thread should put off what can wait.
    pub(super) fn is_paused(&self) -> bool {
        lock(&self.gate).order == Order::Pause
    }

    /// The thread is through with what it took.
    pub(super) fn done(&self) {
        let mut gate = lock(&self.gate);
        gate.busy -= 1;
        gate.running -= 1;
        self.release(gate);
    }

    /// A worker thread runs without having taken anything, until [`Self::end`].
    pub(super) fn begin(&self) {
        let gate = lock(&self.gate);
        self.wait_while(gate, |gate| gate.about_to_fork).running += 1;
    }

    /// Ends [`Self::begin`].
    pub(super) fn end(&self) {
        let mut gate = lock(&self.gate);
        gate.running -= 1;
        self.release(gate);
    }

    /// Begins to touch owners: waits until the host does not collect, then asks whether that is still wanted.
    pub(super) fn begin_generating<R>(&self, check: impl FnOnce(&mut T) -> Option<R>) -> Option<R> {
        let gate = lock(&self.gate);
        let mut gate = self.rest_while(gate, |gate| gate.collecting > 0 || gate.about_to_collect > 0);
        let checked = check(&mut gate.data);
        gate.generating += u32::from(checked.is_some());
        checked
    }

    /// The owners are no longer touched. In the same section, what was found of them is noted: a collector that waits for this moves
    /// and frees them right afterwards.
    pub(super) fn end_generating(&self, note: impl FnOnce(&mut T)) {
        let mut gate = lock(&self.gate);
        gate.generating -= 1;
        note(&mut gate.data);
        self.release(gate);
    }

    /// Changes what the host sees, in one section: waits until it does not collect, so that owners that died meanwhile are
    /// known to have.
    pub(super) fn publish<R>(&self, publish: impl FnOnce(&mut T) -> R) -> R {
        let gate = lock(&self.gate);
        let mut gate = self.rest_while(gate, |gate| gate.collecting > 0);
        let result = publish(&mut gate.data);
        self.release(gate);
        result
    }

    /// A busy worker thread waits for something that a host's thread does.
    pub(super) fn rest_until<R>(&self, mut condition: impl FnMut(&mut T, Status) -> Option<R>) -> R {
        let mut gate = lock(&self.gate);
        loop {
            gate = self.rest_while(gate, |_| false);
            let status = gate.status();
            if let Some(result) = condition(&mut gate.data, status) {
                return result;
            }
            gate.running -= 1;
            self.changed.notify_all();
            gate = self.wait(gate);
            gate.running += 1;
        }
    }

    /// A host's thread waits until something is true of what the mutex guards.
    pub(super) fn wait_until<R>(
        &self,
        until: Option<Instant>,
        mut condition: impl FnMut(&mut T, Status) -> Option<R>,
    ) -> Waited<R> {
        let mut gate = lock(&self.gate);
        loop {
            let status = gate.status();
            if status.stopped {
                return Waited::Stopped;
            }
            if let Some(result) = condition(&mut gate.data, status) {
                return Waited::Until(result);
            }
            gate = match until {
                None => self.wait(gate),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Waited::TooLong;
                    }
                    self.wait_for(gate, left)
                }
            };
        }
    }

    /// Tells the threads to take nothing more, and waits until they are through with what they hold, publication included.
    pub(super) fn pause(&self) -> Result<(), NotRunning> {
        let mut gate = lock(&self.gate);
        if gate.order != Order::Run {
            return Err(NotRunning);
        }
        gate.order = Order::Pause;
        self.changed.notify_all();
        // Another thread may have resumed it meanwhile.
        drop(self.wait_while(gate, |gate| gate.busy > 0 && gate.order == Order::Pause));
        Ok(())
    }

    /// Lets paused threads go on. False when they were not paused.
    pub(super) fn resume(&self) -> bool {
        let mut gate = lock(&self.gate);
        let paused = gate.order == Order::Pause;
        if paused {
            gate.order = Order::Run;
        }
        self.release(gate);
        paused
    }

    /// Tells the threads to end. They are through with what they hold when they are joined. False when they were told before.
    pub(super) fn stop(&self) -> bool {
        let mut gate = lock(&self.gate);
        let before = std::mem::replace(&mut gate.order, Order::Stop);
        self.release(gate);
        before != Order::Stop
    }

    /// Holds everything still, for a fork: no worker thread runs, and none begins to, until this is dropped.
    pub(super) fn hold(&self) -> Held<'_, T> {
        let gate = lock(&self.gate);
        let mut gate = self.wait_while(gate, |gate| gate.about_to_fork);
        gate.about_to_fork = true;
        let mut gate = self.wait_while(gate, |gate| gate.running > 0);
        gate.about_to_fork = false;
        Held { gate: Some(gate), interlock: self }
    }

    /// As [`hold`](Self::hold) for a limited time: none where a worker thread runs for longer, or another thread holds everything still.
    #[cfg(all(unix, not(loom)))]
    pub(super) fn hold_until(&self, until: Instant) -> Option<Held<'_, T>> {
        loop {
            if let Some(mut gate) = try_lock(&self.gate).filter(|gate| !gate.about_to_fork) {
                gate.about_to_fork = true;
                while gate.running > 0 {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    gate = self.wait_for(gate, left);
                }
                gate.about_to_fork = false;
                if gate.running == 0 {
                    return Some(Held { gate: Some(gate), interlock: self });
                }
                self.release(gate);
                return None;
            }
            if Instant::now() >= until {
                return None;
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

impl<T> Gate<T> {
    fn status(&self) -> Status {
        Status { idle: self.busy == 0, paused: self.order == Order::Pause, stopped: self.order == Order::Stop }
    }
}

/// Compilers are waited for without holding up a fork.
impl<T: Send> Waiting for Interlock<T> {
    fn begins(&self) {
        let mut gate = lock(&self.gate);
        gate.running -= 1;
        self.release(gate);
    }

    fn ends(&self) {
        let gate = lock(&self.gate);
        self.wait_while(gate, |gate| gate.about_to_fork).running += 1;
    }
}

/// Everything held still.
pub(super) struct Held<'a, T> {
    gate: Option<Locked<'a, Gate<T>>>,
    interlock: &'a Interlock<T>,
}

impl<T> Held<'_, T> {
    /// What the mutex guards.
    pub(super) fn data(&mut self) -> Option<&mut T> {
        self.gate.as_mut().map(|gate| &mut gate.data)
    }

    /// This is the child: it has no worker threads, whatever they were doing in the parent.
    pub(super) fn forget_threads(&mut self) {
        if let Some(gate) = &mut self.gate {
            (gate.busy, gate.running, gate.generating, gate.about_to_collect, gate.waiting) = (0, 0, 0, 0, 0);
        }
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            self.interlock.release(gate);
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
    // SAFETY: the interlock keeps accesses apart, which is what the model checks.
    unsafe impl Sync for Owner {}

    #[test]
    fn owners_never_move_while_text_is_generated_from_them() {
        loom::model(|| {
            let interlock = Arc::new(Interlock::new(()));
            let owner = Arc::new(Owner(UnsafeCell::new(0)));
            let collector = {
                let (interlock, owner) = (Arc::clone(&interlock), Arc::clone(&owner));
                thread::spawn(move || {
                    interlock.enter_gc();
                    interlock.enter_gc();
                    owner.0.with_mut(|_| ());
                    interlock.leave_gc(|_| ());
                    owner.0.with_mut(|_| ());
                    interlock.leave_gc(|_| ());
                })
            };
            interlock.begin();
            interlock.begin_generating(|()| Some(()));
            owner.0.with(|_| ());
            interlock.end_generating(|()| ());
            interlock.end();
            collector.join().unwrap();
        });
    }

    #[test]
    fn an_owner_that_died_is_never_published_to() {
        loom::model(|| {
            // Alive, and what was published.
            let interlock = Arc::new(Interlock::new((true, false)));
            let collector = {
                let interlock = Arc::clone(&interlock);
                thread::spawn(move || {
                    interlock.enter_gc();
                    let published_before = interlock.with(|(alive, published)| {
                        *alive = false;
                        *published
                    });
                    let published_after = interlock.with(|(_, published)| *published);
                    assert_eq!(published_before, published_after, "published while the host collected");
                    interlock.leave_gc(|_| ());
                })
            };
            interlock.begin();
            interlock.publish(|(alive, published)| *published = *alive);
            interlock.end();
            collector.join().unwrap();
        });
    }

    #[test]
    fn a_paused_worker_holds_nothing_and_goes_on_when_resumed() {
        loom::model(|| {
            let interlock = Arc::new(Interlock::new(1_u32));
            let worker = {
                let interlock = Arc::clone(&interlock);
                thread::spawn(move || {
                    while let Taken::Work(()) =
                        interlock.take(None, |queued, _| queued.checked_sub(1).map(|left| *queued = left))
                    {
                        interlock.done();
                    }
                })
            };
            assert_eq!(interlock.pause(), Ok(()));
            assert_eq!(lock(&interlock.gate).busy, 0);
            assert_eq!(interlock.pause(), Err(NotRunning));
            assert!(interlock.resume());
            assert!(!interlock.resume());
            interlock.wait_until(None, |queued, status| (*queued == 0 && status.idle).then_some(()));
            interlock.stop();
            worker.join().unwrap();
        });
    }

    #[test]
    fn stopping_ends_a_worker_that_waits_and_one_that_is_paused() {
        loom::model(|| {
            let interlock = Arc::new(Interlock::new(()));
            let worker = {
                let interlock = Arc::clone(&interlock);
                thread::spawn(move || assert_eq!(interlock.take(None, |(), _| None::<()>), Taken::Stopped))
            };
            let _ = interlock.pause();
            interlock.stop();
            worker.join().unwrap();
        });
    }

    #[test]
    fn nothing_runs_while_the_host_forks_and_a_compiler_does_not_hold_it_up() {
        loom::model(|| {
            let interlock = Arc::new(Interlock::new(()));
            // What a running thread may hold at any time: a lock of the host's, say.
            let elsewhere = Arc::new(Owner(UnsafeCell::new(0)));
            let worker = {
                let (interlock, elsewhere) = (Arc::clone(&interlock), Arc::clone(&elsewhere));
                thread::spawn(move || {
                    interlock.take(None, |(), _| Some(()));
                    elsewhere.0.with_mut(|_| ());
                    interlock.begins();
                    // A process runs.
                    interlock.ends();
                    elsewhere.0.with_mut(|_| ());
                    interlock.publish(|()| ());
                    interlock.done();
                })
            };
            {
                let held = interlock.hold();
                elsewhere.0.with_mut(|_| ());
                drop(held);
            }
            worker.join().unwrap();
        });
    }

    #[test]
    fn a_thread_that_waits_for_the_host_gives_way_to_a_fork_and_to_a_pause() {
        loom::model(|| {
            let interlock = Arc::new(Interlock::new(()));
            let worker = {
                let interlock = Arc::clone(&interlock);
                thread::spawn(move || {
                    if interlock.take(None, |(), _| Some(())) == Taken::Work(()) {
                        interlock.rest_until(|(), status| (status.paused || status.stopped).then_some(()));
                        interlock.done();
                    }
                })
            };
            drop(interlock.hold());
            assert_eq!(interlock.pause(), Ok(()));
            interlock.stop();
            worker.join().unwrap();
        });
    }
}
