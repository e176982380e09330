//! Checks sections: they lie inside the file, have a type that compilers write, and plausible sizes, alignments and links.

use std::ops::Range;

use object::elf::{self, SectionFlags, SectionType};
use object::read::elf::SectionHeader;

use super::{ElfObject, Flaw, LE, Section, names};

/// The limit of gcc for systems with pages of 4 KiB and default options.
const MAX_ALIGN: u64 = 1 << 20;

/// The limit, in bytes, for zero-initialised memory, which takes no space in the file.
const MAX_ZEROS: u64 = 1 << 30;

/// The limit for one entry of a mergeable section: two of the widest vectors.
const MAX_ENTRY: u64 = 128;

/// The types that assemblers write (ELF, "Sections"; the x86-64 supplement; "LLVM Extensions").
const KINDS: [SectionType; 14] = [
    elf::SHT_NULL,
    elf::SHT_PROGBITS,
    elf::SHT_SYMTAB,
    elf::SHT_STRTAB,
    elf::SHT_RELA,
    elf::SHT_NOTE,
    elf::SHT_NOBITS,
    elf::SHT_INIT_ARRAY,
    elf::SHT_FINI_ARRAY,
    elf::SHT_PREINIT_ARRAY,
    elf::SHT_GROUP,
    elf::SHT_X86_64_UNWIND,
    SectionType(0x6fff_4c03), // SHT_LLVM_ADDRSIG
    SectionType(0x7000_0003), // SHT_AARCH64_ATTRIBUTES
];

/// Without `SHF_COMPRESSED`: such a section states the size of the memory to allocate.
const FLAGS: [SectionFlags; 11] = [
    elf::SHF_WRITE,
    elf::SHF_ALLOC,
    elf::SHF_EXECINSTR,
    elf::SHF_MERGE,
    elf::SHF_STRINGS,
    elf::SHF_INFO_LINK,
    elf::SHF_LINK_ORDER,
    elf::SHF_GROUP,
    elf::SHF_TLS,
    elf::SHF_GNU_RETAIN,
    elf::SHF_EXCLUDE,
];

pub(super) fn check(object: &ElfObject<'_>) -> Result<(), Flaw> {
    let mut places = Vec::with_capacity(object.sections.len());
    let mut zeros = 0_u64;
    for section in object.sections.iter().skip(1) {
        check_kind(object, section)?;
        check_size(object, section)?;
        check_links(object, section)?;
        if section.sh_type(LE) == elf::SHT_NOBITS {
            zeros = zeros.saturating_add(section.sh_size(LE));
        } else {
            let start = section.sh_offset(LE);
            places.push(start..start + section.sh_size(LE));
        }
    }
    if zeros > MAX_ZEROS {
        return Err("the sections need too much memory");
    }
    check_places(places)
}

fn check_kind(object: &ElfObject<'_>, section: &Section) -> Result<(), Flaw> {
    let (kind, flags) = (section.sh_type(LE), section.sh_flags(LE).0);
    if !KINDS.contains(&kind) {
        return Err("a section has an unknown type");
    }
    if flags & !FLAGS.iter().fold(0, |all, flag| all | flag.0) != 0 {
        return Err("a section has unknown flags");
    }
    let has = |flag: SectionFlags| flags & flag.0 != 0;
    let holds_code = matches!(kind, elf::SHT_PROGBITS | elf::SHT_NOBITS);
    let is_data = holds_code
        || matches!(kind, elf::SHT_INIT_ARRAY | elf::SHT_FINI_ARRAY | elf::SHT_PREINIT_ARRAY)
        || matches!(kind, elf::SHT_NOTE | elf::SHT_X86_64_UNWIND);
    if has(elf::SHF_ALLOC) != (has(elf::SHF_ALLOC) && is_data)
        || has(elf::SHF_EXECINSTR) && kind != elf::SHT_PROGBITS
        || has(elf::SHF_TLS) && !(holds_code && has(elf::SHF_ALLOC) && has(elf::SHF_WRITE))
        || kind == elf::SHT_NOBITS && !has(elf::SHF_ALLOC)
        || has(elf::SHF_MERGE) && kind != elf::SHT_PROGBITS
        || has(elf::SHF_MERGE) && (has(elf::SHF_WRITE) || has(elf::SHF_EXECINSTR) || has(elf::SHF_TLS))
        || has(elf::SHF_STRINGS) && !has(elf::SHF_MERGE)
    {
        return Err("a section's flags do not fit its type");
    }
    let name = object.table.section_name(LE, section).map_err(|_| "a section's name is outside the file")?;
    if names::fits(name, section) { Ok(()) } else { Err("a section's type or flags do not fit its name") }
}

