//! The campaign itself: batches until there are enough programs, on all processors, and what they showed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::generator::Generator;
use crate::host::Host;
use crate::kinds;
use crate::outcome::Difference;
use crate::program::Batch;
use crate::reduce::{reduce, split};
use crate::settings::Settings;
use crate::support::has;
use crate::tool::{Bench, Way};

/// As many programs share a header and a run of the tool.
const PROGRAMS: usize = 25;

/// In one of so many batches each unit is loaded from a library of its own too.
const ALONE: usize = 4;

pub struct Campaign {
    settings: Settings,
    bench: Bench,
    generator: Generator,
    next: AtomicUsize,
    summary: Mutex<Summary>,
}

#[derive(Default)]
pub struct Summary {
    pub seed: u64,
    pub batches: usize,
    pub programs: usize,
    pub units: usize,
    pub failed: usize,
    pub merged: usize,
    pub differences: Vec<String>,
    /// By kinds: how many differ, and after how many programs the first did.
    pub kinds: BTreeMap<String, (usize, usize)>,
    pub reduced: usize,
    pub took: Duration,
}

impl Campaign {
    pub fn new(settings: Settings) -> Self {
        let all = kinds::read(&kinds::TEXTS);
        let host = Host::build(all.len());
        let compilers: Vec<&'static str> =
            ["gcc", "clang-19", "clang-14", "clang"].into_iter().filter(|cc| has(cc)).collect();
        let compilers = compilers.into_iter().take(2).collect();
        let generator = Generator::new(all, compilers, &settings);
        let bench = Bench { tool: std::path::absolute(&settings.tool).unwrap(), host };
        let summary = Mutex::new(Summary { seed: settings.seed, ..Summary::default() });
        let next = AtomicUsize::new(settings.from);
        Self { settings, bench, generator, next, summary }
    }

    pub fn run(self) -> Summary {
        let began = Instant::now();
        println!("campaign: MJIT_CC_CAMPAIGN_SEED={} with {}", self.settings.seed, self.bench.tool.display());
        let count = self.settings.programs.div_ceil(PROGRAMS);
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    loop {
                        let number = self.next.fetch_add(1, Ordering::Relaxed);
                        if number >= self.settings.from + count {
                            break;
                        }
                        self.batch(number);
                    }
                });
            }
        });
        let mut summary = self.summary.into_inner().unwrap();
        summary.took = began.elapsed();
        summary
    }

    fn batch(&self, number: usize) {
        let batch = self.generator.batch(number, PROGRAMS);
        if let Some(keep) = &self.settings.keep {
            let dir = keep.join(format!("batch-{number}"));
            fs::create_dir_all(&dir).unwrap();
            batch.write(&dir);
            fs::write(dir.join("flags"), format!("{} {}\n", batch.cc, batch.flags.join(" "))).unwrap();
        }
        let (differences, failed, merged) = self.differences(&batch, number.is_multiple_of(ALONE));
        let mut summary = self.summary.lock().unwrap();
        summary.batches += 1;
        summary.programs += batch.programs.len();
        summary.units += batch.units().count();
        summary.failed += failed;
        summary.merged += merged;
        if summary.batches.is_multiple_of(20) {
            println!("{} batches: {}", summary.batches, summary.line());
        }
        drop(summary);
        if !differences.is_empty() {
            self.explain(&batch, &differences, number);
        }
    }

    /// What differs, how many units fail to compile, and how many were merged.
    fn differences(&self, batch: &Batch, alone: bool) -> (Vec<Difference>, usize, usize) {
        let dir = tempfile::tempdir().unwrap();
        batch.write(dir.path());
        let ignore = &self.settings.ignore;
        let compact = self.bench.try_out(batch, dir.path(), Way::Compact);
        let merged = self.bench.try_out(batch, dir.path(), Way::Merged);
        let mut differences = compact.differences(&merged, ignore);
        if alone && !compact.failed_to_load() {
            let alone = self.bench.try_out(batch, dir.path(), Way::Alone);
            let mut incomplete = alone.incomplete();
            // Two units that define one symbol go into two libraries, and are refused in one (an `inline` function of gnu89).
            incomplete.extend(compact.refused());
            let whole = batch.programs.iter().filter(|program| program.whole);
            incomplete.extend(whole.map(|program| program.prefix.clone()));
            let found = alone.differences(&compact, ignore);
            // What only one library for all can have is no difference.
            let meant = found.into_iter().filter(|difference| {
                matches!(&*difference.what, "entry" | "key" | "order" | "diagnostics")
                    && difference.program().is_some_and(|program| !incomplete.contains(&program))
            });
            differences.extend(meant.map(|mut difference| {
                difference.what.insert_str(0, "alone-");
                difference
            }));
        }
        (differences, compact.failed(), merged.merged.len())
    }

    /// Finds the programs that differ, and prints each, reduced if there are not too many yet.
    fn explain(&self, batch: &Batch, differences: &[Difference], number: usize) {
        let enough = self.summary.lock().unwrap().reduced >= self.settings.reduce;
        if enough && self.name(batch, differences, number) {
            return;
        }
        let alone = differences.iter().any(|difference| difference.what.starts_with("alone-"));
        let differs = |batch: &Batch| !self.differences(batch, alone).0.is_empty();
        let named: BTreeSet<String> = differences.iter().filter_map(Difference::program).collect();
        let whole = differences.iter().any(|difference| matches!(&*difference.what, "load" | "report" | "words"));
        let mut found: Vec<Batch> = Vec::new();
        if !whole {
            let folders: BTreeSet<&str> = batch
                .programs
                .iter()
                .filter(|program| named.contains(&program.prefix))
                .map(|program| program.folder.as_str())
                .collect();
            let parts = folders.iter().map(|folder| batch.only(|at| batch.programs[at].folder == **folder));
            found.extend(parts.filter(|part| differs(part)));
        }
        if found.is_empty() {
            found = split(batch, &differs);
        }
        for part in found {
            self.print(&part, &differs, alone, number);
        }
    }

    /// Records the programs that differ without another run of the tool; false if the differences name none.
    fn name(&self, batch: &Batch, differences: &[Difference], number: usize) -> bool {
        let mut any = false;
        for (at, program) in batch.programs.iter().enumerate() {
            let own = differences.iter().filter(|difference| difference.program().as_ref() == Some(&program.prefix));
            let own: Vec<Difference> = own.cloned().collect();
            if !own.is_empty() {
                any = true;
                self.record(&batch.only(|other| other == at), &own, number, "");
            }
        }
        any
    }

    fn print(&self, part: &Batch, differs: &dyn Fn(&Batch) -> bool, alone: bool, number: usize) {
        let reduced = {
            let mut summary = self.summary.lock().unwrap();
            summary.reduced += 1;
            summary.reduced <= self.settings.reduce
        };
        let smallest = if reduced { reduce(part, differs) } else { part.clone() };
        let differences = self.differences(&smallest, alone).0;
        let mut text = String::new();
        if reduced {
            text += &shown(&smallest, &differences);
            text += &format!(
                "again: MJIT_CC_CAMPAIGN_SEED={} MJIT_CC_CAMPAIGN_FROM={number} MJIT_CC_CAMPAIGN_PROGRAMS={PROGRAMS}\n",
                self.settings.seed
            );
        }
        self.record(&smallest, &differences, number, &text);
    }

    fn record(&self, batch: &Batch, differences: &[Difference], number: usize, text: &str) {
        let kinds = suspects(batch, differences).into_iter().collect::<Vec<_>>().join(" + ");
        let what: BTreeSet<&str> = differences.iter().map(|difference| &*difference.what).collect();
        let what = what.into_iter().collect::<Vec<_>>().join(", ");
        let flags = batch.flags.join(" ");
        let line = format!("batch {number}, {} {flags} --unity {}: {what}: {kinds}", batch.cc, batch.unity);
        println!("DIFFERS {line}\n{text}");
        let mut summary = self.summary.lock().unwrap();
        let after = summary.programs;
        summary.kinds.entry(kinds).or_insert((0, after)).0 += 1;
        summary.differences.push(line);
    }
}

