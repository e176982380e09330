//! A host whose owners die and move, and whose code says whose it is: which owner, which switches, which version of the assumptions that it
//! relies on. Whatever it notices that must not be, it writes down: on the worker's threads nobody hears a panic.

use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use mjitcc::worker::{
    AssumptionId, Code, Entered, Generated, Host, Inlined, OwnerId, Request, Slot, SlotState, SourceLocation, Switches,
    Worker,
};

use crate::fault_injection::{self, Lot};

/// How many assumptions owners rely on, one each. Untrue, they are replaced by the next version.
pub const ASSUMPTIONS: usize = 6;

/// Owners that never die, so that others can have their code inside.
pub const IMMORTALS: u64 = 4;

/// What a unit is generated from.
#[derive(Debug)]
pub struct Owner {
    pub key: u64,
    pub assumption: usize,
    pub heat: Arc<AtomicU64>,
    /// What the host calls it now; it moves.
    name: AtomicU64,
    alive: AtomicBool,
    /// What was wrong with its unit at any time.
    pub spoiled: AtomicBool,
    /// What becomes of its units, if they are not drawn.
    lot: Option<Lot>,
    /// Code of earlier switches is not to be entered.
    switches: AtomicU64,
    pub slot: Mutex<Option<Slot>>,
}

impl Owner {
    pub fn name(&self) -> OwnerId {
        OwnerId(self.name.load(Ordering::SeqCst))
    }

    pub fn is_alive(&self) -> bool {
        self.alive.load(Ordering::SeqCst)
    }

    pub fn location(&self) -> SourceLocation {
        SourceLocation { label: format!("m{}", self.key), path: "soak.rb".into(), line: 1 }
    }
}

/// What code says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    key: u64,
    switches: u64,
    version: u64,
}

impl Said {
    fn by(address: NonNull<c_void>, n: i64) -> Self {
        // SAFETY: every unit's entry has this signature; the caller keeps the code loaded.
        let function: extern "C" fn(i64) -> i64 = unsafe { std::mem::transmute(address.as_ptr()) };
        let value = (function(n) - n).cast_unsigned();
        Self { key: value >> 32, switches: (value >> 16) & 0xffff, version: value & 0xffff }
    }
}

/// Somebody inside of code.
pub struct Held {
    entered: Entered,
    said: Said,
}

impl Held {
    pub fn address(&self) -> u64 {
        self.entered.address().as_ptr() as u64
    }
}

#[derive(Debug, Default)]
struct Heap {
    next_name: u64,
    next_key: u64,
    by_name: HashMap<u64, Arc<Owner>>,
    living: Vec<Arc<Owner>>,
}

/// The host. A thread that submits or calls holds `world` for reading; one that collects, forks or takes everything back, for
/// writing.
#[derive(Default)]
pub struct Vm {
    seed: u64,
    pub world: RwLock<()>,
    heap: Mutex<Heap>,
    collecting: AtomicU32,
    /// The assumptions' versions: what new text relies on, and what all code relies on that may still be entered.
    versions: [AtomicU64; ASSUMPTIONS],
    settled: [AtomicU64; ASSUMPTIONS],
    invalidating: Mutex<()>,
    /// Frames by owner, of callers without a guard.
    frames: Mutex<HashMap<u64, u32>>,
    pub jobs_wait: AtomicBool,
    /// All slots that there ever were.
    pub slots: Mutex<Vec<(Arc<Owner>, Slot)>>,
    /// Slots that are not to be entered again.
    taken_back: Mutex<Vec<Slot>>,
    wrongs: Mutex<Vec<String>>,
}

fn assumption(assumption: usize, version: u64) -> AssumptionId {
    AssumptionId((u64::try_from(assumption).unwrap() << 32) | version)
}

impl Vm {
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Something must not be.
    pub fn wrong(&self, what: String) {
        self.wrongs.lock().unwrap().push(what);
    }

    pub fn wrongs(&self) -> Vec<String> {
        self.wrongs.lock().unwrap().clone()
    }

