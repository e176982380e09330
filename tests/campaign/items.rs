//! From a form of a kind to C text: the names are filled in, and the expression gets a function around it.

use fastrand::Rng;

use crate::kinds::{Kind, Variant};
use crate::program::Item;

/// The names that `$a`, `$b` and `$c` stand for, and `$w`.
pub type Names = [&'static str; 4];

/// What stands between an expression and the entry that the host calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrap {
    Nothing,
    /// A static function whose text is often that of another unit.
    Function,
    Inline,
    Macro,
    Declared,
    Comments,
}

impl Wrap {
    pub fn any(random: &mut Rng) -> Self {
        match random.u8(..16) {
            0..9 => Self::Nothing,
            9..12 => Self::Function,
            12 => Self::Inline,
            13 => Self::Macro,
            14 => Self::Declared,
            _ => Self::Comments,
        }
    }

    fn around(self, body: &str, result: &str) -> String {
        let function = format!("int $w(void)\n{{\n{body}    return {result};\n}}\n");
        match self {
            Self::Nothing => format!("int $e(void)\n{{\n{body}    return {result};\n}}\n"),
            Self::Function => {
                format!("static __attribute__((noinline)) {function}int $e(void) {{ return $w(); }}\n")
            }
            Self::Inline => format!("static inline {function}int $e(void) {{ return $w() * 2 + $w(); }}\n"),
            Self::Macro => {
                format!("#define EXPRESSION_$n ({result})\nint $e(void)\n{{\n{body}    return EXPRESSION_$n;\n}}\n")
            }
            Self::Declared => {
                format!("static int $w(void);\nint $e(void) {{ return $w(); }}\nstatic {function}")
            }
            Self::Comments => format!("int\n$e (void) /* {{ */\n{{\n{body}    return ({result}); /* }} */\n}}\n"),
        }
    }
}

/// A form as text; `late` puts its functions to the unit's end.
pub fn item(kind: &Kind, variant: &Variant, filler: &Filler, wrap: Wrap, late: bool) -> Item {
    let functions = variant.result.as_ref().map_or(String::new(), |result| wrap.around(&variant.body, result));
    Item {
        kind: kind.name.clone(),
        header: filler.fill(&variant.header),
        top: filler.fill(&variant.top),
        functions: filler.fill(&functions),
        tail: filler.fill(&variant.tail),
        entries: vec![filler.fill(variant.entry.as_deref().unwrap_or("$e"))],
        late,
    }
}

/// What the dollars of a kind's text stand for.
#[derive(Default)]
pub struct Filler {
    pub names: Names,
    pub small: u8,
    pub entry: String,
    pub unit: String,
    pub prefix: String,
    pub number: usize,
    pub at: usize,
}

impl Filler {
    pub fn fill(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if letter != '$' {
                filled.push(letter);
                continue;
            }
            match letters.next() {
                Some('a') => filled += self.names[0],
                Some('b') => filled += self.names[1],
                Some('c') => filled += self.names[2],
                Some('w') => filled += self.names[3],
                Some('k') => filled += &self.small.to_string(),
                Some('e') => filled += &self.entry,
                Some('x') => filled += &self.unit,
                Some('p') => filled += &self.prefix,
                Some('h') => filled += &self.number.to_string(),
                Some('n') => filled += &self.at.to_string(),
                Some('s') => filled.push(' '),
                Some('r') => filled.push('\r'),
                Some('f') => filled.push('\u{c}'),
                Some('v') => filled.push('\u{b}'),
                Some('0') => filled.push('\u{feff}'),
                Some('z') => filled.push('\0'),
                Some('$') => filled.push('$'),
                other => panic!("${other:?} means nothing in {text}"),
            }
        }
        filled
    }
}
