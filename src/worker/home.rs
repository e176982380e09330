//! The process that a worker belongs to, and the number of its threads. Knows nothing about units.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::sync::Mutex;

/// The process and the threads of a worker.
#[derive(Debug)]
pub(super) struct Home {
    /// The process of the worker's threads.
    process: AtomicU32,
    /// A child of that process that may continue with the worker, and has not called it yet; or 0.
    child: AtomicU32,
    /// The thread that stopped the worker for a fork, or 0.
    announcer: AtomicUsize,
    /// The number of the worker's threads.
    threads: AtomicUsize,
    /// Locked while the worker moves to the child.
    pub(super) arrival: Mutex<()>,
}

impl Home {
    pub(super) fn here() -> Self {
        Self {
            process: AtomicU32::new(std::process::id()),
            child: AtomicU32::new(0),
            announcer: AtomicUsize::new(0),
            threads: AtomicUsize::new(0),
            arrival: Mutex::new(()),
        }
    }

    pub(super) fn is_of(&self, process: u32) -> bool {
        self.process.load(Ordering::Acquire) == process
    }

    /// Moves the worker to this process, in which it has no threads yet.
    pub(super) fn move_here(&self) {
        self.threads.store(0, Ordering::Relaxed);
        self.child.store(0, Ordering::Relaxed);
        self.process.store(std::process::id(), Ordering::Release);
    }

    pub(super) fn may_move_to(&self, process: u32) -> bool {
        self.child.load(Ordering::Acquire) == process
    }

    /// Allows this process, the child of a fork that stopped the worker, to continue with the worker.
    #[cfg(all(unix, not(loom)))]
    pub(super) fn allow_move_here(&self) {
        self.child.store(std::process::id(), Ordering::Release);
    }

    /// Notes that this thread has stopped the worker for a fork, or has let it continue.
    pub(super) fn announce(&self, begins: bool) {
        self.announcer.store(if begins { this_thread() } else { 0 }, Ordering::Release);
    }

    #[cfg(all(unix, not(loom)))]
    pub(super) fn is_announced_here(&self) -> bool {
        self.announcer.load(Ordering::Acquire) == this_thread()
    }

    pub(super) fn thread_starts(&self) {
        self.threads.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of threads that are left.
    pub(super) fn thread_ends(&self) -> usize {
        self.threads.fetch_sub(1, Ordering::Relaxed) - 1
    }
}

thread_local! {
    static THIS: u8 = const { 0 };
}

/// Returns a number that no other living thread has, and that is not 0.
fn this_thread() -> usize {
    THIS.try_with(|this| std::ptr::from_ref(this).addr()).unwrap_or(1)
}
