//! Forks of a VM with its worker: both processes continue.

use std::io;

use crate::jit::Jit;

/// The process after the fork.
#[cfg_attr(not(unix), expect(dead_code, reason = "nothing forks here"))]
pub(crate) enum Side {
    /// There is only one process: no fork, or the fork failed.
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

    /// The parent, with the child process.
    pub(crate) struct Child(Pid);

    pub(crate) fn fork(jit: Option<&Jit>) -> io::Result<Side> {
        let held = jit.map(Jit::before_fork);
        // SAFETY: the other threads are those of the worker, which is stopped and holds no lock, and the main thread, which waits for this
        // thread. The child continues without them.
        match unsafe { libc::fork() } {
            // The drop of the stopped worker means that the fork failed.
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
        /// Waits for the end of the process; true if it succeeded.
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
