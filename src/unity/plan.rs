//! One unit: whether it can be merged, what its names will be called, and which of its chunks another unit has already.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;

use super::groups::groups;
use super::lex::{Kind, Lexed, Token, Verb, leading_includes, line_of};
use super::macros::{Definition, HeaderMacros, Table, Traits, is_number_suffix};
use super::reason::Reason;
use super::scan::{Chunk, Class, Defined, Scan, classes, scan};
use super::words::Word;

/// A hash of a definition and of all that it depends on.
pub(super) type Identity = [u8; 32];

/// What the units before this one left behind.
#[derive(Default)]
pub(super) struct Before {
    /// The shared definitions that the merged text has.
    pub(super) emitted: HashSet<Identity>,
    /// The names that are someone else's, and how they were declared.
    pub(super) declared: HashMap<Vec<u8>, Identity>,
}

/// What is to be done with one unit.
#[derive(Debug, Default)]
pub(super) struct Plan<'t> {
    /// The macros that it defines or undefines.
    pub(super) macros: BTreeSet<&'t [u8]>,
    /// The names that it defines, and what they will be called.
    pub(super) names: Vec<Renamed<'t>>,
    /// Bytes to be replaced, in order. Line feeds in them stay.
    pub(super) edits: Vec<(Range<usize>, String)>,
    /// The shared definitions that it has, and whether it is the first.
    pub(super) shared: Vec<Identity>,
    /// How many bytes of them it leaves to an earlier unit.
    pub(super) saved: usize,
    pub(super) declared: Vec<(Vec<u8>, Identity)>,
}

#[derive(Debug)]
pub(super) struct Renamed<'t> {
    pub(super) old: &'t [u8],
    pub(super) new: String,
    /// By a `#define`; else each use was edited.
    pub(super) by_define: bool,
}

/// A name that the unit defines.
#[derive(Debug, Default)]
struct Private {
    chunks: Vec<usize>,
    ordinary: bool,
    tag: bool,
    /// Prototypes and other declarations of it: the chunk, and the tokens.
    annexes: Vec<(usize, Range<usize>)>,
    /// Uses that mean something else.
    foreign_uses: bool,
    murky_uses: bool,
    by_define: bool,
}

impl Private {
    /// Whether a use means this name.
    fn means(&self, class: Class) -> bool {
        match class {
            Class::Ordinary => self.ordinary,
            Class::Tag => self.tag,
            Class::Member => false,
            Class::Murky => true,
        }
    }
}

/// What a macro of the unit's is at some place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// By which directive.
    Defined(usize),
    Undefined,
    /// A condition decides.
    Unsure,
}

/// What becomes of each macro, and at which token.
type States<'t> = HashMap<&'t [u8], Vec<(usize, State)>>;

/// Where something depends on what stands around it.
#[derive(Default)]
struct Needs<'t> {
    /// By name, in words that hash alike only if they mean the same.
    macros: BTreeMap<&'t [u8], Vec<u8>>,
    privates: BTreeSet<&'t [u8]>,
    declared: BTreeMap<&'t [u8], Vec<u8>>,
    /// Nothing that depends on the unit itself.
    shareable: bool,
    traits: Traits,
}

pub(super) struct Planner<'p> {
    pub(super) header: &'p HeaderMacros,
    /// The entries of all units.
    pub(super) entries: &'p HashSet<&'p [u8]>,
    pub(super) before: &'p Before,
}

impl Planner<'_> {
    /// `entries` are the unit's own.
    pub(super) fn plan<'t>(&self, text: &'t [u8], entries: &[String], lexed: &'t Lexed) -> Result<Plan<'t>, Reason> {
        let first_entry = entries.first().ok_or_else(|| Reason::NoEntry(String::new()))?.as_bytes();
        let own = own_macros(text, lexed)?;
        let scan = scan(text, lexed, &own.definitions, self.header.table())?;
        includes_stand_above(text, lexed)?;
        entries_are_defined(&scan, entries)?;
        if let Some(entry) = entries.iter().find(|entry| own.names.contains(entry.as_bytes())) {
            return Err(Reason::MacroToo(entry.clone()));
        }
        let mut unit = Unit {
            text,
            lexed,
            entries: entries.iter().map(String::as_bytes).collect(),
            first_entry,
            header: self.header.table(),
            privates: HashMap::new(),
            declared: BTreeMap::new(),
            inner_classes: inner_classes(text, lexed),
            scan,
            own,
            reaching: HashSet::new(),
        };
        unit.privates = privates(&unit.scan, &unit.entries);
        unit.declared = unit.declared()?;
        unit.words(self.entries)?;
        unit.reach();
        unit.choose_ways()?;
        unit.stringified()?;
        unit.finish(self.before)
    }
}

