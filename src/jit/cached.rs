//! Making a unit with the object cache: under names that depend on its text alone, it is taken from there, or made and put there. Where
//! that does not work, it is made under its own names, as without a cache.

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

/// A unit under its names in the cache, and its place there.
pub(crate) struct CachedUnit<'a> {
    pub(super) unit: Unit,
    pub(super) entry: String,
    pub(super) shelf: CacheHandle<'a>,
}

impl CachedUnit<'_> {
    /// The entry symbol under its name in the cache.
    pub(crate) fn entry(&self) -> &str {
        &self.entry
    }

    /// The unit under these names.
    pub(crate) fn member(&self) -> Member<'_> {
        let Self { unit, entry, .. } = self;
        Member { name: unit.name(), entries: Some(std::slice::from_ref(entry)), text: unit.text() }
    }
}

impl Jit {
    /// C text to loaded code and where it begins.
    pub(crate) fn make(
        &self,
        stem: &str,
        source: &Source<'_>,
        entry: &str,
        observer: &dyn Observer,
    ) -> Result<(NonNull<c_void>, Arc<Library>), UnitError> {
        if let Some(kept) = self.kept(source, entry) {
            if let Some(made) = self.take(stem, &kept, observer) {
                return Ok(made);
            }
            match self.make_to_keep(stem, &kept, source.units, observer) {
                // What is the unit's fault is to be told by its own name, and may be the new name's.
                Err(
                    UnitError::Refused { .. }
                    | UnitError::Crashed { .. }
                    | UnitError::NoOutput { .. }
                    | UnitError::Symbols(_)
                    | UnitError::Load(_),
                ) => {}
                made => return made,
            }
        }
        let library = self.build(stem, source, entry, observer)?;
        Ok((library.address(entry)?, Arc::new(library)))
    }

    /// Nothing where there is no cache for it. Where people look at names, units keep their own.
    pub(crate) fn kept(&self, source: &Source<'_>, entry: &str) -> Option<CachedUnit<'_>> {
        let Self { pipeline, header, entry_prefix, save_temps, .. } = self;
        if pipeline.cache.is_none() || pipeline.flags.debug || *save_temps || self.perf.is_some() {
            return None;
        }
        let Renamed { text, entry, source } = content::rename(entry_prefix, entry, source.text)?;
        let unit = Unit::from_text(source, text).ok()?;
        let shelf = CacheHandle::of(pipeline, &unit, header)?;
        Some(CachedUnit { unit, entry, shelf })
    }

    /// The code, if its object is in the cache and can be linked. What goes wrong here goes wrong where it is made, too, if it matters.
    pub(crate) fn take(
        &self,
        stem: &str,
        kept: &CachedUnit<'_>,
        observer: &dyn Observer,
    ) -> Option<(NonNull<c_void>, Arc<Library>)> {
        let library = match kept.shelf.take() {
            Some(taken) => {
                observer.event(&Event::CacheHit { unit: kept.unit.name() });
                Arc::new(self.link_taken(stem, &taken, observer)?)
            }
            None => self.take_from_group(stem, kept, observer)?,
        };
        Some((library.address(&kept.entry).ok()?, library))
    }

    pub(super) fn link_taken(&self, stem: &str, taken: &CacheHit, observer: &dyn Observer) -> Option<Library> {
        let object = self.write_object(stem, taken).ok()?;
        self.link(stem, &[object], taken.symbols(), observer).ok()
    }

    /// Writes an object from the cache to where this engine links objects.
    pub(super) fn write_object(&self, stem: &str, taken: &CacheHit) -> Result<PathBuf, UnitError> {
        let object = self.object(stem);
        match fs::write(&object, taken.object()) {
            Ok(()) => Ok(object),
            Err(error) => {
                let failure = UnitError::file("write", &object)(error);
                self.discard(&[object]);
                Err(failure)
            }
        }
    }

    fn make_to_keep(
        &self,
        stem: &str,
        kept: &CachedUnit<'_>,
        units: usize,
        observer: &dyn Observer,
    ) -> Result<(NonNull<c_void>, Arc<Library>), UnitError> {
        let CachedUnit { unit, entry, shelf } = kept;
        let (ran, object) = self.compile_unit(stem, unit, units, observer)?;
        shelf.put_new(ran, &object, observer);
        let library = self.link(stem, &[object], std::slice::from_ref(entry), observer)?;
        Ok((library.address(entry)?, Arc::new(library)))
    }
}
