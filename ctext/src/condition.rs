//! Evaluates the conditions of `#if`, after macro expansion. Refuses conditions that only a compiler can decide.

use crate::lexer::{Token, TokenKind};

/// An integer in `#if`: 64 bits, signed or unsigned.
#[derive(Clone, Copy, Debug)]
struct Value {
    bits: u64,
    unsigned: bool,
}

impl Value {
    fn from_bool(is: bool) -> Self {
        Self { bits: u64::from(is), unsigned: false }
    }

    fn signed(self) -> i64 {
        self.bits.cast_signed()
    }
}

/// Returns the condition's value, or `None` if the condition is not understood.
pub(crate) fn evaluate(tokens: &[Token<'_>]) -> Option<bool> {
    let mut parser = Parser { tokens, at: 0 };
    let value = parser.ternary(0)?;
    (parser.at == tokens.len()).then_some(value.bits != 0)
}

/// The nesting limit of conditions, which bounds the parser's stack.
const DEEPEST: usize = 128;

/// Binary operators, lowest precedence first.
const OPERATORS: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<", ">", "<=", ">="],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

struct Parser<'p, 't> {
    tokens: &'p [Token<'t>],
    at: usize,
}

impl Parser<'_, '_> {
    fn accept(&mut self, text: &str) -> bool {
        let is = self.tokens.get(self.at).is_some_and(|token| token.is(text));
        self.at += usize::from(is);
        is
    }

    fn ternary(&mut self, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        let condition = self.binary(0, depth)?;
        if !self.accept("?") {
            return Some(condition);
        }
        let yes = self.ternary(depth + 1)?;
        if !self.accept(":") {
            return None;
        }
        let no = self.ternary(depth + 1)?;
        let chosen = if condition.bits != 0 { yes } else { no };
        Some(Value { unsigned: yes.unsigned || no.unsigned, ..chosen })
    }

    fn binary(&mut self, level: usize, depth: usize) -> Option<Value> {
        let Some(operators) = OPERATORS.get(level) else { return self.unary(depth) };
        let mut left = self.binary(level + 1, depth)?;
        while let Some(&operator) = operators.iter().find(|operator| self.accept(operator)) {
            let right = self.binary(level + 1, depth)?;
            left = apply(operator, left, right)?;
        }
        Some(left)
    }

    fn unary(&mut self, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        if self.accept("!") {
            return Some(Value::from_bool(self.unary(depth + 1)?.bits == 0));
        }
        if self.accept("~") {
            let value = self.unary(depth + 1)?;
            return Some(Value { bits: !value.bits, ..value });
        }
        if self.accept("-") {
            let value = self.unary(depth + 1)?;
            return Some(Value { bits: value.bits.wrapping_neg(), ..value });
        }
        if self.accept("+") {
            return self.unary(depth + 1);
        }
        if self.accept("(") {
            let value = self.ternary(depth + 1)?;
            return self.accept(")").then_some(value);
        }
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        match token.kind {
            TokenKind::Number => number(&token.text),
            TokenKind::Char => character(&token.text),
            // An identifier is 0, except for keywords of some C versions, and for operators that compilers provide instead of macros.
            TokenKind::Word if matches!(&*token.text, b"true" | b"false" | b"defined") || is_operator(&token.text) => {
                None
            }
            TokenKind::Word => Some(Value { bits: 0, unsigned: false }),
            _ => None,
        }
    }
}

/// True for `__has_include` and similar operators.
fn is_operator(word: &[u8]) -> bool {
    word.starts_with(b"__has_")
        || word.starts_with(b"__is_")
        || word.starts_with(b"__building")
        || word == b"__COUNTER__"
}

fn apply(operator: &str, left: Value, right: Value) -> Option<Value> {
    let unsigned = left.unsigned || right.unsigned;
    let whole = |bits: u64| Some(Value { bits, unsigned });
    let less = |one: Value, other: Value| if unsigned { one.bits < other.bits } else { one.signed() < other.signed() };
    let from_bool = |is: bool| Some(Value::from_bool(is));
    match operator {
        "||" => from_bool(left.bits != 0 || right.bits != 0),
        "&&" => from_bool(left.bits != 0 && right.bits != 0),
        "|" => whole(left.bits | right.bits),
        "^" => whole(left.bits ^ right.bits),
        "&" => whole(left.bits & right.bits),
        "==" => from_bool(left.bits == right.bits),
        "!=" => from_bool(left.bits != right.bits),
        "<" => from_bool(less(left, right)),
        ">" => from_bool(less(right, left)),
        "<=" => from_bool(!less(right, left)),
        ">=" => from_bool(!less(left, right)),
        "<<" | ">>" => {
            let by = u32::try_from(right.bits).ok().filter(|by| *by < 64)?;
            let bits = match operator {
                "<<" => left.bits << by,
                _ if left.unsigned => left.bits >> by,
                _ => (left.signed() >> by).cast_unsigned(),
            };
            Some(Value { bits, unsigned: left.unsigned })
        }
        "+" => whole(left.bits.wrapping_add(right.bits)),
        "-" => whole(left.bits.wrapping_sub(right.bits)),
        "*" => whole(left.bits.wrapping_mul(right.bits)),
        // Division by zero is an error, also in an operand that is not evaluated; the compiler reports it.
        "/" if unsigned => whole(left.bits.checked_div(right.bits)?),
        "/" => whole(left.signed().checked_div(right.signed())?.cast_unsigned()),
        "%" if unsigned => whole(left.bits.checked_rem(right.bits)?),
        "%" => whole(left.signed().checked_rem(right.signed())?.cast_unsigned()),
        _ => None,
    }
}

fn number(text: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(text).ok()?.to_ascii_lowercase();
    let digits = text.trim_end_matches(['u', 'l']);
    let suffix = &text[digits.len()..];
    if !matches!(suffix, "" | "u" | "l" | "ul" | "lu" | "ll" | "ull" | "llu") {
        return None;
    }
    let bits = if let Some(hex) = digits.strip_prefix("0x") {
        u64::from_str_radix(hex, 16)
    } else if let Some(binary) = digits.strip_prefix("0b") {
        u64::from_str_radix(binary, 2)
    } else if digits.len() > 1 && digits.starts_with('0') {
        u64::from_str_radix(&digits[1..], 8)
    } else {
        digits.parse()
    }
    .ok()?;
    // A value that does not fit into a signed integer is unsigned, with a warning.
    let unsigned = suffix.contains('u');
    (unsigned || i64::try_from(bits).is_ok()).then_some(Value { bits, unsigned })
}

/// Parses a plain ASCII character, or a simple escape.
fn character(text: &[u8]) -> Option<Value> {
    let byte = match *text {
        [b'\'', byte, b'\''] if byte.is_ascii() && byte != b'\\' => byte,
        [b'\'', b'\\', escape, b'\''] => match escape {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'0' => 0,
            b'\\' | b'\'' | b'"' => escape,
            _ => return None,
        },
        _ => return None,
    };
    Some(Value { bits: u64::from(byte), unsigned: false })
}
