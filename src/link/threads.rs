//! The threads that a linker in this process works on. In the caller's it would take part in whatever else that thread does with rayon, and
//! rayon's global ones would belong to the host, and be gone in the child of a fork. Knows nothing of what is done on them.

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::sync::{Arc, Mutex};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::sync::lock;

thread_local! {
    /// Whether this thread may be a pool by itself for a while.
    static LINKS: Cell<bool> = const { Cell::new(false) };
}

/// Threads that rest here between one piece of work and the next. Shared by threads, each of which gets its own.
#[derive(Debug, Default)]
pub(super) struct Threads {
    resting: Mutex<Vec<ThreadPool>>,
}

impl Threads {
    /// Does something on so many threads. It must not panic.
    pub(super) fn install<T: Send + 'static>(
        &self,
        count: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        if count == 1 && LINKS.get() {
            return here(work);
        }
        let rested = {
            let mut resting = lock(&self.resting);
            let fits = resting.iter().position(|pool| pool.current_num_threads() == count);
            fits.map(|index| resting.swap_remove(index))
        };
        let pool = match rested {
            Some(pool) => pool,
            None => ThreadPoolBuilder::new()
                .num_threads(count)
                .thread_name(|_| "mjit-cc-link".to_owned())
                .panic_handler(forget)
                .build()
                .map_err(io::Error::other)?,
        };
        let result = pool.install(work);
        lock(&self.resting).push(pool);
        Ok(result)
    }

    /// How many pools rest.
    #[cfg(test)]
    pub(super) fn resting(&self) -> usize {
        lock(&self.resting).len()
    }
}

/// Lets this thread, which is no other pool's, link by itself from now on. Elsewhere each link is handed over to a thread that rests, and
/// waking that takes as long as a fifth of what there is to do for one object.
pub(crate) fn on_this_thread() {
    LINKS.set(true);
}

/// Does something on this thread, which is a pool of one for as long as that takes and not longer: below rayon's frames the host could
/// not end the thread, since rayon ends the process for what unwinds through them. It must not panic.
fn here<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let mut this = None;
    let keep = |thread| {
        this = Some(thread);
        Ok(())
    };
    let pool = ThreadPoolBuilder::new()
        .num_threads(1)
        .panic_handler(forget)
        .spawn_handler(keep)
        .build()
        .map_err(io::Error::other)?;
    let this = this.ok_or_else(|| io::Error::other("rayon started no thread"))?;
    let result = Arc::new(Mutex::new(None));
    let place = Arc::clone(&result);
    pool.spawn(move || *lock(&place) = Some(work()));
    // The thread goes on when the work is done and its pool is gone.
    drop(pool);
    this.run();
    lock(&result).take().ok_or_else(|| io::Error::other("rayon did not do it"))
}

/// A panic in what the linker does beside its work. Without a handler rayon ends the process; the linker finds out by what is missing.
fn forget(_panic: Box<dyn Any + Send>) {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    #[test]
    fn a_thread_that_is_a_pool_works_by_itself_and_ends() {
        let (sender, receiver) = mpsc::channel();
        let live = move || {
            on_this_thread();
            let threads = Threads::default();
            let here = thread::current().id();
            let alone = threads.install(1, || thread::current().id()).unwrap();
            // Not within rayon any more.
            let again = threads.install(1, || thread::current().id()).unwrap();
            assert_eq!((again, rayon::current_thread_index()), (here, None));
            let both = threads.install(2, rayon::current_num_threads).unwrap();
            sender.send((here == alone, both, threads.resting())).unwrap();
        };
        thread::spawn(live).join().unwrap();
        assert_eq!(receiver.recv(), Ok((true, 2, 1)));
    }

    #[test]
    fn a_panic_beside_the_work_ends_no_process() {
        let threads = Threads::default();
        for here in [false, true] {
            if here {
                on_this_thread();
            }
            let spawned = || rayon::spawn(|| panic!("beside the work"));
            threads.install(1, spawned).unwrap();
            assert_eq!(threads.install(1, || 1).unwrap(), 1);
        }
    }

    #[test]
    fn another_thread_hands_its_work_over() {
        let threads = Threads::default();
        for _ in 0..3 {
            assert_ne!(threads.install(1, || thread::current().id()).unwrap(), thread::current().id());
        }
        assert_eq!(threads.resting(), 1);
    }
}
