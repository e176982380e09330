//! Many units in one translation unit: text in, text out. Knows C's surface; knows no compiler, file or process.
//!
//! [`merge`] puts the C texts of many units behind each other so that each means what it means alone, and leaves out, with a
//! [`Reason`], those for which that is not certain. Helpers that several units define alike are in the merged text once.
//!
//! # How names are kept apart
//!
//! Everything that a unit defines at file scope, but its entries, gets a name of its own: `name` becomes `name__HASH`. The hash
//! covers the definition's words and, like a Merkle tree, those of all that it depends on: other definitions, macros,
//! declarations. So equal helpers of several units get one name, and are written once. What has state (variables that are not
//! constant, functions with a static variable, and what uses such) hashes one of the unit's entries instead, and is never shared. The
//! same holds for whatever this module cannot judge.
//!
//! A name is changed by `#define name name__HASH` around the unit's text, which also reaches what the header's macros make of
//! the name, and does not reach what they turn into text by `#`. It would reach too far where the same word is a member of a
//! struct of the header's, or a tag: then each use is edited in the text. Where both would be needed, or a name may become
//! text by way of a second macro, the unit is left out.
//!
//! Macros that a unit defines or undefines are restored behind it by `#pragma push_macro` and `pop_macro`, which gcc, clang,
//! MSVC and tcc have. Lines keep their numbers, so that diagnostics and `__LINE__` say what they say of the unit alone.
//!
//! # What a caller should know
//!
//! - State that the *header* defines (a static variable, or an inline function with one) exists once in every translation unit,
//!   hence once for all merged units.
//! - A unit's definitions other than its entries cannot be looked up in the library, nor does a unit see another's.
//! - Give the header's macros if you can. Where they are not known, or a unit includes files, whose macros are not known either,
//!   only helpers of plain C are shared, units that have a name for several things are left out, and a header's macro that asks
//!   for `__func__` in a private function sees the new name, or turns it into text by way of a second macro.
//! - A merged text that fails to compile says nothing of its units: go back to compiling them one by one.

mod groups;
mod lex;
mod macros;
mod plan;
mod reason;
mod scan;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;

use mjit_cc_platforms::quote::line_directive;

pub use macros::HeaderMacros;
pub use reason::{Doubt, Reason};

use plan::{Before, Plan, Planner};

/// A unit that is to be merged with others.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// What diagnostics call it.
    pub name: &'a str,
    /// The symbols that it defines for others, at least one.
    pub entries: &'a [String],
    /// The folder that its `#include "…"` are looked for in: units are merged only if they mean the same files.
    pub folder: Option<&'a Path>,
    /// Its C text.
    pub text: &'a [u8],
}

/// A unit that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its index among the units.
    pub index: usize,
    /// Why.
    pub reason: Reason,
}

/// Units merged into one translation unit.
#[derive(Clone, Debug, Default)]
pub struct Merged {
    /// The C text. Empty where no unit could be merged.
    pub text: Vec<u8>,
    /// The indices of the units that are in it, in the order of the text.
    pub members: Vec<usize>,
    /// The others, by index.
    pub left_out: Vec<LeftOut>,
    /// How many bytes of definitions are not in the text because an earlier unit has them.
    pub saved: usize,
}

/// Merges units, all to be compiled with the same flags behind the same header, whose macros `header` knows or does not.
///
/// The text is a function of the arguments alone. It takes a few hundred microseconds a unit of 20 KB.
#[must_use]
pub fn merge(members: &[Member<'_>], header: &HeaderMacros) -> Merged {
    let entries: HashSet<&[u8]> = members.iter().flat_map(|member| member.entries).map(String::as_bytes).collect();
    let mut merge =
        Merge { entries: &entries, taken: HashSet::new(), before: Before::default(), merged: Merged::default() };
    let includes: Vec<Option<Includes<'_>>> = members.iter().map(Includes::of).collect();
    let chosen = most_frequent(includes.iter().flatten());
    // Those without includes first: behind an include, its macros would be there for them too.
    for (index, member) in members.iter().enumerate().filter(|(index, _)| includes[*index].is_none()) {
        merge.add(index, member, header, None);
    }
    // The files may define macros, and their own types and functions.
    let unknown = HeaderMacros::unknown();
    merge.before.emitted.clear();
    let mut first = chosen.map(|chosen| chosen.text(members[chosen.index_in(&includes)].name));
    for (index, member) in members.iter().enumerate() {
        let Some(includes) = &includes[index] else { continue };
        if Some(includes) != chosen {
            merge.leave_out(index, Reason::OtherIncludes);
        } else if merge.add(index, member, &unknown, first.as_deref()) {
            first = None;
        }
    }
    merge.merged.left_out.sort_by_key(|left_out| left_out.index);
    merge.merged
}

/// What a unit defines for others, in order, as far as its text says; nothing where it cannot be understood for sure.
#[must_use]
pub fn defines(text: &[u8], header: &HeaderMacros) -> Vec<String> {
    lex::lex(text).and_then(|lexed| plan::defines(text, &lexed, header)).unwrap_or_default()
}

/// What a unit includes.
#[derive(PartialEq, Eq, Hash, Debug)]
struct Includes<'a> {
    lines: Vec<&'a [u8]>,
    folder: Option<&'a Path>,
}