    fn expect(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong(what());
        }
    }

    pub fn new_owner(&self, rng: &mut fastrand::Rng) -> Arc<Owner> {
        self.new_owner_with(None, rng)
    }

    /// An owner whose units all have the same lot, if one is given.
    pub fn new_owner_with(&self, lot: Option<Lot>, rng: &mut fastrand::Rng) -> Arc<Owner> {
        let mut heap = self.heap.lock().unwrap();
        heap.next_name += 1;
        heap.next_key += 1;
        let owner = Arc::new(Owner {
            key: heap.next_key,
            assumption: rng.usize(..ASSUMPTIONS),
            heat: Arc::new(AtomicU64::new(rng.u64(..1000))),
            name: AtomicU64::new(heap.next_name),
            alive: AtomicBool::new(true),
            spoiled: AtomicBool::new(false),
            lot,
            switches: AtomicU64::new(0),
            slot: Mutex::new(None),
        });
        let name = heap.next_name;
        heap.by_name.insert(name, Arc::clone(&owner));
        heap.living.push(Arc::clone(&owner));
        owner
    }

    pub fn any_owner(&self, rng: &mut fastrand::Rng) -> Option<Arc<Owner>> {
        let heap = self.heap.lock().unwrap();
        // Mostly the youngest: old ones are many.
        let from = if rng.bool() { heap.living.len().saturating_sub(40) } else { 0 };
        rng.choice(&heap.living[from..]).cloned()
    }

    pub fn living(&self) -> Vec<Arc<Owner>> {
        self.heap.lock().unwrap().living.clone()
    }

    fn named(&self, name: OwnerId) -> Option<Arc<Owner>> {
        self.heap.lock().unwrap().by_name.get(&name.0).cloned()
    }

    pub fn submit(&self, worker: &Worker, owner: &Arc<Owner>) -> Slot {
        let mut location = owner.slot.lock().unwrap();
        let switches = Switches(owner.switches.load(Ordering::SeqCst));
        let slot = worker.submit_with(owner.name(), owner.location(), Arc::clone(&owner.heat), switches);
        self.slots.lock().unwrap().push((Arc::clone(owner), slot.clone()));
        if let Some(old) = location.replace(slot.clone()) {
            self.take_back(old);
        }
        slot
    }

    /// False when its slot had nothing to compile again.
    pub fn recompile(&self, worker: &Worker, owner: &Owner) -> bool {
        let slot = owner.slot.lock().unwrap();
        let Some(slot) = &*slot else { return false };
        let next = owner.switches.load(Ordering::SeqCst) + 1;
        let recompiles = worker.recompile(slot, Switches(next));
        if recompiles {
            owner.switches.store(next, Ordering::SeqCst);
        }
        recompiles
    }

    pub fn invalidate(&self, worker: &Worker, at: usize) -> usize {
        let _one_at_a_time = self.invalidating.lock().unwrap();
        let version = self.versions[at].fetch_add(1, Ordering::SeqCst);
        let owners = worker.invalidate(assumption(at, version));
        self.settled[at].store(version + 1, Ordering::SeqCst);
        for &name in &owners {
            let owner = self.named(name);
            self.expect(owner.is_some_and(|owner| owner.assumption == at), || {
                format!("{name:?} does not rely on assumption {at}")
            });
        }
        owners.len()
    }

    /// With `world` held for writing: no slot that there is can be entered from now on.
    pub fn cancel_all(&self, worker: &Worker) -> usize {
        let owners = worker.cancel_all();
        for owner in self.living() {
            if let Some(slot) = owner.slot.lock().unwrap().take() {
                self.expect(slot.enter().is_none(), || format!("cancelled, and {} can be entered", owner.key));
                self.take_back(slot);
            }
        }
        owners.len()
    }

    fn take_back(&self, slot: Slot) {
        self.taken_back.lock().unwrap().push(slot);
    }

    pub fn look_at_what_was_taken_back(&self, rng: &mut fastrand::Rng) {
        let slot = rng.choice(&*self.taken_back.lock().unwrap()).cloned();
        if let Some(slot) = slot {
            self.expect(slot.enter().is_none(), || "a slot came back to life".to_owned());
        }
    }

    /// Calls an owner's code, if there is any, with a guard, and keeps it.
    pub fn call(&self, owner: &Owner, n: i64) -> Option<Held> {
        let least = self.least(owner);
        let slot = owner.slot.lock().unwrap().clone()?;
        let alive = owner.is_alive();
        let entered = slot.enter()?;
        self.expect(alive, || format!("{} is dead and can be entered", owner.key));
        let said = Said::by(entered.address(), n);
        self.judge(owner, said, least);
        Some(Held { entered, said })
    }

    /// Calls an owner's code as a frame that the collector can see, without a guard.
    pub fn call_in_a_frame(&self, owner: &Owner, n: i64) -> bool {
        let least = self.least(owner);
        let Some(slot) = owner.slot.lock().unwrap().clone() else { return false };
        // Before the address is read: from here on what it says stays loaded.
        *self.frames.lock().unwrap().entry(owner.key).or_default() += 1;
        let said = match slot.state() {
            SlotState::Callable(address) => Some(Said::by(address, n)),
            _ => None,
        };
        *self.frames.lock().unwrap().entry(owner.key).or_default() -= 1;
        if let Some(said) = said {
            self.judge(owner, said, least);
        }
        said.is_some()
    }

    /// Somebody is still inside, whatever became of the slot.
    pub fn call_again(&self, held: &Held, n: i64) {
        let said = Said::by(held.entered.address(), n);
        self.expect(said == held.said, || format!("{:?} became {said:?} under a guard", held.said));
    }

    /// To be read before a slot is: switches and version that the code must have.
    fn least(&self, owner: &Owner) -> (u64, u64) {
        (owner.switches.load(Ordering::SeqCst), self.settled[owner.assumption].load(Ordering::SeqCst))
    }

    fn judge(&self, owner: &Owner, said: Said, (switches, version): (u64, u64)) {
        let newest = owner.switches.load(Ordering::SeqCst) + 1;
        let right = said.key == owner.key & 0x7fff_ffff
            && (switches..=newest).contains(&said.switches)
            && said.version >= version & 0xffff;
        self.expect(right, || format!("{said:?} of {}, switches {switches} to {newest}, version {version}", owner.key));
    }

    /// Between entering and leaving a collection, with `world` held for writing.
    pub fn collect(&self, worker: &Worker, rng: &mut fastrand::Rng) -> usize {
        self.collecting.fetch_add(1, Ordering::SeqCst);
        for name in worker.living_owners() {
            let alive = self.named(name).is_some_and(|owner| owner.is_alive());
            self.expect(alive, || format!("{name:?} is to be kept alive and is not"));
        }
        let mut died = 0;
        let count = self.heap.lock().unwrap().living.len();
        for _ in 0..rng.usize(..4).min(count) {
            let mut heap = self.heap.lock().unwrap();
            let at = rng.usize(..heap.living.len());
            let owner = Arc::clone(&heap.living[at]);
            if owner.key > IMMORTALS && rng.u8(..4) == 0 {
                heap.living.swap_remove(at);
                drop(heap);
                worker.owner_died(owner.name());
                owner.alive.store(false, Ordering::SeqCst);
                if let Some(slot) = owner.slot.lock().unwrap().take() {
                    self.expect(slot.enter().is_none(), || format!("{} just died", owner.key));
                    self.take_back(slot);
                }
                died += 1;
            } else {
                heap.next_name += 1;
                let (old, new) = (owner.name(), heap.next_name);
                heap.by_name.remove(&old.0);
                heap.by_name.insert(new, Arc::clone(&owner));
                drop(heap);
                owner.name.store(new, Ordering::SeqCst);
                worker.owner_moved(old, OwnerId(new));
            }
        }
        self.collecting.fetch_sub(1, Ordering::SeqCst);
        died
    }

    fn touched(&self, name: OwnerId, what: &str) -> Option<Arc<Owner>> {
        self.expect(self.collecting.load(Ordering::SeqCst) == 0, || format!("{what} during a collection"));
        let owner = self.named(name);
        let alive = owner.as_ref().is_some_and(|owner| owner.is_alive());
        self.expect(alive, || format!("{what} with {name:?}, which is not there"));
        owner
    }
}

