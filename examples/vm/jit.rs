//! All that this VM has to do with mjit-cc: what it asks of the worker, and what the worker asks of it.
//!
//! The worker's threads never see the heap. What they generate code from is put together when a function is submitted, and
//! does not change; which functions the globals hold is under a lock.

use std::collections::HashMap;
use std::ffi::c_void;
use std::num::NonZero;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mjitcc::discover::{Environment, Finder, Wish};
use mjitcc::exec::ProcessExecutor;
use mjitcc::pipeline::Pipeline;
use mjitcc::platforms::Flags;
use mjitcc::scratch::{Purpose, Scratch};
use mjitcc::worker::{
    Entered, FactId, Generated, Host, Options, OwnerId, Place, Request, Slot, SlotState, Worker, WorkerHeader,
};

use crate::bytecode::Program;
use crate::codegen::{Known, Text, Unit, generate};
use crate::value::Value;

/// How the JIT works.
#[derive(Clone, Debug)]
pub(crate) struct JitOptions {
    pub(crate) cc: Option<String>,
    pub(crate) threads: NonZero<usize>,
    pub(crate) wait: bool,
    pub(crate) verbose: u8,
    pub(crate) min_calls: u64,
}

/// What a function is compiled from.
pub(crate) struct Source {
    pub(crate) template: u16,
    /// The captured values; none where it is a reference, which moves.
    pub(crate) captures: Vec<Option<Value>>,
}

/// The VM's end of the worker.
pub(crate) struct Jit {
    worker: Worker,
    desk: Arc<Desk>,
    pub(crate) min_calls: u64,
}

/// What lies ready for the worker's threads.
struct Desk {
    program: Arc<Program>,
    papers: Mutex<Papers>,
}

#[derive(Default)]
struct Papers {
    sources: HashMap<OwnerId, (Arc<Source>, u64)>,
    globals: Vec<Known>,
    /// Whose code relies on which generation of a global.
    relying: HashMap<FactId, Vec<OwnerId>>,
}

impl Desk {
    fn papers(&self) -> MutexGuard<'_, Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host for Desk {
    fn generate(&self, request: &Request) -> Result<Generated, String> {
        let mut papers = self.papers();
        let (source, without) = papers.sources.get(&request.owner).cloned().ok_or("the function is gone")?;
        // Under the lock, so that no global changes before it is noted who relies on it.
        let Text { c, relies_on } = generate(&Unit {
            template: &self.program.templates[usize::from(source.template)],
            owner: request.owner.0,
            captures: &source.captures,
            globals: &papers.globals,
            without,
            entry: &request.entry,
        });
        let facts: Vec<FactId> = relies_on.into_iter().map(FactId).collect();
        facts.iter().for_each(|fact| papers.relying.entry(*fact).or_default().push(request.owner));
        Ok(Generated { text: c, facts })
    }

    /// Whoever is inside of code holds a guard.
    fn on_stacks(&self, _owners: &[OwnerId]) -> Vec<OwnerId> {
        Vec::new()
    }
}

