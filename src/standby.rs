//! Compilers that are started ahead, load the PCH and wait for C text on a pipe, so that a unit waits neither for the start nor for the
//! PCH. Knows neither the order of units nor the use of objects. If a prestarted compiler fails, the caller compiles the unit in the usual
//! way.

#[cfg(target_os = "linux")]
#[path = "standby/warm.rs"]
mod warm;
#[cfg(not(target_os = "linux"))]
#[path = "standby/cold.rs"]
mod warm;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use mjit_cc_platforms::{Completion, Role};

use crate::event::{Event, Observer};
use crate::exec::{ExecError, Exit, Finished, Invocation, PrestartedProcess, Watch};
use crate::files;
use crate::header::UnitHeader;
use crate::pipeline::{DependencyTracking, Pipeline, StepOutput, UnitPaths};
use crate::symbols;
use crate::sync::{Mutex, lock, try_lock};
use crate::unit::Unit;
use warm::Warming;

/// How long a compiler waits for a unit before it is ended, since the loaded PCH takes memory.
const IDLE: Duration = Duration::from_secs(20);

/// The file that [`standby_source`](mjit_cc_platforms::Toolchain::standby_source) includes.
const STDIN: &str = "/dev/stdin";

/// The prestarted compilers. They end when this value is dropped, and when the process ends in any way, since their input then ends.
#[derive(Debug)]
pub(crate) struct Standby {
    wanted: usize,
    ready: Mutex<Vec<IdleCompiler>>,
    /// Compilers whose object is complete and which are about to exit.
    ending: Mutex<Vec<IdleCompiler>>,
    /// Unused watches of the objects' directory, at most one for each thread.
    watches: Mutex<Vec<Watch>>,
    /// The source file of all prestarted compilers, once written.
    source: Mutex<Option<PathBuf>>,
    next: AtomicU64,
    /// True once prestarting failed: no further compiler is started.
    off: AtomicBool,
}

/// A prestarted compiler and its files.
#[derive(Debug)]
struct IdleCompiler {
    compiler: PrestartedProcess,
    paths: UnitPaths,
    /// The start by the clock that stamps files; `None` if its inputs are not recorded.
    began: Option<SystemTime>,
    warming: Warming,
}

impl Standby {
    pub(crate) fn new(wanted: usize) -> Self {
        Self {
            wanted,
            ready: Mutex::default(),
            ending: Mutex::default(),
            watches: Mutex::default(),
            source: Mutex::default(),
            next: AtomicU64::new(0),
            off: AtomicBool::new(wanted == 0),
        }
    }

    pub(crate) fn wanted(&self) -> usize {
        self.wanted
    }

