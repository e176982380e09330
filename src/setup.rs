//! The options that every front end has, and the pipeline that they configure. Knows neither units nor the front ends.

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

/// The default limit on the total time of one unit's processes.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// Whether and where objects are cached for later processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CacheChoice {
    /// Objects are not cached.
    #[default]
    Off,
    /// Objects are cached in this directory.
    At(CachePlace),
    /// Objects are not cached although the user asked for a cache; the reason is reported as a warning.
    Unusable(String),
}

/// The options that the command line, the engine, the worker and the C library share: a compiler, its flags, and the limits of its
/// processes.
#[derive(Clone)]
pub struct BuildOptions {
    /// Which compiler to look for.
    pub compiler: CompilerSpec,
    /// The flags of every compilation.
    pub flags: Flags,
    /// The header in front of every unit.
    pub header: Option<PathBuf>,
    /// The environment of compilers; `None` for the environment of this process at the time of the search for the compiler.
    pub environment: Option<Environment>,
    /// How many bytes of memory must be free before a further compiler starts; 0 disables the check.
    pub memfree: u64,
    /// The limit on the total time of one unit's processes; `None` sets no limit.
    pub timeout: Option<Duration>,
    /// How many bytes of messages a compiler may write; `None` sets no limit.
    pub output_limit: Option<u64>,
    /// Whether and where objects are cached for later processes.
    pub cache: CacheChoice,
    /// The command that starts compilers, such as `distcc`; empty for no launcher.
    pub launcher: Vec<OsString>,
    /// Files on which the code depends and which compilers do not report.
    pub hash_files: Vec<PathBuf>,
    /// Environment variables on which the code depends.
    pub hash_env: Vec<OsString>,
    /// Waits for processes, for a host that waits for all children of its process.
    pub reaper: Option<Arc<dyn Reaper>>,
    /// True if temporary files are not removed.
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
    /// Returns the executor of processes. The executor notifies `blocking` before and after it waits for a process.
    pub(crate) fn executor(
        &self,
        variables: &Variables,
        blocking: Option<Arc<dyn BlockingObserver>>,
    ) -> ProcessExecutor {
        ProcessExecutor::for_host(self.reaper.clone(), blocking)
            .with_variables(variables.clone())
            .with_output_limit(self.output_limit.unwrap_or(NO_LIMIT))
    }

    /// Creates a private directory, finds the compiler and the launcher, and opens the object cache.
    ///
    /// # Errors
    /// [`Error`] if the directory cannot be created, the compiler or launcher is not found, or a file that a flag names cannot be read.
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

    /// Prepares the header in the pipeline's private directory, with the help of the object cache.
    pub(crate) fn prepared_header(&self, pipeline: &Pipeline, observer: &dyn Observer) -> Result<UnitHeader, Error> {
        let Some(header) = &self.header else { return Ok(UnitHeader::None) };
        pch::prepare_private(pipeline, header, &pch::private_file(pipeline, header), observer)
    }
}

/// The setters that every builder has. The argument is the path of the builder's [`BuildOptions`] field.
macro_rules! build_setters {
    ($($field:ident).+) => {
        /// Sets the compiler's program, with leading arguments if any. The default is `CC`, then the best installed compiler.
        pub fn compiler(mut self, command: impl Into<std::ffi::OsString>) -> Self {
            self.$($field).+.compiler.cc = Some(command.into());
            self
        }

        /// Sets which compiler to look for: a program, a family, a target.
        pub fn compiler_spec(mut self, spec: $crate::discover::CompilerSpec) -> Self {
            self.$($field).+.compiler = spec;
            self
        }

        /// Sets the compiler's flags. With [`Flags::debug`](mjit_cc_platforms::Flags::debug), a worker's entry symbols also contain the
        /// unit's name.
        pub fn flags(mut self, flags: mjit_cc_platforms::Flags) -> Self {
            self.$($field).+.flags = flags;
            self
        }

        /// Sets the header in front of every unit, which is precompiled before the first unit. Units do not include the header themselves.
        pub fn header(mut self, header: impl Into<std::path::PathBuf>) -> Self {
            self.$($field).+.header = Some(header.into());
            self
        }

        /// Sets the environment of compilers: compilers get these variables and no others. The default is the environment of this process,
        /// read once on the thread that opens the engine or starts the worker; the host may change its environment later.
        pub fn environment(mut self, environment: $crate::discover::Environment) -> Self {
            self.$($field).+.environment = Some(environment);
            self
        }

        /// Sets how many bytes of memory must be free before a further compiler starts; 0 disables the check. The default is
        /// [`MemoryLimit::DEFAULT`](crate::admission::MemoryLimit::DEFAULT). Works on Linux only, and respects control groups.
        pub fn memfree(mut self, bytes: u64) -> Self {
            self.$($field).+.memfree = bytes;
            self
        }

        /// Limits the total time of one unit's processes, which are then ended. The default is a minute; `None` sets no limit.
        pub fn timeout(mut self, timeout: Option<std::time::Duration>) -> Self {
            self.$($field).+.timeout = timeout;
            self
        }

        /// Limits the bytes of messages of a compiler. A compiler that writes more is ended, and its unit fails. The default is
        /// [`DEFAULT_LIMIT`](crate::exec::DEFAULT_LIMIT); `None` sets no limit.
        pub fn output_limit(mut self, bytes: Option<u64>) -> Self {
            self.$($field).+.output_limit = bytes;
            self
        }

        /// Caches objects in a directory that later processes reuse. The default is no cache.
        /// [`CachePlace::choose`](crate::cache::CachePlace::choose) reads the user's settings. The process runs code from the directory: no
        /// other user may have write access.
        pub fn cache(mut self, place: $crate::cache::CachePlace) -> Self {
            self.$($field).+.cache = $crate::setup::CacheChoice::At(place);
            self
        }

        /// Sets the command that starts the compilers of units, such as `distcc`, with leading arguments if any. A launcher that cannot
        /// carry a precompiled header gets the header as text. A launcher that is not installed is an error.
        pub fn launcher(mut self, command: impl Into<std::ffi::OsString>) -> Self {
            self.$($field).+.launcher = vec![command.into()];
            self
        }

        /// Adds files on which the code depends and which compilers do not report. With [`cache`](Self::cache), an object is reused only
        /// while the contents of the files are unchanged. A missing file is an error.
        pub fn hash_files(mut self, files: impl IntoIterator<Item = impl Into<std::path::PathBuf>>) -> Self {
            self.$($field).+.hash_files.extend(files.into_iter().map(Into::into));
            self
        }

        /// Adds environment variables on which the code depends. An object is reused only while their values are unchanged.
        pub fn hash_env(mut self, names: impl IntoIterator<Item = impl Into<std::ffi::OsString>>) -> Self {
            self.$($field).+.hash_env.extend(names.into_iter().map(Into::into));
            self
        }

        /// Lets the host wait for compilers. Needed if the host waits for all children of its process, and thus takes the exit status of
        /// compilers. Without a reaper, a taken status is inferred from the compiler's messages and files.
        pub fn reaper(mut self, reaper: std::sync::Arc<dyn $crate::exec::Reaper>) -> Self {
            self.$($field).+.reaper = Some(reaper);
            self
        }

        /// Sets whether the temporary directory with C sources, objects and libraries is kept.
        pub fn save_temps(mut self, save_temps: bool) -> Self {
            self.$($field).+.save_temps = save_temps;
            self
        }
    };
}
pub(crate) use build_setters;
