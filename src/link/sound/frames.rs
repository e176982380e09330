//! Checks `.eh_frame`, which unwinders read (LSB, "Exception Frames"): every entry lies inside the section, and every frame description
//! follows the common entry that it refers to, and describes one function.

use object::elf;
use object::read::elf::SectionHeader;

use super::{ElfObject, Flaw, LE, Section, relocations, word};

/// The offset of the function's address in a frame description.
const BEGIN: usize = 8;

/// The size of the fields before the addresses, and of the addresses.
const SMALLEST: usize = 16;

pub(super) fn check(object: &ElfObject<'_>) -> Result<(), Flaw> {
    let mut seen = false;
    for (index, section) in object.sections.iter().enumerate().skip(1) {
        let is_frames = object.name(section) == b".eh_frame";
        if !is_frames {
            if section.sh_type(LE) == elf::SHT_X86_64_UNWIND {
                return Err("an unwind section has another name than .eh_frame");
            }
            continue;
        }
        if std::mem::replace(&mut seen, true) || !section.sh_flags(LE).contains(elf::SHF_ALLOC) {
            return Err("there are two .eh_frame sections, or one has wrong flags");
        }
        check_frames(object, index, section)?;
    }
    Ok(())
}

fn check_frames(object: &ElfObject<'_>, index: usize, section: &Section) -> Result<(), Flaw> {
    const CUT: Flaw = ".eh_frame is malformed";
    let bytes = object.bytes(section);
    let rela = object
        .sections
        .iter()
        .find(|one| one.sh_type(LE) == elf::SHT_RELA && usize::try_from(one.sh_info(LE)) == Ok(index));
    let list = rela.map_or(Ok(&[][..]), |rela| relocations::list(object, rela))?;
    let mut places = list.iter().map(|one| (one.r_offset.get(LE), one)).peekable();
    if !list.is_sorted_by_key(|one| one.r_offset.get(LE)) {
        return Err("the relocations of .eh_frame are not sorted");
    }
    let mut commons = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let size = word(bytes, at).and_then(|size| usize::try_from(size).ok()).ok_or(CUT)?;
        if size == 0 {
            // The terminator, if no byte follows it.
            return if at + 4 == bytes.len() { Ok(()) } else { Err(CUT) };
        }
        let end = (at + 4).checked_add(size).filter(|&end| end <= bytes.len() && size >= 8).ok_or(CUT)?;
        let id = word(bytes, at + 4).and_then(|id| usize::try_from(id).ok()).ok_or(CUT)?;
        let mut about = None;
        while let Some((place, relocation)) =
            places.next_if(|(place, _)| usize::try_from(*place).is_ok_and(|place| place < end))
        {
            let place = usize::try_from(place).unwrap_or_default();
            if place < at + BEGIN || place + 4 > end {
                return Err("a relocation of .eh_frame has an invalid offset");
            }
            if place == at + BEGIN {
                about = usize::try_from(relocation.r_sym(LE, false)).ok().and_then(|index| object.symbols.get(index));
            }
        }
        if id == 0 {
            commons.push(at);
        } else {
            let common = (at + 4).checked_sub(id).ok_or(CUT)?;
            let is_one = commons.binary_search(&common).is_ok() && size >= SMALLEST - 4;
            let code = about.and_then(|symbol| object.section_of(symbol).filter(|_| symbol.st_type() != elf::STT_TLS));
            if !is_one || code.is_none_or(|code| !code.sh_flags(LE).contains(elf::SHF_ALLOC)) {
                return Err("an entry of .eh_frame has no function");
            }
        }
        at = end;
    }
    Ok(())
}
