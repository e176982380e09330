//! Compaction: merges the C texts of loaded units into a few translation units, in which equal definitions of the header and the units
//! occur once, and links them into one library, whose code is close together in memory.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use mjit_cc_ctext::{self as ctext, Group, Member};

use super::Shared;
use super::log::WorkerEvent;
use super::slot::Address;
use super::units::Part;
use crate::error::UnitError;
use crate::jit::{Jit, TranslationUnit};
use crate::library::Library;
use crate::report::Status;
use crate::timeline::WorkKind;

/// The number of units in one translation unit. Larger groups share more compile time, but need more memory in one process.
const UNITS_A_TRANSLATION_UNIT: usize = 100;

/// A compacted library, with the address of each unit's code by the number of the unit.
struct Compacted {
    addresses: Vec<(u64, Address)>,
    library: Arc<Library>,
}

/// A unit with its names.
struct Named<'a> {
    part: &'a Part,
    name: String,
    entry: String,
}

impl Named<'_> {
    fn member(&self) -> Member<'_> {
        Member { name: &self.name, entries: Some(std::slice::from_ref(&self.entry)), text: self.part.text.as_bytes() }
    }

    fn source(&self) -> TranslationUnit<'_> {
        TranslationUnit { name: self.name.clone(), text: self.part.text.as_bytes(), units: 1 }
    }
}

/// The objects that were compiled so far.
#[derive(Default)]
struct CompiledObjects<'a> {
    objects: Vec<PathBuf>,
    units: Vec<&'a Named<'a>>,
    /// The failure of the last unit that is missing.
    failure: Option<UnitError>,
    /// True if compaction must not continue: the worker pauses or stops, or a compiler timed out and others would too.
    stops: bool,
}

/// Why there is no compacted library.
enum Stopped {
    /// The worker pauses or stops, or fewer than two units are left.
    PutOff,
    Failed(Arc<UnitError>),
}

impl<E: Into<UnitError>> From<E> for Stopped {
    fn from(failure: E) -> Self {
        Self::Failed(Arc::new(failure.into()))
    }
}

impl Shared {
    /// Compacts loaded units. Queued units are compiled first.
    pub(super) fn compact(&self, engine: &Jit, parts: &[Part]) {
        let began = Instant::now();
        let record = self.record(WorkKind::Compaction, format_args!("{} units", parts.len()), None);
        let id = self.coordinator.with(|state| state.units.new_id());
        let stem = engine.stem(id);
        let compacted = self.build_compacted(engine, &stem, parts);
        let outcome = self.coordinator.publish(|state| match &compacted {
            // If no unit uses the library any more, the library is dropped outside the lock.
            Ok(Compacted { addresses, library }) => {
                state.units.compacted();
                Ok(state.units.repoint(addresses, library))
            }
            Err(Stopped::PutOff) => {
                state.units.compact_later();
                Err(None)
            }
            Err(Stopped::Failed(failure)) => {
                state.units.compacted();
                Err(Some(Arc::clone(failure)))
            }
        });
        let took = began.elapsed();
        match outcome {
            Ok(moved) => {
                record.ends(Status::Built);
                let library = engine.library(&stem);
                self.tell(&WorkerEvent::Compacted { units: moved.len(), took, library });
                moved.into_iter().for_each(|(id, address)| self.tell_host(id, address));
            }
            Err(None) => {}
            Err(Some(why)) => {
                record.fails(&why);
                self.tell(&WorkerEvent::NoLibrary(engine.library(&stem)));
                self.tell(&WorkerEvent::NotCompacted { took, why });
            }
        }
    }

    fn build_compacted(&self, engine: &Jit, stem: &str, parts: &[Part]) -> Result<Compacted, Stopped> {
        let named: Vec<Named<'_>> = parts
            .iter()
            .map(|part| Named {
                part,
                name: engine.source_name(&engine.stem(part.id)),
                entry: self.entry(part.id, &part.location),
            })
            .collect();
        let mut compiled = CompiledObjects::default();
        let mut named = named;
        named.sort_by_cached_key(|unit| ctext::leading_includes(unit.part.text.as_bytes()));
        for units in named.chunks(UNITS_A_TRANSLATION_UNIT) {
            self.compile_group(engine, stem, units, &mut compiled);
            if compiled.stops {
                break;
            }
        }
        let CompiledObjects { objects, units, failure, stops } = compiled;
        // A single unit gains nothing, and would be compacted again and again.
        if stops || units.len() < 2 {
            engine.discard(&objects);
            return Err(match failure {
                None | Some(UnitError::Interrupted) => Stopped::PutOff,
                Some(failure) => failure.into(),
            });
        }
        let entries: Vec<String> = units.iter().map(|unit| unit.entry.clone()).collect();
        units.iter().for_each(|unit| engine.announce(&unit.entry, &unit.part.location));
        let library = engine.link(stem, &objects, &entries, self);
        if library.is_err() {
            entries.iter().for_each(|entry| engine.forget(entry));
        }
        let library = library?;
        let address = |unit: &&Named<'_>| Ok((unit.part.id, library.address(&unit.entry)?.into()));
        let addresses: Vec<(u64, Address)> = units.iter().map(address).collect::<Result<_, UnitError>>()?;
        Ok(Compacted { addresses, library: Arc::new(library) })
    }

    /// Compiles units as one translation unit. Units that cannot be merged, or all units if the group fails, are compiled one by one.
    fn compile_group<'a>(&self, engine: &Jit, stem: &str, units: &'a [Named<'a>], compiled: &mut CompiledObjects<'a>) {
        let members: Vec<Member<'_>> = units.iter().map(Named::member).collect();
        let Group { text, units: merged, left_out, .. } = engine.merge(&members, self);
        let members: Vec<usize> = merged.iter().map(|unit| unit.index).collect();
        let mut alone: Vec<usize> = left_out.iter().map(|unit| unit.index).collect();
        let source = TranslationUnit { name: engine.source_name(stem), text: &text, units: members.len() };
        // A single unit needs no group.
        if members.len() < 2 || !self.compile_one(engine, stem, &source, &members, units, compiled) {
            alone.extend(&members);
        }
        for index in alone {
            if compiled.stops {
                return;
            }
            self.compile_one(engine, stem, &units[index].source(), &[index], units, compiled);
        }
    }

    fn compile_one<'a>(
        &self,
        engine: &Jit,
        stem: &str,
        source: &TranslationUnit<'_>,
        members: &[usize],
        units: &'a [Named<'a>],
        compiled: &mut CompiledObjects<'a>,
    ) -> bool {
        self.go_first(engine);
        if self.coordinator.is_paused() {
            compiled.stops = true;
            return false;
        }
        let stem = format!("{stem}_{}", compiled.units.len());
        match engine.compile(&stem, source, self) {
            Ok(object) => {
                compiled.objects.push(object);
                compiled.units.extend(members.iter().map(|&index| &units[index]));
                true
            }
            Err(failure) => {
                compiled.stops = matches!(failure, UnitError::Interrupted | UnitError::TimedOut { .. });
                compiled.failure = Some(failure);
                false
            }
        }
    }

    /// Serves queued units first, so that they do not wait for a compaction.
    fn go_first(&self, engine: &Jit) {
        while let Some(work) = self.coordinator.take_more(|state| state.units.next_unit()) {
            self.serve_one(engine, work);
        }
    }
}
