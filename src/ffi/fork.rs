//! Forking with a worker, as a handle that lives from before to after.

use super::fault::{Fault, OK, Status, status};
use super::memory::wanted;
use super::{Worker, worker};
use crate::worker::Fork as Held;

/// `mjitcc_fork`: holds the worker's lock, so that it may not go to another thread; the header says so.
pub struct Fork(Held<'static>);

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mjitcc_worker_before_fork(worker: *mut Worker, fork: *mut *mut Fork) -> Status {
    status(|| {
        wanted(fork, "the place for the fork")?;
        // SAFETY: as the header says: the worker is not finished before the fork is over.
        let worker: &'static Worker = unsafe {
            fork.write(std::ptr::null_mut());
            worker::open(worker)
        }?;
        let held = Fork(worker.worker.before_fork());
        // SAFETY: as the header says.
        unsafe { fork.write(Box::into_raw(Box::new(held))) };
        Ok(OK)
    })
}

/// # Safety
/// `fork` is null or came from `before_fork`, on this thread, and was not given back yet.
unsafe fn take(fork: *mut Fork) -> Result<Held<'static>, Fault> {
    if fork.is_null() {
        return Err(Fault::invalid("the fork is NULL"));
    }
    // SAFETY: the caller says so.
    Ok(unsafe { Box::from_raw(fork) }.0)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mjitcc_fork_in_parent(fork: *mut Fork) -> Status {
    status(|| {
        // SAFETY: as the header says.
        unsafe { take(fork) }?.in_parent();
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mjitcc_fork_in_child(fork: *mut Fork) -> Status {
    status(|| {
        // SAFETY: as the header says.
        unsafe { take(fork) }?.in_child();
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mjitcc_fork_failed(fork: *mut Fork) -> Status {
    status(|| {
        // SAFETY: as the header says.
        drop(unsafe { take(fork) }?);
        Ok(OK)
    })
}
