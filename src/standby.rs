//! Compilers that were started ahead: they have loaded the PCH and wait for C text on a pipe, so that a unit does not wait for either. Knows
//! neither units' order nor what becomes of an object; whatever goes wrong here, the unit is compiled as if this were not there.

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

/// How long a compiler waits in vain: what it has loaded takes memory.
const IDLE: Duration = Duration::from_secs(20);

/// What the planners' [`standby_source`](mjit_cc_platforms::Toolchain::standby_source) names.
const STDIN: &str = "/dev/stdin";

/// Compilers that wait, as many as are wanted. They end with this, and with the process, however that ends: what they read ends then.
#[derive(Debug)]
pub(crate) struct Standby {
    wanted: usize,
    ready: Mutex<Vec<IdleCompiler>>,
    /// Those whose object is there and that are about to end by themselves.
    ending: Mutex<Vec<IdleCompiler>>,
    /// Those of the directory that objects come to, one for each thread that waited at the same time.
    watches: Mutex<Vec<Watch>>,
    /// What all of them are given to compile, once it is there.
    source: Mutex<Option<PathBuf>>,
    next: AtomicU64,
    /// It was of no use once.
    off: AtomicBool,
}

/// One compiler, and its files.
#[derive(Debug)]
struct IdleCompiler {
    compiler: PrestartedProcess,
    paths: UnitPaths,
    /// When it was started, as files are stamped, where what it reads is to be known.
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

