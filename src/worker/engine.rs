//! The engine: a compiler, a private directory and a prepared header. Turns C text into loaded code. Knows nothing about lists and slots.

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
use crate::admission::{Admission, Memory};
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
use crate::pipeline::{Pipeline, StepOutput, Watched};
use crate::scratch::{Purpose, Scratch};
use crate::standby::Standby;
use crate::sync::{self, Mutex};
use crate::unit::Unit;

mod cached;
mod fork;
mod group_library;
#[cfg(not(loom))]
mod module;

pub(super) use cached::CachedUnit;
pub(crate) use fork::ForkSnapshot;
use group_library::GroupLibraries;

/// The time limit of a group, as a multiple of the limit of one unit, at most.
const MAX_TIMEOUT_FACTOR: u32 = 4;

/// Turns C text into loaded code.
pub(crate) struct BuildEngine {
    pipeline: Arc<Pipeline>,
    header: UnitHeader,
    /// Shared with the engine in the child of a fork.
    surroundings: Arc<AllSurroundings>,
    /// The engine of the first tier.
    quick: Option<Box<BuildEngine>>,
    /// Compilers for the first code of units.
    standby: Standby,
    names: Names,
    /// The names for perf, with the option `perf_map`.
    perf: Option<Arc<PerfMap>>,
    /// The loaded libraries of groups; `None` if groups are off.
    group_libraries: Option<GroupLibraries>,
}

/// The text in front of units, by the `#include` lines that the units begin with, or the reason why units with these lines cannot be
/// merged.
type AllSurroundings = Mutex<HashMap<Vec<u8>, Arc<Result<Surroundings, Reason>>>>;

/// The prefixes of files and entry symbols, and whether files are kept.
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

/// A translation unit: its name in diagnostics, and its C text.
pub(crate) struct TranslationUnit<'a> {
    pub(crate) name: String,
    pub(crate) text: &'a [u8],
    /// The number of units in it.
    pub(crate) units: u32,
}

impl BuildEngine {
    /// Finds a compiler, makes a private directory, and precompiles the header in the directory.
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
        pipeline.admission = Admission::new(None, Memory::per_compiler(options.memfree));
        pipeline.check_link()?;
        if let Some(launcher) = &options.launcher {
            pipeline.launcher = Some(DetectedLauncher::find(std::slice::from_ref(launcher), environment)?);
        }
        if let Some(why) = &options.no_cache {
            observer.event(&Event::Warning { text: &format!("the object cache is not used: {why}") });
        }
        if let Some(location) = &options.cache {
            pipeline.cache = ObjectCache::open(location.clone(), &pipeline, environment, observer);
        }
        pipeline.records_units = pipeline.cache.is_some();
        let header = Self::prepare_header(&pipeline, &options.header, observer)?;
        let names = Names::of(options);
        let standby = Standby::new(options.compilers_ahead());
        let perf = options.perf_map.then(Arc::default);
        let group_libraries = (options.group_limit() > 1).then(GroupLibraries::default);
        let pipeline = Arc::new(pipeline);
        let mut engine =
            Self { pipeline, header, surroundings: Arc::default(), quick: None, standby, names, perf, group_libraries };
        if options.merges() && options.header != WorkerHeader::None {
            // Read now, before the header may change.
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

    /// Returns a second engine with another compiler or other flags for the same units.
    pub(super) fn beside(&self, pipeline: Pipeline, header: UnitHeader) -> Self {
        let standby = Standby::new(self.standby.wanted());
        let (names, perf) = (self.names.clone(), self.perf.clone());
        let (pipeline, surroundings) = (Arc::new(pipeline), Arc::default());
        Self { pipeline, header, surroundings, quick: None, standby, names, perf, group_libraries: None }
    }

    /// Returns the engine of the first tier, if there is one.
    pub(super) fn quick(&self) -> Option<&Self> {
        self.quick.as_deref()
    }

    /// Returns an engine without tiers, groups and names for perf.
    #[cfg(not(loom))]
    pub(crate) fn of_parts(pipeline: Arc<Pipeline>, header: UnitHeader, prefix: String, save_temps: bool) -> Self {
        let names = Names { entry_prefix: prefix.clone(), prefix, save_temps };
        let (standby, surroundings) = (Standby::new(0), Arc::default());
        Self { pipeline, header, surroundings, quick: None, standby, names, perf: None, group_libraries: None }
    }

    /// Sets the number of compilers to start in advance.
    #[cfg(not(loom))]
    pub(crate) fn with_standby(self, compilers: usize) -> Self {
        Self { standby: Standby::new(compilers), ..self }
    }

    /// Starts compilers for the next units.
    pub(crate) fn stand_by(&self, observer: &dyn Observer) {
        self.standby.prepare(&self.pipeline, &self.header, observer);
        self.quick.iter().for_each(|quick| quick.stand_by(observer));
    }

    /// Warms up waiting compilers, when there is no other work.
    pub(super) fn warm(&self) {
        self.standby.warm(&self.header);
        self.quick.iter().for_each(|quick| quick.warm());
    }

    /// Returns when [`warm`](Self::warm) may have work; `None` if it will have none.
    pub(super) fn warms_in(&self) -> Option<Duration> {
        let quick = self.quick.as_ref().and_then(|quick| quick.warms_in());
        self.standby.warms_in().into_iter().chain(quick).min()
    }

    pub(crate) fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Returns the header in front of every unit.
    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) fn header(&self) -> &UnitHeader {
        &self.header
    }

