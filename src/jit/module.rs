//! Compiles or reads from the object cache a unit whose symbols keep their names.

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
    /// The C names that the object exports.
    symbols: Vec<String>,
    /// The compiler's messages.
    output: String,
}

impl Jit {
    /// Returns the loaded code of a unit, and the compiler's messages.
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

    /// Returns the bytes of a unit's object, and the C names that the object exports.
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
        let handle = CacheHandle::of(&self.pipeline, unit, &self.header);
        if let Some(hit) = handle.as_ref().and_then(CacheHandle::take) {
            observer.event(&Event::CacheHit { unit: unit.name() });
            let object = self.write_object(stem, &hit)?;
            let (symbols, output) = (hit.symbols().to_owned(), hit.output().to_owned());
            return Ok(Compiled { object, symbols, output });
        }
        let (step, object) = self.compile_unit(stem, unit, 1, observer)?;
        let output = step.text.clone();
        if let Some(handle) = &handle {
            handle.put_new(step, &object, observer);
        }
        let defined = symbols::defined_by_object(&object, &self.pipeline.toolchain().compiler().target)?;
        Ok(Compiled { object, symbols: defined.names, output })
    }
}
