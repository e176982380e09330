//! The events of a worker, as data. `Display` prints an event as a line in the form of Ruby's MJIT, which tests of hosts expect.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::host::{CodeError, SourceLocation};
use crate::error::UnitError;
use crate::event::Event;

/// An event of a worker.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WorkerEvent {
    /// The code of a unit was published.
    Success {
        /// The unit.
        location: SourceLocation,
        /// The time from generating to publishing.
        took: Duration,
        /// The C file of the unit.
        source: PathBuf,
    },
    /// A unit failed and gets no code.
    Failure {
        /// The unit.
        location: SourceLocation,
        /// How long building took.
        took: Duration,
        /// The C file of the unit.
        source: PathBuf,
        /// The reason.
        why: CodeError,
    },
    /// Optimized code replaced the quick code of a unit, in the same slot.
    Improved {
        /// The unit.
        location: SourceLocation,
        /// How long building took.
        took: Duration,
        /// The C file of the unit.
        source: PathBuf,
    },
    /// Optimizing a unit failed, and the unit keeps its quick code.
    NotImproved {
        /// The unit.
        location: SourceLocation,
        /// How long the attempt took.
        took: Duration,
        /// The reason.
        why: Arc<UnitError>,
    },
    /// The first tier failed for a unit, and the second tier compiles the unit.
    BaselineFailed {
        /// The unit.
        location: SourceLocation,
        /// The reason.
        why: Arc<UnitError>,
    },
    /// Loaded units were linked into one library.
    Compacted {
        /// The number of units.
        units: usize,
        /// How long compaction took.
        took: Duration,
        /// The library.
        library: PathBuf,
    },
    /// Compaction failed, and loaded units stay unchanged.
    NotCompacted {
        /// How long the attempt took.
        took: Duration,
        /// The reason.
        why: Arc<UnitError>,
    },
    /// Cold code was unloaded.
    Unloaded {
        /// The number of units.
        count: usize,
    },
    /// No code could be unloaded although a host's thread waits, so the limit grew.
    CacheGrown {
        /// The new limit of loaded units.
        max_cache_size: usize,
    },
    /// The code of a unit was cancelled.
    Cancelled(SourceLocation),
    /// A unit is compiled again with other switches.
    Recompiled(SourceLocation),
    /// A unit contains code of another owner.
    Inlined {
        /// The unit.
        location: SourceLocation,
        /// The inlined owner.
        inlined: SourceLocation,
    },
    /// A problem that the user can fix.
    Warning(String),
    /// The compiler was found; its path.
    Compiler(String),
    /// The compiler of the first tier; its command.
    Quick(String),
    /// The private directory was made; its path.
    TempDir(PathBuf),
    /// A thread begins to build a unit.
    Start {
        /// The unit.
        location: SourceLocation,
        /// The C file of the unit.
        source: PathBuf,
    },
    /// A group is about to be compiled.
    GroupStarted {
        /// The number of units.
        units: usize,
        /// The C file of the group.
        source: PathBuf,
    },
    /// The header is about to be precompiled.
    PchStart,
    /// A process is about to start; its command line.
    Process(String),
    /// The object of a unit was taken from the object cache; its name there.
    CacheHit(String),
    /// The object cache cannot be read or written; units are compiled regardless.
    CacheUnusable {
        /// The directory of the cache.
        dir: PathBuf,
        /// The error of the system.
        why: String,
    },
    /// The linker inside this process could not link, so the compiler's driver links; the reason.
    LinkerFallback(String),
    /// A unit or a compaction has no library; the path that it would have had.
    NoLibrary(PathBuf),
    /// Code is being unloaded.
    Unloading {
        /// The number of the unit.
        id: u64,
        /// The unit.
        location: SourceLocation,
    },
    /// The threads are told to end.
    Stopping,
    /// `enter_gc` had to wait for `generate`; how long.
    GcWaited(Duration),
    /// All threads have ended.
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

    /// Returns the verbosity from which on the event is printed: 1 for results, 2 for steps, 3 for details. Warnings are also printed if
    /// [`Builder::warnings`](super::Builder::warnings) is set.
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

    /// Returns the reason of a failure, with the compiler's output if there is any.
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
