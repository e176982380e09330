//! The functions of the state that the worker and its threads share: reporting events, the executor, the engine.

use std::io::Write as _;
use std::sync::Arc;

use super::coordinator::Coordinator;
use super::options::Options;
use super::{Shared, WorkerEvent, WorkerState};
use crate::event::{Event, Observer};
use crate::exec::{BlockingObserver, ProcessExecutor};
use crate::jit::Jit;
use crate::sync::lock;
use crate::unwind::{catch, is_thread_ending};

/// Converts events of the pipeline to events of the worker.
impl Observer for Shared {
    fn event(&self, event: &Event<'_>) {
        if let Some(record) = &self.record {
            record.event(event);
        }
        if let Some(event) = WorkerEvent::of(event) {
            self.tell(&event);
        }
    }
}

impl Shared {
    pub(super) fn tell(&self, event: &WorkerEvent) {
        let Options { observer, verbose, warnings, .. } = &self.options;
        if is_thread_ending() {
            return;
        }
        match observer {
            // A panic of an observer must not stop the VM.
            Some(observer) => {
                let _ = catch(|| observer(event));
            }
            None if *verbose >= event.level() || (*warnings && matches!(event, WorkerEvent::Warning(_))) => {
                // One write per line, since other threads and processes write there too.
                let text = match event.detail() {
                    Some(detail) => format!("{event}\n{}\n", detail.trim_end()),
                    None => format!("{event}\n"),
                };
                let _ = std::io::stderr().write_all(text.as_bytes());
            }
            None => {}
        }
    }

    pub(super) fn executor(&self) -> Arc<ProcessExecutor> {
        Arc::clone(&lock(&self.executor))
    }

    /// Sets a new executor. The coordinator is its [`BlockingObserver`], since waiting for a compiler must not delay a fork.
    pub(super) fn renew_executor(&self) {
        let waiting: Arc<dyn BlockingObserver> = Arc::<Coordinator<WorkerState>>::clone(&self.coordinator);
        *lock(&self.executor) = Arc::new(self.options.build.executor(&self.environment.variables, Some(waiting)));
    }

    pub(super) fn set_engine(&self, engine: Option<Arc<Jit>>) {
        let old = std::mem::replace(&mut *lock(&self.engine), engine);
        drop(old);
        // Wakes the threads that wait for the engine under this lock.
        self.coordinator.with(|_| ());
    }
}
