//! The common header of all units, ready for use: none, a text, or a PCH that the compiler has been proven to use. Does not know how a PCH
//! is built ([`pch`](crate::pch)).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mjit_cc_platforms::{Header, Pch};

use crate::depend::TextFacts;
use crate::key::Digest;
use crate::lock::Unlocking;

/// The common header of all units.
#[derive(Debug)]
pub enum UnitHeader {
    /// No header.
    None,
    /// A header as text: the compiler has no PCH, or no PCH works with this header.
    Text(PathBuf),
    /// A precompiled header, which no other process replaces while this value exists.
    Pch(ReadyPch),
}

/// A PCH that the compiler has been proven to use.
#[derive(Debug)]
pub struct ReadyPch {
    pub(crate) pch: Pch,
    pub(crate) content: Digest,
    /// A digest that is independent of the PCH's path and of the run that built it; `None` if the PCH's inputs are unknown.
    pub(crate) portable: Option<Digest>,
    /// The facts of the header's texts about unlisted files.
    pub(crate) facts: TextFacts,
    pub(crate) reused: bool,
    pub(crate) took: Duration,
    /// A shared lock, unless no other process can reach the file.
    pub(crate) _record: Option<Unlocking>,
}

impl ReadyPch {
    /// Returns the path of the precompiled file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.pch.file
    }

    /// True if the PCH existed before.
    #[must_use]
    pub fn reused(&self) -> bool {
        self.reused
    }

    /// Returns the time to build or check the PCH.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }
}

impl UnitHeader {
    pub(crate) fn as_job(&self) -> Header<'_> {
        match self {
            Self::None => Header::None,
            Self::Text(path) => Header::Text(path),
            Self::Pch(ready) => Header::Pch(&ready.pch),
        }
    }

    /// Returns the identity of the PCH for units' records; a header as text is among each unit's own inputs.
    pub(crate) fn content(&self) -> &str {
        match self {
            Self::Pch(ready) => ready.content.as_str(),
            Self::None | Self::Text(_) => "",
        }
    }

    /// Returns the header with path-independent digests, for cache keys. `None` if the PCH's inputs are unknown.
    pub(crate) fn portable(&self) -> Option<Self> {
        Some(match self {
            Self::None => Self::None,
            Self::Text(path) => Self::Text(path.clone()),
            Self::Pch(ready) => {
                let file = Path::new("header").with_added_extension(ready.pch.file.extension().unwrap_or_default());
                let pch = Pch { header: ready.pch.header.clone(), file };
                let content = ready.portable.clone()?;
                let facts = ready.facts.clone();
                Self::Pch(ReadyPch { pch, content, portable: None, facts, _record: None, ..*ready })
            }
        })
    }

    /// Returns the facts of texts that units do not list; a header as text is in their lists.
    pub(crate) fn facts(&self) -> TextFacts {
        match self {
            Self::Pch(ready) => ready.facts.clone(),
            Self::None | Self::Text(_) => TextFacts::default(),
        }
    }

    pub(crate) fn pch_file(&self) -> Option<&Path> {
        match self {
            Self::Pch(ready) => Some(&ready.pch.file),
            Self::None | Self::Text(_) => None,
        }
    }
}

impl UnitHeader {
    /// Drops the lock of a PCH in a private directory.
    pub(crate) fn unshared(self) -> Self {
        match self {
            Self::Pch(ready) => Self::Pch(ReadyPch { _record: None, ..ready }),
            other => other,
        }
    }

    /// Returns the same header with its PCH in another directory. Compilers record the path of the header, not of the PCH.
    pub(crate) fn moved_to(&self, dir: &Path) -> std::io::Result<Self> {
        let ready = match self {
            Self::None => return Ok(Self::None),
            Self::Text(path) => return Ok(Self::Text(path.clone())),
            Self::Pch(ready) => ready,
        };
        let (from, name) = (&ready.pch.file, ready.pch.file.file_name().unwrap_or_default());
        let file = dir.join(name);
        fs::hard_link(from, &file).or_else(|_| fs::copy(from, &file).map(drop))?;
        let pch = Pch { header: ready.pch.header.clone(), file };
        let (content, portable, facts) = (ready.content.clone(), ready.portable.clone(), ready.facts.clone());
        Ok(Self::Pch(ReadyPch { pch, content, portable, facts, _record: None, ..*ready }))
    }
}

/// Returns the default name of a PCH. No header has this name, so that gcc, which silently reads `NAME` if `NAME.gch` does not fit,
/// finds no file to read instead.
#[must_use]
pub fn default_name(header: &Path, suffix: &str) -> PathBuf {
    let stem = header.file_stem().unwrap_or(header.as_os_str());
    let name = PathBuf::from(stem).with_added_extension("pch");
    if suffix == "pch" { name } else { name.with_added_extension(suffix) }
}
