//! Running a batch: the threads that take tasks in turn, the library of all units, the report.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use mjit_cc_platforms::Role;

use super::group::{self, GroupMember, Task};
use super::make::{CompiledUnit, Source};
use super::{Batch, COMPACT_STEM, library_name};
use crate::error::{Error, UnitError};
use crate::event::{Compiled, Event, Observer};
use crate::header::UnitHeader;
use crate::pipeline::{Merging, Pipeline};
use crate::report::{self, Report, UnitReport};
use crate::store::{Record, Store};

const REPORT_NAME: &str = "units.json";

/// The state of a unit after its task.
enum TaskOutcome {
    /// The unit is compiled; the library of all units is not yet linked.
    Compiled(CompiledUnit),
    /// The unit is built, or has failed.
    Finished(UnitReport),
}

impl TaskOutcome {
    fn compiled(&mut self) -> Option<&mut CompiledUnit> {
        match self {
            Self::Compiled(unit) => Some(unit),
            Self::Finished(_) => None,
        }
    }
}

/// The state that the threads of a running batch share.
pub(super) struct Run<'a> {
    pub(super) batch: &'a Batch,
    pub(super) pipeline: &'a Pipeline,
    pub(super) observer: &'a dyn Observer,
    pub(super) store: Store,
    pub(super) header: UnitHeader,
    pub(super) role: Role,
    pub(super) stems: Vec<String>,
    pub(super) merging: Merging,
    /// The objects that this run uses, without suffixes: an object and its record have the same stem.
    pub(super) used: Mutex<HashSet<PathBuf>>,
    /// Why no further unit is started; empty while the batch goes on.
    pub(super) stop: OnceLock<Stop>,
    /// True if the link of all units failed because of the machine, such as a full disk.
    pub(super) link_hindered: AtomicBool,
}

pub(super) enum Stop {
    Failed,
    Interrupted,
    CompilerGone { program: PathBuf, source: io::Error },
}

impl Stop {
    /// Returns why a failure stops the batch even with -k: the other units would fail in the same way.
    fn for_all(failure: &UnitError) -> Option<Self> {
        match failure {
            UnitError::Interrupted => Some(Self::Interrupted),
            // Other causes, such as too many open files, may be temporary.
            UnitError::NotStarted { program, source }
                if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) =>
            {
                let source = io::Error::new(source.kind(), source.to_string());
                Some(Self::CompilerGone { program: program.clone(), source })
            }
            _ => None,
        }
    }
}

