//! The options of a worker, and [`Builder`], which sets them and starts the worker. Knows nothing about threads.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Host, Worker, WorkerEvent};
use crate::jit::{ENTRY_PREFIX, JitOptions, PREFIX, Tiers};
use crate::setup::{BuildOptions, build_setters};

/// Whether cold code is unloaded when [`Builder::max_cache_size`] units are loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unloading {
    /// Code that is on no stack is unloaded if it is colder than a queued unit.
    #[default]
    Coldest,
    /// No code is unloaded, and queued units wait.
    Never,
}

/// Whether loaded units are linked into one library, so that their code is close together in memory (Ruby Bug #14490).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compaction {
    /// When the queue is empty, or `max_cache_size` units are loaded: see [`policy::should_compact`](super::policy::should_compact).
    #[default]
    Throttled,
    /// Never.
    Never,
}

/// Whether queued units are compiled in groups, one translation unit for each group, so that the compiler processes their common parts
/// once. [`mjit_cc_ctext`] documents which units can be merged. The hottest units still come first: groups are small at first and grow
/// while the queue stays long ([`policy::units_at_once`](super::policy::units_at_once)). The code of a group is in one library, which is
/// unloaded when all of its units are. The object cache finds each unit of a group, with or without the other units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unity {
    /// Each unit is compiled alone.
    Off,
    /// Groups of the size that was fastest in measurements.
    #[default]
    Auto,
    /// Groups of at most this many units.
    AtMost(NonZero<usize>),
}

impl Unity {
    /// Returns the largest size of a group.
    #[must_use]
    pub fn at_most(self) -> usize {
        match self {
            Self::Off => 1,
            Self::Auto => 32,
            Self::AtMost(units) => units.get(),
        }
    }
}

/// Whether compilers are started in advance and wait with the header loaded, so that a single unit compiles faster. Only gcc and clang on
/// Unix, and not with a [`Builder::reaper`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standby {
    /// One for each thread. A compiler that is not used for twenty seconds ends. The compilers are child processes: a host that waits for
    /// all of its children (`waitpid(-1)`) waits for them too.
    #[default]
    EveryThread,
    /// No compilers are started in advance.
    Off,
}

/// Receives all events, on any thread, and never with a lock of the worker held.
pub type WorkerObserver = Arc<dyn Fn(&WorkerEvent) + Send + Sync>;

pub(super) struct Options {
    pub(super) build: BuildOptions,
    pub(super) threads: NonZero<usize>,
    pub(super) max_cache_size: usize,
    pub(super) unloading: Unloading,
    pub(super) compaction: Compaction,
    pub(super) unity: Unity,
    pub(super) tiers: Tiers,
    pub(super) standby: Standby,
    pub(super) prefix: String,
    pub(super) entry_prefix: String,
    pub(super) verbose: u8,
    pub(super) warnings: bool,
    pub(super) wait: bool,
    pub(super) observer: Option<WorkerObserver>,
    pub(super) timings: Option<PathBuf>,
    pub(super) trace: Option<PathBuf>,
    pub(super) perf_map: bool,
    pub(super) follow_forks: bool,
}

/// The largest default number of threads.
const MOST_THREADS: usize = 4;

fn default_threads() -> NonZero<usize> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    NonZero::new((processors - 1).min(MOST_THREADS)).unwrap_or(NonZero::<usize>::MIN)
}

impl Options {
    /// Returns the number of compilers to start in advance.
    pub(super) fn compilers_ahead(&self) -> usize {
        match self.standby {
            // With these options sources keep their own names, which a waiting compiler does not know.
            Standby::EveryThread if !self.build.save_temps && !self.build.flags.debug => self.threads.get(),
            Standby::EveryThread | Standby::Off => 0,
        }
    }

    /// Returns the largest size of a group.
    pub(super) fn group_limit(&self) -> usize {
        self.unity.at_most()
    }

    /// What the worker's code is for.
    pub(super) fn jit(&self) -> JitOptions {
        let groups = self.group_limit() > 1;
        JitOptions {
            prefix: self.prefix.clone(),
            entry_prefix: self.entry_prefix.clone(),
            standby: self.compilers_ahead(),
            tiers: self.tiers,
            groups,
            merges: groups || self.compaction == Compaction::Throttled,
            perf_map: self.perf_map,
        }
    }
}

/// A worker with the compiler, the flags, the header and the bounds of an engine; the engine's observer is left out.
#[cfg(not(loom))]
impl From<crate::engine::EngineBuilder> for Builder {
    fn from(engine: crate::engine::EngineBuilder) -> Self {
        let mut builder = Self::default();
        builder.options.build = engine.build;
        builder
    }
}

