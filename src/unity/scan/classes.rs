//! How each token is used, as far as its neighbours tell: as a name, a tag, a member. Knows no declarations.

use crate::unity::lex::{Kind, Token};
use crate::unity::words::Word;

/// How a word is used, as far as that decides whether it means the file scope's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::unity) enum Class {
    Ordinary,
    /// Behind `struct`, `union` or `enum`.
    Tag,
    /// Of a struct: never a name of the file scope.
    Member,
    /// One of these, and which is not known.
    Murky,
}

/// How each token is used, seen from its neighbours alone.
pub(in crate::unity) fn classes(text: &[u8], tokens: &[Token]) -> Vec<Class> {
    let mut classes = Vec::with_capacity(tokens.len());
    let mut before = None;
    for (at, token) in tokens.iter().enumerate() {
        classes.push(match before {
            Some(Kind::Punct(b'.') | Kind::Arrow) => Class::Member,
            Some(Kind::Word(Word::Record | Word::Enum)) => Class::Tag,
            // `{ name: value }` is an old designator, or a label.
            Some(Kind::Punct(b'{' | b','))
                if matches!(token.kind, Kind::Word(_)) && tokens.get(at + 1).is_some_and(|next| next.is(b':')) =>
            {
                Class::Murky
            }
            _ => Class::Ordinary,
        });
        if !matches!(token.kind, Kind::Directive(_)) {
            before = Some(token.kind);
        }
    }
    // offsetof(type, member)
    for (at, token) in tokens.iter().enumerate() {
        if token.kind != Kind::Word(Word::OffsetOf) {
            continue;
        }
        let mut depth = 0_usize;
        for (place, inside) in tokens.iter().enumerate().skip(at + 1) {
            match inside.kind {
                Kind::Punct(b'(' | b'{' | b'[') => depth += 1,
                Kind::Punct(b')' | b'}' | b']') => depth = depth.saturating_sub(1),
                Kind::Punct(b',') if depth == 1 => {
                    if let Some(class) = classes.get_mut(place + 1) {
                        *class = Class::Member;
                    }
                    break;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    debug_assert_eq!(classes.len(), tokens.len(), "{} bytes", text.len());
    classes
}
