//! Decides whether one more compiler may run now. The caller has enough threads; the limits here are GNU make's jobserver and memory. The
//! first compiler may always run, so that work ends. Knows neither units nor compilers.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::event::{Observer, Stage};
use crate::exec::Executor;
use crate::sync::{Condvar, Locked, Mutex, lock};

mod memory;

pub use memory::MemoryLimit;

/// How often a waiting thread checks again, beside each exit of a compiler of this process: tokens and memory become free without a
/// notification. A blocking read would not end on Ctrl-C.
const PAUSE: Duration = Duration::from_millis(5);

/// How long after its start a compiler is assumed not to have allocated most of its memory.
const GROWTH: Duration = Duration::from_secs(1);

/// The right to run one more process, until it is dropped.
pub type Token = Box<dyn Send + Sync>;

/// A source of rights to run processes, shared with other programs. Called from any thread.
pub trait Tokens: Send + Sync {
    /// Takes one token; `None` if no token is free.
    ///
    /// # Errors
    /// The system's error. After an error only one process runs, which needs no token.
    fn try_take(&self) -> io::Result<Option<Token>>;
}

/// Limits the compilers that run at the same time. Shared by threads.
#[derive(Default)]
pub struct Admission {
    tokens: Option<Arc<dyn Tokens>>,
    memory: Option<MemoryLimit>,
    state: Mutex<AdmissionState>,
    ended: Condvar,
}

#[derive(Default)]
struct AdmissionState {
    next: u64,
    running: Vec<RunningCompiler>,
}

struct RunningCompiler {
    number: u64,
    since: Instant,
    /// `None` for the process without a token: a program that was started has the right to run one process.
    token: Option<Token>,
}

/// The right to run one compiler, until it is dropped.
#[must_use = "the compiler may run until the permit is dropped"]
pub(crate) struct Permit<'a> {
    admission: &'a Admission,
    number: u64,
    waited: Duration,
}

impl Admission {
    /// Creates limits by tokens and by memory. `None` for both means no limit.
    #[must_use]
    pub fn new(tokens: Option<Arc<dyn Tokens>>, memory: Option<MemoryLimit>) -> Self {
        Self { tokens, memory, ..Self::default() }
    }

    /// Creates the same limits without running compilers, for the child of a fork.
    pub(crate) fn for_child(&self) -> Self {
        Self::new(self.tokens.clone(), self.memory.clone())
    }

    /// Waits until one more compiler may run; `None` if the work is cancelled first. Take no other resource that threads
    /// wait for while the permit is held.
    pub(crate) fn enter(&self, executor: &dyn Executor, observer: &dyn Observer) -> Option<Permit<'_>> {
        if let Some(number) = self.try_enter() {
            return Some(Permit { admission: self, number, waited: Duration::ZERO });
        }
        let _stage = Stage::Wait.on(observer);
        let began = Instant::now();
        loop {
            if executor.is_cancelled() {
                return None;
            }
            executor.wait_otherwise(&mut || {
                drop(self.state().wait_for(&self.ended, PAUSE));
            });
            if let Some(number) = self.try_enter() {
                return Some(Permit { admission: self, number, waited: began.elapsed() });
            }
        }
    }

    /// Takes tokens for up to `most` further threads of a process that already runs, without waiting. Without a token source the
    /// elements are `None`.
    pub(crate) fn further_threads(&self, most: usize) -> Vec<Option<Token>> {
        let take = || match &self.tokens {
            None => Some(None),
            Some(tokens) => tokens.try_take().ok().flatten().map(Some),
        };
        std::iter::repeat_with(take).take(most).map_while(|token| token).collect()
    }

    fn try_enter(&self) -> Option<u64> {
        let mut state = self.state();
        let now = Instant::now();
        if !state.running.is_empty() && !self.has_memory(&state, now) {
            return None;
        }
        let needs_token = state.running.iter().any(|running| running.token.is_none());
        let token = match &self.tokens {
            Some(tokens) if needs_token => Some(tokens.try_take().ok()??),
            _ => None,
        };
        let number = state.next;
        state.next += 1;
        state.running.push(RunningCompiler { number, since: now, token });
        Some(number)
    }

    fn has_memory(&self, state: &AdmissionState, now: Instant) -> bool {
        let young =
            state.running.iter().filter(|running| now.saturating_duration_since(running.since) < GROWTH).count();
        self.memory.as_ref().is_none_or(|memory| memory.has_room(young))
    }

    fn state(&self) -> Locked<'_, AdmissionState> {
        lock(&self.state)
    }
}

