//! What it takes to make code: a compiler, a directory, a header that is ready. Turns C text into loaded code; knows neither lists nor
//! slots.

use std::collections::HashMap;
use std::fs;
use std::num::NonZero;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mjit_cc_ctext::{self as ctext, Group, Member, Reason, Surroundings};
use mjit_cc_platforms::Role;

use super::host::SourceLocation;
use super::options::{Options, WorkerHeader};
use super::{WorkerEvent, names};
use crate::admission::{Admission, MemoryLimit};
use crate::cache::ObjectCache;
use crate::discover::{DetectedLauncher, Environment, Finder};
use crate::error::{Error, UnitError};
use crate::event::{Event, Observer, Stage};
use crate::exec::ProcessExecutor;
use crate::files;
use crate::header::UnitHeader;
use crate::library::Library;
use crate::pch;
use crate::perf::PerfMap;
use crate::pipeline::Watched;
use crate::pipeline::{Pipeline, StepOutput};
use crate::scratch::{Purpose, Scratch};
use crate::standby::Standby;
use crate::sync::{self, Mutex};
use crate::unit::Unit;

mod cached;
mod group_library;
#[cfg(not(loom))]
mod module;

pub(super) use cached::CachedUnit;
use group_library::Companies;

/// How many times as long as one unit a translation unit of many may take.
const MOST_PATIENCE: u32 = 4;

/// Ready to make code.
pub(crate) struct Engine {
    pipeline: Arc<Pipeline>,
    header: UnitHeader,
    /// A child of a fork has the same.
    surroundings: Arc<AllSurroundings>,
    /// The one of the first tier.
    quick: Option<Box<Engine>>,
    /// Those that make units' first code; what takes longer can wait for a compiler too.
    standby: Standby,
    names: Names,
    /// Names for perf, where they are wanted.
    perf: Option<Arc<PerfMap>>,
    /// Where units are compiled together at all.
    companies: Option<Companies>,
}

/// What stands before units, by the `#include` lines that the units begin with, or why no units can be merged there.
type AllSurroundings = Mutex<HashMap<Vec<u8>, Arc<Result<Surroundings, Reason>>>>;

/// What files and entry symbols are called, and whether files stay.
#[derive(Clone)]
struct Names {
    prefix: String,
    entry_prefix: String,
    save_temps: bool,
}

impl Names {
    fn of(options: &Options) -> Self {
        let (prefix, entry_prefix) = (options.prefix.clone(), options.entry_prefix.clone());
        Self { prefix, entry_prefix, save_temps: options.save_temps }
    }
}

/// A translation unit: what diagnostics call it, and its C text.
pub(crate) struct Source<'a> {
    pub(crate) name: String,
    pub(crate) text: &'a [u8],
    /// How many units are in it.
    pub(crate) units: u32,
}

/// What the child of a fork needs of its parent, made before the fork: afterwards the parent may remove it at any time.
pub(crate) struct ForkSnapshot {
    scratch: Scratch,
    header: UnitHeader,
    quick: Option<Box<ForkSnapshot>>,
}

