//! Writes batches: which flags, which kinds, how many units, which names. A batch follows from the seed and its number.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;

use crate::kinds::{Kind, Variant};
use crate::program::{Batch, Fragment, Item, Program, Unit};
use crate::settings::Settings;

/// Names that units and headers like to have.
const POOL: [&str; 64] = [
    "helper", "state", "table", "count", "step", "config", "init", "node", "item", "hook", "slot", "cell", "limit",
    "depth", "first", "last", "pick", "fold", "score", "total", "offset", "base", "mark", "left", "right", "pc", "n",
    "x", "q", "h", "value", "data", "list", "ring", "queue", "frame", "local", "cache", "hits", "probe", "seen",
    "width", "height", "shape", "kind", "type_of", "size_of", "next_one", "prev", "head", "tail", "body", "owner",
    "leaf", "root", "edge", "cost", "gain", "rate", "unit", "word", "byte", "line", "text",
];

/// Sets of flags. Kinds name them.
const FLAVOURS: [(&str, &[&str], u32); 10] = [
    ("plain", &[], 12),
    ("quiet", &["--cflag=-w"], 8),
    ("wall", &["--cflag=-Wall", "--cflag=-Wextra"], 2),
    ("gnu89", &["--cflag=-std=gnu89"], 2),
    ("c89", &["--cflag=-std=c89", "--cflag=-w"], 2),
    ("gnu2x", &["--cflag=-std=gnu2x", "--cflag=-w"], 1),
    ("common", &["--cflag=-fcommon", "--cflag=-w"], 1),
    ("trigraphs", &["--cflag=-trigraphs", "--cflag=-w"], 1),
    ("dstatic", &["-D", "static=", "--cflag=-w"], 1),
    ("dconst", &["-D", "const=", "--cflag=-w"], 1),
];

/// So many kinds of a batch may have something in its header.
const HEADER_KINDS: usize = 9;

pub struct Generator {
    kinds: Vec<Kind>,
    compilers: Vec<&'static str>,
    seed: u64,
}

/// The names that `$a`, `$b` and `$c` stand for, and `$w`.
type Names = [&'static str; 4];

/// What the units of a folder share.
struct Folder<'k> {
    name: String,
    kinds: BTreeMap<&'k str, Names>,
}

impl Generator {
    pub fn new(kinds: Vec<Kind>, compilers: Vec<&'static str>, settings: &Settings) -> Self {
        let named = |kind: &Kind, words: &[String]| words.iter().any(|word| kind.name.contains(word.as_str()));
        let chosen: Vec<Kind> = kinds
            .into_iter()
            .filter(|kind| settings.kinds.is_empty() || named(kind, &settings.kinds))
            .filter(|kind| !named(kind, &settings.without))
            .collect();
        assert!(!chosen.is_empty(), "MJIT_CC_CAMPAIGN_KINDS and MJIT_CC_CAMPAIGN_WITHOUT leave no kind");
        Self { kinds: chosen, compilers, seed: settings.seed }
    }

