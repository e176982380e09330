//! Symbol names for `perf`: a line for each loaded function in `/tmp/perf-PID.map` (the kernel's
//! `tools/perf/Documentation/jit-interface.txt`).
//! Knows libraries as bytes and as loaded code, not their origin. Does nothing on systems other than Linux.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};

use object::{Object, ObjectSymbol, SymbolKind};

use crate::library::{Library, LoadError};
use crate::sync::{Mutex, lock};

/// The map of this process; after a fork the child opens its own.
#[derive(Debug, Default)]
pub(crate) struct PerfMap {
    file: Mutex<Option<(u32, File)>>,
    /// Display names of entry symbols, until the entries are loaded.
    names: Mutex<HashMap<String, String>>,
}

/// A function in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
struct MappedFunction {
    start: u64,
    size: u64,
    symbol: String,
}

impl PerfMap {
    /// Sets the display name of the function that will be loaded under this symbol.
    pub(crate) fn name(&self, symbol: &str, name: String) {
        lock(&self.names).insert(symbol.to_owned(), name);
    }

    /// Removes the display name of a function that will not be loaded.
    pub(crate) fn forget(&self, symbol: &str) {
        lock(&self.names).remove(symbol);
    }

    /// Writes the functions of a library that was just loaded from these bytes. `entry` is one of its symbols. perf
    /// uses the map for code in
    /// anonymous memory only, so that the code is copied out of its file mapping.
    ///
    /// # Errors
    /// [`LoadError`] if the code cannot be executed any more. A missing map is no error: perf is a convenience.
    pub(crate) fn add(&self, library: &Library, image: &[u8], entry: &str) -> Result<(), LoadError> {
        let address = library.address(entry)?.as_ptr() as u64;
        library.copy_out_of_file(entry)?;
        let functions = functions(image, entry, address).unwrap_or_default();
        let mut names = lock(&self.names);
        let line = |MappedFunction { start, size, symbol }: MappedFunction| match names.remove(&symbol) {
            Some(name) => format!("{start:x} {size:x} {}\n", one_line(&name)),
            None => format!("{start:x} {size:x} {}\n", one_line(&symbol)),
        };
        let lines: String = functions.into_iter().map(line).collect();
        let _ = self.append(&lines);
        Ok(())
    }

    /// Appends in one write, since other writers may exist: a VM may have another compiler.
    fn append(&self, lines: &str) -> io::Result<()> {
        let process = std::process::id();
        let mut file = lock(&self.file);
        if file.as_ref().is_none_or(|(owner, _)| *owner != process) {
            *file = Some((process, open(process)?));
        }
        file.as_mut().map_or(Ok(()), |(_, file)| file.write_all(lines.as_bytes()))
    }
}

/// Opens the map safely: any user may have created a link, a FIFO or a file of this name.
#[cfg(target_os = "linux")]
fn open(process: u32) -> io::Result<File> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(flags.bits().cast_signed())
        .open(format!("/tmp/perf-{process}.map"))?;
    let found = file.metadata()?;
    let own = found.is_file() && found.nlink() == 1 && found.uid() == rustix::process::geteuid().as_raw();
    if own { Ok(file) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

#[cfg(not(target_os = "linux"))]
fn open(_process: u32) -> io::Result<File> {
    OpenOptions::new().open("")
}

/// Returns the functions of a library, whose distances in memory and in the file are equal.
fn functions(image: &[u8], entry: &str, address: u64) -> Option<Vec<MappedFunction>> {
    let file = object::File::parse(image).ok()?;
    let all = || file.symbols().chain(file.dynamic_symbols()).filter(|symbol| symbol.is_definition());
    let base = address.checked_sub(all().find(|symbol| symbol.name() == Ok(entry))?.address())?;
    let mut functions: Vec<MappedFunction> = all()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0)
        .filter_map(|symbol| {
            let start = base.checked_add(symbol.address())?;
            Some(MappedFunction { start, size: symbol.size(), symbol: symbol.name().ok()?.to_owned() })
        })
        .collect();
    functions.sort_unstable_by(|a, b| (a.start, &a.symbol).cmp(&(b.start, &b.symbol)));
    functions.dedup();
    Some(functions)
}

/// Cuts a name at its first line end.
fn one_line(name: &str) -> String {
    name.replace(['\n', '\r'], " ")
}
