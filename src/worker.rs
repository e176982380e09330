//! The worker inside a running VM: compiles what the host submits, in the background, hottest first, and publishes the code in a
//! word that the host reads. What may happen when is the `interlock`'s; how one unit is compiled the pipeline's.
//!
//! The host's side, in short: implement [`Host`], build a [`Worker`], [`submit`](Worker::submit) what got hot, look at the
//! [`Slot`] before each call. Around a garbage collection call [`enter_gc`](Worker::enter_gc) and [`leave_gc`](Worker::leave_gc);
//! when an owner dies, [`owner_died`](Worker::owner_died) within.

use std::ffi::c_void;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use mjit_cc_platforms::Role;

use crate::error::Failure;
use crate::event::{Event, Observer};
use crate::library::Library;
use crate::pch::{self, UnitHeader};
use crate::pipeline::Pipeline;
use crate::unit::Unit;

mod interlock;
mod log;
mod slot;
mod units;

pub use log::WorkerEvent;
pub use slot::{Entered, Slot, SlotState};
pub use units::{FactId, OwnerId, Place};

use interlock::{Interlock, Status};
use units::{Candidate, Ticket, Units, Unwanted, Work};

/// What the worker asks of the VM. Called on the worker's threads; a panic fails the unit that it was asked for.
pub trait Host: Send + Sync + 'static {
    /// The C text of a unit, which defines a function called [`Request::entry`]. The host's collector is held off meanwhile
    /// and the owner lives; nothing else is promised, so do not allocate from the collected heap or call into the VM.
    ///
    /// # Errors
    /// Why there is none, in words.
    fn generate(&self, request: &Request) -> Result<Generated, String>;

    /// The unit's code was published in its slot just now. Called with the owner alive, the collector held off and the
    /// worker's lock not held.
    fn published(&self, owner: OwnerId, address: NonNull<c_void>) {
        let _ = (owner, address);
    }

    /// Which of these owners' code may be on a stack: of a thread, a fiber, a continuation. Called with the collector held off.
    /// By default all of them, so that nothing is ever unloaded; a host whose callers all hold a guard ([`Slot::enter`])
    /// answers none.
    fn on_stacks(&self, owners: &[OwnerId]) -> Vec<OwnerId> {
        owners.to_vec()
    }
}

/// A unit's C text and what it takes for granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generated {
    /// The text.
    pub text: String,
    /// The facts that it relies on: when the host finds one of them untrue, [`Worker::invalidate`] takes the code back.
    pub facts: Vec<FactId>,
}

impl From<String> for Generated {
    fn from(text: String) -> Self {
        Self { text, facts: Vec::new() }
    }
}

/// Which unit's C text is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The unit's number.
    pub id: u64,
    /// What it is generated from.
    pub owner: OwnerId,
    /// What the function must be called.
    pub entry: String,
}

/// What stands before the units of a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum WorkerHeader {
    /// Nothing.
    #[default]
    None,
    /// A header; the worker precompiles it first of all.
    File(PathBuf),
}

/// How a worker works. Every field has a default.
pub struct Options {
    /// What stands before every unit.
    pub header: WorkerHeader,
    /// How many units are made at once.
    pub threads: NonZero<usize>,
    /// How many units may be loaded at once.
    pub max_cache_size: usize,
    /// What temporary files' names begin with.
    pub prefix: String,
    /// What entry symbols' names begin with; the unit's number follows.
    pub entry_prefix: String,
    /// Keep sources and libraries.
    pub save_temps: bool,
    /// Submitting waits until the unit is through; for tests of hosts.
    pub wait: bool,
    /// Told of everything that happens, on whatever thread it happens.
    pub observer: Box<dyn Fn(&WorkerEvent) + Send + Sync>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            header: WorkerHeader::None,
            threads: NonZero::<usize>::MIN,
            max_cache_size: 100,
            prefix: "_mjit_".to_owned(),
            entry_prefix: "_mjit".to_owned(),
            save_temps: false,
            wait: false,
            observer: Box::new(|_| {}),
        }
    }
}

/// Compiles in the background. Dropping it is [`finish`](Self::finish).
pub struct Worker {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    interlock: Interlock<Units<Library>>,
    host: Arc<dyn Host>,
    pipeline: Pipeline,
    options: Options,
    /// Ready before the first unit is taken.
    header: OnceLock<UnitHeader>,
}

