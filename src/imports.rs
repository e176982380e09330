//! Checks that a file is the import library of a host, in Microsoft's or MinGW's form, for a Windows linker. Reads; links nothing.

use std::io;
use std::path::{Path, PathBuf};

use mjit_cc_platforms::{Arch, Target};
use object::read::archive::ArchiveFile;
use object::read::coff::ImportFile;
use object::{Architecture, FileKind, Object, ObjectSection};

use crate::files;

/// Why a file is not usable as the host's import library.
#[derive(Debug, thiserror::Error)]
pub enum ImportLibraryError {
    /// The file cannot be read.
    #[error("the host's import library {} cannot be read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is the host itself, an .exe or a .dll.
    #[error(
        "{} is the program itself, not its import library: create one by linking the program with -Wl,--out-implib,FILE (MinGW) or -IMPLIB:FILE \
         (Microsoft)",
        .0.display()
    )]
    Image(PathBuf),
    /// The file is no archive, or a damaged archive.
    #[error("{} is not an import library", .0.display())]
    NoArchive(PathBuf),
    /// The archive contains code and no imports.
    #[error("{} contains no imports: pass a static library with --ldflag", .0.display())]
    NoImports(PathBuf),
    /// The import library's host runs on another processor.
    #[error("the import library {} is not for {target}", path.display())]
    OtherProcessor {
        /// The file.
        path: PathBuf,
        /// The expected target.
        target: Target,
    },
}

/// Checks that `path` is an import library for `target`.
///
/// # Errors
/// [`ImportLibraryError`] if the file is not. The two forms: Microsoft's "PE Format", "Import Library Format"; dlltool's
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
            Some(processor) if matches_target(processor, target) => return Ok(()),
            Some(_) => {
                return Err(ImportLibraryError::OtherProcessor { path: path.to_owned(), target: target.clone() });
            }
            None => {}
        }
    }
    Err(ImportLibraryError::NoImports(path.to_owned()))
}

/// Returns the processor of a member that imports a symbol: in Microsoft's short form, or in MinGW's form, an object with a part of the
/// import table.
fn imports_for(member: &[u8]) -> Option<Architecture> {
    if let Ok(import) = ImportFile::parse(member) {
        return Some(import.architecture());
    }
    let file = object::File::parse(member).ok()?;
    let imports = file.sections().any(|section| section.name().is_ok_and(|name| name.starts_with(".idata$")));
    imports.then(|| file.architecture())
}

fn matches_target(processor: Architecture, target: &Target) -> bool {
    match target.arch {
        Arch::X86 => processor == Architecture::I386,
        Arch::X86_64 => processor == Architecture::X86_64,
        Arch::Aarch64 => processor == Architecture::Aarch64,
        _ => true,
    }
}
