//! Reads the symbols that an object or a library defines. Loads and runs nothing.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use mjit_cc_platforms::Target;
use object::read::NameOrOrdinal;
use object::{BinaryFormat, ComdatKind, Object, ObjectComdat, ObjectSymbol, SymbolIndex, SymbolScope};

use crate::files;

/// The first bytes of clang's output under `-flto` (LLVM's "Bitcode File Format").
const LLVM_BITCODE: &[u8] = b"BC\xc0\xde";

/// Why a compiler's output could not be parsed as object code.
#[derive(Debug, thiserror::Error)]
pub enum SymbolsError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is no object file, or a damaged one.
    #[error("{} is not a complete object file: {source}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        source: object::Error,
    },
}

/// The external C symbols that an object defines, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defined {
    /// All symbols.
    pub names: Vec<String>,
    /// The weak and common symbols among them, which another object may define too.
    pub shared: Vec<String>,
}

/// Returns the external symbols of an object. Empty for an object that contains a compiler's own code (`-flto`).
///
/// # Errors
/// [`SymbolsError`] if the file cannot be parsed as an object.
pub fn defined_by_object(path: &Path, target: &Target) -> Result<Defined, SymbolsError> {
    let mut shared = Vec::new();
    let names = read(path, |file| {
        // COFF has no hidden symbols; elsewhere a hidden symbol is visible to the linker only.
        let visible = |scope| match scope {
            SymbolScope::Dynamic => true,
            SymbolScope::Linkage => file.format() == BinaryFormat::Coff,
            _ => false,
        };
        // COFF's COMDAT sections, of which the linker keeps one.
        let merged: HashSet<SymbolIndex> = match file.format() {
            BinaryFormat::Coff => file.comdats().filter(is_merged).map(|comdat| comdat.symbol()).collect(),
            _ => HashSet::new(),
        };
        let mut names = Vec::new();
        for symbol in file.symbols().filter(|symbol| !symbol.is_undefined() && visible(symbol.scope())) {
            let Ok(name) = symbol.name() else { continue };
            let merged = merged.contains(&symbol.index());
            // Constants that compilers pool have names that are not valid in C: __real@…, ??_C@…, MinGW's .refptr.….
            if merged && name.contains(['@', '?', '.']) {
                continue;
            }
            names.push(name.to_owned());
            if merged || symbol.is_weak() || symbol.is_common() {
                shared.push(name.to_owned());
            }
        }
        Ok(names)
    })?;
    Ok(Defined { names: c_names(names, target), shared: c_names(shared, target) })
}

fn is_merged(comdat: &object::Comdat<'_, '_>) -> bool {
    !matches!(comdat.kind(), ComdatKind::NoDuplicates | ComdatKind::Unknown)
}

/// Returns the exported C symbols of a library, sorted.
///
/// # Errors
/// [`SymbolsError`] if the file cannot be parsed as a library.
pub fn exported_by_library(path: &Path, target: &Target) -> Result<Vec<String>, SymbolsError> {
    read(path, |file| {
        let mut names = Vec::new();
        for export in file.exports()? {
            if let NameOrOrdinal::Name(name) = export?.name() {
                names.push(String::from_utf8_lossy(name).into_owned());
            }
        }
        // PE's export table contains the C names: the linker removes the prefix.
        Ok(if file.format() == BinaryFormat::Pe { sorted(names) } else { c_names(names, target) })
    })
}

/// Returns a library's undefined symbols, which must be defined when the library is loaded, and the libraries that are loaded with it.
/// Empty for formats other than ELF.
pub(crate) fn undefined_in_library(path: &Path) -> Result<(Vec<String>, Vec<String>), SymbolsError> {
    let bytes = files::read(path).map_err(|source| SymbolsError::Io { path: path.to_owned(), source })?;
    let damaged = |source| SymbolsError::Damaged { path: path.to_owned(), source };
    let file = object::File::parse(&*bytes).map_err(damaged)?;
    if file.format() != BinaryFormat::Elf {
        return Ok((Vec::new(), Vec::new()));
    }
    let open = file.dynamic_symbols().filter(|symbol| symbol.is_undefined() && !symbol.is_weak());
    let open = open.filter_map(|symbol| symbol.name().ok().map(str::to_owned)).collect();
    let imported = file.import_libraries().map_err(damaged)?;
    let mut needed = Vec::new();
    for library in imported {
        needed.push(String::from_utf8_lossy(library.map_err(damaged)?.name()).into_owned());
    }
    Ok((open, needed))
}

/// True if a compiler finished writing this file, as far as the format shows: the tables of an ELF file are at its end. The format of a
/// precompiled header is unknown; a PCH is proven by using it.
pub(crate) fn is_whole(path: &Path) -> bool {
    let Ok(bytes) = files::read(path) else { return false };
    let is_object = object::FileKind::parse(&*bytes).is_ok();
    !bytes.is_empty() && (!is_object || object::File::parse(&*bytes).is_ok())
}

/// True if a file is a complete ELF file with a section of this name, whose tables were written last.
pub(crate) fn is_whole_with(path: &Path, section: &str) -> bool {
    let Ok(bytes) = files::read(path) else { return false };
    object::File::parse(&*bytes)
        .is_ok_and(|file| file.format() == BinaryFormat::Elf && file.section_by_name(section).is_some())
}

fn read(
    path: &Path,
    names: impl FnOnce(&object::File<'_>) -> object::Result<Vec<String>>,
) -> Result<Vec<String>, SymbolsError> {
    let bytes = files::read(path).map_err(|source| SymbolsError::Io { path: path.to_owned(), source })?;
    let damaged = |source| SymbolsError::Damaged { path: path.to_owned(), source };
    if bytes.starts_with(LLVM_BITCODE) {
        return Ok(Vec::new());
    }
    names(&object::File::parse(&*bytes).map_err(damaged)?).map_err(damaged)
}

fn c_names(names: Vec<String>, target: &Target) -> Vec<String> {
    let prefix = target.symbol_prefix();
    sorted(names.into_iter().map(|name| name.strip_prefix(prefix).unwrap_or(&name).to_owned()).collect())
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names.dedup();
    names
}