impl Worker {
    /// Starts a worker's threads. The first thing they do is to make the header ready.
    #[must_use]
    pub fn start(pipeline: Pipeline, host: Arc<dyn Host>, options: Options) -> Self {
        let interlock = Interlock::new(Units::new(options.max_cache_size.max(1)));
        let threads = options.threads.get();
        let shared = Arc::new(Shared { interlock, host, pipeline, options, header: OnceLock::new() });
        let spawn = |number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                if number == 0 {
                    shared.prepare_header();
                }
                shared.work();
            })
        };
        let threads = Mutex::new((0..threads).map(spawn).collect());
        Self { shared, threads }
    }

    /// Hands over a unit. `hotness` is the host's own counter, read when the worker chooses what to do next.
    pub fn submit(&self, owner: OwnerId, place: Place, hotness: Arc<AtomicU64>) -> Slot {
        let slot = self.shared.interlock.with(|units| units.submit(owner, place, hotness));
        if self.shared.options.wait {
            let through = |status: Status| status.paused || slot.state() != SlotState::NotReady;
            self.shared.interlock.wait_until(|_, status| through(status));
        }
        slot
    }

    /// The host begins to collect garbage. Waits only while C text is being generated. May be nested.
    pub fn enter_gc(&self) {
        self.shared.interlock.enter_gc();
    }

    /// The host has collected.
    ///
    /// # Panics
    /// Without a matching [`enter_gc`](Self::enter_gc).
    pub fn leave_gc(&self) {
        self.shared.interlock.leave_gc();
        self.shared.interlock.with(Units::look_for_room_again);
    }

    /// An owner is freed: nothing is published for it any more. Call it between [`enter_gc`](Self::enter_gc) and
    /// [`leave_gc`](Self::leave_gc), when no text is being generated from it.
    pub fn owner_died(&self, owner: OwnerId) {
        self.shared.interlock.with(|units| units.bury(owner));
    }

    /// A fact is untrue from now on. Units that rely on it are not published; code that does is taken back, and its owners are
    /// given: what they were speculating on has failed, and they may be submitted again. Frames that are inside may return.
    pub fn invalidate(&self, fact: FactId) -> Vec<OwnerId> {
        self.shared.interlock.with(|units| units.invalidate(fact))
    }

    /// The owners that the worker still needs: a snapshot, to be marked without any lock of the worker's.
    #[must_use]
    pub fn living_owners(&self) -> Vec<OwnerId> {
        self.shared.interlock.with(|units| units.living_owners())
    }

    /// Takes up nothing more, and returns when the threads are through with what they hold. With `drain`, first waits until
    /// the queue is empty or the cache full. Code stays callable. False when it was paused already.
    pub fn pause(&self, drain: bool) -> bool {
        if drain {
            self.shared
                .interlock
                .wait_until(|units, status| status.paused || units.is_full() || (status.idle && !units.has_queued()));
        }
        self.shared.interlock.pause().is_ok()
    }

    /// Goes on. False when it was not paused.
    pub fn resume(&self) -> bool {
        self.shared.interlock.resume()
    }

    /// Ends every compiler and every thread, and unloads all code: none of it may be on a stack. Units that were not ready fail.
    pub fn finish(self) {
        drop(self);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let Shared { interlock, pipeline, .. } = &*self.shared;
        interlock.stop();
        pipeline.executor.cancel();
        let threads = std::mem::take(self.threads.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner));
        for thread in threads {
            // Its panics were caught where they can happen; there is nobody left to tell of another.
            let _ = thread.join();
        }
        let libraries = interlock.with(|units| {
            units.disable("the worker was finished");
            units.take_all()
        });
        drop(libraries);
        self.shared.tell(&WorkerEvent::Finish);
    }
}

/// Hears what the pipeline does for one worker.
impl Observer for Shared {
    fn event(&self, event: &Event<'_>) {
        match *event {
            Event::PchStarted { .. } => self.tell(&WorkerEvent::PchStart),
            Event::Running { step } => self.tell(&WorkerEvent::Process(step.to_string())),
            Event::Warning { text } => self.tell(&WorkerEvent::Warning(text.to_owned())),
            _ => {}
        }
    }
}

/// Why a unit has no code, in words for its slot.
type Why = String;

impl Shared {
    fn tell(&self, event: &WorkerEvent) {
        // An observer that panics has only itself to blame; the VM goes on.
        let _ = catch_unwind(AssertUnwindSafe(|| (self.options.observer)(event)));
    }

    /// A header that cannot be made ready disables compiling, says why, and never the VM.
    fn prepare_header(&self) {
        let header = match &self.options.header {
            WorkerHeader::None => Ok(UnitHeader::None),
            WorkerHeader::File(header) => {
                let suffix = self.pipeline.toolchain().capabilities().pch_suffix.unwrap_or_default();
                let file = self
                    .pipeline
                    .scratch
                    .path()
                    .join(pch::default_name(header, suffix).file_name().unwrap_or_default());
                pch::prepare(&self.pipeline, header, &file, self)
            }
        };
        match header {
            Ok(header) => {
                let _ = self.header.set(header);
                self.interlock.with(|_| ());
            }
            Err(error) => {
                self.tell(&WorkerEvent::Warning(format!("compiling is disabled: {error}")));
                self.interlock.with(|units| units.disable(&error.to_string()));
            }
        }
    }

    fn work(&self) {
        let ready =
            |units: &mut Units<Library>| self.header.get().and_then(|header| Some((header, units.next_work()?)));
        while let Some((header, work)) = self.interlock.take(ready) {
            match work {
                Work::Make(ticket) => self.make(header, ticket),
                Work::Unload(candidates) => self.unload(&candidates),
            }
            self.close_retired();
            self.interlock.done();
        }
    }

