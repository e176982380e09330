//! What happens, as data, for whoever watches: the command line prints it, a host logs it. Events flow one way; nothing that
//! an observer does changes the work.

use std::io;
use std::path::Path;
use std::time::Duration;

use mjit_cc_platforms::{Compiler, Diagnostic, Step};

use crate::error::UnitError;
use crate::report::UnitReport;

/// One thing that happened.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Temporary files go into a directory.
    ScratchMade {
        /// Which.
        path: &'a Path,
    },
    /// A compiler was chosen.
    CompilerChosen {
        /// Which.
        compiler: &'a Compiler,
    },
    /// Another process holds what this one needs; it goes on when that is through.
    Waiting {
        /// The file that is locked.
        path: &'a Path,
        /// Told a second time, after five seconds.
        long: bool,
    },
    /// A process is about to start.
    Running {
        /// Its command.
        step: &'a Step,
    },
    /// A PCH is about to be built.
    PchStarted {
        /// The header.
        header: &'a Path,
    },
    /// A PCH is there and was proven to be used.
    PchReady {
        /// The precompiled file.
        file: &'a Path,
        /// Whether it was there before.
        reused: bool,
        /// How long that took.
        took: Duration,
    },
    /// A PCH could not be built; where that is so because the header will not do as one, its text is tried next.
    PchFailed {
        /// The header.
        header: &'a Path,
    },
    /// Something the user should know, and could mend.
    Warning {
        /// One sentence.
        text: &'a str,
    },
    /// A unit's object is taken from the cache.
    CacheHit {
        /// The unit's name.
        unit: &'a str,
    },
    /// The object cache cannot be used as it should be, now and perhaps later too; everything is compiled all the same. Told
    /// once a cause.
    CacheUnusable {
        /// Its directory.
        dir: &'a Path,
        /// What the system said.
        error: &'a io::Error,
    },
    /// A unit is compiled alone although units are merged.
    NotMerged {
        /// The unit's name.
        unit: &'a str,
        /// Why.
        why: &'a str,
    },
    /// It is not known what something was made of, so that the next run makes it again.
    InputsUnknown {
        /// A unit's name, or a header.
        what: &'a str,
        /// Why.
        why: &'a str,
    },
    /// Units are about to be compiled.
    BatchStarted {
        /// How many.
        units: usize,
    },
    /// A unit's turn came.
    UnitStarted {
        /// Its name.
        unit: &'a str,
    },
    /// A compiler's output about a unit.
    UnitOutput {
        /// The unit's name.
        unit: &'a str,
        /// The same as data.
        diagnostics: &'a [Diagnostic],
        /// The compiler's own lines.
        text: &'a str,
    },
    /// A unit went through the compiler, or need not; with one library for all, that is not made yet.
    UnitCompiled {
        /// The unit's name.
        unit: &'a str,
    },
    /// A unit is through, well or badly.
    UnitFinished {
        /// What became of it.
        report: &'a UnitReport,
    },
    /// The linker inside this process did not serve, so that the driver's links.
    LinkerFallback {
        /// Why.
        why: &'a str,
    },
    /// The library of all units could not be linked.
    LinkFailed {
        /// The library.
        library: &'a Path,
        /// Why.
        failure: &'a UnitError,
    },
    /// Objects are about to be linked into one library.
    LinkStarted {
        /// The library.
        library: &'a Path,
        /// How many objects.
        objects: usize,
    },
    /// The library of all units is there.
    LinkFinished {
        /// The library.
        library: &'a Path,
        /// Whether it was there before.
        reused: bool,
    },
    /// A stage of the work begins. Told, and ended, on the thread that does it; one may begin and end within another.
    StageBegan {
        /// Which.
        stage: Stage,
    },
    /// The stage that began last on this thread ends, well or badly.
    StageEnded {
        /// Which.
        stage: Stage,
    },
}

/// What a thread that makes something is at. What is left of its time is this crate's own: reading, hashing, renaming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// It waits until one more compiler may run.
    Wait,
    /// The host generates C text.
    Generate,
    /// A compiler works; where it does both in one step, a linker too.
    Compile,
    /// A linker works.
    Link,
    /// The system's loader works.
    Load,
}

impl Stage {
    /// Every one, in the order in which they come.
    pub const ALL: [Self; 5] = [Self::Wait, Self::Generate, Self::Compile, Self::Link, Self::Load];

    /// A word for it.
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

    /// Tells that it begins, and when what this returns is dropped, that it ended.
    pub(crate) fn on<'a>(self, observer: &'a dyn Observer) -> InStage<'a> {
        observer.event(&Event::StageBegan { stage: self });
        InStage { stage: self, observer }
    }
}

/// A stage that is not over.
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

/// Watches. Called from several threads at once, and never while a lock of this crate is held.
pub trait Observer: Sync {
    /// Takes note of an event. The work goes on when this returns.
    fn event(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Sync> Observer for F {
    fn event(&self, event: &Event<'_>) {
        self(event);
    }
}
