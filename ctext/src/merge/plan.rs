//! The plan for one unit in a merged text: the new names of its private names, and the pieces that an earlier unit already contains.

use std::collections::HashMap;

use super::EarlierUnits;
use super::unit::UnitScope;
use crate::identity::{Fields, Identity};
use crate::reason::Reason;
use crate::surroundings::Surroundings;

/// The parts of a unit to write.
pub(super) struct UnitPlan<'s> {
    /// The unit's private names and their new names.
    pub(super) names: HashMap<&'s [u8], String>,
    /// For each piece, false if an earlier unit contains the same piece.
    pub(super) is_written: Vec<bool>,
    /// The shareable definitions that the unit writes.
    pub(super) shared: Vec<Identity>,
    /// The size in bytes of the omitted pieces.
    pub(super) saved: usize,
    /// The unit's declarations of names that other units define.
    pub(super) declared: Vec<(Vec<u8>, Identity)>,
}

/// Checks a unit against the header and the earlier units. `index` is the unit's number in `owners`, which maps an external symbol to the
/// unit that defines it.
pub(super) fn plan<'s>(
    unit: &UnitScope<'s, '_>,
    index: usize,
    surroundings: &Surroundings,
    owners: &HashMap<&[u8], usize>,
    before: &EarlierUnits,
) -> Result<UnitPlan<'s>, Reason> {
    unit.check(index, surroundings, owners, before)?;
    let sharing = unit.sharing();
    // All pieces of a name are in one set, so that the first piece's identity is the name's identity.
    let hash_of = |name: &[u8]| -> Identity {
        sharing.identities[unit.privates[name].pieces[0]].unwrap_or_else(|| {
            let mut hash = Fields::new(b"own");
            hash.field(unit.externals.first().copied().unwrap_or_default());
            hash.field(name);
            hash.finish()
        })
    };
    let mut declared = Vec::new();
    for (index, piece) in unit.pieces.iter().enumerate() {
        for (name, hash) in &piece.declares {
            let mut identity = Fields::new(b"declared");
            identity.field(hash);
            for mentioned in &sharing.mentions[index] {
                identity.field(mentioned);
                identity.field(&hash_of(mentioned));
            }
            let identity = identity.finish();
            let is_same = match before.declared.get(*name) {
                _ if surroundings.declares(name) => surroundings.has_declaration(name, hash),
                Some(other) => *other == identity,
                // Two declarations in one unit must be identical.
                None => declared.iter().all(|(other, hash): &(Vec<u8>, Identity)| other != name || *hash == identity),
            };
            if !is_same {
                return Err(Reason::ConflictingDeclaration(String::from_utf8_lossy(name).into_owned()));
            }
            declared.push((name.to_vec(), identity));
        }
    }
    let name = |name: &'s [u8]| {
        let hash = blake3::Hash::from(hash_of(name)).to_hex();
        (name, format!("{}__{}", String::from_utf8_lossy(name), &hash[..20]))
    };
    let names = unit.privates.keys().map(|&key| name(key)).collect();
    let mut plan = UnitPlan { names, is_written: Vec::new(), shared: Vec::new(), saved: 0, declared };
    for (piece, identity) in unit.pieces.iter().zip(&sharing.identities) {
        let is_there = identity.is_some_and(|identity| before.shared.contains(&identity));
        plan.is_written.push(!is_there);
        if is_there {
            plan.saved +=
                unit.text.tokens[piece.tokens.clone()].iter().map(|token| token.text.len() + 1).sum::<usize>();
        }
        plan.shared.extend(identity);
    }
    Ok(plan)
}