    /// Returns the same engine with another header.
    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) fn with_header(&self, header: UnitHeader) -> Self {
        let (pipeline, names) = (Arc::clone(&self.pipeline), self.names.clone());
        let (standby, surroundings) = (Standby::new(0), Arc::default());
        Self { pipeline, header, surroundings, quick: None, standby, names, perf: None, group_libraries: None }
    }

    /// Returns the text in front of units that begin with these `#include` lines. Computed once for each; no lock is held while the
    /// compiler runs, so two threads may both compute it.
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

    /// Returns the beginning of the names of a unit's files.
    pub(crate) fn stem(&self, id: u64) -> String {
        names::file_stem(&self.names.prefix, std::process::id(), id)
    }

    /// Returns the path for the C text of a unit.
    pub(crate) fn source(&self, stem: &str) -> PathBuf {
        self.pipeline.scratch.path().join(stem).with_added_extension("c")
    }

    /// Returns the name of a unit's source in diagnostics and `__FILE__`: no path, unless the file is kept.
    pub(super) fn source_name(&self, stem: &str) -> String {
        let path = self.source(stem);
        let name = path.file_name().filter(|_| !self.names.save_temps);
        name.unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
    }

    /// Returns the path for the library of a unit.
    pub(super) fn library(&self, stem: &str) -> PathBuf {
        let suffix = self.pipeline.toolchain().compiler().target.library_suffix();
        self.pipeline.scratch.path().join(stem).with_added_extension(suffix)
    }

    /// Compiles, links and loads C text. Removes all files, also after a failure, unless `save_temps` is set.
    fn build(
        &self,
        stem: &str,
        source: &TranslationUnit<'_>,
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

    /// Compiles and links C text in one process and loads the library. Returns the compiler's output too.
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

    /// Compiles C text to an object, for [`link`](Self::link) or [`discard`](Self::discard).
    pub(crate) fn compile(
        &self,
        stem: &str,
        source: &TranslationUnit<'_>,
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
        // A group may take longer than one unit, but a compiler that hangs must not block a thread for long.
        let patience = units.clamp(1, MAX_TIMEOUT_FACTOR);
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

    /// Compiles with a compiler that was started in advance, if there is one.
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

    /// Sets the name of a function for perf.
    pub(super) fn announce(&self, entry: &str, location: &SourceLocation) {
        if let Some(perf) = &self.perf {
            perf.name(entry, location.to_string());
        }
    }

    /// Removes the name of a function that will not be loaded.
    pub(super) fn forget(&self, entry: &str) {
        self.perf.iter().for_each(|perf| perf.forget(entry));
    }

    /// Links objects and loads the library.
    pub(crate) fn link(
        &self,
        stem: &str,
        objects: &[PathBuf],
        exports: &[String],
        observer: &dyn Observer,
    ) -> Result<Library, UnitError> {
        let Self { pipeline, header, .. } = self;
        let library = self.library(stem);
        // One thread, since the other processors belong to the host.
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

    /// Loads a library from memory if the system can, else, or with `save_temps`, from a file.
    fn load(&self, image: &[u8], library: &Path) -> Result<Library, UnitError> {
        if !self.names.save_temps
            && let Ok(loaded) = Library::from_memory(image, library)
        {
            return Ok(loaded);
        }
        fs::write(library, image).map_err(UnitError::file("write", library))?;
        Ok(Library::open(library)?)
    }

    /// Writes the names of loaded code for perf, before the code runs.
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

    /// Removes files, unless `save_temps` is set.
    pub(super) fn discard(&self, files: &[PathBuf]) {
        if !self.names.save_temps {
            files.iter().for_each(|file| self.pipeline.scratch.remove(file));
        }
    }

    /// Removes the private directory, unless `save_temps` is set.
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