/// The kinds of the entries that answer otherwise, or else of all units.
fn suspects<'b>(batch: &'b Batch, differences: &[Difference]) -> BTreeSet<&'b str> {
    let named = |entry: &str| {
        differences
            .iter()
            .any(|difference| difference.subject == entry && difference.left != "none" && difference.right != "none")
    };
    let own = batch.items().filter(|item| item.entries.iter().any(|entry| named(entry)));
    let own: BTreeSet<&str> = own.map(|item| item.kind.as_str()).collect();
    if own.is_empty() { batch.items().map(|item| item.kind.as_str()).collect() } else { own }
}

/// The header, the units and both outcomes.
fn shown(batch: &Batch, differences: &[Difference]) -> String {
    let mut text = format!("--- header.h\n{}", batch.header_text());
    for program in &batch.programs {
        for (name, contents) in &program.files {
            text += &format!("--- {}/{name}\n{contents}", program.folder);
        }
        for unit in &program.units {
            text += &format!("--- {}\n{}", unit.path, unit.text());
        }
    }
    for difference in differences {
        let Difference { what, subject, left, right } = difference;
        text += &format!("=== {what} of {subject}\n    without: {left}\n    merged:  {right}\n");
    }
    text
}

impl Summary {
    fn line(&self) -> String {
        format!(
            "{} programs, {} units, {} failed to compile, {} merged, {} programs differ",
            self.programs,
            self.units,
            self.failed,
            self.merged,
            self.differences.len()
        )
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kinds, (times, after)) in &self.kinds {
            writeln!(f, "{times} x {kinds}, first after {after} programs")?;
        }
        writeln!(f, "campaign: {} in {:.0} s", self.line(), self.took.as_secs_f64())?;
        let share = self.merged as f64 * 100.0 / self.units.max(1) as f64;
        write!(f, "campaign: {share:.1} % of the units were merged; MJIT_CC_CAMPAIGN_SEED={}", self.seed)
    }
}
