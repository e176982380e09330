//! Units of a batch that are compiled together: which, in what groups, and what becomes of a group. How texts are merged is `crate::unity`'s
//! business; a unit that cannot be merged, or whose group fails, is made by itself.

use std::collections::HashMap;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Instant;

use mjit_cc_platforms::Role;

use super::make::{Made, Origin, record};
use super::report::Timings;
use super::run::Run;
use super::{library_name, names};
use crate::cache::Shelf;
use crate::error::Failure;
use crate::event::Event;
use crate::key::{Digest, KeyBuilder};
use crate::pipeline::UnitPaths;
use crate::store::Record;
use crate::symbols::{self, Defined};
use crate::unit::Unit;
use crate::unity::{self, HeaderMacros, Member, Merged};

/// Whether units are compiled several at a time, so that what they have in common is compiled once. Each keeps its static names and its
/// macros to itself; state that the header defines is one for all of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unity {
    /// Each by itself.
    #[default]
    Off,
    /// As many as give every job one group, and not more than have paid off.
    Auto,
    /// So many.
    Of(NonZero<usize>),
}

/// What a group costs by itself, several units' worth, is a twentieth of it by then; and one bad unit costs no more than that.
const MOST: usize = 64;

/// What a thread takes up at once.
pub(super) enum Task {
    /// A unit, by its number.
    Unit(usize),
    /// Units that are to be one translation unit.
    Group(Vec<Grouped>),
}

/// A unit that can be compiled with others, as far as its own text says.
pub(super) struct Grouped {
    pub(super) number: usize,
    unit: Unit,
    /// The names that it defines for others, which no other unit of the batch does; at least one.
    entries: Vec<String>,
}

impl Grouped {
    /// Which of its names an object of several units has: none where it is not in there.
    fn defined_in(&self, object: &Record) -> Vec<String> {
        self.entries.iter().filter(|entry| object.symbols.contains(entry)).cloned().collect()
    }

    fn member(&self) -> Member<'_> {
        Member { name: self.unit.name(), entries: &self.entries, folder: self.unit.dir(), text: self.unit.text() }
    }
}

