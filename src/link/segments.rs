//! Corrects a library that wild made, for the system's loader. Knows 64-bit little-endian ELF.

use object::LittleEndian;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{FileHeader, ProgramHeader};

use super::NotLinked;

/// Byte offsets of fields in a program header.
const OFFSET: usize = 8;

/// wild 0.10 gives a segment without file content, such as a lone `.bss`, the file's end as its offset, and the loader refuses a segment
/// whose offset and address differ modulo the page size. No byte of the segment is read: any congruent offset is correct, and the first
/// page always exists.
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
                return Err(NotLinked::Refused("wild gave a segment an offset that the loader refuses".to_owned()));
            }
            places.push((first + number * size_of::<ProgramHeader64<LittleEndian>>() + OFFSET, address % align));
        }
    }
    for (at, offset) in places {
        let field = image.get_mut(at..at + 8).ok_or(NotLinked::Unserved("the library's program header is damaged"))?;
        field.copy_from_slice(&offset.to_le_bytes());
    }
    Ok(())
}
