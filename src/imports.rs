//! Whether a file is what a Windows linker takes a host's symbols from: an import library, Microsoft's or MinGW's. Reads; links
//! nothing.

use std::io;
use std::path::{Path, PathBuf};

use mjit_cc_platforms::{Arch, Target};
use object::read::archive::ArchiveFile;
use object::read::coff::ImportFile;
use object::{Architecture, FileKind, Object, ObjectSection};

use crate::files;

/// A file that was named as the host's import library and is none.
#[derive(Debug, thiserror::Error)]
pub enum ImportLibraryError {
    /// It cannot be read.
    #[error("the host's import library {} cannot be read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is the host itself, an .exe or a .dll.
    #[error(
        "{} is the program itself: its import library is made with it by -Wl,--out-implib,FILE (MinGW) or -IMPLIB:FILE \
         (Microsoft)",
        .0.display()
    )]
    Image(PathBuf),
    /// It is no archive, or a damaged one.
    #[error("{} is no import library", .0.display())]
    NoArchive(PathBuf),
    /// It is an archive with code and not with imports.
    #[error("{} imports nothing: a static library is named by --ldflag", .0.display())]
    NoImports(PathBuf),
    /// Its host runs on another processor.
    #[error("the import library {} is not for {target}", path.display())]
    OtherProcessor {
        /// The file.
        path: PathBuf,
        /// What it should be for.
        target: Target,
    },
}

/// Says whether `path` is an import library for `target`.
///
/// # Errors
/// [`ImportLibraryError`] when it is not. How the two kinds look: Microsoft's "PE Format", "Import Library Format"; dlltool's
/// manual page.
pub fn check_import_library(path: &Path, target: &Target) -> Result<(), ImportLibraryError> {
    let bytes = files::read(path).map_err(|source| ImportLibraryError::Io { path: path.to_owned(), source })?;
    if matches!(FileKind::parse(&*bytes), Ok(FileKind::Pe32 | FileKind::Pe64)) {
        return Err(ImportLibraryError::Image(path.to_owned()));
    }
    let damaged = |_: object::Error| ImportLibraryError::NoArchive(path.to_owned());
    let archive = ArchiveFile::parse(&*bytes).map_err(damaged)?;
    for member in archive.members() {
        let data = member.and_then(|member| member.data(&*bytes)).map_err(damaged)?;
        match imports_for(data) {
            Some(processor) if is(processor, target) => return Ok(()),
            Some(_) => {
                return Err(ImportLibraryError::OtherProcessor { path: path.to_owned(), target: target.clone() });
            }
            None => {}
        }
    }
    Err(ImportLibraryError::NoImports(path.to_owned()))
}

/// The processor of a member that imports something: in Microsoft's short form, or in MinGW's, an object with a part of the import
/// table.
fn imports_for(member: &[u8]) -> Option<Architecture> {
    if let Ok(import) = ImportFile::parse(member) {
        return Some(import.architecture());
    }
    let file = object::File::parse(member).ok()?;
    let imports = file.sections().any(|section| section.name().is_ok_and(|name| name.starts_with(".idata$")));
    imports.then(|| file.architecture())
}

fn is(processor: Architecture, target: &Target) -> bool {
    match target.arch {
        Arch::X86 => processor == Architecture::I386,
        Arch::X86_64 => processor == Architecture::X86_64,
        Arch::Aarch64 => processor == Architecture::Aarch64,
        _ => true,
    }
}
