//! The macros that a unit defines or undefines, and what becomes of each on the way through its text. Knows nothing of the header's.

use std::collections::{BTreeSet, HashMap};

use super::{Unit, lossy};
use crate::unity::lex::{Kind, Lexed, Verb, line_of};
use crate::unity::macros::Definition;
use crate::unity::reason::Reason;

pub(super) struct Own<'t> {
    pub(super) definitions: HashMap<&'t [u8], Vec<Definition<'t>>>,
    /// By directive.
    pub(super) by_directive: HashMap<usize, &'t [u8]>,
    pub(super) names: BTreeSet<&'t [u8]>,
}

/// What a macro of the unit's is at some place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// By which directive.
    Defined(usize),
    Undefined,
    /// A condition decides.
    Unsure,
}

/// What becomes of each macro, and at which token.
pub(super) type States<'t> = HashMap<&'t [u8], Vec<(usize, State)>>;

pub(super) fn own_macros<'t>(text: &'t [u8], lexed: &Lexed) -> Result<Own<'t>, Reason> {
    let mut own = Own { definitions: HashMap::new(), by_directive: HashMap::new(), names: BTreeSet::new() };
    for token in &lexed.tokens {
        let Kind::Directive(index) = token.kind else { continue };
        let directive = &lexed.directives[index];
        if !matches!(directive.verb, Verb::Define | Verb::Undef) {
            continue;
        }
        let tokens = &lexed.inner[directive.tokens.clone()];
        let line = || line_of(text, token.start);
        let first = tokens.first().ok_or_else(|| Reason::NotUnderstood { line: line() })?;
        let name = &text[first.range()];
        match first.kind {
            Kind::Word(word) if word.is_name() && name != b"defined" && !name.starts_with(b"__VA_") => {}
            _ => return Err(Reason::Keyword(lossy(name))),
        }
        own.names.insert(name);
        own.by_directive.insert(index, name);
        if directive.verb == Verb::Define {
            let definition = Definition::read(text, tokens).ok_or_else(|| Reason::NotUnderstood { line: line() })?;
            if !definition.balanced {
                return Err(Reason::Unbalanced { line: line() });
            }
            own.definitions.entry(name).or_default().push(definition);
        }
    }
    Ok(own)
}

impl<'t> Unit<'_, 't> {
    /// What becomes of each of the unit's macros, and at which token.
    pub(super) fn states(&self) -> States<'t> {
        let mut changes = States::new();
        for (at, token) in self.lexed.tokens.iter().enumerate() {
            let Kind::Directive(index) = token.kind else { continue };
            let Some(&name) = self.own.by_directive.get(&index) else { continue };
            let state = match self.lexed.directives[index].verb {
                _ if self.scan.conditional[index] => State::Unsure,
                Verb::Define => State::Defined(index),
                _ => State::Undefined,
            };
            changes.entry(name).or_default().push((at, state));
        }
        changes
    }
}
