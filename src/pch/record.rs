//! The record beside a PCH, which lists the inputs of the PCH. The record's file is also the lock file.

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
use crate::sealed;

/// The inputs and the output files of a PCH.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    version: u32,
    pub(super) header: PathBuf,
    key: Digest,
    inputs: Inputs,
    /// Facts about the header's texts that concern the units behind the header.
    pub(super) facts: TextFacts,
    /// The PCH and its companions, by file name.
    files: Vec<(PathBuf, Digest)>,
}

const VERSION: u32 = 2;

impl Record {
    /// Returns a digest of the PCH's content, for the keys of units.
    pub(super) fn content(&self) -> Digest {
        // The bytes of a PCH differ from build to build; the inputs, if known, do not.
        let key = KeyBuilder::new("pch content").field(self.key.as_str());
        let content = if self.key == Digest::never() {
            serde_json::to_vec(&self.files)
        } else {
            serde_json::to_vec(&self.inputs)
        };
        key.field(content.unwrap_or_default()).finish()
    }

    /// Returns the inputs; `None` if they are not known.
    pub(super) fn known_inputs(&self) -> Option<&Inputs> {
        (self.key != Digest::never()).then_some(&self.inputs)
    }

    /// Returns a record. JSON cannot express paths that are not UTF-8: such a path does not match later, and the PCH is built again.
    pub(super) fn new(header: &Path, key: Digest, inputs: Inputs, files: Vec<(PathBuf, Digest)>) -> Self {
        let utf8 = |path: &Path| PathBuf::from(path.to_string_lossy().into_owned());
        let files = files.into_iter().map(|(path, digest)| (utf8(&path), digest)).collect();
        Self { version: VERSION, header: utf8(header), key, inputs, facts: TextFacts::default(), files }
    }

    pub(super) fn with_facts(self, facts: TextFacts) -> Self {
        Self { facts, ..self }
    }

    /// True if the key, the inputs and the output files are unchanged since the PCH was built.
    pub(super) fn is_current(&self, pch: &Pch, key: &Digest, digests: &FileDigests) -> bool {
        let dir = pch.file.parent().unwrap_or(Path::new(""));
        self.version == VERSION
            && self.key == *key
            && self.inputs.are_unchanged(digests)
            && self.files.iter().all(|(name, digest)| digests.of(&dir.join(name)).as_ref() == Some(digest))
    }
}

/// Returns the path of a PCH's record.
pub(crate) fn path(file: &Path) -> PathBuf {
    file.with_added_extension("json")
}

pub(super) fn open(path: &Path) -> Result<File, Error> {
    files::open_lock(path).map_err(Error::file("write", path))
}

/// Reads a record; `None` if the record is damaged or incomplete.
pub(super) fn read(file: &mut File) -> Option<Record> {
    let mut bytes = Vec::new();
    file.rewind().ok()?;
    file.read_to_end(&mut bytes).ok()?;
    sealed::open(&bytes)
}

/// Parses a record without its hash, for the tests of damaged records.
pub(crate) fn read_of(json: &[u8]) {
    let _ = serde_json::from_slice::<Record>(json).map(|record| record.content());
}

/// Replaces the record that is open and locked, and returns the new file, which is locked before the rename. The old file is not
/// overwritten: the file may have other names (hard links), which do not belong to this tool.
#[cfg(unix)]
pub(super) fn write(_old: Unlocking, path: &Path, record: &Record) -> io::Result<Unlocking> {
    let dir = path.parent().unwrap_or(Path::new(""));
    // With this prefix the next build removes the file if this process is killed.
    let prefix = path.with_extension("new.").file_name().unwrap_or_default().to_owned();
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(dir)?;
    file.as_file().lock()?;
    file.write_all(&sealed::seal(record)?)?;
    Ok(Unlocking(file.persist(path).map_err(|error| error.error)?))
}

/// Overwrites the record: Windows cannot replace a file that is open and locked.
#[cfg(not(unix))]
pub(super) fn write(mut old: Unlocking, _path: &Path, record: &Record) -> io::Result<Unlocking> {
    let file = &mut old.0;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&sealed::seal(record)?)?;
    file.flush()?;
    Ok(old)
}