impl Host for Vm {
    fn generate(&self, request: &Request<'_>) -> Result<Generated, String> {
        let owner = self.touched(request.owner, "generated").ok_or("no owner")?;
        let mut rng = fastrand::Rng::with_seed(self.seed.wrapping_add(request.id));
        let lot = owner.lot.unwrap_or_else(|| Lot::draw(request.id, &mut rng));
        if !lot.is_good() {
            owner.spoiled.store(true, Ordering::SeqCst);
        }
        match lot {
            Lot::Panic => fault_injection::panic_as_wanted(),
            Lot::NoText => return Err("no text by lot".to_owned()),
            Lot::OnVmThread => {
                let (fresh, key) = (Arc::clone(&owner), owner.key);
                let same = request.on_vm_thread(move || fresh.key == key).map_err(|why| why.to_string())?;
                self.expect(same, || "a job gave another's result".to_owned());
                // It may have moved meanwhile, and lives.
                self.expect(owner.is_alive(), || format!("{key} died under a job, and goes on"));
            }
            _ => {}
        }
        let version = self.versions[owner.assumption].load(Ordering::SeqCst);
        let inlined = (rng.u8(..8) == 0).then(|| self.immortal(&mut rng)).flatten();
        let text = text(&owner, request, version, lot);
        self.expect(self.collecting.load(Ordering::SeqCst) == 0, || "a collection during generating".to_owned());
        Ok(Generated {
            text,
            assumptions: vec![assumption(owner.assumption, version)],
            inlined: inlined.into_iter().collect(),
        })
    }