impl<'a> Includes<'a> {
    fn of(member: &Member<'a>) -> Option<Self> {
        let lines = lex::leading_includes(member.text);
        // An absolute path or one of the system's means the same from everywhere; of others, and of macros, that is not known.
        let anywhere = |line: &&[u8]| {
            let name = line.trim_ascii_start().strip_prefix(b"#").unwrap_or(line).trim_ascii_start();
            let name = name.strip_prefix(b"include").unwrap_or(name).trim_ascii_start();
            name.starts_with(b"<") || name.starts_with(b"\"/")
        };
        let folder = if lines.iter().all(anywhere) { None } else { member.folder };
        if lines.is_empty() { None } else { Some(Self { lines, folder }) }
    }

    fn index_in(&self, all: &[Option<Self>]) -> usize {
        all.iter().position(|other| other.as_ref() == Some(self)).unwrap_or(0)
    }

    fn text(&self, name: &str) -> Vec<u8> {
        let mut text = line_directive(name).into_bytes();
        for line in &self.lines {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        text
    }
}

fn most_frequent<'i, 'a>(all: impl Iterator<Item = &'i Includes<'a>>) -> Option<&'i Includes<'a>> {
    let mut counts: HashMap<&Includes<'_>, usize> = HashMap::new();
    let mut order = Vec::new();
    for includes in all {
        let count = counts.entry(includes).or_default();
        *count += 1;
        if *count == 1 {
            order.push(includes);
        }
    }
    // The first of equals.
    order.into_iter().rev().max_by_key(|includes| counts[includes])
}

struct Merge<'m> {
    entries: &'m HashSet<&'m [u8]>,
    taken: HashSet<&'m str>,
    before: Before,
    merged: Merged,
}

impl<'m> Merge<'m> {
    /// Adds a unit, behind the `includes` if there are some to be written. False where it was left out.
    fn add(&mut self, index: usize, member: &Member<'m>, header: &HeaderMacros, includes: Option<&[u8]>) -> bool {
        if let Some(entry) = member.entries.iter().find(|entry| self.taken.contains(entry.as_str())) {
            self.leave_out(index, Reason::EntryTaken(entry.clone()));
            return false;
        }
        let planner = Planner { header, entries: self.entries, before: &self.before };
        let planned = lex::lex(member.text).and_then(|lexed| {
            let plan = planner.plan(member.text, member.entries, &lexed)?;
            self.merged.text.extend_from_slice(includes.unwrap_or_default());
            write(&mut self.merged.text, member, &plan);
            Ok((plan.saved, plan.shared, plan.declared))
        });
        match planned {
            Ok((saved, shared, declared)) => {
                self.taken.extend(member.entries.iter().map(String::as_str));
                self.merged.members.push(index);
                self.merged.saved += saved;
                self.before.emitted.extend(shared);
                self.before.declared.extend(declared);
                true
            }
            Err(reason) => {
                self.leave_out(index, reason);
                false
            }
        }
    }

    fn leave_out(&mut self, index: usize, reason: Reason) {
        self.merged.left_out.push(LeftOut { index, reason });
    }
}

/// Writes a unit with its names changed and its macros kept to itself.
fn write(out: &mut Vec<u8>, member: &Member<'_>, plan: &Plan<'_>) {
    let line = |out: &mut Vec<u8>, words: &[&[u8]]| {
        for word in words {
            out.extend_from_slice(word);
        }
        out.push(b'\n');
    };
    for name in &plan.macros {
        line(out, &[b"#pragma push_macro(\"", name, b"\")"]);
    }
    for renamed in &plan.names {
        // The module's user said that it is none, or did not know.
        line(out, &[b"#ifdef ", renamed.old]);
        line(out, &[b"#error ", renamed.old, b" is a macro of the header"]);
        line(out, &[b"#endif"]);
        if renamed.by_define {
            line(out, &[b"#define ", renamed.old, b" ", renamed.new.as_bytes()]);
        }
    }
    out.extend_from_slice(line_directive(member.name).as_bytes());
    let mut from = 0;
    for (range, replacement) in &plan.edits {
        let range: &Range<usize> = range;
        out.extend_from_slice(&member.text[from..range.start]);
        out.extend_from_slice(replacement.as_bytes());
        let lines = member.text[range.clone()].iter().filter(|&&byte| byte == b'\n').count();
        out.extend(std::iter::repeat_n(b'\n', lines));
        from = range.end;
    }
    out.extend_from_slice(&member.text[from..]);
    if !out.ends_with(b"\n") {
        out.push(b'\n');
    }
    for renamed in plan.names.iter().filter(|renamed| renamed.by_define) {
        line(out, &[b"#undef ", renamed.old]);
    }
    for name in &plan.macros {
        line(out, &[b"#undef ", name]);
        line(out, &[b"#pragma pop_macro(\"", name, b"\")"]);
    }
}
