//! Checks that sections with well-known names have the usual types and flags. A linker joins sections of one name, regardless of their
//! headers: a section without bytes among sections with bytes has no valid layout.

use object::elf::{self, SectionType};
use object::read::elf::SectionHeader;

use super::{LE, Section};

const A: u64 = elf::SHF_ALLOC.0;
const W: u64 = elf::SHF_WRITE.0;
const X: u64 = elf::SHF_EXECINSTR.0;
const T: u64 = elf::SHF_TLS.0;

/// Name prefixes, with the section type and the flags above. The first match counts.
const USUAL: [(&str, SectionType, u64); 16] = [
    (".text", elf::SHT_PROGBITS, A | X),
    (".init_array", elf::SHT_INIT_ARRAY, A | W),
    (".fini_array", elf::SHT_FINI_ARRAY, A | W),
    (".preinit_array", elf::SHT_PREINIT_ARRAY, A | W),
    (".init", elf::SHT_PROGBITS, A | X),
    (".fini", elf::SHT_PROGBITS, A | X),
    (".rodata", elf::SHT_PROGBITS, A),
    (".gcc_except_table", elf::SHT_PROGBITS, A),
    (".data", elf::SHT_PROGBITS, A | W),
    (".tdata", elf::SHT_PROGBITS, A | W | T),
    (".tbss", elf::SHT_NOBITS, A | W | T),
    (".bss", elf::SHT_NOBITS, A | W),
    (".comment", elf::SHT_PROGBITS, 0),
    (".debug", elf::SHT_PROGBITS, 0),
    (".note.GNU-stack", elf::SHT_PROGBITS, 0),
    (".eh_frame", elf::SHT_PROGBITS, A),
];

/// Sections that only a linker writes, or that no compiler of this project uses.
const STRANGE: [&str; 10] =
    [".dyn", ".gnu", ".got", ".plt", ".interp", ".hash", ".rela.dyn", ".rela.plt", ".sframe", ".relr"];

/// True if a section has the type and the flags of its name.
pub(super) fn fits(name: &[u8], section: &Section) -> bool {
    let (kind, flags) = (section.sh_type(LE), section.sh_flags(LE).0);
    let begins = |prefix: &str| name.starts_with(prefix.as_bytes());
    if STRANGE.iter().any(|prefix| begins(prefix)) {
        return false;
    }
    let is_merged = flags & (elf::SHF_MERGE.0 | elf::SHF_STRINGS.0) != 0;
    match USUAL.iter().find(|(prefix, ..)| begins(prefix)) {
        Some((prefix, usual, wanted)) => {
            let is_unwind = *prefix == ".eh_frame" && kind == elf::SHT_X86_64_UNWIND;
            let may_be_merged = matches!(*prefix, ".rodata" | ".comment" | ".debug");
            let is_alone = *prefix != ".comment" || name == b".comment";
            (kind == *usual || is_unwind)
                && flags & (A | W | X | T) == *wanted
                && is_merged <= may_be_merged
                && is_alone
                && (*prefix != ".comment" || is_merged)
        }
        // The unit chose the name.
        None => kind != elf::SHT_NOBITS && flags & T == 0 && !is_merged,
    }
}
