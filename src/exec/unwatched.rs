//! Waits for a change in a directory by polling, for systems without notifications here.

use std::path::Path;
use std::time::Duration;

use super::sleep;

/// Watches nothing.
#[derive(Debug)]
pub(crate) struct Watch;

/// A wait without notifications.
pub(super) struct Changes;

impl Watch {
    pub(crate) fn on(_dir: &Path) -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "elsewhere there is something to ask")]
    pub(super) fn with_process(&self, _process: u32) -> Changes {
        Changes
    }
}

impl Changes {
    /// Waits for an interval that grows with the time waited so far.
    #[expect(clippy::unused_self, reason = "elsewhere there is something to ask")]
    pub(super) fn wait(&self, waited: Duration) {
        sleep::sleep_before_check(waited);
    }
}