impl Engine {
    /// Finds a compiler, makes a private directory, and precompiles the header in it.
    pub(super) fn set_up(
        options: &Options,
        environment: &Environment,
        executor: &Arc<ProcessExecutor>,
        observer: &dyn Observer,
        tell: &dyn Fn(&WorkerEvent),
    ) -> Result<Self, Error> {
        let scratch = Scratch::create(&environment.temp_dirs, Purpose::Code)?;
        tell(&WorkerEvent::TempDir(scratch.path().to_owned()));
        let finder = Finder { environment, executor: &**executor, temp_dir: scratch.path() };
        let compiler = finder.find(&options.spec)?;
        observer.event(&Event::CompilerChosen { compiler: compiler.toolchain.compiler() });
        tell(&WorkerEvent::Compiler(compiler.toolchain.compiler().program.display().to_string()));
        let runs: Arc<ProcessExecutor> = Arc::clone(executor);
        let mut pipeline = Pipeline::new(compiler, options.flags.clone(), runs, scratch);
        pipeline.timeout = options.timeout;
        pipeline.watched =
            Watched::of(options.hash_files.iter().cloned(), options.hash_env.iter().cloned(), &environment.variables)?;
        pipeline.admission = Admission::new(None, MemoryLimit::per_compiler(options.memfree));
        pipeline.check_link()?;
        if let Some(launcher) = &options.launcher {
            pipeline.launcher = Some(DetectedLauncher::find(std::slice::from_ref(launcher), environment)?);
        }
        if let Some(why) = &options.no_cache {
            observer.event(&Event::Warning { text: &format!("units are compiled without the object cache: {why}") });
        }
        if let Some(location) = &options.cache {
            pipeline.cache = ObjectCache::open(location.clone(), &pipeline, environment, observer);
        }
        pipeline.records_units = pipeline.cache.is_some();
        let header = Self::prepare_header(&pipeline, &options.header, observer)?;
        let names = Names::of(options);
        let standby = Standby::new(options.compilers_ahead());
        let perf = options.perf_map.then(Arc::default);
        let companies = (options.together() > 1).then(Companies::default);
        let pipeline = Arc::new(pipeline);
        let mut engine =
            Self { pipeline, header, surroundings: Arc::default(), quick: None, standby, names, perf, companies };
        if options.merges() && options.header != WorkerHeader::None {
            // While the header is what it was a moment ago.
            engine.surroundings(b"", observer);
        }
        engine.quick = engine.set_up_quick(options, environment, executor).map(Box::new);
        if let Some(quick) = &engine.quick {
            engine.standby = Standby::new(0);
            let Pipeline { compiler, flags, .. } = &*quick.pipeline;
            let compiler = compiler.toolchain.compiler();
            let words = format!("{} {}", compiler.program.display(), flags.optimize.flag());
            tell(&WorkerEvent::Quick(words));
        }
        Ok(engine)
    }

    pub(crate) fn prepare_header(
        pipeline: &Pipeline,
        header: &WorkerHeader,
        observer: &dyn Observer,
    ) -> Result<UnitHeader, Error> {
        let WorkerHeader::File(header) = header else { return Ok(UnitHeader::None) };
        let suffix = pipeline.toolchain().capabilities().pch_suffix.unwrap_or_default();
        let name = pch::default_name(header, suffix);
        let file = pipeline.scratch.path().join(name.file_name().unwrap_or_default());
        pch::prepare_private(pipeline, header, &file, observer)
    }

    /// Another one for the same units.
    pub(super) fn beside(&self, pipeline: Pipeline, header: UnitHeader) -> Self {
        let standby = Standby::new(self.standby.wanted());
        let (names, perf) = (self.names.clone(), self.perf.clone());
        let (pipeline, surroundings) = (Arc::new(pipeline), Arc::default());
        Self { pipeline, header, surroundings, quick: None, standby, names, perf, companies: None }
    }

    /// The one that makes a unit's first code, where that is not this one.
    pub(super) fn quick(&self) -> Option<&Self> {
        self.quick.as_deref()
    }

    /// For a host that has a worker of its own, and makes each part ready by itself.
    #[cfg(not(loom))]
    pub(crate) fn of_parts(pipeline: Arc<Pipeline>, header: UnitHeader, prefix: String, save_temps: bool) -> Self {
        let names = Names { entry_prefix: prefix.clone(), prefix, save_temps };
        let (standby, surroundings) = (Standby::new(0), Arc::default());
        Self { pipeline, header, surroundings, quick: None, standby, names, perf: None, companies: None }
    }

    /// The same with so many compilers that wait.
    #[cfg(not(loom))]
    pub(crate) fn with_standby(self, compilers: usize) -> Self {
        Self { standby: Standby::new(compilers), ..self }
    }

    /// Sees to it that compilers wait for the next units.
    pub(crate) fn stand_by(&self, observer: &dyn Observer) {
        self.standby.prepare(&self.pipeline, &self.header, observer);
        self.quick.iter().for_each(|quick| quick.stand_by(observer));
    }

