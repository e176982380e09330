//! How a worker works, and starting one. Knows no threads.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Host, Worker, WorkerEvent};
use crate::jit::{JitOptions, Tiers};
use crate::setup::{BuildOptions, build_setters};

/// What becomes of cold code when the cache is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unloading {
    /// The coldest goes, if it is colder than something that waits and on no stack.
    #[default]
    Coldest,
    /// Nothing goes; what waits goes on waiting.
    Never,
}

/// Whether units that are loaded are put together into one library, whose code lies close together (Ruby Bug #14490).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compaction {
    /// When there is nothing else to do, or the cache is full: see [`policy::should_compact`](super::policy::should_compact).
    #[default]
    Throttled,
    /// Never.
    Never,
}

/// Whether units that wait become one translation unit, in which what they have in common is compiled once: see [``mjit_cc_ctext`] for what
/// that means for a header's own state. The hottest come first all the same, a few units at first and more while the queue stays long
/// ([`policy::units_at_once`](super::policy::units_at_once)). Their code lies in one library, which is unloaded when all of it is given up.
/// With an object cache each is found there again, with the others or without, in the library that they have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unity {
    /// Each is compiled by itself.
    Off,
    /// As many together as have paid off where that was measured.
    #[default]
    Auto,
    /// So many at most.
    AtMost(NonZero<usize>),
}

impl Unity {
    /// How many units become one translation unit at most.
    #[must_use]
    pub fn at_most(self) -> usize {
        match self {
            Self::Off => 1,
            Self::Auto => 32,
            Self::AtMost(units) => units.get(),
        }
    }
}

/// Whether compilers are started ahead, so that a unit that comes alone waits neither for a compiler's start nor for the header. gcc and clang
/// on unix; not where the host waits for children itself ([`Builder::reaper`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standby {
    /// As many as there are threads. Those that wait in vain for twenty seconds end. They are children of the process: a host that waits
    /// for all children there are (`waitpid(-1)`) would wait for these.
    #[default]
    EveryThread,
    /// None.
    Off,
}

/// Told of everything that happens, on whatever thread it happens, and never while a lock of the worker's is held.
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

/// More units at once than this are not made unless the host says so.
const MOST_THREADS: usize = 4;

fn default_threads() -> NonZero<usize> {
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    NonZero::new((processors - 1).min(MOST_THREADS)).unwrap_or(NonZero::<usize>::MIN)
}

impl Options {
    /// How many compilers wait.
    pub(super) fn compilers_ahead(&self) -> usize {
        match self.standby {
            // Sources have their own names where somebody may look at them.
            Standby::EveryThread if !self.build.save_temps && !self.build.flags.debug => self.threads.get(),
            Standby::EveryThread | Standby::Off => 0,
        }
    }

    /// How many units go into one translation unit at most.
    pub(super) fn together(&self) -> usize {
        self.unity.at_most()
    }

    /// What the worker's code is for.
    pub(super) fn jit(&self) -> JitOptions {
        let groups = self.together() > 1;
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

/// Puts a worker together. Every setting has a default.
#[must_use = "nothing happens before start"]
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
                prefix: "_mjit_".to_owned(),
                entry_prefix: "_mjit".to_owned(),
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

    /// How many units are made at once. By default as many as leave the VM one of the processors, one at least and four at most: the hottest
    /// come first, so that more threads would make what is colder at the cost of the VM. The host generates on as many threads.
    pub fn threads(mut self, threads: NonZero<usize>) -> Self {
        self.options.threads = threads;
        self
    }

    /// How many units may be loaded at once. By default 10,000 (Ruby 0cd7be99).
    pub fn max_cache_size(mut self, units: usize) -> Self {
        self.options.max_cache_size = units;
        self
    }

    /// What becomes of cold code.
    pub fn unloading(mut self, unloading: Unloading) -> Self {
        self.options.unloading = unloading;
        self
    }

    /// Whether loaded units are put together.
    pub fn compaction(mut self, compaction: Compaction) -> Self {
        self.options.compaction = compaction;
        self
    }

    /// Whether units that wait are compiled together.
    pub fn unity(mut self, unity: Unity) -> Self {
        self.options.unity = unity;
        self
    }

    /// Whether units get quick code first.
    pub fn tiers(mut self, tiers: Tiers) -> Self {
        self.options.tiers = tiers;
        self
    }

    /// Whether compilers are started ahead.
    pub fn standby(mut self, standby: Standby) -> Self {
        self.options.standby = standby;
        self
    }

    /// What temporary files' names begin with. By default `_mjit_`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.options.prefix = prefix.into();
        self
    }

    /// What entry symbols' names begin with; the unit's number follows. By default `_mjit`.
    pub fn entry_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.options.entry_prefix = prefix.into();
        self
    }

    /// From 0, nothing, to 3, everything: what is printed on standard error where there is no observer.
    pub fn verbose(mut self, level: u8) -> Self {
        self.options.verbose = level;
        self
    }

    /// Print warnings at any verbosity.
    pub fn warnings(mut self, warnings: bool) -> Self {
        self.options.warnings = warnings;
        self
    }

    /// Submitting waits until the unit is through, a minute at most; for tests of hosts.
    pub fn wait(mut self, wait: bool) -> Self {
        self.options.wait = wait;
        self
    }

    /// Takes the place of printing.
    pub fn observer(mut self, observer: impl Fn(&WorkerEvent) + Send + Sync + 'static) -> Self {
        self.options.observer = Some(Arc::new(observer));
        self
    }

    /// Writes an HTML page that shows what took how long, as `mjit-cc compile --timings` does, when the worker is finished or an `exec`
    /// prepared. The latest 10,000 units are in it, and how many are not. The child of a fork writes one of its own, with its process id
    /// before the suffix. What goes wrong is told as a warning.
    pub fn timings(mut self, file: impl Into<PathBuf>) -> Self {
        self.options.timings = Some(file.into());
        self
    }

    /// Writes the same as Chrome trace events, which Perfetto reads.
    pub fn trace(mut self, file: impl Into<PathBuf>) -> Self {
        self.options.trace = Some(file.into());
        self
    }

    /// Names loaded code for Linux's `perf`, in `/tmp/perf-PID.map`: entries by the place of their unit, other functions by their symbols.
    /// The code is taken out of its file's mapping for that, which costs its size in memory. The file stays, since perf reads it
    /// after the process has ended; it is only ever added to, so that one of an earlier process of the same number is best removed by
    /// whoever profiles. The child of a fork writes one of its own, for what it loads.
    pub fn perf_map(mut self, perf_map: bool) -> Self {
        self.options.perf_map = perf_map;
        self
    }

    /// Whether forks that are not announced with [`before_fork`](Worker::before_fork) find the worker held still too, by `pthread_atfork`,
    /// which is the default: then it goes on in the child when the child first calls it ([`Worker::is_here`]). A fork waits for the
    /// worker's threads then, which run for a moment at a time, and at most five seconds for a callback of the host's. Without, only
    /// announced forks have a worker in the child.
    pub fn follow_forks(mut self, follow: bool) -> Self {
        self.options.follow_forks = follow;
        self
    }

    /// Starts the worker's threads. The first thing they do is to find a compiler and make the header ready; what goes wrong there
    /// disables compiling and is told as a warning.
    #[must_use]
    pub fn start(self, host: Arc<dyn Host>) -> Worker {
        Worker::launch(self.options, host)
    }
}
