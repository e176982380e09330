//! C text to loaded code: a compiler, a private directory and a prepared header. Shared by the front door, the worker and the C engine; knows
//! neither lists of units nor slots.

use std::fs;
use std::num::NonZero;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mjit_cc_ctext::{Group, Member};
use mjit_cc_platforms::Role;

use crate::discover::Environment;
use crate::error::{Error, UnitError};
use crate::event::{Observer, Stage};
use crate::exec::ProcessExecutor;
use crate::files;
use crate::header::UnitHeader;
use crate::library::Library;
use crate::perf::PerfMap;
use crate::pipeline::{CompileRequest, Includes, LinkRequest, Merging, Pipeline, StepOutput};
use crate::scratch::Purpose;
use crate::setup::BuildOptions;
use crate::standby::Standby;
use crate::unit::Unit;

mod cached;
mod content;
mod first_tier;
mod fork;
mod group_library;
#[cfg(not(loom))]
mod module;

pub(crate) use cached::CachedUnit;
pub use first_tier::Tiers;
pub(crate) use fork::ForkSnapshot;
use group_library::GroupLibraries;

/// Turns C text into loaded code.
pub(crate) struct Jit {
    pipeline: Arc<Pipeline>,
    header: UnitHeader,
    /// Shared with the child of a fork.
    merging: Arc<Merging>,
    /// What makes the code of the first tier.
    quick: Option<Box<Jit>>,
    /// Compilers for the first code of units.
    standby: Standby,
    prefix: String,
    entry_prefix: String,
    save_temps: bool,
    /// The names of loaded functions, for perf; `None` if no names are wanted.
    perf: Option<Arc<PerfMap>>,
    /// Loaded groups of the object cache; `None` if units are never compiled in groups.
    group_libraries: Option<GroupLibraries>,
}

/// The default prefix of file names.
pub(crate) const PREFIX: &str = "_mjit_";
/// The default prefix of entry symbols.
pub(crate) const ENTRY_PREFIX: &str = "_mjit";

/// The names of files and entry symbols, and what may be done with several units.
#[derive(Clone, Debug)]
pub(crate) struct JitOptions {
    /// The prefix of file names.
    pub(crate) prefix: String,
    /// The prefix of entry symbols.
    pub(crate) entry_prefix: String,
    /// The number of prestarted compilers.
    pub(crate) standby: usize,
    pub(crate) tiers: Tiers,
    /// True if several new units may be compiled as one translation unit.
    pub(crate) groups: bool,
    /// True if units are ever merged: for their first code, or when units are compacted.
    pub(crate) merges: bool,
    /// True if loaded functions are named in perf's map.
    pub(crate) perf_map: bool,
}

impl JitOptions {
    /// Returns the options for one unit at a time, on the caller's thread.
    #[cfg(not(loom))]
    pub(crate) fn alone(prefix: String) -> Self {
        let entry_prefix = prefix.clone();
        Self { prefix, entry_prefix, standby: 0, tiers: Tiers::Off, groups: false, merges: false, perf_map: false }
    }
}

/// Returns the beginning of the names of a unit's files, such as `_mjit_p12u3`.
pub(crate) fn file_stem(prefix: &str, process: u32, id: u64) -> String {
    format!("{prefix}p{process}u{id}")
}

/// A translation unit: its name in diagnostics, and its C text.
pub(crate) struct TranslationUnit<'a> {
    pub(crate) name: String,
    pub(crate) text: &'a [u8],
    /// The number of units in it.
    pub(crate) units: usize,
}

impl Jit {
    /// Finds a compiler, makes a private directory, and precompiles the header in the directory.
    pub(crate) fn open(
        options: JitOptions,
        build: &BuildOptions,
        environment: &Environment,
        executor: &Arc<ProcessExecutor>,
        observer: &dyn Observer,
    ) -> Result<Self, Error> {
        let mut pipeline = build.pipeline(environment, Arc::clone(executor), Purpose::Code, observer)?;
        pipeline.check_link()?;
        pipeline.records_units = pipeline.cache.is_some();
        let header = build.prepared_header(&pipeline, observer)?;
        let (tiers, merges) = (options.tiers, options.merges);
        let mut jit = Self::of_parts(pipeline, header, options, build.save_temps);
        if merges && build.header.is_some() {
            // Read now, before the header may change.
            jit.merging.surroundings(&jit.pipeline, &jit.header, &Includes::default(), observer);
        }
        jit.quick = jit.first_tier(tiers, build, environment, executor).map(Box::new);
        if jit.quick.is_some() {
            jit.standby = Standby::new(0);
        }
        Ok(jit)
    }

    /// Returns a `Jit` of a pipeline and a prepared header.
    pub(crate) fn of_parts(pipeline: Pipeline, header: UnitHeader, options: JitOptions, save_temps: bool) -> Self {
        let JitOptions { prefix, entry_prefix, standby, groups, perf_map, .. } = options;
        Self {
            pipeline: Arc::new(pipeline),
            header,
            merging: Arc::default(),
            quick: None,
            standby: Standby::new(standby),
            prefix,
            entry_prefix,
            save_temps,
            perf: perf_map.then(Arc::default),
            group_libraries: groups.then(GroupLibraries::default),
        }
    }

