//! Units as a generator writes them (the fixtures'), changed a little: names, numbers, operations, comments. Copies that differ in
//! one place are what merging has to tell apart.

use std::fs;

use fastrand::Rng;

use crate::program::Item;
use crate::support::{fixture, fixture_units};

/// What the fixtures' units stand behind, and what calls one.
pub fn header() -> String {
    let vm = fs::read_to_string(fixture("vm.h")).unwrap();
    format!("{vm}\nextern int host_run(vm_unit_t unit);\n")
}

/// The fixtures' units, read once.
pub struct Originals(Vec<String>);

impl Originals {
    pub fn read() -> Self {
        Self(fixture_units().iter().map(|path| fs::read_to_string(path).unwrap()).collect())
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// One of them, changed, with the entry `{unit}_r` for the host.
    pub fn item(&self, random: &mut Rng, which: usize, unit: &str) -> Item {
        let text = &self.0[which];
        let name = text.lines().find_map(|line| line.split_once("(vm_state_t *vm")).unwrap().0.trim().to_owned();
        let mut text = replaced(text, &name, &format!("{unit}_real"));
        for _ in 0..random.usize(..4) {
            change(random, &mut text);
        }
        Item {
            kind: "real".to_owned(),
            top: text,
            functions: format!("int {unit}_r(void) {{ return host_run({unit}_real); }}\n"),
            entries: vec![format!("{unit}_r")],
            ..Item::default()
        }
    }
}

fn change(random: &mut Rng, text: &mut String) {
    let pick = |random: &mut Rng, words: &[&'static str]| words[random.usize(..words.len())];
    match random.u8(..7) {
        0 => {
            let from = pick(random, &["stack", "constants", "label_0", "label_8", "frame"]);
            let to = pick(random, &["helper", "state", "table", "vm_local", "_x", "stack_0", "VALUE"]);
            if !words(text).any(|word| word == to) {
                *text = replaced(text, from, to);
            }
        }
        1 => {
            let from = pick(random, &["vm_add", "vm_sub", "vm_lt", "vm_le", "vm_eq", "VM_TRUE", "VM_NIL"]);
            let to = pick(random, &["vm_add", "vm_sub", "vm_gt", "vm_ge", "vm_ne", "VM_FALSE", "VM_NIL"]);
            if from.starts_with("vm_") == to.starts_with("vm_") {
                *text = text.replacen(from, to, 1);
            }
        }
        2 => *text = text.replacen("VM_INT(1)", "VM_INT(2)", 1),
        3 => *text = text.replacen("(frame->locals[index])", "(frame->locals[(index)])", 1),
        4 => *text = text.replacen(" /* ", " /* it's \" ", 1),
        5 => *text = text.replacen("{\n", "\\\n{\n", 1),
        _ => {
            let number = random.u8(..2);
            text.insert_str(0, &format!("static const int64_t limits[] = {{ 1, {number} }};\n"));
            *text = text.replacen("return stack[0];", "return stack[0] + limits[1] * 2;", 1);
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
}

/// A text in which one word is another.
fn replaced(text: &str, from: &str, to: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(from) {
        let part = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        let whole = !part(rest[..at].chars().next_back().or(out.chars().next_back()))
            && !part(rest[at + from.len()..].chars().next());
        out += &rest[..at];
        out += if whole { to } else { from };
        rest = &rest[at + from.len()..];
    }
    out + rest
}
