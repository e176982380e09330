//! One unit of a batch: read from the output directory or the cache if up to date, else compiled and linked.

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

/// A unit with an object or a library.
pub(super) struct CompiledUnit {
    pub(super) record: Record,
    /// The object, or the library if the unit was compiled and linked in one step.
    pub(super) file: PathBuf,
    pub(super) origin: Source,
    pub(super) timings: Timings,
    /// The library that contains the unit; `None` before the link.
    pub(super) library: Option<String>,
}

/// Where an object came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Compiled in this run.
    Compiler,
    /// Read from the output directory.
    Store,
    /// Read from the cache.
    Cache,
}

/// A library that objects were linked into.
pub(super) struct Linked {
    /// The exported symbols, sorted: the platform or the user's flags may hide symbols that the objects define.
    pub(super) exported: Vec<String>,
    /// How long linking took; `None` if the library was up to date.
    pub(super) took: Option<Duration>,
}

impl CompiledUnit {
    pub(super) fn status(&self) -> Status {
        if self.origin == Source::Compiler { Status::Built } else { Status::Reused }
    }

    pub(super) fn set_library(&mut self, library: &str, linked: &Linked) {
        self.record.symbols.retain(|symbol| linked.exported.binary_search(symbol).is_ok());
        self.timings.link = linked.took.unwrap_or_default();
        self.library = Some(library.to_owned());
    }
}

