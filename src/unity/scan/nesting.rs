//! The other ends of brackets and conditionals. Knows nothing of what stands between them.

use std::collections::HashMap;

use crate::unity::lex::{Kind, Lexed, Token, Verb, line_of};
use crate::unity::macros::pairs;
use crate::unity::reason::Reason;

/// How deeply conditionals and declarators may nest. C wants 63 of compilers; here a stack has to bear it.
pub(super) const DEEPEST: usize = 256;

pub(super) struct Nesting {
    pub(super) closes: HashMap<usize, usize>,
    /// Where an `#if` ends.
    pub(super) endifs: HashMap<usize, usize>,
    pub(super) conditional: Vec<bool>,
}

/// Finds the other ends of brackets and conditionals, which must not cross.
pub(super) fn nesting(text: &[u8], lexed: &Lexed) -> Result<Nesting, Reason> {
    let unbalanced = |token: &Token| Reason::Unbalanced { line: line_of(text, token.start) };
    let mut found =
        Nesting { closes: HashMap::new(), endifs: HashMap::new(), conditional: vec![false; lexed.directives.len()] };
    // Brackets have their byte, an `#if` a `#`.
    let mut open: Vec<(u8, usize)> = Vec::new();
    let mut conditions = 0_usize;
    for (at, token) in lexed.tokens.iter().enumerate() {
        match token.kind {
            Kind::Punct(byte @ (b'(' | b'[' | b'{')) => open.push((byte, at)),
            Kind::Punct(byte @ (b')' | b']' | b'}')) => match open.pop() {
                Some((opener, from)) if pairs(opener, byte) => drop(found.closes.insert(from, at)),
                _ => return Err(unbalanced(token)),
            },
            Kind::Directive(index) => {
                match lexed.directives[index].verb {
                    Verb::If => {
                        open.push((b'#', at));
                        conditions += 1;
                        if conditions > DEEPEST {
                            return Err(Reason::NotUnderstood { line: line_of(text, token.start) });
                        }
                    }
                    Verb::Else if !matches!(open.last(), Some((b'#', _))) => return Err(unbalanced(token)),
                    Verb::Endif => match open.pop() {
                        Some((b'#', from)) => {
                            found.endifs.insert(from, at);
                            conditions -= 1;
                        }
                        _ => return Err(unbalanced(token)),
                    },
                    _ => {}
                }
                found.conditional[index] = conditions > 0;
            }
            _ => {}
        }
    }
    match open.last() {
        Some(&(_, at)) => Err(unbalanced(&lexed.tokens[at])),
        None => Ok(found),
    }
}
