//! Declarations inside functions that refer to outside definitions: `extern` variables, prototypes, nested functions.

use std::ops::Range;

use super::Text;
use super::declaration::{Scope, Types};
use crate::lexer::TokenKind;
use crate::words::Word;

/// The result of searching a function's blocks for declarations.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BlockDeclarations {
    /// No declaration of an external name.
    Local,
    /// A declaration that may be of an external name, at this token.
    External(usize),
    /// Text that is not understood, at this token.
    Unclear(usize),
}

/// Searches a function's body for declarations of external functions and variables.
pub(crate) fn block_declarations(text: &Text<'_, '_>, body: Range<usize>, types: Types<'_>) -> BlockDeclarations {
    // For a name that is a type at file scope and something else in the block, `name (x);` is a call.
    for at in body.clone() {
        match text.word(at) {
            Some(Word::Extern) => return BlockDeclarations::External(at),
            // `__extension__` may also precede an expression or an assertion.
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

/// True if the token begins a declaration.
fn declares(text: &Text<'_, '_>, at: usize, types: Types<'_>) -> bool {
    match text.word(at) {
        Some(Word::Name) => types(text.name(at)).is_some(),
        Some(Word::StaticAssert | Word::Statement | Word::Asm | Word::OffsetOf | Word::FunctionName) | None => false,
        Some(_) => true,
    }
}

/// True after `;`, a brace, a label, or the parentheses of `if` and similar statements.
fn begins_statement(text: &Text<'_, '_>, at: usize) -> bool {
    let Some(before) = at.checked_sub(1) else { return false };
    match &*text.tokens[before].text {
        _ if text.tokens[before].kind != TokenKind::Punct => false,
        b";" | b"}" => true,
        b"{" => !is_initializer(text, before),
        b":" => !is_conditional_or_designator(text, before),
        b")" => is_condition(text, before),
        _ => false,
    }
}

/// True for the `:` of `a ? b : c` and of a bit-field, which precedes an expression. A label's `:` follows a single name.
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

/// True for the `)` of `if (…)`, `for (…)`, `while (…)`, `switch (…)`, which precedes a statement.
fn is_condition(text: &Text<'_, '_>, close: usize) -> bool {
    let keyword = text.open(close).and_then(|open| open.checked_sub(1));
    keyword.is_some_and(|at| text.word(at).is_some() && matches!(text.name(at), b"if" | b"for" | b"while" | b"switch"))
}

/// True for a brace that opens an initializer, an enum or a compound literal, and not a block.
fn is_initializer(text: &Text<'_, '_>, open: usize) -> bool {
    let mut at = open;
    // Nested initializers.
    while let Some(before) = at.checked_sub(1) {
        if !text.is(before, "{") {
            return ["=", ",", "]"].iter().any(|token| text.is(before, token));
        }
        at = before;
    }
    false
}

/// True if a type's name at the beginning of a statement is used as a value, as for a local variable of the same name.
fn is_value(text: &Text<'_, '_>, at: usize) -> bool {
    ["=", "+=", "-=", "*=", "/=", "|=", "&=", "^=", "++", "--", "->", ".", "[", ";", ","]
        .iter()
        .any(|token| text.is(at + 1, token))
}
