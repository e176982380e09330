//! Looking after a library that wild made: what the system's loader is particular about. Knows 64-bit little-endian ELF.

use object::LittleEndian;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{FileHeader, ProgramHeader};

use super::NotLinked;

/// Places of a program header's offset, in its own bytes.
const OFFSET: usize = 8;

/// wild 0.10 puts a segment with nothing in the file, a `.bss` by itself, where the file ends, and the loader refuses a segment whose place
/// in the file and in memory differ within a page. Nothing is read of it: any place that agrees will do, and the first page is
/// always there.
pub(super) fn align_empty(image: &mut [u8]) -> Result<(), NotLinked> {
    let damaged = |error: object::Error| NotLinked::Refused(error.to_string());
    let mut places = Vec::new();
    {
        let header = FileHeader64::<LittleEndian>::parse(&*image).map_err(damaged)?;
        let endian = header.endian().map_err(damaged)?;
        let first = usize::try_from(header.e_phoff.get(endian)).unwrap_or(usize::MAX);
        let segments = header.program_headers(endian, &*image).map_err(damaged)?;
        for (number, segment) in segments.iter().enumerate() {
            let (address, offset, align) = (segment.p_vaddr(endian), segment.p_offset(endian), segment.p_align(endian));
            let agrees = align <= 1 || address.wrapping_sub(offset) % align == 0;
            if segment.p_type(endian) != elf::PT_LOAD || agrees {
                continue;
            }
            if segment.p_filesz(endian) != 0 {
                return Err(NotLinked::Refused("wild placed a segment where no loader takes it".to_owned()));
            }
            places.push((first + number * size_of::<ProgramHeader64<LittleEndian>>() + OFFSET, address % align));
        }
    }
    for (at, offset) in places {
        let field = image.get_mut(at..at + 8).ok_or(NotLinked::Unserved("a header is not where it is said to be"))?;
        field.copy_from_slice(&offset.to_le_bytes());
    }
    Ok(())
}
