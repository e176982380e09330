//! Compiles files of units to libraries, in parallel, and reports the result. Knows units and files. The pipeline compiles one unit; the
//! observer shows the progress.

use std::collections::HashSet;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use mjit_cc_platforms::{Header, Pch, Plan, PlanError, Role};

#[cfg(not(loom))]
use crate::engine::Engine;
use crate::error::Error;
use crate::event::{Event, Observer};
use crate::header::UnitHeader;
use crate::pch;
use crate::pipeline::{Merging, Pipeline, UnitPaths};
use crate::report::Report;
use crate::store::{Layout, Store};

mod group;
mod make;
mod names;
mod run;

pub use group::Unity;

use group::Task;
use run::Run;

/// The name of the library of all units, without the platform's suffix.
const COMPACT_STEM: &str = "units";

/// The header in front of every unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HeaderSource {
    /// No header.
    #[default]
    None,
    /// A header, which is precompiled into the output directory.
    Header(PathBuf),
    /// A PCH that `mjit-cc build-pch` built.
    Pch(PathBuf),
}

/// What to build.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The units' files.
    pub units: Vec<PathBuf>,
    /// The header in front of every unit.
    pub header: HeaderSource,
    /// The directory of libraries and of `units.json`.
    pub out_dir: PathBuf,
    /// True if all units are linked into one library.
    pub compact: bool,
    /// Whether units are merged into groups, and into which.
    pub unity: Unity,
    /// Units that are never merged.
    pub alone: HashSet<PathBuf>,
    /// How many compilers run at once.
    pub jobs: NonZero<usize>,
    /// True if the other units are still compiled after a unit fails.
    pub keep_going: bool,
}

