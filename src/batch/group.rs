//! Groups of a batch: which units are merged, and how a group is compiled and linked. The `ctext` crate merges the texts. A unit that
//! cannot be merged, or for which the compiler reports anything, is compiled alone.

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

/// Whether units are merged into groups, so that the compiler reads their common text once. A merged unit has the same meaning as the unit
/// alone. A unit for which that is not certain is compiled alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unity {
    /// Compiles each unit alone.
    #[default]
    Off,
    /// Chooses the size of groups by the number of units only, so that the result does not depend on the machine.
    Auto,
    /// Makes groups of at most this many units.
    Of(NonZero<usize>),
}

/// The largest group of `auto`. The fixed cost of a group, as much as several units, is a twentieth of this group; and one unit with
/// an error makes at most this many units compile again.
const MOST_UNITS: usize = 64;
/// The smallest group of `auto`, unless a batch has fewer units.
const FEW_UNITS: usize = 4;
/// With `auto`, the number of groups before groups grow, so that as many compilers can run at once.
const FIRST_GROUPS: usize = 8;
/// How many times a group is compiled, each time without the units of which the compiler reported something.
const ATTEMPTS: usize = 3;

impl Unity {
    /// Returns the number of groups for a number of units.
    fn groups(self, units: usize) -> usize {
        match self {
            Self::Off => units,
            Self::Auto => units.div_ceil(MOST_UNITS).max(FIRST_GROUPS.min(units / FEW_UNITS)).max(1),
            Self::Of(size) => units.div_ceil(size.get()),
        }
    }
}

/// The work that a thread takes at once.
pub(super) enum Task {
    /// A unit, by its number.
    Unit(usize),
    /// Units that are compiled as one translation unit.
    Group(Vec<GroupMember>),
}

/// A unit that may be merged.
pub(super) struct GroupMember {
    pub(super) number: usize,
    unit: Unit,
    includes: Includes,
}

/// Groups units that include the same files.
pub(super) fn tasks(units: &[PathBuf], unity: Unity, alone: &HashSet<PathBuf>) -> Vec<Task> {
    if unity == Unity::Off {
        return (0..units.len()).map(Task::Unit).collect();
    }
    let mut by_includes: Vec<(Includes, Vec<GroupMember>)> = Vec::new();
    let mut indexes: HashMap<Includes, usize> = HashMap::new();
    let mut tasks = Vec::new();
    for (number, path) in units.iter().enumerate() {
        let Some(unit) = Unit::read(path).ok().filter(|_| !alone.contains(path)) else {
            tasks.push(Task::Unit(number));
            continue;
        };
        let includes = Includes::of(&unit);
        let index = *indexes.entry(includes.clone()).or_insert_with(|| {
            by_includes.push((includes.clone(), Vec::new()));
            by_includes.len() - 1
        });
        by_includes[index].1.push(GroupMember { number, unit, includes });
    }
    for (_, members) in by_includes {
        // Dealt out in turn: neighbours are of similar size, and all large units would be in one group.
        let count = unity.groups(members.len());
        let mut groups: Vec<Vec<GroupMember>> = std::iter::repeat_with(Vec::new).take(count).collect();
        members.into_iter().enumerate().for_each(|(index, member)| groups[index % count].push(member));
        tasks.extend(groups.into_iter().map(|group| match &group[..] {
            [single] => Task::Unit(single.number),
            _ => Task::Group(group),
        }));
    }
    // Groups first, so that no thread starts a long task at the end.
    tasks.sort_by_key(|task| match task {
        Task::Group(group) => (0, group[0].number),
        Task::Unit(number) => (1, *number),
    });
    tasks
}

/// Returns the name of a group's library, without the platform's suffix: a hash of the members' names, and different from every unit's
/// name.
pub(super) fn group_stem<'g>(group: impl IntoIterator<Item = &'g GroupMember>, stems: &[String]) -> String {
    let key = KeyBuilder::new("group").fields(group.into_iter().map(|member| &stems[member.number])).finish();
    let mut stem = format!("unity-{}", &key.as_str()[..16]);
    while stems.iter().any(|other| other.eq_ignore_ascii_case(&stem)) {
        stem.push('_');
    }
    stem
}

/// A member of a group, and the key of the member's own object.
type Keyed<'g> = (&'g GroupMember, Digest);

/// The object of several units.
struct MergedObject {
    /// The record of the object; its symbols are the members' entry symbols.
    record: Record,
    file: PathBuf,
    origin: Source,
    timings: Timings,
}

/// The result of compiling a group.
enum Compiled {
    Merged(Box<MergedObject>),
    /// The units of which the compiler reported something.
    Reported(BTreeSet<String>),
}

