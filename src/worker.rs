//! The worker inside a running VM: compiles what the host submits, in the background, hottest first, and publishes the code in a
//! word that the host reads.
//!
//! The host's side, in short: implement [`Host`], [`Builder::start`] a [`Worker`], [`submit`](Worker::submit) what got hot, look at the
//! [`Slot`] before each call. Around a garbage collection call [`enter_gc`](Worker::enter_gc) and [`leave_gc`](Worker::leave_gc);
//! when an owner dies, [`owner_died`](Worker::owner_died) within. Around `fork`, [`before_fork`](Worker::before_fork); one that was not announced
//! is followed too ([`Builder::follow_forks`]).
//!
//! Inside, data goes one way: `units` says what there is to do, `crew` does it, `engine` makes code, a slot says where it is. What may
//! happen at the same time is the `coordinator`'s.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
//! use mjitcc::worker::{Generated, Host, OwnerId, SourceLocation, Request, SlotState, Worker, WorkerHeader};
//!
//! struct Vm;
//!
//! impl Host for Vm {
//!     fn generate(&self, request: &Request<'_>) -> Result<Generated, String> {
//!         Ok(format!("long {}(long n) {{ return n + 1; }}", request.entry).into())
//!     }
//! }
//!
//! let worker = Worker::builder().header(WorkerHeader::File("vm.h".into())).start(Arc::new(Vm));
//! let calls = Arc::new(AtomicU64::new(0));
//! let slot = worker.submit(OwnerId(1), SourceLocation::default(), calls);
//! // Before each call:
//! if let SlotState::Callable(address) = slot.state() {
//!     // SAFETY: what `generate` gave has this type.
//!     let succ: extern "C" fn(i64) -> i64 = unsafe { std::mem::transmute(address.as_ptr()) };
//!     assert_eq!(succ(1), 2);
//! }
//! ```

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use crate::discover::Environment;
use crate::event::{Event, Observer};
use crate::exec::{BlockingObserver, Executor as _, ProcessExecutor};
use crate::jit::Jit;
use crate::library::Library;
use crate::link;
use crate::sync::{Mutex, lock};
use crate::thread::{self, Thread};
use crate::unwind::{catch, is_thread_ending};

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
mod slot;
mod tiers;
mod units;
mod worker_thread;

pub use crate::exec::Reaper;
pub use crate::jit::Tiers;
pub use fork::Fork;
pub use host::{AssumptionId, Code, CodeError, Generated, Host, Inlined, OwnerId, Request, SourceLocation, Switches};
pub use jobs::NotRun;
pub use log::WorkerEvent;
pub use options::{Builder, Compaction, Standby, Unity, Unloading, WorkerObserver};
pub use slot::{Entered, Slot, SlotState};
#[cfg(all(feature = "capi", not(loom)))]
pub(crate) use slot::{FAILED, Generation, NOT_READY, UNLOADED};

use coordinator::{Coordinator, Status, Waited};
use home::Home;
use jobs::{Job, Jobs};
use options::Options;
use record::Record;
use units::{Rules, Units};

/// How often a thread that waits for an idle worker looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A limit past the end of time is none.
fn until(limit: Option<Duration>) -> Option<Instant> {
    limit.and_then(|limit| Instant::now().checked_add(limit))
}

/// How long a submission waits for its unit, where hosts wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// Compiles in the background. All methods may be called from any thread of the host's, with two bounds: what waits for the worker
/// (`submit` and `recompile` of a host that waits, a draining `pause`) also runs the jobs for the VM's thread, so where the host has
/// such jobs it is for that thread; and between `enter_gc` and `leave_gc` the worker is not to be waited for (`pause`,
/// `before_fork`, `prepare_exec`, dropping it), since it waits for the end of that. Dropping it is [`finish`](Self::finish).
pub struct Worker {
    shared: Arc<Shared>,
    threads: Mutex<Vec<Thread>>,
}

struct Shared {
    coordinator: Arc<Coordinator<State>>,
    host: Arc<dyn Host>,
    options: Options,
    environment: Environment,
    record: Option<Record>,
    executor: Mutex<Arc<ProcessExecutor>>,
    /// None before it is set up, and for good where that failed or the worker was finished.
    engine: Mutex<Option<Arc<Jit>>>,
    home: Home,
}

/// What the coordinator guards.
#[derive(Debug)]
struct State {
    units: Units<Library>,
    jobs: Jobs,
}

impl Worker {
    /// Settings, and the way to start.
    pub fn builder() -> Builder {
        Builder::default()
    }

