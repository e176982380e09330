//! Files that are written whole or not at all, with errors that name them. Knows bytes.

use std::path::Path;

use crate::error::Error;
use crate::files;

/// Writes a file under another name in `staging`, which is on the same file system, and renames it.
pub(crate) fn write(path: &Path, staging: &Path, bytes: &[u8]) -> Result<(), Error> {
    files::write_by(path, staging, bytes).map(drop).map_err(Error::file("write", path))
}
