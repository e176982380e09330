//! The settings of an engine, and opening an engine.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::{Engine, Shared};
use crate::discover::Environment;
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::jit::{Jit, JitOptions, PREFIX};
use crate::setup::{BuildOptions, build_setters};

/// The settings of an [`Engine`], each with a default.
#[must_use = "nothing happens before open"]
pub struct EngineBuilder {
    pub(crate) build: BuildOptions,
    standby: usize,
    observer: Box<dyn Observer + Send + Sync>,
}

impl Default for EngineBuilder {
    fn default() -> Self {
        Self { build: BuildOptions::default(), standby: 0, observer: Box::new(|_: &Event<'_>| {}) }
    }
}

impl EngineBuilder {
    build_setters!(build);

    /// Sets how many compilers are started ahead and wait with the header loaded. The default is 0. The compilers are children of this
    /// process (gcc and clang, on Unix).
    pub fn standby(mut self, compilers: usize) -> Self {
        self.standby = compilers;
        self
    }

    /// Sets the observer of events. The observer is called on the thread on which an event happens.
    pub fn observer(mut self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Box::new(observer);
        self
    }

    /// Finds the compiler, precompiles the header and returns the engine.
    ///
    /// # Errors
    /// [`Error`], with [`Error::Header`] for a header that does not compile.
    pub fn open(self) -> Result<Engine, Error> {
        let Self { mut build, standby, observer } = self;
        let environment = build.environment.take().unwrap_or_else(Environment::read);
        let executor = Arc::new(build.executor(&environment.variables, None));
        let options = JitOptions { standby, ..JitOptions::alone(PREFIX.to_owned()) };
        let jit = Jit::open(options, &build, &environment, &executor, &*observer)?;
        jit.stand_by(&*observer);
        let (next, process) = (AtomicU64::new(0), std::process::id());
        Ok(Engine { shared: Arc::new(Shared { jit, observer, next, process }) })
    }
}
