//! The interface of this VM to mjit-cc: the calls of the worker, and the callbacks that the worker calls.
//!
//! The worker's threads never access the heap. They generate code from data that is collected when a function is submitted and does not
//! change; the functions in globals are protected by a lock.

use std::collections::HashMap;
use std::ffi::c_void;
use std::num::NonZero;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mjitcc::discover::CompilerSpec;
#[cfg(unix)]
use mjitcc::worker::Fork;
use mjitcc::worker::{
    AssumptionId, Code, Entered, Generated, Host, OwnerId, Request, Slot, SlotState, SourceLocation, Switches, Worker,
};

use crate::bytecode::Program;
use crate::codegen::{Known, Text, Unit, generate};
use crate::value::Value;

/// The options of the JIT.
#[derive(Clone, Debug)]
pub(crate) struct JitOptions {
    pub(crate) cc: Option<String>,
    pub(crate) threads: NonZero<usize>,
    pub(crate) max_cache_size: usize,
    pub(crate) min_calls: u64,
    pub(crate) wait: bool,
    pub(crate) verbose: u8,
    pub(crate) save_temps: bool,
}

/// The data from which a function is compiled.
pub(crate) struct Source {
    pub(crate) template: u16,
    /// The captured values; `None` for a reference, since objects move.
    pub(crate) captures: Vec<Option<Value>>,
}

/// The VM's interface to the worker.
pub(crate) struct Jit {
    worker: Worker,
    desk: Arc<Desk>,
    pub(crate) min_calls: u64,
}

/// The data for the worker's threads.
struct Desk {
    program: Arc<Program>,
    papers: Mutex<Papers>,
}

#[derive(Default)]
struct Papers {
    sources: HashMap<OwnerId, Source>,
    globals: Vec<Known>,
    /// The owners whose code depends on each generation of a global.
    relying: HashMap<AssumptionId, Vec<OwnerId>>,
}

impl Desk {
    fn papers(&self) -> MutexGuard<'_, Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host for Desk {
    fn generate(&self, request: &Request<'_>) -> Result<Generated, String> {
        // Under the lock until the dependencies are noted, so that no global changes before.
        let mut papers = self.papers();
        let source = papers.sources.get(&request.owner).ok_or("the function is gone")?;
        let Text { c, depends_on } = generate(&Unit {
            template: &self.program.templates[usize::from(source.template)],
            owner: request.owner.0,
            captures: &source.captures,
            globals: &papers.globals,
            without: request.switches.0,
            entry: request.entry,
        });
        let assumptions: Vec<AssumptionId> = depends_on.into_iter().map(AssumptionId).collect();
        assumptions.iter().for_each(|assumption| papers.relying.entry(*assumption).or_default().push(request.owner));
        Ok(Generated { text: c, assumptions, inlined: Vec::new() })
    }

    /// Nothing to do: every caller holds a guard.
    fn scan_stacks(&self, _code: &mut [Code]) {}
}

impl Jit {
    /// Starts the worker. Without a compiler, for example, all code is interpreted.
    pub(crate) fn start(program: &Arc<Program>, options: &JitOptions) -> Self {
        let papers = Papers { globals: vec![Known::default(); program.globals.len()], ..Papers::default() };
        let desk = Arc::new(Desk { program: Arc::clone(program), papers: Mutex::new(papers) });
        let worker = Worker::builder()
            .compiler_spec(CompilerSpec { cc: options.cc.clone().map(Into::into), ..CompilerSpec::default() })
            .header(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/vm/vm.h"))
            .threads(options.threads)
            .max_cache_size(options.max_cache_size)
            .wait(options.wait)
            .verbose(options.verbose)
            .save_temps(options.save_temps)
            .start(Arc::<Desk>::clone(&desk));
        Self { worker, desk, min_calls: options.min_calls }
    }

    /// Submits a hot function.
    pub(crate) fn submit(&self, compiled: &mut Compiled, owner: u64, source: Source, heat: Arc<AtomicU64>) {
        let program = &self.desk.program;
        let template = &program.templates[usize::from(source.template)];
        let location = SourceLocation { label: template.name.clone(), path: program.path.clone(), line: template.line };
        self.desk.papers().sources.insert(OwnerId(owner), source);
        compiled.slot = Some(self.worker.submit_with(OwnerId(owner), location, heat, Switches(compiled.without)));
    }

    /// Compiles a function again without an assumption that failed; once, also if several frames fail.
    pub(crate) fn recompile(&self, compiled: &mut Compiled, why: u64) {
        if compiled.without & why != 0 {
            return;
        }
        compiled.without |= why;
        let slot = compiled.slot.take();
        compiled.slot = slot.filter(|slot| self.worker.recompile(slot, Switches(compiled.without)));
    }

    /// Handles a new function in a global: returns the owners of all code, loaded or being built, that depends on the old function.
    pub(crate) fn redefine(&self, global: u16, known: Known, before: u64) -> Vec<u64> {
        let mut papers = self.desk.papers();
        papers.globals[usize::from(global)] = known;
        let relying = papers.relying.remove(&AssumptionId(before)).unwrap_or_default();
        // The worker may learn this later than the table: code that is generated from now on depends on the new function.
        drop(papers);
        if !relying.is_empty() {
            self.worker.invalidate(AssumptionId(before));
        }
        relying.into_iter().map(|OwnerId(owner)| owner).collect()
    }

    /// The collector begins to move objects. Nothing here moves, but functions may die.
    pub(crate) fn enter_gc(&self) {
        self.worker.enter_gc();
    }

    pub(crate) fn leave_gc(&self) {
        self.worker.leave_gc();
    }

    /// A function died. Called between [`Self::enter_gc`] and [`Self::leave_gc`].
    pub(crate) fn owner_died(&self, owner: u64) {
        if self.desk.papers().sources.remove(&OwnerId(owner)).is_some() {
            self.worker.owner_died(OwnerId(owner));
        }
    }

    /// Waits until all submitted functions are compiled.
    pub(crate) fn settle(&self) {
        self.worker.pause(true);
        self.worker.resume();
    }

    /// Stops the worker for a fork.
    #[cfg(unix)]
    pub(crate) fn before_fork(&self) -> Fork<'_> {
        self.worker.before_fork()
    }
}

/// The machine code of a function, if there is any. A guard costs a fence, so each function keeps its guard from call to call and releases
/// it in a collection.
#[derive(Default)]
pub(crate) struct Compiled {
    slot: Option<Slot>,
    /// The assumptions that must not be made any more.
    pub(crate) without: u64,
    /// The guards of all code that may be running, the newest last.
    guards: Vec<Entered>,
    /// The number of calls that are inside.
    inside: usize,
}

impl Compiled {
    /// True if the function was never submitted, or its code was cancelled or unloaded.
    pub(crate) fn is_cold(&self) -> bool {
        self.slot.is_none()
    }

    /// The code was cancelled; the function may be submitted again.
    pub(crate) fn forget(&mut self) {
        self.slot = None;
    }

    /// Returns the address of the code, which stays loaded until the matching call of [`Self::leave`].
    pub(crate) fn enter(&mut self) -> Option<NonNull<c_void>> {
        let slot = self.slot.as_ref()?;
        let address = match slot.state() {
            SlotState::Callable(address) => address,
            SlotState::NotReady | SlotState::Failed => return None,
            SlotState::Unloaded => {
                self.forget();
                return None;
            }
        };
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

    /// Releases the guards, unless a call is inside.
    pub(crate) fn let_go(&mut self) {
        if self.inside == 0 {
            self.guards.clear();
        }
    }
}
