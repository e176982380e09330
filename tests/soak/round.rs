//! One worker's life, from its builder to the traces that it must not leave.

use std::fmt;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mjitcc::Failure;
use mjitcc::discover::{Environment, Wish};
use mjitcc::platforms::{Flags, OptLevel};
use mjitcc::worker::{NoCode, SlotState, Standby, Tiers, Unity, Worker, WorkerEvent, WorkerHeader};

use crate::leaks::Possessions;
use crate::support::fixture;
use crate::threads::{Counts, Stage};
use crate::vm::{IMMORTALS, Vm};
use crate::watchdog::{self, Journal};

/// How long the compiler that hangs hangs.
const DEADLINE: Duration = Duration::from_secs(1);
const MUTATORS: u64 = 3;

/// What kind of worker.
pub struct Kind {
    pub cc: PathBuf,
    pub threads: usize,
    pub cache: usize,
    pub header: bool,
    /// With all that makes code be there sooner. What a fake compiler does it does to units of their own name.
    pub quickly: bool,
}

/// How long, and how much.
pub struct Budget {
    pub time: Duration,
    pub units: u64,
}

/// Over all rounds.
#[derive(Default)]
pub struct Totals {
    pub submitted: u64,
    numbers: [(&'static str, u64); 14],
}

impl Totals {
    fn add(&mut self, numbers: [(&'static str, u64); 14]) {
        for (total, (name, number)) in self.numbers.iter_mut().zip(numbers) {
            *total = (name, total.1 + number);
        }
    }

    /// A soak in which nothing happens proves nothing.
    pub fn check(&self) {
        for (name, number) in self.numbers {
            assert!(number > 0 || self.submitted < 1000, "nothing was {name}");
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} submitted", self.submitted)?;
        self.numbers.iter().try_for_each(|(name, number)| write!(f, ", {number} {name}"))
    }
}

/// How often the worker told what.
#[derive(Default)]
struct Told {
    success: AtomicU64,
    failure: AtomicU64,
    timed_out: AtomicU64,
    compacted: AtomicU64,
    unloaded: AtomicU64,
}

impl Told {
    fn event(&self, event: &WorkerEvent) {
        let one = |counter: &AtomicU64| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        match event {
            WorkerEvent::Success { .. } => one(&self.success),
            WorkerEvent::Failure { why, .. } => {
                one(&self.failure);
                if is_timed_out(why) {
                    one(&self.timed_out);
                }
            }
            WorkerEvent::Compacted { .. } => one(&self.compacted),
            WorkerEvent::Unloaded { .. } => one(&self.unloaded),
            _ => {}
        }
    }
}

fn is_timed_out(why: &NoCode) -> bool {
    matches!(why, NoCode::NotBuilt(failure) if matches!(**failure, Failure::TimedOut { .. }))
}

pub fn run(kind: &Kind, seed: u64, budget: &Budget, totals: &mut Totals) {
    let began = Instant::now();
    let dir = tempfile::tempdir().unwrap();
    let before = Possessions::now();
    let journal = Arc::new(Journal::default());
    let told = Arc::new(Told::default());
    let vm = Arc::new(Vm::new(seed));
    let counts = Counts::default();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| watchdog::watch(&journal, &over, seed));
        let worker = start(kind, dir.path().to_owned(), &vm, &journal, &told);
        live(&vm, &worker, &journal, &counts, seed, budget);
        end(&vm, worker, seed);
        over.store(true, Ordering::Relaxed);
    });
    let mut wrongs = vm.wrongs();
    wrongs.extend(before.left(dir.path()));
    let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let mut round = Totals { submitted: number(&counts.submitted), ..Totals::default() };
    round.add([
        ("loaded", number(&told.success)),
        ("failed", number(&told.failure)),
        ("timed out", number(&told.timed_out)),
        ("compactions", number(&told.compacted)),
        ("rounds of unloading", number(&told.unloaded)),
        ("calls", number(&counts.calls)),
        ("recompiled", number(&counts.recompiled)),
        ("taken back", number(&counts.taken_back)),
        ("collections", number(&counts.collections)),
        ("deaths", number(&counts.died)),
        ("pauses", number(&counts.pauses)),
        ("forks", number(&counts.forks)),
        ("jobs", number(&counts.jobs)),
        ("rounds", 1),
    ]);
    eprintln!("soak: seed {seed}, {:.1} s: {round}", began.elapsed().as_secs_f64());
    totals.submitted += round.submitted;
    totals.add(round.numbers);
    assert!(wrongs.is_empty(), "seed {seed}: {wrongs:#?}\n{}", journal.dump());
}

fn start(kind: &Kind, dir: PathBuf, vm: &Arc<Vm>, journal: &Arc<Journal>, told: &Arc<Told>) -> Worker {
    let (journal, told, began) = (Arc::clone(journal), Arc::clone(told), Instant::now());
    let header = if kind.header { WorkerHeader::File(fixture("vm.h")) } else { WorkerHeader::None };
    Worker::builder()
        .wish(Wish { cc: Some(kind.cc.clone().into()), ..Wish::default() })
        .environment(Environment { temp_dirs: vec![dir], ..Environment::read() })
        .flags(Flags { optimize: OptLevel::O0, ..Flags::default() })
        .header(header)
        .threads(NonZero::new(kind.threads).unwrap())
        .timeout(Some(DEADLINE))
        .max_cache_size(kind.cache)
        .standby(if kind.quickly { Standby::EveryThread } else { Standby::Off })
        .unity(if kind.quickly { Unity::Auto } else { Unity::Off })
        .tiers(if kind.quickly { Tiers::Quickest } else { Tiers::Off })
        .observer(move |event| {
            told.event(event);
            journal.note(format!("{:8.3} {event}", began.elapsed().as_secs_f64()));
        })
        .start(Arc::<Vm>::clone(vm))
}

/// The host's threads do what they do.
fn live(vm: &Vm, worker: &Worker, journal: &Journal, counts: &Counts, seed: u64, budget: &Budget) {
    let stop = AtomicBool::new(false);
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..IMMORTALS).for_each(|_| drop(vm.submit(worker, &vm.new_owner(&mut rng))));
    let stage = &Stage { vm, worker, counts, stop: &stop, units: budget.units, journal };
    std::thread::scope(|scope| {
        for number in 0..MUTATORS {
            let (mut rng, doing) = (rng.fork(), journal.enrol(format!("mutator {number}")));
            scope.spawn(move || stage.mutate(&mut rng, &doing));
        }
        let (mut own, doing) = (rng.fork(), journal.enrol("collector".to_owned()));
        scope.spawn(move || stage.collect(&mut own, &doing));
        let (mut own, doing) = (rng.fork(), journal.enrol("ruler".to_owned()));
        scope.spawn(move || stage.rule(&mut own, &doing));
        let until = Instant::now() + budget.time;
        while Instant::now() < until && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Ordering::Relaxed);
    });
    journal.dismiss_all();
}

