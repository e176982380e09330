//! Which bytes of a unit's text are replaced, in which order, and by what. Decides nothing else.

use std::collections::HashMap;
use std::ops::Range;

use super::identity::Identity;
use super::{Before, Plan, Unit};
use crate::unity::lex::{Kind, Verb};

impl<'t> Unit<'_, 't> {
    pub(super) fn edits(
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
