//! Copies of the header's static functions and variables for units that could tell that another unit uses the same: alone, each unit has
//! its own. A copy stands before the unit's text and is the unit's from then on.

use std::collections::{BTreeSet, HashSet};

use crate::lexer::{Token, lex};
use crate::preprocess::Preprocessed;
use crate::reason::Reason;
use crate::scan::Text;
use crate::surroundings::Surroundings;

/// A unit's tokens, behind the copies that the unit needs.
pub(super) struct WithCopies<'t> {
    pub(super) tokens: Vec<Token<'t>>,
    /// The files of the unit's `#line` directives.
    pub(super) files: Vec<Vec<u8>>,
    /// The names of the header's that are copied.
    pub(super) copied: HashSet<Box<[u8]>>,
}

/// Finds what a unit must have of its own, and puts copies before its tokens. What cannot be copied is refused when the words of the unit
/// are looked at.
pub(super) fn with_copies<'t>(
    unit: Preprocessed<'t>,
    surroundings: &'t Surroundings,
) -> Result<WithCopies<'t>, Reason> {
    let Preprocessed { tokens, files } = unit;
    let mut items: BTreeSet<usize> = BTreeSet::new();
    let mut todo = needs(&tokens, surroundings)?;
    while let Some(index) = todo.pop() {
        if items.insert(index) {
            let item = surroundings.static_item(index);
            todo.extend(item.names.iter().flat_map(|name| surroundings.static_items(name)).flatten());
            todo.extend(needs(&lex(&item.text, true)?, surroundings)?);
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

/// The items that some code must have of its own.
fn needs(tokens: &[Token<'_>], surroundings: &Surroundings) -> Result<Vec<usize>, Reason> {
    let text = Text::new(tokens)?;
    let is_member = |at: usize| at.checked_sub(1).is_some_and(|before| text.is(before, ".") || text.is(before, "->"));
    let shows =
        (0..tokens.len()).filter(|&at| text.is_name(at) && !is_member(at) && surroundings.shows_sharing(&text, at));
    let items = shows.filter_map(|at| surroundings.static_items(text.name(at)));
    Ok(items.flatten().copied().collect())
}
