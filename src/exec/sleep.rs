//! Sleeping between one look at something and the next. Knows nothing of what is looked at.

use std::thread;
use std::time::Duration;

/// How soon somebody who waits for a file looks for it again, at first and in the end.
const FIRST_LOOK: Duration = Duration::from_micros(100);
const LAST_LOOK: Duration = Duration::from_millis(2);

/// Sleeps before somebody who has waited so long for a file looks for it again: it is found late by a thirtieth of the time it took.
pub(super) fn a_while(waited: Duration) {
    thread::sleep((waited / 30).clamp(FIRST_LOOK, LAST_LOOK));
}
