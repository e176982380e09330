//! What macros do, as far as names are concerned: those of the header, and single definitions.

use std::collections::{HashMap, HashSet};
use std::ops::BitOr;

use super::lex::{Kind, Token, lex_line};
use super::words::{HARMLESS, REPLACEABLE, Word};

/// What an expansion may bring with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traits(u16);

impl Traits {
    pub(super) const STATIC: Self = Self(1);
    pub(super) const EXTERN: Self = Self(1 << 1);
    /// Something that differs with the place in the text.
    pub(super) const PLACE: Self = Self(1 << 2);
    pub(super) const FUNCTION_NAME: Self = Self(1 << 3);
    pub(super) const COUNTER: Self = Self(1 << 4);
    /// A parameter turned into text or pasted.
    pub(super) const HASH: Self = Self(1 << 5);
    /// A word made by pasting.
    pub(super) const PASTE: Self = Self(1 << 6);
    /// A number with a suffix made by pasting, and only a word if the number was one.
    pub(super) const SUFFIX: Self = Self(1 << 7);
    pub(super) const ASM: Self = Self(1 << 8);
    /// More than words and parentheses: no mere attribute or type.
    pub(super) const STRUCTURE: Self = Self(1 << 9);
    pub(super) const PRAGMA: Self = Self(1 << 10);
    /// An attribute by which a definition may be replaced by another.
    pub(super) const REPLACEABLE: Self = Self(1 << 11);
    /// An attribute that may say something of the symbol.
    pub(super) const SYMBOL: Self = Self(1 << 12);
    const ALL: Self = Self(u16::MAX);

    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(super) fn of(word: Word) -> Self {
        match word {
            Word::Static | Word::ThreadLocal => Self::STATIC,
            Word::Extern => Self::EXTERN,
            Word::Place => Self::PLACE,
            Word::FunctionName => Self::FUNCTION_NAME,
            Word::Counter => Self::COUNTER,
            Word::Asm => Self::ASM,
            Word::Pragma => Self::PRAGMA,
            _ => Self::default(),
        }
    }
}

