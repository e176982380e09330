//! Parses the memory map of a process, as Linux lists it (proc(5), `/proc/pid/maps`). Reads no file.

use std::ops::Range;

/// One line of the list.
#[derive(Debug)]
pub(crate) struct Mapping<'a> {
    pub(crate) place: Range<u64>,
    /// For example `r-xp`.
    pub(crate) permissions: &'a str,
    /// True if the mapping has a file.
    pub(crate) is_file: bool,
    /// The file's path, or a name in brackets; may be empty.
    pub(crate) path: &'a str,
}

/// Parses lines of the form `BEGIN-END PERMISSIONS OFFSET DEVICE INODE PATH`; inode 0 means no file.
pub(crate) fn read(list: &str) -> impl Iterator<Item = Mapping<'_>> {
    list.lines().filter_map(|line| {
        let mut words = line.splitn(6, ' ');
        let (start, end) = words.next()?.split_once('-')?;
        let place = u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?;
        let permissions = words.next()?;
        let is_file = words.nth(2)? != "0";
        Some(Mapping { place, permissions, is_file, path: words.next().unwrap_or_default().trim_start() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_as_linux_writes_them() {
        let list = "55d0c0de1000-55d0c0df0000 r-xp 00001000 fe:00 1234                     /tmp/a b/x (deleted)\n\
                    7ffe00000000-7ffe00001000 rw-p 00000000 00:00 0 \n";
        let [code, plain] = &read(list).collect::<Vec<_>>()[..] else { panic!("two lines") };
        assert_eq!((code.place.start, code.place.end), (0x55d0_c0de_1000, 0x55d0_c0df_0000));
        assert_eq!((code.permissions, code.is_file, code.path), ("r-xp", true, "/tmp/a b/x (deleted)"));
        assert_eq!((plain.permissions, plain.is_file, plain.path), ("rw-p", false, ""));
    }
}
