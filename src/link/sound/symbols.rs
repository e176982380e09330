//! Checks symbols: they have names, and lie in existing sections.

use object::elf;
use object::read::elf::{SectionHeader, Sym};

use super::{ElfObject, Flaw, LE};

/// The limit for common symbols, in bytes.
const MAX_COMMON: u64 = 1 << 30;

pub(super) fn check(object: &ElfObject<'_>) -> Result<(), Flaw> {
    let Some(table) = object.section(object.symbol_table) else { return Ok(()) };
    let names = usize::try_from(table.sh_link(LE)).ok().and_then(|index| object.section(index));
    let names = names.map(|section| object.bytes(section)).unwrap_or_default();
    let first_global = usize::try_from(table.sh_info(LE)).unwrap_or(usize::MAX);
    if object.symbols.first().is_some_and(|first| first.st_name.get(LE) != 0 || first.st_shndx.get(LE).0 != 0)
        || first_global > object.symbols.len()
    {
        return Err("the first symbol is not the null symbol");
    }
    let mut common = 0_u64;
    for (index, symbol) in object.symbols.iter().enumerate().skip(1) {
        let name = usize::try_from(symbol.st_name.get(LE)).ok().and_then(|at| names.get(at..));
        if name.is_none() || (index < first_global) != (symbol.st_bind() == elf::STB_LOCAL) {
            return Err("a symbol has no name, or its index does not fit its binding");
        }
        check_place(object, symbol)?;
        if symbol.st_shndx.get(LE) == elf::SHN_COMMON {
            common = common.saturating_add(symbol.st_size(LE));
        }
    }
    if common > MAX_COMMON { Err("the common symbols need too much memory") } else { Ok(()) }
}

fn check_place(object: &ElfObject<'_>, symbol: &elf::Sym64<object::LittleEndian>) -> Result<(), Flaw> {
    let (kind, bind) = (symbol.st_type(), symbol.st_bind());
    let (value, size) = (symbol.st_value(LE), symbol.st_size(LE));
    let is_known = matches!(
        kind,
        elf::STT_NOTYPE
            | elf::STT_OBJECT
            | elf::STT_FUNC
            | elf::STT_SECTION
            | elf::STT_FILE
            | elf::STT_TLS
            | elf::STT_GNU_IFUNC
    ) && matches!(bind, elf::STB_LOCAL | elf::STB_GLOBAL | elf::STB_WEAK | elf::STB_GNU_UNIQUE);
    if !is_known {
        return Err("a symbol has an unknown type");
    }
    let is_fine = match symbol.st_shndx.get(LE) {
        elf::SymbolSection(0) => value == 0 && !matches!(kind, elf::STT_SECTION | elf::STT_FILE),
        elf::SHN_ABS => kind == elf::STT_FILE || kind == elf::STT_NOTYPE,
        // The value is an alignment.
        elf::SHN_COMMON => {
            kind == elf::STT_OBJECT && bind != elf::STB_LOCAL && value.is_power_of_two() && value <= 1 << 20
        }
        _ => return check_within(object, symbol),
    };
    let is_small = kind == elf::STT_FILE || size <= MAX_COMMON;
    if is_fine && is_small { Ok(()) } else { Err("a symbol has an invalid section index") }
}

fn check_within(object: &ElfObject<'_>, symbol: &elf::Sym64<object::LittleEndian>) -> Result<(), Flaw> {
    let section = object.section_of(symbol).ok_or("a symbol's section does not exist")?;
    let kind = symbol.st_type();
    let holds_symbols = matches!(
        section.sh_type(LE),
        elf::SHT_PROGBITS
            | elf::SHT_NOBITS
            | elf::SHT_NOTE
            | elf::SHT_INIT_ARRAY
            | elf::SHT_FINI_ARRAY
            | elf::SHT_PREINIT_ARRAY
            | elf::SHT_X86_64_UNWIND
            | elf::SHT_GROUP
            | elf::SHT_NULL
    );
    let end = symbol.st_value(LE).checked_add(symbol.st_size(LE));
    let is_inside = end.is_some_and(|end| end <= section.sh_size(LE));
    let is_thread_local = section.sh_flags(LE).contains(elf::SHF_TLS);
    let is_right = match kind {
        elf::STT_SECTION => symbol.st_bind() == elf::STB_LOCAL && symbol.st_value(LE) == 0,
        elf::STT_TLS => is_thread_local,
        elf::STT_FILE => false,
        elf::STT_GNU_IFUNC => section.sh_flags(LE).contains(elf::SHF_EXECINSTR),
        _ => !is_thread_local || symbol.st_bind() == elf::STB_LOCAL,
    };
    if holds_symbols && is_inside && is_right { Ok(()) } else { Err("a symbol is outside its section") }
}
