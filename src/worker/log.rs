//! What the worker tells, as data; printed, each is a line in the form that Ruby's MJIT gave it, which hosts' tests look for.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::host::{CodeError, SourceLocation};
use crate::error::UnitError;
use crate::event::Event;

/// One thing that happened in the worker.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WorkerEvent {
    /// A unit's code was published.
    Success {
        /// The unit.
        location: SourceLocation,
        /// How long it took, from generating to publishing.
        took: Duration,
        /// Its C file.
        source: PathBuf,
    },
    /// A unit will have no code.
    Failure {
        /// The unit.
        location: SourceLocation,
        /// How long it took.
        took: Duration,
        /// Its C file.
        source: PathBuf,
        /// Why.
        why: CodeError,
    },
    /// A unit that had quick code has optimised code now, in the same slot.
    Improved {
        /// The unit.
        location: SourceLocation,
        /// How long it took.
        took: Duration,
        /// Its C file.
        source: PathBuf,
    },
    /// A unit keeps its quick code, since there is no better.
    NotImproved {
        /// The unit.
        location: SourceLocation,
        /// How long it took to find out.
        took: Duration,
        /// Why.
        why: Arc<UnitError>,
    },
    /// The first tier could not make a unit; the other one makes its first code.
    BaselineFailed {
        /// The unit.
        location: SourceLocation,
        /// Why.
        why: Arc<UnitError>,
    },
    /// Loaded units were put together.
    Compacted {
        /// How many.
        units: usize,
        /// How long it took.
        took: Duration,
        /// The library that they are in now.
        library: PathBuf,
    },
    /// Loaded units could not be put together, and stay as they are.
    NotCompacted {
        /// How long it took to find out.
        took: Duration,
        /// Why.
        why: Arc<UnitError>,
    },
    /// Cold code was given up.
    Unloaded {
        /// How many units.
        count: usize,
    },
    /// Nothing could be unloaded and somebody waits.
    CacheGrown {
        /// How many units may be loaded now.
        max_cache_size: usize,
    },
    /// Code was taken back.
    Cancelled(SourceLocation),
    /// A unit is wanted with other switches.
    Recompiled(SourceLocation),
    /// A unit has another owner's code inside.
    Inlined {
        /// The unit.
        location: SourceLocation,
        /// The other.
        inlined: SourceLocation,
    },
    /// Something the user should know.
    Warning(String),
    /// The compiler that was found.
    Compiler(String),
    /// What makes the first code of units: its command.
    Quick(String),
    /// Where temporary files go.
    TempDir(PathBuf),
    /// A unit's turn came.
    Start {
        /// The unit.
        location: SourceLocation,
        /// Its C file.
        source: PathBuf,
    },
    /// Units are about to be compiled as one translation unit.
    GroupStarted {
        /// How many.
        units: usize,
        /// Their C file.
        source: PathBuf,
    },
    /// The header is about to be precompiled.
    PchStart,
    /// A process is about to start: its command line.
    Process(String),
    /// A unit's object is taken from the cache, where it has this name.
    CacheHit(String),
    /// The object cache cannot be used as it should be; units are compiled all the same.
    CacheUnusable {
        /// Its directory.
        dir: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The linker inside this process did not serve, and why: the compiler's driver links.
    LinkerFallback(String),
    /// A library was not made.
    NoLibrary(PathBuf),
    /// Code leaves memory.
    Unloading {
        /// The unit's number.
        id: u64,
        /// The unit.
        location: SourceLocation,
    },
    /// The threads are told to end.
    Stopping,
    /// The collector had to wait for C text being generated.
    GcWaited(Duration),
    /// All threads ended well.
    Finish,
}

impl WorkerEvent {
    /// The event of a worker or of a C engine that a step of the build is, if it is one.
    pub(crate) fn of(event: &Event<'_>) -> Option<Self> {
        Some(match *event {
            Event::ScratchMade { path } => Self::TempDir(path.to_owned()),
            Event::CompilerChosen { compiler } => Self::Compiler(compiler.program.display().to_string()),
            Event::PchStarted { .. } => Self::PchStart,
            Event::Running { step } => Self::Process(step.to_string()),
            Event::CacheHit { unit } => Self::CacheHit(unit.to_owned()),
            Event::CacheUnusable { dir, error } => Self::CacheUnusable { dir: dir.to_owned(), why: error.to_string() },
            Event::LinkerFallback { why } => Self::LinkerFallback(why.to_owned()),
            Event::Warning { text } => Self::Warning(text.to_owned()),
            _ => return None,
        })
    }

    /// From which verbosity on a line is printed for it: 1 for what becomes of units, 2 for the way there, 3 for the curious.
    /// Warnings are also printed where they are asked for.
    #[must_use]
    pub fn level(&self) -> u8 {
        match self {
            Self::Success { .. }
            | Self::Failure { .. }
            | Self::Improved { .. }
            | Self::NotImproved { .. }
            | Self::Compacted { .. }
            | Self::NotCompacted { .. }
            | Self::Unloaded { .. }
            | Self::CacheGrown { .. }
            | Self::Cancelled(_)
            | Self::Recompiled(_)
            | Self::Inlined { .. }
            | Self::Warning(_)
            | Self::CacheUnusable { .. }
            | Self::LinkerFallback(_)
            | Self::Finish => 1,
            Self::Compiler(_)
            | Self::Quick(_)
            | Self::BaselineFailed { .. }
            | Self::TempDir(_)
            | Self::Start { .. }
            | Self::GroupStarted { .. }
            | Self::PchStart
            | Self::Process(_)
            | Self::NoLibrary(_)
            | Self::Unloading { .. }
            | Self::Stopping => 2,
            Self::GcWaited(_) | Self::CacheHit(_) => 3,
        }
    }

