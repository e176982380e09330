//! Tiers: first code that is there soon, and then better code in the same slot, made when no unit waits for its first.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::Shared;
use super::group::{BuildResult, GeneratedUnit};
use super::host::SourceLocation;
use super::log::WorkerEvent;
use super::units::{Part, Tier};
use crate::error::UnitError;
use crate::jit::{Jit, TranslationUnit};
use crate::report::Status;
use crate::timeline::WorkKind;

/// A unit with quick code that is being optimized.
struct ImprovingUnit {
    id: u64,
    location: SourceLocation,
    source: PathBuf,
    began: Instant,
}

impl Shared {
    /// Builds the first code of a unit, and returns its tier.
    pub(super) fn build_first(
        &self,
        engine: &Jit,
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
    pub(super) fn improve(&self, engine: &Jit, parts: Vec<Part>) {
        if parts.len() > 1 && self.coordinator.is_paused() {
            let ids: Vec<u64> = parts.iter().map(|part| part.id).collect();
            return self.coordinator.with(|state| state.units.improve_later(&ids));
        }
        let began = Instant::now();
        let record = self.record(WorkKind::Unit, format_args!("{} units, optimised", parts.len()), None);
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
