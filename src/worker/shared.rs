//! The functions of the state that the worker and its threads share: reporting events, the executor, the engine.

use std::io::Write as _;
use std::sync::Arc;

use super::coordinator::Coordinator;
use super::engine::BuildEngine;
use super::options::Options;
use super::{Shared, WorkerEvent, WorkerState};
use crate::event::{Event, Observer};
use crate::exec::{BlockingObserver, NO_LIMIT, ProcessExecutor};
use crate::sync::lock;
use crate::unwind::{catch, thread_ends};

/// Converts events of the pipeline to events of the worker.
impl Observer for Shared {
    fn event(&self, event: &Event<'_>) {
        if let Some(record) = &self.record {
            record.event(event);
        }
        match *event {
            Event::PchStarted { .. } => self.tell(&WorkerEvent::PchStart),
            Event::Running { step } => self.tell(&WorkerEvent::Process(step.to_string())),
            Event::CacheHit { unit } => self.tell(&WorkerEvent::CacheHit(unit.to_owned())),
            Event::CacheUnusable { dir, error } => {
                self.tell(&WorkerEvent::CacheUnusable { dir: dir.to_owned(), why: error.to_string() });
            }
            Event::LinkerFallback { why } => self.tell(&WorkerEvent::LinkerFallback(why.to_owned())),
            Event::Warning { text } => self.tell(&WorkerEvent::Warning(text.to_owned())),
            _ => {}
        }
    }
}

impl Shared {
    pub(super) fn tell(&self, event: &WorkerEvent) {
        let Options { observer, verbose, warnings, .. } = &self.options;
        if thread_ends() {
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
        let executor = ProcessExecutor::within(self.options.reaper.clone(), Some(waiting))
            .with_output_limit(self.options.output_limit.unwrap_or(NO_LIMIT));
        *lock(&self.executor) = Arc::new(executor.with_variables(self.environment.variables.clone()));
    }

    pub(super) fn set_engine(&self, engine: Option<Arc<BuildEngine>>) {
        let old = std::mem::replace(&mut *lock(&self.engine), engine);
        drop(old);
        // Wakes the threads that wait for the engine under this lock.
        self.coordinator.with(|_| ());
    }
}
