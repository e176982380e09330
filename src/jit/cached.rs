//! Units and the object cache: a unit gets names that depend on its text alone, and its object is taken from the cache, or compiled and
//! stored there. If that fails, the unit is compiled under its original names, as without a cache.

use std::ffi::c_void;
use std::fs;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::Arc;

use mjit_cc_ctext::Member;

use super::content::{self, Renamed};
use super::{Jit, TranslationUnit};
use crate::cached::{CacheHandle, CacheHit};
use crate::error::UnitError;
use crate::event::{Event, Observer};
use crate::library::Library;
use crate::unit::Unit;

/// A unit under its names in the cache, and its key there.
pub(crate) struct CachedUnit<'a> {
    pub(super) unit: Unit,
    pub(super) entry: String,
    pub(super) handle: CacheHandle<'a>,
}

impl CachedUnit<'_> {
    /// Returns the name of the entry symbol in the cache.
    pub(crate) fn entry(&self) -> &str {
        &self.entry
    }

    /// Returns the unit under its names in the cache, as a member of a group.
    pub(crate) fn member(&self) -> Member<'_> {
        let Self { unit, entry, .. } = self;
        Member { name: unit.name(), entries: Some(std::slice::from_ref(entry)), text: unit.text() }
    }
}

impl Jit {
    /// Compiles C text or takes its object from the cache; returns the loaded code and its address.
    pub(crate) fn build_or_take(
        &self,
        stem: &str,
        source: &TranslationUnit<'_>,
        entry: &str,
        observer: &dyn Observer,
    ) -> Result<(NonNull<c_void>, Arc<Library>), UnitError> {
        if let Some(cached) = self.cached_unit(source, entry) {
            if let Some(made) = self.take(stem, &cached, observer) {
                return Ok(made);
            }
            match self.build_and_store(stem, &cached, source.units, observer) {
                // These failures may come from the changed names, and their messages must have the original names: compile again.
                Err(
                    UnitError::Refused { .. }
                    | UnitError::Crashed { .. }
                    | UnitError::NoOutput { .. }
                    | UnitError::Symbols(_)
                    | UnitError::Load(_),
                ) => {}
                result => return result,
            }
        }
        let library = self.build(stem, source, entry, observer)?;
        Ok((library.address(entry)?, Arc::new(library)))
    }

    /// Returns the unit under its names in the cache. `None` without a cache, or if users see names: then units keep their original names.
    pub(crate) fn cached_unit(&self, source: &TranslationUnit<'_>, entry: &str) -> Option<CachedUnit<'_>> {
        let Self { pipeline, header, entry_prefix, save_temps, .. } = self;
        if pipeline.cache.is_none() || pipeline.flags.debug || *save_temps || self.perf.is_some() {
            return None;
        }
        let Renamed { text, entry, source } = content::rename(entry_prefix, entry, source.text)?;
        let unit = Unit::from_text(source, text).ok()?;
        let handle = CacheHandle::of(pipeline, &unit, header)?;
        Some(CachedUnit { unit, entry, handle })
    }

    /// Returns the code if the cache has its object and the object can be linked. Errors are ignored: the unit is compiled then.
    pub(crate) fn take(
        &self,
        stem: &str,
        cached: &CachedUnit<'_>,
        observer: &dyn Observer,
    ) -> Option<(NonNull<c_void>, Arc<Library>)> {
        let library = match cached.handle.take() {
            Some(hit) => {
                observer.event(&Event::CacheHit { unit: cached.unit.name() });
                Arc::new(self.link_hit(stem, &hit, observer)?)
            }
            None => self.take_from_group(stem, cached, observer)?,
        };
        Some((library.address(&cached.entry).ok()?, library))
    }

    pub(super) fn link_hit(&self, stem: &str, hit: &CacheHit, observer: &dyn Observer) -> Option<Library> {
        let object = self.write_object(stem, hit).ok()?;
        self.link(stem, &[object], hit.symbols(), observer).ok()
    }

    /// Writes an object of the cache to the private directory.
    pub(super) fn write_object(&self, stem: &str, hit: &CacheHit) -> Result<PathBuf, UnitError> {
        let object = self.object(stem);
        match fs::write(&object, hit.object()) {
            Ok(()) => Ok(object),
            Err(error) => {
                let failure = UnitError::file("write", &object)(error);
                self.discard(&[object]);
                Err(failure)
            }
        }
    }

    fn build_and_store(
        &self,
        stem: &str,
        cached: &CachedUnit<'_>,
        units: usize,
        observer: &dyn Observer,
    ) -> Result<(NonNull<c_void>, Arc<Library>), UnitError> {
        let CachedUnit { unit, entry, handle } = cached;
        let (ran, object) = self.compile_unit(stem, unit, units, observer)?;
        handle.put_new(ran, &object, observer);
        let library = self.link(stem, &[object], std::slice::from_ref(entry), observer)?;
        Ok((library.address(entry)?, Arc::new(library)))
    }
}
