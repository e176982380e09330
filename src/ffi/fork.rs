//! Forks that the host announces: a handle that lives from before the fork until after it.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::fault::{FfiError, OK, Status, status};
use super::memory::wanted;
use super::{Worker, worker};
use crate::worker::Fork as Held;

/// `mjitcc_fork`. It holds the worker's lock, so it must stay on its thread, as `mjitcc.h` requires.
pub struct Fork {
    // The order of drops: the lock before the worker.
    held: Held<'static>,
    worker: Arc<Worker>,
}

/// The number of the next handle.
static NEXT: AtomicUsize = AtomicUsize::new(16);

thread_local! {
    /// The workers that this thread stopped for a fork, by the numbers of their handles.
    static HELD: RefCell<Vec<(usize, Fork)>> = const { RefCell::new(Vec::new()) };
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_worker_before_fork(worker: *mut Worker, fork: *mut *mut Fork) -> Status {
    status(|| {
        wanted(fork, "the pointer to the fork")?;
        // SAFETY: `mjitcc.h` requires it of the caller.
        unsafe { fork.write(std::ptr::null_mut()) };
        let worker = worker::open(worker)?;
        // SAFETY: `Fork` keeps the worker alive longer than the lock.
        let held = unsafe { &*Arc::as_ptr(&worker) }.worker.before_fork();
        let number = NEXT.fetch_add(16, Ordering::Relaxed);
        HELD.with_borrow_mut(|all| all.push((number, Fork { held, worker })));
        // SAFETY: `mjitcc.h` requires it of the caller.
        unsafe { fork.write(std::ptr::without_provenance_mut(number)) };
        Ok(OK)
    })
}

fn end(fork: *mut Fork, end: impl FnOnce(Held<'static>)) -> Status {
    status(|| {
        if fork.is_null() {
            return Err(FfiError::invalid("the fork is NULL"));
        }
        let found = HELD.with_borrow_mut(|all| {
            let at = all.iter().position(|(number, _)| *number == fork.addr())?;
            Some(all.swap_remove(at).1)
        });
        let gone = || FfiError::misuse("the mjitcc_fork was given back already, or belongs to another thread");
        let Fork { held, worker } = found.ok_or_else(gone)?;
        end(held);
        drop(worker);
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_fork_in_parent(fork: *mut Fork) -> Status {
    end(fork, Held::in_parent)
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_fork_in_child(fork: *mut Fork) -> Status {
    end(fork, Held::in_child)
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_fork_failed(fork: *mut Fork) -> Status {
    end(fork, drop)
}
