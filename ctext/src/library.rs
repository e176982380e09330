//! The C library functions that compilers know by name: gcc 12 and clang 19 report true for `__has_builtin` of each.

use std::collections::HashSet;
use std::sync::LazyLock;

static NAMES: LazyLock<HashSet<&[u8]>> =
    LazyLock::new(|| include_str!("library.txt").split_ascii_whitespace().map(str::as_bytes).collect());

/// True if a compiler may treat a function of this name as the C library's, even if the unit declares the function itself.
pub(crate) fn knows(name: &[u8]) -> bool {
    NAMES.contains(name)
}
