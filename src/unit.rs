//! One unit: a generated C file, and the errors that are found before a compiler runs.

use std::io;
use std::path::{Path, PathBuf};

use crate::files;

/// The name of a unit that has no name of its own, in diagnostics, in `__FILE__` and in debug information.
pub(crate) const DEFAULT_NAME: &str = "unit.c";

/// A unit's C text, and its name in diagnostics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    name: String,
    dir: Option<PathBuf>,
    text: Vec<u8>,
}

/// Why a file cannot be a unit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnitReadError {
    /// The file does not exist.
    #[error("no such file")]
    Missing,
    /// The path is a directory.
    #[error("is a directory; name the C files in it, such as {}", .0.join("*.c").display())]
    Directory(PathBuf),
    /// The system refuses to read the file.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// The path is a pipe, a socket or a device.
    #[error("is not a regular file")]
    NotAFile,
    /// The file contains white space only.
    #[error("is empty; a unit defines at least one function")]
    Empty,
    /// The file contains a NUL byte, which C text never does.
    #[error("is not C text: byte {0} is NUL; was an object or a library meant?")]
    Binary(usize),
}

impl Unit {
    /// Creates a unit from text in memory. `name` is its name in diagnostics.
    ///
    /// # Errors
    /// [`UnitReadError`] if the text is empty or binary.
    pub fn from_text(name: impl Into<String>, text: impl Into<Vec<u8>>) -> Result<Self, UnitReadError> {
        let mut text = text.into();
        // A byte order mark is valid only at a file's start, and the prelude comes first.
        if text.starts_with(b"\xef\xbb\xbf") {
            text.drain(..3);
        }
        if let Some(at) = text.iter().position(|&byte| byte == 0) {
            return Err(UnitReadError::Binary(at));
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            return Err(UnitReadError::Empty);
        }
        Ok(Self { name: name.into(), dir: None, text })
    }

    /// Reads a unit from a file. Its `#include "…"` are searched for in the file's directory.
    ///
    /// # Errors
    /// [`UnitReadError`] if the file is no unit.
    pub fn read(path: &Path) -> Result<Self, UnitReadError> {
        let text = files::read(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => UnitReadError::Missing,
            _ if path.is_dir() => UnitReadError::Directory(path.to_owned()),
            io::ErrorKind::InvalidInput => UnitReadError::NotAFile,
            _ => UnitReadError::Unreadable(error),
        })?;
        let dir = std::path::absolute(path).ok().and_then(|path| path.parent().map(Path::to_owned));
        Ok(Self { dir, ..Self::from_text(path.to_string_lossy(), text)? })
    }

    /// Returns the same text with a directory for its `#include "…"`.
    #[must_use]
    pub(crate) fn beside(self, dir: Option<&Path>) -> Self {
        Self { dir: dir.map(Path::to_owned), ..self }
    }

    /// Returns the unit's name in diagnostics.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the C text.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Returns the directory of the unit's file, if any.
    #[must_use]
    pub fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_goes() {
        assert_eq!(Unit::from_text("u.c", "\u{feff}int x;").unwrap().text(), b"int x;");
    }

    #[test]
    fn what_is_no_unit() {
        assert!(matches!(Unit::from_text("u.c", " \n"), Err(UnitReadError::Empty)));
        assert!(matches!(Unit::from_text("u.c", "ab\0"), Err(UnitReadError::Binary(2))));
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Unit::read(dir.path()), Err(UnitReadError::Directory(_))));
        assert!(matches!(Unit::read(&dir.path().join("no.c")), Err(UnitReadError::Missing)));
    }
}
