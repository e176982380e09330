//! Checks the owner of a directory. The code in a cache or in `OUT/.mjit-cc` is run, so no other user may have written
//! to the directory. Knows
//! owners and modes, on systems that have them.

use std::fs;
use std::io;
use std::path::Path;

/// A directory that belongs to another user, or that other users may write to.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotOwn(String);

impl NotOwn {
    /// True if an error has this cause.
    #[must_use]
    pub fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }

    #[cfg_attr(not(unix), expect(dead_code, reason = "owners are what Unix has"))]
    fn error(words: impl Into<String>) -> io::Error {
        io::Error::new(io::ErrorKind::PermissionDenied, Self(words.into()))
    }
}

/// Creates a directory and its parents, without access for other users, independent of the umask. An existing directory is unchanged.
pub(crate) fn make_private(dir: &Path) -> io::Result<()> {
    let builder = &mut fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(builder, 0o700);
    builder.create(dir)
}

/// Fails unless a directory belongs to this user and no other user may write to it. A missing directory is accepted.
#[cfg(unix)]
pub(crate) fn check(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let found = match fs::metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let name = dir.display();
    if found.uid() != user() {
        return Err(NotOwn::error(format!(
            "{name} belongs to another user (number {}), and the code in it would be run: choose another directory",
            found.uid()
        )));
    }
    if found.mode() & 0o022 != 0 {
        return Err(NotOwn::error(format!(
            "{name} is writable by other users (mode {:o}), and the code in it would be run: remove the directory, or empty it and run chmod go-w",
            found.mode() & 0o7777
        )));
    }
    Ok(())
}

/// Other systems protect the directories of each user.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
pub(crate) fn check(_dir: &Path) -> io::Result<()> {
    Ok(())
}

/// Creates the directory `inner` in `outer` if it does not exist, and fails if a user may write to `inner` who could not replace it anyway:
/// the owner must be this user or `outer`'s owner, the group may write only if `outer`'s group may, and not everyone. Users of a common
/// group share an output directory in this way.
#[cfg(unix)]
pub(crate) fn make_within(outer: &Path, inner: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
    let around = fs::metadata(outer)?;
    // If everyone may write to the outer directory, its group is no reason to let the group write.
    let shared = around.mode() & 0o022 == 0o020;
    let wanted = if shared { 0o770 } else { 0o700 };
    match fs::DirBuilder::new().mode(wanted).create(inner) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    let found = fs::symlink_metadata(inner)?;
    if found.is_symlink() {
        return Err(NotOwn::error("is a symbolic link, which is not followed: remove the link"));
    }
    if !found.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    if found.uid() != user() && found.uid() != around.uid() {
        return Err(NotOwn::error(format!(
            "belongs to another user (number {}), and the code in it would be used: remove the directory, or choose another output directory",
            found.uid()
        )));
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o002 != 0 || mode & 0o020 != 0 && !shared {
        return Err(NotOwn::error(format!(
            "is writable by other users (mode {mode:o}), and the code in it would be used: remove the directory"
        )));
    }
    if found.uid() == user() && mode & !wanted & 0o777 != 0 {
        fs::set_permissions(inner, fs::Permissions::from_mode(mode & (0o7000 | wanted)))?;
    }
    Ok(())
}

/// Other systems protect the directories of each user.
#[cfg(not(unix))]
pub(crate) fn make_within(_outer: &Path, inner: &Path) -> io::Result<()> {
    fs::create_dir_all(inner)
}

#[cfg(unix)]
fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}
