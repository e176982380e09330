//! The options that every front end has, and the pipeline that comes of them. Knows neither units nor who compiles them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mjit_cc_platforms::Flags;

use crate::admission::{Admission, MemoryLimit};
use crate::cache::{CachePlace, ObjectCache};
use crate::discover::{CompilerSpec, DetectedLauncher, Environment, Finder};
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::exec::{BlockingObserver, DEFAULT_LIMIT, NO_LIMIT, ProcessExecutor, Reaper};
use crate::header::UnitHeader;
use crate::pch;
use crate::pipeline::{Pipeline, Watched};
use crate::scratch::{Purpose, Scratch};
use crate::variables::Variables;

/// How long the processes of one unit may take together by default.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// Where objects are kept for other processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CacheChoice {
    /// Nowhere.
    #[default]
    Off,
    /// In this directory.
    At(CachePlace),
    /// Nowhere, although a cache was asked for; the reason becomes a warning.
    Unusable(String),
}

/// A compiler, its flags, and the bounds and helpers of its processes: what the command line, an engine, a worker and the C library have in common.
#[derive(Clone)]
pub struct BuildOptions {
    /// Which compiler to look for.
    pub compiler: CompilerSpec,
    /// The flags of every compilation.
    pub flags: Flags,
    /// The header in front of every unit.
    pub header: Option<PathBuf>,
    /// The environment of compilers; `None` takes the process's own when the compiler is looked for.
    pub environment: Option<Environment>,
    /// How many bytes of memory must be free for each compiler that starts beside another; 0 disables the check.
    pub memfree: u64,
    /// How long the processes of one unit may take together; `None` sets no limit.
    pub timeout: Option<Duration>,
    /// How many bytes of messages a compiler may write; `None` sets no limit.
    pub output_limit: Option<u64>,
    /// Where objects are kept for other processes.
    pub cache: CacheChoice,
    /// The command that starts compilers, such as `distcc`; empty for none.
    pub launcher: Vec<OsString>,
    /// Files that the code depends on in a way that no compiler tells.
    pub hash_files: Vec<PathBuf>,
    /// Environment variables that the code depends on in such a way.
    pub hash_env: Vec<OsString>,
    /// Waits for processes, if the host waits for all children of the process.
    pub reaper: Option<Arc<dyn Reaper>>,
    /// True if temporary files stay for a person to look into.
    pub save_temps: bool,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self {
            compiler: CompilerSpec::default(),
            flags: Flags::default(),
            header: None,
            environment: None,
            memfree: MemoryLimit::DEFAULT,
            timeout: Some(DEFAULT_TIMEOUT),
            output_limit: Some(DEFAULT_LIMIT),
            cache: CacheChoice::Off,
            launcher: Vec::new(),
            hash_files: Vec::new(),
            hash_env: Vec::new(),
            reaper: None,
            save_temps: false,
        }
    }
}

impl BuildOptions {
    /// Returns what starts the processes. `blocking` is told before and after the executor waits for a process.
    pub(crate) fn executor(
        &self,
        variables: &Variables,
        blocking: Option<Arc<dyn BlockingObserver>>,
    ) -> ProcessExecutor {
        ProcessExecutor::for_host(self.reaper.clone(), blocking)
            .with_variables(variables.clone())
            .with_output_limit(self.output_limit.unwrap_or(NO_LIMIT))
    }

    /// Makes a private directory, finds the compiler, the launcher and the object cache.
    ///
    /// # Errors
    /// [`Error`] if there is no directory, no such compiler or launcher, or a file that a flag names cannot be read.
    pub fn pipeline(
        &self,
        environment: &Environment,
        executor: Arc<ProcessExecutor>,
        purpose: Purpose,
        observer: &dyn Observer,
    ) -> Result<Pipeline, Error> {
        let scratch = Scratch::create(&environment.temp_dirs, purpose)?;
        for (dir, error) in scratch.skipped() {
            observer
                .event(&Event::Warning { text: &format!("cannot use {} for temporary files: {error}", dir.display()) });
        }
        observer.event(&Event::ScratchMade { path: scratch.path() });
        let finder = Finder { environment, executor: &*executor, temp_dir: scratch.path() };
        let compiler = finder.find(&self.compiler)?;
        observer.event(&Event::CompilerChosen { compiler: compiler.toolchain.compiler() });
        let mut pipeline = Pipeline::new(compiler, self.flags.clone(), executor, scratch);
        pipeline.timeout = self.timeout;
        pipeline.admission = Admission::new(None, MemoryLimit::per_compiler(self.memfree));
        pipeline.check_named_files()?;
        let (files, names) = (self.hash_files.iter().cloned(), self.hash_env.iter().cloned());
        pipeline.watched = Watched::of(files, names, &environment.variables)?;
        if !self.launcher.is_empty() {
            pipeline.launcher = Some(DetectedLauncher::find(&self.launcher, environment)?);
        }
        match &self.cache {
            CacheChoice::Off => {}
            CacheChoice::At(place) => {
                pipeline.cache = ObjectCache::open(place.clone(), &pipeline, environment, observer);
            }
            CacheChoice::Unusable(why) => {
                let text = format!("the object cache is not used: {why}");
                observer.event(&Event::Warning { text: &text });
            }
        }
        Ok(pipeline)
    }

