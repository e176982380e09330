//! Writes batches: which flags, which kinds, how many units, which names. A batch follows from the seed and its number.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;

use crate::flags;
use crate::items::{Filler, Names, Wrap, item};
use crate::kinds::Kind;
use crate::program::{Batch, Fragment, Item, Program, Unit};
use crate::real::{self, Originals};
use crate::settings::Settings;

/// Names that units and headers like to have.
const POOL: [&str; 64] = [
    "helper", "state", "table", "count", "step", "config", "init", "node", "item", "hook", "slot", "cell", "limit",
    "depth", "first", "last", "pick", "fold", "score", "total", "offset", "base", "mark", "left", "right", "pc", "n",
    "x", "q", "h", "value", "data", "list", "ring", "queue", "frame", "local", "cache", "hits", "probe", "seen",
    "width", "height", "shape", "kind", "type_of", "size_of", "next_one", "prev", "head", "tail", "body", "owner",
    "leaf", "root", "edge", "cost", "gain", "rate", "unit", "word", "byte", "line", "text",
];

/// So many kinds without and with something in the header a batch has: few enough that each is in several programs.
const KINDS: [usize; 2] = [16, 9];

pub struct Generator {
    kinds: Vec<Kind>,
    compilers: Vec<&'static str>,
    originals: Originals,
    seed: u64,
}

/// What the units of a folder share.
struct Folder<'k> {
    name: String,
    kinds: BTreeMap<&'k str, Names>,
    taken: BTreeSet<&'static str>,
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
        Self { kinds: chosen, compilers, originals: Originals::read(), seed: settings.seed }
    }

    /// The batch of a number.
    pub fn batch(&self, number: usize, programs: usize) -> Batch {
        let mut random = Rng::with_seed(self.seed.wrapping_add((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let random = &mut random;
        let (flavour, words) = flags::pick(random);
        let cc = self.compilers[number % self.compilers.len()];
        let level = if (number / 2).is_multiple_of(2) { "-O0" } else { "-O3" };
        let mut flags = vec![level.to_owned()];
        flags.extend(words.iter().map(|word| (*word).to_owned()));
        if random.u8(..4) > 0 {
            flags.extend(flags::lenient(cc));
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
        let own = |kind: &Kind| kind.only.iter().any(|only| only == flavour);
        if flags::EXCLUSIVE.contains(&flavour) && kinds.iter().any(|kind| own(kind)) {
            kinds.retain(|kind| own(kind));
        }
        random.shuffle(&mut kinds);
        // Kinds of the flavour's own come first, or they would hardly come at all.
        kinds.sort_by_key(|kind| !own(kind));
        let mut counts = [0, 0];
        kinds.retain(|kind| {
            let headed = usize::from(!kind.header.is_empty());
            counts[headed] += 1;
            counts[headed] <= KINDS[headed]
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

        let real = flavour == "real";
        if real {
            header.insert(0, Fragment(real::header()));
        }
        let unity = ["8", "8", "8", "3", "auto"][random.usize(..5)];
        let mut batch = Batch { cc, flags, unity, header, programs: Vec::new() };
        let own = kinds.iter().filter(|kind| own(kind)).copied().collect();
        let mut writer = Writer { random, kinds, own, originals: real.then_some(&self.originals) };
        while batch.programs.len() < programs {
            // Names that the header has are seldom another thing in a unit.
            let taken = if writer.random.u8(..16) == 0 { BTreeSet::new() } else { taken.clone() };
            let mut folder = Folder { name: format!("d{}", batch.programs.len()), kinds: of_header.clone(), taken };
            let neighbours = if writer.random.u8(..3) == 0 { 2 } else { 1 };
            for _ in 0..neighbours {
                let prefix = format!("p{}", batch.programs.len());
                batch.programs.push(writer.program(&mut folder, prefix));
            }
        }
        batch
    }
}

/// Writes the programs of one batch.
struct Writer<'k, 'r> {
    random: &'r mut Rng,
    kinds: Vec<&'k Kind>,
    /// Those for the batch's flags and no others.
    own: Vec<&'k Kind>,
    originals: Option<&'k Originals>,
}

impl<'k> Writer<'k, '_> {
    fn program(&mut self, folder: &mut Folder<'k>, prefix: String) -> Program {
        let chosen = self.choose();
        for kind in &chosen {
            let Folder { kinds, taken, .. } = folder;
            kinds.entry(&kind.name).or_insert_with(|| names(self.random, taken));
        }
        let count = 2 + usize::from(self.random.bool()) * self.random.usize(..5);
        let letters = ["a", "b", "c", "d", "e", "f"];
        // Copies of one original, or units of several.
        let which =
            self.originals.filter(|_| self.random.bool()).map(|originals| self.random.usize(..originals.count()));
        let mut units: Vec<Unit> =
            letters[..count].iter().map(|letter| self.unit(&chosen, folder, &prefix, letter)).collect();
        if let Some(originals) = self.originals {
            for (unit, letter) in units.iter_mut().zip(letters) {
                let which = which.unwrap_or_else(|| self.random.usize(..originals.count()));
                unit.items.insert(0, originals.item(self.random, which, &format!("{prefix}_{letter}")));
            }
        }
        let mut files = Vec::new();
        for kind in &chosen {
            let filler = Filler { names: folder.kinds[&*kind.name], number: kind.number, ..Filler::default() };
            files.extend(kind.files.iter().map(|(name, text)| (name.clone(), filler.fill(text))));
        }
        let whole = chosen.iter().any(|kind| kind.whole);
        Program { prefix, folder: folder.name.clone(), files, units, whole }
    }

    fn choose(&mut self) -> Vec<&'k Kind> {
        let mut chosen: Vec<&Kind> = Vec::new();
        for at in 0..1 + self.random.usize(..3) {
            let from = if at == 0 && !self.own.is_empty() && self.random.bool() { &self.own } else { &self.kinds };
            let kind = from[self.random.usize(..from.len())];
            if !chosen.iter().any(|other| other.name == kind.name) {
                chosen.push(kind);
            }
        }
        chosen
    }

    fn unit(&mut self, kinds: &[&Kind], folder: &Folder<'_>, prefix: &str, letter: &str) -> Unit {
        let random = &mut *self.random;
        let mut items = Vec::new();
        if random.u8(..8) == 0 {
            let blank = ["\n", "\n\n\n", "/* begins\n   here */\n", "// a unit \\\n of its own\n"];
            items.push(Item {
                kind: "comment".to_owned(),
                top: blank[random.usize(..4)].to_owned(),
                ..Item::default()
            });
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
            items.push(item(kind, variant, &filler, Wrap::any(random), random.u8(..4) == 0));
        }
        random.shuffle(&mut items);
        Unit { path: format!("{}/{prefix}_{letter}.c", folder.name), items }
    }
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
