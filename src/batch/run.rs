//! A batch that runs: threads that take units in turn, one library of all where that is wanted, the report.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use mjit_cc_platforms::Role;

use super::group::{self, Grouped, Task};
use super::make::{CompiledUnit, Source};
use super::{Batch, COMPACT_STEM, library_name};
use crate::error::{Error, UnitError};
use crate::event::{Compiled, Event, Observer};
use crate::header::UnitHeader;
use crate::pipeline::{Merging, Pipeline};
use crate::report::{self, Report, UnitReport};
use crate::store::{Record, Store};

const REPORT_NAME: &str = "units.json";

/// How far a unit is once its turn on a thread is over.
enum Turn {
    /// Compiled; the library of all units is still to be linked.
    Compiled(CompiledUnit),
    /// Through, well or badly.
    Over(UnitReport),
}

impl Turn {
    fn compiled(&mut self) -> Option<&mut CompiledUnit> {
        match self {
            Self::Compiled(made) => Some(made),
            Self::Over(_) => None,
        }
    }
}

/// Everything that the threads of a running batch share.
pub(super) struct Run<'a> {
    pub(super) batch: &'a Batch,
    pub(super) pipeline: &'a Pipeline,
    pub(super) observer: &'a dyn Observer,
    pub(super) store: Store,
    pub(super) header: UnitHeader,
    pub(super) role: Role,
    pub(super) stems: Vec<String>,
    pub(super) merging: Merging,
    /// The objects that this run has a use for, without their suffixes, which their records share.
    pub(super) used: Mutex<HashSet<PathBuf>>,
    /// Why no further unit is started.
    pub(super) stop: OnceLock<Stop>,
    /// Whether the machine was in the way of the library of all units.
    pub(super) link_hindered: AtomicBool,
}

pub(super) enum Stop {
    Failed,
    Interrupted,
    CompilerGone { program: PathBuf, source: io::Error },
}

