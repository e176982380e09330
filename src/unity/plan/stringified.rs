//! Private names that a macro may turn into text, which would have the new name in it. Knows nothing of what depends on what.

use std::collections::{HashMap, HashSet};

use super::{Unit, lossy};
use crate::unity::lex::{Kind, Token, Verb};
use crate::unity::macros::Traits;
use crate::unity::reason::Reason;
use crate::unity::scan::Class;

impl<'t> Unit<'_, 't> {
    /// Refuses a unit whose private names may become text: the text would have the new name in it.
    pub(super) fn stringified(&self) -> Result<(), Reason> {
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
}
