//! The worker inside a running VM: compiles the units that the host submits in the background, hottest first, and publishes their code in
//! words (slots) that the host reads.
//!
//! What a host does: implement [`Host`]; start a [`Worker`] with [`Builder::start`]; [`submit`](Worker::submit) owners that became hot;
//! read the [`Slot`] before each call. Call [`enter_gc`](Worker::enter_gc) and [`leave_gc`](Worker::leave_gc) around a garbage collection,
//! and [`owner_died`](Worker::owner_died) between them for each owner that is freed. Call [`before_fork`](Worker::before_fork) before
//! `fork`; other forks are followed too ([`Builder::follow_forks`]).
//!
//! Inside, data flows one way: `units` holds the lists of units and chooses the next work, `worker_thread` does the work, `engine` turns C
//! text into loaded code, and a slot publishes the address. `coordinator` decides what may happen at the same time.
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::AtomicU64;
//! use mjitcc::worker::{Generated, Host, OwnerId, Request, SlotState, SourceLocation, Worker};
//!
//! struct Vm;
//!
//! impl Host for Vm {
//!     fn generate(&self, request: &Request<'_>) -> Result<Generated, String> {
//!         Ok(format!("int {}(int n) {{ return n + 1; }}", request.entry).into())
//!     }
//! }
//!
//! let worker = Worker::builder().start(Arc::new(Vm));
//! let calls = Arc::new(AtomicU64::new(0));
//! let slot = worker.submit(OwnerId(1), SourceLocation::default(), calls);
//! // A VM does not wait, but interprets while the slot is not ready.
//! worker.pause(true);
//! let SlotState::Callable(address) = slot.state() else { panic!("{:?}", slot.failure()) };
//! // SAFETY: the text of `generate` defines a function of this type.
//! let succ: extern "C" fn(i32) -> i32 = unsafe { std::mem::transmute(address.as_ptr()) };
//! assert_eq!(succ(1), 2);
//! ```

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use crate::discover::Environment;
use crate::exec::{self, Executor as _, ProcessExecutor};
use crate::jit::Jit;
use crate::library::Library;
use crate::link;
use crate::sync::{Mutex, lock};
use crate::thread::{self, Thread};
use crate::unwind::catch;

mod at_work;
mod compact;
mod coordinator;
#[cfg(all(unix, not(loom)))]
mod follow;
mod fork;
mod group;
mod home;
mod host;
mod jobs;
mod log;
pub mod names;
mod options;
pub mod policy;
mod record;
mod shared;
mod slot;
mod tiers;
mod units;
mod worker_thread;

pub use crate::exec::Reaper;
pub use crate::jit::Tiers;
pub use fork::Fork;
pub use host::{AssumptionId, Code, CodeError, Generated, Host, Inlined, OwnerId, Request, SourceLocation, Switches};
pub use jobs::JobError;
pub use log::WorkerEvent;
pub use options::{Builder, Compaction, Standby, Unity, Unloading, WorkerObserver};
pub use slot::{Entered, Slot, SlotState};
#[cfg(all(feature = "capi", not(loom)))]
pub(crate) use slot::{FAILED, Generation, NOT_READY, UNLOADED};

use coordinator::{Coordinator, ThreadStatus, Waited};
use home::Home;
use jobs::{Jobs, VmJob};
use options::Options;
use record::WorkerTimeline;
use units::{Rules, Units};

/// How often a thread that waits for an idle worker looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How long `submit` waits for its unit with the option `wait`.
const SUBMIT_TIME_LIMIT: Duration = Duration::from_secs(60);

/// Compiles in the background. Any thread of the host may call any method, with two restrictions. Methods that wait for units (`submit` and
/// `recompile` with the option `wait`, `pause` with `drain`) also run jobs for the VM's thread, so a host with such jobs calls them on that
/// thread. Between `enter_gc` and `leave_gc` the host must not wait for the worker (`pause`, `before_fork`, `prepare_exec`, dropping the
/// worker), since the worker waits for `leave_gc`. Dropping the worker is [`finish`](Self::finish).
pub struct Worker {
    shared: Arc<Shared>,
    threads: Mutex<Vec<Thread>>,
}

struct Shared {
    coordinator: Arc<Coordinator<WorkerState>>,
    host: Arc<dyn Host>,
    options: Options,
    environment: Environment,
    record: Option<WorkerTimeline>,
    executor: Mutex<Arc<ProcessExecutor>>,
    /// `None` before the setup, after a failed setup, and after the worker was finished.
    engine: Mutex<Option<Arc<Jit>>>,
    home: Home,
}

