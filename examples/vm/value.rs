//! Values, as one word, for the interpreter and machine code; `vm.h` has the same in C. Knows nothing about the heap: a reference is a
//! number here.

/// An integer of 63 bits (`…1`), a constant (`…10`), or a reference to a heap object (`…000`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value(pub(crate) u64);

impl Value {
    pub(crate) const NIL: Self = Self(0b0010);
    pub(crate) const FALSE: Self = Self(0b0110);
    pub(crate) const TRUE: Self = Self(0b1010);

    /// Returns an integer as a value, if the integer is small.
    pub(crate) fn small(integer: i64) -> Option<Self> {
        let word = integer.wrapping_mul(2);
        (word / 2 == integer).then_some(Self(word.cast_unsigned() | 1))
    }

    /// Returns an index, a length or a count as a value, which is always small.
    pub(crate) fn index(index: usize) -> Self {
        Self(((index as u64) << 1) | 1)
    }

    pub(crate) fn boolean(truth: bool) -> Self {
        if truth { Self::TRUE } else { Self::FALSE }
    }

    /// A reference is its object's byte offset in the heap, so that machine code adds it to the heap's address.
    pub(crate) fn reference(word: usize) -> Self {
        Self((word as u64) << 3)
    }

    pub(crate) fn as_small(self) -> Option<i64> {
        (self.0 & 1 == 1).then_some(self.0.cast_signed() >> 1)
    }

    /// Returns the index of the heap word of a reference. The first word of the heap is unused, so that no reference is 0.
    pub(crate) fn as_reference(self) -> Option<usize> {
        (self.0 & 0b111 == 0).then_some((self.0 >> 3) as usize)
    }

    pub(crate) fn is_true(self) -> bool {
        self != Self::NIL && self != Self::FALSE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_integers_end_where_63_bits_do() {
        let (most, least) = (i64::MAX / 2, i64::MIN / 2);
        for integer in [0, 1, -1, most, least] {
            assert_eq!(Value::small(integer).unwrap().as_small(), Some(integer));
        }
        assert_eq!(Value::small(most + 1), None);
        assert_eq!(Value::small(least - 1), None);
    }
}
