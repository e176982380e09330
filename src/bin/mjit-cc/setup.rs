//! Turns the parsed command line into a compiler, a pipeline and a list of units of the library.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mjitcc::admission::{Admission, MemoryLimit, Tokens};
use mjitcc::cache::{CachePlace, CacheSettingError};
use mjitcc::discover::{CompilerSpec, Environment};
use mjitcc::event::{Event, Observer};
use mjitcc::exec::{NO_LIMIT, ProcessExecutor};
use mjitcc::pipeline::Pipeline;
use mjitcc::platforms::{Flags, OptLevel};
use mjitcc::scratch::Purpose;
use mjitcc::setup::{BuildOptions, CacheChoice};

use crate::args::{CacheWhere, CompileArgs, CompilerArgs};
use crate::exit::CliError;
use crate::jobserver::{Inherited, MakeTokens};
use crate::signals;

/// Returns an executor whose processes Ctrl-C ends.
pub(crate) fn executor(output_limit: Option<u64>) -> Result<Arc<ProcessExecutor>, CliError> {
    let executor = Arc::new(ProcessExecutor::default().with_output_limit(output_limit.unwrap_or(NO_LIMIT)));
    signals::end(&executor).map_err(CliError::Signals)?;
    Ok(executor)
}

/// Returns the options of the compiler.
pub(crate) fn options(args: &CompilerArgs, timeout: Option<Duration>) -> BuildOptions {
    BuildOptions {
        compiler: CompilerSpec { cc: args.cc.clone(), choice: args.toolchain, target: args.target.clone() },
        flags: flags(args),
        timeout,
        output_limit: (args.output_limit > 0).then_some(args.output_limit),
        hash_files: args.hash_files.clone(),
        hash_env: args.hash_env.clone(),
        ..BuildOptions::default()
    }
}

/// Finds the compiler and returns a pipeline that runs it.
pub(crate) fn pipeline(
    options: &BuildOptions,
    environment: &Environment,
    observer: &dyn Observer,
) -> Result<Pipeline, CliError> {
    let executor = executor(options.output_limit)?;
    let pipeline = options.pipeline(environment, executor, Purpose::Files, observer)?;
    // The user set CC on purpose.
    if let (None, Some(_), Some(rejected)) = (&options.compiler.cc, &environment.cc, pipeline.compiler.rejected.first())
    {
        let text = format!("CC is not used: {}: {}", rejected.command, rejected.why);
        observer.event(&Event::Warning { text: &text });
    }
    Ok(pipeline)
}

fn flags(args: &CompilerArgs) -> Flags {
    // Relative to the current directory, not to the temporary source that the compiler gets.
    let absolute = |dir: &PathBuf| std::path::absolute(dir).unwrap_or_else(|_| dir.clone());
    Flags {
        optimize: args.optimize.unwrap_or(if args.debug { OptLevel::O0 } else { OptLevel::O3 }),
        debug: args.debug,
        warnings: true,
        includes: args.include.iter().map(absolute).collect(),
        defines: args.define.clone(),
        cflags: args.cflags.clone(),
        ldflags: args.ldflags.clone(),
        host_library: args.host_library.as_ref().map(absolute),
        linker: args.linker,
    }
}

/// Sets the launcher and the object cache of a command that compiles units.
pub(crate) fn speed_up(
    options: &mut BuildOptions,
    args: &CompileArgs,
    environment: &Environment,
) -> Result<(), CliError> {
    options.launcher =
        if args.launcher.is_empty() { environment.launcher.iter().cloned().collect() } else { args.launcher.clone() };
    options.cache = match CachePlace::choose(args.cache.cache.as_deref(), args.cache.max_size, environment) {
        // A missing cache must not fail the build.
        Err(error @ CacheSettingError::Nowhere) => CacheChoice::Unusable(error.to_string()),
        place => place.map_err(mjitcc::Error::from)?.map_or(CacheChoice::Off, CacheChoice::At),
    };
    Ok(())
}

/// Returns the directory and the size of the cache, or `None` if the cache is off.
pub(crate) fn cache(args: &CacheWhere, environment: &Environment) -> Result<Option<CachePlace>, CliError> {
    Ok(CachePlace::choose(args.cache.as_deref(), args.max_size, environment).map_err(mjitcc::Error::from)?)
}

/// Returns the number of threads that compile (by default one per processor), and the limits that make's jobserver and the free memory
/// set.
pub(crate) fn parallelism(
    requested: Option<NonZero<usize>>,
    memfree: Option<u64>,
    inherited: Inherited,
    observer: &dyn Observer,
) -> (NonZero<usize>, Admission) {
    let processors = || std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let mut default = None;
    let tokens = match inherited {
        Inherited::Nothing => None,
        Inherited::Jobserver(client) => Some(Arc::new(MakeTokens(client)) as Arc<dyn Tokens>),
        Inherited::Unusable(why) => {
            // As make does: its other children already use the processors.
            default = Some(NonZero::<usize>::MIN);
            if requested.is_none() {
                let text = format!(
                    "cannot use make's jobserver, so one compiler runs at a time: put + before the command, or give -j ({why})"
                );
                observer.event(&Event::Warning { text: &text });
            }
            None
        }
    };
    let memory = MemoryLimit::per_compiler(memfree.unwrap_or(MemoryLimit::DEFAULT));
    (requested.or(default).unwrap_or_else(processors), Admission::new(tokens, memory))
}

/// Returns the files that the arguments name, with patterns expanded, since Windows shells expand none. The name of an existing file is
/// never a pattern. A file that is named twice counts once.
pub(crate) fn units(words: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut units: Vec<PathBuf> = Vec::new();
    for word in words {
        let pattern = word.to_str().filter(|text| text.contains(['*', '?', '[']) && !word.exists());
        let Some(pattern) = pattern else {
            units.push(word.clone());
            continue;
        };
        let paths = glob::glob(pattern).map_err(|error| CliError::Usage(format!("pattern '{pattern}': {error}")))?;
        let before = units.len();
        for path in paths {
            units.push(path.map_err(|error| CliError::Unreadable { path: error.path().into(), source: error.into() })?);
        }
        if units.len() == before {
            return Err(CliError::Usage(format!("no file matches '{pattern}'")));
        }
    }
    let mut seen = std::collections::HashSet::new();
    units.retain(|unit| seen.insert(std::path::absolute(unit).unwrap_or_else(|_| unit.clone())));
    Ok(units)
}