/// The data that the coordinator guards.
#[derive(Debug)]
struct WorkerState {
    units: Units<Library>,
    jobs: Jobs,
}

impl Worker {
    /// Returns a builder, which sets options and starts a worker.
    pub fn builder() -> Builder {
        Builder::default()
    }

    fn launch(mut options: Options, host: Arc<dyn Host>) -> Self {
        let rules = Rules {
            max_active: options.max_cache_size,
            wait: options.wait,
            unload: options.unloading == Unloading::Coldest,
            compact: options.compaction == Compaction::Throttled,
            group_limit: options.group_limit(),
            threads: options.threads.get(),
        };
        let environment = options.build.environment.take().unwrap_or_else(Environment::read);
        let coordinator = Arc::new(Coordinator::new(WorkerState { units: Units::new(rules), jobs: Jobs::default() }));
        let shared = Shared {
            coordinator,
            host,
            record: WorkerTimeline::new(&options),
            options,
            environment,
            executor: Mutex::new(Arc::default()),
            engine: Mutex::new(None),
            home: Home::here(),
        };
        shared.renew_executor();
        let worker = Self { shared: Arc::new(shared), threads: Mutex::new(Vec::new()) };
        if worker.shared.options.follow_forks {
            worker.follow_forks();
        }
        worker.spawn();
        worker
    }

    fn spawn(&self) {
        let spawn = |number| {
            let shared = Arc::clone(&self.shared);
            let life = move || {
                link::on_this_thread();
                shared.serve(number);
            };
            self.shared.home.thread_starts();
            let spawned = thread::spawn(&format!("mjit-cc {number}"), life);
            if spawned.is_err() {
                self.shared.home.thread_ends();
            }
            spawned
        };
        let mut threads = lock(&self.threads);
        for number in 0..self.shared.options.threads.get() {
            match spawn(number) {
                Ok(thread) => threads.push(thread),
                Err(error) => {
                    self.shared.tell(&WorkerEvent::Warning(format!("cannot start thread {number}: {error}")));
                    if number == 0 {
                        let why = CodeError::Disabled(Arc::new(crate::Error::NoThread(error)));
                        self.shared.coordinator.with(|state| state.units.disable(&why));
                    }
                    return;
                }
            }
        }
    }

    /// Submits a unit and returns its slot. `hotness` is the host's call counter; the worker reads it when it chooses the next unit.
    pub fn submit(&self, owner: OwnerId, location: SourceLocation, hotness: Arc<AtomicU64>) -> Slot {
        self.submit_with(owner, location, hotness, Switches::default())
    }

    /// As [`submit`](Self::submit), with switches.
    pub fn submit_with(
        &self,
        owner: OwnerId,
        location: SourceLocation,
        hotness: Arc<AtomicU64>,
        switches: Switches,
    ) -> Slot {
        if !self.is_here() {
            return Slot::failed(CodeError::Forked);
        }
        let slot = self.shared.coordinator.with(|state| state.units.submit(owner, location, hotness, switches));
        self.wait_if_wanted(&slot);
        slot
    }

    /// Requests new code for a slot, such as code without a speculation that failed. The slot is not ready from now on until the new code
    /// is published. The old code is never published in the slot again, and is unloaded when no caller is inside. False if the slot has no
    /// unit that can be compiled again: then submit the owner anew.
    pub fn recompile(&self, slot: &Slot, switches: Switches) -> bool {
        if !self.is_here() {
            return false;
        }
        let location = self.shared.coordinator.with(|state| state.units.recompile(slot, switches));
        let recompiles = location.is_some();
        if let Some(location) = location {
            self.shared.tell(&WorkerEvent::Recompiled(location));
            self.wait_if_wanted(slot);
        }
        recompiles
    }

    /// Waits until a slot's unit is published or will have no code, and returns the slot's state then; until the worker is paused or finished,
    /// or the limit is over, if that is sooner. `None` sets no limit. Runs the jobs for the VM's thread meanwhile: call the function on
    /// that thread if the host has such jobs. Not between [`enter_gc`](Self::enter_gc) and [`leave_gc`](Self::leave_gc).
    pub fn wait_for(&self, slot: &Slot, limit: Option<Duration>) -> SlotState {
        if self.is_here() {
            self.wait_settled(slot, exec::deadline(limit));
        }
        slot.state()
    }

    fn wait_settled(&self, slot: &Slot, until: Option<Instant>) -> Waited<()> {
        self.wait_running_jobs(until, |_, status| status.paused || slot.state() != SlotState::NotReady)
    }

