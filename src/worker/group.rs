//! Building several units as one translation unit, so that what they have in common is compiled once. What cannot be merged, or what
//! fails in company, is built by itself: a bad unit costs only itself. What becomes of the code is the caller's business.

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
use crate::jit::{CachedUnit, Jit, Source};
use crate::library::Library;
use crate::report::Status;
use crate::timeline::WorkKind;

/// A unit whose C text is there. `T` is what its caller knows it by.
pub(super) struct GeneratedUnit<T> {
    pub(super) what: T,
    pub(super) stem: String,
    /// What diagnostics call it.
    pub(super) name: String,
    pub(super) entry: String,
    pub(super) text: Arc<str>,
}

impl<T> GeneratedUnit<T> {
    pub(super) fn source(&self) -> Source<'_> {
        Source { name: self.name.clone(), text: self.text.as_bytes(), units: 1 }
    }

    fn member(&self) -> Member<'_> {
        let entries = Some(std::slice::from_ref(&self.entry));
        Member { name: &self.name, entries, text: self.text.as_bytes() }
    }
}

/// A unit that is to be built yet. In company it goes by its names in the cache, if there is one.
struct PendingUnit<'e, T> {
    unit: GeneratedUnit<T>,
    kept: Option<CachedUnit<'e>>,
}

impl<T> PendingUnit<'_, T> {
    fn entry(&self) -> &str {
        self.kept.as_ref().map_or(&self.unit.entry, |kept| kept.entry())
    }

    fn member(&self) -> Member<'_> {
        self.kept.as_ref().map_or_else(|| self.unit.member(), CachedUnit::member)
    }
}

/// Code that was built, or why there is none.
pub(super) type Built = Result<Loaded<Library>, UnitError>;

impl Shared {
    /// Makes units, hottest first: all texts, then the code. What a pause interrupts waits again, since many take long.
    pub(super) fn make_together(&self, engine: &Jit, tickets: Vec<Ticket>) {
        let queued = tickets.first().map(|ticket| ticket.since.elapsed());
        let record = self.record(WorkKind::Unit, format_args!("{} units", tickets.len()), queued);
        let mut texted = Vec::with_capacity(tickets.len());
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
                    let name = source.to_string_lossy().into_owned();
                    texted.push(GeneratedUnit { what: (ticket, began), stem, name, entry, text: text.into() });
                }
                Err(NotGenerated::Later) => {
                    return self.wait_again(texted, std::iter::once(ticket).chain(tickets));
                }
                Err(why) => {
                    let outcome = self.not_generated(&ticket, why);
                    self.tell_outcome(ticket.location, source, began.elapsed(), outcome);
                }
            }
        }
        if self.coordinator.is_paused() {
            return self.wait_again(texted, std::iter::empty());
        }
        let (tier, by) = engine.quick().map_or((Tier::Optimized, engine), |quick| (Tier::Quick, quick));
        self.build_together(by, texted, &|unit, built| self.made(engine, unit, tier, built));
        record.ends(Status::Built);
    }

    fn wait_again(&self, texted: Vec<GeneratedUnit<(Ticket, Instant)>>, others: impl Iterator<Item = Ticket>) {
        let tickets: Vec<Ticket> = texted.into_iter().map(|unit| unit.what.0).chain(others).collect();
        // Each goes before all others.
        self.coordinator.publish(|state| tickets.iter().rev().for_each(|ticket| state.units.put_back(ticket.id)));
    }

    fn made(&self, engine: &Jit, unit: GeneratedUnit<(Ticket, Instant)>, tier: Tier, built: Built) {
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

    /// Builds units, and delivers each as soon as that is decided, hotter ones first as far as that goes.
    pub(super) fn build_together<T>(
        &self,
        engine: &Jit,
        units: Vec<GeneratedUnit<T>>,
        deliver: &dyn Fn(GeneratedUnit<T>, Built),
    ) {
        let mut waiting = Vec::with_capacity(units.len());
        for unit in units {
            let kept = engine.cached_unit(&unit.source(), &unit.entry);
            match kept.as_ref().and_then(|kept| engine.load_cached(&unit.stem, kept, self)) {
                Some((address, library)) => deliver(unit, Ok(Loaded { address: address.into(), library })),
                None => waiting.push(PendingUnit { unit, kept }),
            }
        }
        // What is to be built yet, last first: units that include the same files, and among these the hottest first.
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
            // The hottest does not wait for those it has nothing to do with.
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
                    self.coordinator.with(|state| state.units.company_failed());
                    groups.extend(apart(group, &failure));
                }
            }
        }
    }

    pub(super) fn build_alone(&self, engine: &Jit, stem: &str, source: &Source<'_>, entry: &str) -> Built {
        let (address, library) = engine.make(stem, source, entry, self)?;
        Ok(Loaded { address: address.into(), library })
    }

    /// One translation unit, one library, and each unit's code in it.
    fn build_merged<T>(
        &self,
        engine: &Jit,
        text: &[u8],
        units: &[PendingUnit<'_, T>],
    ) -> Result<Vec<Built>, UnitError> {
        let stem = engine.stem(self.coordinator.with(|state| state.units.new_id()));
        let name = engine.source(&stem);
        self.tell(&WorkerEvent::GroupStarted { units: units.len(), source: name.clone() });
        let source = Source { name: name.to_string_lossy().into_owned(), text, units: units.len() };
        let kept: Option<Vec<&CachedUnit<'_>>> = units.iter().map(|one| one.kept.as_ref()).collect();
        let library = match kept {
            Some(kept) => engine.make_group(&stem, &source, &kept, self)?,
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

/// Those for which it is true, and the others.
fn split<U>(units: Vec<U>, is: impl Fn(usize, &U) -> bool) -> (Vec<U>, Vec<U>) {
    let mut parts = (Vec::new(), Vec::new());
    for (at, unit) in units.into_iter().enumerate() {
        if is(at, &unit) { parts.0.push(unit) } else { parts.1.push(unit) }
    }
    parts
}

/// A group each, to be taken from the end.
fn singles<U>(units: Vec<U>) -> impl Iterator<Item = Vec<U>> {
    units.into_iter().rev().map(|unit| vec![unit])
}

/// What to try, from the end, where all together failed: those that the compiler complains of by themselves, behind the others; where it
/// names none, halves. A compiler that hangs is not tried in ever smaller company.
fn apart<'e, T>(units: Vec<PendingUnit<'e, T>>, failure: &UnitError) -> Vec<Vec<PendingUnit<'e, T>>> {
    if matches!(failure, UnitError::TimedOut { .. } | UnitError::Interrupted | UnitError::NotStarted { .. }) {
        return singles(units).collect();
    }
    let blamed: BTreeSet<&str> = match failure {
        UnitError::Refused { diagnostics, .. } => {
            let errors = diagnostics.iter().filter(|one| one.severity >= Severity::Error);
            errors.map(|one| one.file.as_str()).collect()
        }
        _ => BTreeSet::new(),
    };
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
