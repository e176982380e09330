//! An ordered list with an index by owner. A collector renames and frees thousands of owners while the VM is stopped: neither operation
//! walks the list. Knows nothing about the elements.

use std::collections::{BTreeMap, BTreeSet};

use crate::worker::OwnerId;

/// The owners of an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owners {
    pub(super) own: OwnerId,
    /// Owners whose code is inlined.
    pub(super) inlined: Vec<OwnerId>,
}

impl From<OwnerId> for Owners {
    fn from(own: OwnerId) -> Self {
        Self { own, inlined: Vec::new() }
    }
}

impl Owners {
    /// Returns all owners; an owner may occur twice.
    pub(super) fn all(&self) -> impl Iterator<Item = OwnerId> + '_ {
        std::iter::once(self.own).chain(self.inlined.iter().copied())
    }

    pub(super) fn rename(&mut self, old: OwnerId, new: OwnerId) {
        let all = std::iter::once(&mut self.own).chain(&mut self.inlined);
        all.filter(|owner| **owner == old).for_each(|owner| *owner = new);
    }
}

/// The position of an element. Elements are sorted by position. Valid until the element is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position(i64);

impl Position {
    /// The smallest and the largest position, for ranges.
    pub(super) const FIRST: Self = Self(i64::MIN);
    pub(super) const LAST: Self = Self(i64::MAX);
}

/// An ordered list with an index by owner.
#[derive(Debug)]
pub(super) struct ByOwner<T> {
    things: BTreeMap<Position, (Owners, T)>,
    /// The index: an owner, and the position of an element that has this owner.
    mentions: BTreeSet<(u64, Position)>,
}

impl<T> Default for ByOwner<T> {
    fn default() -> Self {
        Self { things: BTreeMap::new(), mentions: BTreeSet::new() }
    }
}

impl<T> ByOwner<T> {
    pub(super) fn len(&self) -> usize {
        self.things.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.things.is_empty()
    }

    /// Adds an element at the end.
    pub(super) fn push_back(&mut self, owners: Owners, thing: T) -> Position {
        let position = self.things.last_key_value().map_or(0, |(last, _)| last.0 + 1);
        self.insert(Position(position), owners, thing)
    }

    /// Adds an element at the front.
    pub(super) fn push_front(&mut self, owners: Owners, thing: T) -> Position {
        let position = self.things.first_key_value().map_or(0, |(first, _)| first.0 - 1);
        self.insert(Position(position), owners, thing)
    }

    fn insert(&mut self, position: Position, owners: Owners, thing: T) -> Position {
        self.mentions.extend(owners.all().map(|owner| (owner.0, position)));
        self.things.insert(position, (owners, thing));
        position
    }

    pub(super) fn remove(&mut self, position: Position) -> Option<(Owners, T)> {
        let (owners, thing) = self.things.remove(&position)?;
        for owner in owners.all() {
            self.mentions.remove(&(owner.0, position));
        }
        Some((owners, thing))
    }

    /// Removes all elements, in order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Owners, T)> + use<T> {
        std::mem::take(self).things.into_values()
    }

    pub(super) fn get(&self, position: Position) -> Option<(&Owners, &T)> {
        self.things.get(&position).map(|(owners, thing)| (owners, thing))
    }

    pub(super) fn get_mut(&mut self, position: Position) -> Option<(&Owners, &mut T)> {
        self.things.get_mut(&position).map(|(owners, thing)| (&*owners, thing))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Position, &Owners, &T)> {
        self.things.iter().map(|(position, (owners, thing))| (*position, owners, thing))
    }

    pub(super) fn things(&self) -> impl Iterator<Item = &T> {
        self.things.values().map(|(_, thing)| thing)
    }

    pub(super) fn things_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.things.values_mut().map(|(_, thing)| thing)
    }

    /// Returns the elements of which `owner` is the own owner, not an inlined one; in order.
    pub(super) fn own(&self, owner: OwnerId) -> Vec<Position> {
        self.mentioning(owner).filter(|at| self.things[at].0.own == owner).collect()
    }

    pub(super) fn rename(&mut self, old: OwnerId, new: OwnerId) {
        for position in self.mentioning(old).collect::<Vec<_>>() {
            self.mentions.remove(&(old.0, position));
            self.mentions.insert((new.0, position));
            if let Some((owners, _)) = self.things.get_mut(&position) {
                owners.rename(old, new);
            }
        }
    }

    fn mentioning(&self, owner: OwnerId) -> impl Iterator<Item = Position> + '_ {
        let range = (owner.0, Position::FIRST)..=(owner.0, Position::LAST);
        self.mentions.range(range).map(|(_, position)| *position)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn owners(own: u64, inlined: &[u64]) -> Owners {
        Owners { own: OwnerId(own), inlined: inlined.iter().copied().map(OwnerId).collect() }
    }

    fn names(list: &ByOwner<char>) -> String {
        list.things().collect()
    }

    #[test]
    fn things_stand_in_order_at_either_end() {
        let mut list = ByOwner::default();
        let b = list.push_back(owners(1, &[]), 'b');
        list.push_back(owners(1, &[]), 'c');
        list.push_front(owners(1, &[]), 'a');
        assert_eq!(names(&list), "abc");
        assert_eq!(list.remove(b), Some((owners(1, &[]), 'b')));
        assert_eq!(list.remove(b), None);
        list.push_back(owners(1, &[]), 'd');
        assert_eq!((names(&list).as_str(), list.len()), ("acd", 3));
    }

    #[test]
    fn what_is_removed_is_mentioned_no_more() {
        let mut list = ByOwner::default();
        let both = list.push_back(owners(1, &[2, 2, 1]), 'a');
        let other = list.push_back(owners(2, &[1]), 'b');
        assert_eq!((list.own(OwnerId(1)), list.own(OwnerId(2))), (vec![both], vec![other]));
        list.remove(both);
        assert_eq!(list.mentions.len(), 2);
        assert_eq!(list.drain().map(|(_, thing)| thing).collect::<String>(), "b");
        assert!(list.is_empty() && list.mentions.is_empty());
    }

    // The index must agree with a walk of the whole list.
    #[test]
    fn names_change_as_if_the_whole_list_were_walked() {
        let mut random = fastrand::Rng::with_seed(5);
        let mut list = ByOwner::default();
        let mut plain: Vec<(Position, Owners)> = Vec::new();
        for _ in 0..20_000 {
            match random.u8(0..4) {
                0 => {
                    let inlined: Vec<u64> = (0..random.usize(0..3)).map(|_| random.u64(0..20)).collect();
                    let new = owners(random.u64(0..20), &inlined);
                    plain.push((list.push_back(new.clone(), ()), new));
                }
                1 if !plain.is_empty() => {
                    let (position, owners) = plain.remove(random.usize(0..plain.len()));
                    assert_eq!(list.remove(position), Some((owners, ())));
                }
                _ => {
                    // Also onto the same number, and onto the number of another owner.
                    let (old, new) = (OwnerId(random.u64(0..20)), OwnerId(random.u64(0..20)));
                    list.rename(old, new);
                    plain.iter_mut().for_each(|(_, owners)| owners.rename(old, new));
                }
            }
            let owner = OwnerId(random.u64(0..20));
            let own: Vec<Position> =
                plain.iter().filter(|(_, owners)| owners.own == owner).map(|(position, _)| *position).collect();
            assert_eq!(list.own(owner), own);
            let mentions: BTreeSet<(u64, Position)> =
                plain.iter().flat_map(|(position, owners)| owners.all().map(|owner| (owner.0, *position))).collect();
            assert_eq!(list.mentions, mentions);
        }
    }
}