struct Own<'t> {
    definitions: HashMap<&'t [u8], Vec<Definition<'t>>>,
    /// By directive.
    by_directive: HashMap<usize, &'t [u8]>,
    names: BTreeSet<&'t [u8]>,
}

struct Unit<'u, 't> {
    text: &'t [u8],
    lexed: &'t Lexed,
    /// What it defines for others.
    entries: HashSet<&'u [u8]>,
    /// One of them, which no other unit has.
    first_entry: &'u [u8],
    header: Option<&'u Table>,
    scan: Scan<'t>,
    own: Own<'t>,
    privates: HashMap<&'t [u8], Private>,
    /// Where names are declared that others define.
    declared: BTreeMap<&'t [u8], Vec<Range<usize>>>,
    inner_classes: Vec<Class>,
    /// The header's macros that come to mention a private name or a macro of the unit's.
    reaching: HashSet<usize>,
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

fn own_macros<'t>(text: &'t [u8], lexed: &Lexed) -> Result<Own<'t>, Reason> {
    let mut own = Own { definitions: HashMap::new(), by_directive: HashMap::new(), names: BTreeSet::new() };
    for token in &lexed.tokens {
        let Kind::Directive(index) = token.kind else { continue };
        let directive = &lexed.directives[index];
        if !matches!(directive.verb, Verb::Define | Verb::Undef) {
            continue;
        }
        let tokens = &lexed.inner[directive.tokens.clone()];
        let line = || line_of(text, token.start);
        let first = tokens.first().ok_or_else(|| Reason::NotUnderstood { line: line() })?;
        let name = &text[first.range()];
        match first.kind {
            Kind::Word(word) if word.is_name() && name != b"defined" && !name.starts_with(b"__VA_") => {}
            _ => return Err(Reason::Keyword(lossy(name))),
        }
        own.names.insert(name);
        own.by_directive.insert(index, name);
        if directive.verb == Verb::Define {
            let definition = Definition::read(text, tokens).ok_or_else(|| Reason::NotUnderstood { line: line() })?;
            if !definition.balanced {
                return Err(Reason::Unbalanced { line: line() });
            }
            own.definitions.entry(name).or_default().push(definition);
        }
    }
    Ok(own)
}

fn includes_stand_above(text: &[u8], lexed: &Lexed) -> Result<(), Reason> {
    let is_include = |token: &&Token| match token.kind {
        Kind::Directive(index) => lexed.directives[index].verb == Verb::Include,
        _ => false,
    };
    let above = leading_includes(text).len();
    match lexed.tokens.iter().filter(is_include).nth(above) {
        Some(late) => Err(Reason::LateInclude { line: line_of(text, late.start) }),
        None => Ok(()),
    }
}

/// The names that a unit defines for others, each once.
pub(super) fn defines(text: &[u8], lexed: &Lexed, header: &HeaderMacros) -> Result<Vec<String>, Reason> {
    let own = own_macros(text, lexed)?;
    let scan = scan(text, lexed, &own.definitions, header.table())?;
    let mut names: Vec<String> = Vec::new();
    for defined in scan.chunks.iter().flat_map(|chunk| &chunk.defines).filter(|defined| !defined.is_static) {
        let name = lossy(defined.name);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

fn entries_are_defined(scan: &Scan<'_>, entries: &[String]) -> Result<(), Reason> {
    let mut definitions: HashMap<&[u8], (usize, bool)> = HashMap::new();
    for defined in scan.chunks.iter().flat_map(|chunk| &chunk.defines) {
        let (count, is_static) = definitions.entry(defined.name).or_default();
        (*count, *is_static) = (*count + 1, defined.is_static);
    }
    for entry in entries {
        match definitions.get(entry.as_bytes()) {
            Some((1, false)) => {}
            Some((2.., _)) => return Err(Reason::TwoEntries(entry.clone())),
            _ => return Err(Reason::NoEntry(entry.clone())),
        }
    }
    Ok(())
}

fn privates<'t>(scan: &Scan<'t>, entries: &HashSet<&[u8]>) -> HashMap<&'t [u8], Private> {
    let mut privates: HashMap<&[u8], Private> = HashMap::new();
    for (index, chunk) in scan.chunks.iter().enumerate() {
        for defined in chunk.defines.iter().filter(|defined| !entries.contains(defined.name)) {
            let private = privates.entry(defined.name).or_default();
            if private.chunks.last() != Some(&index) {
                private.chunks.push(index);
            }
            private.ordinary |= !defined.tag;
            private.tag |= defined.tag;
        }
    }
    for (index, chunk) in scan.chunks.iter().enumerate() {
        for declared in &chunk.declares {
            if let Some(private) = privates.get_mut(declared.name) {
                private.annexes.push((index, declared.specifiers.clone()));
                private.annexes.push((index, declared.part.clone()));
            }
        }
    }
    privates
}

