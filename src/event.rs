//! What happens, as data, for whoever watches: the command line prints it, a host logs it. Events flow one way; nothing that
//! an observer does changes the work.

use std::io;
use std::path::Path;
use std::time::Duration;

use mjit_cc_platforms::{Compiler, Diagnostic, Step};

use crate::batch::report::UnitReport;
use crate::error::Failure;

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
    LinkLeft {
        /// Why.
        why: &'a str,
    },
    /// The library of all units could not be linked.
    LinkFailed {
        /// The library.
        library: &'a Path,
        /// Why.
        failure: &'a Failure,
    },
    /// Objects are about to be linked into one library.
    LinkStarted {
        /// The library.
        library: &'a Path,
        /// How many objects.
        objects: usize,
    },
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
