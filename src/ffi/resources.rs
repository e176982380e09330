//! The options of `mjitcc_worker_options` about the object cache, the launcher, memory, timings and watched files. Knows nothing about
//! compiling.

use std::ffi::{OsString, c_char};
use std::path::PathBuf;

use super::WorkerOptions;
use super::fault::FfiError;
use super::memory::{word, words};
use crate::cache::{CachePlace, CacheSettingError, Size};
use crate::discover::Environment;
use crate::worker::Builder;

pub const NO_MEMFREE: u64 = u64::MAX;

#[derive(Debug)]
pub(super) struct Resources {
    /// The cache, or the reason why a requested cache cannot be used.
    cache: Option<Result<CachePlace, String>>,
    launcher: Option<OsString>,
    timings: Option<PathBuf>,
    trace: Option<PathBuf>,
    memfree: Option<u64>,
    perf_map: bool,
    hash_files: Vec<OsString>,
    hash_env: Vec<OsString>,
}

impl Resources {
    /// # Safety
    /// The strings are null or strings that stay as they are.
    pub(super) unsafe fn read(options: &WorkerOptions, environment: &Environment) -> Result<Self, FfiError> {
        if options.reserved != [0; 6] {
            return Err(FfiError::invalid("mjitcc_worker_options.reserved is not zero"));
        }
        // SAFETY: required of the caller.
        let [cache, launcher, timings, trace] = unsafe {
            [
                filled(options.cache, "cache")?,
                filled(options.launcher, "launcher")?,
                filled(options.timings, "timings")?,
                filled(options.trace, "trace")?,
            ]
        };
        let cache = match cache {
            None => None,
            Some(spec) => {
                let size = if options.cache_size == 0 { Size::default() } else { Size(options.cache_size) };
                match CachePlace::choose(Some(&spec), Some(size), environment) {
                    // A missing cache must not stop the worker.
                    Err(error @ CacheSettingError::Nowhere) => Some(Err(error.to_string())),
                    Ok(location) => location.map(Ok),
                    Err(error) => return Err(FfiError::invalid(format!("mjitcc_worker_options.cache: {error}"))),
                }
            }
        };
        let memfree = match options.memfree {
            0 => None,
            NO_MEMFREE => Some(0),
            bytes => Some(bytes),
        };
        let (timings, trace) = (timings.map(Into::into), trace.map(Into::into));
        // SAFETY: required of the caller.
        let (hash_files, hash_env) = unsafe { (words(options.hash_files), words(options.hash_env)) };
        let perf_map = options.perf_map != 0;
        Ok(Self { cache, launcher, timings, trace, memfree, perf_map, hash_files, hash_env })
    }

    /// Sets the options that were given; other options keep their defaults.
    pub(super) fn set(self, mut builder: Builder) -> Builder {
        let Self { cache, launcher, timings, trace, memfree, perf_map, hash_files, hash_env } = self;
        builder = builder.perf_map(perf_map).hash_files(hash_files).hash_env(hash_env);
        match cache {
            Some(Ok(location)) => builder = builder.cache(location),
            Some(Err(why)) => builder = builder.without_cache(why),
            None => {}
        }
        if let Some(command) = launcher {
            builder = builder.launcher(command);
        }
        if let Some(file) = timings {
            builder = builder.timings(file);
        }
        if let Some(file) = trace {
            builder = builder.trace(file);
        }
        if let Some(bytes) = memfree {
            builder = builder.memfree(bytes);
        }
        builder
    }
}

/// Returns a string that is not empty, or `None` for NULL.
///
/// # Safety
/// As [`word`].
unsafe fn filled(at: *const c_char, name: &str) -> Result<Option<OsString>, FfiError> {
    // SAFETY: required of the caller.
    match unsafe { word(at) } {
        Some(word) if word.is_empty() => {
            Err(FfiError::invalid(format!("mjitcc_worker_options.{name} is empty; NULL means none")))
        }
        word => Ok(word),
    }
}
