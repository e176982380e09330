//! Making a unit whose symbols keep their names: by the object cache, where there is one and the unit's object is in the cache.

use std::path::PathBuf;

use super::Jit;
use crate::cached::CacheHandle;
use crate::error::UnitError;
use crate::event::{Event, Observer};
use crate::files;
use crate::library::Library;
use crate::symbols;
use crate::unit::Unit;

/// A unit's object, on disk under the unit's stem.
struct Compiled {
    object: PathBuf,
    /// The C names that the object defines for others.
    symbols: Vec<String>,
    /// The compiler's own lines.
    output: String,
}

impl Jit {
    /// Returns the loaded code of a unit, and the compiler's own lines.
    pub(crate) fn module(
        &self,
        stem: &str,
        unit: &Unit,
        observer: &dyn Observer,
    ) -> Result<(Library, String), UnitError> {
        if self.pipeline.toolchain().capabilities().at_once {
            return self.build_at_once(stem, unit, &[], observer);
        }
        let Compiled { object, symbols, output } = self.compile_or_take(stem, unit, observer)?;
        Ok((self.link(stem, &[object], &symbols, observer)?, output))
    }

    /// Returns the bytes of a unit's object, and the C names that the object defines.
    pub(crate) fn object_in_memory(
        &self,
        stem: &str,
        unit: &Unit,
        observer: &dyn Observer,
    ) -> Result<(Vec<u8>, Vec<String>), UnitError> {
        let Compiled { object, symbols, .. } = self.compile_or_take(stem, unit, observer)?;
        let bytes = files::read(&object).map_err(UnitError::file("read", &object));
        self.discard(&[object]);
        Ok((bytes?, symbols))
    }

    fn compile_or_take(&self, stem: &str, unit: &Unit, observer: &dyn Observer) -> Result<Compiled, UnitError> {
        let shelf = CacheHandle::of(&self.pipeline, unit, &self.header);
        if let Some(taken) = shelf.as_ref().and_then(CacheHandle::take) {
            observer.event(&Event::CacheHit { unit: unit.name() });
            let object = self.write_object(stem, &taken)?;
            let (symbols, output) = (taken.symbols().to_owned(), taken.output().to_owned());
            return Ok(Compiled { object, symbols, output });
        }
        let (ran, object) = self.compile_unit(stem, unit, 1, observer)?;
        let output = ran.text.clone();
        if let Some(shelf) = &shelf {
            shelf.put_new(ran, &object, observer);
        }
        let defined = symbols::defined_by_object(&object, &self.pipeline.toolchain().compiler().target)?;
        Ok(Compiled { object, symbols: defined.names, output })
    }
}
