//! Many units into libraries: in parallel, each once, with a report. Knows units and files; how one unit is made is the
//! pipeline's, how it is shown the observer's.

use std::collections::{HashMap, HashSet};
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mjit_cc_platforms::{Header, Pch, Plan, Role};

use crate::depend::Inputs;
use crate::error::{Error, Failure};
use crate::event::{Event, Observer};
use crate::key::Digest;
use crate::pch::{self, UnitHeader};
use crate::pipeline::{Pipeline, Ran, UnitPaths};
use crate::store::{Layout, Record, Store};
use crate::symbols;
use crate::unit::Unit;

mod names;
pub mod report;

use report::{Report, Status, Timings, UnitReport};

/// The library of all units is called this, before the platform's suffix.
const COMPACT_STEM: &str = "units";
const REPORT_NAME: &str = "units.json";

/// The header that units stand behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HeaderSource {
    /// None.
    #[default]
    None,
    /// A header, precompiled into the output directory.
    Header(PathBuf),
    /// A PCH that `build-pch` built.
    Pch(PathBuf),
}

/// What to build.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The units' files.
    pub units: Vec<PathBuf>,
    /// The header they stand behind.
    pub header: HeaderSource,
    /// Where libraries and `units.json` go.
    pub out_dir: PathBuf,
    /// Whether all units go into one library.
    pub compact: bool,
    /// How many compilers run at once.
    pub jobs: NonZero<usize>,
    /// Whether the others go on when a unit fails.
    pub keep_going: bool,
}

/// A unit that is through the compiler.
struct Made {
    record: Record,
    /// The object, or in one step the library.
    file: PathBuf,
    reused: bool,
    timings: Timings,
    /// The library that it is in; not yet known where all units go into one.
    library: Option<String>,
}

/// How far a unit is once its turn on a thread is over.
enum Turn {
    /// Compiled; the library of all units is still to be linked.
    Compiled(Made),
    /// Through, well or badly.
    Over(UnitReport),
}

impl Turn {
    fn compiled(&mut self) -> Option<&mut Made> {
        match self {
            Self::Compiled(made) => Some(made),
            Self::Over(_) => None,
        }
    }
}

/// A library that objects were linked into.
struct Linked {
    /// What can be looked up in it, sorted: the platform or the user's flags may keep names back that objects define.
    exported: Vec<String>,
    /// How long linking took; nothing where the library was there.
    took: Option<Duration>,
}

impl Made {
    fn join(&mut self, library: &str, linked: &Linked) {
        self.record.symbols.retain(|symbol| linked.exported.binary_search(symbol).is_ok());
        self.timings.link = linked.took.unwrap_or_default();
        self.library = Some(library.to_owned());
    }
}

/// Everything that the threads of a running batch share.
struct Run<'a> {
    batch: &'a Batch,
    pipeline: &'a Pipeline,
    observer: &'a dyn Observer,
    store: Store,
    header: UnitHeader,
    role: Role,
    stems: Vec<String>,
    /// The objects that this run has a use for, without their suffixes, which their records share.
    used: Mutex<HashSet<PathBuf>>,
    /// Why no further unit is started.
    stop: OnceLock<Stop>,
}

enum Stop {
    Failed,
    Interrupted,
    CompilerGone { program: PathBuf, source: io::Error },
}

impl Batch {
    /// Builds. The report is also written to `units.json`, whatever became of the units.
    ///
    /// # Errors
    /// [`Error`] when the work as a whole cannot go on; what is wrong with a unit is in the report.
    pub fn run(&self, pipeline: &Pipeline, observer: &dyn Observer) -> Result<Report, Error> {
        let store = Store::open(self.layout()?, &*pipeline.executor, observer)?;
        let header = match &self.header {
            HeaderSource::None => UnitHeader::None,
            HeaderSource::Pch(file) => pch::reopen(pipeline, file, observer)?,
            HeaderSource::Header(header) => {
                let suffix = pipeline.toolchain().capabilities().pch_suffix.unwrap_or_default();
                pch::prepare(pipeline, header, &store.layout().pch(header, suffix), observer)?
            }
        };
        let (stems, role) = (names::library_stems(&self.units), self.role(pipeline));
        let run = Run {
            batch: self,
            pipeline,
            observer,
            store,
            header,
            role,
            stems,
            used: Mutex::default(),
            stop: OnceLock::new(),
        };
        run.build()
    }

