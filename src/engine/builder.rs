//! The settings of an engine, and opening one.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::{Engine, Shared};
use crate::discover::Environment;
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::jit::{Jit, JitOptions};
use crate::setup::{BuildOptions, build_setters};

/// What the names of files begin with.
const PREFIX: &str = "_mjit_";

/// Puts an [`Engine`] together.
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

    /// How many compilers wait for a text with the header loaded. By default none. They are children of this process (gcc and clang, on Unix).
    pub fn standby(mut self, compilers: usize) -> Self {
        self.standby = compilers;
        self
    }

    /// Is told what happens, on the thread on which it happens.
    pub fn observer(mut self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Box::new(observer);
        self
    }

    /// Finds the compiler and precompiles the header.
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