    /// How many are to wait.
    pub(crate) fn wanted(&self) -> usize {
        self.wanted
    }

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.ready).is_empty()
    }

    /// Sees to it that as many wait as are wanted. Starts processes and waits for none but such as are ending.
    pub(crate) fn prepare(&self, pipeline: &Pipeline, header: &UnitHeader, observer: &dyn Observer) {
        let ending = std::mem::take(&mut *lock(&self.ending));
        ending.into_iter().for_each(|ending| ending.finish(pipeline));
        while !self.off.load(Ordering::Relaxed) && lock(&self.ready).len() < self.wanted {
            match self.start(pipeline, header, observer) {
                Some(waiting) => {
                    // Another thread may have started one too, so that this one is too many.
                    let mut ready = lock(&self.ready);
                    let fits = ready.len() < self.wanted;
                    let too_many = if fits {
                        ready.push(waiting);
                        None
                    } else {
                        Some(waiting)
                    };
                    drop(ready);
                    too_many.into_iter().for_each(|waiting| waiting.finish(pipeline));
                }
                // Not here, not with this compiler, or not now.
                None => self.off.store(true, Ordering::Relaxed),
            }
        }
    }

    fn start(&self, pipeline: &Pipeline, header: &UnitHeader, observer: &dyn Observer) -> Option<IdleCompiler> {
        // A launcher has to see the unit.
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

    /// The file with this text.
    fn source(&self, pipeline: &Pipeline, text: &str) -> Option<PathBuf> {
        let mut source = lock(&self.source);
        if source.is_none() {
            let path = pipeline.scratch.path().join("standby.c");
            fs::write(&path, text).ok()?;
            *source = Some(path);
        }
        source.clone()
    }

    /// Makes those that wait quicker, a little: to be called when there is nothing else to do. In between they can be taken.
    pub(crate) fn warm(&self, header: &UnitHeader) {
        // Who is there first: each has a compiler of its own to wait for.
        let Some(mut ready) = try_lock(&self.ready) else { return };
        let cold = ready.iter_mut().find(|waiting| waiting.warming.next().is_some());
        if let Some(IdleCompiler { compiler, warming, .. }) = cold
            && let Some(process) = compiler.process()
        {
            warming.go_on(process, header.pch_file());
        }
    }

    /// How soon [`warm`](Self::warm) may have something to do; none where it will not.
    pub(crate) fn warms_in(&self) -> Option<Duration> {
        lock(&self.ready).iter().filter_map(|waiting| waiting.warming.next()).min()
    }

    /// Has a unit compiled by one that waits. None where none does, or it does not succeed: why, only a compiler that gets the unit by its own
    /// name can say.
    pub(crate) fn compile(
        &self,
        pipeline: &Pipeline,
        header: &UnitHeader,
        unit: &Unit,
        deadline: Option<Instant>,
    ) -> Option<(StepOutput, PathBuf)> {
        let mut waiting = self.take(pipeline)?;
        let object = waiting.paths.staged.clone();
        // What it read it may write down last of all.
        let is_whole: Option<&dyn Fn() -> bool> = match pipeline.toolchain().completion(&pipeline.flags) {
            _ if pipeline.cache.is_some() => None,
            Completion::AtExit => None,
            Completion::Renamed => Some(&|| symbols::is_whole(&object)),
            Completion::Section(name) => Some(&|| symbols::is_whole_with(&object, name)),
        };
        let early = is_whole.map(|is_whole| (is_whole, self.watch(pipeline)));
        let text = pipeline.source_text(unit, Role::Object, false);
        let fed = waiting.compiler.feed(&text, deadline);
        let is_there = fed.is_ok()
            && early.as_ref().is_some_and(|(is_whole, watch)| waiting.compiler.wait_until(watch, *is_whole));
        lock(&self.watches).extend(early.map(|(_, watch)| watch));
        if fed.is_err() {
            waiting.finish(pipeline);
            return None;
        }
        let unknown = StepOutput { companions: Vec::new(), text: String::new(), inputs: None, waited: Duration::ZERO };
        if is_there {
            lock(&self.ending).push(waiting);
            return Some((unknown, object));
        }
        let IdleCompiler { compiler, paths, began, .. } = waiting;
        let finished = compiler.wait();
        let rule = paths.depfile.as_ref().map(|path| files::read(path));
        paths.depfile.iter().for_each(|depfile| pipeline.scratch.remove(depfile));
        let good = match &finished {
            Ok(Finished { exit: Exit::Code(0), .. }) => object.exists(),
            Ok(Finished { exit: Exit::Unknown, output, .. }) => output.is_empty() && symbols::is_whole(&object),
            Ok(_) => false,
            Err(error) => {
                if matches!(error, ExecError::TimedOut { .. }) {
                    // Perhaps a fork of the host's that the worker was not told of keeps the pipe open.
                    self.off.store(true, Ordering::Relaxed);
                }
                false
            }
        };
        if !good {
            pipeline.scratch.remove(&object);
        }
        let except = [paths.source.as_path(), Path::new(STDIN), header.pch_file().unwrap_or(Path::new(""))];
        let reading = match &paths.depfile {
            Some(depfile) => DependencyTracking::Unit { depfile, except: &except, unit, header, role: Role::Object },
            None => DependencyTracking::Nothing { depfile: None },
        };
        let inputs = |rule| began.and_then(|began| pipeline.inputs(rule, &[], &reading, began, &|_: &Event<'_>| {}));
        good.then(|| (StepOutput { inputs: inputs(rule), ..unknown }, object))
    }

    /// Before there is anything to see.
    fn watch(&self, pipeline: &Pipeline) -> Watch {
        let kept = lock(&self.watches).pop();
        kept.unwrap_or_else(|| Watch::on(pipeline.scratch.path()))
    }

    /// One that still waits.
    fn take(&self, pipeline: &Pipeline) -> Option<IdleCompiler> {
        let next = || {
            let mut ready = lock(&self.ready);
            (!ready.is_empty()).then(|| ready.remove(0))
        };
        while let Some(mut waiting) = next() {
            if !waiting.compiler.has_ended() {
                return Some(waiting);
            }
            waiting.finish(pipeline);
        }
        None
    }

    /// Ends all that wait.
    pub(crate) fn close(&self, pipeline: &Pipeline) {
        self.drain().for_each(|waiting| waiting.finish(pipeline));
        lock(&self.source).take().iter().for_each(|source| pipeline.scratch.remove(source));
    }

    /// In the child of a fork: they are the parent's.
    pub(crate) fn abandon(&self) {
        self.drain().for_each(|waiting| waiting.compiler.abandon());
    }

    fn drain(&self) -> impl Iterator<Item = IdleCompiler> {
        let ready = std::mem::take(&mut *lock(&self.ready));
        let ending = std::mem::take(&mut *lock(&self.ending));
        ready.into_iter().chain(ending)
    }
}

impl IdleCompiler {
    /// Ends it, if it does not end by itself just now.
    fn finish(self, pipeline: &Pipeline) {
        let Self { compiler, paths, .. } = self;
        drop(compiler);
        paths.depfile.iter().for_each(|depfile| pipeline.scratch.remove(depfile));
    }
}