    fn launch(mut options: Options, host: Arc<dyn Host>) -> Self {
        let rules = Rules {
            max_active: options.max_cache_size,
            wait: options.wait,
            unload: options.unloading == Unloading::Coldest,
            compact: options.compaction == Compaction::Throttled,
            together: options.together(),
            threads: options.threads.get(),
        };
        let environment = options.build.environment.take().unwrap_or_else(Environment::read);
        let coordinator = Arc::new(Coordinator::new(State { units: Units::new(rules), jobs: Jobs::default() }));
        let shared = Shared {
            coordinator,
            host,
            record: Record::new(&options),
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
                self.shared.home.is_thread_ending();
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

    /// Hands over a unit. `hotness` is the host's own counter, read when the worker chooses what to do next.
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

    /// Wants other code in the same slot, such as without a speculation that failed. The slot is not ready from now on, until the new
    /// code is there; the old code can never be published in it again, and goes when nobody is inside. False when the slot has
    /// nothing that could be compiled again: then submit anew.
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
            let is_through = |_: &State, status: Status| status.paused || slot.state() != SlotState::NotReady;
            self.wait_running_jobs(until(limit), is_through);
        }
        slot.state()
    }

    /// Waits until the worker has nothing left to do: each unit is compiled that there is room for. True if so; false if the worker is
    /// paused or finished, or the limit is over. Otherwise as [`wait_for`](Self::wait_for).
    pub fn wait_idle(&self, limit: Option<Duration>) -> bool {
        if !self.is_here() {
            return false;
        }
        let until = until(limit);
        loop {
            // Hotness changes without a wake-up, and with hotness whether there is room to be made.
            let a_while = Instant::now() + LOOK_AGAIN;
            let sooner = until.map_or(a_while, |until| until.min(a_while));
            let is_idle = |state: &State, status: Status| status.paused || (status.idle && !state.units.has_work());
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
        let through = |status: Status| status.paused || slot.state() != SlotState::NotReady;
        let waited = self.wait_running_jobs(Some(Instant::now() + PATIENCE), |_, status| through(status));
        if waited == Waited::TooLong && self.shared.coordinator.with(|state| state.units.give_up(slot)) {
            let text = format!("a unit was not ready after {} s and is given up", PATIENCE.as_secs());
            self.shared.tell(&WorkerEvent::Warning(text));
        }
    }

    /// Waits on a thread that may be the VM's, so that jobs for it must be run.
    fn wait_running_jobs(&self, until: Option<Instant>, condition: impl Fn(&State, Status) -> bool) -> Waited<()> {
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

    /// Runs what waits for the VM's thread ([`Request::on_vm_thread`]); to be called on it, at a safe point. Says how many jobs.
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

    fn run_job(&self, number: u64, job: Job) {
        // Whoever waits for it is told.
        let _ = catch(job);
        self.shared.coordinator.with(|state| state.jobs.done(number));
    }

    /// The host begins to collect garbage, or to move things. Waits only while C text is being generated. May be nested.
    pub fn enter_gc(&self) {
        let began = Instant::now();
        if self.is_here() && self.shared.coordinator.enter_gc() {
            self.shared.tell(&WorkerEvent::GcWaited(began.elapsed()));
        }
    }

    /// The host has collected.
    ///
    /// # Panics
    /// Without a matching [`enter_gc`](Self::enter_gc).
    pub fn leave_gc(&self) {
        if self.is_here() {
            self.shared.coordinator.leave_gc(|state| state.units.look_again());
        }
    }

    /// An owner is freed: nothing is published for it any more, and its code goes. Call it between [`enter_gc`](Self::enter_gc) and
    /// [`leave_gc`](Self::leave_gc), when no text is being generated from it.
    pub fn owner_died(&self, owner: OwnerId) {
        if self.is_here() {
            self.shared.coordinator.with(|state| state.units.owner_freed(owner));
        }
    }

    /// The host calls an owner something else from now on, such as its new address. Call it as [`owner_died`](Self::owner_died).
    pub fn owner_moved(&self, old: OwnerId, new: OwnerId) {
        if self.is_here() {
            self.shared.coordinator.with(|state| state.units.rename(old, new));
        }
    }

    /// An assumption is untrue from now on. Units that rely on it are not published; code that does is taken back, and its owners are
    /// given: what they were speculating on has failed, and they may be submitted again. Frames that are inside may return.
    pub fn invalidate(&self, assumption: AssumptionId) -> Vec<OwnerId> {
        if !self.is_here() {
            return Vec::new();
        }
        self.cancelled(self.shared.coordinator.with(|state| state.units.invalidate(assumption)))
    }

    /// Takes all code back, loaded, being made or waiting, as when tracing begins. Gives the owners of what was loaded; frames that
    /// are inside may return. What is submitted from now on is compiled again.
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

    /// The owners that the worker still needs, with those that were inlined: a snapshot, to be marked without any lock of the
    /// worker's. One may be named twice.
    #[must_use]
    pub fn living_owners(&self) -> Vec<OwnerId> {
        if !self.is_here() {
            return Vec::new();
        }
        self.shared.coordinator.with(|state| state.units.living_owners())
    }

    /// Whether anything is compiled at all. It is not where no compiler was found or the header does not compile, and after
    /// [`prepare_exec`](Self::prepare_exec).
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.is_here() && self.shared.coordinator.with(|state| !state.units.is_disabled())
    }

    /// Takes up nothing more, and returns when the threads are through with what they hold. With `drain`, first waits until there is
    /// nothing left to do: all is compiled that there is room for, and compacted. Code stays callable. False when it was
    /// paused already, or finished.
    pub fn pause(&self, drain: bool) -> bool {
        if !self.is_here() {
            return false;
        }
        if drain {
            self.wait_idle(None);
        }
        self.shared.coordinator.pause().is_ok()
    }

    /// Goes on. False when it was not paused.
    pub fn resume(&self) -> bool {
        self.is_here() && self.shared.coordinator.resume()
    }

    /// Ends every compiler and every thread and removes all files, as [`finish`](Self::finish) does, but leaves code loaded and callable: for
    /// `exec`, which may fail and return into it. Nothing is compiled afterwards.
    pub fn prepare_exec(&self) {
        if self.is_here() {
            self.stop(|| {});
        }
    }

    /// Stops, if that is still to be done; `unload` comes when nothing more is published and before the files go, since Windows keeps
    /// the file of a library that is loaded.
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
        // The last share, which ends its watchdog, and not under the lock.
        let last = std::mem::take(&mut *lock(&self.shared.executor));
        drop(last);
        self.shared.tell(&WorkerEvent::Finish);
    }

