//! The work of each thread over time, as data: recorded by a [`Recorder`], shown as one HTML page ([`Timeline::html`]) or as Chrome trace
//! events ([`Timeline::trace`]), which Perfetto and `chrome://tracing` read. Knows neither units' files nor the code that does the work.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::error::Error;
use crate::event::Stage;
use crate::files;
use crate::report::Status;

mod html;
mod notes;
mod recorder;
mod trace;

pub use recorder::{Keep, Recorder, Recording};

/// A piece of work: its kind, its time and its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// The kind of work.
    pub kind: WorkKind,
    /// The name of the unit, header or library.
    pub name: String,
    /// The outcome.
    pub outcome: WorkOutcome,
    /// Details for display; may be empty.
    pub note: String,
    /// The time between submission and start, if known.
    pub queued: Option<Duration>,
    /// The thread and the time; `None` if the work never started.
    pub turn: Option<Turn>,
}

/// The thread and the time of a piece of work. Times are relative to the recorder's start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The index in [`Timeline::lanes`]. Turns of one lane do not overlap, unless several units shared one compiler process.
    pub lane: usize,
    /// The start.
    pub start: Duration,
    /// The end.
    pub end: Duration,
    /// The stages, in order and without overlap. The time between them is spent in this crate.
    pub stages: Vec<Span>,
}

/// The time of one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The stage.
    pub stage: Stage,
    /// The start.
    pub start: Duration,
    /// The end.
    pub end: Duration,
}

/// The kind of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkKind {
    /// Finding a compiler.
    Discovery,
    /// Preparing the header.
    Header,
    /// Compiling a unit.
    Unit,
    /// Linking one library of many units.
    Library,
    /// Compacting loaded units into one library.
    Compaction,
}

impl WorkKind {
    /// Returns the display name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Discovery => "discovery",
            Self::Header => "header",
            Self::Unit => "unit",
            Self::Library => "library",
            Self::Compaction => "compaction",
        }
    }
}

/// The outcome of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkOutcome {
    /// The status, as in a batch's report.
    Of(Status),
    /// The work was cancelled, or waits again.
    Dropped,
    /// The work continues.
    Running,
}

impl WorkOutcome {
    /// Returns the display text.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Of(Status::Built) => "built",
            Self::Of(Status::Reused) => "reused",
            Self::Of(Status::Failed) => "failed",
            Self::Of(Status::TimedOut) => "timed out",
            Self::Of(Status::Skipped) => "skipped",
            Self::Of(Status::Interrupted) => "interrupted",
            Self::Dropped => "dropped",
            Self::Running => "running",
        }
    }
}

/// The recorded work.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// When the recorder started.
    pub began: SystemTime,
    /// How long the recorder has been recording.
    pub took: Duration,
    /// A description of the compiler; empty if none was found.
    pub compiler: String,
    /// The names of the lanes: one lane per thread that did work, in the order of their first work.
    pub lanes: Vec<String>,
    /// The work, in the order of its end.
    pub bars: Vec<Bar>,
    /// The number of dropped bars: the oldest are dropped if there are too many.
    pub dropped: u64,
}

impl Timeline {
    /// Returns one self-contained HTML page, with style, script and data.
    #[must_use]
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// Returns Chrome trace events ("Trace Event Format", JSON object form): complete events in microseconds, and the threads' names.
    #[must_use]
    pub fn trace(&self) -> String {
        trace::events(self)
    }
}

/// Writes a timeline's text atomically, and creates the directory. Writes directly to a FIFO that a process reads, or to a device.
///
/// # Errors
/// [`Error::File`] if the file or its directory cannot be written.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return files::write_to_stream(path, text.as_bytes()).map_err(Error::file("write", path));
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(Error::file("create", dir))?;
    files::write_atomic_by(path, dir, text.as_bytes()).map(drop).map_err(Error::file("write", path))
}
