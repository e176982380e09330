//! The interface between a VM and its worker: the trait [`Host`] and its types. Knows nothing about queues and threads.

use std::ffi::c_void;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

use super::jobs::{Desk, JobError};
use crate::error::UnitError;

/// The host's number of an owner: the method, loop or other object that a unit is generated from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OwnerId(pub u64);

/// The host's number of an assumption that code depends on, such as "this method is not redefined".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AssumptionId(pub u64);

/// How to generate a unit, for example without some speculations. The worker passes the switches on to the host unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Switches(pub u64);

/// The name of a unit in messages. The strings are owned, since strings of the host may move or die (Ruby ce7b1132, 7c0639f3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceLocation {
    /// The name of the owner, such as `block in <main>`.
    pub label: String,
    /// The source file of the owner.
    pub path: String,
    /// The line in the source file.
    pub line: u32,
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}", self.label, self.path, self.line)
    }
}

/// The callbacks of a VM. The worker's threads call them; a panic fails the unit that the call was made for. A callback (and an observer)
/// must not call functions that wait for the worker (`pause`, `enter_gc`, `before_fork`, `prepare_exec`), and must not drop the last
/// reference to the [`Worker`](super::Worker).
pub trait Host: Send + Sync + 'static {
    /// Returns the C text of a unit, which defines the function [`Request::entry`]. During the call the collector cannot run and the owner
    /// lives. Must not allocate from the collected heap or call into the VM. Take a snapshot of the VM state that `generate` needs before
    /// you submit; otherwise use [`Request::on_vm_thread`].
    ///
    /// # Errors
    /// The reason why the unit cannot be generated.
    fn generate(&self, request: &Request<'_>) -> Result<Generated, String>;

    /// The code of a unit was published in its slot, or moved to another address. During the call the owner lives, the collector cannot
    /// run, and the worker's lock is not held. The code may already be cancelled again: read the slot, and never store the address.
    fn published(&self, owner: OwnerId, address: NonNull<c_void>) {
        let _ = (owner, address);
    }

    /// Sets [`Code::on_stack`] for all code that may be on the stack of a thread, fiber or continuation. The flag is false before the call;
    /// during the call the collector cannot run. The default sets all flags, so that no code is ever unloaded. A host whose callers all
    /// hold a guard ([`Slot::enter`](super::Slot::enter)) sets none.
    fn scan_stacks(&self, code: &mut [Code]) {
        code.iter_mut().for_each(|code| code.on_stack = true);
    }

    /// A job waits for the VM's thread ([`Request::on_vm_thread`]), which must call [`run_vm_jobs`](super::Worker::run_vm_jobs) at its next
    /// safe point.
    fn vm_jobs_wait(&self) {}
}

/// Identifies the unit whose C text [`Host::generate`] has to return.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The number of the unit.
    pub id: u64,
    /// The owner, by its number when `generate` was called. The number may change during [`on_vm_thread`](Self::on_vm_thread).
    pub owner: OwnerId,
    /// The required name of the function.
    pub entry: &'a str,
    /// The switches of the submission.
    pub switches: Switches,
    pub(super) desk: &'a dyn Desk,
}

impl Request<'_> {
    /// Runs a job on the VM's thread and waits for its end. Use this to read state that only the VM's thread may read. The collector may
    /// run during the wait: the owner may move, and may die unless the host marks [`living_owners`](super::Worker::living_owners).
    ///
    /// # Errors
    /// [`JobError`]: then return any error from `generate`.
    pub fn on_vm_thread<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, JobError> {
        super::jobs::run(self.desk, job)
    }
}

/// The C text of a unit, and what the text depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generated {
    /// The text.
    pub text: String,
    /// The assumptions that the code depends on: [`invalidate`](super::Worker::invalidate) of one of them cancels the code.
    pub assumptions: Vec<AssumptionId>,
    /// Owners whose code is inlined. They must live as long as the unit.
    pub inlined: Vec<Inlined>,
}

/// An owner whose code is inlined in the code of another owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inlined {
    /// The inlined owner.
    pub owner: OwnerId,
    /// The name of the owner in messages.
    pub location: SourceLocation,
}

impl From<String> for Generated {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

/// Loaded code, for [`Host::scan_stacks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code {
    /// The owner. An owner may have old and new code. The owner of code that is being unloaded may be dead, and its number reused: compare
    /// the number, but do not access the owner.
    pub owner: OwnerId,
    /// The entry of the code.
    pub address: NonNull<c_void>,
    /// The answer: true if the code may be on a stack.
    pub on_stack: bool,
}

/// Why a slot has no code.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// The host freed the owner.
    #[error("the owner was freed")]
    OwnerDied,
    /// An assumption of the unit no longer holds.
    #[error("an assumption of the unit no longer holds")]
    NoLongerTrue(AssumptionId),
    /// All code was cancelled.
    #[error("the unit was cancelled")]
    Cancelled,
    /// The host could not generate the C text; the host's reason.
    #[error("{0}")]
    NotGenerated(String),
    /// [`Host::generate`] panicked.
    #[error("generating the C text panicked")]
    Panicked,
    /// Compiling, linking or loading failed.
    #[error("{0}")]
    NotBuilt(Arc<UnitError>),
    /// Compiling is disabled, for example because no compiler works.
    #[error("compiling is disabled: {0}")]
    Disabled(Arc<crate::Error>),
    /// The unit was not ready within the time that `submit` waits.
    #[error("the unit was not ready in time")]
    TooLate,
    /// The worker belongs to the parent process and cannot be used in this child.
    #[error("the worker belongs to the process that this process was forked from: announce forks with before_fork")]
    Forked,
    /// The host ended the thread that built the unit in a callback, or all threads of the worker.
    #[error("the host ended the thread of the worker")]
    ThreadEnded,
    /// The worker was finished.
    #[error("the worker was finished")]
    Finished,
}
