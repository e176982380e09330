//! What was typed becomes what the library works with: a compiler, a pipeline, a list of units.

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
use crate::jobserver::{Inherited, OfMake};
use crate::signals;

/// An executor that Ctrl-C ends.
pub(crate) fn executor(output_limit: Option<u64>) -> Result<Arc<ProcessExecutor>, CliError> {
    let executor = Arc::new(ProcessExecutor::default().with_output_limit(output_limit.unwrap_or(NO_LIMIT)));
    signals::end(&executor).map_err(CliError::Signals)?;
    Ok(executor)
}

/// The options of the compiler.
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

/// The compiler, a temporary directory, and an executor that Ctrl-C ends.
pub(crate) fn pipeline(
    options: &BuildOptions,
    environment: &Environment,
    observer: &dyn Observer,
) -> Result<Pipeline, CliError> {
    let executor = executor(options.output_limit)?;
    let pipeline = options.pipeline(environment, executor, Purpose::Files, observer)?;
    // CC was set for a purpose.
    if let (None, Some(_), Some(rejected)) = (&options.compiler.cc, &environment.cc, pipeline.compiler.rejected.first())
    {
        let text = format!("CC is passed over: {}: {}", rejected.command, rejected.why);
        observer.event(&Event::Warning { text: &text });
    }
    Ok(pipeline)
}

fn flags(args: &CompilerArgs) -> Flags {
    // Relative to where the user is, not to the temporary source that the compiler is given.
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

/// Adds the launcher and the object cache of a command that compiles units.
pub(crate) fn speed_up(
    options: &mut BuildOptions,
    args: &CompileArgs,
    environment: &Environment,
) -> Result<(), CliError> {
    options.launcher =
        if args.launcher.is_empty() { environment.launcher.iter().cloned().collect() } else { args.launcher.clone() };
    options.cache = match CachePlace::choose(args.cache.cache.as_deref(), args.cache.max_size, environment) {
        // A cache never makes a build fail.
        Err(error @ CacheSettingError::Nowhere) => CacheChoice::Unusable(error.to_string()),
        place => place.map_err(mjitcc::Error::from)?.map_or(CacheChoice::Off, CacheChoice::At),
    };
    Ok(())
}

/// Where the cache is that was asked for.
pub(crate) fn cache(args: &CacheWhere, environment: &Environment) -> Result<Option<CachePlace>, CliError> {
    Ok(CachePlace::choose(args.cache.as_deref(), args.max_size, environment).map_err(mjitcc::Error::from)?)
}

/// How many threads compile, and what holds their compilers back: as many as there are processors unless the user says otherwise, within
/// what make's jobserver and memory allow in either case.
pub(crate) fn parallelism(
    wished: Option<NonZero<usize>>,
    memfree: Option<u64>,
    inherited: Inherited,
    observer: &dyn Observer,
) -> (NonZero<usize>, Admission) {
    let processors = || std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
    let mut default = None;
    let tokens = match inherited {
        Inherited::Nothing => None,
        Inherited::Jobserver(client) => Some(Arc::new(OfMake(client)) as Arc<dyn Tokens>),
        Inherited::OutOfReach(why) => {
            // As make itself does: others of its children fill the machine already.
            default = Some(NonZero::<usize>::MIN);
            if wished.is_none() {
                let text = format!(
                    "make's jobserver is out of reach, so that one compiler runs at a time: put + before the command in the makefile, or give -j ({why})"
                );
                observer.event(&Event::Warning { text: &text });
            }
            None
        }
    };
    let memory = MemoryLimit::per_compiler(memfree.unwrap_or(MemoryLimit::DEFAULT));
    (wished.or(default).unwrap_or_else(processors), Admission::new(tokens, memory))
}

/// Files as they are named, patterns as what they match: Windows shells expand none. A file that is there is no pattern,
/// whatever it is called. A file that is named twice counts once.
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
