//! The thread pools of the linker in this process. On the caller's rayon threads the linker would take part in the caller's other work, and
//! rayon's global threads would belong to the host, and not exist in the child of a fork. Does not know the work.

use std::any::Any;
use std::cell::Cell;
use std::io;
use std::sync::{Arc, Mutex};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::sync::lock;

thread_local! {
    /// True if this thread may temporarily be a pool of one thread.
    static LINKS: Cell<bool> = const { Cell::new(false) };
}

/// Idle thread pools. Shared by threads, each of which takes its own pool.
#[derive(Debug, Default)]
pub(super) struct Threads {
    resting: Mutex<Vec<ThreadPool>>,
}

impl Threads {
    /// Runs `work` on a pool with this number of threads. `work` must not panic.
    pub(super) fn install<T: Send + 'static>(
        &self,
        count: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        if count == 1 && LINKS.get() {
            return run_here(work);
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
                .panic_handler(ignore_panic)
                .build()
                .map_err(io::Error::other)?,
        };
        let result = pool.install(work);
        lock(&self.resting).push(pool);
        Ok(result)
    }

    /// Returns the number of idle pools.
    #[cfg(test)]
    pub(super) fn resting(&self) -> usize {
        lock(&self.resting).len()
    }
}

/// Lets this thread, which belongs to no rayon pool, link without another thread from now on. Otherwise each link is handed to an idle
/// thread, and waking the thread takes a fifth of the time of a link of one object.
pub(crate) fn on_this_thread() {
    LINKS.set(true);
}

/// Runs `work` on this thread, which is a pool of one during the work only: with rayon's frames on its stack the host could not end the
/// thread, since rayon ends the process if a forced unwind passes its frames. `work` must not panic.
fn run_here<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let mut this = None;
    let keep = |thread| {
        this = Some(thread);
        Ok(())
    };
    let pool = ThreadPoolBuilder::new()
        .num_threads(1)
        .panic_handler(ignore_panic)
        .spawn_handler(keep)
        .build()
        .map_err(io::Error::other)?;
    let this = this.ok_or_else(|| io::Error::other("rayon started no thread"))?;
    let result = Arc::new(Mutex::new(None));
    let place = Arc::clone(&result);
    pool.spawn(move || *lock(&place) = Some(work()));
    // The thread continues after the work is done and the pool is dropped.
    drop(pool);
    this.run();
    lock(&result).take().ok_or_else(|| io::Error::other("rayon did not do it"))
}

/// Ignores a panic in a background task of the linker. Without a handler rayon ends the process; the linker reports the missing result.
fn ignore_panic(_panic: Box<dyn Any + Send>) {}

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
            // Outside of rayon again.
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
