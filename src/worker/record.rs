//! What a worker writes down of itself, where the host wants that: a timeline, kept in memory and written when the worker stops.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::options::Options;
use super::{CodeError, Shared, WorkerEvent};
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::report::Status;
use crate::timeline::{self, Keep, Recorder, WorkKind, WorkOutcome};

/// How much is kept, so that a worker that runs for weeks needs no more memory for it than one that runs for a minute: some megabytes.
const MOST_BARS: usize = 10_000;

/// A recorder, and the files that come of it.
pub(super) struct Record {
    recorder: Recorder,
    timings: Option<PathBuf>,
    trace: Option<PathBuf>,
    /// Whose files these are: the child of a fork has its own.
    process: u32,
}

/// A piece of work that is being recorded, if any is.
#[must_use = "the work ends when this is dropped"]
pub(super) struct Recorded<'a> {
    recorder: Option<&'a Recorder>,
    outcome: WorkOutcome,
    note: String,
}

impl Record {
    pub(super) fn new(options: &Options) -> Option<Self> {
        let Options { timings, trace, .. } = options;
        (timings.is_some() || trace.is_some()).then(|| Self {
            recorder: Recorder::new(Keep::Latest(MOST_BARS)),
            timings: timings.clone(),
            trace: trace.clone(),
            process: std::process::id(),
        })
    }

    pub(super) fn event(&self, event: &Event<'_>) {
        self.recorder.event(event);
    }

    /// In the child of a fork: the parent's threads and what they did are the parent's.
    pub(super) fn restart(&self) {
        self.recorder.restart();
    }

    fn write(&self) -> Result<(), Error> {
        let process = std::process::id();
        let place = |path: &Path| if process == self.process { path.to_owned() } else { of_process(path, process) };
        let timeline = self.recorder.timeline();
        if let Some(path) = &self.timings {
            timeline::write(&place(path), &timeline.html())?;
        }
        if let Some(path) = &self.trace {
            timeline::write(&place(path), &timeline.trace())?;
        }
        Ok(())
    }
}

impl Shared {
    /// Something begins on this thread; it ends when what this gives is dropped.
    pub(super) fn record(&self, kind: WorkKind, name: impl ToString, queued: Option<Duration>) -> Recorded<'_> {
        let recorder = self.record.as_ref().map(|record| &record.recorder);
        if let Some(recorder) = recorder {
            recorder.begin(kind, name.to_string(), queued);
        }
        Recorded { recorder, outcome: WorkOutcome::Dropped, note: String::new() }
    }

    /// Writes what was recorded. A host that stops has more to do than to look after that: what goes wrong is a warning.
    pub(super) fn write_record(&self) {
        if let Some(Err(error)) = self.record.as_ref().map(Record::write) {
            self.tell(&WorkerEvent::Warning(error.to_string()));
        }
    }
}

impl Recorded<'_> {
    /// What came of it.
    pub(super) fn ends(mut self, status: Status) {
        self.outcome = WorkOutcome::Of(status);
    }

    /// Nothing came of it.
    pub(super) fn fails(mut self, why: &impl ToString) {
        self.outcome = WorkOutcome::Of(Status::Failed);
        self.note = self.recorder.map(|_| why.to_string()).unwrap_or_default();
    }

    /// A unit has no code.
    pub(super) fn has_no_code(self, why: &CodeError) {
        match why {
            CodeError::NotBuilt(_) | CodeError::NotGenerated(_) | CodeError::Panicked => self.fails(why),
            // Nothing is wrong with it; it is not wanted any more.
            _ => drop(self),
        }
    }
}

impl Drop for Recorded<'_> {
    fn drop(&mut self) {
        if let Some(recorder) = self.recorder {
            recorder.end(self.outcome, std::mem::take(&mut self.note));
        }
    }
}

/// `timings.html` becomes `timings.12.html`.
fn of_process(path: &Path, process: u32) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!(".{process}"));
    if let Some(extension) = path.extension() {
        name.push(OsString::from("."));
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_s_files_have_its_number() {
        assert_eq!(of_process(Path::new("dir/t.html"), 12), Path::new("dir/t.12.html"));
        assert_eq!(of_process(Path::new("trace"), 12), Path::new("trace.12"));
    }
}
