//! The text before all units: the header and the files that units include, as the preprocessor prints them. Knows for each name which
//! declarations it has, and whether a unit that uses the name could detect that another unit shares its translation unit.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::identity::Fields;
use crate::lexer::lex;
use crate::macros::HeaderMacros;
use crate::reason::Reason;
use crate::scan::{Item, Scope, Text, TypeName, Types, Usage, usages};
use crate::uses::Local;
use crate::words::{Word, is_emitting};

/// The text before all units of a merged text.
#[derive(Debug, Default)]
pub struct Surroundings {
    pub(crate) macros: HeaderMacros,
    names: HashMap<Box<[u8]>, NameFacts>,
    /// Static functions and variables, in order.
    items: Vec<StaticItem>,
    pub(crate) line_comments: bool,
}

/// A declaration of static functions or variables.
#[derive(Debug)]
pub(crate) struct StaticItem {
    /// The C text as one line.
    pub(crate) text: Box<[u8]>,
    pub(crate) names: Vec<Box<[u8]>>,
}

/// The facts about a name.
#[derive(Debug, Default)]
struct NameFacts {
    /// The indices of the static items that declare or define the name; `None` if the items cannot be copied.
    items: Option<Vec<usize>>,
    /// True if the name is declared at file scope, except as a tag.
    is_declared: bool,
    /// True if the name is, or may be, the tag of a struct, union or enum.
    is_tag: bool,
    type_name: Option<TypeName>,
    /// True if the header's code uses the name.
    is_mentioned: bool,
    /// The header's private definition or declaration of the name.
    local: Option<Local>,
    /// True if the header contains the body or the initializer.
    is_complete: bool,
    /// `Some` if a use shows that units share a translation unit.
    evidence: Option<SharingEvidence>,
    /// The functions that use the name.
    users: Vec<Box<[u8]>>,
    /// Hashes of declarations that are not definitions.
    declarations: Vec<[u8; 32]>,
}

/// Why a use of a name shows that units share a translation unit.
#[derive(Clone, Debug)]
enum SharingEvidence {
    /// A variable, or a function with a static variable.
    Own,
    /// A static declaration that the unit completes by a body or an initializer.
    OfUnit,
    /// A definition that is not understood, and may have state.
    NotUnderstood,
    /// The definition takes the address of this static function or constant.
    Address(Box<[u8]>),
    /// The definition uses this name, which has state.
    Uses(Box<[u8]>),
}

/// A macro's definition; `None` if the macro is undefined.
type Definition = Option<Box<[u8]>>;

impl Surroundings {
    /// Parses the output of a compiler's preprocessor with `-E -dD`: text without macros, and all `#define` and `#undef` lines in order.
    ///
    /// # Errors
    /// [`Reason::Header`] if no unit can be merged after this text.
    pub fn read(preprocessed: &[u8]) -> Result<Self, Reason> {
        let mut found = Self::default();
        let text = found.directives(preprocessed);
        for word in ["__cplusplus", "__OBJC__", "__ASSEMBLER__", "__OPENCL_VERSION__"] {
            if found.macros.has(word.as_bytes()) {
                return Err(Reason::Header(format!("{word} is defined, so that the header is not plain C")));
            }
        }
        found.line_comments = found.has_line_comments();
        found.declarations(&text)?;
        found.mark_incomplete();
        found.propagate_state();
        Ok(found)
    }

    /// Records the macros, and returns the text without directives.
    fn directives(&mut self, preprocessed: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(preprocessed.len() / 2);
        let mut pushed: HashMap<Vec<u8>, Vec<Definition>> = HashMap::new();
        for line in preprocessed.split_inclusive(|&byte| byte == b'\n') {
            let Some(directive) = line.strip_prefix(b"#") else {
                text.extend_from_slice(line);
                continue;
            };
            text.push(b'\n');
            let directive = directive.trim_ascii();
            if let Some(definition) = directive.strip_prefix(b"define ") {
                let name = name_of(definition);
                // tcc prints `##` as text that may also be something else: such a macro cannot be parsed.
                let is_garbled = definition.windows(4).any(|four| four == b"<a6>") && self.macros.has(b"__TINYC__");
                let unreadable = [name, b"("].concat();
                self.macros.define(name, if is_garbled { &unreadable } else { definition });
            } else if let Some(name) = directive.strip_prefix(b"undef ") {
                self.macros.undefine(name_of(name));
            } else if let Some(rest) = directive.strip_prefix(b"pragma push_macro") {
                let name = quoted(rest);
                let now = self.macros.text(name).map(Into::into);
                pushed.entry(name.to_owned()).or_default().push(now);
            } else if let Some(rest) = directive.strip_prefix(b"pragma pop_macro") {
                let name = quoted(rest);
                match pushed.get_mut(name).and_then(Vec::pop) {
                    Some(Some(definition)) => self.macros.define(name, &definition),
                    Some(None) => drop(self.macros.undefine(name)),
                    None => {}
                }
            }
        }
        text
    }

