//! A unit's file scope: which piece of it defines or declares which names. Knows C's declarations; knows nothing of other
//! units, nor of what names will be called.

use std::collections::HashMap;
use std::ops::Range;

use super::lex::{Kind, Lexed, Token, Verb, line_of};
use super::macros::{Definition, Table, Traits, pairs};
use super::reason::Reason;
use super::words::{HARMLESS, REPLACEABLE, Word};

/// How a word is used, as far as that decides whether it means the file scope's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Ordinary,
    /// Behind `struct`, `union` or `enum`.
    Tag,
    /// Of a struct: never a name of the file scope.
    Member,
    /// One of these, and which is not known.
    Murky,
}

/// A name that a chunk defines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Defined<'t> {
    pub(super) name: &'t [u8],
    pub(super) tag: bool,
    pub(super) function: bool,
    /// For itself alone, as far as can be seen.
    pub(super) is_static: bool,
}

/// A name that a chunk declares, and leaves to someone else, or to another chunk, to define.
#[derive(Clone, Debug)]
pub(super) struct Declared<'t> {
    pub(super) name: &'t [u8],
    /// Its part of the declaration, without the specifiers.
    pub(super) part: Range<usize>,
    /// The specifiers, or what else stands before all parts.
    pub(super) specifiers: Range<usize>,
    /// A macro around a prototype: only right where the unit defines the function too.
    pub(super) by_macro: bool,
}

/// A declaration, a function, or a whole conditional group, by its tokens.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunk<'t> {
    pub(super) tokens: Range<usize>,
    pub(super) defines: Vec<Defined<'t>>,
    pub(super) declares: Vec<Declared<'t>>,
    /// A function's braces and what is between them; of a conditional group, several.
    pub(super) bodies: Vec<Range<usize>>,
    /// Whether nothing in its own words forbids that several units have it in common.
    pub(super) shareable: bool,
    /// Whether it defines a variable: what its initializer points to may be one too, hidden in a macro.
    pub(super) variable: bool,
}

/// What was found.
#[derive(Debug)]
pub(super) struct Scan<'t> {
    pub(super) chunks: Vec<Chunk<'t>>,
    /// For each token, how it is used.
    pub(super) classes: Vec<Class>,
    /// For each directive, whether it stands in a conditional group.
    pub(super) conditional: Vec<bool>,
    /// Where an opening bracket ends.
    pub(super) closes: HashMap<usize, usize>,
}

pub(super) fn scan<'t>(
    text: &'t [u8],
    lexed: &'t Lexed,
    own: &HashMap<&'t [u8], Vec<Definition<'t>>>,
    header: Option<&Table>,
) -> Result<Scan<'t>, Reason> {
    let tokens = &lexed.tokens;
    let Nesting { closes, endifs, conditional } = nesting(text, lexed)?;
    let mut scanner = Scanner {
        text,
        lexed,
        tokens,
        own,
        header,
        closes,
        endifs,
        classes: classes(text, tokens),
        aggregates: Vec::new(),
    };
    scanner.aggregates();
    let mut chunks = Vec::new();
    scanner.scope(0..tokens.len(), &mut chunks)?;
    Ok(Scan { chunks, classes: scanner.classes, conditional, closes: scanner.closes })
}

