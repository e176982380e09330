//! One unit of a batch: taken from the store where it is known, compiled and linked where not.

use std::collections::HashSet;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use mjit_cc_platforms::Role;

use super::library_name;
use super::run::Run;
use crate::cached::{CacheHandle, CacheHit};
use crate::depend::Inputs;
use crate::error::UnitError;
use crate::event::Event;
use crate::key::Digest;
use crate::pipeline::{CompileRequest, LinkRequest, StepOutput, UnitPaths};
use crate::report::{Status, Timings};
use crate::store::Record;
use crate::symbols::{self, Defined};
use crate::unit::Unit;

/// A unit that is through the compiler.
pub(super) struct CompiledUnit {
    pub(super) record: Record,
    /// The object, or in one step the library.
    pub(super) file: PathBuf,
    pub(super) origin: Source,
    pub(super) timings: Timings,
    /// The library that it is in; not yet known where all units go into one.
    pub(super) library: Option<String>,
}

/// Where an object came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// It was made now.
    Compiler,
    /// It was in the output directory.
    Store,
    /// It was in the cache.
    Cache,
}

/// A library that objects were linked into.
pub(super) struct Linked {
    /// What can be looked up in it, sorted: the platform or the user's flags may keep names back that objects define.
    pub(super) exported: Vec<String>,
    /// How long linking took; nothing where the library was there.
    pub(super) took: Option<Duration>,
}

impl CompiledUnit {
    pub(super) fn status(&self) -> Status {
        if self.origin == Source::Compiler { Status::Built } else { Status::Reused }
    }

    pub(super) fn join(&mut self, library: &str, linked: &Linked) {
        self.record.symbols.retain(|symbol| linked.exported.binary_search(symbol).is_ok());
        self.timings.link = linked.took.unwrap_or_default();
        self.library = Some(library.to_owned());
    }
}

