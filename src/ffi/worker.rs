//! The worker, as a handle. Any thread may call any function of this file.

use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::fault::{FfiError, OK, Status, guarded, status, yes};
use super::handles::{self, Handles};
use super::host;
use super::memory::{read, wanted};
use super::options::{NO_TIMEOUT, builder};
use super::{OwnerFn, Slot, SourceLocation, WorkerOptions, slot};
use crate::worker::{self, AssumptionId, OwnerId, Switches};

/// The workers that C owns.
pub(super) static WORKERS: Handles<Worker> = Handles::new();

/// `mjitcc_worker`.
pub struct Worker {
    pub(super) worker: worker::Worker,
    /// The number of `enter_gc` without `leave_gc`: a `leave_gc` too many would panic in the worker.
    collecting: AtomicUsize,
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_worker_start(options: *const WorkerOptions, worker: *mut *mut Worker) -> Status {
    status(|| {
        wanted(worker, "the pointer to the worker")?;
        // SAFETY: `mjitcc.h` requires it of the caller.
        let (builder, callbacks) = unsafe {
            worker.write(ptr::null_mut());
            builder(&read(options)?)?
        };
        let started = Worker { worker: builder.start(Arc::new(callbacks)), collecting: AtomicUsize::new(0) };
        handles::follow_forks();
        // SAFETY: `mjitcc.h` requires it of the caller.
        unsafe { worker.write(WORKERS.give(Arc::new(started))) };
        Ok(OK)
    })
}

/// Returns the worker of a handle, if the worker belongs to this process or can be continued in it.
pub(super) fn open(worker: *const Worker) -> Result<Arc<Worker>, FfiError> {
    let worker = WORKERS.open(worker, "worker")?;
    if worker.worker.is_here() {
        return Ok(worker);
    }
    Err(FfiError::misuse(
        "the worker belongs to the process that this process was forked from: announce forks with mjitcc_worker_before_fork",
    ))
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_worker_submit(
    worker: *mut Worker,
    owner: u64,
    location: *const SourceLocation,
    calls: u64,
    switches: u64,
    slot: *mut *mut Slot,
) -> Status {
    status(|| {
        wanted(slot, "the pointer to the slot")?;
        // SAFETY: `mjitcc.h` requires it of the caller.
        let (worker, location) = unsafe {
            slot.write(ptr::null_mut());
            let location =
                if location.is_null() { worker::SourceLocation::default() } else { host::source_location(location)? };
            (open(worker)?, location)
        };
        let calls = Arc::new(AtomicU64::new(calls));
        let submitted = worker.worker.submit_with(OwnerId(owner), location, Arc::clone(&calls), Switches(switches));
        // SAFETY: `mjitcc.h` requires it of the caller.
        unsafe { slot.write(Slot::share(submitted, calls)) };
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_worker_recompile(
    worker: *mut Worker,
    slot: *const Slot,
    switches: u64,
) -> Status {
    status(|| {
        // SAFETY: `mjitcc.h` requires it of the caller.
        let (worker, slot) = unsafe { (open(worker)?, slot::open(slot)?) };
        Ok(yes(worker.worker.recompile(&slot.slot, Switches(switches))))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_worker_run_vm_jobs(worker: *mut Worker) -> usize {
    guarded(
        |_| 0,
        || {
            // SAFETY: `mjitcc.h` requires it of the caller.
            Ok(open(worker)?.worker.run_vm_jobs())
        },
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_worker_enter_gc(worker: *mut Worker) -> Status {
    status(|| {
        // SAFETY: `mjitcc.h` requires it of the caller.
        let worker = open(worker)?;
        worker.worker.enter_gc();
        worker.collecting.fetch_add(1, Ordering::Relaxed);
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_worker_leave_gc(worker: *mut Worker) -> Status {
    status(|| {
        // SAFETY: `mjitcc.h` requires it of the caller.
        let worker = open(worker)?;
        let less = |count: usize| count.checked_sub(1);
        if worker.collecting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err() {
            return Err(FfiError::misuse("the collector was left without being entered"));
        }
        worker.worker.leave_gc();
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_worker_owner_died(worker: *mut Worker, owner: u64) -> Status {
    status(|| {
        // SAFETY: `mjitcc.h` requires it of the caller.
        open(worker)?.worker.owner_died(OwnerId(owner));
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_worker_owner_moved(worker: *mut Worker, from: u64, to: u64) -> Status {
    status(|| {
        // SAFETY: `mjitcc.h` requires it of the caller.
        open(worker)?.worker.owner_moved(OwnerId(from), OwnerId(to));
        Ok(OK)
    })
}

/// Calls `each` for each owner, with no lock held.
fn tell(owners: &[OwnerId], each: Option<OwnerFn>, ctx: *mut c_void) {
    let Some(each) = each else { return };
    for owner in owners {
        // SAFETY: the host registered a function of this type.
        unsafe { each(ctx, owner.0) };
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_worker_living_owners(
    worker: *mut Worker,
    each: Option<OwnerFn>,
    ctx: *mut c_void,
) -> Status {
    status(|| {
        // SAFETY: `mjitcc.h` requires it of the caller.
        tell(&open(worker)?.worker.living_owners(), each, ctx);
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_worker_invalidate(
    worker: *mut Worker,
    assumption: u64,
    each: Option<OwnerFn>,
    ctx: *mut c_void,
) -> Status {
    status(|| {
        // SAFETY: `mjitcc.h` requires it of the caller.
        tell(&open(worker)?.worker.invalidate(AssumptionId(assumption)), each, ctx);
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_worker_cancel_all(
    worker: *mut Worker,
    each: Option<OwnerFn>,
    ctx: *mut c_void,
) -> Status {
    status(|| {
        // SAFETY: `mjitcc.h` requires it of the caller.
        tell(&open(worker)?.worker.cancel_all(), each, ctx);
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_worker_is_enabled(worker: *const Worker) -> Status {
    status(|| {
        // SAFETY: `mjitcc.h` requires it of the caller.
        Ok(yes(open(worker)?.worker.is_enabled()))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_worker_pause(worker: *mut Worker, drain: i32) -> Status {
    status(|| {
        // SAFETY: `mjitcc.h` requires it of the caller.
        Ok(yes(open(worker)?.worker.pause(drain != 0)))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_worker_wait(worker: *mut Worker, timeout_ms: u64) -> Status {
    status(|| Ok(yes(open(worker)?.worker.wait_idle(limit(timeout_ms)))))
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_worker_wait_slot(
    worker: *mut Worker,
    slot: *const Slot,
    timeout_ms: u64,
) -> Status {
    status(|| {
        // SAFETY: as the header says.
        let slot = unsafe { slot::inside(slot) }?;
        Ok(slot::number(open(worker)?.worker.wait_for(slot, limit(timeout_ms))))
    })
}

/// A time to wait for; unlike an option, 0 is 0.
fn limit(ms: u64) -> Option<Duration> {
    (ms != NO_TIMEOUT).then(|| Duration::from_millis(ms))
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_worker_resume(worker: *mut Worker) -> Status {
    status(|| {
        // SAFETY: `mjitcc.h` requires it of the caller.
        Ok(yes(open(worker)?.worker.resume()))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_worker_prepare_exec(worker: *mut Worker) -> Status {
    status(|| {
        // SAFETY: `mjitcc.h` requires it of the caller.
        open(worker)?.worker.prepare_exec();
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_worker_finish(worker: *mut Worker) -> Status {
    status(|| {
        if !worker.is_null() {
            let worker = WORKERS.take(worker, "worker")?;
            match Arc::try_unwrap(worker) {
                Ok(worker) => worker.worker.finish(),
                // Another call still uses the worker, which the header forbids. The end of that call drops the rest.
                Err(worker) => worker.worker.prepare_exec(),
            }
        }
        Ok(OK)
    })
}