    /// Waits until the worker has nothing left to do: each unit is compiled that there is room for. True if so; false if the worker is
    /// paused or finished, or the limit is over. Otherwise as [`wait_for`](Self::wait_for).
    pub fn wait_idle(&self, limit: Option<Duration>) -> bool {
        if !self.is_here() {
            return false;
        }
        let until = exec::deadline(limit);
        loop {
            // Hotness changes without a wake-up, and with hotness whether there is room to be made.
            let a_while = Instant::now() + LOOK_AGAIN;
            let sooner = until.map_or(a_while, |until| until.min(a_while));
            let is_idle =
                |state: &WorkerState, status: ThreadStatus| status.paused || (status.idle && !state.units.has_work());
            match self.wait_running_jobs(Some(sooner), is_idle) {
                Waited::Until(()) => return !self.shared.coordinator.is_paused(),
                Waited::Stopped => return false,
                Waited::TooLong if until.is_some_and(|until| until <= Instant::now()) => return false,
                Waited::TooLong => {}
            }
        }
    }

    fn wait_if_wanted(&self, slot: &Slot) {
        if !self.shared.options.wait {
            return;
        }
        let waited = self.wait_settled(slot, exec::deadline(Some(SUBMIT_TIME_LIMIT)));
        if waited == Waited::TooLong && self.shared.coordinator.with(|state| state.units.give_up(slot)) {
            let text = format!("a unit was not ready after {} s and is cancelled", SUBMIT_TIME_LIMIT.as_secs());
            self.shared.tell(&WorkerEvent::Warning(text));
        }
    }

    /// Waits on a thread that may be the VM's thread, so jobs for that thread are run.
    fn wait_running_jobs(
        &self,
        until: Option<Instant>,
        condition: impl Fn(&WorkerState, ThreadStatus) -> bool,
    ) -> Waited<()> {
        loop {
            let event = self.shared.coordinator.wait_until(until, |state, status| {
                if condition(state, status) { Some(None) } else { state.jobs.start().map(Some) }
            });
            match event {
                Waited::Until(Some((number, job))) => self.run_job(number, job),
                Waited::Until(None) => return Waited::Until(()),
                Waited::TooLong => return Waited::TooLong,
                Waited::Stopped => return Waited::Stopped,
            }
        }
    }

    /// Runs the jobs that wait for the VM's thread ([`Request::on_vm_thread`]), and returns their number. Call this on the VM's thread, at
    /// a safe point.
    pub fn run_vm_jobs(&self) -> usize {
        let mut count = 0;
        if !self.is_here() {
            return count;
        }
        while let Some((number, job)) = self.shared.coordinator.with(|state| state.jobs.start()) {
            self.run_job(number, job);
            count += 1;
        }
        count
    }

    fn run_job(&self, number: u64, job: VmJob) {
        // The waiting thread gets an error if the job panics.
        let _ = catch(job);
        self.shared.coordinator.with(|state| state.jobs.done(number));
    }

    /// The host begins to collect garbage or to move objects. Waits for running `generate` callbacks only. May be nested.
    pub fn enter_gc(&self) {
        let began = Instant::now();
        if self.is_here() && self.shared.coordinator.enter_gc() {
            self.shared.tell(&WorkerEvent::GcWaited(began.elapsed()));
        }
    }

    /// The collection has ended.
    ///
    /// # Panics
    /// Without a matching [`enter_gc`](Self::enter_gc).
    pub fn leave_gc(&self) {
        if self.is_here() {
            self.shared.coordinator.leave_gc(|state| state.units.look_again());
        }
    }

    /// The host frees an owner: no code is published for the owner any more, and its code is unloaded. Call this between
    /// [`enter_gc`](Self::enter_gc) and [`leave_gc`](Self::leave_gc), when no text is generated from the owner.
    pub fn owner_died(&self, owner: OwnerId) {
        if self.is_here() {
            self.shared.coordinator.with(|state| state.units.owner_freed(owner));
        }
    }

    /// The number of an owner changes, for example because the owner moved. Call this between [`enter_gc`](Self::enter_gc) and
    /// [`leave_gc`](Self::leave_gc).
    pub fn owner_moved(&self, old: OwnerId, new: OwnerId) {
        if self.is_here() {
            self.shared.coordinator.with(|state| state.units.rename(old, new));
        }
    }

    /// Invalidates an assumption. Units that depend on the assumption are not published, and their loaded code is cancelled. Returns the
    /// owners of cancelled code; the host may submit them again. Frames inside cancelled code may return into it.
    pub fn invalidate(&self, assumption: AssumptionId) -> Vec<OwnerId> {
        if !self.is_here() {
            return Vec::new();
        }
        self.cancelled(self.shared.coordinator.with(|state| state.units.invalidate(assumption)))
    }

