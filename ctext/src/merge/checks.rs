//! Checks each token of a unit for a reason against merging. Does not know the names in the merged text.

use std::collections::{HashMap, HashSet};

use super::EarlierUnits;
use super::unit::{Piece, UnitScope};
use crate::lexer::{Token, TokenKind};
use crate::reason::{Owner, Reason};
use crate::scan::Usage;
use crate::surroundings::Surroundings;
use crate::uses::Local;
use crate::words::Word;

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

impl UnitScope<'_, '_> {
    /// Checks every token. `owners` maps an external symbol to the unit that defines it; `index` is this unit's number.
    pub(super) fn check(
        &self,
        index: usize,
        surroundings: &Surroundings,
        owners: &HashMap<&[u8], usize>,
        before: &EarlierUnits,
    ) -> Result<(), Reason> {
        self.check_names(surroundings)?;
        for external in &self.externals {
            if owners.get(external) != Some(&index) {
                return Err(Reason::EntryTaken(lossy(external)));
            }
            if surroundings.mentions(external) {
                return Err(Reason::HeaderMentions(lossy(external)));
            }
            if surroundings.is_local(external) {
                return Err(Reason::NameTaken { name: lossy(external), owner: Owner::Header });
            }
        }
        // Grows with the pieces, because a declaration is visible only after it.
        let mut declared: HashSet<&[u8]> = HashSet::new();
        let mut seen_tags: HashSet<&[u8]> = HashSet::new();
        for piece in &self.pieces {
            let is_private = !piece.privates.is_empty();
            declared.extend(piece.declares.iter().map(|(name, _)| *name));
            let mut seen: HashSet<&[u8]> = HashSet::new();
            for at in piece.tokens.clone() {
                let token = &self.text.tokens[at];
                let Some(word) = self.text.word(at) else {
                    self.punctuation(token)?;
                    continue;
                };
                let line = token.line as usize;
                match word {
                    Word::SourcePosition => return Err(Reason::SourcePosition { line, name: lossy(&token.text) }),
                    Word::FunctionName if is_private => return Err(Reason::FunctionName { line }),
                    Word::Asm => self.assembler(at)?,
                    _ if !word.is_name() => {}
                    _ => {
                        let is_first = seen.insert(&token.text);
                        if self.usages[at] == Usage::Tag {
                            if seen_tags.insert(&token.text) {
                                self.tag(at, piece, surroundings)?;
                            }
                            continue;
                        }
                        self.name(at, is_first, surroundings, owners, before, &declared)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A `#` that is left means that the expansion failed.
    fn punctuation(&self, token: &Token<'_>) -> Result<(), Reason> {
        let is_odd = token.kind == TokenKind::Rest || token.is("#") || token.is("##");
        if is_odd { Err(Reason::NotUnderstood { line: token.line as usize }) } else { Ok(()) }
    }

    /// A tag without an earlier declaration at file scope has the scope of its block or its parameters.
    fn tag(&self, at: usize, piece: &Piece<'_>, surroundings: &Surroundings) -> Result<(), Reason> {
        let name = self.text.name(at);
        let is_known = surroundings.declares_tag(name) || self.privates.get(name).is_some_and(|private| private.is_tag);
        let in_brackets = (piece.tokens.start..at).any(|open| self.text.close(open).is_some_and(|close| close > at));
        let is_defined = self.text.is(at + 1, "{");
        if is_known || is_defined || !in_brackets {
            return Ok(());
        }
        Err(Reason::Undeclared { line: self.text.line(at), name: lossy(name) })
    }

    fn name(
        &self,
        at: usize,
        is_first: bool,
        surroundings: &Surroundings,
        owners: &HashMap<&[u8], usize>,
        before: &EarlierUnits,
        declared: &HashSet<&[u8]>,
    ) -> Result<(), Reason> {
        let (name, usage, line) = (self.text.name(at), self.usages[at], self.text.line(at));
        if usage == Usage::Member {
            return Ok(());
        }
        if let Some(private) = self.privates.get(name) {
            let is_unclear = usage == Usage::Unclear || usage == Usage::Attribute;
            let is_other = usage == Usage::Ordinary && !private.is_ordinary;
            if is_unclear {
                return Err(Reason::SeveralMeanings { line, name: lossy(name) });
            }
            // In the merged text an earlier unit may contain the definition.
            if !is_other && private.names.iter().all(|&defined| defined > at) {
                return Err(Reason::Undeclared { line, name: lossy(name) });
            }
            if !is_other {
                return Ok(());
            }
        }
        if usage == Usage::Attribute || self.externals.contains(&name) {
            return Ok(());
        }
        if owners.contains_key(name) {
            return Err(Reason::OtherEntry(lossy(name)));
        }
        // Copied definitions are excluded: only a prototype without a definition is left for them, and such a prototype shares nothing.
        if surroundings.shows_sharing(&self.text, at) && !self.copied.contains(name) {
            let why = surroundings.describe_sharing(name);
            return Err(Reason::HeaderState { line, name: lossy(name), why });
        }
        if surroundings.declares(name) || declared.contains(name) {
            return Ok(());
        }
        let is_implicit = is_first && self.text.is(at + 1, "(") && !is_compiler_name(name) && !self.is_declarator(at);
        if is_implicit || before.declared.contains_key(name) {
            return Err(Reason::Undeclared { line, name: lossy(name) });
        }
        Ok(())
    }

    /// True if the name follows a type, as a declared name does.
    fn is_declarator(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1) else { return true };
        match self.text.word(before) {
            Some(Word::Statement) => false,
            Some(_) => true,
            None => self.text.is(before, "*") && at.checked_sub(2).is_some_and(|type_| self.text.word(type_).is_some()),
        }
    }

    /// Refuses assembler code that may use symbols under names that change, or may define symbols.
    fn assembler(&self, at: usize) -> Result<(), Reason> {
        let reason = || Reason::Asm { line: self.text.line(at) };
        let open = (at + 1..self.text.tokens.len()).find(|&at| self.text.is(at, "(")).ok_or_else(reason)?;
        let close = self.text.close(open).ok_or_else(reason)?;
        let mut template: Vec<u8> = Vec::new();
        for at in (open..close).filter(|&at| self.text.tokens[at].kind == TokenKind::Text) {
            let token = &self.text.tokens[at];
            if !token.text.starts_with(b"\"") {
                return Err(reason());
            }
            // Adjacent strings are concatenated, and could form one name.
            if self.text.tokens[at - 1].kind != TokenKind::Text {
                template.push(b'\n');
            }
            template.extend_from_slice(&token.text[1..token.text.len() - 1]);
        }
        // Escapes other than line feeds and tabs could hide a name.
        let escapes = template.windows(2).any(|two| two[0] == b'\\' && !matches!(two[1], b'n' | b't' | b'\\' | b'"'));
        let plain: Vec<u8> = String::from_utf8_lossy(&template).replace("\\n", "\n").replace("\\t", " ").into_bytes();
        let mut words = plain.split(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'$' | b'.'));
        let speaks = words.any(|word| {
            self.privates.contains_key(word) || word.strip_prefix(b".").is_some_and(|rest| !rest.is_empty())
        });
        // A label, except the assembler's numbered local labels.
        let labels = plain.windows(2).any(|two| two[1] == b':' && (two[0].is_ascii_alphabetic() || two[0] == b'_'));
        if speaks || labels || escapes { Err(reason()) } else { Ok(()) }
    }

    /// True if no use of a private name can distinguish its address from another's.
    pub(super) fn has_plain_uses_only(&self, name: &[u8], uses: &[usize]) -> bool {
        let private = &self.privates[name];
        let Some(local) = private.local else { return true };
        // Compilers warn about unused private names.
        let is_used = uses.iter().any(|at| !private.pieces.iter().any(|&piece| self.pieces[piece].tokens.contains(at)));
        is_used
            && matches!(local, Local::Function | Local::Scalar | Local::Array)
            && uses.iter().all(|at| private.names.contains(at) || local.is_plain_use(&self.text, *at))
    }
}

/// True for names that compilers declare implicitly.
fn is_compiler_name(name: &[u8]) -> bool {
    ["__builtin_", "__sync_", "__atomic_", "__c11_"].iter().any(|prefix| name.starts_with(prefix.as_bytes()))
}
