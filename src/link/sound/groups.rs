//! Checks section groups, of which the linker keeps one per name: every section is in at most one group, and has the group flag if it is.

use object::elf;
use object::read::elf::SectionHeader;

use super::{ElfObject, Flaw, LE, word};

pub(super) fn check(object: &ElfObject<'_>) -> Result<(), Flaw> {
    let mut grouped = vec![false; object.sections.len()];
    for section in object.sections.iter().filter(|section| section.sh_type(LE) == elf::SHT_GROUP) {
        let signature = usize::try_from(section.sh_info(LE)).ok().filter(|&index| index != 0);
        if signature.is_none_or(|index| index >= object.symbols.len()) {
            return Err("a section group has no name");
        }
        let bytes = object.bytes(section);
        if word(bytes, 0).is_none_or(|flags| flags > 1) {
            return Err("a section group has unknown flags");
        }
        for at in (4..bytes.len()).step_by(4) {
            let member = word(bytes, at).and_then(|index| usize::try_from(index).ok()).unwrap_or_default();
            let is_one = object.section(member).is_some_and(|one| {
                one.sh_flags(LE).contains(elf::SHF_GROUP)
                    && !matches!(one.sh_type(LE), elf::SHT_GROUP | elf::SHT_SYMTAB | elf::SHT_STRTAB | elf::SHT_NULL)
            });
            if !is_one || std::mem::replace(&mut grouped[member], true) {
                return Err("a section group has an invalid member");
            }
        }
    }
    let says_so = |index: usize| object.sections[index].sh_flags(LE).contains(elf::SHF_GROUP);
    if (1..grouped.len()).any(|index| says_so(index) && !grouped[index]) {
        return Err("a section's group does not exist");
    }
    Ok(())
}
