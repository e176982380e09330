//! The options of workers and engines as C gives them: numbers and strings become the library's types, and each that means nothing is refused.

use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use mjit_cc_platforms::{Choice, Linker, OptLevel};

use super::fault::FfiError;
use super::host::{Callbacks, Context};
use super::memory::{filled, path, text, word, words};
use super::{ABI, WorkerOptions, event, reaper};
use crate::admission::MemoryLimit;
use crate::cache::{CachePlace, CacheSettingError, Size};
use crate::discover::{CompilerSpec, Environment, Variables};
use crate::exec::DEFAULT_LIMIT;
use crate::setup::{BuildOptions, CacheChoice, DEFAULT_TIMEOUT};
use crate::worker::{self, Compaction, Standby, Tiers, Unity, Unloading};

pub const OPTIMIZE_DEFAULT: u32 = 0;
pub const OPTIMIZE_O1: u32 = 1;
pub const OPTIMIZE_O2: u32 = 2;
pub const OPTIMIZE_O3: u32 = 3;
pub const OPTIMIZE_O0: u32 = 4;
pub const OPTIMIZE_SIZE: u32 = 5;

pub const UNLOAD_COLDEST: u32 = 0;
pub const UNLOAD_NEVER: u32 = 1;

pub const COMPACT_THROTTLED: u32 = 0;
pub const COMPACT_NEVER: u32 = 1;

pub const UNITY_AUTO: u32 = 0;
pub const UNITY_OFF: u32 = 1;

pub const STANDBY_EVERY_THREAD: u32 = 0;
pub const STANDBY_OFF: u32 = 1;

pub const LINKER_AUTO: u32 = 0;
pub const LINKER_WILD: u32 = 1;
pub const LINKER_DRIVER: u32 = 2;
pub const LINKER_LLD: u32 = 3;
pub const LINKER_MOLD: u32 = 4;
pub const LINKER_GOLD: u32 = 5;
pub const LINKER_BFD: u32 = 6;

pub const TIERS_OFF: u32 = 0;
pub const TIERS_QUICKEST: u32 = 1;
pub const TIERS_SAME_COMPILER: u32 = 2;

pub const NO_MEMFREE: u64 = u64::MAX;
pub const NO_TIMEOUT: u64 = u64::MAX;
pub const NO_OUTPUT_LIMIT: u64 = u64::MAX;

/// The options about the compiler, which workers and engines share.
pub(super) struct Compiling {
    pub(super) build: BuildOptions,
    pub(super) environment: Environment,
    pub(super) prefix: Option<String>,
    pub(super) entry_prefix: Option<String>,
}

/// Reads the options that workers and engines share from fields of the same names; `$name` is the C structure's.
macro_rules! compiling {
    ($options:ident, $name:literal) => {{
        // SAFETY: strings and lists of strings, or null, as the header says.
        unsafe {
            let environment = $crate::ffi::options::environment(
                $crate::ffi::memory::environment($options.envp),
                path($options.temp_dir),
            );
            let cache = $crate::ffi::memory::filled($options.cache, concat!($name, ".cache"))?;
            let launcher = $crate::ffi::memory::filled($options.launcher, concat!($name, ".launcher"))?;
            Ok($crate::ffi::options::Compiling {
                build: $crate::setup::BuildOptions {
                    compiler: $crate::ffi::options::spec(word($options.cc), text($options.family))?,
                    flags: mjit_cc_platforms::Flags {
                        optimize: $crate::ffi::options::optimize($options.optimize)?,
                        debug: $options.debug != 0,
                        // The compiler's warnings are silenced, since no person wrote the C; `warnings` is for the host's own.
                        warnings: false,
                        includes: words($options.includes).into_iter().map(Into::into).collect(),
                        defines: words($options.defines),
                        cflags: words($options.cflags),
                        ldflags: words($options.ldflags),
                        host_library: path($options.host_library),
                        linker: $crate::ffi::options::linker($options.linker)?,
                    },
                    header: path($options.header),
                    environment: None,
                    memfree: $crate::ffi::options::memfree($options.memfree),
                    timeout: $crate::ffi::options::timeout($options.timeout_ms),
                    output_limit: $crate::ffi::options::output_limit($options.output_limit),
                    cache: $crate::ffi::options::cache(cache, $options.cache_size, &environment, $name)?,
                    launcher: launcher.into_iter().collect(),
                    hash_files: words($options.hash_files).into_iter().map(Into::into).collect(),
                    hash_env: words($options.hash_env),
                    reaper: None,
                    save_temps: $options.save_temps != 0,
                },
                environment,
                prefix: text($options.prefix),
                entry_prefix: text($options.entry_prefix),
            })
        }
    }};
}
pub(super) use compiling;

