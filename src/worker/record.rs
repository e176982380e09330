//! The timeline of a worker, for the options `timings` and `trace`: recorded in memory, and written when the worker stops.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::options::Options;
use super::{CodeError, Shared, WorkerEvent};
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::report::Status;
use crate::timeline::{self, Keep, Recorder, WorkKind, WorkOutcome};

/// The number of bars that are kept, so that a worker that runs for weeks needs only some megabytes for them.
const MOST_BARS: usize = 10_000;

/// A recorder, and the files to write.
pub(super) struct WorkerTimeline {
    recorder: Recorder,
    timings: Option<PathBuf>,
    trace: Option<PathBuf>,
    /// The process of these files: the child of a fork has files of its own.
    process: u32,
}

/// Work that is being recorded, if recording is on.
#[must_use = "the work ends when this is dropped"]
pub(super) struct RecordedWork<'a> {
    recorder: Option<&'a Recorder>,
    outcome: WorkOutcome,
    note: String,
}

impl WorkerTimeline {
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

    /// Discards the records of the parent in the child of a fork.
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
    /// Records the begin of work on this thread, and its end when the returned value is dropped.
    pub(super) fn record(&self, kind: WorkKind, name: impl ToString, queued: Option<Duration>) -> RecordedWork<'_> {
        let recorder = self.record.as_ref().map(|record| &record.recorder);
        if let Some(recorder) = recorder {
            recorder.begin(kind, name.to_string(), queued);
        }
        RecordedWork { recorder, outcome: WorkOutcome::Dropped, note: String::new() }
    }

    /// Writes the timeline. An error is a warning, since the worker stops.
    pub(super) fn write_record(&self) {
        if let Some(Err(error)) = self.record.as_ref().map(WorkerTimeline::write) {
            self.tell(&WorkerEvent::Warning(error.to_string()));
        }
    }
}

impl RecordedWork<'_> {
    pub(super) fn ends(mut self, status: Status) {
        self.outcome = WorkOutcome::Of(status);
    }

    pub(super) fn fails(mut self, why: &impl ToString) {
        self.outcome = WorkOutcome::Of(Status::Failed);
        self.note = self.recorder.map(|_| why.to_string()).unwrap_or_default();
    }

    /// Records that a unit has no code.
    pub(super) fn has_no_code(self, why: &CodeError) {
        match why {
            CodeError::NotBuilt(_) | CodeError::NotGenerated(_) | CodeError::Panicked => self.fails(why),
            // The unit is not wrong, but no longer needed.
            _ => drop(self),
        }
    }
}

impl Drop for RecordedWork<'_> {
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
    fn files_of_a_child_have_its_process_id() {
        assert_eq!(of_process(Path::new("dir/t.html"), 12), Path::new("dir/t.12.html"));
        assert_eq!(of_process(Path::new("trace"), 12), Path::new("trace.12"));
    }
}
