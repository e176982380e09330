//! Reads objects into memory for the linker in this process, and refuses objects that wild does not support. Links nothing.

use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SymbolFlags, elf};
use rayon::prelude::*;

use super::NotLinked;
use super::buffer::Buffer;
use super::sound;

/// The alignment of an allocator.
const ALIGN: usize = 16;

/// Prefixes of symbols in libgcc_s, which objects use if the compiler was called with `-fexceptions`.
const UNWINDER: [&str; 2] = ["_Unwind_", "__gcc_personality_"];

/// One of several files in one buffer.
#[derive(Clone, Debug)]
pub(super) struct FileBytes {
    all: Arc<Buffer>,
    place: Range<usize>,
}

/// Objects in memory, with the symbols that other parts of the library must define.
#[derive(Debug)]
pub(super) struct Objects {
    pub(super) texts: Vec<FileBytes>,
    /// Undefined symbols, sorted.
    open: Vec<String>,
    /// Undefined hidden symbols, which no other library may define.
    hidden: Vec<String>,
    /// Undefined weak symbols, one list per object.
    weak: Vec<String>,
}

/// The undefined symbols of one object.
#[derive(Default)]
struct UndefinedSymbols {
    all: Vec<String>,
    hidden: Vec<String>,
    weak: Vec<String>,
}

impl FileBytes {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        let place = 0..bytes.len();
        Self { all: Arc::new(bytes.into()), place }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.all[self.place.clone()]
    }
}

impl Objects {
    /// Reads objects on the current rayon threads, and refuses objects that need more than an ELF linker.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, NotLinked> {
        let texts = read_all(paths)?;
        let open: Vec<UndefinedSymbols> =
            texts.par_iter().map(|text| inspect(text.bytes())).collect::<Result<_, NotLinked>>()?;
        let mut objects = Self { texts, open: Vec::new(), hidden: Vec::new(), weak: Vec::new() };
        for open in open {
            objects.open.extend(open.all);
            objects.hidden.extend(open.hidden);
            objects.weak.extend(open.weak);
        }
        if !objects.hidden.iter().all(|name| objects.defines(name)) {
            // wild would set its address to null.
            return Err(NotLinked::Unserved("no object defines a hidden symbol"));
        }
        objects.open.sort_unstable();
        objects.weak.sort_unstable();
        if objects.has_binding_conflict() {
            // wild uses the binding of the last object, other linkers the strictest: a required function would be null.
            return Err(NotLinked::Unserved("a symbol is weak in one object and required in another"));
        }
        objects.open.dedup();
        Ok(objects)
    }

    /// Returns the symbols that other parts of the library, or the loading program, must define. Sorted.
    pub(super) fn open(&self) -> &[String] {
        &self.open
    }

    /// True if an undefined symbol is weak in one object and strong in another. Each object lists an undefined symbol
    /// once; the lists are sorted.
    fn has_binding_conflict(&self) -> bool {
        self.weak.chunk_by(|one, next| one == next).any(|alike| {
            let from = self.open.partition_point(|name| *name < alike[0]);
            let all = self.open[from..].iter().take_while(|name| **name == alike[0]).count();
            all > alike.len() && !self.defines(&alike[0])
        })
    }

    fn defines(&self, name: &str) -> bool {
        self.texts.iter().any(|text| {
            let file = object::File::parse(text.bytes()).ok();
            file.is_some_and(|file| file.symbols().any(|one| one.is_definition() && one.name() == Ok(name)))
        })
    }
}

/// Reads files on the current rayon threads.
pub(super) fn read_all(paths: &[PathBuf]) -> io::Result<Vec<FileBytes>> {
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
    // A file that became shorter is an error.
    slots.into_par_iter().zip(paths).try_for_each(|(slot, path)| File::open(path)?.read_exact(slot))?;
    let all = Arc::new(all);
    Ok(places.into_iter().map(|place| FileBytes { all: Arc::clone(&all), place }).collect())
}

fn inspect(text: &[u8]) -> Result<UndefinedSymbols, NotLinked> {
    let file = object::File::parse(text).map_err(|error| NotLinked::Refused(error.to_string()))?;
    if file.format() != object::BinaryFormat::Elf {
        return Err(NotLinked::Unserved("an object is for another system"));
    }
    for section in file.sections() {
        let name = section.name().unwrap_or_default();
        if name.starts_with(".gnu.lto_") {
            return Err(NotLinked::Unserved("an object contains data for gcc's link-time optimiser"));
        }
        let runs =
            matches!(section.flags(), SectionFlags::Elf { sh_flags, .. } if sh_flags.contains(elf::SHF_EXECINSTR));
        if name == ".note.GNU-stack" && runs {
            return Err(NotLinked::Unserved("an object needs an executable stack"));
        }
    }
    sound::check(text).map_err(NotLinked::Unsound)?;
    let mut open = UndefinedSymbols::default();
    for symbol in file.symbols().filter(|symbol| symbol.is_undefined()) {
        let Ok(name) = symbol.name() else { continue };
        if name.is_empty() || name == "_GLOBAL_OFFSET_TABLE_" {
            continue;
        }
        if UNWINDER.iter().any(|prefix| name.starts_with(prefix)) {
            return Err(NotLinked::Unserved("an object needs the compiler's unwinder"));
        }
        open.all.push(name.to_owned());
        if symbol.is_weak() {
            open.weak.push(name.to_owned());
        }
        let shut =
            matches!(symbol.flags(), SymbolFlags::Elf { st_other, .. } if st_other.visibility() != elf::STV_DEFAULT);
        if shut && !symbol.is_weak() {
            open.hidden.push(name.to_owned());
        }
    }
    Ok(open)
}