impl Run<'_> {
    pub(super) fn build(self) -> Result<Report, Error> {
        let count = self.batch.units.len();
        self.observer.event(&Event::BatchStarted { units: count });
        // Every unit's key needs the configuration. Asked for here, so that not every thread asks the compiler.
        self.pipeline.configuration();
        let next = AtomicUsize::new(0);
        let tasks = group::tasks(&self.batch.units, self.batch.unity, &self.batch.alone);
        let slots: Vec<OnceLock<TaskOutcome>> = (0..count).map(|_| OnceLock::new()).collect();
        let work = || {
            while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                match task {
                    Task::Unit(number) => drop(slots[*number].set(self.run_unit(*number))),
                    Task::Group(group) => {
                        for (number, outcome) in self.run_group(group) {
                            let _ = slots[number].set(outcome);
                        }
                    }
                }
            }
        };
        thread::scope(|scope| {
            // The calling thread works too. If the system refuses a thread, fewer threads do the work.
            for _ in 1..self.batch.jobs.get().min(count) {
                if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            work();
        });
        let outcomes: Vec<TaskOutcome> = slots.into_iter().filter_map(OnceLock::into_inner).collect();
        let units = self.finish(outcomes);
        let report = Report { version: report::VERSION, units, link_hindered: self.link_hindered.into_inner() };
        write_report(&self.store, &report)?;
        match self.stop.into_inner() {
            Some(Stop::Interrupted) => return Err(Error::Interrupted),
            Some(Stop::CompilerGone { program, source }) => return Err(Error::CompilerGone { program, source }),
            Some(Stop::Failed) | None => {}
        }
        if report.units.iter().all(|unit| unit.status.is_good()) {
            self.store.prune_objects(&self.used.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
        Ok(report)
    }

    fn name(&self, number: usize) -> String {
        self.batch.units[number].to_string_lossy().into_owned()
    }

    fn run_unit(&self, number: usize) -> TaskOutcome {
        if let Some(why) = self.why_not_started() {
            return TaskOutcome::Finished(self.report(number, Err(why)));
        }
        let name = self.name(number);
        self.observer.event(&Event::UnitStarted { unit: &name });
        self.outcome(number, self.build_unit(number, &name))
    }

    /// Compiles a group, then alone each unit that was not merged.
    fn run_group(&self, group: &[GroupMember]) -> Vec<(usize, TaskOutcome)> {
        if self.stop.get().is_some() {
            return group.iter().map(|member| (member.number, self.run_unit(member.number))).collect();
        }
        for member in group {
            self.observer.event(&Event::UnitStarted { unit: &self.name(member.number) });
        }
        // The failure of a group is not reported: its units are compiled alone, and each reports its own failure.
        let mut merged = self.build_group(group).unwrap_or_default();
        let outcome = |member: &GroupMember| {
            let number = member.number;
            let result = match (merged.remove(&number), self.why_not_started()) {
                (Some(unit), _) => Ok(unit),
                (None, Some(why)) => return (number, TaskOutcome::Finished(self.report(number, Err(why)))),
                (None, None) => self.build_unit(number, &self.name(number)),
            };
            (number, self.outcome(number, result))
        };
        group.iter().map(outcome).collect()
    }

    fn why_not_started(&self) -> Option<UnitError> {
        Some(match self.stop.get()? {
            Stop::Failed => UnitError::Skipped,
            Stop::Interrupted => UnitError::Interrupted,
            Stop::CompilerGone { .. } => UnitError::NoCompiler,
        })
    }

    fn outcome(&self, number: usize, result: Result<CompiledUnit, UnitError>) -> TaskOutcome {
        let name = self.name(number);
        match result {
            Ok(unit) => {
                self.observer.event(&Event::UnitCompiled(Compiled {
                    unit: &name,
                    status: unit.status(),
                    cached: unit.origin == Source::Cache,
                    took: unit.timings.compile + unit.timings.link,
                    library: unit.library.as_deref(),
                }));
                if self.batch.compact {
                    TaskOutcome::Compiled(unit)
                } else {
                    TaskOutcome::Finished(self.report(number, Ok(unit)))
                }
            }
            Err(failure) => {
                self.record_failure(&name, &failure);
                TaskOutcome::Finished(self.report(number, Err(failure)))
            }
        }
    }

    /// Reports the compiler's messages, and stops the batch if no further unit is to start.
    fn record_failure(&self, unit: &str, failure: &UnitError) {
        self.report_output(unit, failure.output());
        let stop = match Stop::for_all(failure) {
            Some(stop) => stop,
            None if self.batch.keep_going => return,
            None => Stop::Failed,
        };
        let _ = self.stop.set(stop);
    }

    /// Links the library of all compiled units if the batch makes one, and returns the reports.
    fn finish(&self, outcomes: Vec<TaskOutcome>) -> Vec<UnitReport> {
        let mut outcomes = self.refuse_duplicates(self.split_duplicates(outcomes));
        let failed =
            outcomes.iter().any(|outcome| matches!(outcome, TaskOutcome::Finished(report) if !report.status.is_good()));
        let mut compiled: Vec<&mut CompiledUnit> = outcomes.iter_mut().filter_map(TaskOutcome::compiled).collect();
        let link = if compiled.is_empty() {
            Ok(())
        } else if failed && !self.batch.keep_going {
            Err(())
        } else {
            self.link_all(&mut compiled)
        };
        let report = |(number, outcome)| match (outcome, &link) {
            (TaskOutcome::Finished(report), _) => report,
            (TaskOutcome::Compiled(unit), Ok(())) => self.report(number, Ok(unit)),
            (TaskOutcome::Compiled(_), Err(())) => self.report(number, Err(self.why_not_linked(failed))),
        };
        outcomes.into_iter().enumerate().map(report).collect()
    }

    fn why_not_linked(&self, another_failed: bool) -> UnitError {
        match self.stop.get() {
            Some(Stop::Interrupted) => UnitError::Interrupted,
            _ if another_failed && !self.batch.keep_going => UnitError::NotLinked,
            _ => UnitError::LinkFailed,
        }
    }

    /// Links the library of all units. Reports a failure by an event, since the failure belongs to no single unit.
    fn link_all(&self, units: &mut [&mut CompiledUnit]) -> Result<(), ()> {
        let name = library_name(self.pipeline, COMPACT_STEM);
        let library = self.store.layout().library(&name);
        self.observer.event(&Event::LinkStarted { library: &library, objects: units.len() });
        let objects: Vec<&CompiledUnit> = units.iter().map(|unit| &**unit).collect();
        let staged = self.store.layout().staging().join(&name);
        match self.link(&objects, &name, &staged, self.batch.jobs, self.pipeline.deadline()) {
            Ok(linked) => {
                self.observer.event(&Event::LinkFinished { library: &library, reused: linked.took.is_none() });
                units.iter_mut().for_each(|unit| unit.set_library(&name, &linked));
                Ok(())
            }
            Err(failure) => {
                if let Some(stop) = Stop::for_all(&failure) {
                    let _ = self.stop.set(stop);
                }
                self.link_hindered.fetch_or(failure.is_of_machine(), Ordering::Relaxed);
                self.observer.event(&Event::LinkFailed { library: &library, failure: &failure });
                Err(())
            }
        }
    }

    /// Compiles alone all units of a group that defines another unit's symbol: the unit with the duplicate is refused, and must not share
    /// an object with units that are linked.
    fn split_duplicates(&self, outcomes: Vec<TaskOutcome>) -> Vec<TaskOutcome> {
        let defined = |outcome: &TaskOutcome| match outcome {
            TaskOutcome::Compiled(unit) => Some((unit.file.clone(), unit.record.symbols.clone())),
            TaskOutcome::Finished(_) => None,
        };
        let mut count: HashMap<String, usize> = HashMap::new();
        let mut members: HashMap<PathBuf, usize> = HashMap::new();
        for (file, symbols) in outcomes.iter().filter_map(defined) {
            symbols.into_iter().for_each(|symbol| *count.entry(symbol).or_default() += 1);
            *members.entry(file).or_default() += 1;
        }
        let split: HashSet<PathBuf> = outcomes
            .iter()
            .filter_map(defined)
            .filter(|(file, symbols)| members[file] > 1 && symbols.iter().any(|symbol| count[symbol] > 1))
            .map(|(file, _)| file)
            .collect();
        let build_alone = |(number, outcome)| match outcome {
            TaskOutcome::Compiled(unit) if split.contains(&unit.file) => {
                let name = self.name(number);
                match self.build_unit(number, &name) {
                    Ok(unit) => TaskOutcome::Compiled(unit),
                    Err(failure) => {
                        self.record_failure(&name, &failure);
                        TaskOutcome::Finished(self.report(number, Err(failure)))
                    }
                }
            }
            outcome => outcome,
        };
        outcomes.into_iter().enumerate().map(build_alone).collect()
    }

    /// Refuses units that define the symbol of an earlier unit. The linker would refuse the whole library and name temporary files.
    fn refuse_duplicates(&self, outcomes: Vec<TaskOutcome>) -> Vec<TaskOutcome> {
        let mut owners: HashMap<String, String> = HashMap::new();
        let mut refuse = |(number, outcome)| {
            let TaskOutcome::Compiled(unit) = outcome else { return outcome };
            let Record { symbols, shared, .. } = &unit.record;
            let mut own = symbols.iter().filter(|symbol| !shared.contains(symbol));
            match own.clone().find_map(|symbol| Some((symbol, owners.get(symbol)?))) {
                Some((symbol, other)) => {
                    let failure = UnitError::DuplicateSymbol { symbol: symbol.clone(), other: other.clone() };
                    TaskOutcome::Finished(self.report(number, Err(failure)))
                }
                None => {
                    owners.extend(own.by_ref().map(|symbol| (symbol.clone(), self.name(number))));
                    TaskOutcome::Compiled(unit)
                }
            }
        };
        outcomes.into_iter().enumerate().map(&mut refuse).collect()
    }

    fn report(&self, number: usize, result: Result<CompiledUnit, UnitError>) -> UnitReport {
        let name = self.name(number);
        let report = match result {
            Ok(unit) => UnitReport {
                unit: name,
                status: unit.status(),
                cached: unit.origin == Source::Cache,
                library: unit.library,
                symbols: unit.record.symbols,
                timings: unit.timings,
                error: None,
            },
            Err(failure) => UnitReport::failed(name, failure),
        };
        self.observer.event(&Event::UnitFinished { report: &report });
        report
    }
}

/// Writes a report in which every unit fails for want of the header, over an earlier run's report.
pub(super) fn report_no_header(batch: &Batch, store: &Store, error: &Error) -> Result<(), Error> {
    let units = batch.units.iter().map(|unit| {
        let failure = match error {
            Error::Interrupted => UnitError::Interrupted,
            _ => UnitError::NoHeader,
        };
        UnitReport::failed(unit.to_string_lossy().into_owned(), failure)
    });
    write_report(store, &Report { version: report::VERSION, units: units.collect(), link_hindered: false })
}

fn write_report(store: &Store, report: &Report) -> Result<(), Error> {
    let path = store.layout().library(REPORT_NAME);
    let bytes = serde_json::to_vec_pretty(report).map_err(|error| Error::file("write", &path)(error.into()))?;
    store.write(REPORT_NAME, &bytes)
}
