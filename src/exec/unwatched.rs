//! Waiting for something to change in a directory where the system is not asked to tell: by looking again.

use std::path::Path;
use std::time::Duration;

use super::sleep;

/// Watches nothing.
#[derive(Debug)]
pub(crate) struct Watch;

/// Nothing, for a while.
pub(super) struct Changes;

impl Watch {
    pub(crate) fn on(_dir: &Path) -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "elsewhere there is something to ask")]
    pub(super) fn with(&self, _process: u32) -> Changes {
        Changes
    }
}

impl Changes {
    /// Waits longer, the longer was waited before.
    #[expect(clippy::unused_self, reason = "elsewhere there is something to ask")]
    pub(super) fn wait(&self, waited: Duration) {
        sleep::a_while(waited);
    }
}