impl BitOr for Traits {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One `#define`.
#[derive(Clone, Debug)]
pub(super) struct Definition<'t> {
    pub(super) name: &'t [u8],
    pub(super) function_like: bool,
    /// The names in its body that are not its parameters, and whether each is a member behind a `.` or `->`.
    pub(super) mentions: Vec<(&'t [u8], bool)>,
    pub(super) traits: Traits,
    /// Whether its brackets have their other ends.
    pub(super) balanced: bool,
}

impl<'t> Definition<'t> {
    /// Reads what stands behind `#define`.
    pub(super) fn read(text: &'t [u8], tokens: &[Token]) -> Option<Self> {
        let slice = |token: &Token| &text[token.range()];
        let (name, rest) = tokens.split_first()?;
        if !matches!(name.kind, Kind::Word(_)) {
            return None;
        }
        let function_like = rest.first().is_some_and(|token| token.is(b'(') && token.start == name.end);
        let (parameters, body) = if function_like {
            let close = rest.iter().position(|token| token.is(b')'))?;
            let (parameters, body) = rest.split_at(close + 1);
            let words = parameters.iter().filter(|token| matches!(token.kind, Kind::Word(_)));
            (words.map(slice).collect(), body)
        } else {
            (Vec::new(), rest)
        };

        let mut mentions = Vec::new();
        let mut traits = paste(text, body, &parameters);
        let mut open = Vec::new();
        let mut balanced = true;
        for (at, token) in body.iter().enumerate() {
            match token.kind {
                Kind::Word(word) => {
                    traits = traits | Traits::of(word);
                    let member = at > 0 && (body[at - 1].is(b'.') || body[at - 1].kind == Kind::Arrow);
                    if word.is_name() && !parameters.contains(&slice(token)) {
                        mentions.push((slice(token), member));
                    }
                }
                Kind::Punct(b'#') if function_like => traits = traits | Traits::HASH,
                Kind::Punct(byte @ (b'(' | b'[' | b'{')) => {
                    open.push(byte);
                    if byte == b'{' {
                        traits = traits | Traits::STRUCTURE;
                    }
                }
                Kind::Punct(byte @ (b')' | b']' | b'}')) => {
                    balanced &= open.pop().is_some_and(|open| pairs(open, byte))
                }
                Kind::Punct(b';' | b'=' | b',') if open.is_empty() => traits = traits | Traits::STRUCTURE,
                _ => {}
            }
        }
        balanced &= open.is_empty();
        if body.iter().any(|token| token.kind == Kind::Word(Word::Attribute)) {
            for (name, _) in &mentions {
                if REPLACEABLE.contains(name) {
                    traits = traits | Traits::REPLACEABLE;
                }
                if !HARMLESS.contains(name) {
                    traits = traits | Traits::SYMBOL;
                }
            }
        }
        Some(Self { name: slice(name), function_like, mentions, traits, balanced })
    }
}

/// Whether a bracket closes another.
pub(super) fn pairs(open: u8, close: u8) -> bool {
    matches!((open, close), (b'(', b')') | (b'[', b']') | (b'{', b'}'))
}

/// What a macro's `##` may make.
fn paste(text: &[u8], body: &[Token], parameters: &[&[u8]]) -> Traits {
    if !body.iter().any(|token| token.kind == Kind::Paste) {
        return Traits::default();
    }
    let suffix = |token: &Token| matches!(token.kind, Kind::Word(_)) && is_number_suffix(&text[token.range()]);
    match body {
        [parameter, paste, end]
            if paste.kind == Kind::Paste && suffix(end) && parameters.contains(&&text[parameter.range()]) =>
        {
            Traits::HASH | Traits::SUFFIX
        }
        _ => Traits::HASH | Traits::PASTE,
    }
}

/// Whether it ends as numbers may: in `U`, `L`, and their like.
pub(super) fn is_number_suffix(word: &[u8]) -> bool {
    word.iter().all(|byte| matches!(byte, b'u' | b'U' | b'l' | b'L'))
}

/// What is known of the macros of the header that the units stand behind.
///
/// Macros are what makes a helper's text mean different things in different units, and what hides state in it. Where they are
/// known, helpers that use them can be shared; where they are not, only helpers of plain C are.
#[derive(Debug)]
pub struct HeaderMacros {
    table: Option<Table>,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    ids: HashMap<Box<[u8]>, usize>,
    /// For each name, what macro it is, if it is one.
    macros: Vec<Option<HeaderMacro>>,
    /// For each name, the names in its replacement.
    mentions: Vec<Vec<usize>>,
    /// For each name, the macros that have it in their replacement.
    users: Vec<Vec<usize>>,
    /// For each name, the macros that have it there as a member.
    member_users: Vec<Vec<usize>>,
    /// Whether words of the language are macros.
    odd: bool,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct HeaderMacro {
    pub(super) function_like: bool,
    /// With what its expansion mentions.
    pub(super) deep: Traits,
    /// Without its own.
    pub(super) below: Traits,
    own: Traits,
}

impl HeaderMacros {
    /// Nothing is known of them.
    #[must_use]
    pub fn unknown() -> Self {
        Self { table: None }
    }

    /// All that there are, as C's `#define` lines: what `-E -dM` of gcc and clang prints of the header. A macro that is missing
    /// is taken for none. Other lines do not matter; a macro that is defined twice may be either.
    #[must_use]
    pub fn from_definitions(text: &[u8]) -> Self {
        let mut table = Table::default();
        let mut rest = text;
        while !rest.is_empty() {
            let length = logical_line(rest);
            table.read(&rest[..length]);
            rest = &rest[length..];
        }
        table.close();
        Self { table: Some(table) }
    }

    pub(super) fn table(&self) -> Option<&Table> {
        self.table.as_ref()
    }
}

/// The length of the first line, with those that it goes on in.
fn logical_line(text: &[u8]) -> usize {
    let mut from = 0;
    while let Some(at) = text[from..].iter().position(|&byte| byte == b'\n') {
        from += at + 1;
        if !(text[..from - 1].ends_with(b"\\") || text[..from - 1].ends_with(b"\\\r")) {
            return from;
        }
    }
    text.len()
}

impl Table {
    fn id(&mut self, name: &[u8]) -> usize {
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        let id = self.macros.len();
        self.ids.insert(name.into(), id);
        self.macros.push(None);
        self.mentions.push(Vec::new());
        self.users.push(Vec::new());
        self.member_users.push(Vec::new());
        id
    }

