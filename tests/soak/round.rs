//! One worker's life, from its builder to the traces that it must not leave.

use std::fmt;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mjitcc::UnitError;
use mjitcc::discover::{CompilerSpec, Environment};
use mjitcc::platforms::{Flags, Linker, OptLevel};
use mjitcc::worker::{CodeError, SlotState, Standby, Tiers, Unity, Worker, WorkerEvent};

use crate::fault_injection::Lot;
use crate::leaks::Possessions;
use crate::object_cache::Shelf;
use crate::outputs::{self, Papers};
use crate::support::fixture;
use crate::threads::{Counts, Stage};
use crate::vm::{IMMORTALS, Vm};
use crate::watchdog::{self, Journal};

/// How long the compiler that hangs hangs.
const DEADLINE: Duration = Duration::from_secs(1);
const MUTATORS: u64 = 3;
const A_LONG_TIME: Duration = Duration::from_secs(120);

/// What kind of worker.
#[derive(Clone)]
pub struct Kind<'a> {
    pub cc: PathBuf,
    pub optimize: OptLevel,
    pub threads: usize,
    pub cache: usize,
    pub header: bool,
    /// With all that makes code be there sooner. What a fake compiler does it does to units of their own name.
    pub quickly: bool,
    pub linker: Linker,
    pub unity: Unity,
    /// Where objects are kept.
    pub shelf: Option<&'a Shelf>,
    pub perf_map: bool,
    /// How many live at once, each a little later than the one before, so that it finds what that has kept. Nobody forks beside others: all
    /// workers of a process would have to be held for it, with their hosts.
    pub workers: u32,
}

impl Default for Kind<'_> {
    fn default() -> Self {
        Self {
            cc: PathBuf::new(),
            optimize: OptLevel::O0,
            threads: 1,
            cache: 0,
            header: false,
            quickly: false,
            linker: Linker::Auto,
            unity: Unity::Off,
            shelf: None,
            perf_map: false,
            workers: 1,
        }
    }
}

/// How long, and how much.
pub struct Budget {
    pub time: Duration,
    pub units: u64,
}

/// What is counted; the last two are counted by round.
const KINDS_OF_EVENTS: usize = 18;
const EVICTED: usize = 16;
const ROUNDS: usize = 17;

