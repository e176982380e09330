//! Waiting for something to change in a directory, or for a process's end, as Linux tells of both: inotify(7), `pidfd_open(2)`. Knows neither
//! what is waited for nor who waits.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::sleep;

/// Whatever the system may have kept to itself is found out so soon.
const AT_MOST: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Tells when a file in a directory was written or renamed. Best kept, and used by one thread at a time: the kernel takes its time to end one,
/// and a user has a hundred or so.
#[derive(Debug)]
pub(crate) struct Watch(Option<OwnedFd>);

/// A watch while a process runs.
pub(super) struct Changes<'a> {
    /// None where the system gave none of one of them.
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

    pub(super) fn with(&self, process: u32) -> Changes<'_> {
        let pid = Pid::from_raw(process.cast_signed());
        let end = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        Changes { both: self.0.as_ref().zip(end) }
    }
}

impl Changes<'_> {
    /// Waits for a change since the last one, or the process's end, or a while.
    pub(super) fn wait(&self, waited: Duration) {
        let Some((inotify, end)) = &self.both else { return sleep::a_while(waited) };
        let mut both = [PollFd::new(inotify, PollFlags::IN), PollFd::new(end, PollFlags::IN)];
        // A signal, or a mistake: whoever waits looks again.
        let _ = poll(&mut both, Some(&AT_MOST));
        let mut buffer = [MaybeUninit::uninit(); 4096];
        while rustix::io::read(inotify, &mut buffer[..]).is_ok() {}
    }
}