    /// What a person wants to know beyond the line: why, in the compiler's own words where it has any.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Failure { why: CodeError::NotBuilt(failure), .. } => Some(format!("{failure}\n{}", failure.output())),
            Self::Failure { why, .. } => Some(why.to_string()),
            Self::NotCompacted { why, .. } | Self::NotImproved { why, .. } | Self::BaselineFailed { why, .. } => {
                Some(format!("{why}\n{}", why.output()))
            }
            _ => None,
        }
    }
}

impl fmt::Display for WorkerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |took: &Duration| took.as_secs_f64() * 1e3;
        match self {
            Self::Success { location, took, source } => {
                write!(f, "JIT success ({:.1}ms): {location} -> {}", ms(took), source.display())
            }
            Self::Failure { location, took, source, .. } => {
                write!(f, "JIT failure ({:.1}ms): {location} -> {}", ms(took), source.display())
            }
            Self::Improved { location, took, source } => {
                write!(f, "JIT improved ({:.1}ms): {location} -> {}", ms(took), source.display())
            }
            Self::NotImproved { location, took, .. } => {
                write!(f, "JIT improvement failure ({:.1}ms): {location}", ms(took))
            }
            Self::BaselineFailed { location, .. } => write!(f, "No quick code: {location}"),
            Self::Compacted { units, took, library } => {
                write!(f, "JIT compaction ({:.1}ms): Compacted {units} methods -> {}", ms(took), library.display())
            }
            Self::NotCompacted { took, .. } => {
                write!(f, "JIT compaction failure ({:.1}ms): Failed to compact methods", ms(took))
            }
            Self::Unloaded { count } => write!(f, "Too many JIT code -- {count} units unloaded"),
            Self::CacheGrown { max_cache_size } => {
                write!(f, "No units can be unloaded -- incremented max-cache-size to {max_cache_size} for --jit-wait")
            }
            Self::Cancelled(location) => write!(f, "JIT cancel: {location}"),
            Self::Recompiled(location) => write!(f, "JIT recompile: {location}"),
            Self::Inlined { location, inlined } => write!(f, "JIT inline: {location} => {inlined}"),
            Self::Warning(text) => write!(f, "MJIT warning: {text}"),
            Self::Compiler(command) => write!(f, "MJIT: CC defaults to {command}"),
            Self::Quick(command) => write!(f, "MJIT: first tier is {command}"),
            Self::TempDir(path) => write!(f, "MJIT: tmp_dir is {}", path.display()),
            Self::Start { location, source } => write!(f, "start compilation: {location} -> {}", source.display()),
            Self::GroupStarted { units, source } => {
                write!(f, "start compilation of {units} units together -> {}", source.display())
            }
            Self::PchStart => f.write_str("Creating precompiled header"),
            Self::Process(command) => write!(f, "Starting process: {command}"),
            Self::CacheHit(name) => write!(f, "Taken from the cache: {name}"),
            Self::CacheUnusable { dir, why } => write!(f, "Object cache {}: {why}", dir.display()),
            Self::LinkerFallback(why) => write!(f, "Linked by the compiler's driver instead of wild: {why}"),
            Self::NoLibrary(path) => write!(f, "Failed to generate so: {}", path.display()),
            Self::Unloading { id, location } => write!(f, "Unloading unit {id}: {location}"),
            Self::Stopping => f.write_str("Stopping worker thread"),
            Self::GcWaited(took) => write!(f, "GC waited {:.3}ms for C text being generated", ms(took)),
            Self::Finish => f.write_str("Successful MJIT finish"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_ruby_s_tests_look_for() {
        let location = SourceLocation { label: "block in <main>".into(), path: "-e".into(), line: 1 };
        let took = Duration::from_micros(12_340);
        let success =
            WorkerEvent::Success { location: location.clone(), took, source: "/tmp/_ruby_mjit_p12u0.c".into() };
        assert_eq!(success.to_string(), "JIT success (12.3ms): block in <main>@-e:1 -> /tmp/_ruby_mjit_p12u0.c");
        let compacted = WorkerEvent::Compacted { units: 2, took, library: "/tmp/_ruby_mjit_p12u2.so".into() };
        assert_eq!(compacted.to_string(), "JIT compaction (12.3ms): Compacted 2 methods -> /tmp/_ruby_mjit_p12u2.so");
        let failed = WorkerEvent::NotCompacted { took, why: Arc::new(UnitError::Interrupted) };
        assert_eq!(failed.to_string(), "JIT compaction failure (12.3ms): Failed to compact methods");
        assert_eq!(
            WorkerEvent::CacheGrown { max_cache_size: 11 }.to_string(),
            "No units can be unloaded -- incremented max-cache-size to 11 for --jit-wait"
        );
        assert_eq!(WorkerEvent::Unloaded { count: 1 }.to_string(), "Too many JIT code -- 1 units unloaded");
        assert_eq!(WorkerEvent::Recompiled(location.clone()).to_string(), "JIT recompile: block in <main>@-e:1");
        assert_eq!(WorkerEvent::Cancelled(location).to_string(), "JIT cancel: block in <main>@-e:1");
        assert_eq!(WorkerEvent::Finish.to_string(), "Successful MJIT finish");
    }
}
