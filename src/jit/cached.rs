//! Compiling a unit with the object cache. The unit is renamed by its text alone; its object is read from the cache, or compiled and
//! written to the cache. If that fails, the unit is compiled under its own names, as without a cache.

use std::ffi::c_void;
use std::fs;
use std::path::PathBuf;
use std::ptr::NonNull;
use std::sync::Arc;

use mjit_cc_ctext::Member;

use super::content::{self, Renamed};
use super::{Jit, Source};
use crate::cached::{CacheHandle, CacheHit};
use crate::error::UnitError;
use crate::event::{Event, Observer};
use crate::library::Library;
use crate::unit::Unit;

/// A unit under its names in the cache, with the handle of its object.
pub(crate) struct CachedUnit<'a> {
    pub(super) unit: Unit,
    pub(super) entry: String,
    pub(super) handle: CacheHandle<'a>,
}

impl CachedUnit<'_> {
    /// The entry symbol under its name in the cache.
    pub(crate) fn entry(&self) -> &str {
        &self.entry
    }

    /// The unit under its names in the cache, for merging.
    pub(crate) fn member(&self) -> Member<'_> {
        let Self { unit, entry, .. } = self;
        Member { name: unit.name(), entries: Some(std::slice::from_ref(entry)), text: unit.text() }
    }
}

impl Jit {
    /// Returns the loaded code of a unit and the address of its entry symbol, from the cache if possible.
    pub(crate) fn make(
        &self,
        stem: &str,
        source: &Source<'_>,
        entry: &str,
        observer: &dyn Observer,
    ) -> Result<(NonNull<c_void>, Arc<Library>), UnitError> {
        if let Some(cached) = self.cached_unit(source, entry) {
            if let Some(loaded) = self.load_cached(stem, &cached, observer) {
                return Ok(loaded);
            }
            match self.build_and_cache(stem, &cached, source.units, observer) {
                // Compiled again under its own name: diagnostics must show that name, and the new name may be the cause.
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

    /// Renames a unit for the cache; `None` if the unit is not cached. Units keep their names where a person reads names: `-g`, perf,
    /// `save_temps`.
    pub(crate) fn cached_unit(&self, source: &Source<'_>, entry: &str) -> Option<CachedUnit<'_>> {
        let Self { pipeline, header, entry_prefix, save_temps, .. } = self;
        if pipeline.cache.is_none() || pipeline.flags.debug || *save_temps || self.perf.is_some() {
            return None;
        }
        let Renamed { text, entry, source } = content::rename(entry_prefix, entry, source.text)?;
        let unit = Unit::from_text(source, text).ok()?;
        let handle = CacheHandle::of(pipeline, &unit, header)?;
        Some(CachedUnit { unit, entry, handle })
    }

    /// Loads a unit's object from the cache; `None` if that fails. Errors are not reported: compiling the unit meets a lasting cause again.
    pub(crate) fn load_cached(
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
            None => self.load_cached_group(stem, cached, observer)?,
        };
        Some((library.address(&cached.entry).ok()?, library))
    }

    pub(super) fn link_hit(&self, stem: &str, hit: &CacheHit, observer: &dyn Observer) -> Option<Library> {
        let object = self.write_object(stem, hit).ok()?;
        self.link(stem, &[object], hit.symbols(), observer).ok()
    }

    /// Writes an object from the cache to the private directory.
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

    /// Compiles a unit under its names in the cache, writes the object to the cache, and loads the code.
    fn build_and_cache(
        &self,
        stem: &str,
        cached: &CachedUnit<'_>,
        units: usize,
        observer: &dyn Observer,
    ) -> Result<(NonNull<c_void>, Arc<Library>), UnitError> {
        let CachedUnit { unit, entry, handle } = cached;
        let (output, object) = self.compile_unit(stem, unit, units, observer)?;
        handle.put_new(output, &object, observer);
        let library = self.link(stem, &[object], std::slice::from_ref(entry), observer)?;
        Ok((library.address(entry)?, Arc::new(library)))
    }
}
