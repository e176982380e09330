//! Decides whether a use of a static function or constant can distinguish its address from another's. Does not know the definitions.

use crate::lexer::TokenKind;
use crate::scan::{Declarator, Item, Text};
use crate::words::Word;

/// A definition that has a separate address in each translation unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Local {
    Function,
    /// A constant number or pointer.
    Scalar,
    /// A one-dimensional array of constant numbers or pointers.
    Array,
    /// Any other constant.
    Constant,
    /// A variable.
    Variable,
}

impl Local {
    /// Classifies a definition.
    pub(crate) fn of(item: &Item, declarator: &Declarator) -> Self {
        if declarator.is_function {
            return Self::Function;
        }
        let is_const = declarator.const_pointer.unwrap_or(item.is_const && !item.is_volatile);
        let is_plain = declarator.const_pointer.is_some() || item.is_arithmetic;
        match declarator.dimensions {
            _ if !is_const || item.is_volatile || item.is_thread_local => Self::Variable,
            0 if is_plain => Self::Scalar,
            1 if is_plain => Self::Array,
            _ => Self::Constant,
        }
    }

    /// True if this use needs no address: a call, an index, a value, a size.
    pub(crate) fn is_plain_use(self, text: &Text<'_, '_>, at: usize) -> bool {
        if is_sized(text, at) {
            return self != Self::Variable;
        }
        if takes_address(text, at) {
            return false;
        }
        match self {
            Self::Function => text.is(at + 1, "("),
            Self::Scalar => true,
            Self::Array => text.is(at + 1, "["),
            Self::Constant | Self::Variable => false,
        }
    }
}

/// True for `sizeof name` and `sizeof(name)`.
fn is_sized(text: &Text<'_, '_>, at: usize) -> bool {
    let is_sizeof = |at: usize| text.word(at).is_some() && text.name(at) == b"sizeof";
    match at {
        0 => false,
        1 => is_sizeof(0),
        _ => {
            (is_sizeof(at - 1) && !text.is(at + 1, "("))
                || (is_sizeof(at - 2) && text.is(at - 1, "(") && text.is(at + 1, ")"))
        }
    }
}

/// True if a unary `&` precedes the name or the parentheses around it, or if that cannot be decided.
fn takes_address(text: &Text<'_, '_>, at: usize) -> bool {
    let mut before = at;
    loop {
        let Some(next) = before.checked_sub(1) else { return false };
        before = next;
        if !text.is(before, "(") {
            break;
        }
    }
    if !text.is(before, "&") {
        return false;
    }
    // A binary `&` follows an operand. A closing parenthesis may end a cast.
    let operand = before.checked_sub(1).is_some_and(|operand| {
        let kind = text.tokens[operand].kind;
        matches!(text.word(operand), Some(Word::Name)) || kind == TokenKind::Number || text.is(operand, "]")
    });
    !operand
}