/// Puts units into groups: those of one folder that define names which no other unit has.
pub(super) fn tasks(units: &[PathBuf], unity: Unity, jobs: NonZero<usize>) -> Vec<Task> {
    if unity == Unity::Off {
        return (0..units.len()).map(Task::Unit).collect();
    }
    let read: Vec<Option<Unit>> = units.iter().map(|path| Unit::read(path).ok()).collect();
    // What the header's macros are does not matter for what a unit seems to define.
    let unknown = HeaderMacros::unknown();
    let names: Vec<Vec<String>> = read
        .iter()
        .map(|unit| unit.as_ref().map_or_else(Vec::new, |unit| unity::defines(unit.text(), &unknown)))
        .collect();
    let mut count: HashMap<&str, usize> = HashMap::new();
    names.iter().flatten().for_each(|name| *count.entry(name).or_default() += 1);
    let mut folders: Vec<(Option<PathBuf>, Vec<Grouped>)> = Vec::new();
    let mut tasks = Vec::new();
    for (number, (unit, names)) in read.into_iter().zip(&names).enumerate() {
        let own = !names.is_empty() && names.iter().all(|name| count[name.as_str()] == 1);
        let Some(unit) = unit.filter(|_| own) else {
            tasks.push(Task::Unit(number));
            continue;
        };
        let folder = unit.dir().map(Path::to_owned);
        let grouped = Grouped { number, unit, entries: names.clone() };
        match folders.iter_mut().find(|(other, _)| *other == folder) {
            Some((_, members)) => members.push(grouped),
            None => folders.push((folder, vec![grouped])),
        }
    }
    let all: usize = folders.iter().map(|(_, members)| members.len()).sum();
    let size = match unity {
        Unity::Off => 1,
        Unity::Auto => {
            // As many groups for one job as for the next.
            let each = all.div_ceil(jobs.get().saturating_mul(MOST)).max(1);
            all.div_ceil(jobs.get().saturating_mul(each)).max(1)
        }
        Unity::Of(size) => size.get(),
    };
    for (_, members) in folders {
        // Neighbours are alike, and the big ones would all be in one hand: they are dealt out.
        let count = members.len().div_ceil(size);
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
struct Together {
    /// Its symbols are its members' entries.
    record: Record,
    file: PathBuf,
    origin: Origin,
    timings: Timings,
}

impl Run<'_> {
    /// The units of a group that are in one object with others, by their numbers. Those that are there one by one are left to be taken so.
    pub(super) fn make_together(&self, group: &[Grouped]) -> Result<HashMap<usize, Made>, Failure> {
        let group: Vec<Keyed<'_>> = group
            .iter()
            .map(|one| Ok((one, self.pipeline.unit_key(&one.unit, &self.header, Role::Object)?)))
            .collect::<Result<_, Failure>>()?;
        if let Some(together) = self.group_there(&group)? {
            return self.made_together(&group, &together);
        }
        let count = group.len();
        let rest: Vec<Keyed<'_>> = group.into_iter().filter(|one| !self.is_there(one)).collect();
        if rest.len() < 2 {
            return Ok(HashMap::new());
        }
        let there = if rest.len() < count { self.group_there(&rest)? } else { None };
        let together = there.map_or_else(|| self.compile_group(&rest), Ok)?;
        self.made_together(&rest, &together)
    }

    fn made_together(&self, group: &[Keyed<'_>], together: &Together) -> Result<HashMap<usize, Made>, Failure> {
        let Together { record, file, origin, timings } = together;
        let mut made = Vec::new();
        for (one, _) in group {
            let symbols = one.defined_in(record);
            if symbols.is_empty() {
                continue;
            }
            if made.is_empty() {
                self.tell_output(one.unit.name(), &record.output);
            }
            if *origin == Origin::Cache {
                self.observer.event(&Event::CacheHit { unit: one.unit.name() });
            }
            let record = Record { symbols, output: String::new(), ..record.clone() };
            let (file, origin, timings) = (file.clone(), *origin, *timings);
            made.push((one.number, Made { record, file, origin, timings, library: None }));
        }
        self.use_object(file);
        if !self.batch.compact {
            let name = library_name(self.pipeline, &group_stem(group.iter().map(|(one, _)| *one), &self.stems));
            let staged = self.store.layout().staging().join(&name);
            let units: Vec<&Made> = made.iter().map(|(_, made)| made).collect();
            let linked = self.link(&units, &name, &staged, NonZero::<usize>::MIN, self.pipeline.deadline())?;
            made.iter_mut().for_each(|(_, made)| made.join(&name, &linked));
        }
        Ok(made.into_iter().collect())
    }

    /// The object of all of a group, if it was made before.
    fn group_there(&self, group: &[Keyed<'_>]) -> Result<Option<Together>, Failure> {
        let Self { pipeline, store, .. } = self;
        let suffix = pipeline.toolchain().compiler().target.object_suffix();
        let key = group_key(group);
        let timings = Timings::default();
        if let Some((file, record)) = store.object(&key, suffix, pipeline.digests()) {
            return Ok(Some(Together { record, file, origin: Origin::Store, timings }));
        }
        let Some(taken) = self.group_shelf(group).as_ref().and_then(Shelf::take) else { return Ok(None) };
        let (record, file) = self.take_over(taken, key, &self.group_paths(group).staged)?;
        Ok(Some(Together { record, file, origin: Origin::Cache, timings }))
    }

    /// Whether a unit's own object was made before.
    fn is_there(&self, (one, key): &Keyed<'_>) -> bool {
        let Self { pipeline, store, header, .. } = self;
        let suffix = pipeline.toolchain().compiler().target.object_suffix();
        let in_cache = || Shelf::of(pipeline, &one.unit, header).is_some_and(|shelf| shelf.take().is_some());
        store.object(key, suffix, pipeline.digests()).is_some() || in_cache()
    }

    fn group_shelf(&self, group: &[Keyed<'_>]) -> Option<Shelf<'_>> {
        let shelf = |(one, _): &Keyed<'_>| Shelf::of(self.pipeline, &one.unit, &self.header);
        let units: Vec<Shelf<'_>> = group.iter().map(shelf).collect::<Option<_>>()?;
        Shelf::of_all(&group_name(group), &units)
    }

    fn group_paths(&self, group: &[Keyed<'_>]) -> UnitPaths {
        self.batch.group_paths(self.pipeline, self.store.layout(), group[0].0.number)
    }

    fn compile_group(&self, group: &[Keyed<'_>]) -> Result<Together, Failure> {
        let Self { pipeline, store, header, .. } = self;
        let began = Instant::now();
        let members: Vec<Member<'_>> = group.iter().map(|(one, _)| one.member()).collect();
        let Merged { text, members, .. } = unity::merge(&members, self.macros());
        if members.len() < 2 {
            return Err(Failure::Skipped);
        }
        let unit = Unit::from_text(group_name(group), text)?.beside(group[0].0.unit.dir());
        let target = &pipeline.toolchain().compiler().target;
        let staged = self.group_paths(group);
        // Many may take longer than one, and not so long that a compiler that hangs stops everything.
        let patience = u32::try_from(members.len()).unwrap_or(u32::MAX).min(4);
        let limit = pipeline.timeout.and_then(|limit| limit.checked_mul(patience));
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        let ran = pipeline.compile(&unit, header, Role::Object, &staged, deadline, self.observer)?;
        let defined = symbols::defined_by_object(&staged.staged, target)?;
        // An object of -flto does not say.
        let entries = members.iter().flat_map(|&at| group[at].0.entries.iter().cloned());
        let names: Vec<String> =
            entries.filter(|entry| defined.names.is_empty() || defined.names.contains(entry)).collect();
        let record = record(group_key(group), ran, Defined { names, shared: Vec::new() }, &staged.staged)?;
        let file = store.keep_object(&staged.staged, target.object_suffix(), &record)?;
        if let Some(shelf) = self.group_shelf(group) {
            shelf.put(&record, &file, self.observer);
        }
        let timings = Timings { compile: began.elapsed(), ..Timings::default() };
        Ok(Together { record, file, origin: Origin::Compiler, timings })
    }

    /// The macros that stand before every unit, as far as they are known. Found out once.
    fn macros(&self) -> &HeaderMacros {
        if let Some(known) = self.macros.get() {
            return known;
        }
        // No lock is held over a process. Another thread may find out the same.
        let found = match self.pipeline.list_macros(&self.header, &|_: &Event<'_>| {}) {
            Ok(list) => HeaderMacros::from_definitions(&list),
            Err(_) => HeaderMacros::unknown(),
        };
        self.macros.get_or_init(|| found)
    }
}

fn group_key(group: &[Keyed<'_>]) -> Digest {
    KeyBuilder::new("group").fields(group.iter().map(|(_, key)| key.as_str())).finish()
}

/// What the compiler calls a group. With debug information that is in its object.
fn group_name(group: &[Keyed<'_>]) -> String {
    format!("{}.c", names::scratch_stem(group[0].0.number, Path::new("unity")))
}
