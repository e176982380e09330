//! The observer that records a timeline. Interprets events; `notes` stores the records.

use std::time::Duration;

use super::notes::Notes;
use super::{Timeline, WorkKind, WorkOutcome};
use crate::event::{Event, Observer, Stage};
use crate::report::Status;
use crate::sync::{Locked, Mutex, lock};

/// How many records to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All records: for work with a known end.
    All,
    /// This number of the latest bars: for a worker that may run for weeks.
    Latest(usize),
}

/// Records a timeline. Shared by threads.
#[derive(Debug)]
pub struct Recorder {
    keep: Keep,
    notes: Mutex<Notes>,
}

impl Recorder {
    /// Creates a recorder; times are relative to now.
    #[must_use]
    pub fn new(keep: Keep) -> Self {
        Self { keep, notes: Mutex::new(Notes::new()) }
    }

    /// Returns an observer that records, and passes events to another observer too.
    #[must_use]
    pub fn beside<'a>(&'a self, other: &'a dyn Observer) -> Recording<'a> {
        Recording { recorder: self, other }
    }

    /// Starts a piece of work on this thread.
    pub(crate) fn begin(&self, kind: WorkKind, name: impl Into<String>, queued: Option<Duration>) {
        self.notes().begin(kind, name.into(), queued);
    }

    /// Ends the innermost piece of work on this thread.
    pub(crate) fn end(&self, outcome: WorkOutcome, note: String) {
        let mut notes = self.notes();
        notes.end_last(outcome, note);
        notes.drop_oldest(self.keep);
    }

    /// Deletes all records except the compiler, and restarts the time. For the child of a fork, which has other threads.
    pub(crate) fn restart(&self) {
        self.notes().restart();
    }

    /// Returns the records so far. Work that continues ends now in them.
    #[must_use]
    pub fn timeline(&self) -> Timeline {
        self.notes().timeline()
    }

    fn notes(&self) -> Locked<'_, Notes> {
        lock(&self.notes)
    }
}

impl Observer for Recorder {
    fn event(&self, event: &Event<'_>) {
        let mut notes = self.notes();
        match *event {
            Event::CompilerChosen { compiler } => {
                notes.found(compiler.family.to_string(), compiler.to_string());
            }
            Event::PchStarted { header } => {
                notes.begin(WorkKind::Header, header.to_string_lossy().into_owned(), None);
                notes.stage_began(Stage::Compile);
            }
            Event::PchReady { file, reused: false, .. } => notes.header_ready(&file.to_string_lossy()),
            Event::PchReady { file, reused: true, took } => notes.header_reused(&file.to_string_lossy(), took),
            Event::PchFailed { header } => {
                notes.end(&header.to_string_lossy(), WorkOutcome::Of(Status::Failed), String::new());
            }
            Event::UnitStarted { unit } => notes.begin(WorkKind::Unit, unit.to_owned(), None),
            Event::UnitCompiled(compiled) => notes.compiled(compiled.unit),
            Event::UnitFinished { report } => notes.finished(report),
            Event::LinkStarted { library, .. } => {
                notes.begin(WorkKind::Library, library.to_string_lossy().into_owned(), None);
            }
            Event::LinkFinished { library, reused } => {
                let status = if reused { Status::Reused } else { Status::Built };
                notes.end(&library.to_string_lossy(), WorkOutcome::Of(status), String::new());
            }
            Event::LinkFailed { library, failure } => {
                notes.end(&library.to_string_lossy(), WorkOutcome::Of(Status::from(failure)), failure.to_string());
            }
            Event::StageBegan { stage } => notes.stage_began(stage),
            Event::StageEnded { stage } => notes.stage_ended(stage),
            _ => return,
        }
        notes.drop_oldest(self.keep);
    }
}

/// Records events, and passes them to another observer.
pub struct Recording<'a> {
    recorder: &'a Recorder,
    other: &'a dyn Observer,
}

impl Observer for Recording<'_> {
    fn event(&self, event: &Event<'_>) {
        self.recorder.event(event);
        self.other.event(event);
    }
}
