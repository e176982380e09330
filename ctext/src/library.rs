//! The functions of the C library that compilers know by name. gcc 12 and clang 19 say `__has_builtin` of these.

use std::collections::HashSet;
use std::sync::LazyLock;

static NAMES: LazyLock<HashSet<&[u8]>> =
    LazyLock::new(|| include_str!("library.txt").split_ascii_whitespace().map(str::as_bytes).collect());

/// True if a compiler may treat a function of this name as the C library's, whatever the unit says.
pub(crate) fn knows(name: &[u8]) -> bool {
    NAMES.contains(name)
}
