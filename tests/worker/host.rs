//! A host for the tests: owners are numbers, and each unit returns its owner's.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mjitcc::discover::{CompilerSpec, Environment};
use mjitcc::worker::{
    Builder, Code, Compaction, Generated, Host, OwnerId, Request, Slot, SlotState, SourceLocation, Standby, Worker,
};

/// What a unit's text is made of; `{entry}` and `{owner}` are filled in.
pub const PLAIN: &str = "long {entry}(void) { return {owner}; }";

pub type Generate = Box<dyn Fn(&Request<'_>) -> Result<Generated, String> + Send + Sync>;

/// A worker that does not compact, for tests of everything else. What is made after what does not depend on the machine.
pub fn quiet() -> Builder {
    let builder = Worker::builder().compaction(Compaction::Never).standby(Standby::Off);
    builder.threads(std::num::NonZero::<usize>::MIN)
}

/// Generates as it is told.
pub struct TestHost(Generate);

impl TestHost {
    pub fn new(generate: Generate) -> Self {
        Self(generate)
    }
}

impl Host for TestHost {
    fn generate(&self, request: &Request<'_>) -> Result<Generated, String> {
        (self.0)(request)
    }

    /// Tests that unload hold guards.
    fn scan_stacks(&self, _code: &mut [Code]) {}
}

/// A host whose units all have this text.
pub fn host_of(text: &'static str) -> Arc<dyn Host> {
    Arc::new(TestHost(Box::new(move |request| Ok(fill(text, request).into()))))
}

/// Text with the unit's own names in it.
pub fn fill(text: &str, request: &Request<'_>) -> String {
    text.replace("{entry}", request.entry).replace("{owner}", &request.owner.0.to_string())
}

/// A worker, the directory that its temporary files go into, and the lines that it logged.
pub struct Bench {
    pub worker: Option<Worker>,
    pub dir: tempfile::TempDir,
    pub log: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    /// A worker on gcc whose units all have this text.
    pub fn of_text(text: &'static str, builder: Builder) -> Self {
        Self::on("gcc", builder, host_of(text))
    }

    /// A worker on gcc.
    pub fn new(builder: Builder, generate: Generate) -> Self {
        Self::on("gcc", builder, Arc::new(TestHost(generate)))
    }

    /// A worker on `cc` for any host.
    pub fn on(cc: &str, builder: Builder, host: Arc<dyn Host>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let environment = Environment { temp_dirs: vec![dir.path().to_owned()], ..Environment::read() };
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        let worker = builder
            .compiler_spec(CompilerSpec { cc: Some(cc.into()), ..CompilerSpec::default() })
            .environment(environment)
            .observer(move |event| lines.lock().unwrap().push(event.to_string()))
            .start(host);
        Self { worker: Some(worker), dir, log }
    }

    pub fn worker(&self) -> &Worker {
        self.worker.as_ref().unwrap()
    }

    pub fn submit(&self, owner: u64, heat: u64) -> Slot {
        let location = SourceLocation { label: format!("m{owner}"), path: "test.rb".into(), line: 7 };
        self.worker().submit(OwnerId(owner), location, Arc::new(AtomicU64::new(heat)))
    }

    pub fn lines(&self, beginning: &str) -> Vec<String> {
        self.log.lock().unwrap().iter().filter(|line| line.starts_with(beginning)).cloned().collect()
    }

    /// Waits until something was logged.
    #[track_caller]
    pub fn wait_for_line(&self, beginning: &str) {
        self.wait_for_lines(beginning, 1);
    }

    /// Waits until it was logged so many times. A slot is written before anybody is told.
    #[track_caller]
    pub fn wait_for_lines(&self, beginning: &str, number: usize) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.lines(beginning).len() < number {
            assert!(Instant::now() < until, "waited a minute for {beginning}: {:?}", self.log.lock().unwrap());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends the worker and says what is left in its directory.
    pub fn finish(&mut self) -> Vec<PathBuf> {
        self.worker.take().unwrap().finish();
        std::fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

/// A bench whose compilers wait for something to be written into `fifo` in the directory: gcc opens a pipe that it is to include,
/// and that takes two.
pub fn held_back() -> (Bench, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let text = format!("#include \"{}\"\n{PLAIN}", fifo.display());
    let generate = move |request: &Request<'_>| Ok(fill(&text, request).into());
    (Bench::new(quiet(), Box::new(generate)), dir)
}

/// What lies of units in a worker's directory.
pub fn unit_files(scratch: &Path) -> Vec<String> {
    let names = std::fs::read_dir(scratch).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("_mjit")).collect()
}

/// Writes a script that runs gcc, and first a command for each unit with the word in its text.
#[cfg(unix)]
pub fn gcc_that(cc: &Path, word: &str, command: &str) {
    use std::os::unix::fs::PermissionsExt;
    let script = format!(
        "#!/bin/sh\nfor word; do case $word in *u*.c) grep -q {word} \"$word\" && {command};; esac; done\nexec gcc \"$@\"\n"
    );
    std::fs::write(cc, script).unwrap();
    std::fs::set_permissions(cc, std::fs::Permissions::from_mode(0o700)).unwrap();
}

/// gcc behind a gate: what has the word HELD in its text waits until the gate is opened.
#[cfg(unix)]
pub struct Gate(tempfile::TempDir);

#[cfg(unix)]
impl Gate {
    pub fn new() -> Self {
        let gate = Self(tempfile::tempdir().unwrap());
        let waits = format!("while ! [ -e '{}' ]; do sleep 0.01; done", gate.0.path().join("open").display());
        gcc_that(&gate.cc(), "HELD", &waits);
        gate
    }

    pub fn cc(&self) -> PathBuf {
        self.0.path().join("gated-cc")
    }

    pub fn open(&self) {
        std::fs::write(self.0.path().join("open"), "").unwrap();
    }
}

/// Waits for a slot to say anything but not ready.
#[track_caller]
pub fn settled(slot: &Slot) -> SlotState {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match slot.state() {
            SlotState::NotReady if Instant::now() < until => std::thread::sleep(Duration::from_millis(1)),
            SlotState::NotReady => panic!("not ready after a minute"),
            state => return state,
        }
    }
}

/// Why a slot has no code, in words.
pub fn failure(slot: &Slot) -> String {
    slot.failure().map(|why| why.to_string()).unwrap_or_default()
}

/// Calls what a slot holds.
#[track_caller]
pub fn call(slot: &Slot) -> i64 {
    let SlotState::Callable(address) = settled(slot) else { panic!("{:?}: {}", slot.state(), failure(slot)) };
    // SAFETY: every unit's entry has this signature, and the worker lives.
    let function: extern "C" fn() -> i64 = unsafe { std::mem::transmute(address.as_ptr()) };
    function()
}

/// Counts, for tests that wait for another thread.
#[derive(Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    pub fn increment(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    #[track_caller]
    pub fn wait_for(&self, number: u64) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.0.load(Ordering::SeqCst) < number {
            assert!(Instant::now() < until, "waited a minute");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
