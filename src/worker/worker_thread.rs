//! What the worker's threads do, one piece of work after the other. What there is to do is the units' business, when it may be done the
//! coordinator's, how code is made the engine's.

use std::cell::Cell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::at_work::{Busy, Generating, Life, Running};
use super::coordinator::Taken;
use super::host::{Code, CodeError, Generated, Request, SourceLocation};
use super::jobs::{Desk, Job, NotRun, Progress};
use super::log::WorkerEvent;
use super::options::Options;
use super::slot::Address;
use super::units::{Assumptions, Candidate, Loaded, Ticket, Tier, Unwanted, Work};
use super::{Shared, State, names};
use crate::error::UnitError;
use crate::event::Stage;
use crate::jit::{Jit, Source};
use crate::library::Library;
use crate::pipeline::Pipeline;
use crate::report::Status;
use crate::timeline::WorkKind;
use crate::unwind::catch;

/// What became of a unit.
pub(super) enum Outcome {
    Published,
    Failed(CodeError),
    /// Another unit has its slot.
    Superseded,
    /// It waits again.
    PutBack,
}

impl Shared {
    /// A thread's life. The first one sets up, unless that was done before a fork.
    pub(super) fn serve(&self, number: usize) {
        #[cfg(all(unix, not(loom)))]
        self.served_here();
        let _life = Life::new(self, number == 0);
        if number == 0 {
            self.coordinator.begin();
            let _running = Running(self);
            if self.engine().is_none() && catch(|| self.set_up()).is_err() {
                self.coordinator.with(|state| state.units.disable(&CodeError::Panicked));
            }
            self.stand_by();
        }
        let find = |state: &mut State| {
            let engine = self.engine()?;
            Some((engine, state.units.next_work()?))
        };
        loop {
            let patience = self.engine().and_then(|engine| engine.warms_in());
            let (engine, work) = match self.coordinator.take(patience, |state, _| find(state)) {
                Taken::Work(work) => work,
                Taken::Nothing => {
                    let _running = Running(self);
                    self.engine().iter().for_each(|engine| engine.warm());
                    continue;
                }
                Taken::Stopped => break,
            };
            let busy = Busy::with(self, &work);
            let served = catch(|| match work {
                Work::Compact(parts) => self.compact(&engine, &parts),
                work => self.serve_one(&engine, work),
            });
            // What panics are a host's reaper and observers, or a fault of ours: it costs one unit, and not the worker.
            if served.is_err() {
                busy.fails(&CodeError::Panicked);
            }
            let _ = catch(|| self.sweep());
            self.stand_by();
            drop(busy);
        }
    }

    pub(super) fn serve_one(&self, engine: &Jit, work: Work) {
        match work {
            Work::Make(tickets) => match &tickets[..] {
                [ticket] => self.make(engine, ticket),
                _ => self.make_together(engine, tickets),
            },
            Work::Improve(parts) => self.improve(engine, parts),
            Work::Unload(candidates) => self.unload(candidates),
            Work::CacheGrown(max_cache_size) => self.tell(&WorkerEvent::CacheGrown { max_cache_size }),
            // Compaction does not come in between, and sweeping follows anyway.
            Work::Compact(_) | Work::Sweep => {}
        }
    }

    /// Starts compilers for the units to come.
    fn stand_by(&self) {
        if let Some(engine) = self.engine() {
            let _ = catch(|| engine.stand_by(self));
        }
    }

    /// What goes wrong here disables compiling, says why, and never the VM.
    fn set_up(&self) {
        let executor = self.executor();
        let Options { build, .. } = &self.options;
        match Jit::open(self.options.jit(), build, &self.environment, &executor, self) {
            Ok(engine) => {
                if let Some(quick) = engine.quick() {
                    let Pipeline { compiler, flags, .. } = quick.pipeline();
                    let program = compiler.toolchain.compiler().program.display();
                    self.tell(&WorkerEvent::Quick(format!("{program} {}", flags.optimize.flag())));
                }
                self.set_engine(Some(Arc::new(engine)));
            }
            // Nobody needs to be told that what was ended did not go on.
            Err(_) if crate::exec::Executor::is_cancelled(&*executor) => {}
            Err(error) => {
                self.tell(&WorkerEvent::Warning(format!("compiling is disabled: {error}")));
                let why = CodeError::Disabled(Arc::new(error));
                self.coordinator.with(|state| state.units.disable(&why));
            }
        }
    }

    /// Makes room. Slots are emptied here, and stacks looked at again before anything is unloaded: nobody enters in between.
    fn unload(&self, mut candidates: Vec<Candidate>) {
        let code = self.scan_stacks(|state| {
            state.units.refresh(&mut candidates);
            candidates.iter().map(|candidate| candidate.code).collect()
        });
        candidates.iter_mut().zip(code).for_each(|(candidate, code)| candidate.code = code);
        let count = self.coordinator.publish(|state| state.units.retire_cold(&candidates));
        if count > 0 {
            self.tell(&WorkerEvent::Unloaded { count });
        }
    }

