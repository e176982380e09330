//! One unit: a generated C file on its way to a compiler, and what can be wrong with it before any compiler sees it.

use std::io;
use std::path::{Path, PathBuf};

use crate::files;

/// A unit's C text, and the name that diagnostics give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    name: String,
    dir: Option<PathBuf>,
    text: Vec<u8>,
}

/// A file that cannot be a unit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnitReadError {
    /// There is none.
    #[error("no such file")]
    Missing,
    /// It is a directory.
    #[error("is a directory; name the C files in it, such as {}", .0.join("*.c").display())]
    Directory(PathBuf),
    /// The system does not let it be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// It is a pipe, a socket or a device.
    #[error("is not a regular file")]
    NotAFile,
    /// It has nothing but white space.
    #[error("is empty; a unit defines at least one function")]
    Empty,
    /// It has a NUL byte, which C text never has.
    #[error("is not C text: byte {0} is NUL; was an object or a library meant?")]
    Binary(usize),
}

impl Unit {
    /// A unit from text in memory. `name` is what diagnostics call it.
    ///
    /// # Errors
    /// [`UnitReadError`] when the text is empty or binary.
    pub fn from_text(name: impl Into<String>, text: impl Into<Vec<u8>>) -> Result<Self, UnitReadError> {
        let mut text = text.into();
        // A byte order mark counts only at a file's start, and the prelude comes first.
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

    /// A unit from a file. Its `#include "…"` are looked for beside it.
    ///
    /// # Errors
    /// [`UnitReadError`] when the file is no unit.
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

    /// The same text in a folder, where its `#include "…"` are looked for.
    #[must_use]
    pub(crate) fn beside(self, dir: Option<&Path>) -> Self {
        Self { dir: dir.map(Path::to_owned), ..self }
    }

    /// What diagnostics call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The C text.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The folder it came from.
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