impl Stop {
    /// What ends the whole work, -k or not: the others would fare no better.
    fn for_all(failure: &UnitError) -> Option<Self> {
        match failure {
            UnitError::Interrupted => Some(Self::Interrupted),
            // Anything else, such as too many open files, may pass.
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
        // Each unit's key wants the answer: asked for here, the compiler is asked once and not by each thread.
        self.pipeline.configuration();
        let next = AtomicUsize::new(0);
        let tasks = group::tasks(&self.batch.units, self.batch.unity, &self.batch.alone);
        let slots: Vec<OnceLock<Turn>> = (0..count).map(|_| OnceLock::new()).collect();
        let work = || {
            while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                match task {
                    Task::Unit(number) => drop(slots[*number].set(self.take_turn(*number))),
                    Task::Group(group) => {
                        for (number, turn) in self.take_turns(group) {
                            let _ = slots[number].set(turn);
                        }
                    }
                }
            }
        };
        thread::scope(|scope| {
            // This thread is one of them; where the system gives no more, fewer do.
            for _ in 1..self.batch.jobs.get().min(count) {
                if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            work();
        });
        let turns: Vec<Turn> = slots.into_iter().filter_map(OnceLock::into_inner).collect();
        let units = self.compact(turns);
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

    /// A unit's turn on one of the threads.
    fn take_turn(&self, number: usize) -> Turn {
        if let Some(why) = self.why_not_started() {
            return Turn::Over(self.report(number, Err(why)));
        }
        let name = self.name(number);
        self.observer.event(&Event::UnitStarted { unit: &name });
        self.turn(number, self.make(number, &name))
    }

    /// The same for units that are compiled together.
    fn take_turns(&self, group: &[Grouped]) -> Vec<(usize, Turn)> {
        if self.stop.get().is_some() {
            return group.iter().map(|one| (one.number, self.take_turn(one.number))).collect();
        }
        for one in group {
            self.observer.event(&Event::UnitStarted { unit: &self.name(one.number) });
        }
        // What is wrong with the group is told unit by unit, of units that are made alone.
        let mut together = self.make_together(group).unwrap_or_default();
        let turn = |one: &Grouped| {
            let number = one.number;
            let made = match (together.remove(&number), self.why_not_started()) {
                (Some(made), _) => Ok(made),
                (None, Some(why)) => return (number, Turn::Over(self.report(number, Err(why)))),
                (None, None) => self.make(number, &self.name(number)),
            };
            (number, self.turn(number, made))
        };
        group.iter().map(turn).collect()
    }

    fn why_not_started(&self) -> Option<UnitError> {
        Some(match self.stop.get()? {
            Stop::Failed => UnitError::Skipped,
            Stop::Interrupted => UnitError::Interrupted,
            Stop::CompilerGone { .. } => UnitError::NoCompiler,
        })
    }

    fn turn(&self, number: usize, made: Result<CompiledUnit, UnitError>) -> Turn {
        let name = self.name(number);
        match made {
            Ok(made) => {
                self.observer.event(&Event::UnitCompiled(Compiled {
                    unit: &name,
                    status: made.status(),
                    cached: made.origin == Source::Cache,
                    took: made.timings.compile + made.timings.link,
                    library: made.library.as_deref(),
                }));
                if self.batch.compact { Turn::Compiled(made) } else { Turn::Over(self.report(number, Ok(made))) }
            }
            Err(failure) => {
                self.note_failure(&name, &failure);
                Turn::Over(self.report(number, Err(failure)))
            }
        }
    }

    fn note_failure(&self, unit: &str, failure: &UnitError) {
        self.tell_output(unit, failure.output());
        let stop = match Stop::for_all(failure) {
            Some(stop) => stop,
            None if self.batch.keep_going => return,
            None => Stop::Failed,
        };
        let _ = self.stop.set(stop);
    }

    /// One library of all units that compiled.
    fn compact(&self, turns: Vec<Turn>) -> Vec<UnitReport> {
        let mut turns = self.refuse_duplicates(self.part_duplicates(turns));
        let failed = turns.iter().any(|turn| matches!(turn, Turn::Over(report) if !report.status.is_good()));
        let mut compiled: Vec<&mut CompiledUnit> = turns.iter_mut().filter_map(Turn::compiled).collect();
        let outcome = if compiled.is_empty() {
            Ok(())
        } else if failed && !self.batch.keep_going {
            Err(())
        } else {
            self.link_together(&mut compiled)
        };
        let over = |(number, turn)| match (turn, &outcome) {
            (Turn::Over(report), _) => report,
            (Turn::Compiled(made), Ok(())) => self.report(number, Ok(made)),
            (Turn::Compiled(_), Err(())) => self.report(number, Err(self.why_not_linked(failed))),
        };
        turns.into_iter().enumerate().map(over).collect()
    }

    fn why_not_linked(&self, another_failed: bool) -> UnitError {
        match self.stop.get() {
            Some(Stop::Interrupted) => UnitError::Interrupted,
            _ if another_failed && !self.batch.keep_going => UnitError::NotLinked,
            _ => UnitError::LinkFailed,
        }
    }

    /// Says itself what is wrong, since that is no single unit's.
    fn link_together(&self, units: &mut [&mut CompiledUnit]) -> Result<(), ()> {
        let name = library_name(self.pipeline, COMPACT_STEM);
        let library = self.store.layout().library(&name);
        self.observer.event(&Event::LinkStarted { library: &library, objects: units.len() });
        let objects: Vec<&CompiledUnit> = units.iter().map(|unit| &**unit).collect();
        let staged = self.store.layout().staging().join(&name);
        match self.link(&objects, &name, &staged, self.batch.jobs, self.pipeline.deadline()) {
            Ok(linked) => {
                self.observer.event(&Event::LinkFinished { library: &library, reused: linked.took.is_none() });
                units.iter_mut().for_each(|unit| unit.join(&name, &linked));
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

    /// A unit that defines another's symbol is refused, and must not be in one object with units that are not: such objects are given up
    /// for an object a unit.
    fn part_duplicates(&self, turns: Vec<Turn>) -> Vec<Turn> {
        let made = |turn: &Turn| match turn {
            Turn::Compiled(made) => Some((made.file.clone(), made.record.symbols.clone())),
            Turn::Over(_) => None,
        };
        let mut count: HashMap<String, usize> = HashMap::new();
        let mut members: HashMap<PathBuf, usize> = HashMap::new();
        for (file, symbols) in turns.iter().filter_map(made) {
            symbols.into_iter().for_each(|symbol| *count.entry(symbol).or_default() += 1);
            *members.entry(file).or_default() += 1;
        }
        let doubted: HashSet<PathBuf> = turns
            .iter()
            .filter_map(made)
            .filter(|(file, symbols)| members[file] > 1 && symbols.iter().any(|symbol| count[symbol] > 1))
            .map(|(file, _)| file)
            .collect();
        let part = |(number, turn)| match turn {
            Turn::Compiled(made) if doubted.contains(&made.file) => {
                let name = self.name(number);
                match self.make(number, &name) {
                    Ok(made) => Turn::Compiled(made),
                    Err(failure) => {
                        self.note_failure(&name, &failure);
                        Turn::Over(self.report(number, Err(failure)))
                    }
                }
            }
            turn => turn,
        };
        turns.into_iter().enumerate().map(part).collect()
    }

    /// The linker would refuse the whole library and name temporary files; the unit that came first keeps the symbol.
    fn refuse_duplicates(&self, turns: Vec<Turn>) -> Vec<Turn> {
        let mut owners: HashMap<String, String> = HashMap::new();
        let mut refuse = |(number, turn)| {
            let Turn::Compiled(made) = turn else { return turn };
            let Record { symbols, shared, .. } = &made.record;
            let mut own = symbols.iter().filter(|symbol| !shared.contains(symbol));
            match own.clone().find_map(|symbol| Some((symbol, owners.get(symbol)?))) {
                Some((symbol, other)) => {
                    let failure = UnitError::DuplicateSymbol { symbol: symbol.clone(), other: other.clone() };
                    Turn::Over(self.report(number, Err(failure)))
                }
                None => {
                    owners.extend(own.by_ref().map(|symbol| (symbol.clone(), self.name(number))));
                    Turn::Compiled(made)
                }
            }
        };
        turns.into_iter().enumerate().map(&mut refuse).collect()
    }

    fn report(&self, number: usize, made: Result<CompiledUnit, UnitError>) -> UnitReport {
        let unit = self.name(number);
        let report = match made {
            Ok(made) => UnitReport {
                unit,
                status: made.status(),
                cached: made.origin == Source::Cache,
                library: made.library,
                symbols: made.record.symbols,
                timings: made.timings,
                error: None,
            },
            Err(failure) => UnitReport::failed(unit, failure),
        };
        self.observer.event(&Event::UnitFinished { report: &report });
        report
    }
}

/// Says of every unit that it is not there, and why: the last run's report may say that it is.
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
