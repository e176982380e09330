//! What becomes of one unit in a merged text: what its names will be called, and which pieces an earlier unit has already.

use std::collections::HashMap;

use super::Before;
use super::unit::Unit;
use crate::identity::{Fields, Identity};
use crate::reason::Reason;
use crate::surroundings::Surroundings;

/// What is to be written of a unit.
pub(super) struct Plan<'s> {
    /// The unit's private names, and what each will be called.
    pub(super) names: HashMap<&'s [u8], String>,
    /// For each piece, false where an earlier unit has the piece.
    pub(super) is_written: Vec<bool>,
    /// The shared definitions that the unit brings.
    pub(super) shared: Vec<Identity>,
    /// How many bytes are left to earlier units.
    pub(super) saved: usize,
    /// How the unit declares what others define.
    pub(super) declared: Vec<(Vec<u8>, Identity)>,
}

/// Checks a unit against what stands around it. `index` is the unit's number in `owners`, which tells who defines a symbol for others.
pub(super) fn plan<'s>(
    unit: &Unit<'s, '_>,
    index: usize,
    surroundings: &Surroundings,
    owners: &HashMap<&[u8], usize>,
    before: &Before,
) -> Result<Plan<'s>, Reason> {
    unit.check(index, surroundings, owners, before)?;
    let sharing = unit.sharing();
    // All pieces of a name are in one set, so that the first one's identity is the name's.
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
                // Two declarations in one unit count as one only if the two are the same.
                None => declared.iter().all(|(other, hash): &(Vec<u8>, Identity)| other != name || *hash == identity),
            };
            if !is_same {
                return Err(Reason::DeclaredOtherwise(String::from_utf8_lossy(name).into_owned()));
            }
            declared.push((name.to_vec(), identity));
        }
    }
    let name = |name: &'s [u8]| {
        let hash = blake3::Hash::from(hash_of(name)).to_hex();
        (name, format!("{}__{}", String::from_utf8_lossy(name), &hash[..20]))
    };
    let names = unit.privates.keys().map(|&key| name(key)).collect();
    let mut plan = Plan { names, is_written: Vec::new(), shared: Vec::new(), saved: 0, declared };
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
