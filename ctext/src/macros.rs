//! Macro definitions: the header's, kept as text and parsed when a unit uses them, and a unit's. Expands nothing.

use std::collections::HashMap;
use std::rc::Rc;

use crate::lexer::{Token, TokenKind, lex};
use crate::reason::Reason;

/// One `#define`.
#[derive(Debug)]
pub(crate) struct Macro<'t> {
    /// `None` for an object-like macro.
    pub(crate) parameters: Option<Parameters<'t>>,
    pub(crate) body: Vec<Token<'t>>,
}

/// The parameters of a function-like macro.
#[derive(Debug)]
pub(crate) struct Parameters<'t> {
    pub(crate) names: Vec<Token<'t>>,
    /// True if the last parameter takes all further arguments.
    pub(crate) variadic: bool,
}

impl<'t> Macro<'t> {
    /// Parses the tokens after `#define`, the macro's name first. `None` for an invalid definition, or one that the
    /// expansion does not support.
    pub(crate) fn read(tokens: &[Token<'t>]) -> Option<Self> {
        let (_, rest) = tokens.split_first()?;
        let is_function = rest.first().is_some_and(|token| token.is("(") && !token.space);
        if !is_function {
            return Some(Self { parameters: None, body: rest.to_vec() });
        }
        let close = rest.iter().position(|token| token.is(")"))?;
        let mut names = Vec::new();
        let mut variadic = false;
        for (place, token) in rest[1..close].iter().enumerate() {
            match token.kind {
                TokenKind::Word if !variadic => names.push(token.clone()),
                TokenKind::Punct if token.is(",") && place > 0 && !variadic => {}
                // `...`, or GNU's `name...`.
                TokenKind::Punct if token.is("...") && !variadic => {
                    variadic = true;
                    let is_named = place > 0 && rest[place].kind == TokenKind::Word;
                    if !is_named {
                        let mut name = token.clone();
                        (name.kind, name.text) = (TokenKind::Word, b"__VA_ARGS__"[..].into());
                        names.push(name);
                    }
                }
                _ => return None,
            }
        }
        Some(Self { parameters: Some(Parameters { names, variadic }), body: rest[close + 1..].to_vec() })
    }
}

impl Macro<'_> {
    /// True if two definitions have the same tokens and the same significant white space.
    fn is_same(&self, other: &Self) -> bool {
        let names = |one: &Self| -> Option<(Vec<Vec<u8>>, bool)> {
            let parameters = one.parameters.as_ref()?;
            Some((parameters.names.iter().map(|name| name.text.to_vec()).collect(), parameters.variadic))
        };
        let same_words = |(place, (one, other)): (usize, (&Token<'_>, &Token<'_>))| {
            one.text == other.text && (place == 0 || one.space == other.space)
        };
        names(self) == names(other)
            && self.body.len() == other.body.len()
            && self.body.iter().zip(&other.body).enumerate().all(same_words)
    }
}

/// The macros that are defined after the header, by name, with the text after the name.
#[derive(Debug, Default)]
pub(crate) struct HeaderMacros {
    definitions: HashMap<Box<[u8]>, Box<[u8]>>,
}

impl HeaderMacros {
    /// `definition` begins with the macro's name.
    pub(crate) fn define(&mut self, name: &[u8], definition: &[u8]) {
        self.definitions.insert(name.into(), definition.into());
    }

    pub(crate) fn undefine(&mut self, name: &[u8]) -> Option<Box<[u8]>> {
        self.definitions.remove(name)
    }

    pub(crate) fn text(&self, name: &[u8]) -> Option<&[u8]> {
        self.definitions.get(name).map(|text| &**text)
    }

    pub(crate) fn has(&self, name: &[u8]) -> bool {
        self.definitions.contains_key(name)
    }
}

/// The definition of a name at a position in a unit.
#[derive(Clone, Debug)]
pub(crate) enum Meaning<'t> {
    NoMacro,
    Macro(Rc<Macro<'t>>),
    /// A macro that the expansion does not support.
    Unreadable,
}

/// All macros at a position in a unit.
pub(crate) struct Macros<'t> {
    header: &'t HeaderMacros,
    line_comments: bool,
    /// The unit's definitions and undefinitions, and the header's macros that the unit used.
    known: HashMap<Vec<u8>, Meaning<'t>>,
}

impl<'t> Macros<'t> {
    pub(crate) fn new(header: &'t HeaderMacros, line_comments: bool) -> Self {
        Self { header, line_comments, known: HashMap::new() }
    }

    pub(crate) fn get(&mut self, name: &[u8]) -> Meaning<'t> {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        let Some(text) = self.header.text(name) else { return Meaning::NoMacro };
        let read = lex(text, self.line_comments).ok().and_then(|tokens| Macro::read(&tokens));
        let meaning = read.map_or(Meaning::Unreadable, |read| Meaning::Macro(Rc::new(read)));
        self.known.insert(name.to_owned(), meaning.clone());
        meaning
    }

    pub(crate) fn is_defined(&mut self, name: &[u8]) -> bool {
        !matches!(self.get(name), Meaning::NoMacro)
    }

    /// Defines a macro from a `#define`'s tokens, the name first. Compilers warn if a macro is redefined with other tokens.
    pub(crate) fn define(&mut self, tokens: &[Token<'t>]) -> Result<(), Reason> {
        let name = &tokens[0];
        let meaning = Macro::read(tokens).map_or(Meaning::Unreadable, |read| Meaning::Macro(Rc::new(read)));
        let is_new = match (self.get(&name.text), &meaning) {
            (Meaning::NoMacro, _) => true,
            (Meaning::Macro(old), Meaning::Macro(new)) => old.is_same(new),
            _ => false,
        };
        if !is_new {
            let name_text = String::from_utf8_lossy(&name.text).into_owned();
            return Err(Reason::Macro { line: name.line as usize, name: name_text });
        }
        self.known.insert(name.text.to_vec(), meaning);
        Ok(())
    }

    pub(crate) fn undefine(&mut self, name: &[u8]) {
        self.known.insert(name.to_owned(), Meaning::NoMacro);
    }
}