pub(super) fn linker(number: u32) -> Result<Linker, FfiError> {
    Ok(match number {
        LINKER_AUTO => Linker::Auto,
        LINKER_WILD => Linker::Wild,
        LINKER_DRIVER => Linker::Driver,
        LINKER_LLD => Linker::Lld,
        LINKER_MOLD => Linker::Mold,
        LINKER_GOLD => Linker::Gold,
        LINKER_BFD => Linker::Bfd,
        number => return Err(FfiError::invalid(format!("there is no linker {number}"))),
    })
}

pub(super) fn memfree(bytes: u64) -> u64 {
    match bytes {
        0 => MemoryLimit::DEFAULT,
        NO_MEMFREE => 0,
        bytes => bytes,
    }
}

pub(super) fn cache(
    spec: Option<OsString>,
    size: u64,
    environment: &Environment,
    name: &str,
) -> Result<CacheChoice, FfiError> {
    let Some(spec) = spec else { return Ok(CacheChoice::Off) };
    let size = if size == 0 { Size::default() } else { Size(size) };
    match CachePlace::choose(Some(&spec), Some(size), environment) {
        // A cache never keeps a host from its work.
        Err(error @ CacheSettingError::Nowhere) => Ok(CacheChoice::Unusable(error.to_string())),
        Ok(place) => Ok(place.map_or(CacheChoice::Off, CacheChoice::At)),
        Err(error) => Err(FfiError::invalid(format!("{name}.cache: {error}"))),
    }
}

pub(super) fn spec(cc: Option<OsString>, family: Option<String>) -> Result<CompilerSpec, FfiError> {
    let choice = family
        .map(|name| {
            let known = Choice::NAMES.iter().find(|(word, _)| *word == name);
            known.map(|&(_, choice)| choice).ok_or_else(|| {
                FfiError::invalid(format!(
                    "there is no compiler family {name}: give gcc, clang, mingw, msvc, clang-cl or tcc"
                ))
            })
        })
        .transpose()?;
    Ok(CompilerSpec { cc, choice, target: None })
}

pub(super) fn optimize(number: u32) -> Result<OptLevel, FfiError> {
    Ok(match number {
        OPTIMIZE_DEFAULT => OptLevel::default(),
        OPTIMIZE_O1 => OptLevel::O1,
        OPTIMIZE_O2 => OptLevel::O2,
        OPTIMIZE_O3 => OptLevel::O3,
        OPTIMIZE_O0 => OptLevel::O0,
        OPTIMIZE_SIZE => OptLevel::Os,
        _ => return Err(FfiError::invalid(format!("optimize {number} is none of MJITCC_OPTIMIZE_*"))),
    })
}

/// Returns the number of threads; `None` keeps the default of Rust's [`Builder`](worker::Builder).
fn threads(number: u32) -> Option<NonZero<usize>> {
    usize::try_from(number).ok().and_then(NonZero::new)
}

/// Returns the environment of compilers: `given`, else the current environment of the process.
pub(super) fn environment(given: Option<Variables>, temp_dir: Option<PathBuf>) -> Environment {
    let mut environment = given.map_or_else(Environment::read, Environment::from_variables);
    if let Some(dir) = temp_dir {
        environment.temp_dirs = vec![dir];
    }
    environment
}

pub(super) fn output_limit(bytes: u64) -> Option<u64> {
    match bytes {
        0 => Some(DEFAULT_LIMIT),
        NO_OUTPUT_LIMIT => None,
        bytes => Some(bytes),
    }
}

pub(super) fn timeout(ms: u64) -> Option<Duration> {
    match ms {
        0 => Some(DEFAULT_TIMEOUT),
        NO_TIMEOUT => None,
        ms => Some(Duration::from_millis(ms)),
    }
}

pub(super) fn same_abi(abi: u32) -> Result<(), FfiError> {
    if abi == ABI {
        return Ok(());
    }
    Err(FfiError::invalid(format!(
        "the caller was compiled for ABI {abi} of mjit-cc, but this library has ABI {ABI}: compile the caller again"
    )))
}

