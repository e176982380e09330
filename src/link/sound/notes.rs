//! Checks notes: they are complete, and so are the properties inside them.

use object::elf;
use object::read::elf::SectionHeader;

use super::{ElfObject, Flaw, LE, Section, word};

/// The linker merges these notes of all objects into one note.
const PROPERTIES: &[u8] = b".note.gnu.property";

pub(super) fn check(object: &ElfObject<'_>) -> Result<(), Flaw> {
    for section in object.sections.iter().skip(1) {
        let is_properties = object.name(section) == PROPERTIES;
        if section.sh_type(LE) != elf::SHT_NOTE && !is_properties {
            continue;
        }
        let is_whole = if is_properties {
            section.sh_type(LE) == elf::SHT_NOTE && section.sh_addralign(LE) == 8 && properties(object.bytes(section))
        } else {
            are_whole(object, section)
        };
        if !is_whole {
            return Err("a note is truncated");
        }
    }
    Ok(())
}

fn are_whole(object: &ElfObject<'_>, section: &Section) -> bool {
    let notes = section.notes(LE, object.data);
    match notes {
        Ok(Some(mut notes)) => loop {
            match notes.next() {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        },
        _ => false,
    }
}

/// True for one note with the name GNU and a list of properties (the Linux extensions of the gABI, "Program Property").
fn properties(bytes: &[u8]) -> bool {
    let head = (word(bytes, 0), word(bytes, 4), word(bytes, 8), bytes.get(12..16));
    let (Some(4), Some(size), Some(5), Some(b"GNU\0")) = head else { return false };
    let Some(mut rest) = bytes.get(16..).filter(|rest| usize::try_from(size) == Ok(rest.len())) else { return false };
    while !rest.is_empty() {
        // All known properties are one word, padded to eight bytes.
        if word(rest, 4) != Some(4) || rest.len() < 16 {
            return false;
        }
        rest = &rest[16..];
    }
    true
}
