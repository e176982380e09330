//! The heap and its moving collector, which copies objects from one block of words to another (Cheney 1970). Knows nothing about the stack
//! and functions; callers show their roots.

use std::cell::Cell;

use crate::value::Value;

/// The kind of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// An array of values. `vm.h` has the same number.
    Array = 1,
    /// A number in the VM's table of functions, then captured values.
    Function = 2,
    /// An integer too large for a word, in two words that are no values.
    Integer = 3,
    /// The object was moved; the length is the new address.
    Moved = 4,
}

/// Words that machine code writes too: cells, so that Rust does not assume that they are unchanged.
pub(crate) type Words = Box<[Cell<u64>]>;

pub(crate) fn words(count: usize, word: u64) -> Words {
    vec![Cell::new(word); count].into_boxed_slice()
}

/// Objects, each after a word with its kind and length.
#[derive(Debug)]
pub(crate) struct Heap {
    words: Words,
    used: usize,
    /// The size of the next block.
    wanted: usize,
}

const LEAST: usize = 1 << 16;

impl Heap {
    pub(crate) fn new() -> Self {
        Self { words: words(LEAST, 0), used: 1, wanted: LEAST }
    }

    /// Returns the address of the heap for machine code, until the next collection.
    pub(crate) fn address(&self) -> *const Cell<u64> {
        self.words.as_ptr()
    }

    fn header(&self, object: usize) -> (Kind, usize) {
        let word = self.words[object].get();
        let kind = match word & 0xff {
            1 => Kind::Array,
            2 => Kind::Function,
            3 => Kind::Integer,
            4 => Kind::Moved,
            _ => unreachable!("{object} is no object"),
        };
        (kind, (word >> 8) as usize)
    }

    fn set_header(&self, object: usize, kind: Kind, length: usize) {
        self.words[object].set((length as u64) << 8 | kind as u64);
    }

    /// Returns the index of the first word and the length of an object of this kind, if the value is one.
    pub(crate) fn find(&self, value: Value, kind: Kind) -> Option<(usize, usize)> {
        let object = value.as_reference()?;
        let (found, length) = self.header(object);
        (found == kind).then_some((object + 1, length))
    }

    pub(crate) fn value(&self, at: usize) -> Value {
        Value(self.words[at].get())
    }

    /// Returns an element of an array.
    pub(crate) fn element(&self, array: Value, index: Value) -> Option<&Cell<u64>> {
        let (first, length) = self.find(array, Kind::Array)?;
        let index = usize::try_from(index.as_small()?).ok()?;
        (index < length).then(|| &self.words[first + index])
    }

    /// Returns an integer of any size.
    pub(crate) fn integer(&self, value: Value) -> Option<i128> {
        let large = || {
            let (first, _) = self.find(value, Kind::Integer)?;
            Some(i128::from(self.words[first].get()) | i128::from(self.words[first + 1].get()) << 64)
        };
        value.as_small().map(i128::from).or_else(large)
    }

    /// True if an object of this many words fits without a collection.
    pub(crate) fn has_room(&self, length: usize) -> bool {
        self.used + 1 + length <= self.words.len()
    }

    /// Makes an object. The caller must fill in its words at once. There must be room.
    pub(crate) fn allocate(&mut self, kind: Kind, length: usize) -> (Value, &[Cell<u64>]) {
        let object = self.used;
        self.used += 1 + length;
        self.set_header(object, kind, length);
        (Value::reference(object), &self.words[object + 1..self.used])
    }

    /// Begins to move all living objects to a new block with room for `length` more words.
    pub(crate) fn collect(&mut self, length: usize) -> Collection<'_> {
        let size = self.wanted.max(self.used + 1 + length);
        let old = std::mem::replace(&mut self.words, words(size, 0));
        self.used = 1;
        Collection { old: Self { words: old, used: 0, wanted: 0 }, new: self, scanned: 1 }
    }
}

/// A running collection: mark every root, then ask for the new addresses.
#[derive(Debug)]
pub(crate) struct Collection<'a> {
    old: Heap,
    new: &'a mut Heap,
    /// The objects before this index refer to moved objects only.
    scanned: usize,
}

impl Collection<'_> {
    /// Moves the object of a root, and all objects that are reachable from it; updates the root.
    pub(crate) fn root(&mut self, root: &Cell<u64>) {
        root.set(self.moved(Value(root.get())).0);
        while self.scanned < self.new.used {
            let (kind, length) = self.new.header(self.scanned);
            let first = self.scanned + 1;
            self.scanned = first + length;
            if kind != Kind::Integer {
                for at in first..self.scanned {
                    let word = self.moved(self.new.value(at)).0;
                    self.new.words[at].set(word);
                }
            }
        }
    }

    fn moved(&mut self, value: Value) -> Value {
        let Some(object) = value.as_reference() else { return value };
        let (kind, length) = self.old.header(object);
        if kind == Kind::Moved {
            return Value::reference(length);
        }
        let at = self.new.used;
        self.new.used += 1 + length;
        for offset in 0..=length {
            self.new.words[at + offset].set(self.old.words[object + offset].get());
        }
        self.old.set_header(object, Kind::Moved, at);
        Value::reference(at)
    }

    /// Returns the new address of an object, if the object lives.
    pub(crate) fn survivor(&self, value: Value) -> Option<Value> {
        let (kind, to) = self.old.header(value.as_reference()?);
        (kind == Kind::Moved).then(|| Value::reference(to))
    }
}

impl Drop for Collection<'_> {
    fn drop(&mut self) {
        // A block that is half full after a collection is followed by a larger one.
        self.new.wanted = LEAST.max(self.new.used * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_move_with_what_they_refer_to_and_the_rest_is_gone() {
        let mut heap = Heap::new();
        let (dead, _) = heap.allocate(Kind::Array, 3);
        let (inner, fields) = heap.allocate(Kind::Integer, 2);
        fields[0].set(7);
        let (outer, fields) = heap.allocate(Kind::Array, 2);
        // A cycle.
        fields[0].set(inner.0);
        fields[1].set(outer.0);
        let root = Cell::new(outer.0);
        let mut collection = heap.collect(0);
        collection.root(&root);
        assert_eq!(collection.survivor(dead), None);
        let now = collection.survivor(outer).unwrap();
        drop(collection);
        assert_ne!(now, outer);
        assert_eq!(root.get(), now.0);
        assert_eq!(heap.element(now, Value::index(1)).unwrap().get(), now.0);
        let inner = Value(heap.element(now, Value::index(0)).unwrap().get());
        assert_eq!(heap.integer(inner), Some(7));
    }
}