/// Looks at every slot, ends the worker, and looks again.
fn end(vm: &Vm, worker: Worker, seed: u64) {
    // Half of the workers end in the middle of things.
    if seed.is_multiple_of(2) {
        worker.pause(true);
    }
    for owner in vm.living() {
        vm.call(&owner, 1);
    }
    let slots = std::mem::take(&mut *vm.slots.lock().unwrap());
    for (owner, slot) in &slots {
        let is_current = owner.slot.lock().unwrap().as_ref().is_some_and(|current| current.is_same(slot));
        if !is_current && slot.enter().is_some() {
            vm.wrong(format!("{} has another slot, and this one can be entered", owner.key));
        }
    }
    worker.finish();
    for (owner, slot) in &slots {
        match slot.state() {
            SlotState::Unloaded => {}
            SlotState::Failed => match slot.failure() {
                None => vm.wrong(format!("{} failed for no reason", owner.key)),
                Some(why) => {
                    let bad = matches!(why, NoCode::NotBuilt(_) | NoCode::NotGenerated(_) | NoCode::Panicked);
                    if bad && !is_timed_out(&why) && !owner.spoiled.load(Ordering::Relaxed) {
                        vm.wrong(format!("{} failed: {why}, and nothing is wrong with it", owner.key));
                    }
                }
            },
            state => vm.wrong(format!("{} is {state:?} after the end", owner.key)),
        }
    }
}