    /// False for `-std=c90` and similar, where `//` is two operators.
    fn has_line_comments(&self) -> bool {
        let version = self.macros.text(b"__STDC_VERSION__").unwrap_or_default();
        !self.macros.has(b"__STRICT_ANSI__") || (!version.is_empty() && !version.windows(4).any(|four| four == b"1994"))
    }

    fn declarations(&mut self, text: &[u8]) -> Result<(), Reason> {
        let unclear = |reason: Reason| Reason::Header(format!("preprocessed text, {reason}"));
        let tokens = lex(text, true).map_err(unclear)?;
        let text = Text::new(&tokens).map_err(unclear)?;
        let mut types: HashMap<&[u8], TypeName> = HashMap::new();
        let mut at = 0;
        while at < tokens.len() {
            if text.is(at, ";") {
                at += 1;
                continue;
            }
            match text.word(at) {
                Some(Word::Asm) => return Err(Reason::Header("assembler code at file scope".to_owned())),
                Some(Word::StaticAssert) => {
                    at = text.past(at + 1);
                    continue;
                }
                Some(Word::Specifier) if text.word(at + 1) == Some(Word::StaticAssert) => {
                    at += 1;
                    continue;
                }
                _ => {}
            }
            let item = text.item(at, Scope::File, &|name| types.get(name).copied());
            let Ok(item) = item else {
                let end = skip(&text, at);
                self.record_unknown(&text, at..end, &types);
                at = end;
                continue;
            };
            if item.is_typedef {
                types.extend(item.type_names().map(|(at, kind)| (text.name(at), kind)));
            }
            self.item(&text, &item, &|name| types.get(name).copied())?;
            at = item.tokens.end;
        }
        for (name, kind) in types {
            self.known(name).type_name = Some(kind);
        }
        Ok(())
    }

    fn known(&mut self, name: &[u8]) -> &mut NameFacts {
        if !self.names.contains_key(name) {
            self.names.insert(name.into(), NameFacts::default());
        }
        self.names.entry(name.into()).or_default()
    }

    /// Records text that is not understood: each of its names may have any meaning.
    fn record_unknown(&mut self, text: &Text<'_, '_>, range: Range<usize>, types: &HashMap<&[u8], TypeName>) {
        for at in range.filter(|&at| text.is_name(at) && !types.contains_key(text.name(at))) {
            let known = self.known(text.name(at));
            (known.is_declared, known.is_tag, known.is_mentioned) = (true, true, true);
            known.evidence.get_or_insert(SharingEvidence::NotUnderstood);
        }
    }