    /// The processes that [`run`](Self::run) starts when nothing was built before, in order.
    ///
    /// # Errors
    /// [`Error`] when the compiler cannot do it or a PCH is not ours.
    pub fn plan(&self, pipeline: &Pipeline) -> Result<Vec<Plan>, Error> {
        let layout = self.layout()?;
        let mut plans = Vec::new();
        let mut pch = None;
        let mut text = None;
        match &self.header {
            HeaderSource::None => {}
            HeaderSource::Pch(file) => pch = Some(pch::recorded(file)?),
            HeaderSource::Header(header) => {
                let header = std::path::absolute(header).map_err(Error::file("find", header))?;
                match pipeline.toolchain().capabilities().pch_suffix {
                    None => text = Some(header),
                    Some(suffix) => pch = Some(Pch { file: layout.pch(&header, suffix), header }),
                }
                if let Some(pch) = &pch {
                    plans.push(pch::plan(pipeline, pch)?);
                }
            }
        }
        let header = match (&pch, &text) {
            (Some(pch), _) => Header::Pch(pch),
            (None, Some(text)) => Header::Text(text),
            (None, None) => Header::None,
        };

        let role = self.role(pipeline);
        let mut objects = Vec::new();
        for (number, (unit, stem)) in self.units.iter().zip(names::library_stems(&self.units)).enumerate() {
            let paths = self.paths(pipeline, &layout, number);
            let dir = std::path::absolute(unit).ok().and_then(|path| path.parent().map(Path::to_owned));
            plans.push(pipeline.plan_unit(&paths, dir.as_deref(), header, role)?);
            if role == Role::Object && !self.compact {
                let library = layout.library(&library_name(pipeline, &stem));
                plans.push(pipeline.plan_link(&[paths.staged], &library, header, &[])?);
            } else {
                objects.push(paths.staged);
            }
        }
        if self.compact {
            let library = layout.library(&library_name(pipeline, COMPACT_STEM));
            plans.push(pipeline.plan_link(&objects, &library, header, &[])?);
        }
        Ok(plans)
    }

    fn layout(&self) -> Result<Layout, Error> {
        Layout::new(&self.out_dir).map_err(Error::file("find", &self.out_dir))
    }

    /// Objects, so that they can be linked together; libraries at once where that is asked for and one process does it.
    fn role(&self, pipeline: &Pipeline) -> Role {
        if !self.compact && pipeline.toolchain().capabilities().one_step { Role::Library } else { Role::Object }
    }

    fn paths(&self, pipeline: &Pipeline, layout: &Layout, number: usize) -> UnitPaths {
        let target = &pipeline.toolchain().compiler().target;
        let suffix = match self.role(pipeline) {
            Role::Object => target.object_suffix(),
            Role::Library => target.library_suffix(),
        };
        pipeline.paths(&names::scratch_stem(number, &self.units[number]), &layout.staging(), suffix)
    }
}

fn library_name(pipeline: &Pipeline, stem: &str) -> String {
    format!("{stem}.{}", pipeline.toolchain().compiler().target.library_suffix())
}