/// How each token is used, seen from its neighbours alone.
pub(super) fn classes(text: &[u8], tokens: &[Token]) -> Vec<Class> {
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

struct Nesting {
    closes: HashMap<usize, usize>,
    /// Where an `#if` ends.
    endifs: HashMap<usize, usize>,
    conditional: Vec<bool>,
}

/// Finds the other ends of brackets and conditionals, which must not cross.
fn nesting(text: &[u8], lexed: &Lexed) -> Result<Nesting, Reason> {
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

/// How deeply conditionals and declarators may nest. C wants 63 of compilers; here a stack has to bear it.
const DEEPEST: usize = 256;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    File,
    Struct,
}

/// A struct, union or enum with a body.
struct Aggregate {
    /// Its keyword.
    at: usize,
    tag: Option<usize>,
    body: Range<usize>,
    is_enum: bool,
}

#[derive(Default)]
struct Specifiers {
    is_static: bool,
    is_extern: bool,
    is_typedef: bool,
    is_inline: bool,
    is_const: bool,
    is_volatile: bool,
    thread_local: bool,
    /// A type that is one for sure.
    typed: bool,
    /// Words that may be types or macros, before any type and behind one.
    unknown_before: usize,
    unknown_after: usize,
    /// Words that are macros for sure.
    macros: bool,
    macro_traits: Traits,
}

impl Specifiers {
    /// Whether it is clear which of its words is the declared name.
    fn is_clear(&self) -> bool {
        self.unknown_after == 0 && (self.typed || self.unknown_before <= 1)
    }

    fn has_type(&self) -> bool {
        self.typed || self.macros || self.unknown_before > 0
    }
}

struct Declarator {
    name: Option<usize>,
    part: Range<usize>,
    function: bool,
    /// Whether the object itself is constant; None where its specifiers say so.
    pointer_const: Option<bool>,
    initializer: Option<Range<usize>>,
}

struct Declaration {
    specifiers: Specifiers,
    specifier_range: Range<usize>,
    declarators: Vec<Declarator>,
    body: Option<Range<usize>>,
    end: usize,
}

/// The declaration cannot be understood; where.
struct Lost(usize);

struct Scanner<'s, 't> {
    text: &'t [u8],
    lexed: &'t Lexed,
    tokens: &'t [Token],
    own: &'s HashMap<&'t [u8], Vec<Definition<'t>>>,
    header: Option<&'s Table>,
    closes: HashMap<usize, usize>,
    endifs: HashMap<usize, usize>,
    classes: Vec<Class>,
    aggregates: Vec<Aggregate>,
}

impl<'t> Scanner<'_, 't> {
    fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    fn is(&self, at: usize, byte: u8) -> bool {
        self.kind(at) == Some(Kind::Punct(byte))
    }

    fn slice(&self, at: usize) -> &'t [u8] {
        &self.text[self.tokens[at].range()]
    }

    fn line(&self, at: usize) -> usize {
        line_of(self.text, self.tokens.get(at).map_or(self.text.len(), |token| token.start))
    }

    /// Past the bracket that opens here.
    fn past(&self, at: usize) -> Result<usize, Lost> {
        self.closes.get(&at).map(|close| close + 1).ok_or(Lost(at))
    }

    /// What is known of a word that is a macro.
    fn macro_of(&self, at: usize) -> Option<(bool, Traits)> {
        let name = self.slice(at);
        if let Some(definitions) = self.own.get(name) {
            let traits = definitions.iter().fold(Traits::default(), |traits, definition| traits | definition.traits);
            return Some((definitions.iter().any(|definition| definition.function_like), traits));
        }
        self.header?.get(name).map(|known| (known.function_like, known.deep))
    }

    /// Finds every struct, union and enum with a body, and marks the names of members.
    fn aggregates(&mut self) {
        let mut found = Vec::new();
        for at in 0..self.tokens.len() {
            let is_enum = match self.tokens[at].kind {
                Kind::Word(Word::Record) => false,
                Kind::Word(Word::Enum) => true,
                _ => continue,
            };
            let Ok((tag, open)) = self.aggregate_head(at) else { continue };
            if let Some(tag) = tag {
                self.classes[tag] = Class::Tag;
            }
            if self.is(open, b'{')
                && let Ok(end) = self.past(open)
            {
                found.push(Aggregate { at, tag, body: open + 1..end - 1, is_enum });
            }
        }
        for aggregate in found.iter().filter(|aggregate| !aggregate.is_enum) {
            self.members(aggregate.body.clone());
        }
        self.aggregates = found;
    }

    /// The tag of the aggregate whose keyword stands here, and what stands behind that.
    fn aggregate_head(&self, at: usize) -> Result<(Option<usize>, usize), Lost> {
        let mut at = self.attributes(at + 1)?;
        let mut tag = None;
        if let Some(Kind::Word(word)) = self.kind(at)
            && word.is_name()
        {
            // A macro between keyword and tag.
            if let Some(Kind::Word(next)) = self.kind(at + 1)
                && next.is_name()
                && self.kind(at + 2) == Some(Kind::Punct(b'{'))
            {
                at += 1;
            }
            tag = Some(at);
            at = self.attributes(at + 1)?;
        }
        // `enum name : type {` is C23's.
        Ok((tag, at))
    }

    fn members(&mut self, body: Range<usize>) {
        let mut at = body.start;
        while at < body.end {
            if matches!(self.tokens[at].kind, Kind::Directive(_)) || self.is(at, b';') {
                at += 1;
                continue;
            }
            if self.kind(at) == Some(Kind::Word(Word::StaticAssert)) {
                at += 1;
                continue;
            }
            match self.declaration(at, body.end, Place::Struct) {
                Ok(declaration) if declaration.specifiers.is_clear() => {
                    for name in declaration.declarators.iter().filter_map(|declarator| declarator.name) {
                        self.classes[name] = Class::Member;
                    }
                    at = declaration.end;
                }
                _ => {
                    // Which of its words are members is not known.
                    for class in &mut self.classes[at..body.end] {
                        if *class == Class::Ordinary {
                            *class = Class::Murky;
                        }
                    }
                    return;
                }
            }
        }
    }

    /// Everything between two places of the file scope.
    fn scope(&mut self, range: Range<usize>, chunks: &mut Vec<Chunk<'t>>) -> Result<(), Reason> {
        let mut at = range.start;
        while at < range.end {
            if self.is(at, b';') {
                at += 1;
                continue;
            }
            if let Kind::Directive(index) = self.tokens[at].kind {
                at = match self.lexed.directives[index].verb {
                    Verb::If => self.group(at, chunks)?,
                    _ => at + 1,
                };
                continue;
            }
            let chunk = self.item(at, range.end)?;
            at = chunk.tokens.end;
            chunks.push(chunk);
        }
        Ok(())
    }

    /// A conditional group of the file scope: one chunk.
    fn group(&mut self, start: usize, chunks: &mut Vec<Chunk<'t>>) -> Result<usize, Reason> {
        let end = self.endifs[&start];
        let mut inner = Vec::new();
        let mut at = start + 1;
        while at < end {
            // Up to the branch's end.
            let mut stop = at;
            while stop < end {
                match self.tokens[stop].kind {
                    Kind::Directive(index) => match self.lexed.directives[index].verb {
                        Verb::Else => break,
                        Verb::If => stop = self.endifs[&stop] + 1,
                        _ => stop += 1,
                    },
                    _ => stop = self.closes.get(&stop).unwrap_or(&stop) + 1,
                }
            }
            self.scope(at..stop, &mut inner)?;
            at = stop + 1;
        }
        let mut group = Chunk { tokens: start..end + 1, ..Chunk::default() };
        for chunk in inner {
            group.defines.extend(chunk.defines);
            group.declares.extend(chunk.declares);
            group.bodies.extend(chunk.bodies);
        }
        chunks.push(group);
        Ok(end + 1)
    }

    /// One declaration of the file scope.
    fn item(&mut self, at: usize, limit: usize) -> Result<Chunk<'t>, Reason> {
        let lost = |scanner: &Self, at| Reason::NotUnderstood { line: scanner.line(at) };
        match self.kind(at) {
            Some(Kind::Word(Word::Asm)) => return Err(Reason::Asm { line: self.line(at) }),
            Some(Kind::Word(Word::Pragma)) => return Err(Reason::Pragma { line: self.line(at) }),
            Some(Kind::Word(Word::StaticAssert)) => {
                let end = self.past(at + 1).map_err(|Lost(at)| lost(self, at))?;
                if !self.is(end, b';') {
                    return Err(lost(self, end));
                }
                return Ok(Chunk { tokens: at..end + 1, ..Chunk::default() });
            }
            Some(Kind::Word(word)) if word.is_name() && self.is(at + 1, b'(') => {
                if let Some(chunk) = self.prototype_in_macro(at) {
                    return Ok(chunk);
                }
            }
            _ => {}
        }
        let declaration = self.declaration(at, limit, Place::File).map_err(|Lost(at)| lost(self, at))?;
        self.chunk(at, &declaration)
    }

    /// `MACRO(static int f(int));`, which gives a function an attribute.
    fn prototype_in_macro(&mut self, at: usize) -> Option<Chunk<'t>> {
        let close = *self.closes.get(&(at + 1))?;
        if !self.is(close + 1, b';') {
            return None;
        }
        let known = self.macro_of(at);
        let harmless = |(function_like, traits): (bool, Traits)| {
            function_like
                && !traits.has(
                    Traits::STRUCTURE
                        | Traits::HASH
                        | Traits::ASM
                        | Traits::PRAGMA
                        | Traits::REPLACEABLE
                        | Traits::SYMBOL,
                )
        };
        if self.header.is_some() && !known.is_some_and(harmless) || known.is_some_and(|known| !harmless(known)) {
            return None;
        }
        // The closing parenthesis stands where the semicolon would.
        let inside = self.declaration(at + 2, close + 1, Place::File).ok()?;
        let [declarator] = &inside.declarators[..] else { return None };
        if inside.end != close + 1 || inside.body.is_some() || !declarator.function || inside.specifiers.is_typedef {
            return None;
        }
        let declared = Declared {
            name: self.slice(declarator.name?),
            part: declarator.part.clone(),
            specifiers: at..inside.specifier_range.end,
            by_macro: true,
        };
        Some(Chunk { tokens: at..close + 2, declares: vec![declared], shareable: true, ..Chunk::default() })
    }

    fn chunk(&mut self, at: usize, declaration: &Declaration) -> Result<Chunk<'t>, Reason> {
        let specifiers = &declaration.specifiers;
        let tokens = at..declaration.end;
        let lost = |at| Reason::NotUnderstood { line: self.line(at) };
        let mut chunk = Chunk { tokens: tokens.clone(), shareable: true, ..Chunk::default() };
        let body = declaration.body.clone();
        chunk.bodies.extend(body.clone());

        if specifiers.macro_traits.has(Traits::REPLACEABLE) {
            return Err(Reason::Replaceable { line: self.line(at) });
        }
        for declarator in &declaration.declarators {
            let name_at = declarator.name.ok_or_else(|| lost(at))?;
            let name = self.slice(name_at);
            let defined = |function| Defined { name, tag: false, function, is_static: specifiers.is_static };
            if specifiers.is_typedef || specifiers.macro_traits.has(Traits::STRUCTURE) {
                if !specifiers.is_clear() || specifiers.macro_traits.has(Traits::STRUCTURE) {
                    return Err(lost(name_at));
                }
                chunk.defines.push(Defined { is_static: true, ..defined(false) });
                continue;
            }
            if declarator.function {
                if body.is_some() {
                    if specifiers.is_inline && (!specifiers.is_static || specifiers.is_extern) {
                        return Err(Reason::Replaceable { line: self.line(at) });
                    }
                    chunk.defines.push(defined(true));
                    continue;
                }
                if !specifiers.is_clear() {
                    return Err(lost(name_at));
                }
            } else {
                if !specifiers.is_clear() {
                    return Err(lost(name_at));
                }
                let hidden_extern = specifiers.macro_traits.has(Traits::EXTERN);
                let hidden_storage = specifiers.unknown_before > 0 && specifiers.typed;
                let is_extern = specifiers.is_extern || hidden_extern;
                if declarator.initializer.is_none() && hidden_storage && !specifiers.is_static && !is_extern {
                    return Err(lost(name_at));
                }
                if declarator.initializer.is_some() || !is_extern {
                    chunk.defines.push(defined(false));
                    chunk.variable = true;
                    chunk.shareable &= declarator.pointer_const.unwrap_or(specifiers.is_const)
                        && !specifiers.is_volatile
                        && !specifiers.thread_local
                        && !self.has_compound_literal(declarator.initializer.clone().unwrap_or(0..0));
                    continue;
                }
            }
            chunk.declares.push(Declared {
                name,
                part: declarator.part.clone(),
                specifiers: declaration.specifier_range.clone(),
                by_macro: false,
            });
        }

        // Tags and enumerators, wherever they are outside of the function's body.
        let first = self.aggregates.partition_point(|aggregate| aggregate.at < tokens.start);
        let here = self.aggregates[first..].iter().take_while(|aggregate| aggregate.at < tokens.end);
        for aggregate in here.filter(|aggregate| !body.as_ref().is_some_and(|body| body.contains(&aggregate.at))) {
            if let Some(tag) = aggregate.tag {
                let name = self.slice(tag);
                chunk.defines.push(Defined { name, tag: true, function: false, is_static: true });
            }
            if aggregate.is_enum {
                for name in self.enumerators(aggregate.body.clone()).map_err(|Lost(at)| lost(at))? {
                    chunk.defines.push(Defined { name, tag: false, function: false, is_static: true });
                }
            }
        }

        self.attributes_of(&mut chunk)?;
        let whole = &self.tokens[tokens.clone()];
        chunk.shareable &= !whole.iter().any(|token| match token.kind {
            Kind::Directive(index) => !matches!(self.lexed.directives[index].verb, Verb::If | Verb::Else | Verb::Endif),
            Kind::Word(Word::ThreadLocal | Word::Asm) => true,
            _ => false,
        });
        if let Some(body) = body {
            // State of its own.
            let storage = |token: &Token| matches!(token.kind, Kind::Word(Word::Static | Word::Extern));
            chunk.shareable &= !self.tokens[body].iter().any(storage);
        }
        Ok(chunk)
    }

    fn has_compound_literal(&self, initializer: Range<usize>) -> bool {
        let tokens = &self.tokens[initializer];
        tokens.windows(2).any(|two| two[0].is(b')') && two[1].is(b'{'))
    }

    fn enumerators(&self, body: Range<usize>) -> Result<Vec<&'t [u8]>, Lost> {
        let mut names = Vec::new();
        let mut at = body.start;
        while at < body.end {
            match self.tokens[at].kind {
                Kind::Directive(_) => {
                    at += 1;
                    continue;
                }
                Kind::Word(word) if word.is_name() => names.push(self.slice(at)),
                _ => return Err(Lost(at)),
            }
            at += 1;
            while at < body.end && !self.is(at, b',') {
                at = self.closes.get(&at).unwrap_or(&at) + 1;
            }
            at += 1;
        }
        Ok(names)
    }

    /// Looks at a chunk's attributes.
    fn attributes_of(&self, chunk: &mut Chunk<'t>) -> Result<(), Reason> {
        let mut at = chunk.tokens.start;
        while at < chunk.tokens.end {
            if self.kind(at) == Some(Kind::Word(Word::Attribute))
                && let Some(&close) = self.closes.get(&(at + 1))
            {
                for inside in at + 2..close {
                    let word = self.slice(inside);
                    if REPLACEABLE.contains(&word) {
                        return Err(Reason::Replaceable { line: self.line(inside) });
                    }
                    if matches!(self.tokens[inside].kind, Kind::Word(_)) && !HARMLESS.contains(&word) {
                        chunk.shareable &= self.slice(at).ends_with(b"lignas");
                    }
                }
                at = close;
            }
            at += 1;
        }
        Ok(())
    }

    /// Past attributes and calling conventions.
    fn attributes(&self, mut at: usize) -> Result<usize, Lost> {
        loop {
            at = match self.kind(at) {
                Some(Kind::Word(Word::Attribute)) => self.past(at + 1)?,
                Some(Kind::Word(Word::Specifier)) => at + 1,
                _ => return Ok(at),
            };
        }
    }

    fn declaration(&self, start: usize, limit: usize, place: Place) -> Result<Declaration, Lost> {
        let (specifiers, mut at) = self.specifiers(start, place)?;
        let specifier_range = start..at;
        let mut declarators = Vec::new();
        let mut body = None;
        let ends = |at: usize| self.is(at, b';') || (at + 1 == limit && self.is(at, b')'));
        if !ends(at) {
            if !specifiers.has_type() {
                return Err(Lost(at));
            }
            loop {
                let mut declarator = self.declarator(at, 0)?;
                at = self.behind_declarator(declarator.part.end)?;
                let first = declarators.is_empty();
                if self.is(at, b'{') && first && declarator.function && place == Place::File && !specifiers.is_typedef {
                    let end = self.past(at)?;
                    body = Some(at..end);
                    declarators.push(declarator);
                    return self.within(limit, Declaration { specifiers, specifier_range, declarators, body, end });
                }
                if self.is(at, b':') && place == Place::Struct {
                    at = self.expression(at + 1, limit);
                } else if self.is(at, b'=') && place == Place::File && !declarator.function {
                    let end = self.expression(at + 1, limit);
                    declarator.initializer = Some(at + 1..end);
                    at = end;
                }
                declarator.part.end = at;
                if declarator.name.is_none() && place == Place::File {
                    return Err(Lost(at));
                }
                declarators.push(declarator);
                if self.is(at, b',') {
                    at += 1;
                } else if ends(at) {
                    break;
                } else {
                    return Err(Lost(at));
                }
            }
        }
        let words = &self.tokens[specifier_range.clone()];
        let aggregate = |token: &Token| matches!(token.kind, Kind::Word(Word::Record | Word::Enum));
        if declarators.is_empty() && place == Place::File && (specifiers.is_typedef || !words.iter().any(aggregate)) {
            // It names something that the scanner takes for a type of everyone's.
            return Err(Lost(start));
        }
        self.within(limit, Declaration { specifiers, specifier_range, declarators, body, end: at + 1 })
    }

    fn within(&self, limit: usize, declaration: Declaration) -> Result<Declaration, Lost> {
        if declaration.end <= limit { Ok(declaration) } else { Err(Lost(limit.min(self.tokens.len()))) }
    }

    /// Past an initializer or a width.
    fn expression(&self, mut at: usize, limit: usize) -> usize {
        while at < limit && !self.is(at, b',') && !self.is(at, b';') {
            at = self.closes.get(&at).unwrap_or(&at) + 1;
        }
        at
    }

    fn specifiers(&self, start: usize, place: Place) -> Result<(Specifiers, usize), Lost> {
        let mut found = Specifiers::default();
        let mut at = start;
        loop {
            let Some(kind) = self.kind(at) else { return Err(Lost(at)) };
            let word = match kind {
                Kind::Word(word) => word,
                Kind::Punct(b'*' | b'(' | b';' | b')') => return Ok((found, at)),
                Kind::Punct(b':') if place == Place::Struct => return Ok((found, at)),
                _ => return Err(Lost(at)),
            };
            match word {
                Word::Static => found.is_static = true,
                Word::Extern => found.is_extern = true,
                Word::Typedef => found.is_typedef = true,
                Word::Inline => found.is_inline = true,
                Word::Const => found.is_const = true,
                Word::Volatile => found.is_volatile = true,
                Word::ThreadLocal => found.thread_local = true,
                Word::Specifier | Word::Qualifier => {}
                Word::Type => found.see_type(),
                Word::Attribute => {
                    at = self.past(at + 1)?;
                    continue;
                }
                Word::TypeOf => {
                    found.see_type();
                    at = self.past(at + 1)?;
                    continue;
                }
                Word::Atomic => {
                    found.is_volatile = true;
                    if self.is(at + 1, b'(') {
                        found.see_type();
                        at = self.past(at + 1)?;
                        continue;
                    }
                }
                Word::Record | Word::Enum => {
                    found.see_type();
                    let (tag, behind) = self.aggregate_head(at)?;
                    at = behind;
                    if word == Word::Enum && self.is(at, b':') {
                        return Err(Lost(at));
                    }
                    if self.is(at, b'{') {
                        at = self.past(at)?;
                    } else if tag.is_none() {
                        return Err(Lost(at));
                    }
                    continue;
                }
                Word::Name | Word::OffsetOf => {
                    if self.begins_declarator(at, &found, place)? {
                        return Ok((found, at));
                    }
                    match self.macro_of(at) {
                        // It may be a type too.
                        Some((false, traits)) => {
                            found.macros = true;
                            found.macro_traits = found.macro_traits | traits;
                            found.is_static |= traits.has(Traits::STATIC) && !traits.has(Traits::EXTERN);
                        }
                        Some((true, _)) => return Err(Lost(at)),
                        None if found.typed => found.unknown_after += 1,
                        None => found.unknown_before += 1,
                    }
                }
                _ => return Err(Lost(at)),
            }
            at += 1;
        }
    }

    /// Whether the word here is the declared name, and not a type or a macro before it.
    fn begins_declarator(&self, at: usize, found: &Specifiers, place: Place) -> Result<bool, Lost> {
        let behind = self.attributes(at + 1)?;
        match self.kind(behind) {
            Some(Kind::Punct(b'(')) => {
                // `type (*name)(…)` or `type (name)(…)`, against `name(…)`.
                let close = *self.closes.get(&behind).ok_or(Lost(behind))?;
                let pointer = self.is(behind + 1, b'*') || self.is(behind + 1, b'^');
                let named = close == behind + 2 && self.is(close + 1, b'(');
                if pointer || named {
                    return Ok(false);
                }
                if found.has_type() { Ok(true) } else { Err(Lost(at)) }
            }
            Some(Kind::Punct(b',' | b';' | b'=' | b'[' | b')')) => Ok(true),
            Some(Kind::Punct(b':')) if place == Place::Struct => Ok(true),
            Some(Kind::Word(Word::Asm)) => Err(Lost(behind)),
            Some(Kind::Word(word)) => {
                // `type name MACRO;` where the macro is known.
                let trailing = found.has_type() && word.is_name() && self.macro_of(behind).is_some();
                Ok(trailing && self.macro_of(at).is_none() && self.ends_behind_macros(behind))
            }
            Some(Kind::Punct(b'*')) => Ok(false),
            _ => Err(Lost(behind)),
        }
    }

    /// Whether nothing but known macros stands between here and the declarator's end.
    fn ends_behind_macros(&self, at: usize) -> bool {
        self.behind_declarator(at).is_ok_and(|at| matches!(self.kind(at), Some(Kind::Punct(b',' | b';' | b'='))))
    }

    /// Past attributes and known macros behind a declarator.
    fn behind_declarator(&self, mut at: usize) -> Result<usize, Lost> {
        loop {
            at = self.attributes(at)?;
            match self.kind(at) {
                Some(Kind::Word(word)) if word.is_name() => match self.macro_of(at) {
                    Some((_, traits)) if traits.has(Traits::STRUCTURE | Traits::ASM | Traits::REPLACEABLE) => {
                        return Err(Lost(at));
                    }
                    Some((true, _)) if self.is(at + 1, b'(') => at = self.past(at + 1)?,
                    Some((false, _)) => at += 1,
                    _ => return Err(Lost(at)),
                },
                Some(Kind::Word(Word::Asm)) => return Err(Lost(at)),
                _ => return Ok(at),
            }
        }
    }

    fn declarator(&self, start: usize, depth: usize) -> Result<Declarator, Lost> {
        let mut at = start;
        let mut pointer_const = None;
        let mut volatile = false;
        let mut found = loop {
            match self.kind(at) {
                Some(Kind::Punct(b'*')) => pointer_const = Some(false),
                Some(Kind::Word(Word::Const)) if pointer_const.is_some() => pointer_const = Some(true),
                Some(Kind::Word(Word::Volatile | Word::Atomic)) => volatile = true,
                Some(Kind::Word(Word::Qualifier | Word::Specifier | Word::Const)) => {}
                Some(Kind::Word(Word::Attribute)) => {
                    at = self.past(at + 1)?;
                    continue;
                }
                Some(Kind::Word(word)) if word.is_name() => {
                    at += 1;
                    let function = self.is(at, b'(');
                    break Declarator {
                        name: Some(at - 1),
                        part: start..at,
                        function,
                        pointer_const,
                        initializer: None,
                    };
                }
                Some(Kind::Punct(b'(')) => {
                    let end = self.past(at)?;
                    if depth == DEEPEST {
                        return Err(Lost(at));
                    }
                    let inner = self.declarator(at + 1, depth + 1)?;
                    if inner.part.end != end - 1 || inner.name.is_none() {
                        return Err(Lost(at));
                    }
                    at = end;
                    let bare = inner.part.len() == 1;
                    let function = inner.function || (bare && self.is(at, b'('));
                    let pointer_const = inner.pointer_const.or(pointer_const);
                    break Declarator { function, pointer_const, ..inner };
                }
                // An unnamed bit-field.
                Some(Kind::Punct(b':')) => {
                    break Declarator {
                        name: None,
                        part: start..at,
                        function: false,
                        pointer_const,
                        initializer: None,
                    };
                }
                _ => return Err(Lost(at)),
            }
            at += 1;
        };
        while self.is(at, b'(') || self.is(at, b'[') {
            at = self.past(at)?;
        }
        found.part = start..at;
        if volatile {
            found.pointer_const = Some(false);
        }
        Ok(found)
    }
}

impl Specifiers {
    fn see_type(&mut self) {
        // Two of them, as in `unsigned long`, are one type; a word between them was a macro.
        self.unknown_before += std::mem::take(&mut self.unknown_after);
        self.typed = true;
    }
}
