//! Tiers: first code that is there soon, and then better code in the same slot. The first tier is tcc where it takes the header, else the
//! same compiler in a hurry; the better code is made when no unit waits for its first.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use mjit_cc_platforms::{Choice, Flags, OptLevel};

use super::Shared;
use super::engine::{Engine, Source};
use super::group::{Built, GeneratedUnit};
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
use crate::timeline::WorkKind;

/// How hard the same compiler tries for the first tier.
const HURRIED: OptLevel = OptLevel::O1;

/// A unit whose code is to get better.
struct Better {
    id: u64,
    location: SourceLocation,
    source: PathBuf,
    began: Instant,
}

impl Engine {
    /// The engine of the first tier, in a directory of its own; none where it would be no quicker, or does not work.
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
        // What tcc makes is worse than what anybody else makes of -O1, and little worse than what is made of -O0.
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
        // It links by itself alone.
        pipeline.check_link().ok()?;
        let header = match &options.header {
            WorkerHeader::None => UnitHeader::None,
            WorkerHeader::File(header) => UnitHeader::Text(std::path::absolute(header).ok()?),
        };
        // Whether it understands the header, and the flags.
        pipeline.try_header(header.as_job(), &silent).ok()?;
        Some(self.beside(pipeline, header))
    }

    fn quick_same(&self, options: &Options, executor: &Arc<ProcessExecutor>) -> Option<Self> {
        let flags = Flags { optimize: HURRIED, ..options.flags.clone() };
        let pipeline = self.quick_pipeline(options, executor, self.pipeline().compiler.clone(), flags)?;
        // A PCH is good for the flags that it was made with.
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

/// What goes wrong with the first tier is no trouble: there is the other.
fn silent(_: &Event<'_>) {}

impl Shared {
    /// A unit's first code, as soon as may be, and how good it is.
    pub(super) fn build_first(
        &self,
        engine: &Engine,
        location: &SourceLocation,
        stem: &str,
        source: &Source<'_>,
        entry: &str,
    ) -> (Tier, Built) {
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

    /// The first tier cannot have this unit.
    pub(super) fn not_quick(&self, location: &SourceLocation, why: UnitError) {
        self.tell(&WorkerEvent::BaselineFailed { location: location.clone(), why: Arc::new(why) });
    }

    /// Makes better code of units that have their first, hottest first. Where that fails they keep what they have.
    pub(super) fn improve(&self, engine: &Engine, parts: Vec<Part>) {
        if parts.len() > 1 && self.coordinator.is_paused() {
            let ids: Vec<u64> = parts.iter().map(|part| part.id).collect();
            return self.coordinator.with(|state| state.units.improve_later(&ids));
        }
        let began = Instant::now();
        let record = self.record(WorkKind::Unit, format_args!("{} units, optimised", parts.len()), None);
        let texted = parts.into_iter().map(|Part { id, location, text }| {
            let stem = engine.stem(id);
            let source = engine.source(&stem);
            let (name, entry) = (source.to_string_lossy().into_owned(), self.entry(id, &location));
            engine.announce(&entry, &location);
            GeneratedUnit { what: Better { id, location, source, began }, stem, name, entry, text }
        });
        self.build_together(engine, texted.collect(), &|unit, built| self.improved(unit.what, built));
        record.ends(Status::Built);
    }

    fn improved(&self, unit: Better, built: Built) {
        let Better { id, location, source, began } = unit;
        let took = began.elapsed();
        match built {
            Ok(loaded) => {
                let moved = self.coordinator.publish(|state| state.units.improve(id, &loaded));
                // What is not wanted any more is unloaded here, outside the lock.
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
