//! Objects as a linker in this process wants them: in memory, and looked at for what wild does not serve. Links nothing.

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

/// As an allocator would place them.
const ALIGN: usize = 16;

/// How the names begin that are in libgcc_s: objects want them where the compiler was told `-fexceptions`.
const UNWINDER: [&str; 2] = ["_Unwind_", "__gcc_personality_"];

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
    /// Names that an object leaves open, sorted.
    open: Vec<String>,
    /// Names that no other library may define, and that an object leaves open.
    hidden: Vec<String>,
    /// Names that an object leaves open and that need not be defined, once an object.
    weak: Vec<String>,
}

/// The names that one object leaves open.
#[derive(Default)]
struct Open {
    all: Vec<String>,
    hidden: Vec<String>,
    weak: Vec<String>,
}

impl Text {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        let place = 0..bytes.len();
        Self { all: Arc::new(bytes.into()), place }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.all[self.place.clone()]
    }
}

impl Objects {
    /// Reads objects, on the threads of rayon's that this is called on, and refuses those that mean more than an ELF linker knows.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Self, NotLinked> {
        let texts = read_together(paths)?;
        let open: Vec<Open> = texts.par_iter().map(|text| look_at(text.bytes())).collect::<Result<_, NotLinked>>()?;
        let mut objects = Self { texts, open: Vec::new(), hidden: Vec::new(), weak: Vec::new() };
        for open in open {
            objects.open.extend(open.all);
            objects.hidden.extend(open.hidden);
            objects.weak.extend(open.weak);
        }
        if !objects.hidden.iter().all(|name| objects.defines(name)) {
            // wild would make it null.
            return Err(NotLinked::Unserved("a hidden symbol is not defined"));
        }
        objects.open.sort_unstable();
        objects.weak.sort_unstable();
        if objects.are_weak_and_not() {
            // wild takes the last object's word, other linkers the strictest: a function that must be there would be null.
            return Err(NotLinked::Unserved("a symbol must be defined for one object and need not for another"));
        }
        objects.open.dedup();
        Ok(objects)
    }

    /// The names that other parts of a library, or the program that loads the library, have to define. Sorted.
    pub(super) fn open(&self) -> &[String] {
        &self.open
    }

    /// True if a name that no object defines is weak in one object and not in another. An object has each open name once; the lists are sorted.
    fn are_weak_and_not(&self) -> bool {
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

/// Reads files, on the threads of rayon's that this is called on.
pub(super) fn read_together(paths: &[PathBuf]) -> io::Result<Vec<Text>> {
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
    if file.format() != object::BinaryFormat::Elf {
        return Err(NotLinked::Unserved("an object is none of this system's"));
    }
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
    sound::check(text).map_err(NotLinked::Unsound)?;
    let mut open = Open::default();
    for symbol in file.symbols().filter(|symbol| symbol.is_undefined()) {
        let Ok(name) = symbol.name() else { continue };
        if name.is_empty() || name == "_GLOBAL_OFFSET_TABLE_" {
            continue;
        }
        if UNWINDER.iter().any(|prefix| name.starts_with(prefix)) {
            return Err(NotLinked::Unserved("an object wants the compiler's unwinder"));
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