/// Builds a worker. Every option has a default.
#[must_use = "the worker starts with start"]
pub struct Builder {
    options: Options,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            options: Options {
                build: BuildOptions::default(),
                threads: default_threads(),
                max_cache_size: 10_000,
                unloading: Unloading::default(),
                compaction: Compaction::default(),
                unity: Unity::default(),
                tiers: Tiers::default(),
                standby: Standby::default(),
                prefix: PREFIX.to_owned(),
                entry_prefix: ENTRY_PREFIX.to_owned(),
                verbose: 0,
                warnings: false,
                wait: false,
                observer: None,
                timings: None,
                trace: None,
                perf_map: false,
                follow_forks: true,
            },
        }
    }
}

impl Builder {
    build_setters!(options.build);

    /// Takes all that concerns the compiler from here, such as options that an engine has too.
    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) fn build_options(mut self, build: BuildOptions) -> Self {
        self.options.build = build;
        self
    }

    /// Sets how many units are built at once. By default the number of processors minus one, at least one and at most four: the hottest
    /// units come first, so more threads would compile colder units at the cost of the VM. The host generates on as many threads.
    pub fn threads(mut self, threads: NonZero<usize>) -> Self {
        self.options.threads = threads;
        self
    }

    /// Sets how many units may be loaded at once. By default 10,000 (Ruby 0cd7be99).
    pub fn max_cache_size(mut self, units: usize) -> Self {
        self.options.max_cache_size = units;
        self
    }

    /// Sets whether cold code is unloaded.
    pub fn unloading(mut self, unloading: Unloading) -> Self {
        self.options.unloading = unloading;
        self
    }

    /// Sets whether loaded units are compacted.
    pub fn compaction(mut self, compaction: Compaction) -> Self {
        self.options.compaction = compaction;
        self
    }

    /// Sets whether queued units are compiled in groups.
    pub fn unity(mut self, unity: Unity) -> Self {
        self.options.unity = unity;
        self
    }

    /// Sets whether units get quick code first.
    pub fn tiers(mut self, tiers: Tiers) -> Self {
        self.options.tiers = tiers;
        self
    }

    /// Sets whether compilers are started in advance.
    pub fn standby(mut self, standby: Standby) -> Self {
        self.options.standby = standby;
        self
    }

    /// Sets the prefix of temporary files. By default `_mjit_`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.options.prefix = prefix.into();
        self
    }

    /// Sets the prefix of entry symbols; the number of the unit follows. By default `_mjit`.
    pub fn entry_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.options.entry_prefix = prefix.into();
        self
    }

    /// Sets what is printed on standard error if there is no observer, from 0 (nothing) to 3 (everything).
    pub fn verbose(mut self, level: u8) -> Self {
        self.options.verbose = level;
        self
    }

    /// Prints warnings also at verbosity 0.
    pub fn warnings(mut self, warnings: bool) -> Self {
        self.options.warnings = warnings;
        self
    }

    /// Makes `submit` wait until the unit is built, at most a minute; for tests of hosts.
    pub fn wait(mut self, wait: bool) -> Self {
        self.options.wait = wait;
        self
    }

    /// Sets an observer, which receives events instead of printing them.
    pub fn observer(mut self, observer: impl Fn(&WorkerEvent) + Send + Sync + 'static) -> Self {
        self.options.observer = Some(Arc::new(observer));
        self
    }

    /// Writes an HTML page that shows how long each step of the latest 10,000 units took, as `mjit-cc compile --timings` does, when the
    /// worker is finished or an `exec` prepared. The child of a fork writes a page of its own, with its process id before the suffix. An
    /// error is reported as a warning.
    pub fn timings(mut self, file: impl Into<PathBuf>) -> Self {
        self.options.timings = Some(file.into());
        self
    }

    /// Writes the timings as Chrome trace events, which Perfetto shows.
    pub fn trace(mut self, file: impl Into<PathBuf>) -> Self {
        self.options.trace = Some(file.into());
        self
    }

    /// Writes the names of loaded code to `/tmp/perf-PID.map` for Linux's `perf`: entry symbols by the location of their unit, other
    /// functions by their symbols. For this the code is copied out of the mapping of its file, which costs its size in memory. The file
    /// stays, since perf reads it after the process has ended. The file is only appended to: remove a file of an earlier process with the
    /// same id before profiling. The child of a fork writes a file of its own for the code that it loads.
    pub fn perf_map(mut self, perf_map: bool) -> Self {
        self.options.perf_map = perf_map;
        self
    }

    /// Sets whether the worker follows forks that are not announced with [`before_fork`](Worker::before_fork), by `pthread_atfork`. By
    /// default it does: the worker continues in the child when the child first calls it ([`Worker::is_here`]). Then `fork` waits for short
    /// sections of the worker's threads, and at most five seconds for a callback of the host. Otherwise the worker follows announced forks
    /// only.
    pub fn follow_forks(mut self, follow: bool) -> Self {
        self.options.follow_forks = follow;
        self
    }

    /// Starts the worker's threads, which first find a compiler and prepare the header. If that fails, compiling is disabled and a warning
    /// has the reason.
    #[must_use]
    pub fn start(self, host: Arc<dyn Host>) -> Worker {
        Worker::launch(self.options, host)
    }
}
