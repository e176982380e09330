//! What the host's threads do, by lot: those that run programs, the one that collects, the one that pauses, forks and cancels.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mjitcc::worker::{Fork, Slot, SlotState, Worker};

use crate::outputs;
use crate::vm::{Held, Vm};
use crate::watchdog::{Doing, Journal};

/// How many units of one thread may wait at once.
const WAITING: usize = 8;
/// How many guards one thread holds.
const HELD: usize = 4;

/// What happened.
#[derive(Default)]
pub struct Counts {
    pub submitted: AtomicU64,
    pub calls: AtomicU64,
    pub recompiled: AtomicU64,
    pub taken_back: AtomicU64,
    pub collections: AtomicU64,
    pub died: AtomicU64,
    pub pauses: AtomicU64,
    pub forks: AtomicU64,
    pub jobs: AtomicU64,
}

fn count(counter: &AtomicU64, number: usize) {
    counter.fetch_add(u64::try_from(number).unwrap(), Ordering::Relaxed);
}

/// What the threads share.
pub struct Stage<'a> {
    pub vm: &'a Vm,
    pub worker: &'a Worker,
    pub counts: &'a Counts,
    pub stop: &'a AtomicBool,
    pub units: u64,
    pub forks: bool,
    pub journal: &'a Journal,
}

