//! Declarations inside of functions that speak of things outside: `extern` variables, prototypes, nested functions.

use std::ops::Range;

use super::Text;
use super::declaration::{Scope, Types};
use crate::lexer::Kind;
use crate::words::Word;

/// What the blocks of a function declare.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BlockDeclarations {
    /// Nothing that others define.
    Local,
    /// Something that others may define, at this token.
    External(usize),
    /// What this token begins is not understood.
    Unclear(usize),
}

/// Looks for declarations of external functions and variables in a function's body.
pub(crate) fn block_declarations(text: &Text<'_, '_>, body: Range<usize>, types: Types<'_>) -> BlockDeclarations {
    // Of a name that is a type at file scope and something else here, `name (x);` is a call.
    for at in body.clone() {
        match text.word(at) {
            Some(Word::Extern) => return BlockDeclarations::External(at),
            // `__extension__` may also stand before an expression or an assertion.
            Some(Word::Specifier) if begins_statement(text, at) && !declares(text, at + 1, types) => {}
            Some(word) if begins_statement(text, at) => {
                let begins = match word {
                    Word::Static
                    | Word::Typedef
                    | Word::Inline
                    | Word::ThreadLocal
                    | Word::Specifier
                    | Word::Const
                    | Word::Volatile
                    | Word::Type
                    | Word::Record
                    | Word::Enum
                    | Word::TypeOf
                    | Word::Atomic => true,
                    Word::Name => types(text.name(at)).is_some() && !text.is(at + 1, ":") && !is_value(text, at),
                    _ => false,
                };
                if !begins {
                    continue;
                }
                match text.item(at, Scope::Block, types) {
                    Ok(item) if item.tokens.end > body.end => return BlockDeclarations::Unclear(at),
                    Ok(item) if item.is_typedef => {}
                    Ok(item) => {
                        if item.declarators.iter().any(|declarator| declarator.is_function) {
                            return BlockDeclarations::External(at);
                        }
                    }
                    Err(_) => return BlockDeclarations::Unclear(at),
                }
            }
            _ => {}
        }
    }
    BlockDeclarations::Local
}

/// True if a word that begins a declaration stands here.
fn declares(text: &Text<'_, '_>, at: usize, types: Types<'_>) -> bool {
    match text.word(at) {
        Some(Word::Name) => types(text.name(at)).is_some(),
        Some(Word::StaticAssert | Word::Statement | Word::Asm | Word::OffsetOf | Word::FunctionName) | None => false,
        Some(_) => true,
    }
}

/// True behind `;`, a brace, a label, or the parentheses of `if` and its like.
fn begins_statement(text: &Text<'_, '_>, at: usize) -> bool {
    let Some(before) = at.checked_sub(1) else { return false };
    match &*text.tokens[before].text {
        _ if text.tokens[before].kind != Kind::Punct => false,
        b";" | b"}" => true,
        b"{" => !is_initializer(text, before),
        b":" => !is_conditional_or_designator(text, before),
        b")" => is_condition(text, before),
        _ => false,
    }
}

/// True for the `:` of `a ? b : c` and of a bit-field: what follows is an expression. A label's `:` stands behind a name alone.
fn is_conditional_or_designator(text: &Text<'_, '_>, colon: usize) -> bool {
    let mut at = colon;
    while let Some(before) = at.checked_sub(1) {
        if text.is(before, "?") {
            return true;
        }
        if [";", "{", "}"].iter().any(|end| text.is(before, end)) || text.word(before) == Some(Word::Statement) {
            return false;
        }
        at = before;
    }
    false
}

/// True for the `)` of `if (…)`, `for (…)`, `while (…)`, `switch (…)`: what follows is a statement.
fn is_condition(text: &Text<'_, '_>, close: usize) -> bool {
    let keyword = text.open(close).and_then(|open| open.checked_sub(1));
    keyword.is_some_and(|at| text.word(at).is_some() && matches!(text.name(at), b"if" | b"for" | b"while" | b"switch"))
}

/// True for a brace that opens an initializer, an enum or a compound literal and no block.
fn is_initializer(text: &Text<'_, '_>, open: usize) -> bool {
    let mut at = open;
    // Braces within an initializer's braces.
    while let Some(before) = at.checked_sub(1) {
        if !text.is(before, "{") {
            return ["=", ",", "]"].iter().any(|token| text.is(before, token));
        }
        at = before;
    }
    false
}

/// True if a type's name at a statement's beginning is used as a value here, as a local variable of the name would be.
fn is_value(text: &Text<'_, '_>, at: usize) -> bool {
    ["=", "+=", "-=", "*=", "/=", "|=", "&=", "^=", "++", "--", "->", ".", "[", ";", ","]
        .iter()
        .any(|token| text.is(at + 1, token))
}
