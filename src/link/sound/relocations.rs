//! Checks relocations: types that compilers use, offsets inside the relocated section, existing symbols.

use object::LittleEndian;
use object::elf::{self, Rela64};
use object::read::elf::SectionHeader;

use std::ops::Not;

use super::{ElfObject, Flaw, LE, Section};

/// The addend is the distance from the symbol within one object.
const MAX_ADDEND: u64 = 1 << 31;

/// The number of bytes that a relocation needs before and after its offset.
struct Reach {
    before: u64,
    behind: u64,
}

pub(super) fn check(object: &ElfObject<'_>) -> Result<(), Flaw> {
    let mut relocated = vec![false; object.sections.len()];
    for section in object.sections.iter().filter(|section| section.sh_type(LE) == elf::SHT_RELA) {
        let target = usize::try_from(section.sh_info(LE)).unwrap_or_default();
        let place = object.section(target).ok_or("the section of a relocation table does not exist")?;
        if std::mem::replace(&mut relocated[target], true) {
            return Err("a section has two relocation tables");
        }
        if place.sh_flags(LE).contains(elf::SHF_MERGE) {
            return Err("a mergeable section has relocations");
        }
        for relocation in list(object, section)? {
            check_one(object, place, relocation)?;
        }
    }
    Ok(())
}

pub(super) fn list<'a>(object: &ElfObject<'a>, section: &'a Section) -> Result<&'a [Rela64<LittleEndian>], Flaw> {
    section.data_as_array(LE, object.data).map_err(|_| "a relocation table is outside the file")
}

fn check_one(object: &ElfObject<'_>, place: &Section, relocation: &Rela64<LittleEndian>) -> Result<(), Flaw> {
    let kind = relocation.r_type(LE, false).0;
    let reach = match object.machine {
        elf::EM_X86_64 => x86_64(kind),
        _ => aarch64(kind, relocation.r_offset.get(LE)),
    };
    let reach = reach.ok_or("a relocation has an unknown type")?;
    let at = relocation.r_offset.get(LE);
    let end = at.checked_add(reach.behind);
    if at < reach.before || end.is_none_or(|end| end > place.sh_size(LE)) {
        return Err("a relocation is outside its section");
    }
    let index = usize::try_from(relocation.r_sym(LE, false)).unwrap_or(usize::MAX);
    let symbol = object.symbols.get(index).ok_or("the symbol of a relocation does not exist")?;
    let addend = relocation.r_addend.get(LE);
    if addend.unsigned_abs() > MAX_ADDEND {
        return Err("a relocation's addend is too large");
    }
    if symbol.st_type() == elf::STT_FILE {
        return Err("a relocation refers to a file symbol");
    }
    let about = object.section_of(symbol);
    // wild searches for the string at that offset, and does not terminate for an offset before the first string.
    let is_merged = about.filter(|about| about.sh_flags(LE).contains(elf::SHF_MERGE));
    if let Some(merged) = is_merged.filter(|_| symbol.st_type() == elf::STT_SECTION)
        && u64::try_from(addend).is_ok_and(|offset| offset < merged.sh_size(LE)).not()
    {
        return Err("a relocation refers to a string outside its section");
    }
    let is_about_code = about.is_none_or(|about| {
        matches!(
            about.sh_type(LE),
            elf::SHT_PROGBITS
                | elf::SHT_NOBITS
                | elf::SHT_INIT_ARRAY
                | elf::SHT_FINI_ARRAY
                | elf::SHT_PREINIT_ARRAY
                | elf::SHT_X86_64_UNWIND
        )
    });
    if !is_about_code {
        return Err("a relocation refers to a section that is not loaded");
    }
    let thread_local = about.is_some_and(|about| about.sh_flags(LE).contains(elf::SHF_TLS))
        || about.is_none() && symbol.st_type() == elf::STT_TLS;
    // An undefined symbol need not have a type.
    let is_open = about.is_none() && symbol.st_type() == elf::STT_NOTYPE;
    if place.sh_flags(LE).contains(elf::SHF_ALLOC) && !is_open && thread_local != is_thread_local(object.machine, kind)
    {
        return Err("a relocation and its symbol disagree about thread-local storage");
    }
    Ok(())
}

/// True for relocations of thread-local variables. Relocations without a symbol type match any symbol.
fn is_thread_local(machine: elf::Machine, kind: u32) -> bool {
    match machine {
        elf::EM_X86_64 => matches!(kind, 16..=23 | 34..=36),
        _ => (512..=573).contains(&kind),
    }
}

/// The x86-64 supplement, "Relocation". Relaxation reads the instruction around the offset.
fn x86_64(kind: u32) -> Option<Reach> {
    let (before, behind) = match kind {
        0 => (0, 0),                              // NONE
        1 | 17 | 24 | 25 => (0, 8),               // 64, DTPOFF64, PC64, GOTOFF64
        2 | 4 | 10 | 11 | 21 | 23 | 26 => (0, 4), // PC32, PLT32, 32, 32S, DTPOFF32, TPOFF32, GOTPC32
        9 | 22 | 41 => (2, 4),                    // GOTPCREL, GOTTPOFF, GOTPCRELX
        42 | 34 => (3, 4),                        // REX_GOTPCRELX, GOTPC32_TLSDESC
        19 => (3, 4),                             // TLSGD
        20 => (3, 4),                             // TLSLD
        35 => (0, 2),                             // TLSDESC_CALL
        _ => return None,
    };
    Some(Reach { before, behind })
}

/// "ELF for the Arm 64-bit Architecture", "Relocation": data, then instructions.
fn aarch64(kind: u32, at: u64) -> Option<Reach> {
    let behind = match kind {
        0 => 0,
        257 | 260 => 8,
        258 | 261 => 4,
        259 | 262 => 2,
        263..=315 | 512..=573 if at.is_multiple_of(4) => 4,
        _ => return None,
    };
    Some(Reach { before: 0, behind })
}