fn check_size(object: &ElfObject<'_>, section: &Section) -> Result<(), Flaw> {
    let kind = section.sh_type(LE);
    let (size, entry, align) = (section.sh_size(LE), section.sh_entsize(LE), section.sh_addralign(LE));
    let bytes = section.data(LE, object.data).map_err(|_| "a section is outside the file")?;
    if align > MAX_ALIGN || align != 0 && !align.is_power_of_two() {
        return Err("a section's alignment is invalid");
    }
    let entry_wanted = match kind {
        elf::SHT_SYMTAB | elf::SHT_RELA => 24,
        elf::SHT_GROUP => 4,
        elf::SHT_INIT_ARRAY | elf::SHT_FINI_ARRAY | elf::SHT_PREINIT_ARRAY => 8,
        _ => 1,
    };
    // Compilers do not always write the entry size of an array.
    let is_table = matches!(kind, elf::SHT_SYMTAB | elf::SHT_RELA | elf::SHT_GROUP);
    if size % entry_wanted != 0 || is_table && entry != entry_wanted {
        return Err("a section's size is invalid");
    }
    if kind == elf::SHT_STRTAB && bytes.last().is_some_and(|&last| last != 0) {
        return Err("a string table is not terminated");
    }
    let flags = section.sh_flags(LE);
    if flags.contains(elf::SHF_MERGE) {
        if entry == 0 || entry > MAX_ENTRY || size % entry != 0 {
            return Err("a mergeable section has an invalid entry size");
        }
        let last = usize::try_from(entry).ok().and_then(|entry| bytes.len().checked_sub(entry));
        if flags.contains(elf::SHF_STRINGS) && last.is_some_and(|last| bytes[last..].iter().any(|&byte| byte != 0)) {
            return Err("a section of strings is not terminated");
        }
    }
    Ok(())
}

fn check_links(object: &ElfObject<'_>, section: &Section) -> Result<(), Flaw> {
    let at = |index: u32| usize::try_from(index).ok().and_then(|index| object.kind(index));
    let (link, info) = (at(section.sh_link(LE)), section.sh_info(LE));
    let is_fine = match section.sh_type(LE) {
        elf::SHT_SYMTAB => link == Some(elf::SHT_STRTAB),
        elf::SHT_RELA => {
            let is_relocated = matches!(
                at(info),
                Some(
                    elf::SHT_PROGBITS
                        | elf::SHT_NOTE
                        | elf::SHT_INIT_ARRAY
                        | elf::SHT_FINI_ARRAY
                        | elf::SHT_PREINIT_ARRAY
                        | elf::SHT_X86_64_UNWIND
                )
            );
            link == Some(elf::SHT_SYMTAB) && is_relocated
        }
        elf::SHT_GROUP => link == Some(elf::SHT_SYMTAB),
        _ if section.sh_flags(LE).contains(elf::SHF_LINK_ORDER) => link.is_some() || section.sh_link(LE) == 0,
        _ => true,
    };
    if is_fine { Ok(()) } else { Err("a section has an invalid link to another section") }
}

/// Refuses overlapping sections: each of the two may be valid where both together are not.
fn check_places(mut places: Vec<Range<u64>>) -> Result<(), Flaw> {
    places.retain(|place| !place.is_empty());
    places.sort_unstable_by_key(|place| place.start);
    let overlap = places.windows(2).any(|two| two[0].end > two[1].start);
    if overlap { Err("two sections overlap") } else { Ok(()) }
}
