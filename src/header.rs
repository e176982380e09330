//! The header that stands before every unit, made ready: nothing, a text, or a PCH that was proven to be used. Knows nothing of how a PCH
//! is made ([`pch`](crate::pch)).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mjit_cc_platforms::{Header, Pch};

use crate::depend::TextFacts;
use crate::key::Digest;
use crate::lock::Unlocking;

/// What stands before every unit.
#[derive(Debug)]
pub enum UnitHeader {
    /// Nothing.
    None,
    /// A header as text: the compiler has no PCH, or none that works with this header.
    Text(PathBuf),
    /// A precompiled header, which no other process replaces as long as this lives.
    Pch(ReadyPch),
}

/// A PCH that was proven to be used.
#[derive(Debug)]
pub struct ReadyPch {
    pub(crate) pch: Pch,
    pub(crate) content: Digest,
    /// The same wherever the PCH lies and whichever run built it; none where it is not known what it was made of.
    pub(crate) portable: Option<Digest>,
    /// What the texts in it say of files that no list has.
    pub(crate) facts: TextFacts,
    pub(crate) reused: bool,
    pub(crate) took: Duration,
    /// Locked for sharing, unless no other process can get at the file.
    pub(crate) _record: Option<Unlocking>,
}

impl ReadyPch {
    /// The precompiled file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.pch.file
    }

    /// Whether it was there before.
    #[must_use]
    pub fn reused(&self) -> bool {
        self.reused
    }

    /// How long building or checking it took.
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

    /// Stands for what the units see of a PCH; a header as text is among each unit's own inputs.
    pub(crate) fn content(&self) -> &str {
        match self {
            Self::Pch(ready) => ready.content.as_str(),
            Self::None | Self::Text(_) => "",
        }
    }

    /// The same with the names and digests that it has anywhere: for keys. None where it is not known what it was made of.
    pub(crate) fn anywhere(&self) -> Option<Self> {
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

    /// What units behind it need to know of texts that they do not list; a header as text is on their lists.
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
    /// For a PCH in a private directory: needs no lock.
    pub(crate) fn unshared(self) -> Self {
        match self {
            Self::Pch(ready) => Self::Pch(ReadyPch { _record: None, ..ready }),
            other => other,
        }
    }

    /// The same in another directory. Compilers do not mind where a PCH lies, only where its header does.
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

/// The name that a PCH gets where the user gives none. No header is called like it, so that gcc, which reads `NAME` where
/// `NAME.gch` does not fit, has nothing to fall back on silently.
#[must_use]
pub fn default_name(header: &Path, suffix: &str) -> PathBuf {
    let stem = header.file_stem().unwrap_or(header.as_os_str());
    let name = PathBuf::from(stem).with_added_extension("pch");
    if suffix == "pch" { name } else { name.with_added_extension(suffix) }
}
