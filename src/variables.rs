//! The variables of an environment as data. Does not read the environment: `discover/environment.rs` does.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

/// The variables of an environment. Reference-counted, since there may be many.
#[derive(Clone, Debug, Default)]
pub struct Variables(Arc<[(OsString, OsString)]>);

impl FromIterator<(OsString, OsString)> for Variables {
    fn from_iter<I: IntoIterator<Item = (OsString, OsString)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

impl Variables {
    /// Returns the value of a variable. Names are compared as the system does.
    #[must_use]
    pub fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        let name = name.as_ref();
        let is = |known: &OsStr| if cfg!(windows) { known.eq_ignore_ascii_case(name) } else { known == name };
        self.0.iter().find(|(known, _)| is(known)).map(|(_, value)| value.as_os_str())
    }

    /// Iterates over names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }
}
