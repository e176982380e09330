//! The record beside a PCH: what it was made of, by which it is reused or not. Its file is also the lock.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use mjit_cc_platforms::Pch;
use serde::{Deserialize, Serialize};

use crate::depend::{FileDigests, Inputs, TextFacts};
use crate::error::Error;
use crate::files;
use crate::key::{Digest, KeyBuilder};
use crate::lock::Unlocking;

/// What a PCH was made of and what came of it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    version: u32,
    /// The header.
    pub(super) header: PathBuf,
    key: Digest,
    inputs: Inputs,
    /// What the texts in it say to the units behind it.
    pub(super) facts: TextFacts,
    /// The PCH and its companions, by file name.
    files: Vec<(PathBuf, Digest)>,
}

const VERSION: u32 = 2;

impl Record {
    /// Stands for what units see of the PCH.
    pub(super) fn content(&self) -> Digest {
        // What the compiler writes into a PCH differs from run to run; what it was made from, where that is known, does not.
        let key = KeyBuilder::new("pch content").field(self.key.as_str());
        let made_from = if self.key == Digest::never() {
            serde_json::to_vec(&self.files)
        } else {
            serde_json::to_vec(&self.inputs)
        };
        key.field(made_from.unwrap_or_default()).finish()
    }

    /// What it was made of, where that is known.
    pub(super) fn made_of(&self) -> Option<&Inputs> {
        (self.key != Digest::never()).then_some(&self.inputs)
    }

    /// JSON has no other names than UTF-8's. What is lost of one is not found again, and built anew.
    pub(super) fn new(header: &Path, key: Digest, inputs: Inputs, files: Vec<(PathBuf, Digest)>) -> Self {
        let utf8 = |path: &Path| PathBuf::from(path.to_string_lossy().into_owned());
        let files = files.into_iter().map(|(path, digest)| (utf8(&path), digest)).collect();
        Self { version: VERSION, header: utf8(header), key, inputs, facts: TextFacts::default(), files }
    }

    /// With what the texts in it say to the units behind it.
    pub(super) fn with_facts(self, facts: TextFacts) -> Self {
        Self { facts, ..self }
    }

    /// Whether everything is as it was when the PCH was built.
    pub(super) fn is_current(&self, pch: &Pch, key: &Digest, digests: &FileDigests) -> bool {
        let dir = pch.file.parent().unwrap_or(Path::new(""));
        self.version == VERSION
            && self.key == *key
            && self.inputs.are_unchanged(digests)
            && self.files.iter().all(|(name, digest)| digests.of(&dir.join(name)).as_ref() == Some(digest))
    }
}

/// Where the record of a PCH lies.
pub(crate) fn path(file: &Path) -> PathBuf {
    file.with_added_extension("json")
}

pub(super) fn open(path: &Path) -> Result<File, Error> {
    files::open_lock(path).map_err(Error::file("write", path))
}

/// A record that was cut off by a crash is as good as none.
pub(super) fn read(file: &mut File) -> Option<Record> {
    let mut bytes = Vec::new();
    file.rewind().ok()?;
    file.read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Puts a record in the place of the one that is open and locked, and gives the new one, which is locked before it has its name. It is not written
/// into the old file: that may have other names, which are not this tool's.
#[cfg(unix)]
pub(super) fn write(_old: Unlocking, path: &Path, record: &Record) -> io::Result<Unlocking> {
    let dir = path.parent().unwrap_or(Path::new(""));
    // A name by which the next build sweeps what a killed process left.
    let prefix = path.with_extension("new.").file_name().unwrap_or_default().to_owned();
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(dir)?;
    file.as_file().lock()?;
    file.write_all(&serde_json::to_vec(record)?)?;
    Ok(Unlocking(file.persist(path).map_err(|error| error.error)?))
}

/// Windows has no way to exchange a file that is open and locked.
#[cfg(not(unix))]
pub(super) fn write(mut old: Unlocking, _path: &Path, record: &Record) -> io::Result<Unlocking> {
    let file = &mut old.0;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&serde_json::to_vec(record)?)?;
    file.flush()?;
    Ok(old)
}