    /// Makes them quicker, a little: for when there is nothing else to do.
    pub(super) fn warm(&self) {
        self.standby.warm(&self.header);
        self.quick.iter().for_each(|quick| quick.warm());
    }

    /// How soon [`warm`](Self::warm) may have something to do; none where it will not.
    pub(super) fn warms_in(&self) -> Option<Duration> {
        let quick = self.quick.as_ref().and_then(|quick| quick.warms_in());
        self.standby.warms_in().into_iter().chain(quick).min()
    }

    /// What it works with.
    pub(crate) fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// What stands before every unit.
    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) fn header(&self) -> &UnitHeader {
        &self.header
    }

    /// The same with something else before every unit.
    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) fn with_header(&self, header: UnitHeader) -> Self {
        let (pipeline, names) = (Arc::clone(&self.pipeline), self.names.clone());
        let (standby, surroundings) = (Standby::new(0), Arc::default());
        Self { pipeline, header, surroundings, quick: None, standby, names, perf: None, companies: None }
    }

    /// What stands before units that begin with these `#include` lines. Found out once each, without a lock over the compiler's process:
    /// two threads may both find out.
    pub(super) fn surroundings(&self, includes: &[u8], observer: &dyn Observer) -> Arc<Result<Surroundings, Reason>> {
        let known = || sync::lock(&self.surroundings);
        if let Some(found) = known().get(includes) {
            return Arc::clone(found);
        }
        let found = Arc::new(self.pipeline.surroundings(&self.header, includes, None, observer));
        known().insert(includes.to_owned(), Arc::clone(&found));
        found
    }

    /// Merges units that begin with the same `#include` lines.
    pub(super) fn merge(&self, members: &[Member<'_>], observer: &dyn Observer) -> Group {
        let includes = ctext::leading_includes(members.first().map_or(b"", |member| member.text));
        match &*self.surroundings(&includes, observer) {
            Ok(surroundings) => ctext::merge(members, surroundings, &includes),
            Err(reason) => Group::none_of(members.len(), reason),
        }
    }

    /// What this process calls the files of a unit.
    pub(crate) fn stem(&self, id: u64) -> String {
        names::file_stem(&self.names.prefix, std::process::id(), id)
    }

    /// Where the C text of a unit goes.
    pub(crate) fn source(&self, stem: &str) -> PathBuf {
        self.pipeline.scratch.path().join(stem).with_added_extension("c")
    }

    /// Where the library of a unit goes.
    pub(super) fn library(&self, stem: &str) -> PathBuf {
        let suffix = self.pipeline.toolchain().compiler().target.library_suffix();
        self.pipeline.scratch.path().join(stem).with_added_extension(suffix)
    }

    /// C text to loaded code. Whatever comes of it, no file stays unless they are to be kept.
    fn build(
        &self,
        stem: &str,
        source: &Source<'_>,
        entry: &str,
        observer: &dyn Observer,
    ) -> Result<Library, UnitError> {
        if self.pipeline.toolchain().capabilities().at_once {
            let unit = Unit::from_text(&source.name, source.text)?;
            return Ok(self.build_at_once(stem, &unit, &[entry.to_owned()], observer)?.0);
        }
        let object = self.compile(stem, source, observer)?;
        self.link(stem, &[object], &[entry.to_owned()], observer)
    }

    /// C text to loaded code in one process, and the compiler's own lines.
    fn build_at_once(
        &self,
        stem: &str,
        unit: &Unit,
        entries: &[String],
        observer: &dyn Observer,
    ) -> Result<(Library, String), UnitError> {
        let Self { pipeline, header, .. } = self;
        let suffix = pipeline.toolchain().compiler().target.library_suffix();
        let paths = pipeline.paths(stem, pipeline.scratch.path(), suffix);
        let built = pipeline.compile(unit, header, Role::Library, &paths, pipeline.deadline(), observer);
        let image = || files::read(&paths.staged).map_err(UnitError::file("read", &paths.staged));
        let load = |ran: StepOutput| Ok((self.name_for_perf(Library::open(&paths.staged)?, entries, image)?, ran.text));
        let loaded = built.and_then(load);
        self.discard(&[self.source(stem), paths.staged]);
        loaded
    }

    /// C text to an object, for [`link`](Self::link) or [`discard`](Self::discard).
    pub(crate) fn compile(
        &self,
        stem: &str,
        source: &Source<'_>,
        observer: &dyn Observer,
    ) -> Result<PathBuf, UnitError> {
        let unit = Unit::from_text(&source.name, source.text)?;
        self.compile_unit(stem, &unit, source.units, observer).map(|(_, object)| object)
    }

    fn object(&self, stem: &str) -> PathBuf {
        let suffix = self.pipeline.toolchain().compiler().target.object_suffix();
        self.pipeline.scratch.path().join(stem).with_added_extension(suffix)
    }

    fn compile_unit(
        &self,
        stem: &str,
        unit: &Unit,
        units: u32,
        observer: &dyn Observer,
    ) -> Result<(StepOutput, PathBuf), UnitError> {
        let Self { pipeline, header, .. } = self;
        let suffix = pipeline.toolchain().compiler().target.object_suffix();
        let paths = pipeline.paths(stem, pipeline.scratch.path(), suffix);
        // What many units are in may take longer than one, and not so long that a compiler that hangs stops everything.
        let patience = units.clamp(1, MOST_PATIENCE);
        let deadline = pipeline
            .timeout
            .and_then(|limit| limit.checked_mul(patience))
            .and_then(|limit| Instant::now().checked_add(limit));
        if let Some(compiled) = self.compile_ahead(unit, deadline, observer)? {
            return Ok(compiled);
        }
        let compiled = pipeline.compile(unit, header, Role::Object, &paths, deadline, observer);
        self.discard(&[self.source(stem)]);
        compiled.map(|ran| (ran, paths.staged))
    }

    /// By a compiler that waits for it, if there is one.
    fn compile_ahead(
        &self,
        unit: &Unit,
        deadline: Option<Instant>,
        observer: &dyn Observer,
    ) -> Result<Option<(StepOutput, PathBuf)>, UnitError> {
        let Self { pipeline, header, standby, .. } = self;
        if standby.is_empty() {
            return Ok(None);
        }
        let (_permit, deadline) = pipeline.admit(deadline, observer)?;
        let _stage = Stage::Compile.on(observer);
        Ok(standby.compile(pipeline, header, unit, deadline))
    }

    /// What the function of this name will be called for a person.
    pub(super) fn announce(&self, entry: &str, location: &SourceLocation) {
        if let Some(perf) = &self.perf {
            perf.name(entry, location.to_string());
        }
    }

    /// What was announced will not be loaded.
    pub(super) fn forget(&self, entry: &str) {
        self.perf.iter().for_each(|perf| perf.forget(entry));
    }

    /// Objects to loaded code.
    pub(crate) fn link(
        &self,
        stem: &str,
        objects: &[PathBuf],
        exports: &[String],
        observer: &dyn Observer,
    ) -> Result<Library, UnitError> {
        let Self { pipeline, header, .. } = self;
        let library = self.library(stem);
        // The other cores are the host's.
        let loaded = match pipeline.link_in_memory(objects, NonZero::<usize>::MIN, observer) {
            Some((image, _)) => {
                let _stage = Stage::Load.on(observer);
                self.load(&image, &library).and_then(|loaded| self.name_for_perf(loaded, exports, || Ok(image)))
            }
            None => pipeline
                .link_by_driver(objects, &library, header, exports, pipeline.deadline(), observer)
                .and_then(|_| {
                    let _stage = Stage::Load.on(observer);
                    let image = || files::read(&library).map_err(UnitError::file("read", &library));
                    self.name_for_perf(Library::open(&library)?, exports, image)
                }),
        };
        self.discard(objects);
        self.discard(&[library]);
        loaded
    }

    /// From memory where the system can; a file is what a debugger or a person may look into.
    fn load(&self, image: &[u8], library: &Path) -> Result<Library, UnitError> {
        if !self.names.save_temps
            && let Ok(loaded) = Library::from_memory(image, library)
        {
            return Ok(loaded);
        }
        fs::write(library, image).map_err(UnitError::file("write", library))?;
        Ok(Library::open(library)?)
    }

    /// Names what was loaded, which nobody runs yet, where that is wanted.
    fn name_for_perf<I: Deref<Target = [u8]>>(
        &self,
        loaded: Library,
        entries: &[String],
        image: impl FnOnce() -> Result<I, UnitError>,
    ) -> Result<Library, UnitError> {
        if let (Some(perf), Some(entry)) = (&self.perf, entries.first()) {
            perf.add(&loaded, &image()?, entry)?;
        }
        Ok(loaded)
    }

    /// Removes files, unless they are to be kept.
    pub(super) fn discard(&self, files: &[PathBuf]) {
        if !self.names.save_temps {
            files.iter().for_each(|file| self.pipeline.scratch.remove(file));
        }
    }

    /// Makes ready for a fork. None where that fails: then the child sets up anew.
    pub(crate) fn snapshot(&self) -> Option<ForkSnapshot> {
        let scratch = Scratch::create(&[self.pipeline.scratch.path().parent()?.to_owned()], Purpose::Files).ok()?;
        let header = self.header.moved_to(scratch.path()).ok()?;
        let quick = match &self.quick {
            Some(quick) => Some(Box::new(quick.snapshot()?)),
            None => None,
        };
        Some(ForkSnapshot { scratch, header, quick })
    }

    /// In the child of a fork: goes on in a directory of its own.
    pub(crate) fn inherit(&self, snapshot: ForkSnapshot, executor: &Arc<ProcessExecutor>) -> Self {
        let ForkSnapshot { scratch, header, quick } = snapshot;
        scratch.take_over();
        let quick = self.quick.as_ref().zip(quick).map(|(old, snapshot)| Box::new(old.inherit(*snapshot, executor)));
        let Pipeline { compiler, flags, timeout, cache, launcher, admission, watched, .. } = &*self.pipeline;
        let executor: Arc<ProcessExecutor> = Arc::clone(executor);
        let mut pipeline = Pipeline::new(compiler.clone(), flags.clone(), executor, scratch);
        pipeline.timeout = *timeout;
        pipeline.watched = watched.clone();
        (pipeline.cache, pipeline.launcher) = (cache.clone(), launcher.clone());
        pipeline.admission = admission.for_child();
        pipeline.records_units = pipeline.cache.is_some();
        let (surroundings, pipeline) = (Arc::clone(&self.surroundings), Arc::new(pipeline));
        let standby = Standby::new(self.standby.wanted());
        let perf = self.perf.as_ref().map(|_| Arc::default());
        let companies = self.companies.as_ref().map(|_| Companies::default());
        Self { pipeline, header, surroundings, quick, standby, names: self.names.clone(), perf, companies }
    }

    /// In the child of a fork: compilers that wait are the parent's, and end only when nothing else has their input open.
    #[cfg(all(unix, not(loom)))]
    pub(super) fn leave_compilers(&self) {
        self.standby.abandon();
        self.quick.iter().for_each(|quick| quick.leave_compilers());
    }

    /// In the child of a fork: what the parent has on disk is the parent's.
    pub(crate) fn disown(&self) {
        self.standby.abandon();
        self.pipeline.scratch.abandon();
        self.quick.iter().for_each(|quick| quick.disown());
    }

    /// Removes the directory, or keeps it, if a person wants to look into it.
    pub(crate) fn close(&self) {
        self.standby.close(&self.pipeline);
        if self.names.save_temps {
            self.pipeline.scratch.keep();
        } else {
            self.pipeline.scratch.close();
        }
        self.quick.iter().for_each(|quick| quick.close());
    }
}

impl ForkSnapshot {
    /// In the parent, after the fork: the child has it.
    pub(super) fn hand_over(self) {
        self.scratch.abandon();
        if let Some(quick) = self.quick {
            quick.hand_over();
        }
    }
}