impl Run<'_> {
    /// Compiles a group and returns its merged units by their numbers. Leaves out units with an up-to-date object of their own.
    pub(super) fn build_group(&self, group: &[GroupMember]) -> Result<HashMap<usize, CompiledUnit>, UnitError> {
        let group: Vec<Keyed<'_>> = group
            .iter()
            .map(|member| Ok((member, self.pipeline.unit_key(&member.unit, &self.header, Role::Object)?)))
            .collect::<Result<_, UnitError>>()?;
        if let Some(merged) = self.existing_group(&group)? {
            return self.merged_units(&group, &merged);
        }
        let count = group.len();
        let mut rest: Vec<Keyed<'_>> = group.into_iter().filter(|member| !self.has_own_object(member)).collect();
        for attempt in 0..ATTEMPTS {
            if rest.len() < 2 {
                break;
            }
            if rest.len() < count
                && let Some(merged) = self.existing_group(&rest)?
            {
                return self.merged_units(&rest, &merged);
            }
            match self.compile_group(&rest, attempt == 0)? {
                Compiled::Merged(merged) => return self.merged_units(&rest, &merged),
                Compiled::Reported(names) => {
                    let before = rest.len();
                    rest.retain(|(member, _)| {
                        let is_reported = names.contains(member.unit.name());
                        if is_reported {
                            self.report_not_merged(member, "the compiler reports errors or warnings for the unit");
                        }
                        !is_reported
                    });
                    if rest.len() == before {
                        for (member, _) in rest.drain(..) {
                            self.report_not_merged(member, "the compiler reports errors or warnings for the group");
                        }
                    }
                }
            }
        }
        // The caller compiles the remaining units one by one.
        Ok(HashMap::new())
    }

    fn report_not_merged(&self, member: &GroupMember, why: &str) {
        self.observer.event(&Event::NotMerged { unit: member.unit.name(), why });
    }

    /// Returns the units of a merged object. Links the group's library, unless all units go into one library.
    fn merged_units(
        &self,
        group: &[Keyed<'_>],
        merged: &MergedObject,
    ) -> Result<HashMap<usize, CompiledUnit>, UnitError> {
        let MergedObject { record, file, origin, timings } = merged;
        let mut units = Vec::new();
        for ((member, _), symbols) in group.iter().zip(&record.units) {
            if symbols.is_empty() {
                continue;
            }
            if units.is_empty() {
                self.report_output(member.unit.name(), &record.output);
            }
            if *origin == Source::Cache {
                self.observer.event(&Event::CacheHit { unit: member.unit.name() });
            }
            let record =
                Record { symbols: symbols.clone(), units: Vec::new(), output: String::new(), ..record.clone() };
            let (file, origin, timings) = (file.clone(), *origin, *timings);
            units.push((member.number, CompiledUnit { record, file, origin, timings, library: None }));
        }
        self.mark_used(file);
        if !self.batch.compact {
            let name = library_name(self.pipeline, &group_stem(group.iter().map(|(member, _)| *member), &self.stems));
            let staged = self.store.layout().staging().join(&name);
            let objects: Vec<&CompiledUnit> = units.iter().map(|(_, unit)| unit).collect();
            let linked = self.link(&objects, &name, &staged, NonZero::<usize>::MIN, self.pipeline.deadline())?;
            units.iter_mut().for_each(|(_, unit)| unit.set_library(&name, &linked));
        }
        Ok(units.into_iter().collect())
    }

    /// Returns the up-to-date object of a whole group; `None` if neither the output directory nor the cache has one.
    fn existing_group(&self, group: &[Keyed<'_>]) -> Result<Option<MergedObject>, UnitError> {
        let Self { pipeline, store, .. } = self;
        let suffix = pipeline.toolchain().compiler().target.object_suffix();
        let key = group_key(group);
        let timings = Timings::default();
        if let Some((file, record)) = store.object(&key, suffix, pipeline.digests()) {
            return Ok(Some(MergedObject { record, file, origin: Source::Store, timings }));
        }
        let Some(hit) = self.group_handle(group).as_ref().and_then(CacheHandle::take) else { return Ok(None) };
        let (record, file) = self.store_hit(hit, key, &self.group_paths(group).staged)?;
        Ok(Some(MergedObject { record, file, origin: Source::Cache, timings }))
    }

    /// True if the output directory or the cache has an up-to-date object of the unit alone.
    fn has_own_object(&self, (member, key): &Keyed<'_>) -> bool {
        let Self { pipeline, store, header, .. } = self;
        let suffix = pipeline.toolchain().compiler().target.object_suffix();
        let in_cache = || CacheHandle::of(pipeline, &member.unit, header).is_some_and(|handle| handle.take().is_some());
        store.object(key, suffix, pipeline.digests()).is_some() || in_cache()
    }

    fn group_handle(&self, group: &[Keyed<'_>]) -> Option<CacheHandle<'_>> {
        let handle = |(member, _): &Keyed<'_>| CacheHandle::of(self.pipeline, &member.unit, &self.header);
        let units: Vec<CacheHandle<'_>> = group.iter().map(handle).collect::<Option<_>>()?;
        CacheHandle::for_group(&group_name(group), &units)
    }

    fn group_paths(&self, group: &[Keyed<'_>]) -> UnitPaths {
        self.batch.group_paths(self.pipeline, self.store.layout(), group[0].0.number)
    }

    /// Compiles the units of a group that can be merged. With `reports`, reports each unit that cannot be merged.
    fn compile_group(&self, group: &[Keyed<'_>], reports: bool) -> Result<Compiled, UnitError> {
        let Self { pipeline, store, header, .. } = self;
        let began = Instant::now();
        let merged = self.merge(group);
        if reports {
            for left_out in &merged.left_out {
                self.report_not_merged(group[left_out.index].0, &left_out.reason.to_string());
            }
        }
        if merged.units.len() < 2 {
            return Err(UnitError::Skipped);
        }
        let unit = Unit::from_text(group_name(group), merged.text)?.beside(group[0].0.unit.dir());
        let target = &pipeline.toolchain().compiler().target;
        let staged = self.group_paths(group);
        let deadline = pipeline.deadline_of(merged.units.len());
        let output = match pipeline.compile(
            CompileRequest { unit: &unit, header, role: Role::Object, paths: &staged },
            deadline,
            self.observer,
        ) {
            Ok(output) => output,
            Err(UnitError::Refused { output, .. }) => {
                return Ok(Compiled::Reported(named_in(&output, group, &merged.units)));
            }
            Err(failure) => return Err(failure),
        };
        // A message about a unit refers to the merged text, which no unit has. Messages about the header depend on the units too: a
        // variable of the header is unused if each unit has a copy.
        if !output.text.trim().is_empty() {
            scratch::remove_file(&staged.staged);
            return Ok(Compiled::Reported(named_in(&output.text, group, &merged.units)));
        }
        let defined = symbols::defined_by_object(&staged.staged, target)?;
        let mut units = vec![Vec::new(); group.len()];
        for unit in merged.units {
            // An object of -flto does not list its symbols.
            let is_defined = |entry: &String| defined.names.is_empty() || defined.names.contains(entry);
            let mut names: Vec<String> = unit.entries.into_iter().filter(is_defined).collect();
            names.sort_unstable();
            units[unit.index] = names;
        }
        let names = units.iter().flatten().cloned().collect();
        let record = record(group_key(group), output, Defined { names, shared: Vec::new() }, &staged.staged)?;
        let record = Record { units, ..record };
        let file = store.keep_object(&staged.staged, target.object_suffix(), &record)?;
        if let Some(handle) = self.group_handle(group) {
            handle.put(&record, &file, self.observer);
        }
        let timings = Timings { compile: began.elapsed(), ..Timings::default() };
        let merged = MergedObject { record, file, origin: Source::Compiler, timings };
        Ok(Compiled::Merged(Box::new(merged)))
    }

    fn merge(&self, group: &[Keyed<'_>]) -> Group {
        let members: Vec<Member<'_>> = group
            .iter()
            .map(|(member, _)| Member { name: member.unit.name(), entries: None, text: member.unit.text() })
            .collect();
        let silent = |_: &Event<'_>| {};
        self.merging.merge(self.pipeline, &self.header, &group[0].0.includes, &members, &silent)
    }
}

/// Returns the units that a compiler's messages name, by the units' names or the names in their `#line` directives.
fn named_in(output: &str, group: &[Keyed<'_>], units: &[Merged]) -> BTreeSet<String> {
    let named = units.iter().filter(|unit| unit.called.iter().any(|name| output.contains(name.as_str())));
    named.map(|unit| group[unit.index].0.unit.name().to_owned()).collect()
}

fn group_key(group: &[Keyed<'_>]) -> Digest {
    KeyBuilder::new("group").fields(group.iter().map(|(_, key)| key.as_str())).finish()
}

/// Returns the name of a group's source. With debug information the object contains the name.
fn group_name(group: &[Keyed<'_>]) -> String {
    format!("{}.c", names::scratch_stem(group[0].0.number, Path::new("unity")))
}