    fn item(&mut self, text: &Text<'_, '_>, item: &Item, types: Types<'_>) -> Result<(), Reason> {
        let outside = |at: usize| !item.body.as_ref().is_some_and(|body| body.contains(&at));
        for at in item.tokens.clone().filter(|&at| outside(at)) {
            if !matches!(text.word(at), Some(Word::Record | Word::Enum)) {
                continue;
            }
            let Ok((aggregate, _)) = text.aggregate(at, &mut Vec::new()) else { continue };
            if let Some(tag) = aggregate.tag {
                self.known(text.name(tag)).is_tag = true;
            }
            if let Some(body) = aggregate.body
                && aggregate.is_enum
            {
                match text.enumerators(body.clone()) {
                    Ok(names) => names.into_iter().for_each(|at| self.known(text.name(at)).is_declared = true),
                    Err(_) => self.record_unknown(text, body, &HashMap::new()),
                }
            }
        }
        if item.is_static && !item.is_typedef {
            self.keep_static_item(text, item);
        }
        let is_emitted = item.attributes.iter().any(|&at| is_emitting(text.name(at)));
        for declarator in &item.declarators {
            let Some(name) = declarator.name.map(|at| text.name(at)) else { continue };
            self.known(name).is_declared = true;
            if item.is_typedef {
                continue;
            }
            let is_definition = match declarator.is_function {
                true => item.body.is_some(),
                false => declarator.initializer.is_some() || !item.is_extern,
            };
            if !is_definition {
                let hash = declaration_hash(text, item, declarator.part.clone());
                self.known(name).declarations.push(hash);
                // A prototype may precede the definition.
                if item.is_static {
                    self.known(name).local.get_or_insert(Local::of(item, declarator));
                }
                continue;
            }
            if item.is_static && is_emitted {
                let name = String::from_utf8_lossy(name);
                return Err(Reason::Header(format!(
                    "{name} has an attribute that makes each unit emit the definition"
                )));
            }
            if !item.is_static && !item.is_inline {
                let name = String::from_utf8_lossy(name);
                return Err(Reason::Header(format!("{name} is an external definition, which each unit would repeat")));
            }
            let local = Local::of(item, declarator);
            let known = self.known(name);
            known.is_complete |= declarator.is_function || declarator.initializer.is_some();
            if local == Local::Variable {
                known.evidence = Some(SharingEvidence::Own);
            }
            if item.is_static {
                known.local = Some(local);
            }
        }
        let function = item.declarators.first().and_then(|declarator| declarator.name).map(|at| text.name(at));
        if let (Some(body), Some(function)) = (&item.body, function) {
            self.body(text, function, body.clone(), types);
        }
        // A use of a constant pointer also uses the object that it points to.
        if let [declarator] = &item.declarators[..]
            && let (Some(initializer), Some(name)) = (&declarator.initializer, function)
        {
            self.body(text, name, initializer.clone(), types);
        }
        Ok(())
    }

    /// Keeps a static item, so that a unit can have its own copy.
    fn keep_static_item(&mut self, text: &Text<'_, '_>, item: &Item) {
        let names: Vec<Box<[u8]>> =
            item.declarators.iter().filter_map(|declarator| Some(text.name(declarator.name?).into())).collect();
        let index = self.items.len();
        for name in &names {
            self.known(name).items.get_or_insert_default().push(index);
        }
        let words: Vec<&[u8]> = text.tokens[item.tokens.clone()].iter().map(|token| &*token.text).collect();
        self.items.push(StaticItem { text: words.join(&b' ').into(), names });
    }

    /// Records the names that a function's body uses.
    fn body(&mut self, text: &Text<'_, '_>, function: &[u8], body: Range<usize>, types: Types<'_>) {
        // Uses are classified within the body only.
        let Ok(inner) = Text::new(&text.tokens[body.clone()]) else { return };
        let usages = usages(&inner, types);
        let mut seen: HashSet<&[u8]> = HashSet::new();
        for (at, usage) in usages.into_iter().enumerate() {
            if inner.word(at) == Some(Word::Static) {
                self.known(function).evidence = Some(SharingEvidence::Own);
            }
            if !inner.is_name(at) || matches!(usage, Usage::Member | Usage::Attribute) {
                continue;
            }
            let name = inner.name(at);
            let is_first = seen.insert(name);
            let known = self.known(name);
            known.is_mentioned = true;
            // An implicit declaration.
            known.is_declared |= is_first && inner.is(at + 1, "(") && !name.starts_with(b"__");
            if is_first {
                known.users.push(function.into());
            }
            let shows_address = known.local.is_some_and(|local| !local.is_plain_use(&inner, at));
            if shows_address {
                self.known(function).evidence.get_or_insert(SharingEvidence::Address(name.into()));
            }
        }
    }

    /// A name that the header declares and the unit defines differs in each unit, and so does everything that uses the name.
    fn mark_incomplete(&mut self) {
        for known in self.names.values_mut().filter(|known| known.local.is_some() && !known.is_complete) {
            known.evidence.get_or_insert(SharingEvidence::OfUnit);
        }
    }

