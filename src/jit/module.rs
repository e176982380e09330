//! Modules: units whose symbols keep their names. Their objects come from the object cache if possible.

use std::path::PathBuf;

use mjit_cc_platforms::Diagnostic;

use super::Jit;
use crate::cached::CacheHandle;
use crate::error::UnitError;
use crate::event::{Event, Observer};
use crate::files;
use crate::library::Library;
use crate::symbols;
use crate::unit::Unit;

/// A unit's object, on disk under the unit's stem.
struct CompiledObject {
    object: PathBuf,
    /// The C names that the object exports.
    symbols: Vec<String>,
    output: String,
}

impl Jit {
    /// Returns the loaded code of a unit, and the compiler's warnings. Then starts a compiler for the next unit.
    pub(crate) fn module(
        &self,
        stem: &str,
        unit: &Unit,
        observer: &dyn Observer,
    ) -> Result<(Library, Vec<Diagnostic>), UnitError> {
        let built = self.build_module(stem, unit, observer);
        self.stand_by(observer);
        let (library, output) = built?;
        Ok((library, self.pipeline.toolchain().diagnostics(output.as_bytes())))
    }

    /// Returns the loaded code of a unit, and the compiler's output.
    fn build_module(&self, stem: &str, unit: &Unit, observer: &dyn Observer) -> Result<(Library, String), UnitError> {
        if self.pipeline.toolchain().capabilities().at_once {
            return self.build_at_once(stem, unit, &[], observer);
        }
        let CompiledObject { object, symbols, output } = self.compile_or_take(stem, unit, observer)?;
        Ok((self.link(stem, &[object], &symbols, observer)?, output))
    }

    /// Returns the bytes of a unit's object, and the C names that the object exports.
    pub(crate) fn object_in_memory(
        &self,
        stem: &str,
        unit: &Unit,
        observer: &dyn Observer,
    ) -> Result<(Vec<u8>, Vec<String>), UnitError> {
        let CompiledObject { object, symbols, .. } = self.compile_or_take(stem, unit, observer)?;
        let bytes = files::read(&object).map_err(UnitError::file("read", &object));
        self.discard(&[object]);
        Ok((bytes?, symbols))
    }

    fn compile_or_take(&self, stem: &str, unit: &Unit, observer: &dyn Observer) -> Result<CompiledObject, UnitError> {
        let handle = CacheHandle::of(&self.pipeline, unit, &self.header);
        if let Some(hit) = handle.as_ref().and_then(CacheHandle::take) {
            observer.event(&Event::CacheHit { unit: unit.name() });
            let object = self.write_object(stem, &hit)?;
            let (symbols, output) = (hit.symbols().to_owned(), hit.output().to_owned());
            return Ok(CompiledObject { object, symbols, output });
        }
        let (ran, object) = self.compile_unit(stem, unit, 1, observer)?;
        let output = ran.text.clone();
        if let Some(handle) = &handle {
            handle.put_new(ran, &object, observer);
        }
        let defined = symbols::defined_by_object(&object, &self.pipeline.toolchain().compiler().target)?;
        Ok(CompiledObject { object, symbols: defined.names, output })
    }
}