/// Checks all options of a worker and returns its builder and its callbacks.
pub(super) unsafe fn builder(options: &WorkerOptions) -> Result<(worker::Builder, Callbacks), FfiError> {
    same_abi(options.abi)?;
    // SAFETY: `mjitcc.h` requires it of the caller.
    let (callbacks, reaper) = unsafe { (Callbacks::read(options.host)?, reaper::lent(options.reaper)?) };
    if options.reserved != [0; 6] {
        return Err(FfiError::invalid("mjitcc_worker_options.reserved is not zero"));
    }
    let compiling: Compiling = compiling!(options, "mjitcc_worker_options")?;
    // SAFETY: as the header says.
    let [timings, trace] = unsafe {
        [
            filled(options.timings, "mjitcc_worker_options.timings")?,
            filled(options.trace, "mjitcc_worker_options.trace")?,
        ]
    };
    let unloading = match options.unloading {
        UNLOAD_COLDEST => Unloading::Coldest,
        UNLOAD_NEVER => Unloading::Never,
        number => return Err(FfiError::invalid(format!("unloading {number} is none of MJITCC_UNLOAD_*"))),
    };
    let compaction = match options.compaction {
        COMPACT_THROTTLED => Compaction::Throttled,
        COMPACT_NEVER => Compaction::Never,
        number => return Err(FfiError::invalid(format!("compaction {number} is none of MJITCC_COMPACT_*"))),
    };
    let at_most = usize::try_from(options.unity).ok().and_then(NonZero::new);
    let unity = match options.unity {
        UNITY_AUTO => Unity::Auto,
        UNITY_OFF => Unity::Off,
        _ => at_most.map_or(Unity::Off, Unity::AtMost),
    };
    let tiers = match options.tiers {
        TIERS_OFF => Tiers::Off,
        TIERS_QUICKEST => Tiers::Quickest,
        TIERS_SAME_COMPILER => Tiers::SameCompiler,
        number => return Err(FfiError::invalid(format!("tiers {number} is none of MJITCC_TIERS_*"))),
    };
    let standby = match options.standby {
        STANDBY_EVERY_THREAD => Standby::EveryThread,
        STANDBY_OFF => Standby::Off,
        number => return Err(FfiError::invalid(format!("standby {number} is none of MJITCC_STANDBY_*"))),
    };
    let mut builder = worker::Worker::builder()
        .build_options(BuildOptions { environment: Some(compiling.environment), reaper, ..compiling.build })
        .unloading(unloading)
        .compaction(compaction)
        .unity(unity)
        .tiers(tiers)
        .standby(standby)
        .verbose(u8::try_from(options.verbose).unwrap_or(u8::MAX))
        .warnings(options.warnings != 0)
        .perf_map(options.perf_map != 0)
        .wait(options.wait != 0)
        .follow_forks(options.ignore_forks == 0);
    if let Some(threads) = threads(options.threads) {
        builder = builder.threads(threads);
    }
    if let Some(file) = timings {
        builder = builder.timings(file);
    }
    if let Some(file) = trace {
        builder = builder.trace(file);
    }
    if options.max_cache_size > 0 {
        builder = builder.max_cache_size(usize::try_from(options.max_cache_size).unwrap_or(usize::MAX));
    }
    if let Some(prefix) = compiling.prefix {
        builder = builder.prefix(prefix);
    }
    if let Some(prefix) = compiling.entry_prefix {
        builder = builder.entry_prefix(prefix);
    }
    if let Some(observe) = options.observe {
        let ctx = Context::new(options.observe_ctx);
        builder = builder.observer(move |event| event::tell(observe, ctx, event));
    }
    Ok((builder, callbacks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_optimize_are_those_of_the_flag() {
        let levels = [0, 1, 2, 3, OPTIMIZE_O0, OPTIMIZE_SIZE].map(|number| optimize(number).ok());
        assert_eq!(
            levels,
            [OptLevel::O3, OptLevel::O1, OptLevel::O2, OptLevel::O3, OptLevel::O0, OptLevel::Os].map(Some)
        );
        assert!(optimize(6).is_err());
    }

    #[test]
    fn zero_threads_leave_the_number_to_the_builder() {
        assert_eq!([0, 1, 3].map(threads), [None, NonZero::new(1), NonZero::new(3)]);
    }
}