fn inner_classes(text: &[u8], lexed: &Lexed) -> Vec<Class> {
    let mut all = vec![Class::Ordinary; lexed.inner.len()];
    for directive in &lexed.directives {
        let range = directive.tokens.clone();
        all[range.clone()].copy_from_slice(&classes(text, &lexed.inner[range]));
    }
    all
}

impl<'t> Unit<'_, 't> {
    fn slice(&self, token: &Token) -> &'t [u8] {
        &self.text[token.range()]
    }

    fn line(&self, token: &Token) -> usize {
        line_of(self.text, token.start)
    }

    /// Looks at every word once.
    fn words(&mut self, entries: &HashSet<&[u8]>) -> Result<(), Reason> {
        for name in self.privates.keys() {
            if self.own.names.contains(name) || self.header.is_some_and(|header| header.get(name).is_some()) {
                return Err(Reason::MacroToo(lossy(name)));
            }
        }
        let private_functions: Vec<Range<usize>> = self.private_functions();
        let lexed = self.lexed;
        let mut bodies = private_functions.iter().peekable();
        for (at, token) in lexed.tokens.iter().enumerate() {
            while bodies.peek().is_some_and(|body| body.end <= at) {
                bodies.next();
            }
            let in_private = bodies.peek().is_some_and(|body| body.contains(&at));
            let Kind::Word(word) = token.kind else { continue };
            if word == Word::Asm {
                self.assembler(at)?;
            }
            self.word(token, word, self.scan.classes[at], in_private, entries)?;
        }
        for directive in &lexed.directives {
            let asks = matches!(directive.verb, Verb::If | Verb::Else);
            for at in directive.tokens.clone() {
                let token = &lexed.inner[at];
                let Kind::Word(word) = token.kind else { continue };
                if asks && self.privates.contains_key(self.slice(token)) {
                    return Err(Reason::MacroToo(lossy(self.slice(token))));
                }
                if word == Word::Asm {
                    return Err(Reason::Asm { line: self.line(token) });
                }
                self.word(token, word, self.inner_classes[at], !private_functions.is_empty(), entries)?;
            }
        }
        Ok(())
    }

    fn declared(&self) -> Result<BTreeMap<&'t [u8], Vec<Range<usize>>>, Reason> {
        let mut found: BTreeMap<&[u8], Vec<Range<usize>>> = BTreeMap::new();
        for declared in self.scan.chunks.iter().flat_map(|chunk| &chunk.declares) {
            if self.entries.contains(declared.name) || self.privates.contains_key(declared.name) {
                continue;
            }
            if declared.by_macro {
                return Err(Reason::Ambiguous(lossy(declared.name)));
            }
            found.entry(declared.name).or_default().extend([declared.specifiers.clone(), declared.part.clone()]);
        }
        Ok(found)
    }

    fn private_functions(&self) -> Vec<Range<usize>> {
        let is_private = |defined: &Defined<'_>| defined.function && !self.entries.contains(defined.name);
        let private = |chunk: &&Chunk<'_>| chunk.defines.iter().any(is_private);
        let mut bodies: Vec<_> =
            self.scan.chunks.iter().filter(private).flat_map(|chunk| chunk.bodies.iter().cloned()).collect();
        bodies.sort_by_key(|body| body.start);
        bodies
    }

    fn word(
        &mut self,
        token: &Token,
        word: Word,
        class: Class,
        in_private: bool,
        entries: &HashSet<&[u8]>,
    ) -> Result<(), Reason> {
        match word {
            Word::Pragma => return Err(Reason::Pragma { line: self.line(token) }),
            Word::Counter => return Err(Reason::Counter),
            Word::FunctionName if in_private => return Err(Reason::FunctionName { line: self.line(token) }),
            _ if !word.is_name() => return Ok(()),
            _ => {}
        }
        let name = self.slice(token);
        if let Some(private) = self.privates.get_mut(name) {
            private.murky_uses |= class == Class::Murky;
            private.foreign_uses |= !private.means(class);
        } else if class != Class::Member && entries.contains(name) && !self.entries.contains(name) {
            return Err(Reason::OtherEntry(lossy(name)));
        }
        if let Some(known) = self.header.and_then(|header| header.get(name)) {
            if known.deep.has(Traits::COUNTER) {
                return Err(Reason::Counter);
            }
            if in_private && known.deep.has(Traits::FUNCTION_NAME) {
                return Err(Reason::FunctionName { line: self.line(token) });
            }
        }
        Ok(())
    }

    /// Assembler may speak of symbols in its strings, under names that they will not have, or define some.
    fn assembler(&self, at: usize) -> Result<(), Reason> {
        let tokens = &self.lexed.tokens;
        let reason = || Reason::Asm { line: self.line(&tokens[at]) };
        let open = (at + 1..tokens.len()).find(|&at| tokens[at].is(b'(')).ok_or_else(reason)?;
        let close = *self.scan.closes.get(&open).ok_or_else(reason)?;
        for token in tokens[open..close].iter().filter(|token| token.kind == Kind::Text) {
            let template = self.slice(token);
            let mut words = template.split(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'$' | b'.'));
            let speaks = words.any(|word| {
                self.privates.contains_key(word) || word.strip_prefix(b".").is_some_and(|rest| !rest.is_empty())
            });
            // A label, though not of assembler's own numbered kind.
            let labels =
                template.windows(2).any(|two| two[1] == b':' && (two[0].is_ascii_alphabetic() || two[0] == b'_'));
            if speaks || labels {
                return Err(reason());
            }
        }
        Ok(())
    }

    /// Finds the header's macros that lead to something of the unit's.
    fn reach(&mut self) {
        if let Some(header) = self.header {
            let names = self.privates.keys().chain(&self.own.names).copied();
            self.reaching = header.reaching(names);
        }
    }

    /// Chooses how each name is changed.
    ///
    /// A `#define` reaches what the header's macros make of a name, and leaves alone what they turn into text; but it takes
    /// members of the same name along. Where there are some, each use is edited instead.
    fn choose_ways(&mut self) -> Result<(), Reason> {
        let words: HashSet<&[u8]> = if self.reaching.is_empty() {
            HashSet::new()
        } else {
            let all = self.lexed.tokens.iter().chain(&self.lexed.inner);
            all.filter(|token| matches!(token.kind, Kind::Word(_))).map(|token| self.slice(token)).collect()
        };
        for (name, private) in &mut self.privates {
            let mut as_member = private.foreign_uses;
            let mut as_name = false;
            if let Some(header) = self.header
                && !self.reaching.is_empty()
            {
                let used = |macros: HashSet<usize>| {
                    !macros.is_empty()
                        && words.iter().any(|word| header.id_of(word).is_some_and(|id| macros.contains(&id)))
                };
                as_member |= used(header.reaching_member(name));
                as_name = used(header.reaching_plain(name));
            }
            // Of an unknown header any macro may speak of the name, and would not find it.
            as_name |= self.header.is_none();
            if as_member && (as_name || private.murky_uses) {
                return Err(Reason::Ambiguous(lossy(name)));
            }
            private.by_define = !as_member;
        }
        Ok(())
    }

    /// What a macro may come to bring with it, and what of that is not its own.
    fn deep(&self, name: &'t [u8]) -> (Traits, Traits) {
        let mut own = Traits::default();
        let mut below = Traits::default();
        let mut seen: HashSet<&[u8]> = HashSet::new();
        let mut todo = vec![name];
        while let Some(next) = todo.pop() {
            let mut brings = Traits::default();
            for definition in self.own.definitions.get(next).into_iter().flatten() {
                brings = brings | definition.traits;
                todo.extend(definition.mentions.iter().map(|(name, _)| *name).filter(|name| seen.insert(name)));
            }
            if let Some(known) = self.header.and_then(|header| header.get(next)) {
                brings = brings | known.deep;
                if next == name {
                    below = below | known.below;
                }
                // The header's macro may lead to one of the unit's.
                todo.extend(self.reached(next).into_iter().filter(|name| seen.insert(name)));
            }
            if next == name {
                own = own | brings;
            } else {
                below = below | brings;
            }
        }
        (own | below, below)
    }

    /// What of the unit's own a macro of the header's may come to mention.
    fn reached(&self, name: &[u8]) -> Vec<&'t [u8]> {
        let Some(header) = self.header else { return Vec::new() };
        let Some(start) = header.id_of(name).filter(|id| self.reaching.contains(id)) else { return Vec::new() };
        let mine = self.privates.keys().chain(&self.own.names);
        let ids: HashMap<usize, &'t [u8]> = mine.filter_map(|&name| Some((header.id_of(name)?, name))).collect();
        let mut found = Vec::new();
        let mut seen = HashSet::from([start]);
        let mut todo = vec![start];
        while let Some(id) = todo.pop() {
            for &mentioned in header.mentions(id) {
                if let Some(name) = ids.get(&mentioned) {
                    found.push(*name);
                }
                if self.reaching.contains(&mentioned) && seen.insert(mentioned) {
                    todo.push(mentioned);
                }
            }
        }
        found
    }

    /// Refuses a unit whose private names may become text: the text would have the new name in it.
    fn stringified(&self) -> Result<(), Reason> {
        if self.privates.is_empty() {
            return Ok(());
        }
        let carriers = self.carriers();
        self.stringified_in(&self.lexed.tokens, &self.scan.classes, &carriers)?;
        for directive in self.lexed.directives.iter().filter(|directive| directive.verb == Verb::Define) {
            let range = directive.tokens.clone();
            self.stringified_in(&self.lexed.inner[range.clone()], &self.inner_classes[range], &carriers)?;
        }
        Ok(())
    }

    /// The unit's macros that come to mention a private name.
    fn carriers(&self) -> HashSet<&'t [u8]> {
        let mut users: HashMap<&[u8], Vec<&'t [u8]>> = HashMap::new();
        for (name, definitions) in &self.own.definitions {
            for (mentioned, _) in definitions.iter().flat_map(|definition| &definition.mentions) {
                users.entry(mentioned).or_default().push(name);
            }
        }
        let mut carriers = HashSet::new();
        let mut todo: Vec<&[u8]> = self.privates.keys().copied().collect();
        while let Some(name) = todo.pop() {
            todo.extend(users.get(name).into_iter().flatten().copied().filter(|user| carriers.insert(*user)));
        }
        carriers
    }

    fn stringified_in(&self, tokens: &[Token], classes: &[Class], carriers: &HashSet<&[u8]>) -> Result<(), Reason> {
        /// What the parentheses around may do to a name between them.
        #[derive(Clone, Copy)]
        struct Around {
            /// Turn it into text as it stands.
            direct: bool,
            /// Replace it, and turn that into text.
            indirect: bool,
        }
        let mut stack = vec![Around { direct: false, indirect: false }];
        let mut known: HashMap<&[u8], Around> = HashMap::new();
        for (at, token) in tokens.iter().enumerate() {
            match token.kind {
                Kind::Punct(b'(') => {
                    let outer = stack[stack.len() - 1];
                    let call = at.checked_sub(1).map(|at| &tokens[at]).filter(|token| match token.kind {
                        Kind::Word(word) => word.is_name(),
                        _ => false,
                    });
                    let here = call.map_or(Around { direct: false, indirect: false }, |call| {
                        let name = self.slice(call);
                        *known.entry(name).or_insert_with(|| {
                            let (deep, below) = self.deep(name);
                            Around { direct: deep.has(Traits::HASH), indirect: below.has(Traits::HASH) }
                        })
                    });
                    stack.push(Around {
                        direct: outer.direct || here.direct,
                        indirect: outer.indirect || here.indirect,
                    });
                }
                Kind::Punct(b')') => {
                    stack.pop();
                    if stack.is_empty() {
                        stack.push(Around { direct: false, indirect: false });
                    }
                }
                // In a macro's own body.
                Kind::Paste | Kind::Punct(b'#') => {
                    let beside = [at.checked_sub(1), Some(at + 1)];
                    for token in beside.into_iter().flatten().filter_map(|at| tokens.get(at)) {
                        if let Some(private) = self.privates.get(self.slice(token))
                            && !private.by_define
                        {
                            return Err(Reason::Stringified(lossy(self.slice(token))));
                        }
                    }
                }
                Kind::Word(word) if word.is_name() => {
                    let around = stack[stack.len() - 1];
                    let name = self.slice(token);
                    let text = match self.privates.get(name) {
                        Some(private) if !private.means(classes[at]) => false,
                        Some(private) => around.indirect || (around.direct && !private.by_define),
                        None => {
                            around.indirect
                                && (carriers.contains(name)
                                    || self.reached(name).iter().any(|name| self.privates.contains_key(name)))
                        }
                    };
                    if text {
                        return Err(Reason::Stringified(lossy(name)));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Hashes the chunks, names the names, and says what is to be edited.
    fn finish(mut self, before: &Before) -> Result<Plan<'t>, Reason> {
        let states = self.states();
        let mut needs: Vec<Needs<'t>> = Vec::with_capacity(self.scan.chunks.len());
        for chunk in &self.scan.chunks {
            needs.push(self.needs(chunk, &states));
        }

        // A chunk depends on those that define what it mentions; chunks that define one name belong together.
        let mut edges: Vec<Vec<usize>> = Vec::with_capacity(needs.len());
        for (index, chunk) in self.scan.chunks.iter().enumerate() {
            let mut to: Vec<usize> =
                needs[index].privates.iter().flat_map(|name| self.privates[name].chunks.iter().copied()).collect();
            for defined in &chunk.defines {
                if let Some(private) = self.privates.get(defined.name) {
                    to.extend(&private.chunks);
                }
            }
            edges.push(to);
        }
        let mut identities: Vec<Option<Identity>> = vec![None; needs.len()];
        let mut group_of = vec![usize::MAX; needs.len()];
        for (number, mut group) in groups(&edges).into_iter().enumerate() {
            group.sort_unstable();
            for &index in &group {
                group_of[index] = number;
            }
            let identity = self.identity(&group, number, &group_of, &needs, &identities);
            for index in group {
                identities[index] = identity;
            }
        }

        let mut plan = Plan { macros: std::mem::take(&mut self.own.names), ..Plan::default() };
        self.foreign(&mut plan, before, &states, &identities)?;
        let mut finals: HashMap<&'t [u8], String> = HashMap::new();
        for (name, private) in &self.privates {
            let hash = self.name_hash(name, private, &identities);
            let new = format!("{}__{}", lossy(name), &blake3::Hash::from(hash).to_hex()[..20]);
            finals.insert(name, new.clone());
            plan.names.push(Renamed { old: name, new, by_define: private.by_define });
        }
        plan.names.sort_by_key(|renamed| renamed.old);
        self.edits(&mut plan, before, &finals, &identities);
        Ok(plan)
    }

    /// The hash that a private name carries.
    fn name_hash(&self, name: &[u8], private: &Private, identities: &[Option<Identity>]) -> Identity {
        // All chunks that define a name are in one group.
        identities[private.chunks[0]].unwrap_or_else(|| {
            let mut hash = Fields::new(b"own");
            hash.field(self.first_entry);
            hash.field(name);
            hash.finish()
        })
    }

    /// What becomes of each of the unit's macros, and at which token.
    fn states(&self) -> States<'t> {
        let mut changes = States::new();
        for (at, token) in self.lexed.tokens.iter().enumerate() {
            let Kind::Directive(index) = token.kind else { continue };
            let Some(&name) = self.own.by_directive.get(&index) else { continue };
            let state = match self.lexed.directives[index].verb {
                _ if self.scan.conditional[index] => State::Unsure,
                Verb::Define => State::Defined(index),
                _ => State::Undefined,
            };
            changes.entry(name).or_default().push((at, state));
        }
        changes
    }

    fn needs(&self, chunk: &Chunk<'t>, states: &States<'t>) -> Needs<'t> {
        let mut needs = Needs { shareable: chunk.shareable && !chunk.defines.is_empty(), ..Needs::default() };
        if self.header.is_some_and(Table::odd)
            || chunk.defines.iter().any(|defined| self.entries.contains(defined.name))
        {
            needs.shareable = false;
        }
        if !needs.shareable {
            return needs;
        }
        let local = self.local_names(chunk.tokens.clone());
        self.collect(chunk.tokens.clone(), &local, states, &mut needs);
        for defined in &chunk.defines {
            let Some(private) = self.privates.get(defined.name) else { continue };
            for (annex, range) in &private.annexes {
                // False for a declaration under a condition.
                needs.shareable &= self.scan.chunks[*annex].shareable;
                self.collect(range.clone(), &local, states, &mut needs);
            }
        }
        let bad = Traits::STATIC
            | Traits::PLACE
            | Traits::FUNCTION_NAME
            | Traits::COUNTER
            | Traits::PASTE
            | Traits::ASM
            | Traits::SYMBOL
            | Traits::REPLACEABLE;
        needs.shareable &= !needs.traits.has(bad);
        needs.shareable &= !(chunk.variable && needs.traits.has(Traits::STRUCTURE));
        if needs.traits.has(Traits::SUFFIX) {
            // What looks like a number with a suffix might become one of the unit's words.
            let ends = |name: &&[u8]| name.last().is_some_and(|last| is_number_suffix(&[*last]));
            needs.shareable &= !self.privates.keys().any(ends) && !self.own.names.iter().any(ends);
        }
        needs
    }

    /// The words that a chunk visibly declares itself: no macro of an unknown header can be meant by them.
    fn local_names(&self, range: Range<usize>) -> HashSet<&'t [u8]> {
        let mut local = HashSet::new();
        if self.header.is_some() {
            return local;
        }
        let tokens = &self.lexed.tokens[range.clone()];
        for (at, token) in tokens.iter().enumerate() {
            let Kind::Word(word) = token.kind else { continue };
            if !word.is_name() {
                continue;
            }
            let before = tokens[..at].iter().rposition(|token| {
                !(token.is(b'*') || matches!(token.kind, Kind::Word(Word::Const | Word::Volatile | Word::Qualifier)))
            });
            let Some(before) = before else { continue };
            let typed = match tokens[before].kind {
                Kind::Word(Word::Type) => true,
                // Not `name * word`, which may be a product.
                Kind::Word(word) if word.is_name() => {
                    before + 1 == at && self.privates.contains_key(self.slice(&tokens[before]))
                }
                _ => false,
            };
            if typed {
                local.insert(self.slice(token));
            }
        }
        local
    }

    /// Adds what some tokens depend on.
    fn collect(&self, range: Range<usize>, local: &HashSet<&[u8]>, states: &States<'t>, needs: &mut Needs<'t>) {
        let here = range.start;
        let mut todo: Vec<(&'t [u8], Class)> = Vec::new();
        let mut seen: HashSet<&[u8]> = HashSet::new();
        for at in range {
            let token = &self.lexed.tokens[at];
            match token.kind {
                Kind::Word(word) if word.is_name() => todo.push((self.slice(token), self.scan.classes[at])),
                // `static` and `extern` of a declaration itself are the scanner's.
                Kind::Word(word) => {
                    if matches!(word, Word::Place | Word::FunctionName | Word::Counter | Word::Asm) {
                        needs.traits = needs.traits | Traits::of(word);
                    }
                }
                Kind::Directive(index) => {
                    let inner = &self.lexed.inner[self.lexed.directives[index].tokens.clone()];
                    let words = inner.iter().filter(|token| matches!(token.kind, Kind::Word(_)));
                    todo.extend(words.map(|token| (self.slice(token), Class::Ordinary)));
                }
                _ => {}
            }
        }
        while let Some((name, class)) = todo.pop() {
            if !seen.insert(name) {
                continue;
            }
            if self.privates.contains_key(name) {
                needs.privates.insert(name);
                continue;
            }
            if self.own.names.contains(name) {
                let changes = states.get(name).map_or(&[][..], Vec::as_slice);
                let change = changes.iter().rev().find(|(at, _)| *at < here).map(|change| change.1);
                match change {
                    None => {}
                    Some(State::Unsure) => needs.shareable = false,
                    Some(State::Undefined) => drop(needs.macros.insert(name, b"undefined".to_vec())),
                    Some(State::Defined(index)) => {
                        let mut words = b"defined".to_vec();
                        self.normal(&self.lexed.inner[self.lexed.directives[index].tokens.clone()], &mut words);
                        needs.macros.insert(name, words);
                        let inner = &self.lexed.inner[self.lexed.directives[index].tokens.clone()];
                        if let Some(definition) = Definition::read(self.text, inner) {
                            needs.traits = needs.traits | definition.traits;
                            todo.extend(definition.mentions.iter().map(|(name, _)| (*name, Class::Ordinary)));
                        }
                    }
                }
                if change.is_some() {
                    continue;
                }
            }
            self.declared_words(name, needs);
            match self.header {
                Some(header) => {
                    if let Some(known) = header.get(name) {
                        needs.traits = needs.traits | known.deep;
                        todo.extend(self.reached(name).into_iter().map(|name| (name, Class::Ordinary)));
                    }
                }
                // It may be a macro, and hide anything.
                None => needs.shareable &= local.contains(name) || class == Class::Member,
            }
        }
    }

    /// How the unit declares someone else's name.
    fn declared_words(&self, name: &'t [u8], needs: &mut Needs<'t>) {
        let Some(places) = self.declared.get(name) else { return };
        let mut words = Vec::new();
        for place in places {
            self.normal(&self.lexed.tokens[place.clone()], &mut words);
        }
        needs.declared.insert(name, words);
    }

    /// Writes tokens so that comments and line breaks do not matter.
    fn normal(&self, tokens: &[Token], out: &mut Vec<u8>) {
        let mut end = None;
        for token in tokens {
            // Whether there is space before it matters to `#define F(x)`, and between `+` and `+`.
            out.push(if end == Some(token.start) { b'\x01' } else { b'\x02' });
            out.extend_from_slice(self.slice(token));
            end = Some(token.end);
        }
        out.push(b'\x03');
    }

    /// The identity of chunks that depend on each other, all that they depend on having theirs already. None where it is the
    /// unit's alone.
    fn identity(
        &self,
        group: &[usize],
        number: usize,
        group_of: &[usize],
        needs: &[Needs<'t>],
        identities: &[Option<Identity>],
    ) -> Option<Identity> {
        let mut hash = Fields::new(b"shared");
        for &index in group {
            let needs = &needs[index];
            if !needs.shareable {
                return None;
            }
            let mut words = Vec::new();
            let chunk = &self.scan.chunks[index];
            self.normal(&self.lexed.tokens[chunk.tokens.clone()], &mut words);
            for defined in &chunk.defines {
                for (_, range) in self.privates.get(defined.name).map_or(&[][..], |private| &private.annexes) {
                    self.normal(&self.lexed.tokens[range.clone()], &mut words);
                }
            }
            hash.field(&words);
            for (name, words) in &needs.macros {
                hash.field(b"macro");
                hash.field(name);
                hash.field(words);
            }
            for (name, words) in &needs.declared {
                hash.field(b"declared");
                hash.field(name);
                hash.field(words);
            }
            for name in &needs.privates {
                let chunk = self.privates[name].chunks[0];
                hash.field(b"private");
                hash.field(name);
                if group_of[chunk] == number {
                    hash.field(b"here");
                } else {
                    hash.field(&identities[chunk]?);
                }
            }
        }
        Some(hash.finish())
    }

    /// Compares what the unit declares of others with what earlier units declared.
    fn foreign(
        &self,
        plan: &mut Plan<'t>,
        before: &Before,
        states: &States<'t>,
        identities: &[Option<Identity>],
    ) -> Result<(), Reason> {
        for (name, places) in &self.declared {
            let mut hash = Fields::new(b"declared");
            let mut needs = Needs { shareable: true, ..Needs::default() };
            let local = HashSet::new();
            for range in places {
                let mut words = Vec::new();
                self.normal(&self.lexed.tokens[range.clone()], &mut words);
                hash.field(&words);
                self.collect(range.clone(), &local, states, &mut needs);
            }
            for (name, words) in &needs.macros {
                hash.field(name);
                hash.field(words);
            }
            for name in &needs.privates {
                hash.field(name);
                hash.field(&self.name_hash(name, &self.privates[name], identities));
            }
            let identity = hash.finish();
            if before.declared.get(*name).is_some_and(|other| *other != identity) {
                return Err(Reason::DeclaredOtherwise(lossy(name)));
            }
            plan.declared.push((name.to_vec(), identity));
        }
        Ok(())
    }

    fn edits(
        &self,
        plan: &mut Plan<'t>,
        before: &Before,
        finals: &HashMap<&'t [u8], String>,
        identities: &[Option<Identity>],
    ) {
        let mut dropped = Vec::new();
        for (chunk, identity) in self.scan.chunks.iter().zip(identities) {
            let Some(identity) = identity else { continue };
            if before.emitted.contains(identity) {
                let tokens = &self.lexed.tokens[chunk.tokens.clone()];
                if let (Some(first), Some(last)) = (tokens.first(), tokens.last()) {
                    dropped.push(first.start..last.end);
                    plan.saved += last.end - first.start;
                }
            } else {
                plan.shared.push(*identity);
            }
        }
        let mut edits: Vec<(Range<usize>, String)> = Vec::new();
        for token in &self.lexed.tokens {
            let Kind::Directive(index) = token.kind else { continue };
            if matches!(self.lexed.directives[index].verb, Verb::Include | Verb::PragmaOnce) {
                edits.push((token.range(), String::new()));
            }
        }
        let classed = self.lexed.tokens.iter().zip(&self.scan.classes);
        for (token, &class) in classed.chain(self.lexed.inner.iter().zip(&self.inner_classes)) {
            if !matches!(token.kind, Kind::Word(_)) {
                continue;
            }
            if let Some(private) = self.privates.get(self.slice(token))
                && !private.by_define
                && private.means(class)
            {
                edits.push((token.range(), finals[self.slice(token)].clone()));
            }
        }
        let inside = |range: &Range<usize>| {
            let after = dropped.partition_point(|dropped| dropped.end <= range.start);
            dropped.get(after).is_some_and(|dropped| dropped.start <= range.start)
        };
        edits.retain(|(range, _)| !inside(range));
        edits.extend(dropped.into_iter().map(|range| (range, " ".to_owned())));
        edits.sort_by_key(|(range, _)| range.start);
        plan.edits = edits;
    }
}

/// Bytes to be hashed, each field with its length, so that no two lists of fields hash alike.
struct Fields(Vec<u8>);

impl Fields {
    fn new(kind: &[u8]) -> Self {
        let mut fields = Self(Vec::new());
        fields.field(kind);
        fields
    }

    fn field(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> Identity {
        *blake3::hash(&self.0).as_bytes()
    }
}