    /// True if no compiler is waiting.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.ready).is_empty()
    }

    /// Starts compilers up to the wanted number. Waits only for compilers that are about to exit.
    pub(crate) fn prepare(&self, pipeline: &Pipeline, header: &UnitHeader, observer: &dyn Observer) {
        let ending = std::mem::take(&mut *lock(&self.ending));
        ending.into_iter().for_each(|ending| ending.finish(pipeline));
        while !self.off.load(Ordering::Relaxed) && lock(&self.ready).len() < self.wanted {
            match self.start(pipeline, header, observer) {
                Some(idle) => {
                    // Another thread may have started the last wanted compiler meanwhile.
                    let mut ready = lock(&self.ready);
                    let fits = ready.len() < self.wanted;
                    let surplus = if fits {
                        ready.push(idle);
                        None
                    } else {
                        Some(idle)
                    };
                    drop(ready);
                    surplus.into_iter().for_each(|idle| idle.finish(pipeline));
                }
                // The platform or the compiler has no support, or the start failed.
                None => self.off.store(true, Ordering::Relaxed),
            }
        }
    }

    fn start(&self, pipeline: &Pipeline, header: &UnitHeader, observer: &dyn Observer) -> Option<IdleCompiler> {
        // A launcher needs the unit's text.
        let text = pipeline.toolchain().standby_source().filter(|_| pipeline.launcher.is_none())?;
        let began = if pipeline.records_units { Some(pipeline.stamp().ok()?) } else { None };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let suffix = pipeline.toolchain().compiler().target.object_suffix();
        let paths = pipeline.paths(&format!("standby-{number}"), pipeline.scratch.path(), suffix);
        let paths = UnitPaths { source: self.source(pipeline, text)?, ..paths };
        let plan = pipeline.plan_unit(&paths, None, header.as_job(), Role::Object).ok()?;
        let [step] = &plan.steps[..] else { return None };
        let invocation =
            Invocation { step, deadline: Instant::now().checked_add(IDLE), temp_dir: pipeline.scratch.path() };
        observer.event(&Event::Running { step });
        match pipeline.executor.prestart(&invocation) {
            Ok(compiler) => {
                let copies_pch = header.pch_file().is_some() && pipeline.toolchain().copies_pch();
                Some(IdleCompiler { compiler, paths, began, warming: Warming::new(copies_pch) })
            }
            Err(_) => None,
        }
    }

    /// Returns the source file, and writes the file the first time.
    fn source(&self, pipeline: &Pipeline, text: &str) -> Option<PathBuf> {
        let mut source = lock(&self.source);
        if source.is_none() {
            let path = pipeline.scratch.path().join("standby.c");
            fs::write(&path, text).ok()?;
            *source = Some(path);
        }
        source.clone()
    }

    /// Does a small part of warming one compiler. Called when there is no other work; compilers can be used between calls.
    pub(crate) fn warm(&self, header: &UnitHeader) {
        // One thread warms at a time. A thread that finds the lock taken returns, to be ready for a unit.
        let Some(mut ready) = try_lock(&self.ready) else { return };
        let cold = ready.iter_mut().find(|idle| idle.warming.next_in().is_some());
        if let Some(IdleCompiler { compiler, warming, .. }) = cold
            && let Some(process) = compiler.process()
        {
            warming.step(process, header.pch_file());
        }
    }

    /// Returns how soon [`warm`](Self::warm) may have work; `None` if no work is left.
    pub(crate) fn warms_in(&self) -> Option<Duration> {
        lock(&self.ready).iter().filter_map(|idle| idle.warming.next_in()).min()
    }

    /// Compiles a unit with a waiting compiler. `None` if no compiler waits or the compilation fails: the caller compiles the unit again,
    /// with diagnostics that show the unit's own name.
    pub(crate) fn compile(
        &self,
        pipeline: &Pipeline,
        header: &UnitHeader,
        unit: &Unit,
        deadline: Option<Instant>,
    ) -> Option<(StepOutput, PathBuf)> {
        let mut idle = self.take(pipeline)?;
        let object = idle.paths.staged.clone();
        // With a cache, waits for the exit: compilers may write the depfile last.
        let is_whole: Option<&dyn Fn() -> bool> = match pipeline.toolchain().completion(&pipeline.flags) {
            _ if pipeline.cache.is_some() => None,
            Completion::AtExit => None,
            Completion::Renamed => Some(&|| symbols::is_whole(&object)),
            Completion::Section(name) => Some(&|| symbols::is_whole_with(&object, name)),
        };
        let early = is_whole.map(|is_whole| (is_whole, self.watch(pipeline)));
        let text = pipeline.source_text(unit, Role::Object, false);
        let fed = idle.compiler.feed(&text, deadline);
        let is_complete =
            fed.is_ok() && early.as_ref().is_some_and(|(is_whole, watch)| idle.compiler.wait_until(watch, *is_whole));
        lock(&self.watches).extend(early.map(|(_, watch)| watch));
        if fed.is_err() {
            idle.finish(pipeline);
            return None;
        }
        let unknown = StepOutput { companions: Vec::new(), text: String::new(), inputs: None, waited: Duration::ZERO };
        if is_complete {
            lock(&self.ending).push(idle);
            return Some((unknown, object));
        }
        let IdleCompiler { compiler, paths, began, .. } = idle;
        let finished = compiler.wait();
        let rule = paths.depfile.as_ref().map(|path| files::read(path));
        paths.depfile.iter().for_each(|depfile| pipeline.scratch.remove(depfile));
        let succeeded = match &finished {
            Ok(Finished { exit: Exit::Code(0), .. }) => object.exists(),
            Ok(Finished { exit: Exit::Unknown, output, .. }) => output.is_empty() && symbols::is_whole(&object),
            Ok(_) => false,
            Err(error) => {
                if matches!(error, ExecError::TimedOut { .. }) {
                    // A child of the host, forked without notice to the worker, may keep the pipe open.
                    self.off.store(true, Ordering::Relaxed);
                }
                false
            }
        };
        if !succeeded {
            pipeline.scratch.remove(&object);
        }
        let except = [paths.source.as_path(), Path::new(STDIN), header.pch_file().unwrap_or(Path::new(""))];
        let tracking = match &paths.depfile {
            Some(depfile) => DependencyTracking::Unit { depfile, except: &except, unit, header, role: Role::Object },
            None => DependencyTracking::Nothing { depfile: None },
        };
        let inputs = |rule| began.and_then(|began| pipeline.inputs(rule, &[], &tracking, began, &|_: &Event<'_>| {}));
        succeeded.then(|| (StepOutput { inputs: inputs(rule), ..unknown }, object))
    }

    /// Returns a watch of the objects' directory. Called before the compiler can write an object.
    fn watch(&self, pipeline: &Pipeline) -> Watch {
        let unused = lock(&self.watches).pop();
        unused.unwrap_or_else(|| Watch::on(pipeline.scratch.path()))
    }

    /// Takes a compiler that is still running.
    fn take(&self, pipeline: &Pipeline) -> Option<IdleCompiler> {
        let next = || {
            let mut ready = lock(&self.ready);
            (!ready.is_empty()).then(|| ready.remove(0))
        };
        while let Some(mut idle) = next() {
            if !idle.compiler.has_ended() {
                return Some(idle);
            }
            idle.finish(pipeline);
        }
        None
    }

    /// Ends all compilers.
    pub(crate) fn close(&self, pipeline: &Pipeline) {
        self.drain().for_each(|idle| idle.finish(pipeline));
        lock(&self.source).take().iter().for_each(|source| pipeline.scratch.remove(source));
    }

    /// In the child of a fork: gives up the compilers, which belong to the parent, without ending them.
    pub(crate) fn abandon(&self) {
        self.drain().for_each(|idle| idle.compiler.abandon());
    }

    fn drain(&self) -> impl Iterator<Item = IdleCompiler> {
        let ready = std::mem::take(&mut *lock(&self.ready));
        let ending = std::mem::take(&mut *lock(&self.ending));
        ready.into_iter().chain(ending)
    }
}

impl IdleCompiler {
    /// Ends the compiler, unless it has just exited, and removes its files.
    fn finish(self, pipeline: &Pipeline) {
        let Self { compiler, paths, .. } = self;
        drop(compiler);
        paths.depfile.iter().for_each(|depfile| pipeline.scratch.remove(depfile));
    }
}