    /// Returns a second `Jit` for the same units, with another compiler, other flags or another header.
    pub(crate) fn beside(&self, pipeline: Arc<Pipeline>, header: UnitHeader) -> Self {
        Self {
            pipeline,
            header,
            merging: Arc::default(),
            quick: None,
            standby: Standby::new(self.standby.wanted()),
            prefix: self.prefix.clone(),
            entry_prefix: self.entry_prefix.clone(),
            save_temps: self.save_temps,
            perf: self.perf.clone(),
            group_libraries: None,
        }
    }

    /// Returns what makes the first tier's code, if there is a first tier.
    pub(crate) fn quick(&self) -> Option<&Self> {
        self.quick.as_deref()
    }

    /// Starts compilers for the next units.
    pub(crate) fn stand_by(&self, observer: &dyn Observer) {
        self.standby.prepare(&self.pipeline, &self.header, observer);
        self.quick.iter().for_each(|quick| quick.stand_by(observer));
    }

    /// Warms up waiting compilers, when there is no other work.
    pub(crate) fn warm(&self) {
        self.standby.warm(&self.header);
        self.quick.iter().for_each(|quick| quick.warm());
    }

    /// Returns when [`warm`](Self::warm) may have work; `None` if it will have none.
    pub(crate) fn warms_in(&self) -> Option<Duration> {
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

    /// Returns a second `Jit` with the same pipeline and another header.
    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) fn with_header(&self, header: UnitHeader) -> Self {
        self.beside(Arc::clone(&self.pipeline), header)
    }

    /// Merges units that begin with the same `#include` lines.
    pub(crate) fn merge(&self, members: &[Member<'_>], observer: &dyn Observer) -> Group {
        let includes = Includes::of_text(members.first().map_or(b"", |member| member.text));
        self.merging.merge(&self.pipeline, &self.header, &includes, members, observer)
    }

    /// Returns the beginning of the names of a unit's files.
    pub(crate) fn stem(&self, id: u64) -> String {
        file_stem(&self.prefix, std::process::id(), id)
    }

    /// Returns the path for the C text of a unit.
    pub(crate) fn source(&self, stem: &str) -> PathBuf {
        self.pipeline.scratch.path().join(stem).with_added_extension("c")
    }

    /// Returns the name of a unit's source in diagnostics and `__FILE__`: no path, unless the file is kept.
    pub(crate) fn source_name(&self, stem: &str) -> String {
        let path = self.source(stem);
        let name = path.file_name().filter(|_| !self.save_temps);
        name.unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
    }

    /// Returns the path for the library of a unit.
    pub(crate) fn library(&self, stem: &str) -> PathBuf {
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
        let built = pipeline.compile(
            CompileRequest { unit, header, role: Role::Library, paths: &paths },
            pipeline.deadline(),
            observer,
        );
        let image = || files::read(&paths.staged).map_err(UnitError::file("read", &paths.staged));
        let load =
            |output: StepOutput| Ok((self.name_for_perf(Library::open(&paths.staged)?, entries, image)?, output.text));
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
        units: usize,
        observer: &dyn Observer,
    ) -> Result<(StepOutput, PathBuf), UnitError> {
        let Self { pipeline, header, .. } = self;
        let suffix = pipeline.toolchain().compiler().target.object_suffix();
        let paths = pipeline.paths(stem, pipeline.scratch.path(), suffix);
        let deadline = pipeline.deadline_of(units);
        if let Some(compiled) = self.compile_ahead(unit, deadline, observer)? {
            return Ok(compiled);
        }
        let compiled =
            pipeline.compile(CompileRequest { unit, header, role: Role::Object, paths: &paths }, deadline, observer);
        self.discard(&[self.source(stem)]);
        compiled.map(|output| (output, paths.staged))
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
    pub(crate) fn announce(&self, entry: &str, name: impl ToString) {
        if let Some(perf) = &self.perf {
            perf.name(entry, name.to_string());
        }
    }

    /// Removes the name of a function that will not be loaded.
    pub(crate) fn forget(&self, entry: &str) {
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
                .link_by_driver(
                    LinkRequest { objects, library: &library, header, exports },
                    pipeline.deadline(),
                    observer,
                )
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
        if !self.save_temps
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
    pub(crate) fn discard(&self, files: &[PathBuf]) {
        if !self.save_temps {
            files.iter().for_each(|file| self.pipeline.scratch.remove(file));
        }
    }

    /// Removes the private directory, unless `save_temps` is set.
    pub(crate) fn close(&self) {
        self.standby.close(&self.pipeline);
        if self.save_temps {
            self.pipeline.scratch.keep();
        } else {
            self.pipeline.scratch.close();
        }
        self.quick.iter().for_each(|quick| quick.close());
    }
}