impl Run<'_> {
    fn build(self) -> Result<Report, Error> {
        let count = self.batch.units.len();
        self.observer.event(&Event::BatchStarted { units: count });
        let next = AtomicUsize::new(0);
        let slots: Vec<OnceLock<Turn>> = (0..count).map(|_| OnceLock::new()).collect();
        let work = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(slot) = slots.get(number) else { break };
                let _ = slot.set(self.take_turn(number));
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.batch.jobs.get().min(count) {
                scope.spawn(work);
            }
        });
        let turns: Vec<Turn> = slots.into_iter().filter_map(OnceLock::into_inner).collect();
        let units = self.compact(turns);
        let report = Report { version: report::VERSION, units };

        let path = self.store.layout().library(REPORT_NAME);
        let bytes = serde_json::to_vec_pretty(&report).map_err(|error| Error::file("write", &path)(error.into()))?;
        self.store.write(REPORT_NAME, &bytes)?;
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
        if self.stop.get().is_some() {
            return Turn::Over(self.report(number, Err(Failure::Skipped)));
        }
        let name = self.name(number);
        self.observer.event(&Event::UnitStarted { unit: &name });
        match self.make(number, &name) {
            Ok(made) => {
                self.observer.event(&Event::UnitCompiled { unit: &name });
                if self.batch.compact { Turn::Compiled(made) } else { Turn::Over(self.report(number, Ok(made))) }
            }
            Err(failure) => {
                self.note_failure(&name, &failure);
                Turn::Over(self.report(number, Err(failure)))
            }
        }
    }

    fn note_failure(&self, unit: &str, failure: &Failure) {
        if !failure.output().is_empty() {
            let diagnostics = self.pipeline.toolchain().diagnostics(failure.output().as_bytes());
            self.observer.event(&Event::UnitOutput { unit, diagnostics: &diagnostics, text: failure.output() });
        }
        let stop = match failure {
            Failure::Interrupted => Stop::Interrupted,
            // The others would fare no better.
            Failure::NotStarted { program, source } => Stop::CompilerGone {
                program: program.clone(),
                source: io::Error::new(source.kind(), source.to_string()),
            },
            _ if self.batch.keep_going => return,
            _ => Stop::Failed,
        };
        let _ = self.stop.set(stop);
    }

    fn make(&self, number: usize, name: &str) -> Result<Made, Failure> {
        let unit = Unit::read(&self.batch.units[number])?;
        let made = self.compile(number, &unit)?;
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(made.file.with_extension(""));
        if !made.record.output.is_empty() {
            let diagnostics = self.pipeline.toolchain().diagnostics(made.record.output.as_bytes());
            self.observer.event(&Event::UnitOutput {
                unit: name,
                diagnostics: &diagnostics,
                text: &made.record.output,
            });
        }
        if self.batch.compact || self.role == Role::Library { Ok(made) } else { self.link_alone(number, made) }
    }

    /// To an object, or in one step to a library; or neither, where that was done before.
    fn compile(&self, number: usize, unit: &Unit) -> Result<Made, Failure> {
        let Self { pipeline, store, header, role, .. } = self;
        let digests = pipeline.digests();
        let target = &pipeline.toolchain().compiler().target;
        let suffix = target.object_suffix();
        let key = pipeline.unit_key(unit, header, *role)?;
        let library = (*role == Role::Library).then(|| library_name(pipeline, &self.stems[number]));
        let known = match &library {
            None => store.object(&key, suffix, digests),
            Some(name) => store.library(name, &key, digests).map(|record| (store.layout().library(name), record)),
        };
        if let Some((file, record)) = known {
            return Ok(Made { record, file, reused: true, timings: Timings::default(), library });
        }

        let paths = self.batch.paths(pipeline, store.layout(), number);
        let began = Instant::now();
        let ran = pipeline.compile(unit, header, *role, &paths, self.observer)?;
        let timings = Timings { compile: began.elapsed(), ..Timings::default() };
        let staged = &paths.staged;
        let symbols = match role {
            Role::Object => symbols::defined_by_object(staged, target)?,
            Role::Library => symbols::exported_by_library(staged, target)?,
        };
        let Ran { companions, text: output, inputs, .. } = ran;
        // A file that went away while it was compiled: made anew each time, until it stays.
        let (key, inputs) = inputs.map_or_else(|| (Digest::never(), Inputs::default()), |inputs| (key, inputs));
        let record = Record { key, file: digest(staged)?, inputs, symbols, output };
        let file = match &library {
            None => store.keep_object(staged, suffix, &record)?,
            Some(name) => {
                store.publish(staged, &companions, name, &record)?;
                store.layout().library(name)
            }
        };
        Ok(Made { record, file, reused: false, timings, library })
    }

    fn link_alone(&self, number: usize, mut made: Made) -> Result<Made, Failure> {
        let name = library_name(self.pipeline, &self.stems[number]);
        let link = self.link(&[&made], &name, &self.batch.paths(self.pipeline, self.store.layout(), number).staged)?;
        made.join(&name, &link);
        Ok(made)
    }

    /// Links into a library of this name, unless the one that is there is the same.
    fn link(&self, units: &[&Made], name: &str, staged: &Path) -> Result<Linked, Failure> {
        let Self { pipeline, store, header, .. } = self;
        let mut symbols: Vec<String> = units.iter().flat_map(|made| &made.record.symbols).cloned().collect();
        symbols.sort_unstable();
        let objects: Vec<PathBuf> = units.iter().map(|made| made.file.clone()).collect();
        let digests: Vec<Digest> = units.iter().map(|made| made.record.file.clone()).collect();
        let key = pipeline.link_key(&digests, header, &symbols)?;
        if let Some(record) = store.library(name, &key, pipeline.digests()) {
            return Ok(Linked { exported: record.symbols, took: None });
        }
        let began = Instant::now();
        let target = &pipeline.toolchain().compiler().target;
        let staged = staged.with_extension(target.library_suffix());
        let ran = pipeline.link(&objects, &staged, header, &symbols, self.observer)?;
        // Libraries that are named by their files; those that the linker searches for are taken to stay.
        let files = pipeline.flags.ldflags.iter().map(PathBuf::from).filter(|path| path.is_file());
        let inputs = Inputs::record(files, pipeline.digests()).unwrap_or_default();
        let exported = symbols::exported_by_library(&staged, target)?;
        let record = Record { key, file: digest(&staged)?, inputs, symbols: exported, output: ran.text };
        store.publish(&staged, &ran.companions, name, &record)?;
        Ok(Linked { exported: record.symbols, took: Some(began.elapsed()) })
    }

    /// One library of all units that compiled.
    fn compact(&self, turns: Vec<Turn>) -> Vec<UnitReport> {
        let mut turns = self.refuse_duplicates(turns);
        let failed = turns.iter().any(|turn| matches!(turn, Turn::Over(report) if !report.status.is_good()));
        let mut compiled: Vec<&mut Made> = turns.iter_mut().filter_map(Turn::compiled).collect();
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

    fn why_not_linked(&self, another_failed: bool) -> Failure {
        match self.stop.get() {
            Some(Stop::Interrupted) => Failure::Interrupted,
            _ if another_failed && !self.batch.keep_going => Failure::NotLinked,
            _ => Failure::LinkFailed,
        }
    }

    /// Says itself what is wrong, since that is no single unit's.
    fn link_together(&self, units: &mut [&mut Made]) -> Result<(), ()> {
        let name = library_name(self.pipeline, COMPACT_STEM);
        let library = self.store.layout().library(&name);
        self.observer.event(&Event::LinkStarted { library: &library, objects: units.len() });
        let objects: Vec<&Made> = units.iter().map(|unit| &**unit).collect();
        match self.link(&objects, &name, &self.store.layout().staging().join(&name)) {
            Ok(linked) => {
                units.iter_mut().for_each(|unit| unit.join(&name, &linked));
                Ok(())
            }
            Err(failure) => {
                if let Failure::Interrupted = failure {
                    let _ = self.stop.set(Stop::Interrupted);
                }
                self.observer.event(&Event::LinkFailed { library: &library, failure: &failure });
                Err(())
            }
        }
    }

    /// The linker would refuse the whole library and name temporary files; the unit that came first keeps the symbol.
    fn refuse_duplicates(&self, turns: Vec<Turn>) -> Vec<Turn> {
        let mut owners: HashMap<String, String> = HashMap::new();
        let mut refuse = |(number, turn)| {
            let Turn::Compiled(made) = turn else { return turn };
            let symbols = &made.record.symbols;
            match symbols.iter().find_map(|symbol| Some((symbol, owners.get(symbol)?))) {
                Some((symbol, other)) => {
                    let failure = Failure::DuplicateSymbol { symbol: symbol.clone(), other: other.clone() };
                    Turn::Over(self.report(number, Err(failure)))
                }
                None => {
                    owners.extend(symbols.iter().map(|symbol| (symbol.clone(), self.name(number))));
                    Turn::Compiled(made)
                }
            }
        };
        turns.into_iter().enumerate().map(&mut refuse).collect()
    }

    fn report(&self, number: usize, made: Result<Made, Failure>) -> UnitReport {
        let unit = self.name(number);
        let report = match made {
            Ok(Made { record, reused, timings, library, .. }) => UnitReport {
                unit,
                status: if reused { Status::Reused } else { Status::Built },
                library,
                symbols: record.symbols,
                timings,
                error: None,
            },
            Err(failure) => UnitReport {
                unit,
                status: Status::from(&failure),
                library: None,
                symbols: Vec::new(),
                timings: Timings::default(),
                error: Some(failure),
            },
        };
        self.observer.event(&Event::UnitFinished { report: &report });
        report
    }
}

fn digest(path: &Path) -> Result<Digest, Failure> {
    Digest::of_file(path).map_err(Failure::file("read", path))
}