impl Jit {
    /// Starts the worker.
    pub(crate) fn start(program: &Arc<Program>, options: &JitOptions) -> Result<Self, String> {
        let environment = Environment::read();
        let scratch = Scratch::create(&environment.temp_dirs, Purpose::Code).map_err(|error| error.to_string())?;
        let executor = Arc::new(ProcessExecutor::default());
        let finder = Finder { environment: &environment, executor: &*executor, temp_dir: scratch.path() };
        let wish = Wish { cc: options.cc.clone().map(Into::into), ..Wish::default() };
        let compiler = finder.find(&wish).map_err(|error| error.to_string())?;
        let pipeline = Pipeline::new(compiler, Flags::default(), executor, scratch);
        let verbose = options.verbose;
        let worker_options = Options {
            header: WorkerHeader::File(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/vm/vm.h")),
            threads: options.threads,
            wait: options.wait,
            observer: Box::new(move |event| {
                if event.level() <= verbose {
                    eprintln!("{event}");
                }
            }),
            ..Options::default()
        };
        let papers = Papers { globals: vec![Known::default(); program.globals.len()], ..Papers::default() };
        let desk = Arc::new(Desk { program: Arc::clone(program), papers: Mutex::new(papers) });
        let worker = Worker::start(pipeline, Arc::clone(&desk) as Arc<dyn Host>, worker_options);
        Ok(Self { worker, desk, min_calls: options.min_calls })
    }

    /// Hands over a hot function.
    pub(crate) fn submit(&self, compiled: &mut Compiled, owner: u64, source: Source, heat: Arc<AtomicU64>) {
        let program = &self.desk.program;
        let template = &program.templates[usize::from(source.template)];
        let place = Place { label: template.name.clone(), path: program.path.clone(), line: template.line };
        self.desk.papers().sources.insert(OwnerId(owner), (Arc::new(source), compiled.without));
        compiled.heat = Some((place.clone(), Arc::clone(&heat)));
        compiled.slot = Some(self.worker.submit(OwnerId(owner), place, heat));
    }

    /// Has a function compiled again with one assumption less, once for however many frames find out.
    pub(crate) fn recompile(&self, compiled: &mut Compiled, owner: u64, why: u64) {
        if compiled.without & why != 0 {
            return;
        }
        compiled.without |= why;
        if let Some((_, without)) = self.desk.papers().sources.get_mut(&OwnerId(owner)) {
            *without = compiled.without;
        }
        if let Some((place, heat)) = &compiled.heat {
            compiled.slot = Some(self.worker.submit(OwnerId(owner), place.clone(), Arc::clone(heat)));
        }
    }

    /// A global holds another function now: gives the owners of all code, loaded or on its way, that relied on the one before.
    pub(crate) fn redefine(&self, global: u16, known: Known, before: u64) -> Vec<u64> {
        let mut papers = self.desk.papers();
        papers.globals[usize::from(global)] = known;
        let relying = papers.relying.remove(&FactId(before)).unwrap_or_default();
        // The worker may be told later than the papers: what is generated from now on relies on what is true now.
        drop(papers);
        if !relying.is_empty() {
            self.worker.invalidate(FactId(before));
        }
        relying.into_iter().map(|OwnerId(owner)| owner).collect()
    }

    pub(crate) fn enter_gc(&self) {
        self.worker.enter_gc();
    }

    pub(crate) fn leave_gc(&self) {
        self.worker.leave_gc();
    }

    /// A function was found to be garbage.
    pub(crate) fn owner_died(&self, owner: u64) {
        if self.desk.papers().sources.remove(&OwnerId(owner)).is_some() {
            self.worker.owner_died(OwnerId(owner));
        }
    }

    /// Waits until all that was submitted is compiled.
    pub(crate) fn settle(&self) {
        self.worker.pause(true);
        self.worker.resume();
    }
}

/// A function's machine code, if it has any. A guard costs a fence, so each function keeps its own from call to call, and gives it
/// up when the collector comes by.
#[derive(Default)]
pub(crate) struct Compiled {
    slot: Option<Slot>,
    heat: Option<(Place, Arc<AtomicU64>)>,
    /// The assumptions that it is to be compiled without.
    pub(crate) without: u64,
    /// Of all code that may be running: the newest last.
    guards: Vec<Entered>,
    /// How many calls are inside.
    inside: usize,
}

impl Compiled {
    /// Whether it was never submitted, or what came of it was taken back.
    pub(crate) fn is_cold(&self) -> bool {
        self.slot.is_none()
    }

    /// The code was taken back; the function may be submitted again.
    pub(crate) fn forget(&mut self) {
        self.slot = None;
    }

    /// The code's address. It stays loaded until as many calls of [`Self::leave`].
    pub(crate) fn enter(&mut self) -> Option<NonNull<c_void>> {
        let slot = self.slot.as_ref()?;
        let SlotState::Callable(address) = slot.state() else { return None };
        if self.guards.last().is_none_or(|guard| guard.address() != address) {
            let guard = slot.enter()?;
            self.let_go();
            self.guards.push(guard);
        }
        self.inside += 1;
        self.guards.last().map(Entered::address)
    }

    pub(crate) fn leave(&mut self) {
        self.inside -= 1;
    }

    /// Gives up the guards, unless a call is inside.
    pub(crate) fn let_go(&mut self) {
        if self.inside == 0 {
            self.guards.clear();
        }
    }
}
