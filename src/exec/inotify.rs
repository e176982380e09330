//! Waits for a change in a directory, or for a process's end, by Linux's inotify(7) and `pidfd_open(2)`. Knows neither the purpose nor the
//! caller.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::sleep;

/// The maximum wait, in case the system reports nothing.
const AT_MOST: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Reports when a file in a directory was written or renamed. Reuse it, from one thread at a time: the kernel takes long to close an
/// inotify instance, and a user may have about a hundred.
#[derive(Debug)]
pub(crate) struct Watch(Option<OwnedFd>);

/// A directory watch together with a process.
pub(super) struct Changes<'a> {
    /// `None` if the system lacks either descriptor.
    both: Option<(&'a OwnedFd, OwnedFd)>,
}

impl Watch {
    pub(crate) fn on(dir: &Path) -> Self {
        let start = || {
            let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            inotify::add_watch(&inotify, dir, WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO)?;
            Ok::<_, rustix::io::Errno>(inotify)
        };
        Self(start().ok())
    }

    pub(super) fn with_process(&self, process: u32) -> Changes<'_> {
        let pid = Pid::from_raw(process.cast_signed());
        let end = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        Changes { both: self.0.as_ref().zip(end) }
    }
}

impl Changes<'_> {
    /// Waits for the next change, the process's end, or the maximum wait.
    pub(super) fn wait(&self, waited: Duration) {
        let Some((inotify, end)) = &self.both else { return sleep::sleep_before_check(waited) };
        let mut both = [PollFd::new(inotify, PollFlags::IN), PollFd::new(end, PollFlags::IN)];
        // After a signal or an error the caller checks again.
        let _ = poll(&mut both, Some(&AT_MOST));
        let mut buffer = [MaybeUninit::uninit(); 4096];
        while rustix::io::read(inotify, &mut buffer[..]).is_ok() {}
    }
}