    fn published(&self, owner: OwnerId, _address: NonNull<c_void>) {
        self.touched(owner, "published");
    }

    fn scan_stacks(&self, code: &mut [Code]) {
        let frames = self.frames.lock().unwrap();
        for one in code {
            let owner = self.named(one.owner);
            self.expect(owner.is_some(), || format!("asked for {:?}, which never was", one.owner));
            one.on_stack = owner.is_some_and(|owner| frames.get(&owner.key).is_some_and(|&count| count > 0));
        }
    }

    fn vm_jobs_wait(&self) {
        self.jobs_wait.store(true, Ordering::SeqCst);
    }
}

impl Vm {
    fn immortal(&self, rng: &mut fastrand::Rng) -> Option<Inlined> {
        let key = rng.u64(1..=IMMORTALS);
        let heap = self.heap.lock().unwrap();
        let owner = heap.living.iter().find(|owner| owner.key == key)?;
        Some(Inlined { owner: owner.name(), location: owner.location() })
    }
}

/// C text with what units have in common, what they call alike and is not, and what contradicts others'. It is always the same for the
/// same owner, whoever asks, so that an object cache has some of it.
fn text(owner: &Owner, request: &Request<'_>, version: u64, lot: Lot) -> String {
    let rng = &mut fastrand::Rng::with_seed(owner.key);
    let key = owner.key & 0x7fff_ffff;
    let switches = request.switches.0 & 0xffff;
    let version = version & 0xffff;
    let host = if rng.u8(..40) == 0 { "extern void *abs(void *);" } else { "extern int abs(int);" };
    let padding: String = (0..rng.u32(..60)).map(|line| format!("    x = mix(x, {line}) ^ n;\n")).collect();
    let call = if lot == Lot::Unresolved { "    extern long nowhere(long);\n    x = nowhere(x);\n" } else { "" };
    let entry = if lot == Lot::NoEntry { "another_name" } else { request.entry };
    let wrong = lot.text();
    format!(
        "{wrong}{host}
static long mix(long a, long b) {{ return a * 131 + b; }}
#define VERSION {version}L
static long key = {key}L;
static const long switches[] = {{ {switches}L }};
static long own(long n) {{ return (key << 32 | switches[0] << 16 | VERSION) + n; }}
long {entry}(long n)
{{
    long x = n;
{padding}{call}    return x == 42 ? own(n) : own(n);
}}
"
    )
}
