//! Checks that an object is as compilers write objects: every size, offset, count and index refers to a place inside the object. wild
//! does not check its input, and allocates the sizes in it, so that a damaged object would end this process. Refuses more than is
//! wrong: the compiler's driver links refused objects, in another process. Links nothing.

mod frames;
mod groups;
mod names;
mod notes;
mod relocations;
mod sections;
mod symbols;

use object::LittleEndian;
use object::elf::{self, FileHeader64, SectionHeader64, SectionType};
use object::read::elf::{FileHeader, SectionHeader, SectionTable};

/// Every object that this crate links in its own process is little-endian.
const LE: LittleEndian = LittleEndian;

type Header = FileHeader64<LittleEndian>;
type Section = SectionHeader64<LittleEndian>;
type Flaw = &'static str;

/// One object during the check.
struct ElfObject<'a> {
    data: &'a [u8],
    machine: elf::Machine,
    table: SectionTable<'a, Header>,
    sections: Vec<&'a Section>,
    symbols: &'a [elf::Sym64<LittleEndian>],
    /// The index of the symbol table in the list of sections; 0 if there is none.
    symbol_table: usize,
}

/// Returns why an object is not sound.
pub(super) fn check(data: &[u8]) -> Result<(), Flaw> {
    let mut object = ElfObject::open(data)?;
    sections::check(&object)?;
    object.find_symbols()?;
    symbols::check(&object)?;
    groups::check(&object)?;
    notes::check(&object)?;
    relocations::check(&object)?;
    frames::check(&object)
}

impl<'a> ElfObject<'a> {
    fn open(data: &'a [u8]) -> Result<Self, Flaw> {
        let header = Header::parse(data).map_err(|_| "the file is not a 64-bit object")?;
        let ident = header.e_ident();
        let is_known = header.e_type(LE) == elf::ET_REL
            && ident.data == elf::ELFDATA2LSB
            && matches!(ident.os_abi, elf::ELFOSABI_NONE | elf::ELFOSABI_GNU)
            && header.e_version(LE) == 1
            && header.e_flags(LE).0 == 0
            && header.e_phnum(LE) == 0;
        let machine = header.e_machine(LE);
        if !is_known || !matches!(machine, elf::EM_X86_64 | elf::EM_AARCH64) {
            return Err("the header is not an object's header");
        }
        // Larger numbers of sections are stored in another field.
        if header.e_shnum.get(LE) == 0 || header.e_shstrndx.get(LE).0 >= elf::SHN_LORESERVE {
            return Err("the number of sections is missing");
        }
        let table = header.sections(LE, data).map_err(|_| "the section table is outside the file")?;
        let sections: Vec<&Section> = table.iter().collect();
        Ok(Self { data, machine, table, sections, symbols: &[], symbol_table: 0 })
    }

    fn find_symbols(&mut self) -> Result<(), Flaw> {
        let mut tables = self.sections.iter().enumerate().filter(|(_, one)| one.sh_type(LE) == elf::SHT_SYMTAB);
        if let Some((index, section)) = tables.next() {
            self.symbol_table = index;
            self.symbols = section.data_as_array(LE, self.data).map_err(|_| "the symbol table is outside the file")?;
        }
        if tables.next().is_some() { Err("there are two symbol tables") } else { Ok(()) }
    }

    /// Returns a section by index; index 0 is the null section.
    fn section(&self, index: usize) -> Option<&'a Section> {
        self.sections.get(index).copied().filter(|_| index != 0)
    }

    fn kind(&self, index: usize) -> Option<SectionType> {
        self.section(index).map(|section| section.sh_type(LE))
    }

    fn name(&self, section: &Section) -> &'a [u8] {
        self.table.section_name(LE, section).unwrap_or_default()
    }

    /// Returns the content of a section; empty for a section without bytes.
    fn bytes(&self, section: &Section) -> &'a [u8] {
        section.data(LE, self.data).unwrap_or_default()
    }

    /// Returns the section that contains a symbol.
    fn section_of(&self, symbol: &elf::Sym64<LittleEndian>) -> Option<&'a Section> {
        let index = symbol.st_shndx.get(LE).0;
        self.section(index.into()).filter(|_| index < elf::SHN_LORESERVE)
    }
}

/// Returns the four bytes at an offset.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
