//! Whose a directory is. What lies in a cache or in `OUT/.mjit-cc` is used and run, so that no other user may have put anything there. Knows owners
//! and modes, where the system has them.

use std::fs;
use std::io;
use std::path::Path;

/// A directory that is another user's, or that other users may write to.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotOwn(String);

impl NotOwn {
    /// Whether an error says so.
    #[must_use]
    pub fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|inner| inner.is::<Self>())
    }

    #[cfg_attr(not(unix), expect(dead_code, reason = "owners are what Unix has"))]
    fn error(words: impl Into<String>) -> io::Error {
        io::Error::new(io::ErrorKind::PermissionDenied, Self(words.into()))
    }
}

/// Makes a directory, with those above, that no other user may look into, whatever the umask says. One that is there stays as it is.
pub(crate) fn make_private(dir: &Path) -> io::Result<()> {
    let builder = &mut fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(builder, 0o700);
    builder.create(dir)
}

/// Insists that a directory is this user's and that no other user may write to it. One that is not there is nobody's.
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
            "{name} belongs to another user (number {}), and what is in it would be run; name a directory of your own",
            found.uid()
        )));
    }
    if found.mode() & 0o022 != 0 {
        return Err(NotOwn::error(format!(
            "{name} may be written to by other users (mode {:o}), and what is in it would be run; remove it, or clear it and chmod go-w",
            found.mode() & 0o7777
        )));
    }
    Ok(())
}

/// Other systems give a user's directories to the user alone.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on Unix")]
pub(crate) fn check(_dir: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes the directory `inner` in `outer` where it is not there, and insists that only users may write to it who may exchange it anyway: its owner
/// is this user or `outer`'s, and its group may write only where `outer`'s may, and not all. Users with a common group build in one directory like this.
#[cfg(unix)]
pub(crate) fn make_within(outer: &Path, inner: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
    let around = fs::metadata(outer)?;
    // Where all may write, a group of this user's is no reason to let it write too.
    let shared = around.mode() & 0o022 == 0o020;
    let wanted = if shared { 0o770 } else { 0o700 };
    match fs::DirBuilder::new().mode(wanted).create(inner) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    let found = fs::symlink_metadata(inner)?;
    if found.is_symlink() {
        return Err(NotOwn::error("is a symbolic link, which is not followed: remove it"));
    }
    if !found.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    if found.uid() != user() && found.uid() != around.uid() {
        return Err(NotOwn::error(format!(
            "belongs to another user (number {}), and what is in it would be used; remove it, or choose another output directory",
            found.uid()
        )));
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o002 != 0 || mode & 0o020 != 0 && !shared {
        return Err(NotOwn::error(format!(
            "may be written to by other users (mode {mode:o}), and what is in it would be used; remove it"
        )));
    }
    if found.uid() == user() && mode & !wanted & 0o777 != 0 {
        fs::set_permissions(inner, fs::Permissions::from_mode(mode & (0o7000 | wanted)))?;
    }
    Ok(())
}

/// Other systems give a user's directories to the user alone.
#[cfg(not(unix))]
pub(crate) fn make_within(_outer: &Path, inner: &Path) -> io::Result<()> {
    fs::create_dir_all(inner)
}

#[cfg(unix)]
fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}
