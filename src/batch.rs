//! Many units into libraries: in parallel, each once, with a report. Knows units and files; how one unit is made is the
//! pipeline's, how it is shown the observer's.

use std::collections::{HashMap, HashSet};
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
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
        let run = Run { batch: self, pipeline, observer, store, header, role, stems, stop: OnceLock::new() };
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
        let slots: Vec<OnceLock<Result<Made, Failure>>> = (0..count).map(|_| OnceLock::new()).collect();
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
        let mut made: Vec<Result<Made, Failure>> =
            slots.into_iter().map(|slot| slot.into_inner().unwrap_or(Err(Failure::Skipped))).collect();

        let objects: HashSet<PathBuf> = made.iter().flatten().map(|made| made.file.with_extension("")).collect();
        if self.batch.compact {
            self.compact(&mut made);
        }
        let units = made.into_iter().enumerate().map(|(number, made)| self.report(number, made)).collect();
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
            self.store.prune_objects(&objects);
        }
        Ok(report)
    }

    fn name(&self, number: usize) -> String {
        self.batch.units[number].to_string_lossy().into_owned()
    }

    /// A unit's turn on one of the threads.
    fn take_turn(&self, number: usize) -> Result<Made, Failure> {
        if self.stop.get().is_some() {
            return Err(Failure::Skipped);
        }
        let name = self.name(number);
        self.observer.event(&Event::UnitStarted { unit: &name });
        let result = self.make(number, &name);
        match &result {
            Ok(_) => self.observer.event(&Event::UnitCompiled { unit: &name }),
            Err(failure) => self.note_failure(&name, failure),
        }
        result
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
    fn compact(&self, made: &mut [Result<Made, Failure>]) {
        self.refuse_duplicates(made);
        if !self.batch.keep_going && made.iter().any(Result::is_err) {
            fail_the_good(made, || Failure::NotLinked);
            return;
        }
        let good: Vec<&Made> = made.iter().flatten().collect();
        if good.is_empty() {
            return;
        }
        let name = library_name(self.pipeline, COMPACT_STEM);
        let library = self.store.layout().library(&name);
        self.observer.event(&Event::LinkStarted { library: &library, objects: good.len() });
        match self.link(&good, &name, &self.store.layout().staging().join(&name)) {
            Ok(linked) => made.iter_mut().flatten().for_each(|made| made.join(&name, &linked)),
            Err(failure) => {
                self.observer.event(&Event::LinkFailed { library: &library, failure: &failure });
                if matches!(failure, Failure::Interrupted) {
                    let _ = self.stop.set(Stop::Interrupted);
                    fail_the_good(made, || Failure::Interrupted);
                } else {
                    fail_the_good(made, || Failure::LinkFailed);
                }
            }
        }
    }

    /// The linker would refuse the whole library and name temporary files; the unit that came first keeps the symbol.
    fn refuse_duplicates(&self, made: &mut [Result<Made, Failure>]) {
        let mut owners: HashMap<String, String> = HashMap::new();
        for (number, slot) in made.iter_mut().enumerate() {
            let Ok(unit) = slot else { continue };
            let twice =
                unit.record.symbols.iter().find_map(|symbol| Some((symbol.clone(), owners.get(symbol)?.clone())));
            match twice {
                Some((symbol, other)) => *slot = Err(Failure::DuplicateSymbol { symbol, other }),
                None => owners.extend(unit.record.symbols.iter().map(|symbol| (symbol.clone(), self.name(number)))),
            }
        }
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

fn fail_the_good(made: &mut [Result<Made, Failure>], why: impl Fn() -> Failure) {
    for slot in made.iter_mut().filter(|slot| slot.is_ok()) {
        *slot = Err(why());
    }
}
