//! Files that are written whole or not at all. Knows bytes.

use std::io::Write;
use std::path::Path;

use crate::error::Error;

/// Writes a file under another name in `staging`, which is on the same file system, and renames it.
pub(crate) fn write(path: &Path, staging: &Path, bytes: &[u8]) -> Result<(), Error> {
    let builder = tempfile::Builder::new();
    // For whoever may read the directory, as far as the user's umask goes; tempfile's own are private.
    #[cfg(unix)]
    let builder = {
        let mut builder = builder;
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        builder
    };
    let mut file = builder.tempfile_in(staging).map_err(Error::file("write", staging))?;
    file.write_all(bytes).map_err(Error::file("write", path))?;
    file.persist(path).map_err(|error| Error::file("write", path)(error.error))?;
    Ok(())
}