    /// Ends every compiler and every thread, removes all files and unloads all code: none of it may be on a stack. Units that were not
    /// ready fail.
    pub fn finish(self) {
        drop(self);
    }
}

impl Worker {
    /// Whether the worker is of this process. In the child of a fork that was not announced with [`before_fork`](Self::before_fork) it becomes the
    /// child's here, if it was held still at the fork. Otherwise it stays the parent's: no thread serves it, locks may be held for
    /// ever, and the files are the parent's. Then nothing is done: what is submitted fails with [`CodeError::Forked`].
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
            // What it shares, with the parent's directory in it, is not to be dropped here.
            std::mem::forget(Arc::clone(&self.shared));
            return;
        }
        self.stop(|| {
            let libraries = self.shared.coordinator.with(|state| state.units.take_all());
            drop(libraries);
        });
    }
}

/// Hears what the pipeline does for one worker.
impl Observer for Shared {
    fn event(&self, event: &Event<'_>) {
        if let Some(record) = &self.record {
            record.event(event);
        }
        if let Some(event) = WorkerEvent::of(event) {
            self.tell(&event);
        }
    }
}

impl Shared {
    fn tell(&self, event: &WorkerEvent) {
        let Options { observer, verbose, warnings, .. } = &self.options;
        if is_thread_ending() {
            return;
        }
        match observer {
            // An observer that panics has only itself to blame; the VM goes on.
            Some(observer) => {
                let _ = catch(|| observer(event));
            }
            None if *verbose >= event.level() || (*warnings && matches!(event, WorkerEvent::Warning(_))) => {
                // One write a line, since other threads and processes write there too.
                let text = match event.detail() {
                    Some(detail) => format!("{event}\n{}\n", detail.trim_end()),
                    None => format!("{event}\n"),
                };
                let _ = std::io::stderr().write_all(text.as_bytes());
            }
            None => {}
        }
    }

    fn executor(&self) -> Arc<ProcessExecutor> {
        Arc::clone(&lock(&self.executor))
    }

    /// A thread that waits for a compiler must not hold up a fork.
    fn renew_executor(&self) {
        let waiting: Arc<dyn BlockingObserver> = Arc::<Coordinator<State>>::clone(&self.coordinator);
        *lock(&self.executor) = Arc::new(self.options.build.executor(&self.environment.variables, Some(waiting)));
    }

    fn set_engine(&self, engine: Option<Arc<Jit>>) {
        let old = std::mem::replace(&mut *lock(&self.engine), engine);
        drop(old);
        // Whoever waits for it finds it under this lock.
        self.coordinator.with(|_| ());
    }
}
