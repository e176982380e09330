//! Pairs of forms as programs, compiled and compared.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::flags;
use crate::host::Host;
use crate::items::{Filler, Names, Wrap, item};
use crate::kinds::{self, Kind};
use crate::outcome::Difference;
use crate::program::{Batch, Fragment, Program, Unit};
use crate::support::{has, need};
use crate::tool::{Bench, Way};

const NAMES: Names = ["helper", "state", "table", "wrapped"];

/// Compares the pairs of one file of kinds; `merged` if each must be merged too.
pub fn check(file: &str, merged: bool) {
    need!("gcc");
    let tool = std::env::var_os("MJIT_CC").map_or_else(|| env!("CARGO_BIN_EXE_mjit-cc").into(), PathBuf::from);
    let mut texts = kinds::TEXTS.to_vec();
    texts.push(("safe", include_str!("safe.txt")));
    texts.retain(|(name, _)| *name == file);
    let mut kinds = kinds::read(&texts);
    let count = kinds.len();
    if let Ok(words) = std::env::var("MJIT_CC_CAMPAIGN_KINDS") {
        kinds.retain(|kind| words.split(',').any(|word| kind.name.contains(word)));
    }
    let bench = Bench { tool: std::path::absolute(tool).unwrap(), host: Host::build(count) };
    let mut failed: BTreeMap<String, String> = BTreeMap::new();
    let mut count = 0;
    let clang = ["clang-19", "clang"].into_iter().find(|cc| has(cc));
    for cc in ["gcc"].into_iter().chain(clang) {
        for batch in batches(&kinds, cc) {
            count += batch.programs.len();
            for (program, why) in differing(&bench, &batch, merged) {
                let kind = &program.units[0].items[0].kind;
                let why = format!("{cc} {}: {why}", batch.flags.join(" "));
                let known = failed.entry(kind.clone()).or_insert_with(|| why.clone());
                if known.contains(": diagnostics of") && !why.contains(": diagnostics of") {
                    *known = why;
                }
            }
        }
    }
    for (kind, why) in &failed {
        println!("FAILS {kind}: {why}");
    }
    let names: Vec<&str> = failed.keys().map(String::as_str).collect();
    assert!(names.is_empty(), "{count} programs; these kinds fail: {}", names.join(", "));
}

/// The programs that are not what they should be, with the reason.
fn differing<'b>(bench: &Bench, batch: &'b Batch, merged: bool) -> Vec<(&'b Program, String)> {
    let dir = tempfile::tempdir().unwrap();
    batch.write(dir.path());
    let [alone, together] = [Way::Compact, Way::Merged].map(|way| bench.try_out(batch, dir.path(), way));
    let differences = alone.differences(&together, &["symbol-order".to_owned()]);
    let of = |program: &Program| {
        let own = |difference: &&Difference| difference.program().as_ref() == Some(&program.prefix);
        // What code means comes before what is said about the code.
        let meaning = differences.iter().filter(own).find(|difference| difference.what != "diagnostics");
        let Difference { what, subject, left, right } = meaning.or_else(|| differences.iter().find(own))?;
        Some(format!("{what} of {subject}: alone {left}; merged {right}"))
    };
    let unmerged = |program: &Program| {
        let units: BTreeSet<&String> = program.units.iter().map(|unit| &unit.path).collect();
        let left: Vec<&&String> = units.iter().filter(|unit| !together.merged.contains(**unit)).collect();
        (merged && !left.is_empty()).then(|| format!("{left:?} are not merged"))
    };
    let mut found: Vec<(&Program, String)> = Vec::new();
    for program in &batch.programs {
        if let Some(why) = of(program).or_else(|| unmerged(program)) {
            found.push((program, why));
        }
    }
    // The tool or the library as a whole.
    if found.is_empty()
        && let Some(Difference { what, left, right, .. }) = differences.first()
    {
        found.extend(batch.programs.iter().map(|program| (program, format!("{what}: alone {left}; merged {right}"))));
    }
    found
}

/// A batch for each kind that has something in the header or wants flags, and one for all others.
fn batches(kinds: &[Kind], cc: &'static str) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut plain = Batch { cc, flags: words(cc, None), unity: "8", header: Vec::new(), programs: Vec::new() };
    for kind in kinds {
        let headed = !kind.header.is_empty() || kind.variants.iter().any(|variant| !variant.header.is_empty());
        if headed || !kind.only.is_empty() {
            let filler = Filler { names: NAMES, number: kind.number, ..Filler::default() };
            let mut own = Batch {
                cc,
                flags: words(cc, kind.only.first()),
                unity: "8",
                header: vec![Fragment(filler.fill(&kind.header))],
                programs: Vec::new(),
            };
            programs(kind, &mut own);
            batches.push(own);
        } else {
            programs(kind, &mut plain);
        }
    }
    if !plain.programs.is_empty() {
        batches.push(plain);
    }
    batches
}

fn words(cc: &str, flavour: Option<&String>) -> Vec<String> {
    let mut words = vec!["-O3".to_owned()];
    words.extend(flavour.map_or_else(Vec::new, |flavour| flags::of(flavour)));
    words.extend(flags::lenient(cc));
    words
}

fn programs(kind: &Kind, batch: &mut Batch) {
    let count = kind.variants.len();
    for first in 0..count {
        let mut seconds = vec![first];
        if count > 1 {
            seconds.push((first + 1) % count);
        }
        for second in seconds {
            let prefix = format!("p{}", batch.programs.len());
            let folder = format!("d{}", batch.programs.len());
            let unit = |letter: &str, variant: usize| {
                let filler = Filler {
                    names: NAMES,
                    small: 1 + u8::try_from(variant % 3).unwrap(),
                    entry: format!("{prefix}_{letter}0"),
                    unit: format!("{prefix}_{letter}"),
                    prefix: prefix.clone(),
                    number: kind.number,
                    at: 0,
                };
                let wrap = if variant % 2 == 1 && first == second { Wrap::Function } else { Wrap::Nothing };
                let item = item(kind, &kind.variants[variant], &filler, wrap, false);
                Unit { path: format!("{folder}/{prefix}_{letter}.c"), items: vec![item] }
            };
            let units = vec![unit("a", first), unit("b", second)];
            let filler = Filler { names: NAMES, number: kind.number, ..Filler::default() };
            let files = kind.files.iter().map(|(name, text)| (name.clone(), filler.fill(text))).collect();
            batch.programs.push(Program { prefix, folder, files, units, whole: kind.whole });
        }
    }
}
