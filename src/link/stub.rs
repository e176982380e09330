//! A small shared library that replaces the C library at a link: only the symbols whose version the linker has to write. Reads and writes
//! 64-bit little-endian ELF, and links nothing.

use std::collections::HashMap;

use object::elf::{self, Dyn64, FileHeader64, SectionHeader64, Sym64, Versym};
use object::endian::{LittleEndian, U16, U32, U64};
use object::pod::bytes_of;
use object::read::elf::{Dyn, FileHeader, SectionHeader, Sym};

const LE: LittleEndian = LittleEndian;

/// The first version index that is not the library's own name: a reference without a version is bound to the first definition, which in
/// glibc is the oldest (`do_lookup_x` in its elf/dl-lookup.c).
const OLDEST: u16 = 2;

/// The replacement of a library at a link.
#[derive(Debug)]
pub(super) struct Stub {
    /// A shared library with only these symbols.
    pub(super) image: Vec<u8>,
    /// The symbols for which a reference without a version is bound to another definition than the current version. Sorted.
    pub(super) names: Vec<String>,
}

/// The parts of a library that are needed.
struct Tables<'a> {
    header: &'a FileHeader64<LittleEndian>,
    strings: Section<'a>,
    symbols: Section<'a>,
    versions: Section<'a>,
    definitions: Section<'a>,
    dynamic: Section<'a>,
}

type Section<'a> = (SectionHeader64<LittleEndian>, &'a [u8]);

/// One definition of a symbol.
#[derive(Clone, Copy)]
struct Definition {
    index: usize,
    version: u16,
    hidden: bool,
    value: u64,
}

/// Reads a library. Returns `None` if no symbol needs a version, or the library cannot be parsed.
pub(super) fn read(library: &[u8]) -> Option<Stub> {
    let tables = Tables::read(library)?;
    let symbols: &[Sym64<LittleEndian>] = object::pod::slice_from_all_bytes(tables.symbols.1).ok()?;
    let versions: &[Versym<LittleEndian>] = object::pod::slice_from_all_bytes(tables.versions.1).ok()?;
    let strings = object::StringTable::new(tables.strings.1, 0, tables.strings.1.len() as u64);
    let mut defined: HashMap<&[u8], Vec<Definition>> = HashMap::new();
    for (index, (symbol, version)) in symbols.iter().zip(versions).enumerate() {
        let version = version.0.get(LE);
        if symbol.is_undefined(LE) || version.is_local() {
            continue;
        }
        let name = symbol.name(LE, strings).ok()?;
        let definition =
            Definition { index, version: version.index().0, hidden: version.is_hidden(), value: symbol.st_value(LE) };
        defined.entry(name).or_default().push(definition);
    }
    let mut chosen: Vec<(&[u8], usize)> =
        defined.into_iter().filter_map(|(name, all)| Some((name, versioned_definition(&all)?))).collect();
    chosen.sort_unstable();
    let names = chosen.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect();
    let chosen: Vec<usize> = chosen.into_iter().map(|(_, index)| index).collect();
    (!chosen.is_empty()).then(|| Some(Stub { image: tables.image(symbols, versions, &chosen)?, names }))?
}

/// Returns the index of the current definition of a symbol, if a reference without a version is bound to another definition.
fn versioned_definition(all: &[Definition]) -> Option<usize> {
    let current = all.iter().find(|one| !one.hidden)?;
    let oldest = all.iter().find(|one| one.version <= OLDEST)?;
    (oldest.value != current.value).then_some(current.index)
}

impl<'a> Tables<'a> {
    fn read(library: &'a [u8]) -> Option<Self> {
        let header = FileHeader64::<LittleEndian>::parse(library).ok()?;
        let sections = header.sections(header.endian().ok()?, library).ok()?;
        let find = |kind: elf::SectionType| {
            let section = sections.iter().find(|section| section.sh_type(LE) == kind)?;
            Some((*section, section.data(LE, library).ok()?))
        };
        let symbols = find(elf::SHT_DYNSYM)?;
        let strings = sections.section(symbols.0.link(LE)).ok()?;
        Some(Self {
            header,
            strings: (*strings, strings.data(LE, library).ok()?),
            symbols,
            versions: find(elf::SHT_GNU_VERSYM)?,
            definitions: find(elf::SHT_GNU_VERDEF)?,
            dynamic: find(elf::SHT_DYNAMIC)?,
        })
    }

    /// Builds a library with some of the symbols.
    fn image(
        &self,
        symbols: &[Sym64<LittleEndian>],
        versions: &[Versym<LittleEndian>],
        chosen: &[usize],
    ) -> Option<Vec<u8>> {
        // A linker reads the soname from the dynamic section, and needs no other entry.
        let tags: &[Dyn64<LittleEndian>] = object::pod::slice_from_all_bytes(self.dynamic.1).ok()?;
        let soname = tags.iter().find(|tag| tag.tag(LE) == elf::DT_SONAME)?;
        let dynamic = [bytes_of(soname), &[0; size_of::<Dyn64<LittleEndian>>()]].concat();
        let mut table = vec![0; size_of::<Sym64<LittleEndian>>()];
        let mut numbers = vec![0; size_of::<u16>()];
        for &index in chosen {
            let mut symbol = *symbols.get(index)?;
            // Any existing section.
            symbol.st_shndx = U16::new(LE, elf::SymbolSection(1));
            table.extend(bytes_of(&symbol));
            numbers.extend(bytes_of(versions.get(index)?));
        }
        let count = self.definitions.0.sh_info.get(LE);
        let mut image = vec![0; size_of::<FileHeader64<LittleEndian>>()];
        let mut headers = vec![0; size_of::<SectionHeader64<LittleEndian>>()];
        let parts: [(&Section<'_>, &[u8], u32, u32); 5] = [
            (&self.strings, self.strings.1, 0, 0),
            (&self.symbols, &table, 1, 1),
            (&self.versions, &numbers, 2, 0),
            (&self.definitions, self.definitions.1, 1, count),
            (&self.dynamic, &dynamic, 1, 0),
        ];
        for ((section, _), bytes, link, info) in parts {
            image.resize(image.len().next_multiple_of(8), 0);
            let mut header = *section;
            header.sh_name = U32::new(LE, 0);
            header.sh_offset = U64::new(LE, image.len() as u64);
            header.sh_size = U64::new(LE, bytes.len() as u64);
            header.sh_link = U32::new(LE, link);
            header.sh_info = U32::new(LE, info);
            headers.extend(bytes_of(&header));
            image.extend(bytes);
        }
        image.resize(image.len().next_multiple_of(8), 0);
        let mut header = *self.header;
        header.e_phoff = U64::new(LE, 0);
        header.e_phnum = U16::new(LE, 0);
        header.e_shoff = U64::new(LE, image.len() as u64);
        header.e_shnum = U16::new(LE, 1 + u16::try_from(parts.len()).ok()?);
        // All section names are empty, as the first string of any string table.
        header.e_shstrndx = U16::new(LE, elf::SymbolSection(1));
        image.extend(headers);
        image.get_mut(..size_of::<FileHeader64<LittleEndian>>())?.copy_from_slice(bytes_of(&header));
        Some(image)
    }
}
