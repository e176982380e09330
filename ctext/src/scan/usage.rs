//! Classifies each identifier's use: as a name at file scope, a tag, a member. Uncertain uses are `Unclear`.

use super::Text;
use super::declaration::{Scope, Types};
use crate::words::Word;

/// The use of an identifier, which limits what the identifier can mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Usage {
    Ordinary,
    /// After `struct`, `union` or `enum`.
    Tag,
    /// A member of a struct: never a name at file scope.
    Member,
    /// The name of an attribute.
    Attribute,
    /// One of the others; which one is unknown.
    Unclear,
}

/// Returns the use of each token.
pub(crate) fn usages(text: &Text<'_, '_>, types: Types<'_>) -> Vec<Usage> {
    let mut usages: Vec<Usage> = (0..text.tokens.len()).map(|at| by_neighbors(text, at)).collect();
    for at in 0..text.tokens.len() {
        match text.word(at) {
            Some(Word::OffsetOf) => offset_of(text, at, &mut usages),
            _ if text.word(at) == Some(Word::Attribute) || text.is_bracket_attribute(at) => {
                let mut names = Vec::new();
                if text.attribute(at, &mut names).is_ok() {
                    names.into_iter().for_each(|name| usages[name] = Usage::Attribute);
                }
            }
            Some(Word::Record | Word::Enum) => {
                let Ok((aggregate, _)) = text.aggregate(at, &mut Vec::new()) else { continue };
                if let Some(tag) = aggregate.tag {
                    usages[tag] = Usage::Tag;
                }
                if let Some(body) = aggregate.body
                    && !aggregate.is_enum
                {
                    members(text, body, types, &mut usages);
                }
            }
            _ => {}
        }
    }
    usages
}

fn by_neighbors(text: &Text<'_, '_>, at: usize) -> Usage {
    let Some(before) = at.checked_sub(1) else { return Usage::Ordinary };
    if text.is(before, ".") || text.is(before, "->") {
        Usage::Member
    } else if (text.is(before, "{") || text.is(before, ",")) && text.is(at + 1, ":") && text.is_name(at) {
        // `{ name: value }` is an old designator, or a label.
        Usage::Unclear
    } else {
        Usage::Ordinary
    }
}

/// `offsetof(type, member)`
fn offset_of(text: &Text<'_, '_>, at: usize, usages: &mut [Usage]) {
    let Some(close) = text.close(at + 1) else { return };
    let mut inside = at + 2;
    while inside < close {
        if text.is(inside, ",") && inside + 1 < close {
            usages[inside + 1] = Usage::Member;
            return;
        }
        inside = text.past(inside);
    }
}

fn members(text: &Text<'_, '_>, body: std::ops::Range<usize>, types: Types<'_>, usages: &mut [Usage]) {
    let mut at = body.start;
    while at < body.end {
        if text.is(at, ";") {
            at += 1;
            continue;
        }
        if text.word(at) == Some(Word::StaticAssert) {
            at = text.past(at + 1);
            continue;
        }
        match text.item(at, Scope::Struct, types) {
            Ok(item) if item.tokens.end <= body.end => {
                for name in item.declarators.iter().filter_map(|declarator| declarator.name) {
                    usages[name] = Usage::Member;
                }
                at = item.tokens.end;
            }
            _ => {
                for usage in usages[at..body.end].iter_mut().filter(|usage| **usage == Usage::Ordinary) {
                    *usage = Usage::Unclear;
                }
                return;
            }
        }
    }
}
