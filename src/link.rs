//! Linking inside this process, where that serves: objects to a library in memory. Knows no driver and starts no process; what it
//! cannot do it says, and somebody else's linker does it.

#[cfg(all(feature = "wild", target_os = "linux", not(loom)))]
#[path = "link/wild.rs"]
mod linker;
#[cfg(not(all(feature = "wild", target_os = "linux", not(loom))))]
#[path = "link/none.rs"]
mod linker;

#[cfg(all(feature = "wild", target_os = "linux", not(loom)))]
mod segments;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{fs, io};

use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolFlags, elf};

pub(crate) use linker::Wild;

/// What the compiler calls by itself: an archive, and the names in it.
#[derive(Debug)]
pub(crate) struct Runtime {
    archive: PathBuf,
    names: Vec<String>,
}

/// Objects as they are in memory, and whether any of them calls what only the compiler's own library may have.
#[derive(Debug)]
pub(crate) struct Objects {
    texts: Vec<Vec<u8>>,
    /// Names that are reserved for the compiler and its library, and that no object defines.
    reserved: Vec<String>,
    /// Names that no other library may define, and that an object leaves open.
    hidden: Vec<String>,
}

/// Why a library was not linked in this process.
#[derive(Debug)]
pub(crate) enum NotLinked {
    /// It is not there, or an object is none that it links.
    Unserved(&'static str),
    /// It said no, or panicked.
    Refused(String),
    /// A file could not be read.
    Io(io::Error),
}

impl fmt::Display for NotLinked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unserved(why) => f.write_str(why),
            Self::Refused(text) => f.write_str(text),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for NotLinked {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Runtime {
    /// Reads which names an archive defines, from its own table.
    fn read(archive: &Path) -> Option<Self> {
        let bytes = fs::read(archive).ok()?;
        let file = object::read::archive::ArchiveFile::parse(&*bytes).ok()?;
        let symbols = file.symbols().ok()??;
        let name = |symbol: object::Result<object::read::archive::ArchiveSymbol<'_>>| {
            Some(String::from_utf8_lossy(symbol.ok()?.name()).into_owned())
        };
        let mut names: Vec<String> = symbols.filter_map(name).collect();
        names.sort_unstable();
        Some(Self { archive: archive.to_owned(), names })
    }

    fn has(&self, name: &str) -> bool {
        self.names.binary_search_by(|one| one.as_str().cmp(name)).is_ok()
    }
}

impl Objects {
    /// Reads objects, and refuses those that mean more than an ELF linker knows.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self, NotLinked> {
        let mut objects = Self { texts: Vec::with_capacity(paths.len()), reserved: Vec::new(), hidden: Vec::new() };
        for path in paths {
            let text = fs::read(path)?;
            objects.look_at(&text)?;
            objects.texts.push(text);
        }
        if !objects.define_the_hidden() {
            // wild would make it null.
            return Err(NotLinked::Unserved("a hidden symbol is not defined"));
        }
        objects.reserved.sort_unstable();
        objects.reserved.dedup();
        Ok(objects)
    }

    fn look_at(&mut self, text: &[u8]) -> Result<(), NotLinked> {
        let file = object::File::parse(text).map_err(|error| NotLinked::Refused(error.to_string()))?;
        for section in file.sections() {
            let name = section.name().unwrap_or_default();
            if name.starts_with(".gnu.lto_") {
                return Err(NotLinked::Unserved("an object holds what gcc's link-time optimiser wants"));
            }
            let runs =
                matches!(section.flags(), SectionFlags::Elf { sh_flags, .. } if sh_flags.contains(elf::SHF_EXECINSTR));
            if name == ".note.GNU-stack" && runs {
                return Err(NotLinked::Unserved("an object wants a stack that can be executed"));
            }
        }
        for symbol in file.symbols().filter(|symbol| symbol.is_undefined()) {
            let Ok(name) = symbol.name() else { continue };
            if name.starts_with("__") {
                self.reserved.push(name.to_owned());
            }
            let shut = matches!(symbol.flags(), SymbolFlags::Elf { st_other, .. } if st_other.visibility() != elf::STV_DEFAULT);
            if shut && !symbol.is_weak() {
                self.hidden.push(name.to_owned());
            }
        }
        Ok(())
    }

    fn define_the_hidden(&self) -> bool {
        let defines = |text: &Vec<u8>, name: &str| {
            let file = object::File::parse(&**text).ok();
            file.is_some_and(|file| file.symbols().any(|one| one.is_definition() && one.name() == Ok(name)))
        };
        self.hidden.iter().all(|name| self.texts.iter().any(|text| defines(text, name)))
    }
}

/// The linker of one pipeline. Shared by threads, each of which links by itself.
#[derive(Debug, Default)]
pub(crate) struct InProcess {
    wild: Wild,
    runtime: OnceLock<Option<Runtime>>,
}

impl InProcess {
    /// Links objects into a library, told by `words` what kind. `find_runtime` names the compiler's own library; it is asked once, and only
    /// when something may be in there.
    pub(crate) fn link(
        &self,
        words: &[&str],
        objects: Objects,
        threads: usize,
        find_runtime: impl FnOnce() -> Option<PathBuf>,
    ) -> Result<Vec<u8>, NotLinked> {
        let Objects { texts, reserved, .. } = objects;
        let mut archive = None;
        if !reserved.is_empty() {
            let runtime = self.runtime.get_or_init(|| Runtime::read(&find_runtime()?));
            let wanted = runtime.as_ref().filter(|runtime| reserved.iter().any(|name| runtime.has(name)));
            archive = wanted.map(|runtime| fs::read(&runtime.archive)).transpose()?;
        }
        self.wild.link(words, texts, archive, threads)
    }
}
