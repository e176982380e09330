//! The smallest objects that ended, or held up, a process which linked them: one field of a sound object each.

use std::fs;
use std::path::Path;

use mjitcc::untrusted::ObjectLinker;

use crate::linking::WORDS;
use crate::support::need;
use crate::{corpus, linking};

const TYPE: usize = 4;
const FLAGS: usize = 8;
const SIZE: usize = 32;
const LINK: usize = 40;
const INFO: usize = 44;
const ALIGN: usize = 48;

/// An object whose sections can be changed.
struct Object(Vec<u8>);

impl Object {
    fn number(&self, at: usize, width: usize) -> usize {
        self.0[at..at + width].iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte))
    }

    /// Where the header of a section is.
    fn section(&self, name: &str) -> usize {
        let (table, count, strings) = (self.number(40, 8), self.number(60, 2), self.number(62, 2));
        let names = self.number(table + 64 * strings + 24, 8);
        let is = |header: &usize| {
            let at = names + self.number(*header, 4);
            self.0[at..].starts_with(name.as_bytes()) && self.0[at + name.len()] == 0
        };
        (0..count).map(|index| table + 64 * index).find(is).unwrap_or_else(|| panic!("no section {name}"))
    }

    fn with(&self, name: &str, field: usize, value: u64) -> Vec<u8> {
        let width = if [TYPE, LINK, INFO].contains(&field) { 4 } else { 8 };
        self.changed(self.section(name) + field, width, value)
    }

    /// With other bytes in a section.
    fn within(&self, name: &str, at: usize, width: usize, value: u64) -> Vec<u8> {
        self.changed(self.number(self.section(name) + 24, 8) + at, width, value)
    }

    fn changed(&self, at: usize, width: usize, value: u64) -> Vec<u8> {
        let mut bytes = self.0.clone();
        bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
        bytes
    }
}

fn link(dir: &Path, bytes: &[u8]) -> Result<usize, String> {
    let file = dir.join("one.o");
    fs::write(&file, bytes).unwrap();
    ObjectLinker::default().link(&WORDS, &[file])
}

#[test]
fn one_field_is_enough_to_be_refused() {
    need!("gcc");
    if linking::is_child() || !ObjectLinker::IS_AVAILABLE {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let objects = corpus::compile(dir.path());
    let of = |name: &str| {
        let found = objects.iter().find(|(known, _)| known.starts_with(name));
        Object(found.unwrap_or_else(|| panic!("no {name}")).1.clone())
    };
    let object = of("state, gcc -O2");
    link(dir.path(), &object.0).unwrap();
    let large = 1 << 39;
    let compressed = 2 | 1 << 11;
    let cases = [
        // The linker allocates a library of that size: 549 GB.
        ("alignment", object.with(".text", ALIGN, large)),
        ("alignment of nothing", object.with(".bss", ALIGN, large)),
        ("no power of two", object.with(".text", ALIGN, 3)),
        ("size", object.with(".text", SIZE, large)),
        ("size of zeros", object.with(".bss", SIZE, large)),
        // Its first words say how much memory the rest takes.
        ("compressed", object.with(".rodata.str1.1", FLAGS, compressed)),
        ("two kinds of one name", object.with(".text", TYPE, 8)),
        ("zeros that are read", object.with(".comment", TYPE, 8)),
        ("relocations of nothing", object.with(".rela.text", INFO, 0)),
        ("relocations of another", object.with(".rela.text", INFO, 999)),
        ("names that are not there", object.with(".symtab", LINK, 999)),
        ("a relocation behind the end", object.within(".rela.text", 0, 8, large)),
        ("a relocation before an instruction", object.within(".rela.text", 0, 8, u64::MAX)),
        ("a relocation about nothing", object.within(".rela.text", 12, 4, 999_999)),
        ("an addend", object.within(".rela.text", 16, 8, 1 << 62)),
        ("a symbol's value", object.within(".symtab", 24 * 5 + 8, 8, u64::MAX)),
        ("a frame that does not end", object.within(".eh_frame", 0, 4, 0xffff_fff0)),
        ("a frame about nothing", object.within(".eh_frame", 0, 4, 4)),
    ];
    for (what, bytes) in cases {
        let why = link(dir.path(), &bytes).expect_err(what);
        assert!(why.starts_with("an object is damaged") || why.contains("nvalid"), "{what}: {why}");
    }
}
