//! One unit's file scope: its pieces, with the names that each piece defines and declares. Knows nothing of other units.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::lexer::Token;
use crate::reason::{Owner, Reason};
use crate::scan::{BlockDeclarations, Item, ParseError, Scope, Text, TypeName, Usage, block_declarations, usages};
use crate::surroundings::{Surroundings, declaration_hash};
use crate::uses::Local;
use crate::words::{AttributeKind, Word, attribute};

/// A declaration or a function definition at file scope.
#[derive(Debug, Default)]
pub(super) struct Piece<'s> {
    pub(super) tokens: Range<usize>,
    /// Private names that the piece defines or declares.
    pub(super) privates: Vec<&'s [u8]>,
    /// Names that other units define, and a hash of the piece's declaration of each.
    pub(super) declares: Vec<(&'s [u8], [u8; 32])>,
    /// False if the piece cannot be shared with other units, independent of its uses.
    pub(super) may_be_shared: bool,
}

/// A name that is private to the unit.
#[derive(Debug, Default)]
pub(super) struct Private {
    /// The pieces that define or declare the name.
    pub(super) pieces: Vec<usize>,
    pub(super) is_ordinary: bool,
    pub(super) is_tag: bool,
    /// The kind of object whose address could be compared; `None` for a type.
    pub(super) local: Option<Local>,
    /// The tokens that define or declare the name.
    pub(super) names: Vec<usize>,
}

impl Private {
    /// True if a use refers to this name.
    pub(super) fn matches_usage(&self, usage: Usage) -> bool {
        match usage {
            Usage::Ordinary => self.is_ordinary,
            Usage::Tag => self.is_tag,
            Usage::Member | Usage::Attribute | Usage::Unclear => false,
        }
    }
}

/// The result of analysing one unit.
pub(super) struct UnitScope<'s, 't> {
    pub(super) text: Text<'s, 't>,
    pub(super) usages: Vec<Usage>,
    pub(super) pieces: Vec<Piece<'s>>,
    pub(super) privates: HashMap<&'s [u8], Private>,
    /// The external symbols that the unit defines.
    pub(super) externals: Vec<&'s [u8]>,
    /// The header's names that the unit has copies of.
    pub(super) copied: &'s HashSet<Box<[u8]>>,
}

