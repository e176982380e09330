//! What was typed becomes what the library works with: a compiler, a pipeline, a list of units.

use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mjitcc::Watched;
use mjitcc::admission::{Admission, Memory, Tokens};
use mjitcc::cache::{CachePlace, CacheSettingError, ObjectCache};
use mjitcc::discover::{Environment, Finder, FoundLauncher, Wish};
use mjitcc::event::{Event, Observer};
use mjitcc::exec::ProcessExecutor;
use mjitcc::pipeline::Pipeline;
use mjitcc::platforms::{Flags, OptLevel};
use mjitcc::scratch::{Purpose, Scratch};

use crate::args::{CacheWhere, CompileArgs, CompilerArgs};
use crate::exit::Trouble;
use crate::jobserver::{Inherited, OfMake};
use crate::signals;

/// An executor that Ctrl-C ends.
pub(crate) fn executor() -> Result<Arc<ProcessExecutor>, Trouble> {
    let executor = Arc::new(ProcessExecutor::default());
    signals::end(&executor).map_err(Trouble::Signals)?;
    Ok(executor)
}

/// The compiler and all that running it takes.
pub(crate) fn pipeline(
    args: &CompilerArgs,
    timeout: Option<Duration>,
    observer: &dyn Observer,
) -> Result<Pipeline, Trouble> {
    let environment = Environment::read();
    let scratch = Scratch::create(&environment.temp_dirs, Purpose::Files).map_err(mjitcc::Error::from)?;
    for (dir, error) in scratch.skipped() {
        let text = format!("no temporary files in {}: {error}", dir.display());
        observer.event(&Event::Warning { text: &text });
    }
    observer.event(&Event::ScratchMade { path: scratch.path() });
    let executor = executor()?;
    let finder = Finder { environment: &environment, executor: &*executor, temp_dir: scratch.path() };
    let wish = Wish { cc: args.cc.clone(), choice: args.toolchain, target: args.target.clone() };
    let compiler = finder.find(&wish).map_err(mjitcc::Error::from)?;
    // CC was set for a purpose.
    if let (None, Some(_), Some(rejected)) = (&args.cc, &environment.cc, compiler.passed_over.first()) {
        let text = format!("CC is passed over: {}: {}", rejected.command, rejected.why);
        observer.event(&Event::Warning { text: &text });
    }
    observer.event(&Event::CompilerChosen { compiler: compiler.toolchain.compiler() });
    let mut pipeline = Pipeline::new(compiler, flags(args), executor, scratch);
    pipeline.check_named_files()?;
    pipeline.timeout = timeout;
    pipeline.watched =
        Watched::of(args.hash_files.iter().cloned(), args.hash_env.iter().cloned(), &environment.variables)?;
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

/// The launcher and the object cache of a pipeline that compiles units. What is wrong with a launcher is said before anything is built.
pub(crate) fn speed_up(pipeline: &mut Pipeline, args: &CompileArgs, observer: &dyn Observer) -> Result<(), Trouble> {
    let environment = Environment::read();
    let launcher = if args.launcher.is_empty() { environment.launcher.as_slice() } else { &args.launcher };
    if !launcher.is_empty() {
        pipeline.launcher = Some(FoundLauncher::find(launcher, &environment).map_err(mjitcc::Error::from)?);
    }
    let place = match CachePlace::choose(args.cache.cache.as_deref(), args.cache.max_size, &environment) {
        // A cache never makes a build fail.
        Err(error @ CacheSettingError::Nowhere) => {
            observer.event(&Event::Warning { text: &format!("units are compiled without the object cache: {error}") });
            None
        }
        place => place.map_err(mjitcc::Error::from)?,
    };
    if let Some(place) = place {
        pipeline.cache = ObjectCache::open(place, pipeline, &environment, observer);
    }
    Ok(())
}

/// Where the cache is that was asked for.
pub(crate) fn cache(args: &CacheWhere, environment: &Environment) -> Result<Option<CachePlace>, Trouble> {
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
    let memory = Memory::per_compiler(memfree.unwrap_or(Memory::DEFAULT));
    (wished.or(default).unwrap_or_else(processors), Admission::new(tokens, memory))
}

/// Files as they are named, patterns as what they match: Windows shells expand none. A file that is there is no pattern,
/// whatever it is called. A file that is named twice counts once.
pub(crate) fn units(words: &[PathBuf]) -> Result<Vec<PathBuf>, Trouble> {
    let mut units: Vec<PathBuf> = Vec::new();
    for word in words {
        let pattern = word.to_str().filter(|text| text.contains(['*', '?', '[']) && !word.exists());
        let Some(pattern) = pattern else {
            units.push(word.clone());
            continue;
        };
        let paths = glob::glob(pattern).map_err(|error| Trouble::Usage(format!("pattern '{pattern}': {error}")))?;
        let before = units.len();
        for path in paths {
            units.push(path.map_err(|error| Trouble::Unreadable { path: error.path().into(), source: error.into() })?);
        }
        if units.len() == before {
            return Err(Trouble::Usage(format!("no file matches '{pattern}'")));
        }
    }
    let mut seen = std::collections::HashSet::new();
    units.retain(|unit| seen.insert(std::path::absolute(unit).unwrap_or_else(|_| unit.clone())));
    Ok(units)
}
