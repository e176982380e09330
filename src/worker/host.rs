//! What passes between a VM and its worker: what the worker asks the VM for, and the words for it. Knows no lists and no threads.

use std::ffi::c_void;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

use super::jobs::{Desk, NotRun};
use crate::error::UnitError;

/// What the host calls the thing that a unit is generated from: a method, a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OwnerId(pub u64);

/// Something that code relies on and the host may find untrue one day: a class as it is, a method not redefined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AssumptionId(pub u64);

/// How the host wants a unit generated: which speculations are off, say. The worker only hands them on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Switches(pub u64);

/// What a unit is called in messages. Owned: the host's own strings may move or die (Ruby ce7b1132, 7c0639f3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceLocation {
    /// What the owner is called, such as `block in <main>`.
    pub label: String,
    /// The file that it comes from.
    pub path: String,
    /// The line in it.
    pub line: u32,
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}", self.label, self.path, self.line)
    }
}

/// What the worker asks of the VM. Called on the worker's threads; a panic fails the unit that it was asked for. From in here (and
/// from an observer) the worker may be asked and told, but not waited for: no `pause`, `enter_gc`, `before_fork`, `prepare_exec`, and
/// the last share of a [`Worker`](super::Worker) is not to be dropped.
pub trait Host: Send + Sync + 'static {
    /// The C text of a unit, which defines a function called [`Request::entry`]. The host's collector is held off meanwhile
    /// and the owner lives; nothing else is promised, so do not allocate from the collected heap or call into the VM. What it needs
    /// of that, a snapshot made before submitting has best; else there is [`Request::on_vm_thread`].
    ///
    /// # Errors
    /// Why there is none, in words.
    fn generate(&self, request: &Request<'_>) -> Result<Generated, String>;

    /// The unit's code was published in its slot a moment ago, or moved to a better location. Called with the owner alive, the
    /// collector held off and the worker's lock not held. It may have been taken back again by now: read the slot, and never store
    /// the address.
    fn published(&self, owner: OwnerId, address: NonNull<c_void>) {
        let _ = (owner, address);
    }

    /// Sets [`Code::on_stack`] for all code that may be on a stack: of a thread, a fiber, a continuation. It is off when this is
    /// called, with the collector held off. By default it is set for all, so that nothing is ever unloaded; a host whose callers
    /// all hold a guard ([`Slot::enter`](super::Slot::enter)) sets none.
    fn scan_stacks(&self, code: &mut [Code]) {
        code.iter_mut().for_each(|code| code.on_stack = true);
    }

    /// A job waits for the VM's thread ([`Request::on_vm_thread`]): let it call
    /// [`run_vm_jobs`](super::Worker::run_vm_jobs) at its next safe point.
    fn vm_jobs_wait(&self) {}
}

/// Which unit's C text is wanted.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The unit's number.
    pub id: u64,
    /// What it is generated from, as the host called it when it was asked. It may be called something else after a job.
    pub owner: OwnerId,
    /// What the function must be called.
    pub entry: &'a str,
    /// How it is wanted.
    pub switches: Switches,
    pub(super) desk: &'a dyn Desk,
}

impl Request<'_> {
    /// Runs something on the VM's thread and waits for it: what may only be read there. The collector may run meanwhile, and
    /// the owner may move; it is kept alive if the host marks [`living_owners`](super::Worker::living_owners).
    ///
    /// # Errors
    /// [`NotRun`]: then give up, with any error.
    pub fn on_vm_thread<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T, NotRun> {
        super::jobs::run(self.desk, job)
    }
}

/// A unit's C text and what it takes for granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generated {
    /// The text.
    pub text: String,
    /// The assumptions that it relies on: when the host finds one of them untrue, [`invalidate`](super::Worker::invalidate) takes the
    /// code back.
    pub assumptions: Vec<AssumptionId>,
    /// Owners whose code is inside this one's: they must live as long as it does.
    pub inlined: Vec<Inlined>,
}

/// An owner whose code is inside another one's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inlined {
    /// Which.
    pub owner: OwnerId,
    /// What it is called in messages.
    pub location: SourceLocation,
}

impl From<String> for Generated {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

/// Loaded code that the worker asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code {
    /// Whose it is. One owner may have several, old and new. Of code that is going it may have died, and another may be called so
    /// by now: compare it, and look into nothing by it.
    pub owner: OwnerId,
    /// Where it begins.
    pub address: NonNull<c_void>,
    /// The host's answer.
    pub on_stack: bool,
}

/// Why a slot has no code.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// The host freed the owner.
    #[error("its owner died")]
    OwnerDied,
    /// An assumption that it relies on is untrue.
    #[error("an assumption of the unit no longer holds")]
    NoLongerTrue(AssumptionId),
    /// All code was cancelled.
    #[error("it was cancelled")]
    Cancelled,
    /// The host had no C text, in its own words.
    #[error("{0}")]
    NotGenerated(String),
    /// The host panicked while generating.
    #[error("generating its C text panicked")]
    Panicked,
    /// It could not be compiled, linked or loaded.
    #[error("{0}")]
    NotBuilt(Arc<UnitError>),
    /// Nothing is compiled, because what it takes is not there.
    #[error("compiling is disabled: {0}")]
    Disabled(Arc<crate::Error>),
    /// Submitting waited for it in vain.
    #[error("it was not ready in time")]
    TooLate,
    /// The worker is of the process that this one was forked from, and was at work when that happened.
    #[error("the worker belongs to the process that this one was forked from: announce forks with before_fork")]
    Forked,
    /// The host ended the thread that was at work, in a callback, or all threads of the worker.
    #[error("the host ended the worker's thread")]
    ThreadEnded,
    /// The worker was finished.
    #[error("the worker was finished")]
    Finished,
}