    /// Unloads what no slot leads to and nobody is inside of.
    fn sweep(&self) {
        if !self.coordinator.with(|state| state.units.may_close()) {
            return;
        }
        let code = self.scan_stacks(|state| state.units.retired_code());
        let free = self.coordinator.with(|state| state.units.closable(&code));
        for (id, location, library) in free {
            self.tell(&WorkerEvent::Unloading { id, location });
            drop(library);
        }
    }

    /// Asks the host about code. Which, is looked up with its collector held off, so that the owners have the names that it knows.
    fn scan_stacks(&self, which: impl FnOnce(&mut State) -> Vec<Code>) -> Vec<Code> {
        let Some((generating, mut code)) = Generating::begin(self, |state| Some(which(state))) else {
            return Vec::new();
        };
        let scanned = catch(|| self.host.scan_stacks(&mut code));
        drop(generating);
        if scanned.is_err() {
            // A host that cannot say keeps its code.
            code.iter_mut().for_each(|code| code.on_stack = true);
        }
        code
    }

    fn make(&self, engine: &Jit, ticket: &Ticket) {
        let began = Instant::now();
        let stem = engine.stem(ticket.id);
        let source = engine.source(&stem);
        let location = ticket.location.clone();
        let record = self.record(WorkKind::Unit, &location, Some(ticket.since.elapsed()));
        self.tell(&WorkerEvent::Start { location: location.clone(), source: source.clone() });
        let entry = self.entry(ticket.id, &location);
        let outcome = self.try_to_make(engine, ticket, &stem, &source, &entry);
        match &outcome {
            Outcome::Published => record.ends(Status::Built),
            Outcome::Failed(why) => record.has_no_code(why),
            Outcome::Superseded | Outcome::PutBack => drop(record),
        }
        self.tell_outcome(location, source, began.elapsed(), outcome);
    }

    pub(super) fn tell_outcome(&self, location: SourceLocation, source: PathBuf, took: Duration, outcome: Outcome) {
        match outcome {
            Outcome::Published => self.tell(&WorkerEvent::Success { location, took, source }),
            Outcome::Failed(why) => self.tell(&WorkerEvent::Failure { location, took, source, why }),
            Outcome::Superseded | Outcome::PutBack => {}
        }
    }

    fn try_to_make(&self, engine: &Jit, ticket: &Ticket, stem: &str, source: &Path, entry: &str) -> Outcome {
        let text: Arc<str> = match self.generate(ticket, entry) {
            Ok(text) => text.into(),
            Err(why) => return self.not_generated(ticket, why),
        };
        let source = Source { name: source.to_string_lossy().into_owned(), text: text.as_bytes(), units: 1 };
        engine.announce(entry, &ticket.location);
        let (tier, built) = self.build_first(engine, &ticket.location, stem, &source, entry);
        match built {
            Ok(loaded) => self.publish_code(ticket, tier, loaded, &text),
            Err(failure) => self.not_built(engine, ticket, stem, failure),
        }
    }

    /// There is no text. Says so to the slot, unless that is for another time.
    pub(super) fn not_generated(&self, ticket: &Ticket, why: NotGenerated) -> Outcome {
        match why {
            NotGenerated::Later => {
                self.coordinator.publish(|state| state.units.put_back(ticket.id));
                Outcome::PutBack
            }
            NotGenerated::Superseded => self.fail(ticket, CodeError::Cancelled),
            NotGenerated::Because(why) => self.fail(ticket, why),
        }
    }

    /// There is text and no code.
    pub(super) fn not_built(&self, engine: &Jit, ticket: &Ticket, stem: &str, failure: UnitError) -> Outcome {
        engine.forget(&self.entry(ticket.id, &ticket.location));
        self.tell(&WorkerEvent::NoLibrary(engine.library(stem)));
        let why = match failure {
            UnitError::Interrupted => CodeError::Finished,
            failure => CodeError::NotBuilt(Arc::new(failure)),
        };
        self.fail(ticket, why)
    }

    fn fail(&self, ticket: &Ticket, why: CodeError) -> Outcome {
        match self.coordinator.publish(|state| state.units.fail(ticket.id, why)) {
            Unwanted::Superseded => Outcome::Superseded,
            Unwanted::Failed(why) => Outcome::Failed(why),
        }
    }

