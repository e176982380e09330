//! Takes note of who does what and when: the one observer that a timeline comes from. What an event means for it is here,
//! how it is kept in `notes`.

use std::time::Duration;

use super::notes::Notes;
use super::{Kind, Outcome, Timeline};
use crate::event::{Event, Observer, Stage};
use crate::report::Status;
use crate::sync::{Locked, Mutex, lock};

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Everything: for work whose end is known.
    All,
    /// So many bars, the latest: for a worker that may run for weeks.
    Latest(usize),
}

/// Takes notes. Shared by threads.
#[derive(Debug)]
pub struct Recorder {
    keep: Keep,
    notes: Mutex<Notes>,
}

impl Recorder {
    /// Time is counted from now.
    #[must_use]
    pub fn new(keep: Keep) -> Self {
        Self { keep, notes: Mutex::new(Notes::new()) }
    }

    /// An observer that takes note and tells another one too.
    #[must_use]
    pub fn beside<'a>(&'a self, other: &'a dyn Observer) -> Recording<'a> {
        Recording { recorder: self, other }
    }

    /// A piece of work begins on this thread.
    pub(crate) fn begin(&self, kind: Kind, name: impl Into<String>, queued: Option<Duration>) {
        self.notes().begin(kind, name.into(), queued);
    }

    /// What began last on this thread ends.
    pub(crate) fn end(&self, outcome: Outcome, note: String) {
        let mut notes = self.notes();
        notes.end_last(outcome, note);
        notes.drop_oldest(self.keep);
    }

    /// Forgets everything but the compiler, and counts from now. For the child of a fork: it has other threads.
    pub(crate) fn restart(&self) {
        self.notes().restart();
    }

    /// What there is so far. What is not over ends now.
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
                notes.begin(Kind::Header, header.to_string_lossy().into_owned(), None);
                notes.stage_began(Stage::Compile);
            }
            Event::PchReady { file, reused: false, .. } => notes.header_ready(&file.to_string_lossy()),
            Event::PchReady { file, reused: true, took } => notes.header_reused(&file.to_string_lossy(), took),
            Event::PchFailed { header } => {
                notes.end(&header.to_string_lossy(), Outcome::Of(Status::Failed), String::new());
            }
            Event::UnitStarted { unit } => notes.begin(Kind::Unit, unit.to_owned(), None),
            Event::UnitCompiled(compiled) => notes.compiled(compiled.unit),
            Event::UnitFinished { report } => notes.finished(report),
            Event::LinkStarted { library, .. } => {
                notes.begin(Kind::Library, library.to_string_lossy().into_owned(), None);
            }
            Event::LinkFinished { library, reused } => {
                let status = if reused { Status::Reused } else { Status::Built };
                notes.end(&library.to_string_lossy(), Outcome::Of(status), String::new());
            }
            Event::LinkFailed { library, failure } => {
                notes.end(&library.to_string_lossy(), Outcome::Of(Status::from(failure)), failure.to_string());
            }
            Event::StageBegan { stage } => notes.stage_began(stage),
            Event::StageEnded { stage } => notes.stage_ended(stage),
            _ => return,
        }
        notes.drop_oldest(self.keep);
    }
}

/// Takes note, and tells another observer.
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
