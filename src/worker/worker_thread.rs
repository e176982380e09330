//! The main loop of the worker's threads, and the work on single units. `units` chooses the work, `coordinator` decides when it may be
//! done, `engine` builds code.

use std::cell::Cell;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::at_work::{Busy, Generating, Life, Running};
use super::coordinator::TakeResult;
use super::host::{Code, CodeError, Generated, Request, SourceLocation};
use super::jobs::{Desk, JobError, JobProgress, VmJob};
use super::log::WorkerEvent;
use super::options::Options;
use super::slot::Address;
use super::units::{Assumptions, Candidate, Loaded, Ticket, Tier, Unwanted, Work};
use super::{Shared, WorkerState, names};
use crate::error::UnitError;
use crate::event::Stage;
use crate::jit::{Jit, TranslationUnit};
use crate::library::Library;
use crate::pipeline::Pipeline;
use crate::report::Status;
use crate::timeline::WorkKind;
use crate::unwind::catch;

/// The result of work on a unit.
pub(super) enum UnitOutcome {
    Published,
    Failed(CodeError),
    /// Another unit has the slot now.
    Superseded,
    /// The unit was put back into the queue.
    PutBack,
}

impl Shared {
    /// The main loop of a thread. Thread 0 sets up the engine first, unless a fork has inherited an engine.
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
        let find = |state: &mut WorkerState| {
            let engine = self.engine()?;
            Some((engine, state.units.next_work()?))
        };
        loop {
            let patience = self.engine().and_then(|engine| engine.warms_in());
            let (engine, work) = match self.coordinator.take(patience, |state, _| find(state)) {
                TakeResult::Work(work) => work,
                TakeResult::Nothing => {
                    let _running = Running(self);
                    self.engine().iter().for_each(|engine| engine.warm());
                    continue;
                }
                TakeResult::Stopped => break,
            };
            let busy = Busy::with(self, &work);
            let served = catch(|| match work {
                Work::Compact(parts) => self.compact(&engine, &parts),
                work => self.serve_one(&engine, work),
            });
            // A panic of the host's reaper or observer, or a bug of this crate, fails one unit but does not stop the worker.
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
            Work::Build(tickets) => match &tickets[..] {
                [ticket] => self.build_one(engine, ticket),
                _ => self.build_tickets(engine, tickets),
            },
            Work::Improve(parts) => self.improve(engine, parts),
            Work::Unload(candidates) => self.unload(candidates),
            Work::CacheGrown(max_cache_size) => self.tell(&WorkerEvent::CacheGrown { max_cache_size }),
            // `serve` runs compactions, and sweeps after any work.
            Work::Compact(_) | Work::Sweep => {}
        }
    }

    /// Starts compilers for the units to come.
    fn stand_by(&self) {
        if let Some(engine) = self.engine() {
            let _ = catch(|| engine.stand_by(self));
        }
    }

    /// Sets up the engine. An error disables compiling and is a warning; the VM continues.
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
            // The worker was stopped during the setup: nothing to report.
            Err(_) if crate::exec::Executor::is_cancelled(&*executor) => {}
            Err(error) => {
                self.tell(&WorkerEvent::Warning(format!("compiling is disabled: {error}")));
                let why = CodeError::Disabled(Arc::new(error));
                self.coordinator.with(|state| state.units.disable(&why));
            }
        }
    }

    /// Retires cold units. Their slots are emptied here; `sweep` scans the stacks again before any code is unloaded.
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

    /// Unloads retired code that no guard holds and that is on no stack.
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

    /// Asks the host which code is on a stack. The code is looked up while the collector cannot run, so that the numbers of owners are
    /// current.
    fn scan_stacks(&self, which: impl FnOnce(&mut WorkerState) -> Vec<Code>) -> Vec<Code> {
        let Some((generating, mut code)) = Generating::begin(self, |state| Some(which(state))) else {
            return Vec::new();
        };
        let scanned = catch(|| self.host.scan_stacks(&mut code));
        drop(generating);
        if scanned.is_err() {
            // If the callback panics, all code counts as in use.
            code.iter_mut().for_each(|code| code.on_stack = true);
        }
        code
    }

    fn build_one(&self, engine: &Jit, ticket: &Ticket) {
        let began = Instant::now();
        let stem = engine.stem(ticket.id);
        let source = engine.source(&stem);
        let location = ticket.location.clone();
        let record = self.record(WorkKind::Unit, &location, Some(ticket.since.elapsed()));
        self.tell(&WorkerEvent::Start { location: location.clone(), source: source.clone() });
        let entry = self.entry(ticket.id, &location);
        let outcome = self.try_build(engine, ticket, &stem, &entry);
        match &outcome {
            UnitOutcome::Published => record.ends(Status::Built),
            UnitOutcome::Failed(why) => record.has_no_code(why),
            UnitOutcome::Superseded | UnitOutcome::PutBack => drop(record),
        }
        self.tell_outcome(location, source, began.elapsed(), outcome);
    }

    pub(super) fn tell_outcome(&self, location: SourceLocation, source: PathBuf, took: Duration, outcome: UnitOutcome) {
        match outcome {
            UnitOutcome::Published => self.tell(&WorkerEvent::Success { location, took, source }),
            UnitOutcome::Failed(why) => self.tell(&WorkerEvent::Failure { location, took, source, why }),
            UnitOutcome::Superseded | UnitOutcome::PutBack => {}
        }
    }

    fn try_build(&self, engine: &Jit, ticket: &Ticket, stem: &str, entry: &str) -> UnitOutcome {
        let text: Arc<str> = match self.generate(ticket, entry) {
            Ok(text) => text.into(),
            Err(why) => return self.not_generated(ticket, why),
        };
        let source = TranslationUnit { name: engine.source_name(stem), text: text.as_bytes(), units: 1 };
        engine.announce(entry, &ticket.location);
        let (tier, built) = self.build_first(engine, &ticket.location, stem, &source, entry);
        match built {
            Ok(loaded) => self.publish_code(ticket, tier, loaded, &text),
            Err(failure) => self.not_built(engine, ticket, stem, failure),
        }
    }

    /// Handles a unit without C text: fails the unit or puts it back.
    pub(super) fn not_generated(&self, ticket: &Ticket, why: NotGenerated) -> UnitOutcome {
        match why {
            NotGenerated::Later => {
                self.coordinator.publish(|state| state.units.put_back(ticket.id));
                UnitOutcome::PutBack
            }
            NotGenerated::Superseded => self.fail(ticket, CodeError::Cancelled),
            NotGenerated::Because(why) => self.fail(ticket, why),
        }
    }

    /// Handles a unit whose text did not compile, link or load.
    pub(super) fn not_built(&self, engine: &Jit, ticket: &Ticket, stem: &str, failure: UnitError) -> UnitOutcome {
        engine.forget(&self.entry(ticket.id, &ticket.location));
        self.tell(&WorkerEvent::NoLibrary(engine.library(stem)));
        let why = match failure {
            UnitError::Interrupted => CodeError::Finished,
            failure => CodeError::NotBuilt(Arc::new(failure)),
        };
        self.fail(ticket, why)
    }

    fn fail(&self, ticket: &Ticket, why: CodeError) -> UnitOutcome {
        match self.coordinator.publish(|state| state.units.fail(ticket.id, why)) {
            Unwanted::Superseded => UnitOutcome::Superseded,
            Unwanted::Failed(why) => UnitOutcome::Failed(why),
        }
    }

    pub(super) fn publish_code(
        &self,
        ticket: &Ticket,
        tier: Tier,
        loaded: Loaded<Library>,
        text: &Arc<str>,
    ) -> UnitOutcome {
        let (address, text) = (loaded.address, Arc::clone(text));
        let published = self.coordinator.publish(|state| state.units.publish(ticket.id, tier, loaded, text));
        match published {
            Ok(()) => {
                self.tell_host(ticket.id, address);
                UnitOutcome::Published
            }
            // Code that is no longer needed is unloaded here, outside the lock.
            Err((Unwanted::Superseded, _)) => UnitOutcome::Superseded,
            Err((Unwanted::Failed(why), _)) => UnitOutcome::Failed(why),
        }
    }

    pub(super) fn entry(&self, id: u64, location: &SourceLocation) -> String {
        names::entry(&self.options.entry_prefix, id, self.options.build.flags.debug.then_some(location))
    }

    /// Calls `generate` of the host while the collector cannot run.
    pub(super) fn generate(&self, ticket: &Ticket, entry: &str) -> Result<String, NotGenerated> {
        // The stage includes the wait for a collection.
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

/// Why a unit has no C text.
pub(super) enum NotGenerated {
    Because(CodeError),
    Superseded,
    /// The worker pauses or stops, so that a job for the VM's thread cannot run.
    Later,
}

/// Runs jobs of one request on the VM's thread.
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
    fn run(&self, job: VmJob) -> Result<(), JobError> {
        let Self { shared, generating, id, stopping } = self;
        // The VM may collect before it runs the job.
        generating.pause();
        let number = shared.coordinator.with(|state| state.jobs.hand_in(job));
        let _ = catch(|| shared.host.vm_jobs_wait());
        let (result, withdrawn) = shared.coordinator.rest_until(|state, status| match state.jobs.progress(number) {
            JobProgress::Done => Some((Ok(()), None)),
            JobProgress::Running => None,
            JobProgress::Waiting => {
                let gone = if status.paused || status.stopped {
                    JobError::Stopping
                } else {
                    state.units.unwanted(*id).map(|_| JobError::Unwanted)?
                };
                Some((Err(gone), state.jobs.withdraw(number)))
            }
        });
        // The destructor of the job is code of the host, which must not run under the lock.
        drop(withdrawn);
        generating.go_on();
        stopping.set(stopping.get() || result == Err(JobError::Stopping));
        result?;
        match shared.coordinator.with(|state| state.units.unwanted(*id)) {
            Some(_) => Err(JobError::Unwanted),
            None => Ok(()),
        }
    }
}