    pub(super) fn publish_code(
        &self,
        ticket: &Ticket,
        tier: Tier,
        loaded: Loaded<Library>,
        text: &Arc<str>,
    ) -> Outcome {
        let (address, text) = (loaded.address, Arc::clone(text));
        let published = self.coordinator.publish(|state| state.units.publish(ticket.id, tier, loaded, text));
        match published {
            Ok(()) => {
                self.tell_host(ticket.id, address);
                Outcome::Published
            }
            // What is not wanted is unloaded here, outside the lock.
            Err((Unwanted::Superseded, _)) => Outcome::Superseded,
            Err((Unwanted::Failed(why), _)) => Outcome::Failed(why),
        }
    }

    pub(super) fn entry(&self, id: u64, location: &SourceLocation) -> String {
        names::entry(&self.options.entry_prefix, id, self.options.build.flags.debug.then_some(location))
    }

    /// Asks the host for the C text, with its collector held off.
    pub(super) fn generate(&self, ticket: &Ticket, entry: &str) -> Result<String, NotGenerated> {
        // With the wait for the host's collector.
        let _stage = Stage::Generate.on(self);
        let mut unwanted = None;
        let begun = Generating::begin(self, |state| {
            unwanted = state.units.unwanted(ticket.id);
            state.units.owner(ticket.id).filter(|_| unwanted.is_none())
        });
        let Some((generating, owner)) = begun else {
            return Err(match unwanted {
                Some(Unwanted::Failed(why)) => NotGenerated::Because(why),
                Some(Unwanted::Superseded) | None => NotGenerated::Superseded,
            });
        };
        let desk = VmDesk { shared: self, generating: &generating, id: ticket.id, stopping: Cell::new(false) };
        let request = Request { id: ticket.id, owner, entry, switches: ticket.switches, desk: &desk };
        let text = catch(|| self.host.generate(&request));
        let VmDesk { stopping, .. } = desk;
        generating.end(|state| {
            if let Ok(Ok(Generated { assumptions, inlined, .. })) = &text {
                let inlined = inlined.iter().map(|inlined| inlined.owner).collect();
                state.units.depend_on(ticket.id, Assumptions { assumptions: assumptions.clone(), inlined });
            }
        });
        let Generated { text, inlined, .. } = match text {
            Ok(Ok(generated)) => generated,
            Ok(Err(_)) if stopping.get() => return Err(NotGenerated::Later),
            Ok(Err(why)) => return Err(NotGenerated::Because(CodeError::NotGenerated(why))),
            Err(_) => return Err(NotGenerated::Because(CodeError::Panicked)),
        };
        for inlined in &inlined {
            let (location, inlined) = (ticket.location.clone(), inlined.location.clone());
            self.tell(&WorkerEvent::Inlined { location, inlined });
        }
        Ok(text)
    }

    pub(super) fn tell_host(&self, id: u64, address: Address) {
        let begun = Generating::begin(self, |state| state.units.owner_of_code(id, address));
        if let Some((_generating, owner)) = begun {
            let _ = catch(|| self.host.published(owner, address.pointer()));
        }
    }

    pub(super) fn engine(&self) -> Option<Arc<Jit>> {
        crate::sync::lock(&self.engine).clone()
    }
}

/// Why there is no text.
pub(super) enum NotGenerated {
    Because(CodeError),
    Superseded,
    /// The VM's thread was wanted and is about to pause the worker.
    Later,
}

/// The way from a worker's thread to the VM's.
struct VmDesk<'a> {
    shared: &'a Shared,
    generating: &'a Generating<'a>,
    id: u64,
    stopping: Cell<bool>,
}

impl fmt::Debug for VmDesk<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VmDesk").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Desk for VmDesk<'_> {
    fn run(&self, job: Job) -> Result<(), NotRun> {
        let Self { shared, generating, id, stopping } = self;
        // The VM may collect before it comes to the job.
        generating.pause();
        let number = shared.coordinator.with(|state| state.jobs.hand_in(job));
        let _ = catch(|| shared.host.vm_jobs_wait());
        let (result, withdrawn) = shared.coordinator.rest_until(|state, status| match state.jobs.progress(number) {
            Progress::Done => Some((Ok(()), None)),
            Progress::Running => None,
            Progress::Waiting => {
                let gone = if status.paused || status.stopped {
                    NotRun::Stopping
                } else {
                    state.units.unwanted(*id).map(|_| NotRun::Unwanted)?
                };
                Some((Err(gone), state.jobs.withdraw(number)))
            }
        });
        // What the job holds is the host's, whose destructors may do anything: not under the lock.
        drop(withdrawn);
        generating.go_on();
        stopping.set(stopping.get() || result == Err(NotRun::Stopping));
        result?;
        match shared.coordinator.with(|state| state.units.unwanted(*id)) {
            Some(_) => Err(NotRun::Unwanted),
            None => Ok(()),
        }
    }
}