impl Run<'_> {
    pub(super) fn make(&self, number: usize, name: &str) -> Result<CompiledUnit, UnitError> {
        let unit = Unit::read(&self.batch.units[number])?;
        let deadline = self.pipeline.deadline();
        let in_one_step = match self.role {
            Role::Library => self.in_one_step(number, &unit, deadline)?,
            Role::Object => None,
        };
        let mut made = in_one_step.map_or_else(|| self.to_object(number, &unit, deadline), Ok)?;
        self.use_object(&made.file);
        self.tell_output(name, &made.record.output);
        if !self.batch.compact && made.library.is_none() {
            let name = library_name(self.pipeline, &self.stems[number]);
            let staged = self.staged(number, Role::Library).staged;
            let deadline = self.pipeline.deadline_after(made.timings.compile);
            let linked = self.link(&[&made], &name, &staged, NonZero::<usize>::MIN, deadline)?;
            made.join(&name, &linked);
            if made.record.symbols.is_empty() {
                // An object of -flto does not say; the library does.
                made.record.symbols = linked.exported;
            }
        }
        Ok(made)
    }

    /// The next run may have a use for it too.
    pub(super) fn use_object(&self, file: &Path) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(file.with_extension(""));
    }

    /// What a compiler or linker said although it succeeded.
    pub(super) fn tell_output(&self, unit: &str, text: &str) {
        if !text.is_empty() {
            let diagnostics = self.pipeline.toolchain().diagnostics(text.as_bytes());
            self.observer.event(&Event::UnitOutput { unit, diagnostics: &diagnostics, text });
        }
    }

    /// To a library in one process; nothing where that would export nothing, because the unit does not say what it exports and
    /// the platform wants it said. Then the way goes through an object, whose names can be read before the link.
    fn in_one_step(
        &self,
        number: usize,
        unit: &Unit,
        deadline: Option<Instant>,
    ) -> Result<Option<CompiledUnit>, UnitError> {
        let Self { pipeline, store, header, .. } = self;
        let target = &pipeline.toolchain().compiler().target;
        let name = library_name(pipeline, &self.stems[number]);
        let key = pipeline.unit_key(unit, header, Role::Library)?;
        if let Some(record) = store.library(&name, &key, pipeline.digests()) {
            let (file, library) = (store.layout().library(&name), Some(name));
            return Ok(Some(CompiledUnit {
                record,
                file,
                origin: Source::Store,
                timings: Timings::default(),
                library,
            }));
        }
        let object_key = pipeline.unit_key(unit, header, Role::Object)?;
        if store.object(&object_key, target.object_suffix(), pipeline.digests()).is_some() {
            return Ok(None);
        }
        let staged = self.staged(number, Role::Library);
        let (ran, took) = self.compile(unit, Role::Library, &staged, deadline)?;
        let exported = symbols::exported_by_library(&staged.staged, target)?;
        if exported.is_empty() {
            return Ok(None);
        }
        let companions = ran.companions.clone();
        let defined = Defined { names: exported, ..Defined::default() };
        let record = record(key, ran, defined, &staged.staged)?;
        store.publish(&staged.staged, &companions, &name, &record)?;
        let (file, timings) = (store.layout().library(&name), Timings { compile: took, ..Timings::default() });
        Ok(Some(CompiledUnit { record, file, origin: Source::Compiler, timings, library: Some(name) }))
    }

    /// To an object, or to none where that was done before.
    fn to_object(&self, number: usize, unit: &Unit, deadline: Option<Instant>) -> Result<CompiledUnit, UnitError> {
        let Self { pipeline, store, header, .. } = self;
        let target = &pipeline.toolchain().compiler().target;
        let suffix = target.object_suffix();
        let key = pipeline.unit_key(unit, header, Role::Object)?;
        let library = None;
        if let Some((file, record)) = store.object(&key, suffix, pipeline.digests()) {
            return Ok(CompiledUnit { record, file, origin: Source::Store, timings: Timings::default(), library });
        }
        let staged = self.staged(number, Role::Object);
        let shelf = CacheHandle::of(pipeline, unit, header);
        if let Some(taken) = shelf.as_ref().and_then(CacheHandle::take) {
            self.observer.event(&Event::CacheHit { unit: unit.name() });
            let (record, file) = self.take_over(taken, key, &staged.staged)?;
            return Ok(CompiledUnit { record, file, origin: Source::Cache, timings: Timings::default(), library });
        }
        let (ran, took) = self.compile(unit, Role::Object, &staged, deadline)?;
        let defined = symbols::defined_by_object(&staged.staged, target)?;
        let record = record(key, ran, defined, &staged.staged)?;
        let file = store.keep_object(&staged.staged, suffix, &record)?;
        if let Some(shelf) = shelf {
            shelf.put(&record, &file, self.observer);
        }
        Ok(CompiledUnit {
            record,
            file,
            origin: Source::Compiler,
            timings: Timings { compile: took, ..Timings::default() },
            library,
        })
    }

    /// Puts an object from the cache into the output directory.
    pub(super) fn take_over(
        &self,
        taken: CacheHit,
        key: Digest,
        staged: &Path,
    ) -> Result<(Record, PathBuf), UnitError> {
        fs::write(staged, taken.object()).map_err(UnitError::file("write", staged))?;
        let record = taken.into_record(key);
        let suffix = self.pipeline.toolchain().compiler().target.object_suffix();
        let file = self.store.keep_object(staged, suffix, &record)?;
        Ok((record, file))
    }

    fn compile(
        &self,
        unit: &Unit,
        role: Role,
        staged: &UnitPaths,
        deadline: Option<Instant>,
    ) -> Result<(StepOutput, Duration), UnitError> {
        let began = Instant::now();
        let ran = self.pipeline.compile(
            CompileRequest { unit, header: &self.header, role, paths: staged },
            deadline,
            self.observer,
        )?;
        let took = began.elapsed().saturating_sub(ran.waited);
        Ok((ran, took))
    }

    fn staged(&self, number: usize, role: Role) -> UnitPaths {
        self.batch.paths(self.pipeline, self.store.layout(), number, role)
    }

    /// Links into a library of this name, unless the one that is there is the same.
    pub(super) fn link(
        &self,
        units: &[&CompiledUnit],
        name: &str,
        staged: &Path,
        threads: NonZero<usize>,
        deadline: Option<Instant>,
    ) -> Result<Linked, UnitError> {
        let Self { pipeline, store, header, .. } = self;
        let mut symbols: Vec<String> = units.iter().flat_map(|made| &made.record.symbols).cloned().collect();
        symbols.sort_unstable();
        // Units that were compiled together are in one object.
        let mut seen = HashSet::new();
        let units: Vec<&CompiledUnit> = units.iter().copied().filter(|made| seen.insert(&made.file)).collect();
        let objects: Vec<PathBuf> = units.iter().map(|made| made.file.clone()).collect();
        let digests: Vec<Digest> = units.iter().map(|made| made.record.file.clone()).collect();
        // With -flto the assembler runs at the link: equal objects are then not all that it depends on.
        let is_known = units.iter().all(|made| made.record.key != Digest::never());
        let key = if is_known { pipeline.link_key(&digests, header, &symbols)? } else { Digest::never() };
        if let Some(record) = store.library(name, &key, pipeline.digests()) {
            self.tell_output(name, &record.output);
            return Ok(Linked { exported: record.symbols, took: None });
        }
        let began = Instant::now();
        let ran = pipeline.link(
            LinkRequest { objects: &objects, library: staged, header, exports: &symbols },
            threads,
            deadline,
            self.observer,
        )?;
        let waited = ran.waited;
        self.tell_output(name, &ran.text);
        let exported = symbols::exported_by_library(staged, &pipeline.toolchain().compiler().target)?;
        let companions = ran.companions.clone();
        let record = record(key, ran, Defined { names: exported, ..Defined::default() }, staged)?;
        store.publish(staged, &companions, name, &record)?;
        Ok(Linked { exported: record.symbols, took: Some(began.elapsed().saturating_sub(waited)) })
    }
}

pub(super) fn record(key: Digest, ran: StepOutput, defined: Defined, file: &Path) -> Result<Record, UnitError> {
    // A file that went away while it was compiled: made anew each time, until it stays.
    let (key, inputs) = ran.inputs.map_or_else(|| (Digest::never(), Inputs::default()), |inputs| (key, inputs));
    let Defined { names: symbols, shared } = defined;
    Ok(Record { key, file: digest(file)?, inputs, symbols, shared, units: Vec::new(), output: ran.text })
}

fn digest(path: &Path) -> Result<Digest, UnitError> {
    Digest::of_file(path).map_err(UnitError::file("read", path))
}