    /// Precompiles the header in the pipeline's private directory, or in the object cache.
    pub(crate) fn prepared_header(&self, pipeline: &Pipeline, observer: &dyn Observer) -> Result<UnitHeader, Error> {
        let Some(header) = &self.header else { return Ok(UnitHeader::None) };
        let suffix = pipeline.toolchain().capabilities().pch_suffix.unwrap_or_default();
        let name = pch::default_name(header, suffix);
        let file = pipeline.scratch.path().join(name.file_name().unwrap_or_default());
        pch::prepare_private(pipeline, header, &file, observer)
    }
}

/// The setters that every builder has, for a `builder` whose options are `builder.FIELD…`, a [`BuildOptions`].
macro_rules! build_setters {
    ($($field:ident).+) => {
        /// The compiler's program, with its first arguments if there are any. By default `CC`, then the best compiler that is installed.
        pub fn compiler(mut self, command: impl Into<std::ffi::OsString>) -> Self {
            self.$($field).+.compiler.cc = Some(command.into());
            self
        }

        /// Which compiler to look for: a program, a family, a target.
        pub fn compiler_spec(mut self, spec: $crate::discover::CompilerSpec) -> Self {
            self.$($field).+.compiler = spec;
            self
        }

        /// The compiler's flags. [`Flags::debug`](mjit_cc_platforms::Flags::debug) also gives a worker's entry symbols the name of their unit.
        pub fn flags(mut self, flags: mjit_cc_platforms::Flags) -> Self {
            self.$($field).+.flags = flags;
            self
        }

        /// The header in front of every unit; the header is precompiled before the first unit. A unit does not include the header itself.
        pub fn header(mut self, header: impl Into<std::path::PathBuf>) -> Self {
            self.$($field).+.header = Some(header.into());
            self
        }

        /// The environment of compilers: compilers get these variables and no others. By default the process's own, read once, on the thread
        /// that opens the engine or starts the worker: the host may change its own later.
        pub fn environment(mut self, environment: $crate::discover::Environment) -> Self {
            self.$($field).+.environment = Some(environment);
            self
        }

        /// How many bytes of memory must be free for each compiler that starts beside another; 0 disables the check. By default
        /// [`MemoryLimit::DEFAULT`](crate::admission::MemoryLimit::DEFAULT). Known on Linux only, control groups included.
        pub fn memfree(mut self, bytes: u64) -> Self {
            self.$($field).+.memfree = bytes;
            self
        }

        /// How long the processes of one unit may take together; they are ended then. By default a minute; `None` sets no limit.
        pub fn timeout(mut self, timeout: Option<std::time::Duration>) -> Self {
            self.$($field).+.timeout = timeout;
            self
        }

        /// How many bytes of messages a compiler may write; a compiler that writes more is ended, and its unit fails. By default
        /// [`DEFAULT_LIMIT`](crate::exec::DEFAULT_LIMIT); `None` sets no limit.
        pub fn output_limit(mut self, bytes: Option<u64>) -> Self {
            self.$($field).+.output_limit = bytes;
            self
        }

        /// Keeps objects in a directory that outlives the process, and takes from there what was compiled before: see
        /// [`CachePlace::choose`](crate::cache::CachePlace::choose) for the settings of users. By default none. The code in the directory is
        /// run: no other user may write to the directory.
        pub fn cache(mut self, place: $crate::cache::CachePlace) -> Self {
            self.$($field).+.cache = $crate::setup::CacheChoice::At(place);
            self
        }

        /// The command that starts the compilers of units, such as `distcc`, with its first arguments if any. A launcher that cannot carry a
        /// precompiled header gets the header as text. A launcher that is not installed is an error.
        pub fn launcher(mut self, command: impl Into<std::ffi::OsString>) -> Self {
            self.$($field).+.launcher = vec![command.into()];
            self
        }

        /// Files that the code depends on in a way that no compiler tells. With [`cache`](Self::cache), an object that was made with other
        /// contents of the files is not taken. A file that is not there is an error.
        pub fn hash_files(mut self, files: impl IntoIterator<Item = impl Into<std::path::PathBuf>>) -> Self {
            self.$($field).+.hash_files.extend(files.into_iter().map(Into::into));
            self
        }

        /// Environment variables that the code depends on in such a way.
        pub fn hash_env(mut self, names: impl IntoIterator<Item = impl Into<std::ffi::OsString>>) -> Self {
            self.$($field).+.hash_env.extend(names.into_iter().map(Into::into));
            self
        }

        /// Lets the host wait for compilers, if the host waits for all children of the process and would take compilers' exit status away.
        /// Without a reaper, a status that was taken is found out from the files that the compiler left.
        pub fn reaper(mut self, reaper: std::sync::Arc<dyn $crate::exec::Reaper>) -> Self {
            self.$($field).+.reaper = Some(reaper);
            self
        }

        /// Keeps the temporary directory, with C sources, objects and libraries.
        pub fn save_temps(mut self, save_temps: bool) -> Self {
            self.$($field).+.save_temps = save_temps;
            self
        }
    };
}
pub(crate) use build_setters;