impl<'s, 't> UnitScope<'s, 't> {
    /// Analyses a unit. `copied` are the header's names that the tokens define again.
    pub(super) fn scan(
        tokens: &'s [Token<'t>],
        copied: &'s HashSet<Box<[u8]>>,
        surroundings: &Surroundings,
    ) -> Result<Self, Reason> {
        let text = Text::new(tokens)?;
        let mut own: HashMap<&'s [u8], TypeName> = HashMap::new();
        let mut items: Vec<Item> = Vec::new();
        let mut at = 0;
        while at < tokens.len() {
            if text.is(at, ";") {
                at += 1;
                continue;
            }
            let line = text.line(at);
            match text.word(at) {
                Some(Word::Asm) => return Err(Reason::Asm { line }),
                Some(Word::Specifier) if text.word(at + 1) == Some(Word::StaticAssert) => {
                    at += 1;
                    continue;
                }
                Some(Word::StaticAssert) => {
                    let end = text.close(at + 1).ok_or(Reason::NotUnderstood { line })? + 1;
                    items.push(Item { tokens: at..end, ..Item::default() });
                    at = end;
                    continue;
                }
                _ => {}
            }
            let types = |name: &[u8]| own.get(name).copied().or_else(|| surroundings.type_name(name));
            let item = text
                .item(at, Scope::File, &types)
                .map_err(|ParseError(at)| Reason::NotUnderstood { line: text.line(at) })?;
            if item.is_typedef {
                own.extend(item.type_names().map(|(at, kind)| (&*tokens[at].text, kind)));
            }
            at = item.tokens.end;
            items.push(item);
        }
        let types = |name: &[u8]| own.get(name).copied().or_else(|| surroundings.type_name(name));
        let usages = usages(&text, &types);
        let mut unit =
            Self { text, usages, pieces: Vec::new(), privates: HashMap::new(), externals: Vec::new(), copied };
        for item in &items {
            if let Some(body) = &item.body {
                match block_declarations(&unit.text, body.clone(), &types) {
                    BlockDeclarations::Local => {}
                    BlockDeclarations::External(at) => {
                        return Err(Reason::BlockDeclaration { line: unit.text.line(at) });
                    }
                    BlockDeclarations::Unclear(at) => return Err(Reason::NotUnderstood { line: unit.text.line(at) }),
                }
            }
            unit.define(item, tokens)?;
        }
        for item in items {
            unit.piece(&item, tokens)?;
        }
        unit.index_pieces();
        Ok(unit)
    }

    /// Checks that the unit defines exactly the requested external symbols.
    pub(super) fn check_entries(self, entries: Option<&[String]>) -> Result<Self, Reason> {
        let Some(entries) = entries else {
            // A unit without external symbols has no function to call; it is compiled alone.
            return if self.externals.is_empty() { Err(Reason::NoEntry(String::new())) } else { Ok(self) };
        };
        if let Some(entry) = entries.iter().find(|entry| !self.externals.contains(&entry.as_bytes())) {
            return Err(Reason::NoEntry(entry.clone()));
        }
        let is_extra = |name: &&&[u8]| !entries.iter().any(|entry| entry.as_bytes() == **name);
        match self.externals.iter().find(is_extra) {
            Some(name) => Err(Reason::ExtraSymbol(String::from_utf8_lossy(name).into_owned())),
            None => Ok(self),
        }
    }

    fn private(&mut self, name: &'s [u8]) -> &mut Private {
        self.privates.entry(name).or_default()
    }

    /// Records the names that an item defines.
    fn define(&mut self, item: &Item, tokens: &'s [Token<'t>]) -> Result<(), Reason> {
        let line = self.text.line(item.tokens.start);
        for &at in &item.attributes {
            let name = self.text.name(at);
            match attribute(name) {
                AttributeKind::Harmless => {}
                AttributeKind::Replaceable => return Err(Reason::Replaceable { line: self.text.line(at) }),
                AttributeKind::Other => {
                    let name = String::from_utf8_lossy(name).into_owned();
                    return Err(Reason::Attribute { line: self.text.line(at), name });
                }
            }
        }
        for at in item.tokens.clone() {
            let in_body = item.body.as_ref().is_some_and(|body| body.contains(&at));
            if in_body || !matches!(self.text.word(at), Some(Word::Record | Word::Enum)) {
                continue;
            }
            let lost = |ParseError(at): ParseError| Reason::NotUnderstood { line: self.text.line(at) };
            let (aggregate, _) = self.text.aggregate(at, &mut Vec::new()).map_err(lost)?;
            let Some(body) = aggregate.body else { continue };
            let constants = if aggregate.is_enum { self.text.enumerators(body).map_err(lost)? } else { Vec::new() };
            if let Some(tag) = aggregate.tag {
                let private = self.private(&tokens[tag].text);
                private.is_tag = true;
                private.names.push(tag);
            }
            for constant in constants {
                let private = self.private(&tokens[constant].text);
                private.is_ordinary = true;
                private.names.push(constant);
            }
        }
        for declarator in &item.declarators {
            let Some(at) = declarator.name else { continue };
            let name: &'s [u8] = &tokens[at].text;
            if declarator.has_label {
                return Err(Reason::Asm { line: self.text.line(at) });
            }
            let is_definition = match declarator.is_function {
                _ if item.is_typedef => true,
                true => item.body.is_some(),
                false => declarator.initializer.is_some() || !item.is_extern,
            };
            if !is_definition {
                continue;
            }
            if item.is_inline && (!item.is_static || item.is_extern) && !item.is_typedef {
                return Err(Reason::Replaceable { line });
            }
            if item.is_static || item.is_typedef {
                let local = (!item.is_typedef).then(|| Local::of(item, declarator));
                let private = self.private(name);
                private.is_ordinary = true;
                private.local = local;
            } else if self.externals.contains(&name) {
                return Err(Reason::TwoEntries(String::from_utf8_lossy(name).into_owned()));
            } else {
                self.externals.push(name);
            }
        }
        Ok(())
    }

    /// Makes a piece of an item, after all names are recorded.
    fn piece(&mut self, item: &Item, tokens: &'s [Token<'t>]) -> Result<(), Reason> {
        let mut piece =
            Piece { tokens: item.tokens.clone(), may_be_shared: !item.tokens.is_empty(), ..Piece::default() };
        for declarator in &item.declarators {
            let Some(at) = declarator.name else { continue };
            let name: &'s [u8] = &tokens[at].text;
            if let Some(private) = self.privates.get_mut(name).filter(|private| private.is_ordinary) {
                // `extern` for a private name of the unit: only the compiler can decide which definition is meant.
                if item.is_extern && !item.is_static {
                    return Err(Reason::ConflictingDeclaration(String::from_utf8_lossy(name).into_owned()));
                }
                private.names.push(at);
                piece.privates.push(name);
            } else {
                piece.may_be_shared = false;
                if !self.externals.contains(&name) {
                    let hash = declaration_hash(&self.text, item, declarator.part.clone());
                    piece.declares.push((name, hash));
                }
            }
        }
        let is_used = |&at: &usize| matches!(self.text.name(at), b"used" | b"__used__");
        piece.may_be_shared &= !item.attributes.iter().any(is_used) && !item.is_thread_local;
        if let Some(body) = &item.body {
            piece.may_be_shared &= body.clone().all(|at| !self.prevents_sharing(at));
        }
        for initializer in item.declarators.iter().filter_map(|declarator| declarator.initializer.clone()) {
            // A compound literal is an object with an address.
            piece.may_be_shared &= initializer.clone().all(|at| !(self.text.is(at, ")") && self.text.is(at + 1, "{")));
        }
        // The file name differs between units.
        piece.may_be_shared &= !item.tokens.clone().any(|at| tokens[at].is_word("__FILE__"));
        self.pieces.push(piece);
        Ok(())
    }

    /// True for a token of a body that gives the function state or a unique address.
    fn prevents_sharing(&self, at: usize) -> bool {
        match self.text.word(at) {
            Some(Word::Static | Word::Extern | Word::ThreadLocal | Word::Asm | Word::FunctionName) => true,
            Some(_) => false,
            None => {
                // The address of a label.
                let operand = at.checked_sub(1).is_some_and(|before| {
                    self.text.is_name(before)
                        || self.text.tokens[before].kind != crate::lexer::TokenKind::Punct
                            && self.text.word(before).is_none()
                        || self.text.is(before, ")")
                        || self.text.is(before, "]")
                });
                self.text.is(at, "&&") && !operand
            }
        }
    }

    /// Records for each name the pieces that define or declare the name.
    fn index_pieces(&mut self) {
        for private in self.privates.values_mut() {
            for &at in &private.names {
                let index = self.pieces.partition_point(|piece| piece.tokens.end <= at);
                if !private.pieces.contains(&index) {
                    private.pieces.push(index);
                }
            }
        }
        for (name, private) in &self.privates {
            for &index in &private.pieces {
                if !self.pieces[index].privates.contains(name) {
                    self.pieces[index].privates.push(name);
                }
            }
        }
        self.pieces.iter_mut().for_each(|piece| piece.privates.sort_unstable());
    }

    /// Fails if a private name is already used by the header or the compiler.
    pub(super) fn check_names(&self, surroundings: &Surroundings) -> Result<(), Reason> {
        let mut names: Vec<&&[u8]> = self.privates.keys().collect();
        names.sort_unstable();
        for name in names {
            let own = &self.privates[*name];
            let owner = if self.copied.contains::<[u8]>(name) {
                continue;
            } else if surroundings.macros.has(name) {
                Owner::Macro
            } else if (own.is_ordinary && surroundings.declares(name))
                || (own.is_tag && surroundings.declares_tag(name))
            {
                Owner::Header
            } else if self.privates[*name].local == Some(Local::Function) && crate::library::knows(name) {
                Owner::Compiler
            } else {
                continue;
            };
            return Err(Reason::NameTaken { name: String::from_utf8_lossy(name).into_owned(), owner });
        }
        Ok(())
    }
}