    fn read(&mut self, line: &[u8]) {
        let Some(rest) = line.trim_ascii_start().strip_prefix(b"#") else { return };
        let Some(rest) = rest.trim_ascii_start().strip_prefix(b"define") else { return };
        let rest = rest.trim_ascii_start();
        let tokens = lex_line(rest).unwrap_or_default();
        let Some(definition) = Definition::read(rest, &tokens) else {
            // It cannot be read, so it may do anything.
            let name = rest.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_').next().unwrap_or_default();
            let id = self.id(name);
            self.macros[id] = Some(HeaderMacro { own: Traits::ALL, ..HeaderMacro::default() });
            return;
        };
        let id = self.id(definition.name);
        self.odd |= matches!(
            definition.name,
            b"static" | b"extern" | b"typedef" | b"const" | b"volatile" | b"struct" | b"union" | b"enum"
        );
        let known = self.macros[id].get_or_insert_default();
        known.own = known.own | definition.traits;
        known.function_like |= definition.function_like;
        for (name, member) in definition.mentions {
            let mentioned = self.id(name);
            if member {
                self.member_users[mentioned].push(id);
            }
            // A member's name is expanded too where it is a macro.
            self.users[mentioned].push(id);
            self.mentions[id].push(mentioned);
        }
    }

    /// Hands what each macro brings on to those that use it.
    fn close(&mut self) {
        for id in 0..self.macros.len() {
            if let Some(known) = &mut self.macros[id] {
                known.deep = known.deep | known.own;
            }
            let mut changed = vec![id];
            while let Some(from) = changed.pop() {
                let Some(brings) = self.macros[from].map(|known| known.deep) else { continue };
                for index in 0..self.users[from].len() {
                    let user = self.users[from][index];
                    let Some(known) = &mut self.macros[user] else { continue };
                    let before = (known.deep, known.below);
                    known.below = known.below | brings;
                    known.deep = known.deep | brings;
                    if (known.deep, known.below) != before {
                        changed.push(user);
                    }
                }
            }
        }
    }

    pub(super) fn odd(&self) -> bool {
        self.odd
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<HeaderMacro> {
        self.macros[*self.ids.get(name)?]
    }

    pub(super) fn id_of(&self, name: &[u8]) -> Option<usize> {
        self.ids.get(name).copied()
    }

    /// The macros whose expansion may come to mention one of the names.
    pub(super) fn reaching<'n>(&self, names: impl Iterator<Item = &'n [u8]>) -> HashSet<usize> {
        self.up(names.filter_map(|name| self.id_of(name)).flat_map(|id| self.users[id].iter().copied()).collect())
    }

    /// The macros whose expansion may come to use the name as a member.
    pub(super) fn reaching_member(&self, name: &[u8]) -> HashSet<usize> {
        self.up(self.id_of(name).map(|id| self.member_users[id].clone()).unwrap_or_default())
    }

    /// The macros whose expansion may come to use the name as anything else than a member.
    pub(super) fn reaching_plain(&self, name: &[u8]) -> HashSet<usize> {
        let Some(id) = self.id_of(name) else { return HashSet::new() };
        let count = |list: &[usize], user| list.iter().filter(|&&other| other == user).count();
        let users = self.users[id].iter().copied();
        self.up(users.filter(|&user| count(&self.users[id], user) > count(&self.member_users[id], user)).collect())
    }

    fn up(&self, mut todo: Vec<usize>) -> HashSet<usize> {
        let mut found = HashSet::new();
        while let Some(id) = todo.pop() {
            if found.insert(id) {
                todo.extend(&self.users[id]);
            }
        }
        found
    }

    pub(super) fn mentions(&self, id: usize) -> &[usize] {
        &self.mentions[id]
    }
}
