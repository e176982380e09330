//! The inputs that the compiler's driver adds to a library's objects, as far as an object needs them: the compiler's
//! library, the versions of
//! the C library's symbols, and the functions in the C library's static part. Links nothing.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use mjit_cc_platforms::LinkLine;

use super::objects::{FileBytes, read_all};
use super::{NotLinked, script, stub};
use crate::files;
use crate::machine::unless_at_fault;

/// The first bytes of a library that is not a linker script.
const ELF: &[u8] = b"\x7fELF";

/// The possible additional inputs.
#[derive(Debug, Default)]
pub(super) struct System {
    /// The library of functions that the compiler calls.
    compiler: Option<Archive>,
    /// The replacement of the C library, with the symbols that need a version.
    library: Option<(FileBytes, Vec<String>)>,
    /// The symbols that only the static part of the C library defines.
    statics: Option<Archive>,
    start: Vec<PathBuf>,
    end: Vec<PathBuf>,
}

/// An archive, and the symbols in it.
#[derive(Debug)]
struct Archive {
    path: PathBuf,
    names: Vec<String>,
}

/// The inputs before and after the objects of one library.
#[derive(Debug, Default)]
pub(super) struct Added {
    pub(super) before: Vec<FileBytes>,
    pub(super) behind: Vec<FileBytes>,
}

impl System {
    /// Reads the files of a compiler's link line.
    pub(super) fn read(line: &LinkLine) -> io::Result<Self> {
        let find = |name: &str| line.dirs.iter().map(|dir| dir.join(name)).find(|path| path.is_file());
        let named = line.archives.iter().find(|path| path.ends_with("libgcc.a")).cloned();
        let mut system = Self {
            compiler: named.or_else(|| find("libgcc.a")).map(Archive::read).transpose()?.flatten(),
            start: line.start.clone(),
            end: line.end.clone(),
            ..Self::default()
        };
        for path in find("libc.so").map(|path| library_files(&path, line)).transpose()?.unwrap_or_default() {
            if path.extension().is_some_and(|suffix| suffix == "a") {
                if system.statics.is_none() {
                    system.statics = Archive::read(path)?;
                }
            } else if system.library.is_none() {
                let stub = unless_at_fault(files::read(&path))?.and_then(|bytes| stub::read(&bytes));
                system.library = stub.map(|stub| (FileBytes::new(stub.image), stub.names));
            }
        }
        Ok(system)
    }

    /// Returns the inputs that a library with these undefined symbols needs.
    pub(super) fn needed_inputs(&self, open: &[String]) -> Result<Added, NotLinked> {
        let mut added = Added::default();
        let reserved = |name: &str| name.starts_with("__");
        if let Some(archive) = self.compiler.as_ref().filter(|archive| archive.has_any(open, reserved)) {
            added.behind.extend(read_all(std::slice::from_ref(&archive.path))?);
        }
        if let Some((library, _)) = self.library.as_ref().filter(|(_, names)| contains_any(open, names, |_| true)) {
            added.behind.push(library.clone());
        }
        if let Some(archive) = self.statics.as_ref().filter(|archive| archive.has_any(open, |_| true)) {
            // The start-up files undo the registrations of these functions when the library is unloaded.
            added.before.extend(read_all(&self.start)?);
            added.behind.extend(read_all(std::slice::from_ref(&archive.path))?);
            added.behind.extend(read_all(&self.end)?);
        }
        Ok(added)
    }
}

impl Archive {
    /// Reads the symbols of an archive from its symbol table.
    fn read(path: PathBuf) -> io::Result<Option<Self>> {
        Ok(unless_at_fault(files::read(&path))?.and_then(|bytes| Self::parse(path, &bytes)))
    }

    fn parse(path: PathBuf, bytes: &[u8]) -> Option<Self> {
        let file = object::read::archive::ArchiveFile::parse(bytes).ok()?;
        let symbols = file.symbols().ok()??;
        let name = |symbol: object::Result<object::read::archive::ArchiveSymbol<'_>>| {
            Some(String::from_utf8_lossy(symbol.ok()?.name()).into_owned())
        };
        let mut names: Vec<String> = symbols.filter_map(name).collect();
        names.sort_unstable();
        Some(Self { path, names })
    }

    fn has_any(&self, open: &[String], counts: impl Fn(&str) -> bool) -> bool {
        contains_any(open, &self.names, counts)
    }
}

fn contains_any(open: &[String], sorted: &[String], counts: impl Fn(&str) -> bool) -> bool {
    open.iter().any(|name| counts(name) && sorted.binary_search(name).is_ok())
}

/// Returns the files of a library: the library itself, or the files that it names as a linker script.
fn library_files(path: &Path, line: &LinkLine) -> io::Result<Vec<PathBuf>> {
    let mut begin = [0; ELF.len()];
    let read = files::open(path).and_then(|mut file| file.read_exact(&mut begin));
    if unless_at_fault(read)?.is_some() && begin == ELF {
        return Ok(vec![path.to_owned()]);
    }
    let text = unless_at_fault(files::read_to_string(path))?;
    let named = text.and_then(|text| script::inputs(&text)).unwrap_or_default();
    Ok(named.iter().filter_map(|file| script_path(file, path, line)).collect())
}

/// Returns the path of a file that a script names (ld's manual, "Commands Dealing with Files").
fn script_path(file: &str, script: &Path, line: &LinkLine) -> Option<PathBuf> {
    let sysroot = line.sysroot.as_deref();
    let within = |rest: &str| Some(sysroot?.join(rest.trim_start_matches('/')));
    if let Some(rest) = file.strip_prefix('=').or_else(|| file.strip_prefix("$SYSROOT")) {
        return within(rest).or_else(|| Some(rest.into()));
    }
    if file.starts_with('/') {
        let moved = within(file).filter(|path| sysroot.is_some_and(|root| script.starts_with(root)) && path.is_file());
        return Some(moved.unwrap_or_else(|| file.into()));
    }
    line.dirs.iter().map(|dir| dir.join(file)).find(|path| path.is_file())
}
