//! Sleeps between two checks of a file. Knows nothing of the file.

use std::thread;
use std::time::Duration;

/// The first and the longest interval between checks.
const FIRST_LOOK: Duration = Duration::from_micros(100);
const LAST_LOOK: Duration = Duration::from_millis(2);

/// Sleeps a thirtieth of the time waited so far, within the bounds: the file is found late by at most that part.
pub(super) fn sleep_before_check(waited: Duration) {
    thread::sleep((waited / 30).clamp(FIRST_LOOK, LAST_LOOK));
}
