//! The settings of an engine, and opening one.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use mjit_cc_platforms::Flags;

use super::{Engine, Shared};
use crate::admission::{Admission, MemoryLimit};
use crate::cache::{CachePlace, ObjectCache};
use crate::discover::{CompilerSpec, DetectedLauncher, Environment, Finder};
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::exec::{DEFAULT_LIMIT, NO_LIMIT, ProcessExecutor, Reaper};
use crate::pipeline::Pipeline;
use crate::pipeline::Watched;
use crate::scratch::{Purpose, Scratch};
use crate::worker::{PartsEngine, WorkerHeader};

/// What files and entry symbols begin with.
const PREFIX: &str = "_mjit_";

/// Puts an [`Engine`] together.
#[must_use = "nothing happens before open"]
pub struct EngineBuilder {
    spec: CompilerSpec,
    flags: Flags,
    environment: Option<Environment>,
    header: WorkerHeader,
    memfree: u64,
    timeout: Option<Duration>,
    output_limit: Option<u64>,
    standby: usize,
    cache: Option<CachePlace>,
    launcher: Option<OsString>,
    hash_files: Vec<PathBuf>,
    hash_env: Vec<OsString>,
    reaper: Option<Arc<dyn Reaper>>,
    save_temps: bool,
    observer: Box<dyn Observer + Send + Sync>,
}

impl Default for EngineBuilder {
    fn default() -> Self {
        Self {
            spec: CompilerSpec::default(),
            flags: Flags::default(),
            environment: None,
            header: WorkerHeader::None,
            memfree: MemoryLimit::DEFAULT,
            timeout: Some(Duration::from_secs(60)),
            output_limit: Some(DEFAULT_LIMIT),
            standby: 0,
            cache: None,
            launcher: None,
            hash_files: Vec::new(),
            hash_env: Vec::new(),
            reaper: None,
            save_temps: false,
            observer: Box::new(|_: &Event<'_>| {}),
        }
    }
}

impl EngineBuilder {
    /// The compiler's program, with its first arguments if there are any. By default `CC`, then the best compiler that is installed.
    pub fn compiler(mut self, command: impl Into<OsString>) -> Self {
        self.spec.cc = Some(command.into());
        self
    }

    /// Which compiler to look for: a program, a family, a target.
    pub fn compiler_spec(mut self, spec: CompilerSpec) -> Self {
        self.spec = spec;
        self
    }

    /// The compiler's flags.
    pub fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    /// The header in front of every text; the header is precompiled when the engine is opened. A text does not include the header itself.
    pub fn header(mut self, header: impl Into<PathBuf>) -> Self {
        self.header = WorkerHeader::File(header.into());
        self
    }

    /// The environment of compilers. By default the process's own, read once when the engine is opened, on the thread that opens the engine.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = Some(environment);
        self
    }

    /// How many bytes of memory must be free for each compiler that starts beside another; 0 disables the check.
    /// By default [`MemoryLimit::DEFAULT`].
    pub fn memfree(mut self, bytes: u64) -> Self {
        self.memfree = bytes;
        self
    }

    /// How long the processes of one text may take together; they are ended then. By default a minute; `None` sets no limit.
    pub fn timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many bytes a compiler may write about one text; a compiler that writes more is ended. By default [`DEFAULT_LIMIT`]; `None` sets no
    /// limit.
    pub fn output_limit(mut self, bytes: Option<u64>) -> Self {
        self.output_limit = bytes;
        self
    }

    /// How many compilers wait for a text with the header loaded. By default none. They are children of this process (gcc and clang, on Unix).
    pub fn standby(mut self, compilers: usize) -> Self {
        self.standby = compilers;
        self
    }

    /// Keeps objects in a directory that outlives the process, and takes from there what was compiled before. By default none. The code in
    /// the directory is run: no other user may write to the directory.
    pub fn cache(mut self, place: CachePlace) -> Self {
        self.cache = Some(place);
        self
    }

    /// Lets another program start the compilers, such as `distcc`.
    pub fn launcher(mut self, command: impl Into<OsString>) -> Self {
        self.launcher = Some(command.into());
        self
    }

    /// Files that the code depends on in a way that no compiler tells.
    pub fn hash_files(mut self, files: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        self.hash_files.extend(files.into_iter().map(Into::into));
        self
    }

    /// Environment variables that the code depends on in such a way.
    pub fn hash_env(mut self, names: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.hash_env.extend(names.into_iter().map(Into::into));
        self
    }

    /// Lets the host wait for compilers, if the host waits for all children of the process.
    pub fn reaper(mut self, reaper: Arc<dyn Reaper>) -> Self {
        self.reaper = Some(reaper);
        self
    }

    /// Keeps the temporary directory, with C sources, objects and libraries.
    pub fn save_temps(mut self, save_temps: bool) -> Self {
        self.save_temps = save_temps;
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
        let observer = self.observer;
        let environment = self.environment.unwrap_or_else(Environment::read);
        let scratch = Scratch::create(&environment.temp_dirs, Purpose::Code)?;
        let executor = ProcessExecutor::for_host(self.reaper.clone(), None)
            .with_variables(environment.variables.clone())
            .with_output_limit(self.output_limit.unwrap_or(NO_LIMIT));
        let executor = Arc::new(executor);
        let finder = Finder { environment: &environment, executor: &*executor, temp_dir: scratch.path() };
        let compiler = finder.find(&self.spec)?;
        observer.event(&Event::CompilerChosen { compiler: compiler.toolchain.compiler() });
        let mut pipeline = Pipeline::new(compiler, self.flags, executor, scratch);
        pipeline.timeout = self.timeout;
        pipeline.watched = Watched::of(self.hash_files, self.hash_env, &environment.variables)?;
        pipeline.admission = Admission::new(None, MemoryLimit::per_compiler(self.memfree));
        pipeline.check_link()?;
        if let Some(launcher) = &self.launcher {
            pipeline.launcher = Some(DetectedLauncher::find(std::slice::from_ref(launcher), &environment)?);
        }
        if let Some(place) = self.cache {
            pipeline.cache = ObjectCache::open(place, &pipeline, &environment, &*observer);
        }
        pipeline.records_units = pipeline.cache.is_some();
        let header = PartsEngine::prepare_header(&pipeline, &self.header, &*observer)?;
        let parts = PartsEngine::of_parts(Arc::new(pipeline), header, PREFIX.to_owned(), self.save_temps)
            .with_standby(self.standby);
        parts.stand_by(&*observer);
        let (next, process) = (AtomicU64::new(0), std::process::id());
        Ok(Engine { shared: Arc::new(Shared { parts, observer, next, process }) })
    }
}
