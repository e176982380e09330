//! Merges many units into one translation unit: text in, text out.

use std::collections::{HashMap, HashSet};

use crate::identity::Identity;
use crate::macros::Macros;
use crate::preprocess::{Preprocessed, leading_includes, preprocess};
use crate::reason::Reason;
use crate::surroundings::Surroundings;

mod checks;
mod copies;
mod plan;
mod sharing;
mod unit;
mod write;

use copies::{WithCopies, with_copies};
use plan::plan;
use unit::UnitScope;

/// A unit that contains this text is compiled alone.
pub const ALONE_MARK: &str = "mjit-cc: compile alone";

/// A unit to merge with others.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The unit's name in diagnostics.
    pub name: &'a str,
    /// The external symbols that the unit must define, and no others. `None` for all that the unit defines.
    pub entries: Option<&'a [String]>,
    /// The C text.
    pub text: &'a [u8],
}

/// A unit in a merged text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The unit's index among the members.
    pub index: usize,
    /// The external symbols that the unit defines.
    pub entries: Vec<String>,
    /// The unit's names in diagnostics: its own name, and the file names in its `#line` directives.
    pub called: Vec<String>,
}

/// A unit that must be compiled alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The unit's index among the members.
    pub index: usize,
    /// The reason.
    pub reason: Reason,
}

/// Units merged into one translation unit.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// The C text. Empty if no unit could be merged.
    pub text: Vec<u8>,
    /// The units in the text, in the order of the text.
    pub units: Vec<Merged>,
    /// The other units, by index.
    pub left_out: Vec<LeftOut>,
    /// The size in bytes of the definitions that the text omits because an earlier unit has the same definitions.
    pub saved: usize,
}

impl Group {
    /// Creates an empty group from this number of units, which are all left out for one reason.
    #[must_use]
    pub fn none_of(units: usize, reason: &Reason) -> Self {
        let left_out = (0..units).map(|index| LeftOut { index, reason: reason.clone() }).collect();
        Self { left_out, ..Self::default() }
    }
}

/// The definitions of the earlier units in the merged text.
#[derive(Default)]
struct EarlierUnits {
    /// The shared definitions.
    shared: HashSet<Identity>,
    /// The header's macros that the merged text has undefined.
    undefined: HashSet<Vec<u8>>,
    /// The hashes of earlier declarations of other units' names.
    declared: HashMap<Vec<u8>, Identity>,
}

/// Merges units that have the same header and begin with the same `#include` lines, which are `includes`
/// ([`leading_includes`]).
///
/// The merged text depends on the arguments only.
#[must_use]
pub fn merge(members: &[Member<'_>], surroundings: &Surroundings, includes: &[u8]) -> Group {
    let mut group = Group::default();
    let tokens: Vec<Option<WithCopies<'_>>> = members
        .iter()
        .enumerate()
        .map(|(index, member)| match read(member, surroundings, includes) {
            Ok(tokens) => Some(tokens),
            Err(reason) => {
                group.left_out.push(LeftOut { index, reason });
                None
            }
        })
        .collect();
    let mut units: Vec<(usize, UnitScope<'_, '_>)> = Vec::new();
    for (index, tokens) in tokens.iter().enumerate() {
        let Some(tokens) = tokens else { continue };
        match UnitScope::scan(&tokens.tokens, &tokens.copied, surroundings)
            .and_then(|unit| unit.check_entries(members[index].entries))
        {
            Ok(unit) => units.push((index, unit)),
            Err(reason) => group.left_out.push(LeftOut { index, reason }),
        }
    }
    let mut owners: HashMap<&[u8], usize> = HashMap::new();
    for (index, unit) in &units {
        unit.externals.iter().for_each(|name| {
            owners.entry(name).or_insert(*index);
        });
    }
    let mut before = EarlierUnits::default();
    for (index, unit) in &units {
        match plan(unit, *index, surroundings, &owners, &before) {
            Ok(plan) => {
                if group.units.is_empty() && !includes.is_empty() {
                    group.text.extend_from_slice(&write::Files::new(members[*index].name, &[]).directive(1, 0));
                    group.text.extend_from_slice(includes);
                }
                write::undefine(&mut group.text, unit, surroundings, &mut before.undefined);
                let files = tokens[*index].as_ref().map_or(&[][..], |unit| &unit.files);
                write::write(&mut group.text, &write::Files::new(members[*index].name, files), unit, &plan);
                let entries = unit.externals.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
                let own = std::iter::once(members[*index].name.to_owned());
                let called = own.chain(files.iter().map(|file| unquoted(file))).collect();
                group.units.push(Merged { index: *index, entries, called });
                group.saved += plan.saved;
                before.shared.extend(plan.shared);
                before.declared.extend(plan.declared);
            }
            Err(reason) => group.left_out.push(LeftOut { index: *index, reason }),
        }
    }
    group.left_out.sort_by_key(|left_out| left_out.index);
    group
}

/// Returns the external symbols that a unit defines, in order.
///
/// # Errors
/// The reason if the text is not understood.
pub fn defines(text: &[u8], surroundings: &Surroundings) -> Result<Vec<String>, Reason> {
    let mut macros = Macros::new(&surroundings.macros, surroundings.line_comments);
    let Preprocessed { tokens, .. } = preprocess(text, &mut macros, surroundings.line_comments)?;
    let copied = HashSet::new();
    let unit = UnitScope::scan(&tokens, &copied, surroundings)?;
    Ok(unit.externals.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect())
}

/// Returns the file name in a `#line` directive's string, whose only escapes are `\\` and `\"`.
fn unquoted(string: &[u8]) -> String {
    let inside = string.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(string);
    String::from_utf8_lossy(inside).replace("\\\"", "\"").replace("\\\\", "\\")
}

fn read<'t>(member: &Member<'t>, surroundings: &'t Surroundings, includes: &[u8]) -> Result<WithCopies<'t>, Reason> {
    if member.text.windows(ALONE_MARK.len()).any(|window| window == ALONE_MARK.as_bytes()) {
        return Err(Reason::Marked);
    }
    if leading_includes(member.text) != includes {
        return Err(Reason::OtherIncludes);
    }
    let mut macros = Macros::new(&surroundings.macros, surroundings.line_comments);
    with_copies(preprocess(member.text, &mut macros, surroundings.line_comments)?, surroundings)
}