    /// The batch of a number.
    pub fn batch(&self, number: usize, programs: usize) -> Batch {
        let mut random = Rng::with_seed(self.seed.wrapping_add((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let random = &mut random;
        let (flavour, words) = pick_flavour(random);
        let cc = self.compilers[number % self.compilers.len()];
        let level = if (number / 2).is_multiple_of(2) { "-O0" } else { "-O3" };
        let mut flags = vec![level.to_owned()];
        flags.extend(words.iter().map(|word| (*word).to_owned()));
        // What gcc 12 takes with a warning.
        if cc.starts_with("clang") && random.u8(..4) > 0 {
            flags.extend(
                ["implicit-function-declaration", "int-conversion"].map(|name| format!("--cflag=-Wno-error={name}")),
            );
        }

        let mut kinds: Vec<&Kind> = self
            .kinds
            .iter()
            .filter(|kind| {
                let quiet = words.contains(&"--cflag=-w");
                kind.only.is_empty() || kind.only.iter().any(|only| only == flavour || (only == "silent" && quiet))
            })
            .collect();
        if kinds.is_empty() {
            kinds = self.kinds.iter().collect();
        }
        random.shuffle(&mut kinds);
        let own = |kind: &Kind| kind.only.iter().any(|only| only == flavour);
        // Kinds of the flavour's own come first, or they would hardly come at all.
        kinds.sort_by_key(|kind| !own(kind));
        let mut in_header = 0;
        kinds.retain(|kind| {
            let headed = !kind.header.is_empty();
            in_header += usize::from(headed);
            !headed || in_header <= HEADER_KINDS
        });

        let mut taken = BTreeSet::new();
        let mut header = Vec::new();
        let mut of_header: BTreeMap<&str, Names> = BTreeMap::new();
        for kind in kinds.iter().filter(|kind| !kind.header.is_empty()) {
            let names = names(random, &mut taken);
            of_header.insert(&kind.name, names);
            let filler = Filler { names, number: kind.number, ..Filler::default() };
            header.push(Fragment(filler.fill(&kind.header)));
        }

        let mut batch = Batch { cc, flags, header, programs: Vec::new() };
        while batch.programs.len() < programs {
            // Names that the header has are seldom another thing in a unit.
            let mut taken = if random.u8(..16) == 0 { BTreeSet::new() } else { taken.clone() };
            let mut folder = Folder { name: format!("d{}", batch.programs.len()), kinds: of_header.clone() };
            for kind in &kinds {
                folder.kinds.entry(&kind.name).or_insert_with(|| names(random, &mut taken));
            }
            let neighbours = if random.u8(..3) == 0 { 2 } else { 1 };
            for _ in 0..neighbours {
                let prefix = format!("p{}", batch.programs.len());
                batch.programs.push(program(random, &kinds, &folder, prefix, &own));
            }
        }
        batch
    }
}

fn pick_flavour(random: &mut Rng) -> (&'static str, &'static [&'static str]) {
    let sum: u32 = FLAVOURS.iter().map(|(_, _, weight)| weight).sum();
    let mut at = random.u32(..sum);
    for (name, words, weight) in FLAVOURS {
        if at < weight {
            return (name, words);
        }
        at -= weight;
    }
    unreachable!("the weights were summed up")
}

/// Names that are not taken yet, as long as there are some.
fn names(random: &mut Rng, taken: &mut BTreeSet<&'static str>) -> Names {
    if taken.len() + 8 > POOL.len() {
        taken.clear();
    }
    std::array::from_fn(|_| {
        loop {
            let name = POOL[random.usize(..POOL.len())];
            if taken.insert(name) {
                return name;
            }
        }
    })
}

fn program(
    random: &mut Rng,
    kinds: &[&Kind],
    folder: &Folder<'_>,
    prefix: String,
    own: &dyn Fn(&Kind) -> bool,
) -> Program {
    let mut chosen: Vec<&Kind> = Vec::new();
    let own: Vec<&&Kind> = kinds.iter().filter(|kind| own(kind)).collect();
    for at in 0..1 + random.usize(..3) {
        let kind = if at == 0 && !own.is_empty() && random.bool() {
            *own[random.usize(..own.len())]
        } else {
            kinds[random.usize(..kinds.len())]
        };
        if !chosen.iter().any(|other| other.name == kind.name) {
            chosen.push(kind);
        }
    }
    let count = 2 + usize::from(random.bool()) * random.usize(..5);
    let letters = ["a", "b", "c", "d", "e", "f"];
    let units = letters[..count].iter().map(|letter| unit(random, &chosen, folder, &prefix, letter)).collect();
    let mut files = Vec::new();
    for kind in &chosen {
        let filler = Filler { names: folder.kinds[&*kind.name], number: kind.number, ..Filler::default() };
        files.extend(kind.files.iter().map(|(name, text)| (name.clone(), filler.fill(text))));
    }
    let whole = chosen.iter().any(|kind| kind.whole);
    Program { prefix, folder: folder.name.clone(), files, units, whole }
}

fn unit(random: &mut Rng, kinds: &[&Kind], folder: &Folder<'_>, prefix: &str, letter: &str) -> Unit {
    let mut items = Vec::new();
    if random.u8(..8) == 0 {
        let blank = ["\n", "\n\n\n", "/* begins\n   here */\n", "// a unit \\\n of its own\n"];
        items.push(Item { kind: "comment".to_owned(), top: blank[random.usize(..4)].to_owned(), ..Item::default() });
    }
    for (at, kind) in kinds.iter().enumerate() {
        // Not every unit has everything, but none is empty.
        if kinds.len() > 1 && random.u8(..8) == 0 && !(at + 1 == kinds.len() && items.is_empty()) {
            continue;
        }
        let mut names = folder.kinds[&*kind.name];
        // Here and there a name of the unit's own.
        if kind.header.is_empty() && kind.files.is_empty() && random.u8(..10) == 0 {
            names[0] = POOL[random.usize(..POOL.len())];
        }
        let filler = Filler {
            names,
            small: 1 + random.u8(..3),
            entry: format!("{prefix}_{letter}{at}"),
            unit: format!("{prefix}_{letter}"),
            prefix: prefix.to_owned(),
            number: kind.number,
            at,
        };
        let variant = &kind.variants[random.usize(..kind.variants.len())];
        items.push(item(random, kind, variant, &filler));
    }
    random.shuffle(&mut items);
    Unit { path: format!("{}/{prefix}_{letter}.c", folder.name), items }
}

fn item(random: &mut Rng, kind: &Kind, variant: &Variant, filler: &Filler) -> Item {
    let body = &variant.body;
    let functions = variant.result.as_ref().map_or(String::new(), |result| match random.u8(..16) {
        0..9 => format!("int $e(void)\n{{\n{body}    return {result};\n}}\n"),
        9..12 => format!(
            "static __attribute__((noinline)) int $w(void)\n{{\n{body}    return {result};\n}}\nint $e(void) {{ return $w(); }}\n"
        ),
        12 => format!(
            "static inline int $w(void)\n{{\n{body}    return {result};\n}}\nint $e(void) {{ return $w() * 2 + $w(); }}\n"
        ),
        13 if !result.contains("#") => {
            format!("#define EXPRESSION_$n ({result})\nint $e(void)\n{{\n{body}    return EXPRESSION_$n;\n}}\n")
        }
        14 => format!(
            "static int $w(void);\nint $e(void) {{ return $w(); }}\nstatic int $w(void)\n{{\n{body}    return {result};\n}}\n"
        ),
        _ => format!("int\n$e (void) /* {{ */\n{{\n{body}    return ({result}); /* }} */\n}}\n"),
    });
    let entry = variant.entry.as_deref().unwrap_or("$e");
    Item {
        kind: kind.name.clone(),
        header: filler.fill(&variant.header),
        top: filler.fill(&variant.top),
        functions: filler.fill(&functions),
        tail: filler.fill(&variant.tail),
        entries: vec![filler.fill(entry)],
        late: random.u8(..4) == 0,
    }
}

/// What the dollars of a kind's text stand for.
#[derive(Default)]
struct Filler {
    names: Names,
    small: u8,
    entry: String,
    unit: String,
    prefix: String,
    number: usize,
    at: usize,
}

impl Filler {
    fn fill(&self, text: &str) -> String {
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
                Some('$') => filled.push('$'),
                other => panic!("${other:?} means nothing in {text}"),
            }
        }
        filled
    }
}
