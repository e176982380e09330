//! Tiers: quick code first, then optimized code in the same slot. The first tier is tcc if tcc accepts the header, else the same compiler
//! with `-O1`. Optimized code is compiled when no unit waits for its first code.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use mjit_cc_platforms::{Choice, Flags, OptLevel};

use super::Shared;
use super::engine::{BuildEngine, TranslationUnit};
use super::group::{BuildResult, GeneratedUnit};
use super::host::SourceLocation;
use super::log::WorkerEvent;
use super::options::{Options, Tiers, WorkerHeader};
use super::units::{Part, Tier};
use crate::discover::{CompilerSpec, DetectedCompiler, Environment, Finder};
use crate::error::UnitError;
use crate::event::Event;
use crate::exec::ProcessExecutor;
use crate::header::UnitHeader;
use crate::pipeline::Pipeline;
use crate::report::Status;
use crate::scratch::{Purpose, Scratch};
use crate::timeline::Kind;

/// The optimization level of the same compiler in the first tier.
const QUICK_LEVEL: OptLevel = OptLevel::O1;

/// A unit with quick code that is being optimized.
struct ImprovingUnit {
    id: u64,
    location: SourceLocation,
    source: PathBuf,
    began: Instant,
}

impl BuildEngine {
    /// Returns the engine of the first tier, with a directory of its own; `None` if it would not be quicker, or does not work.
    pub(super) fn set_up_quick(
        &self,
        options: &Options,
        environment: &Environment,
        executor: &Arc<ProcessExecutor>,
    ) -> Option<Self> {
        let tcc = match options.tiers {
            Tiers::Off => return None,
            Tiers::Quickest => self.quick_tcc(options, environment, executor),
            Tiers::SameCompiler => None,
        };
        // The code of tcc is slower than that of other compilers with -O1, and little slower than theirs with -O0.
        tcc.filter(|_| options.flags.optimize != OptLevel::O0).or_else(|| {
            let hurries = !matches!(options.flags.optimize, OptLevel::O0 | OptLevel::O1);
            hurries.then(|| self.quick_same(options, executor)).flatten()
        })
    }

    fn quick_tcc(&self, options: &Options, environment: &Environment, executor: &Arc<ProcessExecutor>) -> Option<Self> {
        let finder = Finder { environment, executor: &**executor, temp_dir: self.pipeline().scratch.path() };
        let found =
            finder.find(&CompilerSpec { cc: Some("tcc".into()), choice: Some(Choice::Tcc), target: None }).ok()?;
        let (ours, theirs) = (self.pipeline().toolchain().compiler(), found.toolchain.compiler());
        if theirs.target != ours.target || theirs.family == ours.family {
            return None;
        }
        let pipeline = self.quick_pipeline(options, executor, found, options.flags.clone())?;
        // tcc links by itself only.
        pipeline.check_link().ok()?;
        let header = match &options.header {
            WorkerHeader::None => UnitHeader::None,
            WorkerHeader::File(header) => UnitHeader::Text(std::path::absolute(header).ok()?),
        };
        // Tests whether tcc accepts the header and the flags.
        pipeline.try_header(header.as_job(), &silent).ok()?;
        Some(self.beside(pipeline, header))
    }

    fn quick_same(&self, options: &Options, executor: &Arc<ProcessExecutor>) -> Option<Self> {
        let flags = Flags { optimize: QUICK_LEVEL, ..options.flags.clone() };
        let pipeline = self.quick_pipeline(options, executor, self.pipeline().compiler.clone(), flags)?;
        // A PCH is valid only for the flags with which it was built.
        let header = Self::prepare_header(&pipeline, &options.header, &silent).ok()?;
        Some(self.beside(pipeline, header))
    }

    fn quick_pipeline(
        &self,
        options: &Options,
        executor: &Arc<ProcessExecutor>,
        found: DetectedCompiler,
        flags: Flags,
    ) -> Option<Pipeline> {
        let scratch = Scratch::create(&[self.pipeline().scratch.path().parent()?.to_owned()], Purpose::Code).ok()?;
        let executor: Arc<ProcessExecutor> = Arc::clone(executor);
        let mut pipeline = Pipeline::new(found, flags, executor, scratch);
        pipeline.timeout = options.timeout;
        pipeline.records_units = false;
        Some(pipeline)
    }
}

/// Ignores events of the setup of the first tier: an error is no problem, since the second tier remains.
fn silent(_: &Event<'_>) {}

impl Shared {
    /// Builds the first code of a unit, and returns its tier.
    pub(super) fn build_first(
        &self,
        engine: &BuildEngine,
        location: &SourceLocation,
        stem: &str,
        source: &TranslationUnit<'_>,
        entry: &str,
    ) -> (Tier, BuildResult) {
        let Some(quick) = engine.quick() else {
            return (Tier::Optimized, self.build_alone(engine, stem, source, entry));
        };
        match self.build_alone(quick, stem, source, entry) {
            Err(failure) if !matches!(failure, UnitError::Interrupted) => {
                self.not_quick(location, failure);
                (Tier::Optimized, self.build_alone(engine, stem, source, entry))
            }
            built => (Tier::Quick, built),
        }
    }

    /// Reports that the first tier failed for a unit.
    pub(super) fn not_quick(&self, location: &SourceLocation, why: UnitError) {
        self.tell(&WorkerEvent::BaselineFailed { location: location.clone(), why: Arc::new(why) });
    }

    /// Optimizes units that have quick code, hottest first. After a failure a unit keeps its quick code.
    pub(super) fn improve(&self, engine: &BuildEngine, parts: Vec<Part>) {
        if parts.len() > 1 && self.coordinator.is_paused() {
            let ids: Vec<u64> = parts.iter().map(|part| part.id).collect();
            return self.coordinator.with(|state| state.units.improve_later(&ids));
        }
        let began = Instant::now();
        let record = self.record(Kind::Unit, format_args!("{} units, optimised", parts.len()), None);
        let generated_units = parts.into_iter().map(|Part { id, location, text }| {
            let stem = engine.stem(id);
            let source = engine.source(&stem);
            let (name, entry) = (engine.source_name(&stem), self.entry(id, &location));
            engine.announce(&entry, &location);
            GeneratedUnit { what: ImprovingUnit { id, location, source, began }, stem, name, entry, text }
        });
        self.build_units(engine, generated_units.collect(), &|unit, built| self.improved(unit.what, built));
        record.ends(Status::Built);
    }

    fn improved(&self, unit: ImprovingUnit, built: BuildResult) {
        let ImprovingUnit { id, location, source, began } = unit;
        let took = began.elapsed();
        match built {
            Ok(loaded) => {
                let moved = self.coordinator.publish(|state| state.units.improve(id, &loaded));
                // Code that is no longer needed is unloaded here, outside the lock.
                if moved {
                    self.tell(&WorkerEvent::Improved { location, took, source });
                    self.tell_host(id, loaded.address);
                }
            }
            Err(why) => {
                self.coordinator.publish(|state| state.units.stay_baseline(id));
                if !matches!(why, UnitError::Interrupted) {
                    self.tell(&WorkerEvent::NotImproved { location, took, why: Arc::new(why) });
                }
            }
        }
    }
}
