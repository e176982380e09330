//! One unit: whether it can be merged, what its names will be called, and which of its chunks another unit has already.
//!
//! `own` finds the unit's macros, `conflicts` looks at every word, `reach` chooses how names are changed, `stringified` refuses what would
//! show it, `needs` says what depends on what, `identity` hashes that, `edits` says what to write. This file is the way through them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

use super::lex::{Kind, Lexed, Token, Verb, leading_includes, line_of};
use super::macros::{HeaderMacros, Table};
use super::reason::Reason;
use super::scan::{Class, Scan, classes, scan};

mod conflicts;
mod edits;
mod identity;
mod needs;
mod own;
mod reach;
mod stringified;

use identity::Identity;
use needs::Needs;
use own::{Own, own_macros};

/// What the units before this one left behind.
#[derive(Default)]
pub(super) struct Before {
    /// The shared definitions that the merged text has.
    pub(super) emitted: HashSet<Identity>,
    /// The names that are someone else's, and how they were declared.
    pub(super) declared: HashMap<Vec<u8>, Identity>,
}

/// What is to be done with one unit.
#[derive(Debug, Default)]
pub(super) struct Plan<'t> {
    /// The macros that it defines or undefines.
    pub(super) macros: BTreeSet<&'t [u8]>,
    /// The names that it defines, and what they will be called.
    pub(super) names: Vec<Renamed<'t>>,
    /// Bytes to be replaced, in order. Line feeds in them stay.
    pub(super) edits: Vec<(Range<usize>, String)>,
    /// The shared definitions that it has, and whether it is the first.
    pub(super) shared: Vec<Identity>,
    /// How many bytes of them it leaves to an earlier unit.
    pub(super) saved: usize,
    pub(super) declared: Vec<(Vec<u8>, Identity)>,
}

#[derive(Debug)]
pub(super) struct Renamed<'t> {
    pub(super) old: &'t [u8],
    pub(super) new: String,
    /// By a `#define`; else each use was edited.
    pub(super) by_define: bool,
}

/// A name that the unit defines.
#[derive(Debug, Default)]
struct Private {
    chunks: Vec<usize>,
    ordinary: bool,
    tag: bool,
    /// Prototypes and other declarations of it: the chunk, and the tokens.
    annexes: Vec<(usize, Range<usize>)>,
    /// Uses that mean something else.
    foreign_uses: bool,
    murky_uses: bool,
    by_define: bool,
}

impl Private {
    /// Whether a use means this name.
    fn means(&self, class: Class) -> bool {
        match class {
            Class::Ordinary => self.ordinary,
            Class::Tag => self.tag,
            Class::Member => false,
            Class::Murky => true,
        }
    }
}

pub(super) struct Planner<'p> {
    pub(super) header: &'p HeaderMacros,
    /// The entries of all units.
    pub(super) entries: &'p HashSet<&'p [u8]>,
    pub(super) before: &'p Before,
}

impl Planner<'_> {
    /// `entries` are the unit's own.
    pub(super) fn plan<'t>(&self, text: &'t [u8], entries: &[String], lexed: &'t Lexed) -> Result<Plan<'t>, Reason> {
        let first_entry = entries.first().ok_or_else(|| Reason::NoEntry(String::new()))?.as_bytes();
        let own = own_macros(text, lexed)?;
        let scan = scan(text, lexed, &own.definitions, self.header.table())?;
        includes_stand_above(text, lexed)?;
        entries_are_defined(&scan, entries)?;
        if let Some(entry) = entries.iter().find(|entry| own.names.contains(entry.as_bytes())) {
            return Err(Reason::MacroToo(entry.clone()));
        }
        let mut unit = Unit {
            text,
            lexed,
            entries: entries.iter().map(String::as_bytes).collect(),
            first_entry,
            header: self.header.table(),
            privates: HashMap::new(),
            declared: BTreeMap::new(),
            inner_classes: inner_classes(text, lexed),
            scan,
            own,
            reaching: HashSet::new(),
        };
        unit.privates = privates(&unit.scan, &unit.entries);
        unit.declared = unit.declared()?;
        unit.words(self.entries)?;
        unit.reach();
        unit.choose_ways()?;
        unit.stringified()?;
        unit.finish(self.before)
    }
}