    /// A function that uses a name with state has state.
    fn propagate_state(&mut self) {
        let mut todo: Vec<Box<[u8]>> =
            self.names.iter().filter(|(_, known)| known.evidence.is_some()).map(|(name, _)| name.clone()).collect();
        while let Some(name) = todo.pop() {
            let users = self.names.get(&name).map(|known| known.users.clone()).unwrap_or_default();
            for user in users {
                if let Some(known) = self.names.get_mut(&user)
                    && known.evidence.is_none()
                {
                    known.evidence = Some(SharingEvidence::Uses(name.clone()));
                    todo.push(user);
                }
            }
        }
    }

    pub(crate) fn declares(&self, name: &[u8]) -> bool {
        self.names.get(name).is_some_and(|known| known.is_declared)
    }

    pub(crate) fn declares_tag(&self, name: &[u8]) -> bool {
        self.names.get(name).is_some_and(|known| known.is_tag)
    }

    pub(crate) fn mentions(&self, name: &[u8]) -> bool {
        self.names.get(name).is_some_and(|known| known.is_mentioned)
    }

    /// Returns the indices of the static items that declare or define a name.
    pub(crate) fn static_items(&self, name: &[u8]) -> Option<&[usize]> {
        self.names.get(name)?.items.as_deref()
    }

    pub(crate) fn static_item(&self, index: usize) -> &StaticItem {
        &self.items[index]
    }

    /// True if the header's definition of the name is private to each unit.
    pub(crate) fn is_local(&self, name: &[u8]) -> bool {
        self.names.get(name).is_some_and(|known| known.local.is_some())
    }

    pub(crate) fn type_name(&self, name: &[u8]) -> Option<TypeName> {
        self.names.get(name)?.type_name
    }

    /// True if the header has exactly this declaration.
    pub(crate) fn has_declaration(&self, name: &[u8], hash: &[u8; 32]) -> bool {
        self.names.get(name).is_some_and(|known| known.declarations.contains(hash))
    }

    /// True if this use of a name shows that units share a translation unit.
    pub(crate) fn shows_sharing(&self, text: &Text<'_, '_>, at: usize) -> bool {
        self.names.get(text.name(at)).is_some_and(|known| {
            known.is_declared
                && (known.evidence.is_some() || known.local.is_some_and(|local| !local.is_plain_use(text, at)))
        })
    }
}

impl Surroundings {
    /// Describes why a use of a name shows that units share a translation unit.
    pub(crate) fn describe_sharing(&self, name: &[u8]) -> String {
        let mut at = name;
        let mut path = String::new();
        for _ in 0..MOST_STEPS {
            let Some(evidence) = self.names.get(at).and_then(|known| known.evidence.as_ref()) else { break };
            match evidence {
                SharingEvidence::Own => return path + "has a variable",
                SharingEvidence::OfUnit => return path + "is defined by each unit separately",
                SharingEvidence::NotUnderstood => return path + "is not understood",
                SharingEvidence::Address(other) => {
                    return path + "takes the address of " + &String::from_utf8_lossy(other);
                }
                SharingEvidence::Uses(other) => {
                    path = format!("uses {}, which ", String::from_utf8_lossy(other));
                    at = other;
                }
            }
        }
        path + "has a separate address in each unit"
    }
}

/// The maximum number of `Uses` steps in a description.
const MOST_STEPS: usize = 64;

/// Returns a hash of a declaration's tokens.
pub(crate) fn declaration_hash(text: &Text<'_, '_>, item: &Item, part: Range<usize>) -> [u8; 32] {
    let mut fields = Fields::new(b"declaration");
    fields.tokens(&text.tokens[item.specifiers.clone()]);
    fields.tokens(&text.tokens[part]);
    fields.finish()
}

/// Returns the index after a declaration that is not understood.
fn skip(text: &Text<'_, '_>, start: usize) -> usize {
    let mut at = start;
    while at < text.tokens.len() {
        if text.is(at, ";") {
            return at + 1;
        }
        let is_block = text.is(at, "{");
        at = text.past(at);
        let goes_on = text.word(at).is_some_and(|word| matches!(word, Word::Attribute | Word::Asm | Word::Name))
            || [";", ",", "=", "*", "(", "["].iter().any(|token| text.is(at, token));
        if is_block && !goes_on {
            return at;
        }
    }
    text.tokens.len()
}

fn name_of(definition: &[u8]) -> &[u8] {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || *byte >= 0x80;
    &definition[..definition.iter().take_while(|byte| is_word(byte)).count()]
}

fn quoted(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == b'"').nth(1).unwrap_or_default()
}
