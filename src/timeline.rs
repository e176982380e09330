//! What each thread did and when, as data: noted by a [`Recorder`], shown as one HTML page ([`Timeline::html`]) or as Chrome trace
//! events ([`Timeline::trace`]), which Perfetto and `chrome://tracing` read. Knows neither units' files nor who makes them.

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

/// A piece of work: what it was, when it was done, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// What it was.
    pub kind: Kind,
    /// The unit's name, the header's, the library's.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
    /// More about that, for a person; may be empty.
    pub note: String,
    /// How long it waited for its turn, where that is known.
    pub queued: Option<Duration>,
    /// Its turn on a thread; none where that never came.
    pub turn: Option<Turn>,
}

/// When a piece of work was done, and where. Times are counted from the recorder's beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its place in [`Timeline::lanes`]. No two turns of one lane overlap, unless several units went through one compiler together.
    pub lane: usize,
    /// When it began.
    pub start: Duration,
    /// When it ended.
    pub end: Duration,
    /// What the time went into, in order and without overlap. What is between them is this crate's own.
    pub stages: Vec<Span>,
}

/// A stretch of time in one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The stage.
    pub stage: Stage,
    /// When it began.
    pub start: Duration,
    /// When it ended.
    pub end: Duration,
}

/// What a piece of work was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Finding a compiler.
    Discovery,
    /// Making the header ready.
    Header,
    /// A unit.
    Unit,
    /// One library of many units.
    Library,
    /// Putting loaded units together.
    Compaction,
}

impl Kind {
    /// A word for it.
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

/// What came of a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As a batch reports it.
    Of(Status),
    /// Nobody wanted it any more, or it waits again.
    Dropped,
    /// It is not over.
    Running,
}

impl Outcome {
    /// Words for it.
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

/// What was recorded.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// When the recorder began.
    pub began: SystemTime,
    /// How long it has been recording.
    pub took: Duration,
    /// The compiler, in words; empty where none was found.
    pub compiler: String,
    /// What the lanes are called: a lane for each thread that did something, by who came first.
    pub lanes: Vec<String>,
    /// The work, by when it ended.
    pub bars: Vec<Bar>,
    /// How many bars were dropped, the oldest, because there were too many.
    pub dropped: u64,
}

impl Timeline {
    /// One HTML page that needs nothing else: its style, its script and its data are in it.
    #[must_use]
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// Chrome trace events ("Trace Event Format", JSON object form): complete events in microseconds, and the threads' names.
    #[must_use]
    pub fn trace(&self) -> String {
        trace::events(self)
    }
}

/// Writes what was made of a timeline, whole or not at all, and makes the directory for it. A FIFO that a process reads, or a device, is written to as it is.
///
/// # Errors
/// [`Error::File`] when the file or its directory cannot be written.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return files::write_to_stream(path, text.as_bytes()).map_err(Error::file("write", path));
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(Error::file("create", dir))?;
    files::write_atomic_by(path, dir, text.as_bytes()).map(drop).map_err(Error::file("write", path))
}