impl Stage<'_> {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// Runs programs: submits, calls, recompiles, invalidates.
    pub fn mutate(&self, rng: &mut fastrand::Rng, doing: &Doing) {
        let mut waiting: Vec<(Slot, Arc<AtomicU64>)> = Vec::new();
        let mut held: Vec<Held> = Vec::new();
        while self.goes_on() {
            doing.now("waiting for the world");
            let world = self.vm.world.read().unwrap();
            doing.now("running");
            self.step(rng, &mut waiting, &mut held);
            if self.vm.jobs_wait.swap(false, Ordering::SeqCst) {
                count(&self.counts.jobs, self.worker.run_vm_jobs());
            }
            drop(world);
            // The compilers want the processor too.
            std::thread::sleep(Duration::from_micros(rng.u64(50..1500)));
        }
    }

    fn step(&self, rng: &mut fastrand::Rng, waiting: &mut Vec<(Slot, Arc<AtomicU64>)>, held: &mut Vec<Held>) {
        let Self { vm, worker, counts, .. } = self;
        waiting.retain(|(slot, _)| slot.state() == SlotState::NotReady);
        let n = rng.i64(..100);
        match rng.u32(..100) {
            0..25 => {
                if waiting.len() >= WAITING {
                    // What waits gets hotter than what is loaded, or it would wait for ever.
                    for (_, heat) in waiting {
                        heat.fetch_add(rng.u64(..500), Ordering::Relaxed);
                    }
                } else if counts.submitted.fetch_add(1, Ordering::Relaxed) < self.units {
                    let owner = vm.new_owner(rng);
                    waiting.push((vm.submit(worker, &owner), Arc::clone(&owner.heat)));
                } else {
                    counts.submitted.fetch_sub(1, Ordering::Relaxed);
                    self.stop.store(true, Ordering::Relaxed);
                }
            }
            25..28 => {
                // What was unloaded, taken back or failed may be submitted again.
                let owner = vm.any_owner(rng).filter(|_| waiting.len() < WAITING);
                if let Some(owner) = owner {
                    let gone = owner
                        .slot
                        .lock()
                        .unwrap()
                        .as_ref()
                        .is_none_or(|slot| matches!(slot.state(), SlotState::Failed | SlotState::Unloaded));
                    if gone {
                        count(&counts.submitted, 1);
                        waiting.push((vm.submit(worker, &owner), Arc::clone(&owner.heat)));
                    }
                }
            }
            28..32 => {
                if let Some(owner) = vm.any_owner(rng) {
                    count(&counts.recompiled, usize::from(vm.recompile(worker, &owner)));
                }
            }
            32 if rng.u8(..4) == 0 => {
                count(&counts.taken_back, vm.invalidate(worker, rng.usize(..crate::vm::ASSUMPTIONS)))
            }
            33..36 => vm.look_at_what_was_taken_back(rng),
            36..60 => held.iter().for_each(|held| vm.call_again(held, n)),
            60..75 => {
                if let Some(owner) = vm.any_owner(rng) {
                    owner.heat.fetch_add(rng.u64(..20), Ordering::Relaxed);
                    count(&counts.calls, usize::from(vm.call_in_a_frame(&owner, n)));
                }
            }
            _ => {
                let Some(owner) = vm.any_owner(rng) else { return };
                owner.heat.fetch_add(rng.u64(..20), Ordering::Relaxed);
                if let Some(now_held) = vm.call(&owner, n) {
                    count(&counts.calls, 1);
                    if held.len() < HELD {
                        held.push(now_held);
                    } else {
                        held[rng.usize(..HELD)] = now_held;
                    }
                }
            }
        }
        if rng.u8(..30) == 0 {
            held.clear();
        }
    }

    /// Collects, now and then in storms.
    pub fn collect(&self, rng: &mut fastrand::Rng, doing: &Doing) {
        while self.goes_on() {
            doing.now("waiting for the world");
            let world = self.vm.world.write().unwrap();
            let storm = if rng.u8(..10) == 0 { rng.u32(..100) } else { 1 };
            for _ in 0..storm {
                doing.now("entering a collection");
                let depth = rng.u32(1..4);
                (0..depth).for_each(|_| self.worker.enter_gc());
                doing.now("collecting");
                let died = if rng.bool() { self.vm.collect(self.worker, rng) } else { 0 };
                count(&self.counts.died, died);
                (0..depth).for_each(|_| self.worker.leave_gc());
                count(&self.counts.collections, 1);
            }
            drop(world);
            doing.now("resting");
            std::thread::sleep(Duration::from_millis(rng.u64(1..20)));
        }
    }

    /// Pauses, resumes, forks, cancels.
    pub fn rule(&self, rng: &mut fastrand::Rng, doing: &Doing) {
        while self.goes_on() {
            std::thread::sleep(Duration::from_millis(rng.u64(10..400)));
            match rng.u32(..10) {
                0..2 => {
                    doing.now("waiting for the world to drain it");
                    let _world = self.vm.world.write().unwrap();
                    doing.now("draining");
                    self.pause(true);
                    self.nothing_happens_while_paused(rng);
                    self.resume();
                }
                2..4 => {
                    doing.now("pausing");
                    self.pause(false);
                    std::thread::sleep(Duration::from_millis(rng.u64(..50)));
                    {
                        doing.now("waiting for the world while paused");
                        let _world = self.vm.world.write().unwrap();
                        self.nothing_happens_while_paused(rng);
                    }
                    if self.forks && rng.bool() {
                        self.fork(rng, doing, true);
                    }
                    self.resume();
                }
                4 => {
                    doing.now("waiting for the world to cancel");
                    let _world = self.vm.world.write().unwrap();
                    doing.now("cancelling");
                    count(&self.counts.taken_back, self.vm.cancel_all(self.worker));
                }
                5..7 if self.forks => self.fork(rng, doing, false),
                _ => {}
            }
            doing.now("resting");
        }
    }

    fn pause(&self, drain: bool) {
        count(&self.counts.pauses, 1);
        if !self.worker.pause(drain) || self.worker.pause(drain) {
            self.vm.wrong("pause did not say what it did".to_owned());
        }
    }

    fn resume(&self) {
        if !self.worker.resume() || self.worker.resume() {
            self.vm.wrong("resume did not say what it did".to_owned());
        }
    }

    fn nothing_happens_while_paused(&self, rng: &mut fastrand::Rng) {
        let states = || -> Vec<SlotState> {
            let slots = self.vm.slots.lock().unwrap();
            slots.iter().map(|(_, slot)| slot.state()).collect()
        };
        let before = states();
        std::thread::sleep(Duration::from_millis(rng.u64(..30)));
        if states() != before {
            self.vm.wrong("a slot changed while the worker was paused".to_owned());
        }
    }

    fn fork(&self, rng: &mut fastrand::Rng, doing: &Doing, paused: bool) {
        doing.now("waiting for the world to fork");
        let world = self.vm.world.write().unwrap();
        doing.now("forking");
        // A fork that is not announced is followed all the same.
        let fork = rng.bool().then(|| self.worker.before_fork());
        // SAFETY: the worker is held still, and the host's threads hold no locks, since they are between their steps.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            // SAFETY: a plain system call: this process ends, whatever it hangs in.
            unsafe { libc::alarm(55) };
            fork.into_iter().for_each(Fork::in_child);
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.be_the_child(rng, paused)));
            if !matches!(done, Ok(true)) {
                eprintln!("soak: in the child of a fork: {:#?}\n{}", self.vm.wrongs(), self.journal.dump());
            }
            // SAFETY: ends this process and nothing else: what the parent has on its stack is the parent's.
            unsafe { libc::_exit(if matches!(done, Ok(true)) { 0 } else { 1 }) }
        }
        if pid < 0 {
            drop(fork);
            self.vm.wrong(format!("fork: {}", std::io::Error::last_os_error()));
            return;
        }
        fork.into_iter().for_each(Fork::in_parent);
        drop(world);
        count(&self.counts.forks, 1);
        doing.now("waiting for the child");
        let mut status = 0;
        // SAFETY: a plain system call.
        let reaped = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        let _ = std::fs::remove_file(outputs::map_of(pid.cast_unsigned()));
        if reaped != pid || status != 0 {
            self.vm.wrong(format!("the child ended with {status}"));
        }
    }

    /// A little work, in a process that has nothing but this thread and the worker's.
    fn be_the_child(&self, rng: &mut fastrand::Rng, paused: bool) -> bool {
        let Self { vm, worker, .. } = self;
        if paused {
            assert!(!worker.pause(false), "the child forgot the pause");
            assert!(worker.resume());
        }
        let inherited = vm.living();
        let owner = vm.new_owner(rng);
        owner.heat.store(u64::MAX, Ordering::Relaxed);
        let slot = vm.submit(worker, &owner);
        let until = Instant::now() + Duration::from_secs(40);
        while slot.state() == SlotState::NotReady {
            worker.run_vm_jobs();
            assert!(Instant::now() < until, "the child's unit is not ready");
            std::thread::sleep(Duration::from_millis(1));
        }
        // By lot something may be wrong with it.
        assert!(vm.call(&owner, 7).is_some() || owner.spoiled.load(Ordering::Relaxed) || slot.failure().is_some());
        for owner in inherited {
            vm.call(&owner, 3);
        }
        worker.enter_gc();
        vm.collect(worker, rng);
        worker.leave_gc();
        worker.prepare_exec();
        for owner in vm.living() {
            vm.call(&owner, 5);
        }
        vm.wrongs().is_empty()
    }
}
