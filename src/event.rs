//! Events of the work, as data for an [`Observer`]: the command line prints them, a host logs them. An observer cannot change the work.

use std::io;
use std::path::Path;
use std::time::Duration;

use mjit_cc_platforms::{Compiler, Diagnostic, Step};

use crate::error::UnitError;
use crate::report::{Status, UnitReport};

/// An event.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The directory for temporary files was made.
    ScratchMade {
        /// The directory.
        path: &'a Path,
    },
    /// A compiler was chosen.
    CompilerChosen {
        /// The compiler.
        compiler: &'a Compiler,
    },
    /// This process waits for a lock that another process holds.
    Waiting {
        /// The locked file.
        path: &'a Path,
        /// True for the second event about the same wait, which comes after five seconds.
        long: bool,
    },
    /// A process is about to start.
    Running {
        /// The command.
        step: &'a Step,
    },
    /// A PCH is about to be built.
    PchStarted {
        /// The header.
        header: &'a Path,
    },
    /// A PCH exists, and a compilation proved that the compiler uses the PCH.
    PchReady {
        /// The precompiled file.
        file: &'a Path,
        /// True if the PCH of an earlier run is up to date.
        reused: bool,
        /// How long building or checking took.
        took: Duration,
    },
    /// A PCH could not be built. If the cause is that the header does not work as a PCH, units include its text instead.
    PchFailed {
        /// The header.
        header: &'a Path,
    },
    /// A problem that the user can fix.
    Warning {
        /// One sentence.
        text: &'a str,
    },
    /// The object of a unit was taken from the object cache.
    CacheHit {
        /// The unit's name.
        unit: &'a str,
    },
    /// The object cache cannot be read or written. Units are compiled regardless. Reported once per cause.
    CacheUnusable {
        /// The directory of the cache.
        dir: &'a Path,
        /// The error of the system.
        error: &'a io::Error,
    },
    /// A unit is compiled alone although merging is on.
    NotMerged {
        /// The unit's name.
        unit: &'a str,
        /// The reason.
        why: &'a str,
    },
    /// The inputs of a unit or header cannot be determined, so the next run builds it again.
    InputsUnknown {
        /// The name of the unit or header.
        what: &'a str,
        /// The reason.
        why: &'a str,
    },
    /// Units are about to be compiled.
    BatchStarted {
        /// The number of units.
        units: usize,
    },
    /// A thread begins to build a unit.
    UnitStarted {
        /// The unit's name.
        unit: &'a str,
    },
    /// A compiler or linker printed messages about a unit.
    UnitOutput {
        /// The unit's name.
        unit: &'a str,
        /// The messages as data.
        diagnostics: &'a [Diagnostic],
        /// The messages as the compiler printed them.
        text: &'a str,
    },
    /// A unit is compiled or up to date. One library of all units is not linked yet.
    UnitCompiled(Compiled<'a>),
    /// A unit is finished, with or without success.
    UnitFinished {
        /// The result.
        report: &'a UnitReport,
    },
    /// The linker inside this process could not link, so the compiler's driver links.
    LinkerFallback {
        /// The reason.
        why: &'a str,
    },
    /// The library of all units could not be linked.
    LinkFailed {
        /// The library.
        library: &'a Path,
        /// The cause.
        failure: &'a UnitError,
    },
    /// Objects are about to be linked into one library.
    LinkStarted {
        /// The library.
        library: &'a Path,
        /// The number of objects.
        objects: usize,
    },
    /// The library of all units is linked or up to date.
    LinkFinished {
        /// The library.
        library: &'a Path,
        /// True if the library of an earlier run is up to date.
        reused: bool,
    },
    /// A stage begins. Begin and end are reported on the thread that works. Stages may be nested.
    StageBegan {
        /// The stage.
        stage: Stage,
    },
    /// The stage that began last on this thread ends, with or without success.
    StageEnded {
        /// The stage.
        stage: Stage,
    },
}

/// A unit that is compiled or up to date.
#[derive(Clone, Copy, Debug)]
pub struct Compiled<'a> {
    /// The unit's name.
    pub unit: &'a str,
    /// [`Status::Built`] or [`Status::Reused`].
    pub status: Status,
    /// True if the object came from the object cache.
    pub cached: bool,
    /// How long compiling took, and linking if the unit has a library of its own.
    pub took: Duration,
    /// The library of the unit; `None` if all units go into one library.
    pub library: Option<&'a str>,
}

/// What a thread does. The remaining time of a thread goes into reading, hashing and renaming files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// Waits until a further compiler may run.
    Wait,
    /// The host generates C text.
    Generate,
    /// A compiler runs; also a linker if the compiler links in the same step.
    Compile,
    /// A linker runs.
    Link,
    /// The loader of the system loads a library.
    Load,
}

impl Stage {
    /// All stages, in the order in which they happen.
    pub const ALL: [Self; 5] = [Self::Wait, Self::Generate, Self::Compile, Self::Link, Self::Load];

    /// Returns the name of the stage.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Generate => "generate",
            Self::Compile => "compile",
            Self::Link => "link",
            Self::Load => "load",
        }
    }

    /// Reports the begin of the stage, and its end when the returned value is dropped.
    pub(crate) fn on<'a>(self, observer: &'a dyn Observer) -> InStage<'a> {
        observer.event(&Event::StageBegan { stage: self });
        InStage { stage: self, observer }
    }
}

/// A stage that has begun and not ended.
#[must_use = "the stage ends when this is dropped"]
pub(crate) struct InStage<'a> {
    stage: Stage,
    observer: &'a dyn Observer,
}

impl Drop for InStage<'_> {
    fn drop(&mut self) {
        self.observer.event(&Event::StageEnded { stage: self.stage });
    }
}

/// Receives events. Called from several threads at once, and never with a lock of this crate held.
pub trait Observer: Sync {
    /// Handles an event. The thread continues its work when this returns.
    fn event(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Sync> Observer for F {
    fn event(&self, event: &Event<'_>) {
        self(event);
    }
}
