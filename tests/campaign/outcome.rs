//! What was seen of a batch, observable by observable, and where two outcomes differ.
//!
//! Observables: `exit` of the tool, `status`, `symbols` (and `symbol-order`) and `diagnostics` of a unit, `undefined` symbols, an `entry`'s two results, the
//! `key` that it shows (as the first entry with the same address), `crash`, `order` of what a program notes while it is loaded,
//! `load`.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    seen: BTreeMap<(String, String), String>,
    /// The units that were compiled with others, which is no observable.
    pub merged: BTreeSet<String>,
}

/// One observable that is not the same in two outcomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub what: String,
    pub subject: String,
    pub left: String,
    pub right: String,
}

impl Difference {
    /// The prefix of the program that it is about.
    pub fn program(&self) -> Option<String> {
        let name = self.subject.rsplit('/').next().unwrap_or_default();
        let at = name.find('p')?;
        let digits: String = name[at + 1..].chars().take_while(char::is_ascii_digit).collect();
        (!digits.is_empty()).then(|| format!("p{digits}"))
    }
}

/// The prefix of the program that a unit's file or a name belongs to: `p3` of `d3/p3_a.c` and of `p3_a0`.
fn program_of(name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or_default();
    name.split('_').next().unwrap_or_default().to_owned()
}

impl Outcome {
    pub fn see(&mut self, what: &str, subject: &str, value: String) {
        let seen = self.seen.entry((what.to_owned(), subject.to_owned())).or_default();
        if !seen.is_empty() {
            seen.push('\n');
        }
        seen.push_str(&value);
    }

    /// Takes the lines of the host.
    pub fn hear(&mut self, lines: &[String]) {
        let mut first: BTreeMap<&str, String> = BTreeMap::new();
        for line in lines {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
            match word {
                "entry" | "crash" => self.see(word, name, value.to_owned()),
                "key" => {
                    let same = first.entry(value).or_insert_with(|| name.to_owned()).clone();
                    self.see("key", name, same);
                }
                "note" => {
                    self.see("order", &program_of(name), name.to_owned());
                    self.see("order", "all", name.to_owned());
                }
                _ => self.see("load", word, rest.to_owned()),
            }
        }
    }

    pub fn differences(&self, other: &Self, ignore: &[String]) -> Vec<Difference> {
        let keys: BTreeSet<_> = self.seen.keys().chain(other.seen.keys()).collect();
        let compared = keys.into_iter().filter(|(what, _)| !ignore.contains(what));
        compared
            .filter(|key| self.seen.get(*key) != other.seen.get(*key))
            .map(|key| {
                let side = |outcome: &Self| outcome.seen.get(key).map_or("(nothing)".to_owned(), Clone::clone);
                Difference { what: key.0.clone(), subject: key.1.clone(), left: side(self), right: side(other) }
            })
            .collect()
    }

    /// How many units did not compile.
    pub fn failed(&self) -> usize {
        self.failed_units().count()
    }

    fn failed_units(&self) -> impl Iterator<Item = &str> {
        let statuses = self.seen.iter().filter(|((what, _), _)| what == "status");
        statuses.filter(|(_, value)| value.contains("failed")).map(|((_, unit), _)| unit.as_str())
    }

    /// The programs of which a unit did not compile, or was refused.
    pub fn refused(&self) -> BTreeSet<String> {
        self.failed_units().map(program_of).collect()
    }

    /// True if no library could be loaded whole, so that entries say nothing.
    pub fn failed_to_load(&self) -> bool {
        self.seen.keys().any(|(what, _)| what == "load")
    }

    /// The programs of which something cannot be called in libraries of their own.
    pub fn incomplete(&self) -> BTreeSet<String> {
        let gone = self.seen.iter().filter(|((what, _), value)| what == "crash" || value.as_str() == "none");
        gone.map(|((_, name), _)| program_of(name)).collect()
    }
}