    /// Cancels all units, loaded, being built or queued, for example when tracing begins. Returns the owners of loaded code. Frames inside
    /// cancelled code may return into it. Owners that are submitted later are compiled again.
    pub fn cancel_all(&self) -> Vec<OwnerId> {
        if !self.is_here() {
            return Vec::new();
        }
        self.cancelled(self.shared.coordinator.with(|state| state.units.cancel_all()))
    }

    fn cancelled(&self, units: Vec<(OwnerId, SourceLocation)>) -> Vec<OwnerId> {
        let mut owners = Vec::with_capacity(units.len());
        for (owner, location) in units {
            owners.push(owner);
            self.shared.tell(&WorkerEvent::Cancelled(location));
        }
        owners
    }

    /// Returns the owners that the worker still needs, inlined owners included. The list is a snapshot, so the host marks the owners
    /// without a lock of the worker. An owner may be in the list twice.
    #[must_use]
    pub fn living_owners(&self) -> Vec<OwnerId> {
        if !self.is_here() {
            return Vec::new();
        }
        self.shared.coordinator.with(|state| state.units.living_owners())
    }

    /// False if no compiler was found, if the header does not compile, or after [`prepare_exec`](Self::prepare_exec).
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.is_here() && self.shared.coordinator.with(|state| !state.units.is_disabled())
    }

    /// Stops taking units from the queue, and returns when the threads have finished their current units. With `drain`, first waits until
    /// all units for which there is room are compiled, and compaction has ended. Code stays callable. False if the worker was paused or
    /// finished already.
    pub fn pause(&self, drain: bool) -> bool {
        if !self.is_here() {
            return false;
        }
        if drain {
            self.wait_idle(None);
        }
        self.shared.coordinator.pause().is_ok()
    }

    /// Continues after [`pause`](Self::pause). False if the worker was not paused.
    pub fn resume(&self) -> bool {
        self.is_here() && self.shared.coordinator.resume()
    }

    /// Ends all compilers and threads and removes all files, as [`finish`](Self::finish) does; loaded code stays callable. Call this before
    /// `exec`, which may fail and return to the code. Nothing is compiled afterwards.
    pub fn prepare_exec(&self) {
        if self.is_here() {
            self.stop(|| {});
        }
    }

    /// Stops the worker unless it is stopped. `unload` runs when nothing more is published, and before the files are removed, since Windows
    /// does not remove the file of a loaded library.
    fn stop(&self, unload: impl FnOnce()) {
        let Shared { coordinator, .. } = &*self.shared;
        if !coordinator.stop() {
            return unload();
        }
        self.shared.tell(&WorkerEvent::Stopping);
        self.shared.executor().cancel();
        let threads = std::mem::take(&mut *lock(&self.threads));
        threads.into_iter().for_each(Thread::join);
        coordinator.with(|state| state.units.disable(&CodeError::Finished));
        unload();
        if let Some(engine) = self.shared.engine() {
            engine.close();
        }
        self.shared.set_engine(None);
        self.shared.write_record();
        // The drop ends the watchdog of the executor, and must not run under the lock.
        let last = std::mem::take(&mut *lock(&self.shared.executor));
        drop(last);
        self.shared.tell(&WorkerEvent::Finish);
    }

    /// Ends all compilers and threads, removes all files and unloads all code. No code may be on a stack. Units that are not ready fail.
    pub fn finish(self) {
        drop(self);
    }
}

impl Worker {
    /// True if the worker belongs to this process. In the child of a fork that was not announced with [`before_fork`](Self::before_fork),
    /// this call moves the worker to the child if the worker was stopped at the fork. Otherwise the worker stays with the parent: methods
    /// do nothing in the child, and units that are submitted fail with [`CodeError::Forked`].
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.shared.home.is_of(std::process::id()) || self.arrive()
    }

    #[cold]
    fn arrive(&self) -> bool {
        let Shared { home, .. } = &*self.shared;
        let process = std::process::id();
        if !home.may_move_to(process) && !home.is_of(process) {
            return false;
        }
        let _one_thread = lock(&home.arrival);
        if !home.is_of(process) {
            self.hold_for_fork().in_child();
        }
        true
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.shared.home.is_of(std::process::id()) {
            // The shared state, which owns the directory of the parent, must not be dropped in the child.
            std::mem::forget(Arc::clone(&self.shared));
            return;
        }
        self.stop(|| {
            let libraries = self.shared.coordinator.with(|state| state.units.take_all());
            drop(libraries);
        });
    }
}
