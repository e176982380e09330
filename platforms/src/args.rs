//! The arguments of a command line, built in order, and paths written so that no compiler reads a path as an option.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// Returns a path as one argument that no compiler reads as an option (`-x`), a response file (`@x`) or a path below the sysroot
/// (`-I=x`). The slash is `/` on every host, so that plans are the same everywhere.
pub(crate) fn path_argument(path: &Path) -> OsString {
    let mut argument = OsString::new();
    if let Some(b'-' | b'@' | b'=') = path.as_os_str().as_encoded_bytes().first() {
        argument.push("./");
    }
    argument.push(path);
    argument
}

/// Arguments in order.
#[derive(Default)]
pub(crate) struct Args(pub(crate) Vec<OsString>);

impl Args {
    pub(crate) fn push_all<W: AsRef<OsStr>>(&mut self, arguments: impl IntoIterator<Item = W>) -> &mut Self {
        self.0.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    pub(crate) fn flag(&mut self, flag: &str, path: &Path) -> &mut Self {
        self.0.extend([flag.into(), path_argument(path)]);
        self
    }

    pub(crate) fn path(&mut self, path: &Path) -> &mut Self {
        self.0.push(path_argument(path));
        self
    }

    /// `-Ipath`: the joined form works for a path with any first character.
    pub(crate) fn joined(&mut self, flag: &str, value: impl AsRef<OsStr>) -> &mut Self {
        let mut argument = OsString::from(flag);
        argument.push(value);
        self.0.push(argument);
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
