//! Units of a batch that are compiled merged: which, in what groups, and what becomes of a group. How texts are merged is the `ctext`
//! crate's business; a unit that cannot be merged, or that the compiler has something to say of, is compiled alone.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Instant;

use mjit_cc_ctext::{Group, Member, Merged};
use mjit_cc_platforms::Role;

use super::make::{CompiledUnit, Source, record};
use super::run::Run;
use super::{library_name, names};
use crate::cached::CacheHandle;
use crate::error::UnitError;
use crate::event::Event;
use crate::key::{Digest, KeyBuilder};
use crate::pipeline::{CompileRequest, Includes, UnitPaths};
use crate::report::Timings;
use crate::scratch;
use crate::store::Record;
use crate::symbols::{self, Defined};
use crate::unit::Unit;

/// Whether units are compiled several at a time, so that what they have in common is compiled once. A merged unit means what the unit
/// means alone; units for which that is not certain are compiled alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unity {
    /// Each unit by itself.
    #[default]
    Off,
    /// Groups by the number of units alone, so that the result does not depend on the machine.
    Auto,
    /// Groups of so many units.
    Of(NonZero<usize>),
}

/// What a group costs by itself, several units' worth, is a twentieth of it by then; and one bad unit costs no more than that.
const MOST_UNITS: usize = 64;
/// Fewer units than this are not dealt out to several groups.
const FEW_UNITS: usize = 4;
/// With `auto`, so many compilers have a group each before groups grow.
const FIRST_GROUPS: usize = 8;
/// How often a group is compiled anew without the units that the compiler speaks of.
const ATTEMPTS: usize = 3;

impl Unity {
    /// How many groups so many units are dealt out to.
    fn groups(self, units: usize) -> usize {
        match self {
            Self::Off => units,
            Self::Auto => units.div_ceil(MOST_UNITS).max(FIRST_GROUPS.min(units / FEW_UNITS)).max(1),
            Self::Of(size) => units.div_ceil(size.get()),
        }
    }
}

/// What a thread takes up at once.
pub(super) enum Task {
    /// A unit, by its number.
    Unit(usize),
    /// Units that are to be one translation unit.
    Group(Vec<Grouped>),
}

/// A unit that may be compiled with others.
pub(super) struct Grouped {
    pub(super) number: usize,
    unit: Unit,
    includes: Includes,
}

/// Puts units into groups: those that include the same files.
pub(super) fn tasks(units: &[PathBuf], unity: Unity, alone: &HashSet<PathBuf>) -> Vec<Task> {
    if unity == Unity::Off {
        return (0..units.len()).map(Task::Unit).collect();
    }
    let mut alike: Vec<(Includes, Vec<Grouped>)> = Vec::new();
    let mut places: HashMap<Includes, usize> = HashMap::new();
    let mut tasks = Vec::new();
    for (number, path) in units.iter().enumerate() {
        let Some(unit) = Unit::read(path).ok().filter(|_| !alone.contains(path)) else {
            tasks.push(Task::Unit(number));
            continue;
        };
        let includes = Includes::of(&unit);
        let place = *places.entry(includes.clone()).or_insert_with(|| {
            alike.push((includes.clone(), Vec::new()));
            alike.len() - 1
        });
        alike[place].1.push(Grouped { number, unit, includes });
    }
    for (_, members) in alike {
        // Neighbors are alike, and the big ones would all be in one group: units are dealt out.
        let count = unity.groups(members.len());
        let mut groups: Vec<Vec<Grouped>> = std::iter::repeat_with(Vec::new).take(count).collect();
        members.into_iter().enumerate().for_each(|(place, one)| groups[place % count].push(one));
        tasks.extend(groups.into_iter().map(|group| match &group[..] {
            [one] => Task::Unit(one.number),
            _ => Task::Group(group),
        }));
    }
    // The big ones first, so that no job is left with one of them at the end.
    tasks.sort_by_key(|task| match task {
        Task::Group(group) => (0, group[0].number),
        Task::Unit(number) => (1, *number),
    });
    tasks
}

/// The name of a group's library, before the platform's suffix: made of its members' names, and no unit's.
pub(super) fn group_stem<'g>(group: impl IntoIterator<Item = &'g Grouped>, stems: &[String]) -> String {
    let key = KeyBuilder::new("group").fields(group.into_iter().map(|one| &stems[one.number])).finish();
    let mut stem = format!("unity-{}", &key.as_str()[..16]);
    while stems.iter().any(|other| other.eq_ignore_ascii_case(&stem)) {
        stem.push('_');
    }
    stem
}

/// A member of a group, and the key of the object that it would be alone.
type Keyed<'g> = (&'g Grouped, Digest);

