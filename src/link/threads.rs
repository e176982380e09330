//! The threads that a linker in this process works on. In the caller's it would take part in whatever else that thread does with rayon, and
//! rayon's global ones would belong to the host, and be gone in the child of a fork. Knows nothing of what is done on them.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::sync::lock;

thread_local! {
    /// Whether this thread is a pool by itself.
    static IS_POOL: Cell<bool> = const { Cell::new(false) };
}

/// Threads that rest here between one piece of work and the next. Shared by threads, each of which gets its own.
#[derive(Debug, Default)]
pub(super) struct Threads {
    resting: Mutex<Vec<ThreadPool>>,
}

impl Threads {
    /// Does something on so many threads. It must not panic.
    pub(super) fn install<T: Send>(&self, count: usize, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        if count == 1 && IS_POOL.get() {
            return Ok(work());
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

/// Lives a thread's whole life in such a way that it links by itself. Elsewhere each link is handed over to a thread that rests, and waking that
/// takes as long as a fifth of what there is to do for one object.
pub(crate) fn on_this_thread(life: impl FnOnce() + Send + 'static) {
    let mut this = None;
    let keep = |thread| {
        this = Some(thread);
        Ok(())
    };
    let built = ThreadPoolBuilder::new().num_threads(1).spawn_handler(keep).build();
    let (Ok(pool), Some(this)) = (built, this) else { return life() };
    let pool = Arc::new(pool);
    let last = Arc::clone(&pool);
    pool.spawn(move || {
        IS_POOL.set(true);
        // rayon would end the process for a panic.
        let _ = catch_unwind(AssertUnwindSafe(life));
        // The thread ends when its pool does.
        drop(last);
    });
    drop(pool);
    this.run();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    #[test]
    fn a_thread_that_is_a_pool_works_by_itself_and_ends() {
        let (sender, receiver) = mpsc::channel();
        let live = move || {
            let threads = Threads::default();
            let here = thread::current().id();
            let alone = threads.install(1, || thread::current().id()).unwrap();
            let both = threads.install(2, rayon::current_num_threads).unwrap();
            sender.send((here == alone, both, threads.resting())).unwrap();
            panic!("as a host's code may");
        };
        thread::spawn(|| on_this_thread(live)).join().unwrap();
        assert_eq!(receiver.recv(), Ok((true, 2, 1)));
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