impl Run<'_> {
    /// Compiles a unit, and links the unit's library unless all units go into one library.
    pub(super) fn build_unit(&self, number: usize, name: &str) -> Result<CompiledUnit, UnitError> {
        let unit = Unit::read(&self.batch.units[number])?;
        let deadline = self.pipeline.deadline();
        let in_one_step = match self.role {
            Role::Library => self.build_in_one_step(number, &unit, deadline)?,
            Role::Object => None,
        };
        let mut unit = in_one_step.map_or_else(|| self.build_object(number, &unit, deadline), Ok)?;
        self.mark_used(&unit.file);
        self.report_output(name, &unit.record.output);
        if !self.batch.compact && unit.library.is_none() {
            let name = library_name(self.pipeline, &self.stems[number]);
            let staged = self.staged(number, Role::Library).staged;
            let deadline = self.pipeline.deadline_after(unit.timings.compile);
            let linked = self.link(&[&unit], &name, &staged, NonZero::<usize>::MIN, deadline)?;
            unit.set_library(&name, &linked);
            if unit.record.symbols.is_empty() {
                // An object of -flto does not list its symbols; the library does.
                unit.record.symbols = linked.exported;
            }
        }
        Ok(unit)
    }

    /// Marks an object as used by this run: unmarked objects are removed at the end.
    pub(super) fn mark_used(&self, file: &Path) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(file.with_extension(""));
    }

    /// Reports the messages of a compiler or linker, if there are any.
    pub(super) fn report_output(&self, unit: &str, text: &str) {
        if !text.is_empty() {
            let diagnostics = self.pipeline.toolchain().diagnostics(text.as_bytes());
            self.observer.event(&Event::UnitOutput { unit, diagnostics: &diagnostics, text });
        }
    }

    /// Compiles and links a unit in one process. `None` if the library would export nothing, because the platform needs a list of exports:
    /// then the unit is compiled to an object, whose symbols are read before the link.
    fn build_in_one_step(
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
        let (output, took) = self.compile(unit, Role::Library, &staged, deadline)?;
        let exported = symbols::exported_by_library(&staged.staged, target)?;
        if exported.is_empty() {
            return Ok(None);
        }
        let companions = output.companions.clone();
        let defined = Defined { names: exported, ..Defined::default() };
        let record = record(key, output, defined, &staged.staged)?;
        store.publish(&staged.staged, &companions, &name, &record)?;
        let (file, timings) = (store.layout().library(&name), Timings { compile: took, ..Timings::default() });
        Ok(Some(CompiledUnit { record, file, origin: Source::Compiler, timings, library: Some(name) }))
    }

    /// Compiles a unit to an object file, or returns the up-to-date one.
    fn build_object(&self, number: usize, unit: &Unit, deadline: Option<Instant>) -> Result<CompiledUnit, UnitError> {
        let Self { pipeline, store, header, .. } = self;
        let target = &pipeline.toolchain().compiler().target;
        let suffix = target.object_suffix();
        let key = pipeline.unit_key(unit, header, Role::Object)?;
        let library = None;
        if let Some((file, record)) = store.object(&key, suffix, pipeline.digests()) {
            return Ok(CompiledUnit { record, file, origin: Source::Store, timings: Timings::default(), library });
        }
        let staged = self.staged(number, Role::Object);
        let handle = CacheHandle::of(pipeline, unit, header);
        if let Some(hit) = handle.as_ref().and_then(CacheHandle::take) {
            self.observer.event(&Event::CacheHit { unit: unit.name() });
            let (record, file) = self.store_hit(hit, key, &staged.staged)?;
            return Ok(CompiledUnit { record, file, origin: Source::Cache, timings: Timings::default(), library });
        }
        let (output, took) = self.compile(unit, Role::Object, &staged, deadline)?;
        let defined = symbols::defined_by_object(&staged.staged, target)?;
        let record = record(key, output, defined, &staged.staged)?;
        let file = store.keep_object(&staged.staged, suffix, &record)?;
        if let Some(handle) = handle {
            handle.put(&record, &file, self.observer);
        }
        Ok(CompiledUnit {
            record,
            file,
            origin: Source::Compiler,
            timings: Timings { compile: took, ..Timings::default() },
            library,
        })
    }

    /// Writes an object from the cache to the output directory.
    pub(super) fn store_hit(&self, hit: CacheHit, key: Digest, staged: &Path) -> Result<(Record, PathBuf), UnitError> {
        fs::write(staged, hit.object()).map_err(UnitError::file("write", staged))?;
        let record = hit.into_record(key);
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
        let output = self.pipeline.compile(
            CompileRequest { unit, header: &self.header, role, paths: staged },
            deadline,
            self.observer,
        )?;
        let took = began.elapsed().saturating_sub(output.waited);
        Ok((output, took))
    }

    fn staged(&self, number: usize, role: Role) -> UnitPaths {
        self.batch.paths(self.pipeline, self.store.layout(), number, role)
    }

    /// Links units to a library of this name, unless the library is up to date.
    pub(super) fn link(
        &self,
        units: &[&CompiledUnit],
        name: &str,
        staged: &Path,
        threads: NonZero<usize>,
        deadline: Option<Instant>,
    ) -> Result<Linked, UnitError> {
        let Self { pipeline, store, header, .. } = self;
        let mut symbols: Vec<String> = units.iter().flat_map(|unit| &unit.record.symbols).cloned().collect();
        symbols.sort_unstable();
        // The units of a group share one object.
        let mut seen = HashSet::new();
        let units: Vec<&CompiledUnit> = units.iter().copied().filter(|unit| seen.insert(&unit.file)).collect();
        let objects: Vec<PathBuf> = units.iter().map(|unit| unit.file.clone()).collect();
        let digests: Vec<Digest> = units.iter().map(|unit| unit.record.file.clone()).collect();
        // With -flto the assembler runs during the link and may read further files, so that equal objects do not mean equal libraries.
        let is_known = units.iter().all(|unit| unit.record.key != Digest::never());
        let key = if is_known { pipeline.link_key(&digests, header, &symbols)? } else { Digest::never() };
        if let Some(record) = store.library(name, &key, pipeline.digests()) {
            self.report_output(name, &record.output);
            return Ok(Linked { exported: record.symbols, took: None });
        }
        let began = Instant::now();
        let output = pipeline.link(
            LinkRequest { objects: &objects, library: staged, header, exports: &symbols },
            threads,
            deadline,
            self.observer,
        )?;
        let waited = output.waited;
        self.report_output(name, &output.text);
        let exported = symbols::exported_by_library(staged, &pipeline.toolchain().compiler().target)?;
        let companions = output.companions.clone();
        let record = record(key, output, Defined { names: exported, ..Defined::default() }, staged)?;
        store.publish(staged, &companions, name, &record)?;
        Ok(Linked { exported: record.symbols, took: Some(began.elapsed().saturating_sub(waited)) })
    }
}

pub(super) fn record(key: Digest, output: StepOutput, defined: Defined, file: &Path) -> Result<Record, UnitError> {
    // With unknown inputs, for instance an included file that was removed meanwhile, the next run compiles again.
    let (key, inputs) = output.inputs.map_or_else(|| (Digest::never(), Inputs::default()), |inputs| (key, inputs));
    let Defined { names: symbols, shared } = defined;
    Ok(Record { key, file: digest(file)?, inputs, symbols, shared, units: Vec::new(), output: output.text })
}

fn digest(path: &Path) -> Result<Digest, UnitError> {
    Digest::of_file(path).map_err(UnitError::file("read", path))
}
