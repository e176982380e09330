//! Forking a VM with its worker: both processes go on.

use std::io;

use crate::jit::Jit;

/// Which process this is.
#[cfg_attr(not(unix), expect(dead_code, reason = "nothing forks here"))]
pub(crate) enum Side {
    /// There is only one.
    Alone,
    Parent(Child),
    Child,
}

#[cfg(unix)]
pub(crate) use unix::{Child, fork};

#[cfg(unix)]
mod unix {
    #![expect(unsafe_code, reason = "a process is forked")]

    use rustix::process::{Pid, WaitOptions, waitpid};

    use super::{Jit, Side, io};

    /// The other process, for the parent.
    pub(crate) struct Child(Pid);

    pub(crate) fn fork(jit: Option<&Jit>) -> io::Result<Side> {
        let held = jit.map(Jit::before_fork);
        // SAFETY: the other threads are the worker's, which hold no lock while it is held still, and the main thread, which waits
        // for this one. The child goes on without them.
        match unsafe { libc::fork() } {
            // Dropped, what is held takes the fork for failed.
            -1 => Err(io::Error::last_os_error()),
            0 => {
                if let Some(held) = held {
                    held.in_child();
                }
                Ok(Side::Child)
            }
            child => {
                if let Some(held) = held {
                    held.in_parent();
                }
                let pid = Pid::from_raw(child).ok_or(io::ErrorKind::InvalidData)?;
                Ok(Side::Parent(Child(pid)))
            }
        }
    }

    impl Child {
        /// Waits for its end: whether that was a good one.
        pub(crate) fn join(self) -> io::Result<bool> {
            let status = waitpid(Some(self.0), WaitOptions::empty())?;
            Ok(status.is_some_and(|(_, status)| status.exit_status() == Some(0)))
        }
    }
}

#[cfg(not(unix))]
pub(crate) enum Child {}

#[cfg(not(unix))]
pub(crate) fn fork(_jit: Option<&Jit>) -> io::Result<Side> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(unix))]
impl Child {
    pub(crate) fn join(self) -> io::Result<bool> {
        match self {}
    }
}
