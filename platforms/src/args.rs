//! The words of a command line, gathered from any mixture of sources, and paths among them that nothing takes for an option.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// A path as one argument that no compiler takes for an option (`-x`), a response file (`@x`) or a place below the sysroot
/// (`-I=x`). The slash is every host's: plans are the same everywhere.
pub(crate) fn path_word(path: &Path) -> OsString {
    let mut word = OsString::new();
    if let Some(b'-' | b'@' | b'=') = path.as_os_str().as_encoded_bytes().first() {
        word.push("./");
    }
    word.push(path);
    word
}

/// Words in order, of any mixture of sources.
#[derive(Default)]
pub(crate) struct Args(pub(crate) Vec<OsString>);

impl Args {
    pub(crate) fn push_all<W: AsRef<OsStr>>(&mut self, words: impl IntoIterator<Item = W>) -> &mut Self {
        self.0.extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    pub(crate) fn flag(&mut self, flag: &str, path: &Path) -> &mut Self {
        self.0.extend([flag.into(), path_word(path)]);
        self
    }

    pub(crate) fn path(&mut self, path: &Path) -> &mut Self {
        self.0.push(path_word(path));
        self
    }

    /// `-Ipath`: joined, so that nothing the path begins with matters.
    pub(crate) fn joined(&mut self, flag: &str, value: impl AsRef<OsStr>) -> &mut Self {
        let mut word = OsString::from(flag);
        word.push(value);
        self.0.push(word);
        self
    }
}

impl IntoIterator for Args {
    type Item = OsString;
    type IntoIter = std::vec::IntoIter<OsString>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
