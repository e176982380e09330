//! Builds several units as one translation unit, so that the compiler processes their common parts once. Units that cannot be merged, and
//! units of a group that fails, are built alone: a bad unit fails no other unit. The caller decides what to do with the code.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use mjit_cc_ctext::{self as ctext, Group, Member};
use mjit_cc_platforms::Severity;

use super::Shared;
use super::log::WorkerEvent;
use super::units::{Loaded, Ticket, Tier};
use super::worker_thread::NotGenerated;
use crate::error::UnitError;
use crate::jit::{CachedUnit, Jit, TranslationUnit};
use crate::library::Library;
use crate::report::Status;
use crate::timeline::WorkKind;

/// A unit whose C text was generated. `T` is data of the caller.
pub(super) struct GeneratedUnit<T> {
    pub(super) what: T,
    pub(super) stem: String,
    /// The name in diagnostics.
    pub(super) name: String,
    pub(super) entry: String,
    pub(super) text: Arc<str>,
}

impl<T> GeneratedUnit<T> {
    pub(super) fn source(&self) -> TranslationUnit<'_> {
        TranslationUnit { name: self.name.clone(), text: self.text.as_bytes(), units: 1 }
    }

    fn member(&self) -> Member<'_> {
        let entries = Some(std::slice::from_ref(&self.entry));
        Member { name: &self.name, entries, text: self.text.as_bytes() }
    }
}

/// A unit that still has to be built. In a group it has its names in the object cache, if there is a cache.
struct PendingUnit<'e, T> {
    unit: GeneratedUnit<T>,
    cached: Option<CachedUnit<'e>>,
}

impl<T> PendingUnit<'_, T> {
    fn entry(&self) -> &str {
        self.cached.as_ref().map_or(&self.unit.entry, |cached| cached.entry())
    }

    fn member(&self) -> Member<'_> {
        self.cached.as_ref().map_or_else(|| self.unit.member(), CachedUnit::member)
    }
}

/// Loaded code, or the failure.
pub(super) type BuildResult = Result<Loaded<Library>, UnitError>;

impl Shared {
    /// Builds units, hottest first: first all texts, then the code. A pause puts the units back into the queue, since a group takes long.
    pub(super) fn build_tickets(&self, engine: &Jit, tickets: Vec<Ticket>) {
        let queued = tickets.first().map(|ticket| ticket.since.elapsed());
        let record = self.record(WorkKind::Unit, format_args!("{} units", tickets.len()), queued);
        let mut generated_units = Vec::with_capacity(tickets.len());
        let mut tickets = tickets.into_iter();
        while let Some(ticket) = tickets.next() {
            let began = Instant::now();
            let stem = engine.stem(ticket.id);
            let source = engine.source(&stem);
            let entry = self.entry(ticket.id, &ticket.location);
            let generated = if self.coordinator.is_paused() {
                Err(NotGenerated::Later)
            } else {
                self.tell(&WorkerEvent::Start { location: ticket.location.clone(), source: source.clone() });
                self.generate(&ticket, &entry)
            };
            match generated {
                Ok(text) => {
                    engine.announce(&entry, &ticket.location);
                    let name = engine.source_name(&stem);
                    generated_units.push(GeneratedUnit { what: (ticket, began), stem, name, entry, text: text.into() });
                }
                Err(NotGenerated::Later) => {
                    return self.put_back_all(generated_units, std::iter::once(ticket).chain(tickets));
                }
                Err(why) => {
                    let outcome = self.not_generated(&ticket, why);
                    self.tell_outcome(ticket.location, source, began.elapsed(), outcome);
                }
            }
        }
        if self.coordinator.is_paused() {
            return self.put_back_all(generated_units, std::iter::empty());
        }
        let (tier, by) = engine.quick().map_or((Tier::Optimized, engine), |quick| (Tier::Quick, quick));
        self.build_units(by, generated_units, &|unit, built| self.finish_built(engine, unit, tier, built));
        record.ends(Status::Built);
    }

    fn put_back_all(
        &self,
        generated_units: Vec<GeneratedUnit<(Ticket, Instant)>>,
        others: impl Iterator<Item = Ticket>,
    ) {
        let tickets: Vec<Ticket> = generated_units.into_iter().map(|unit| unit.what.0).chain(others).collect();
        // In reverse order, since each unit goes to the front.
        self.coordinator.publish(|state| tickets.iter().rev().for_each(|ticket| state.units.put_back(ticket.id)));
    }

    fn finish_built(&self, engine: &Jit, unit: GeneratedUnit<(Ticket, Instant)>, tier: Tier, built: BuildResult) {
        let GeneratedUnit { what: (ticket, began), stem, entry, text, .. } = &unit;
        let (tier, built) = match built {
            Err(failure) if tier == Tier::Quick && !matches!(failure, UnitError::Interrupted) => {
                self.not_quick(&ticket.location, failure);
                (Tier::Optimized, self.build_alone(engine, stem, &unit.source(), entry))
            }
            built => (tier, built),
        };
        let outcome = match built {
            Ok(loaded) => self.publish_code(ticket, tier, loaded, text),
            Err(failure) => self.not_built(engine, ticket, stem, failure),
        };
        self.tell_outcome(ticket.location.clone(), engine.source(stem), began.elapsed(), outcome);
    }

