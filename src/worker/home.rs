//! Which process a worker is of, and how many of its threads live. Knows no units.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::sync::Mutex;

/// Where a worker is.
#[derive(Debug)]
pub(super) struct Home {
    /// The process that its threads are in.
    process: AtomicU32,
    /// A child of that process which inherited the worker held still, and has not called it yet; 0 for none.
    heir: AtomicU32,
    /// The thread that announced a fork, from when the worker is held still; 0 for none.
    announcer: AtomicUsize,
    /// Its threads that live.
    threads: AtomicUsize,
    /// Held while the worker becomes the heir's.
    pub(super) arrival: Mutex<()>,
}

impl Home {
    pub(super) fn here() -> Self {
        Self {
            process: AtomicU32::new(std::process::id()),
            heir: AtomicU32::new(0),
            announcer: AtomicUsize::new(0),
            threads: AtomicUsize::new(0),
            arrival: Mutex::new(()),
        }
    }

    pub(super) fn is_of(&self, process: u32) -> bool {
        self.process.load(Ordering::Acquire) == process
    }

    /// The worker is this process's, none of whose threads serve it yet.
    pub(super) fn move_here(&self) {
        self.threads.store(0, Ordering::Relaxed);
        self.heir.store(0, Ordering::Relaxed);
        self.process.store(std::process::id(), Ordering::Release);
    }

    pub(super) fn may_move_to(&self, process: u32) -> bool {
        self.heir.load(Ordering::Acquire) == process
    }

    /// This process has inherited the worker in good order.
    #[cfg(all(unix, not(loom)))]
    pub(super) fn inherit(&self) {
        self.heir.store(std::process::id(), Ordering::Release);
    }

    /// This thread holds the worker still for a fork that it is about to make, or does so no more.
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

    /// Says how many are left.
    pub(super) fn is_thread_ending(&self) -> usize {
        self.threads.fetch_sub(1, Ordering::Relaxed) - 1
    }
}

thread_local! {
    static THIS: u8 = const { 0 };
}

/// No other thread that lives has this number; it is not 0.
fn this_thread() -> usize {
    THIS.try_with(|this| std::ptr::from_ref(this).addr()).unwrap_or(1)
}