/// The object of several units.
struct MergedObject {
    /// Its symbols are its members' entries.
    record: Record,
    file: PathBuf,
    origin: Source,
    timings: Timings,
}

/// What came of compiling a group.
enum Compiled {
    Merged(Box<MergedObject>),
    /// The compiler speaks of these units.
    Blamed(BTreeSet<String>),
}

impl Run<'_> {
    /// The units of a group that are in one object with others, by their numbers. Units that are there one by one are left to be taken so.
    pub(super) fn make_together(&self, group: &[Grouped]) -> Result<HashMap<usize, CompiledUnit>, UnitError> {
        let group: Vec<Keyed<'_>> = group
            .iter()
            .map(|one| Ok((one, self.pipeline.unit_key(&one.unit, &self.header, Role::Object)?)))
            .collect::<Result<_, UnitError>>()?;
        if let Some(merged) = self.group_there(&group)? {
            return self.made_merged(&group, &merged);
        }
        let count = group.len();
        let mut rest: Vec<Keyed<'_>> = group.into_iter().filter(|one| !self.is_there(one)).collect();
        for attempt in 0..ATTEMPTS {
            if rest.len() < 2 {
                break;
            }
            if rest.len() < count
                && let Some(merged) = self.group_there(&rest)?
            {
                return self.made_merged(&rest, &merged);
            }
            match self.compile_group(&rest, attempt == 0)? {
                Compiled::Merged(merged) => return self.made_merged(&rest, &merged),
                Compiled::Blamed(names) => {
                    let before = rest.len();
                    rest.retain(|(one, _)| {
                        let is_blamed = names.contains(one.unit.name());
                        if is_blamed {
                            self.tell_not_merged(one, "the compiler has something to say of the unit");
                        }
                        !is_blamed
                    });
                    if rest.len() == before {
                        for (one, _) in rest.drain(..) {
                            self.tell_not_merged(one, "the compiler has something to say of the units together");
                        }
                    }
                }
            }
        }
        // What is left is compiled unit by unit.
        Ok(HashMap::new())
    }

    fn tell_not_merged(&self, one: &Grouped, why: &str) {
        self.observer.event(&Event::NotMerged { unit: one.unit.name(), why });
    }

    fn made_merged(
        &self,
        group: &[Keyed<'_>],
        merged: &MergedObject,
    ) -> Result<HashMap<usize, CompiledUnit>, UnitError> {
        let MergedObject { record, file, origin, timings } = merged;
        let mut made = Vec::new();
        for ((one, _), symbols) in group.iter().zip(&record.units) {
            if symbols.is_empty() {
                continue;
            }
            if made.is_empty() {
                self.tell_output(one.unit.name(), &record.output);
            }
            if *origin == Source::Cache {
                self.observer.event(&Event::CacheHit { unit: one.unit.name() });
            }
            let record =
                Record { symbols: symbols.clone(), units: Vec::new(), output: String::new(), ..record.clone() };
            let (file, origin, timings) = (file.clone(), *origin, *timings);
            made.push((one.number, CompiledUnit { record, file, origin, timings, library: None }));
        }
        self.use_object(file);
        if !self.batch.compact {
            let name = library_name(self.pipeline, &group_stem(group.iter().map(|(one, _)| *one), &self.stems));
            let staged = self.store.layout().staging().join(&name);
            let units: Vec<&CompiledUnit> = made.iter().map(|(_, made)| made).collect();
            let linked = self.link(&units, &name, &staged, NonZero::<usize>::MIN, self.pipeline.deadline())?;
            made.iter_mut().for_each(|(_, made)| made.join(&name, &linked));
        }
        Ok(made.into_iter().collect())
    }

    /// The object of all of a group, if it was made before.
    fn group_there(&self, group: &[Keyed<'_>]) -> Result<Option<MergedObject>, UnitError> {
        let Self { pipeline, store, .. } = self;
        let suffix = pipeline.toolchain().compiler().target.object_suffix();
        let key = group_key(group);
        let timings = Timings::default();
        if let Some((file, record)) = store.object(&key, suffix, pipeline.digests()) {
            return Ok(Some(MergedObject { record, file, origin: Source::Store, timings }));
        }
        let Some(taken) = self.group_shelf(group).as_ref().and_then(CacheHandle::take) else { return Ok(None) };
        let (record, file) = self.take_over(taken, key, &self.group_paths(group).staged)?;
        Ok(Some(MergedObject { record, file, origin: Source::Cache, timings }))
    }

    /// Whether a unit's own object was made before.
    fn is_there(&self, (one, key): &Keyed<'_>) -> bool {
        let Self { pipeline, store, header, .. } = self;
        let suffix = pipeline.toolchain().compiler().target.object_suffix();
        let in_cache = || CacheHandle::of(pipeline, &one.unit, header).is_some_and(|shelf| shelf.take().is_some());
        store.object(key, suffix, pipeline.digests()).is_some() || in_cache()
    }

    fn group_shelf(&self, group: &[Keyed<'_>]) -> Option<CacheHandle<'_>> {
        let shelf = |(one, _): &Keyed<'_>| CacheHandle::of(self.pipeline, &one.unit, &self.header);
        let units: Vec<CacheHandle<'_>> = group.iter().map(shelf).collect::<Option<_>>()?;
        CacheHandle::for_group(&group_name(group), &units)
    }

    fn group_paths(&self, group: &[Keyed<'_>]) -> UnitPaths {
        self.batch.group_paths(self.pipeline, self.store.layout(), group[0].0.number)
    }

    /// Compiles what can be merged of a group; `tells` which units cannot be.
    fn compile_group(&self, group: &[Keyed<'_>], tells: bool) -> Result<Compiled, UnitError> {
        let Self { pipeline, store, header, .. } = self;
        let began = Instant::now();
        let merged = self.merge(group);
        if tells {
            for left_out in &merged.left_out {
                self.tell_not_merged(group[left_out.index].0, &left_out.reason.to_string());
            }
        }
        if merged.units.len() < 2 {
            return Err(UnitError::Skipped);
        }
        let unit = Unit::from_text(group_name(group), merged.text)?.beside(group[0].0.unit.dir());
        let target = &pipeline.toolchain().compiler().target;
        let staged = self.group_paths(group);
        let deadline = pipeline.deadline_of(merged.units.len());
        let ran = match pipeline.compile(
            CompileRequest { unit: &unit, header, role: Role::Object, paths: &staged },
            deadline,
            self.observer,
        ) {
            Ok(ran) => ran,
            Err(UnitError::Refused { output, .. }) => {
                return Ok(Compiled::Blamed(named_in(&output, group, &merged.units)));
            }
            Err(failure) => return Err(failure),
        };
        // Words about a unit are about a text that no unit has. Words about the header depend on the units too: a variable of the
        // header's is unused where every unit has a copy of its own.
        if !ran.text.trim().is_empty() {
            scratch::remove_file(&staged.staged);
            return Ok(Compiled::Blamed(named_in(&ran.text, group, &merged.units)));
        }
        let defined = symbols::defined_by_object(&staged.staged, target)?;
        let mut units = vec![Vec::new(); group.len()];
        for unit in merged.units {
            // An object of -flto does not say.
            let is_there = |entry: &String| defined.names.is_empty() || defined.names.contains(entry);
            let mut names: Vec<String> = unit.entries.into_iter().filter(is_there).collect();
            names.sort_unstable();
            units[unit.index] = names;
        }
        let names = units.iter().flatten().cloned().collect();
        let record = record(group_key(group), ran, Defined { names, shared: Vec::new() }, &staged.staged)?;
        let record = Record { units, ..record };
        let file = store.keep_object(&staged.staged, target.object_suffix(), &record)?;
        if let Some(shelf) = self.group_shelf(group) {
            shelf.put(&record, &file, self.observer);
        }
        let timings = Timings { compile: began.elapsed(), ..Timings::default() };
        let merged = MergedObject { record, file, origin: Source::Compiler, timings };
        Ok(Compiled::Merged(Box::new(merged)))
    }

    fn merge(&self, group: &[Keyed<'_>]) -> Group {
        let members: Vec<Member<'_>> = group
            .iter()
            .map(|(one, _)| Member { name: one.unit.name(), entries: None, text: one.unit.text() })
            .collect();
        let silent = |_: &Event<'_>| {};
        self.merging.merge(self.pipeline, &self.header, &group[0].0.includes, &members, &silent)
    }
}

/// The units that a compiler's words name, by the units' own names or those of their `#line` directives.
fn named_in(output: &str, group: &[Keyed<'_>], units: &[Merged]) -> BTreeSet<String> {
    let named = units.iter().filter(|unit| unit.called.iter().any(|name| output.contains(name.as_str())));
    named.map(|unit| group[unit.index].0.unit.name().to_owned()).collect()
}

fn group_key(group: &[Keyed<'_>]) -> Digest {
    KeyBuilder::new("group").fields(group.iter().map(|(_, key)| key.as_str())).finish()
}

/// What the compiler calls a group. With debug information that is in its object.
fn group_name(group: &[Keyed<'_>]) -> String {
    format!("{}.c", names::scratch_stem(group[0].0.number, Path::new("unity")))
}