    /// Makes room. Slots are emptied first and stacks looked at again afterwards: nobody enters in between.
    fn unload(&self, candidates: &[Candidate]) {
        let owners: Vec<OwnerId> = candidates.iter().map(|candidate| candidate.owner).collect();
        let on_stack = self.on_stacks(&owners);
        let count = self.interlock.publish(|units| units.retire(candidates, &on_stack));
        if count > 0 {
            self.tell(&WorkerEvent::Unloaded { count });
        }
    }

    /// Unloads what no slot leads to and nobody is inside of.
    fn close_retired(&self) {
        let retired = self.interlock.with(|units| units.retired_owners());
        if retired.is_empty() {
            return;
        }
        let on_stack = self.on_stacks(&retired);
        let libraries = self.interlock.with(|units| units.closable(&on_stack));
        drop(libraries);
    }

    fn on_stacks(&self, owners: &[OwnerId]) -> Vec<OwnerId> {
        self.interlock.begin_generating(|_| Some(()));
        let on_stack = catch_unwind(AssertUnwindSafe(|| self.host.on_stacks(owners)));
        self.interlock.end_generating();
        // A host that cannot say keeps its code.
        on_stack.unwrap_or_else(|_| owners.to_vec())
    }

    fn make(&self, header: &UnitHeader, ticket: Ticket) {
        let began = Instant::now();
        let stem = format!("{}p{}u{}", self.options.prefix, std::process::id(), ticket.id);
        let source = self.pipeline.scratch.path().join(format!("{stem}.c"));
        let place = ticket.place.clone();
        self.tell(&WorkerEvent::Start { place: place.clone(), source: source.clone() });
        let entry = format!("{}{}", self.options.entry_prefix, ticket.id);
        let made = self
            .generate(&ticket, &entry)
            .and_then(|text| self.build(header, &stem, &source, text).map_err(|failure| failure.to_string()))
            .and_then(|library| {
                let address = library.address(&entry).map_err(|error| error.to_string())?;
                Ok((address, library))
            });
        let (owner, took) = (ticket.owner, began.elapsed());
        let published = match made {
            Ok((address, library)) => {
                let result = self.interlock.publish(|units| units.publish(ticket, address, library));
                // What is not wanted is unloaded here, outside the lock.
                result.map(|()| address).map_err(|Unwanted { why, .. }| why.to_owned())
            }
            Err(why) => {
                self.interlock.publish(|units| units.fail(&ticket, why.clone()));
                Err(why)
            }
        };
        match published {
            Ok(address) => {
                self.tell_host(owner, address);
                self.tell(&WorkerEvent::Success { place, took, source });
            }
            Err(why) => self.tell(&WorkerEvent::Failure { place, took, source, why }),
        }
    }

    /// Asks the host for the C text, with its collector held off.
    fn generate(&self, ticket: &Ticket, entry: &str) -> Result<String, Why> {
        let mut unwanted = None;
        self.interlock.begin_generating(|units| {
            unwanted = units.unwanted(ticket.id);
            unwanted.is_none().then_some(())
        });
        if let Some(why) = unwanted {
            return Err(why.to_owned());
        }
        let request = Request { id: ticket.id, owner: ticket.owner, entry: entry.to_owned() };
        let text = catch_unwind(AssertUnwindSafe(|| self.host.generate(&request)));
        self.interlock.end_generating();
        let Generated { text, facts } = text.unwrap_or_else(|_| Err("generating its C text panicked".to_owned()))?;
        self.interlock.with(|units| units.rely(ticket.id, facts));
        Ok(text)
    }

    fn tell_host(&self, owner: OwnerId, address: NonNull<c_void>) {
        let wanted = self.interlock.begin_generating(|units| units.living_owners().contains(&owner).then_some(()));
        if wanted.is_some() {
            let _ = catch_unwind(AssertUnwindSafe(|| self.host.published(owner, address)));
            self.interlock.end_generating();
        }
    }

    /// C text to loaded code. Whatever comes of it, no file of the unit stays.
    fn build(&self, header: &UnitHeader, stem: &str, source: &Path, text: String) -> Result<Library, Failure> {
        let Self { pipeline, options, .. } = self;
        let target = &pipeline.toolchain().compiler().target;
        let dir = pipeline.scratch.path();
        let deadline = pipeline.deadline();
        let unit = Unit::from_text(source.to_string_lossy(), text)?;
        let paths = pipeline.paths(stem, dir, target.object_suffix());
        let library = dir.join(stem).with_added_extension(target.library_suffix());
        let built = pipeline
            .compile(&unit, header, Role::Object, &paths, deadline, self)
            .and_then(|_| pipeline.link(std::slice::from_ref(&paths.staged), &library, header, &[], deadline, self))
            .and_then(|_| Library::open(&library).map_err(Failure::from));
        if !options.save_temps {
            for file in [source, &paths.staged, &library] {
                pipeline.scratch.remove(file);
            }
        }
        built
    }
}
