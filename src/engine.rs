//! The engine: compiles C text on the caller's thread and loads its functions. Knows neither files of units ([`batch`](crate::batch)) nor
//! compilation in the background ([`worker`](crate::worker)).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mjit_cc_platforms::Compiler;

use crate::error::{Error, UnitError};
use crate::event::Observer;
use crate::jit::Jit;
use crate::pipeline::Pipeline;
use crate::unit::{self, Unit};

mod builder;
mod module;

pub use builder::EngineBuilder;
pub use module::{Function, Module};

/// A compiler with its flags and its precompiled header, ready to turn C text into functions of this process.
///
/// Several threads may use an engine at once. Each [`Module`] holds a reference to the engine; the temporary directory is removed with the
/// last reference. An engine works only in the process that opened it: the child of a fork opens another engine.
///
/// ```
/// let engine = mjitcc::Engine::builder().open()?;
/// let module = engine.compile("long succ(long n) { return n + 1; }")?;
/// // SAFETY: the C text defines a function of this type.
/// let succ = unsafe { module.function::<extern "C" fn(i64) -> i64>("succ") }?;
/// assert_eq!(succ(1), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    jit: Jit,
    observer: Box<dyn Observer + Send + Sync>,
    /// The number of the next unit, for the names of temporary files.
    next: AtomicU64,
    /// The process that opened the engine.
    process: u32,
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.process == std::process::id() {
            self.jit.close();
        } else {
            self.jit.abandon();
        }
    }
}

/// An object file in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The file's content, in the format of the compiler's target.
    pub bytes: Vec<u8>,
    /// The C names that the object exports, sorted; empty if the names are not known (`-flto`).
    pub symbols: Vec<String>,
}

impl Engine {
    /// Returns a builder in which every setting has a default.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// Compiles C text and loads the code. The symbols that the text defines keep their names; equal names in two modules are two
    /// functions.
    ///
    /// # Errors
    /// [`UnitError`]: [`UnitError::Refused`] has the compiler's diagnostics as data.
    pub fn compile(&self, text: impl AsRef<[u8]>) -> Result<Module, UnitError> {
        self.compile_as(unit::DEFAULT_NAME, text)
    }

    /// Does the same as [`compile`](Self::compile), with a name for the text in diagnostics, in `__FILE__` and in debug information.
    ///
    /// # Errors
    /// As [`compile`](Self::compile).
    pub fn compile_as(&self, name: impl Into<String>, text: impl AsRef<[u8]>) -> Result<Module, UnitError> {
        let shared = self.here()?;
        let unit = Unit::from_text(name, text.as_ref())?;
        let (library, diagnostics) = shared.jit.module(&shared.stem(), &unit, &*shared.observer)?;
        Ok(Module::new(library, diagnostics, Arc::clone(shared)))
    }

    /// Compiles C text to an object file, for a host that links or loads the code itself, for instance in another process.
    ///
    /// # Errors
    /// As [`compile`](Self::compile).
    pub fn object(&self, name: impl Into<String>, text: impl AsRef<[u8]>) -> Result<Object, UnitError> {
        let shared = self.here()?;
        let unit = Unit::from_text(name, text.as_ref())?;
        let (bytes, symbols) = shared.jit.object_in_memory(&shared.stem(), &unit, &*shared.observer)?;
        Ok(Object { bytes, symbols })
    }

    /// The compiler that the engine uses.
    #[must_use]
    pub fn compiler(&self) -> &Compiler {
        self.pipeline().toolchain().compiler()
    }

    /// The private directory of temporary files. The directory is removed with the last reference to the engine.
    #[must_use]
    pub fn temp_dir(&self) -> PathBuf {
        self.pipeline().scratch.path().to_owned()
    }

    pub(crate) fn pipeline(&self) -> &Pipeline {
        self.shared.jit.pipeline()
    }

    pub(crate) fn observer(&self) -> &dyn Observer {
        &*self.shared.observer
    }

    /// True in the process that opened the engine.
    pub(crate) fn is_here(&self) -> bool {
        self.shared.process == std::process::id()
    }

    /// Returns the engine's parts; an error in any process but the one that opened the engine.
    fn here(&self) -> Result<&Arc<Shared>, UnitError> {
        if self.is_here() { Ok(&self.shared) } else { Err(UnitError::Other(Box::new(Error::OtherProcess))) }
    }
}

impl Shared {
    fn stem(&self) -> String {
        self.jit.stem(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("compiler", self.compiler()).finish_non_exhaustive()
    }
}
