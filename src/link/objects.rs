//! Objects, and the compiler's own library, as a linker in this process wants them: in memory, and looked at for what wild does not serve.
//! Links nothing.

use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolFlags, elf};
use rayon::prelude::*;

use super::NotLinked;
use super::buffer::Buffer;

/// As an allocator would place them.
const ALIGN: usize = 16;

/// What the compiler calls by itself: an archive, and the names in it.
#[derive(Debug)]
pub(super) struct Runtime {
    archive: PathBuf,
    names: Vec<String>,
}

/// One of several files that are in memory side by side.
#[derive(Clone, Debug)]
pub(super) struct Text {
    all: Arc<Buffer>,
    place: Range<usize>,
}

/// Objects as they are in memory, and what of them only other parts of a library can give.
#[derive(Debug)]
pub(super) struct Objects {
    pub(super) texts: Vec<Text>,
    /// Names that are reserved for the compiler and its library, and that an object leaves open.
    reserved: Vec<String>,
    /// Names that no other library may define, and that an object leaves open.
    hidden: Vec<String>,
}

/// The names that one object leaves open.
#[derive(Default)]
struct Open {
    reserved: Vec<String>,
    hidden: Vec<String>,
}

impl Runtime {
    /// Reads which names an archive defines, from its own table.
    pub(super) fn read(archive: &Path) -> Option<Self> {
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

    /// The archive itself, where objects want something of it.
    pub(super) fn wanted_by(&self, objects: &Objects) -> Result<Option<Text>, NotLinked> {
        let has = |name: &String| self.names.binary_search(name).is_ok();
        let wanted = objects.reserved.iter().any(has);
        let read = || Ok(read_together(std::slice::from_ref(&self.archive))?.remove(0));
        wanted.then(read).transpose()
    }
}

impl Text {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.all[self.place.clone()]
    }
}

impl Objects {
    /// Reads objects, on the threads of rayon's that this is called on, and refuses those that mean more than an ELF linker knows.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, NotLinked> {
        let texts = read_together(paths)?;
        let open: Vec<Open> = texts.par_iter().map(|text| look_at(text.bytes())).collect::<Result<_, NotLinked>>()?;
        let mut objects = Self { texts, reserved: Vec::new(), hidden: Vec::new() };
        for open in open {
            objects.reserved.extend(open.reserved);
            objects.hidden.extend(open.hidden);
        }
        if !objects.define_the_hidden() {
            // wild would make it null.
            return Err(NotLinked::Unserved("a hidden symbol is not defined"));
        }
        objects.reserved.sort_unstable();
        objects.reserved.dedup();
        Ok(objects)
    }

    /// Whether anything may be in the compiler's own library.
    pub(super) fn may_want_runtime(&self) -> bool {
        !self.reserved.is_empty()
    }

    fn define_the_hidden(&self) -> bool {
        let defines = |text: &Text, name: &str| {
            let file = object::File::parse(text.bytes()).ok();
            file.is_some_and(|file| file.symbols().any(|one| one.is_definition() && one.name() == Ok(name)))
        };
        self.hidden.iter().all(|name| self.texts.iter().any(|text| defines(text, name)))
    }
}

/// Reads files, on the threads of rayon's that this is called on.
fn read_together(paths: &[PathBuf]) -> io::Result<Vec<Text>> {
    let size = |path: &PathBuf| usize::try_from(fs::metadata(path)?.len()).map_err(io::Error::other);
    let sizes: Vec<usize> = paths.par_iter().map(size).collect::<io::Result<_>>()?;
    let mut end = 0;
    let place = |size: usize| {
        let start = end;
        end += size.next_multiple_of(ALIGN);
        start..start + size
    };
    let places: Vec<Range<usize>> = sizes.into_iter().map(place).collect();
    let mut all = Buffer::zeroed(end);
    let mut rest = &mut *all;
    let mut slots = Vec::with_capacity(places.len());
    for place in &places {
        let (slot, behind) = std::mem::take(&mut rest).split_at_mut(place.len().next_multiple_of(ALIGN));
        slots.push(&mut slot[..place.len()]);
        rest = behind;
    }
    // One that got shorter meanwhile is an error.
    slots.into_par_iter().zip(paths).try_for_each(|(slot, path)| File::open(path)?.read_exact(slot))?;
    let all = Arc::new(all);
    Ok(places.into_iter().map(|place| Text { all: Arc::clone(&all), place }).collect())
}

fn look_at(text: &[u8]) -> Result<Open, NotLinked> {
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
    let mut open = Open::default();
    for symbol in file.symbols().filter(|symbol| symbol.is_undefined()) {
        let Ok(name) = symbol.name() else { continue };
        if name.starts_with("__") {
            open.reserved.push(name.to_owned());
        }
        let shut =
            matches!(symbol.flags(), SymbolFlags::Elf { st_other, .. } if st_other.visibility() != elf::STV_DEFAULT);
        if shut && !symbol.is_weak() {
            open.hidden.push(name.to_owned());
        }
    }
    Ok(open)
}