impl Batch {
    /// Compiles the units and returns the report, which is also written to `units.json`, even if units fail.
    ///
    /// # Errors
    /// [`Error`] if the batch cannot continue. The failure of a unit is in the report.
    pub fn run(&self, pipeline: &Pipeline, observer: &dyn Observer) -> Result<Report, Error> {
        pipeline.check_link()?;
        let store = Store::open(self.layout()?, &*pipeline.executor, observer)?;
        let header = match self.prepare_header(pipeline, &store, observer) {
            Ok(header) => header,
            Err(error) => {
                run::report_no_header(self, &store, &error)?;
                return Err(error);
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
            merging: Merging::default(),
            used: std::sync::Mutex::default(),
            stop: std::sync::OnceLock::new(),
            link_hindered: std::sync::atomic::AtomicBool::new(false),
        };
        run.build()
    }

    /// Does the same as [`run`](Self::run) with an engine's compiler, flags, cache, limits and observer. [`header`](Self::header) replaces
    /// the engine's header.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`Error::OtherProcess`] in the child of a fork.
    #[cfg(not(loom))]
    pub fn build(&self, engine: &Engine) -> Result<Report, Error> {
        if !engine.is_here() {
            return Err(Error::OtherProcess);
        }
        self.run(engine.pipeline(), engine.observer())
    }

    fn prepare_header(&self, pipeline: &Pipeline, store: &Store, observer: &dyn Observer) -> Result<UnitHeader, Error> {
        match &self.header {
            HeaderSource::None => Ok(UnitHeader::None),
            HeaderSource::Pch(file) => pch::reopen(pipeline, file, observer),
            HeaderSource::Header(header) => {
                let suffix = pipeline.toolchain().capabilities().pch_suffix.unwrap_or_default();
                pch::prepare(pipeline, header, &store.layout().pch(header, suffix), observer)
            }
        }
    }

    /// Returns the processes that [`run`](Self::run) would start in an empty output directory, in order.
    ///
    /// # Errors
    /// [`Error`] if the compiler does not support the batch, or `build-pch` did not build the PCH.
    pub fn plan(&self, pipeline: &Pipeline) -> Result<Vec<Plan>, Error> {
        pipeline.check_link()?;
        let layout = self.layout()?;
        let mut plans = Vec::new();
        let mut pch = None;
        let mut text = None;
        match &self.header {
            HeaderSource::None => {}
            HeaderSource::Pch(file) => match pch::recorded(pipeline, file, &|_: &Event<'_>| {})? {
                recorded if pipeline.supports_pch() => pch = Some(recorded),
                recorded => text = Some(recorded.header),
            },
            HeaderSource::Header(header) => {
                let header = std::path::absolute(header).map_err(Error::file("find", header))?;
                match pipeline.toolchain().capabilities().pch_suffix.filter(|_| pipeline.supports_pch()) {
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
        let stems = names::library_stems(&self.units);
        for task in group::tasks(&self.units, self.unity, &self.alone) {
            let (number, stem, role) = match &task {
                Task::Unit(number) => (*number, stems[*number].clone(), role),
                // The plan names a group by its first member only.
                Task::Group(group) => (group[0].number, group::group_stem(group, &stems), Role::Object),
            };
            let unit = &self.units[number];
            let paths = match &task {
                Task::Unit(_) => self.paths(pipeline, &layout, number, role),
                Task::Group(_) => self.group_paths(pipeline, &layout, number),
            };
            let dir = std::path::absolute(unit).ok().and_then(|path| path.parent().map(Path::to_owned));
            let plan = pipeline.plan_unit(&paths, dir.as_deref(), header, role)?;
            plans.push(if role == Role::Object { pipeline.launched(plan) } else { plan });
            if role == Role::Object && !self.compact {
                let library = layout.library(&library_name(pipeline, &stem));
                plans.push(plan_link(pipeline, &[paths.staged], &library, header)?);
            } else {
                objects.push(paths.staged);
            }
        }
        if self.compact {
            let library = layout.library(&library_name(pipeline, COMPACT_STEM));
            plans.push(plan_link(pipeline, &objects, &library, header)?);
        }
        Ok(plans)
    }

    /// Returns the files of a group, given the number of its first unit.
    fn group_paths(&self, pipeline: &Pipeline, layout: &Layout, number: usize) -> UnitPaths {
        let suffix = pipeline.toolchain().compiler().target.object_suffix();
        let paths = pipeline.paths(&names::scratch_stem(number, Path::new("unity")), &layout.staging(), suffix);
        with_stable_source(paths, layout)
    }

    fn layout(&self) -> Result<Layout, Error> {
        Layout::new(&self.out_dir).map_err(Error::file("find", &self.out_dir))
    }

    /// Returns whether units are compiled to objects, or in one step to libraries. One step needs a compiler that does both in one process,
    /// and a library for each unit. A cache and a launcher handle objects only.
    fn role(&self, pipeline: &Pipeline) -> Role {
        let Pipeline { cache, launcher, .. } = pipeline;
        let at_once = !self.compact && pipeline.toolchain().capabilities().one_step;
        if at_once && cache.is_none() && launcher.is_none() { Role::Library } else { Role::Object }
    }

    fn paths(&self, pipeline: &Pipeline, layout: &Layout, number: usize, role: Role) -> UnitPaths {
        let target = &pipeline.toolchain().compiler().target;
        let suffix = match role {
            Role::Object => target.object_suffix(),
            Role::Library => target.library_suffix(),
        };
        let paths = pipeline.paths(&names::scratch_stem(number, &self.units[number]), &layout.staging(), suffix);
        with_stable_source(paths, layout)
    }
}

fn plan_link(pipeline: &Pipeline, objects: &[PathBuf], library: &Path, header: Header<'_>) -> Result<Plan, PlanError> {
    let plan = pipeline.plan_link(objects, library, header, &[])?;
    Ok(pipeline.with_link_list(&plan, library).map_or(plan, |(listing, _)| listing))
}

/// Moves a source that needs the same path in each run from this run's staging directory to a directory that all runs use.
fn with_stable_source(paths: UnitPaths, layout: &Layout) -> UnitPaths {
    match paths.source.strip_prefix(layout.staging()) {
        Ok(name) => UnitPaths { source: layout.sources().join(name), ..paths },
        Err(_) => paths,
    }
}

fn library_name(pipeline: &Pipeline, stem: &str) -> String {
    format!("{stem}.{}", pipeline.toolchain().compiler().target.library_suffix())
}
