//! What a C engine tells its host: by the host's function, or as lines on standard error.

use std::io::Write as _;

use super::host::Context;
use super::{ObserveFn, event};
use crate::event::{Event, Observer};
use crate::worker::WorkerEvent;

/// Tells the host's function, or prints as the worker does: a line is one write, since others write there too.
pub(super) struct Log {
    pub(super) verbose: u32,
    pub(super) warnings: bool,
    pub(super) observe: Option<(ObserveFn, Context)>,
}

impl Log {
    pub(super) fn line(&self, level: u32, line: &[u8]) -> bool {
        if level > self.verbose {
            return false;
        }
        std::io::stderr().write_all(&[line, b"\n"].concat()).is_ok()
    }
}

impl Observer for Log {
    fn event(&self, event: &Event<'_>) {
        let Some(event) = WorkerEvent::of(event) else { return };
        if let Some((observe, ctx)) = self.observe {
            return event::tell(observe, ctx, &event);
        }
        let is_warning = self.warnings && matches!(event, WorkerEvent::Warning(_));
        self.line(if is_warning { 0 } else { u32::from(event.level()) }, event.to_string().as_bytes());
    }
}
