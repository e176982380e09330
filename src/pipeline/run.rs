//! Runs the steps of a plan as processes and checks their exits. Knows neither units nor keys.

use std::fs;
use std::io;
use std::time::{Duration, Instant, SystemTime};

use mjit_cc_platforms::{Diagnostic, Plan, Severity, reports_crash};

use super::{DependencyTracking, Pipeline, StepOutput};
use crate::error::{Phase, UnitError};
use crate::event::{Event, Observer};
use crate::exec::{ExecError, Exit, Invocation};
use crate::{files, machine, scratch, symbols};

impl Pipeline {
    /// Runs a plan's steps. Always removes the plan's leftovers; removes the plan's outputs if a step fails.
    pub(crate) fn run(
        &self,
        plan: &Plan,
        phase: Phase,
        tracking: DependencyTracking<'_>,
        deadline: Option<Instant>,
        observer: &dyn Observer,
    ) -> Result<StepOutput, UnitError> {
        let began = tracking.records().then(|| self.stamp().map_err(UnitError::file("write", self.scratch.path())));
        let began = began.transpose()?;
        let result = self.run_steps(plan, phase, deadline, observer);
        // Compilers also write a depfile when they fail.
        let rule = tracking.depfile().map(files::read);
        tracking.depfile().into_iter().for_each(|depfile| self.scratch.remove(depfile));
        plan.leftovers.iter().for_each(|path| scratch::remove_file(path));
        let (output, stopped) = match result {
            Ok(output) => output,
            Err(failure) => {
                plan.outputs.iter().chain(&plan.companions).for_each(|path| scratch::remove_file(path));
                return Err(failure);
            }
        };
        let inputs = began.and_then(|began| self.inputs(rule, &output, &tracking, began, observer));
        Ok(StepOutput {
            companions: plan.companions.clone(),
            text: self.toolchain().readable(&output),
            inputs,
            waited: stopped,
        })
    }

    /// Returns the time of the clock that stamps files: the kernel's coarse clock, which may be some milliseconds late.
    pub(crate) fn stamp(&self) -> io::Result<SystemTime> {
        tempfile::tempfile_in(self.scratch.path())?.metadata()?.modified()
    }

    fn run_steps(
        &self,
        plan: &Plan,
        phase: Phase,
        deadline: Option<Instant>,
        observer: &dyn Observer,
    ) -> Result<(Vec<u8>, Duration), UnitError> {
        for file in &plan.writes {
            fs::write(&file.path, &file.text).map_err(UnitError::file("write", &file.path))?;
        }
        let mut output = Vec::new();
        let mut unknown = false;
        let mut stopped = Duration::ZERO;
        for step in &plan.steps {
            let deadline = deadline.and_then(|deadline| deadline.checked_add(stopped));
            observer.event(&Event::Running { step });
            let finished = self
                .executor
                .run(&Invocation { step, deadline, temp_dir: self.scratch.path() })
                .map_err(|error| self.not_finished(error, phase))?;
            output.extend(&finished.output);
            stopped += finished.stopped;
            match finished.exit {
                Exit::Code(0) => {}
                Exit::Unknown if !self.shows_failure(&finished.output) => unknown = true,
                exit => return Err(self.unsuccessful(phase, exit, &output)),
            }
        }
        // Compilers remove an output that they could not complete. An output that remains must be complete.
        if unknown && plan.outputs.iter().any(|path| path.exists() && !symbols::is_whole(path)) {
            return Err(self.unsuccessful(phase, Exit::Unknown, &output));
        }
        // Exit code 0 without the output is a failure of the compiler; an error of the file system is not.
        for path in &plan.outputs {
            if !path.try_exists().map_err(UnitError::file("read", path))? {
                let output = self.toolchain().readable(&output);
                return Err(UnitError::NoOutput { phase, path: path.clone(), output });
            }
        }
        Ok((output, stopped))
    }

    /// True if the messages of a process show a failure. Needed if the host has taken the exit status.
    fn shows_failure(&self, output: &[u8]) -> bool {
        let is_error = |diagnostic: &Diagnostic| diagnostic.severity >= Severity::Error;
        reports_crash(output) || self.toolchain().diagnostics(output).iter().any(is_error)
    }

    fn unsuccessful(&self, phase: Phase, exit: Exit, output: &[u8]) -> UnitError {
        let text = self.toolchain().readable(output);
        if matches!(exit, Exit::Signal(_)) || reports_crash(output) {
            UnitError::Crashed { phase, exit, output: text }
        } else {
            UnitError::Refused { phase, exit, output: text, diagnostics: self.toolchain().diagnostics(output) }
        }
    }

    fn not_finished(&self, error: ExecError, phase: Phase) -> UnitError {
        match error {
            ExecError::NotStarted { program, source } if machine::is_at_fault(&source) => {
                UnitError::File { action: "start", path: program, source }
            }
            ExecError::NotStarted { program, source } => UnitError::NotStarted { program, source },
            ExecError::TimedOut { output } => UnitError::TimedOut {
                phase,
                limit: self.timeout.unwrap_or_default(),
                output: self.toolchain().readable(&output),
            },
            ExecError::Flooded { limit, output } => {
                UnitError::Flooded { phase, limit, output: self.toolchain().readable(&output) }
            }
            ExecError::Cancelled => UnitError::Interrupted,
            ExecError::Io { program, source } => UnitError::File { action: "run", path: program, source },
        }
    }
}