struct Unit<'u, 't> {
    text: &'t [u8],
    lexed: &'t Lexed,
    /// What it defines for others.
    entries: HashSet<&'u [u8]>,
    /// One of them, which no other unit has.
    first_entry: &'u [u8],
    header: Option<&'u Table>,
    scan: Scan<'t>,
    own: Own<'t>,
    privates: HashMap<&'t [u8], Private>,
    /// Where names are declared that others define.
    declared: BTreeMap<&'t [u8], Vec<Range<usize>>>,
    inner_classes: Vec<Class>,
    /// The header's macros that come to mention a private name or a macro of the unit's.
    reaching: HashSet<usize>,
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// The names that a unit defines for others, each once.
pub(super) fn defines(text: &[u8], lexed: &Lexed, header: &HeaderMacros) -> Result<Vec<String>, Reason> {
    let own = own_macros(text, lexed)?;
    let scan = scan(text, lexed, &own.definitions, header.table())?;
    let mut names: Vec<String> = Vec::new();
    for defined in scan.chunks.iter().flat_map(|chunk| &chunk.defines).filter(|defined| !defined.is_static) {
        let name = lossy(defined.name);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn includes_stand_above(text: &[u8], lexed: &Lexed) -> Result<(), Reason> {
    let is_include = |token: &&Token| match token.kind {
        Kind::Directive(index) => lexed.directives[index].verb == Verb::Include,
        _ => false,
    };
    let above = leading_includes(text).len();
    match lexed.tokens.iter().filter(is_include).nth(above) {
        Some(late) => Err(Reason::LateInclude { line: line_of(text, late.start) }),
        None => Ok(()),
    }
}

fn entries_are_defined(scan: &Scan<'_>, entries: &[String]) -> Result<(), Reason> {
    let mut definitions: HashMap<&[u8], (usize, bool)> = HashMap::new();
    for defined in scan.chunks.iter().flat_map(|chunk| &chunk.defines) {
        let (count, is_static) = definitions.entry(defined.name).or_default();
        (*count, *is_static) = (*count + 1, defined.is_static);
    }
    for entry in entries {
        match definitions.get(entry.as_bytes()) {
            Some((1, false)) => {}
            Some((2.., _)) => return Err(Reason::TwoEntries(entry.clone())),
            _ => return Err(Reason::NoEntry(entry.clone())),
        }
    }
    Ok(())
}

fn privates<'t>(scan: &Scan<'t>, entries: &HashSet<&[u8]>) -> HashMap<&'t [u8], Private> {
    let mut privates: HashMap<&[u8], Private> = HashMap::new();
    for (index, chunk) in scan.chunks.iter().enumerate() {
        for defined in chunk.defines.iter().filter(|defined| !entries.contains(defined.name)) {
            let private = privates.entry(defined.name).or_default();
            if private.chunks.last() != Some(&index) {
                private.chunks.push(index);
            }
            private.ordinary |= !defined.tag;
            private.tag |= defined.tag;
        }
    }
    for (index, chunk) in scan.chunks.iter().enumerate() {
        for declared in &chunk.declares {
            if let Some(private) = privates.get_mut(declared.name) {
                private.annexes.push((index, declared.specifiers.clone()));
                private.annexes.push((index, declared.part.clone()));
            }
        }
    }
    privates
}

fn inner_classes(text: &[u8], lexed: &Lexed) -> Vec<Class> {
    let mut all = vec![Class::Ordinary; lexed.inner.len()];
    for directive in &lexed.directives {
        let range = directive.tokens.clone();
        all[range.clone()].copy_from_slice(&classes(text, &lexed.inner[range]));
    }
    all
}

impl<'t> Unit<'_, 't> {
    fn slice(&self, token: &Token) -> &'t [u8] {
        &self.text[token.range()]
    }

    fn line(&self, token: &Token) -> usize {
        line_of(self.text, token.start)
    }

    fn declared(&self) -> Result<BTreeMap<&'t [u8], Vec<Range<usize>>>, Reason> {
        let mut found: BTreeMap<&[u8], Vec<Range<usize>>> = BTreeMap::new();
        for declared in self.scan.chunks.iter().flat_map(|chunk| &chunk.declares) {
            if self.entries.contains(declared.name) || self.privates.contains_key(declared.name) {
                continue;
            }
            if declared.by_macro {
                return Err(Reason::Ambiguous(lossy(declared.name)));
            }
            found.entry(declared.name).or_default().extend([declared.specifiers.clone(), declared.part.clone()]);
        }
        Ok(found)
    }

    /// Hashes the chunks, names the names, and says what is to be edited.
    fn finish(mut self, before: &Before) -> Result<Plan<'t>, Reason> {
        let states = self.states();
        let needs: Vec<Needs<'t>> = self.scan.chunks.iter().map(|chunk| self.needs(chunk, &states)).collect();
        let identities = self.identities(&needs);
        let mut plan = Plan { macros: std::mem::take(&mut self.own.names), ..Plan::default() };
        self.foreign(&mut plan, before, &states, &identities)?;
        let mut finals: HashMap<&'t [u8], String> = HashMap::new();
        for (name, private) in &self.privates {
            let hash = self.name_hash(name, private, &identities);
            let new = format!("{}__{}", lossy(name), &blake3::Hash::from(hash).to_hex()[..20]);
            finals.insert(name, new.clone());
            plan.names.push(Renamed { old: name, new, by_define: private.by_define });
        }
        plan.names.sort_by_key(|renamed| renamed.old);
        self.edits(&mut plan, before, &finals, &identities);
        Ok(plan)
    }
}