    /// Builds units, and calls `deliver` for each as soon as its result is known, hotter units first if possible.
    pub(super) fn build_units<T>(
        &self,
        engine: &Jit,
        units: Vec<GeneratedUnit<T>>,
        deliver: &dyn Fn(GeneratedUnit<T>, BuildResult),
    ) {
        let mut waiting = Vec::with_capacity(units.len());
        for unit in units {
            let cached = engine.cached_unit(&unit.source(), &unit.entry);
            match cached.as_ref().and_then(|cached| engine.take(&unit.stem, cached, self)) {
                Some((address, library)) => deliver(unit, Ok(Loaded { address: address.into(), library })),
                None => waiting.push(PendingUnit { unit, cached }),
            }
        }
        // A stack of groups; the units of a group begin with the same `#include` lines, and are sorted hottest first.
        let mut groups: Vec<Vec<PendingUnit<'_, T>>> = Vec::new();
        for one in waiting {
            let includes = |one: &PendingUnit<'_, T>| ctext::leading_includes(one.member().text);
            let own = includes(&one);
            match groups.iter_mut().find(|group| includes(&group[0]) == own) {
                Some(group) => group.push(one),
                None => groups.push(vec![one]),
            }
        }
        groups.reverse();
        while let Some(mut group) = groups.pop() {
            if group.len() < 2 {
                for PendingUnit { unit, .. } in group {
                    let built = self.build_alone(engine, &unit.stem, &unit.source(), &unit.entry);
                    deliver(unit, built);
                }
                continue;
            }
            let members: Vec<Member<'_>> = group.iter().map(PendingUnit::member).collect();
            let Group { text, units: merged, .. } = engine.merge(&members, self);
            let members: Vec<usize> = merged.iter().map(|unit| unit.index).collect();
            let (merged, left_out) = split(group, |at, _| members.contains(&at));
            // The hottest unit must not wait for a group that it is not part of.
            let before = left_out.is_empty() || members.contains(&0);
            if members.len() < 2 || !before {
                groups.push(merged);
                groups.extend(singles(left_out));
                continue;
            }
            groups.extend(singles(left_out));
            group = merged;
            match self.build_merged(engine, &text, &group) {
                Ok(built) => group.into_iter().zip(built).for_each(|(one, built)| deliver(one.unit, built)),
                Err(failure) => {
                    self.coordinator.with(|state| state.units.group_failed());
                    groups.extend(apart(group, &failure));
                }
            }
        }
    }

    pub(super) fn build_alone(
        &self,
        engine: &Jit,
        stem: &str,
        source: &TranslationUnit<'_>,
        entry: &str,
    ) -> BuildResult {
        let (address, library) = engine.build_or_take(stem, source, entry, self)?;
        Ok(Loaded { address: address.into(), library })
    }

    /// Builds one translation unit and one library, and returns the code of each unit.
    fn build_merged<T>(
        &self,
        engine: &Jit,
        text: &[u8],
        units: &[PendingUnit<'_, T>],
    ) -> Result<Vec<BuildResult>, UnitError> {
        let stem = engine.stem(self.coordinator.with(|state| state.units.new_id()));
        self.tell(&WorkerEvent::GroupStarted { units: units.len(), source: engine.source(&stem) });
        let source = TranslationUnit { name: engine.source_name(&stem), text, units: units.len() };
        let cached: Option<Vec<&CachedUnit<'_>>> = units.iter().map(|one| one.cached.as_ref()).collect();
        let library = match cached {
            Some(cached) => engine.build_group(&stem, &source, &cached, self)?,
            None => {
                let object = engine.compile(&stem, &source, self)?;
                let entries: Vec<String> =
                    units.iter().filter_map(|one| one.member().entries).flatten().cloned().collect();
                Arc::new(engine.link(&stem, &[object], &entries, self)?)
            }
        };
        let loaded = |one: &PendingUnit<'_, T>| {
            let address = library.address(one.entry())?.into();
            Ok(Loaded { address, library: Arc::clone(&library) })
        };
        Ok(units.iter().map(loaded).collect())
    }
}

/// Splits units into those for which `is` is true and the others.
fn split<U>(units: Vec<U>, is: impl Fn(usize, &U) -> bool) -> (Vec<U>, Vec<U>) {
    let mut parts = (Vec::new(), Vec::new());
    for (at, unit) in units.into_iter().enumerate() {
        if is(at, &unit) { parts.0.push(unit) } else { parts.1.push(unit) }
    }
    parts
}

/// Makes a group of each unit, in the order of a stack.
fn singles<U>(units: Vec<U>) -> impl Iterator<Item = Vec<U>> {
    units.into_iter().rev().map(|unit| vec![unit])
}

/// Returns the groups to try after a group failed, in the order of a stack: first the units without errors, then each unit with errors
/// alone. If the compiler names no unit, two halves. After a timeout each unit alone, since smaller groups would time out too.
fn apart<'e, T>(units: Vec<PendingUnit<'e, T>>, failure: &UnitError) -> Vec<Vec<PendingUnit<'e, T>>> {
    if matches!(failure, UnitError::TimedOut { .. } | UnitError::Interrupted | UnitError::NotStarted { .. }) {
        return singles(units).collect();
    }
    let errors = failure.diagnostics().iter().filter(|one| one.severity >= Severity::Error);
    let blamed: BTreeSet<&str> = errors.map(|one| one.file.as_str()).collect();
    let (bad, mut rest) = split(units, |_, unit| blamed.contains(unit.member().name));
    if bad.is_empty() {
        let cold = rest.split_off(rest.len().div_ceil(2));
        return vec![cold, rest];
    }
    let mut groups: Vec<_> = singles(bad).collect();
    if !rest.is_empty() {
        groups.push(rest);
    }
    groups
}
