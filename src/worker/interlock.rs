//! Who may touch what, and when: the protocol between the host's threads and the worker's. One mutex guards the lists and says
//! whether the host collects garbage, how many units are being generated, and what the worker's threads are told to do.
//!
//! - Collecting waits only while C text is being generated, never for a compiler.
//! - Generating and publishing wait while the host collects, so that owners neither move nor die under them.
//! - No process runs, and no callback of the host's, while the mutex is held.
//!
//! Knows nothing of units: `T` is whatever the mutex guards. Checked by loom, below.

use crate::sync::{Condvar, Mutex, MutexGuard, lock};

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
    /// Worker threads that touch owners.
    generating: u32,
    /// Worker threads that hold a unit.
    busy: u32,
}

/// Pausing found the worker paused or stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotRunning;

impl<T> Interlock<T> {
    pub(super) fn new(data: T) -> Self {
        let gate = Gate { data, order: Order::Run, collecting: 0, about_to_collect: 0, generating: 0, busy: 0 };
        Self { gate: Mutex::new(gate), changed: Condvar::new() }
    }

    fn wait_while<'a>(
        &self,
        mut gate: MutexGuard<'a, Gate<T>>,
        condition: impl Fn(&mut Gate<T>) -> bool,
    ) -> MutexGuard<'a, Gate<T>> {
        while condition(&mut gate) {
            gate = self.changed.wait(gate).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        gate
    }

    /// Looks at or changes what the mutex guards, and wakes whoever waits for a change of it.
    pub(super) fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut lock(&self.gate).data);
        self.changed.notify_all();
        result
    }

    /// The host begins to collect; returns once no C text is being generated. May be nested.
    pub(super) fn enter_gc(&self) {
        let mut gate = lock(&self.gate);
        gate.about_to_collect += 1;
        let mut gate = self.wait_while(gate, |gate| gate.generating > 0);
        gate.about_to_collect -= 1;
        gate.collecting += 1;
    }

    /// The host has collected.
    ///
    /// # Panics
    /// When it had not begun to.
    pub(super) fn leave_gc(&self) {
        let mut gate = lock(&self.gate);
        gate.collecting = gate.collecting.checked_sub(1).expect("leave_gc without enter_gc");
        drop(gate);
        self.changed.notify_all();
    }

    /// A worker thread's wait for work: until `take` finds some, or for ever while paused, or nothing once stopped. The thread is
    /// busy from then on, until [`Self::done`].
    pub(super) fn take<U>(&self, mut take: impl FnMut(&mut T) -> Option<U>) -> Option<U> {
        let mut gate = lock(&self.gate);
        loop {
            match gate.order {
                Order::Stop => return None,
                // Taking reads the owners' hotness and may drop the dead.
                Order::Run if gate.collecting == 0 => {
                    if let Some(work) = take(&mut gate.data) {
                        gate.busy += 1;
                        return Some(work);
                    }
                }
                Order::Run | Order::Pause => {}
            }
            gate = self.changed.wait(gate).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// The thread is through with what it took.
    pub(super) fn done(&self) {
        lock(&self.gate).busy -= 1;
        self.changed.notify_all();
    }

    /// Begins to touch owners: waits until the host does not collect, then asks whether that is still wanted.
    pub(super) fn begin_generating<R>(&self, check: impl FnOnce(&mut T) -> Option<R>) -> Option<R> {
        let gate = lock(&self.gate);
        let mut gate = self.wait_while(gate, |gate| gate.collecting > 0 || gate.about_to_collect > 0);
        let checked = check(&mut gate.data);
        gate.generating += u32::from(checked.is_some());
        checked
    }

    /// The owners are no longer touched.
    pub(super) fn end_generating(&self) {
        lock(&self.gate).generating -= 1;
        self.changed.notify_all();
    }

    /// Changes what the host sees, in one section: waits until it does not collect, so that owners that died meanwhile are
    /// known to have.
    pub(super) fn publish<R>(&self, publish: impl FnOnce(&mut T) -> R) -> R {
        let gate = lock(&self.gate);
        let mut gate = self.wait_while(gate, |gate| gate.collecting > 0);
        let result = publish(&mut gate.data);
        drop(gate);
        self.changed.notify_all();
        result
    }

    /// Waits until something is true of what the mutex guards, or the threads will do no more.
    pub(super) fn wait_until(&self, condition: impl Fn(&mut T, Status) -> bool) {
        let gate = lock(&self.gate);
        drop(self.wait_while(gate, |gate| {
            let status = Status { idle: gate.busy == 0, paused: gate.order == Order::Pause };
            gate.order != Order::Stop && !condition(&mut gate.data, status)
        }));
    }

    /// Tells the threads to take nothing more, and waits until they are through with what they hold, publication included.
    pub(super) fn pause(&self) -> Result<(), NotRunning> {
        let mut gate = lock(&self.gate);
        if gate.order != Order::Run {
            return Err(NotRunning);
        }
        gate.order = Order::Pause;
        drop(self.wait_while(gate, |gate| gate.busy > 0));
        Ok(())
    }

    /// Lets paused threads go on. False when they were not paused.
    pub(super) fn resume(&self) -> bool {
        let mut gate = lock(&self.gate);
        let paused = gate.order == Order::Pause;
        if paused {
            gate.order = Order::Run;
        }
        drop(gate);
        self.changed.notify_all();
        paused
    }

    /// Tells the threads to end. They are through with what they hold when they are joined.
    pub(super) fn stop(&self) {
        lock(&self.gate).order = Order::Stop;
        self.changed.notify_all();
    }
}

/// What the worker's threads do, for whoever waits for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Status {
    /// None of them holds a unit.
    pub(super) idle: bool,
    /// They were told to take nothing more.
    pub(super) paused: bool,
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
                    interlock.leave_gc();
                    owner.0.with_mut(|_| ());
                    interlock.leave_gc();
                })
            };
            interlock.begin_generating(|()| Some(()));
            owner.0.with(|_| ());
            interlock.end_generating();
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
                    interlock.leave_gc();
                })
            };
            interlock.publish(|(alive, published)| *published = *alive);
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
                    while interlock.take(|queued| queued.checked_sub(1).map(|left| *queued = left)).is_some() {
                        interlock.done();
                    }
                })
            };
            assert_eq!(interlock.pause(), Ok(()));
            assert_eq!(lock(&interlock.gate).busy, 0);
            assert_eq!(interlock.pause(), Err(NotRunning));
            assert!(interlock.resume());
            assert!(!interlock.resume());
            interlock.wait_until(|queued, status| *queued == 0 && status.idle);
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
                thread::spawn(move || assert!(interlock.take(|()| None::<()>).is_none()))
            };
            let _ = interlock.pause();
            interlock.stop();
            worker.join().unwrap();
        });
    }
}