/// Over all rounds.
#[derive(Default)]
pub struct Totals {
    pub submitted: u64,
    numbers: [(&'static str, u64); KINDS_OF_EVENTS],
}

impl Totals {
    fn add(&mut self, more: &Self) {
        self.submitted += more.submitted;
        for (total, (name, number)) in self.numbers.iter_mut().zip(more.numbers) {
            *total = (name, total.1 + number);
        }
    }

    /// A soak in which nothing happens proves nothing.
    pub fn check(&self, time: Duration) {
        for (name, number) in self.numbers {
            // What is kept is found again, and given up, once there is enough of it.
            let is_seldom = name.ends_with("the object cache");
            let takes_long = is_seldom && time < A_LONG_TIME;
            assert!(number > 0 || self.submitted < 1000 || takes_long, "nothing was {name}");
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
    together: AtomicU64,
    improved: AtomicU64,
    cache_hits: AtomicU64,
    left_links: Mutex<Vec<String>>,
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
            WorkerEvent::GroupStarted { .. } => one(&self.together),
            WorkerEvent::Improved { .. } => one(&self.improved),
            WorkerEvent::CacheHit(_) => one(&self.cache_hits),
            WorkerEvent::LinkerFallback(_) => self.left_links.lock().unwrap().push(event.to_string()),
            _ => {}
        }
    }
}

fn is_timed_out(why: &CodeError) -> bool {
    matches!(why, CodeError::NotBuilt(failure) if matches!(**failure, UnitError::TimedOut { .. }))
}

pub fn run(kind: &Kind<'_>, seed: u64, budget: &Budget, totals: &mut Totals) {
    let began = Instant::now();
    let dir = &tempfile::tempdir().unwrap();
    let before = Possessions::now();
    let lives: Vec<Life> = std::thread::scope(|scope| {
        let live = move |later: u32| {
            std::thread::sleep(budget.time / kind.workers / 2 * later);
            Life::live(kind, dir.path(), seed, budget)
        };
        let others: Vec<_> = (1..kind.workers).map(|later| scope.spawn(move || live(later))).collect();
        let own = live(0);
        others.into_iter().map(|other| other.join().unwrap()).chain([own]).collect()
    });
    let mut wrongs = before.left(dir.path());
    let mut round = Totals::default();
    for life in &lives {
        wrongs.extend(life.wrongs());
        round.add(&life.totals());
    }
    if let Some(shelf) = kind.shelf {
        shelf.look();
        wrongs.extend(shelf.wrongs());
        round.numbers[EVICTED].1 += shelf.evicted();
    }
    round.numbers[ROUNDS].1 += 1;
    let _ = std::fs::remove_file(outputs::map_of(std::process::id()));
    eprintln!("soak: seed {seed}, {:.1} s: {round}", began.elapsed().as_secs_f64());
    totals.add(&round);
    let journals: String = lives.iter().map(|life| life.journal.dump()).collect();
    assert!(wrongs.is_empty(), "seed {seed}: {wrongs:#?}\n{journals}");
}

/// One worker, from its builder to its end, and what is known of it.
struct Life {
    vm: Arc<Vm>,
    journal: Arc<Journal>,
    told: Arc<Told>,
    counts: Counts,
    papers: Papers,
}

impl Life {
    fn live(kind: &Kind<'_>, dir: &Path, seed: u64, budget: &Budget) -> Self {
        let (vm, journal, told) = (Arc::new(Vm::new(seed)), Arc::default(), Arc::default());
        let life = Self { vm, journal, told, counts: Counts::default(), papers: Papers::new() };
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| watchdog::watch(&life.journal, &over, seed));
            let worker = life.start(kind, dir.to_owned());
            life.run(&worker, kind, seed, budget);
            if !kind.quickly {
                life.time_out(&worker, seed);
            }
            life.end(worker, kind, seed);
            over.store(true, Ordering::Relaxed);
        });
        life
    }

    fn totals(&self) -> Totals {
        let Self { told, counts, .. } = self;
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let submitted = number(&counts.submitted);
        let numbers = [
            ("loaded", number(&told.success)),
            ("failed", number(&told.failure)),
            ("timed out", number(&told.timed_out)),
            ("compactions", number(&told.compacted)),
            ("rounds of unloading", number(&told.unloaded)),
            ("compiled together", number(&told.together)),
            ("improved", number(&told.improved)),
            ("taken from the object cache", number(&told.cache_hits)),
            ("calls", number(&counts.calls)),
            ("recompiled", number(&counts.recompiled)),
            ("taken back", number(&counts.taken_back)),
            ("collections", number(&counts.collections)),
            ("deaths", number(&counts.died)),
            ("pauses", number(&counts.pauses)),
            ("forks", number(&counts.forks)),
            ("jobs", number(&counts.jobs)),
            ("evicted from the object cache", 0),
            ("rounds", 0),
        ];
        Totals { submitted, numbers }
    }

    fn wrongs(&self) -> Vec<String> {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut wrongs = self.vm.wrongs();
        let ended = number(&self.told.success) + number(&self.told.failure);
        wrongs.extend(self.papers.wrongs(ended, number(&self.counts.forks)));
        wrongs.extend(self.told.left_links.lock().unwrap().iter().cloned());
        wrongs
    }

    fn start(&self, kind: &Kind<'_>, dir: PathBuf) -> Worker {
        let (journal, told, began) = (Arc::clone(&self.journal), Arc::clone(&self.told), Instant::now());
        let builder = Worker::builder();
        let builder = if kind.header { builder.header(fixture("vm.h")) } else { builder };
        let builder = builder
            .compiler_spec(CompilerSpec { cc: Some(kind.cc.clone().into()), ..CompilerSpec::default() })
            .environment(Environment { temp_dirs: vec![dir], ..Environment::read() })
            .flags(Flags { optimize: kind.optimize, linker: kind.linker, ..Flags::default() })
            .threads(NonZero::new(kind.threads).unwrap())
            .timeout(Some(DEADLINE))
            .max_cache_size(kind.cache)
            .standby(if kind.quickly { Standby::EveryThread } else { Standby::Off })
            .unity(kind.unity)
            .tiers(if kind.quickly { Tiers::Quickest } else { Tiers::Off })
            .timings(self.papers.page())
            .trace(self.papers.trace())
            .perf_map(kind.perf_map)
            .observer(move |event| {
                told.event(event);
                journal.note(format!("{:8.3} {event}", began.elapsed().as_secs_f64()));
            });
        let builder = match kind.shelf {
            Some(shelf) => builder.cache(shelf.place()),
            None => builder,
        };
        builder.start(Arc::<Vm>::clone(&self.vm))
    }

    /// The host's threads do what they do.
    fn run(&self, worker: &Worker, kind: &Kind<'_>, seed: u64, budget: &Budget) {
        let Self { vm, journal, counts, .. } = self;
        let stop = AtomicBool::new(false);
        let mut rng = fastrand::Rng::with_seed(seed);
        (0..IMMORTALS).for_each(|_| drop(vm.submit(worker, &vm.new_owner(&mut rng))));
        let stage = &Stage { vm, worker, counts, stop: &stop, units: budget.units, forks: kind.workers == 1, journal };
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
                std::thread::sleep(Duration::from_millis(50));
                kind.shelf.iter().for_each(|shelf| shelf.look());
            }
            stop.store(true, Ordering::Relaxed);
        });
        journal.dismiss_all();
    }

    /// Makes a time limit pass, however little of the round's time the threads have got: a unit is submitted whose compiler hangs, and
    /// the slot is waited for.
    fn time_out(&self, worker: &Worker, seed: u64) {
        let owner = self.vm.new_owner_with(Some(Lot::Hang), &mut fastrand::Rng::with_seed(seed));
        owner.heat.store(u64::MAX, Ordering::Relaxed);
        let slot = self.vm.submit(worker, &owner);
        self.counts.submitted.fetch_add(1, Ordering::Relaxed);
        while slot.state() == SlotState::NotReady {
            worker.run_vm_jobs();
            std::thread::sleep(Duration::from_millis(1));
        }
        match slot.failure() {
            Some(why) if is_timed_out(&why) => {}
            other => self.vm.wrong(format!("a compiler that hangs ended with {other:?}")),
        }
    }

    /// Looks at every slot, ends the worker, and looks again.
    fn end(&self, worker: Worker, kind: &Kind<'_>, seed: u64) {
        let vm = &self.vm;
        // Half of the workers end in the middle of things.
        if seed.is_multiple_of(2) {
            worker.pause(true);
        }
        let inside: Vec<_> = vm.living().into_iter().filter_map(|owner| Some((vm.call(&owner, 1)?, owner))).collect();
        if kind.perf_map {
            let map = std::fs::read_to_string(outputs::map_of(std::process::id())).unwrap();
            for (held, owner) in &inside {
                let (name, place) = (outputs::perf_name(&map, held.address()), owner.location().to_string());
                if name != Some(&*place) {
                    vm.wrong(format!("perf calls {place} {name:?}"));
                }
            }
        }
        drop(inside);
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
                        let bad =
                            matches!(why, CodeError::NotBuilt(_) | CodeError::NotGenerated(_) | CodeError::Panicked);
                        if bad && !is_timed_out(&why) && !owner.spoiled.load(Ordering::Relaxed) {
                            vm.wrong(format!("{} failed: {why}, and nothing is wrong with it", owner.key));
                        }
                    }
                },
                state => vm.wrong(format!("{} is {state:?} after the end", owner.key)),
            }
        }
    }
}
