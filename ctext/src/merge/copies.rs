//! Copies of the header's static functions and variables, for units that could detect that another unit uses the same definition: compiled
//! alone, each unit has its own. A copy precedes the unit's text and belongs to the unit.

use std::collections::{BTreeSet, HashSet};

use crate::lexer::{Token, lex};
use crate::preprocess::Preprocessed;
use crate::reason::Reason;
use crate::scan::Text;
use crate::surroundings::Surroundings;

/// A unit's tokens, after the copies that the unit needs.
pub(super) struct WithCopies<'t> {
    pub(super) tokens: Vec<Token<'t>>,
    /// The file names in the unit's `#line` directives.
    pub(super) files: Vec<Vec<u8>>,
    /// The header's names that are copied.
    pub(super) copied: HashSet<Box<[u8]>>,
}

/// Finds the definitions that a unit must own, and puts copies before its tokens. A definition that cannot be copied is
/// refused later, by the
/// check of the unit's tokens.
pub(super) fn with_copies<'t>(
    unit: Preprocessed<'t>,
    surroundings: &'t Surroundings,
) -> Result<WithCopies<'t>, Reason> {
    let Preprocessed { tokens, files } = unit;
    let mut items: BTreeSet<usize> = BTreeSet::new();
    let mut todo = needed_items(&tokens, surroundings)?;
    while let Some(index) = todo.pop() {
        if items.insert(index) {
            let item = surroundings.static_item(index);
            todo.extend(item.names.iter().flat_map(|name| surroundings.static_items(name)).flatten());
            todo.extend(needed_items(&lex(&item.text, true)?, surroundings)?);
        }
    }
    if items.is_empty() {
        return Ok(WithCopies { tokens, files, copied: HashSet::new() });
    }
    let mut all = Vec::new();
    let mut copied = HashSet::new();
    for index in items {
        let item = surroundings.static_item(index);
        all.extend(lex(&item.text, true)?.into_iter().map(|token| Token { column: None, ..token }));
        copied.extend(item.names.iter().cloned());
    }
    all.extend(tokens);
    Ok(WithCopies { tokens: all, files, copied })
}

/// Returns the items that the code must own.
fn needed_items(tokens: &[Token<'_>], surroundings: &Surroundings) -> Result<Vec<usize>, Reason> {
    let text = Text::new(tokens)?;
    let is_member = |at: usize| at.checked_sub(1).is_some_and(|before| text.is(before, ".") || text.is(before, "->"));
    let shows =
        (0..tokens.len()).filter(|&at| text.is_name(at) && !is_member(at) && surroundings.shows_sharing(&text, at));
    let items = shows.filter_map(|at| surroundings.static_items(text.name(at)));
    Ok(items.flatten().copied().collect())
}