impl Permit<'_> {
    /// The time that the caller waited for the permit.
    pub(crate) fn waited(&self) -> Duration {
        self.waited
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        let ended = {
            let mut state = self.admission.state();
            let at = state.running.iter().position(|running| running.number == self.number);
            at.map(|at| state.running.swap_remove(at))
        };
        // The token is returned before waiting threads are woken.
        drop(ended.and_then(|running| running.token));
        self.admission.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;
    use crate::exec::ProcessExecutor;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    /// A number of tokens, which come back when they are dropped.
    struct Jar(Arc<AtomicUsize>);

    struct FromJar(Arc<AtomicUsize>);

    impl Drop for FromJar {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    impl Tokens for Jar {
        fn try_take(&self) -> io::Result<Option<Token>> {
            let taken = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            Ok(taken.ok().map(|_| Box::new(FromJar(Arc::clone(&self.0))) as Token))
        }
    }

    struct Broken;

    impl Tokens for Broken {
        fn try_take(&self) -> io::Result<Option<Token>> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    fn enter(admission: &Admission) -> Option<Permit<'_>> {
        admission.enter(&ProcessExecutor::default(), &|_: &Event<'_>| {})
    }

    fn is_full(admission: &Admission) -> bool {
        let executor = ProcessExecutor::default();
        executor.cancel();
        admission.enter(&executor, &|_: &Event<'_>| {}).is_none()
    }

    #[test]
    fn the_first_needs_no_token_and_every_further_one_does() {
        let left = Arc::new(AtomicUsize::new(2));
        let admission = Admission::new(Some(Arc::new(Jar(Arc::clone(&left)))), None);
        let first = enter(&admission).unwrap();
        assert_eq!(left.load(Ordering::SeqCst), 2);
        let others = [enter(&admission).unwrap(), enter(&admission).unwrap()];
        assert!(left.load(Ordering::SeqCst) == 0 && is_full(&admission));
        // The right without a token is free again: the next compiler takes no token.
        drop(first);
        let next = enter(&admission).unwrap();
        assert_eq!(left.load(Ordering::SeqCst), 0);
        drop((others, next));
        assert_eq!(left.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn further_threads_are_as_many_as_there_are_tokens_for() {
        let left = Arc::new(AtomicUsize::new(2));
        let admission = Admission::new(Some(Arc::new(Jar(Arc::clone(&left)))), None);
        let one = admission.further_threads(1);
        assert_eq!((one.len(), admission.further_threads(5).len()), (1, 1));
        drop(one);
        assert_eq!((left.load(Ordering::SeqCst), admission.further_threads(0).len()), (2, 0));
        assert_eq!(Admission::default().further_threads(3).len(), 3);
    }

    #[test]
    fn tokens_that_cannot_be_asked_for_leave_one_at_a_time() {
        let admission = Admission::new(Some(Arc::new(Broken)), None);
        let first = enter(&admission).unwrap();
        assert!(is_full(&admission));
        drop(first);
        assert!(enter(&admission).is_some());
    }

    #[test]
    fn whoever_waits_goes_on_when_another_ends() {
        let admission = Admission::new(Some(Arc::new(Jar(Arc::default()))), None);
        let first = enter(&admission).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| enter(&admission).unwrap().waited());
            thread::sleep(Duration::from_millis(50));
            assert!(!waiting.is_finished());
            drop(first);
            assert!(waiting.join().unwrap() >= Duration::from_millis(20));
        });
    }

    #[test]
    fn without_bounds_nobody_waits() {
        let admission = Admission::default();
        let all: Vec<_> = (0..100).map(|_| enter(&admission).unwrap()).collect();
        assert!(all.iter().all(|permit| permit.waited().is_zero()));
    }
}
