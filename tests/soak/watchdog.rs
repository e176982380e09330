//! Aborts when nothing happens any more, and says what everybody waits for.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
/// A thread of the host's may wait for a long queue to drain.
const PATIENCE_WITH_A_THREAD: Duration = Duration::from_secs(180);
const KEPT_LINES: usize = 50;

/// What one thread does.
pub struct Doing {
    name: String,
    what: Mutex<(&'static str, Instant)>,
}

impl Doing {
    pub fn now(&self, what: &'static str) {
        *self.what.lock().unwrap() = (what, Instant::now());
    }
}

/// What was heard of everybody.
#[derive(Default)]
pub struct Journal {
    lines: Mutex<VecDeque<String>>,
    events: AtomicU64,
    threads: Mutex<Vec<Arc<Doing>>>,
}

impl Journal {
    pub fn note(&self, line: String) {
        self.events.fetch_add(1, Ordering::Relaxed);
        let mut lines = self.lines.lock().unwrap();
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    pub fn enrol(&self, name: String) -> Arc<Doing> {
        let doing = Arc::new(Doing { name, what: Mutex::new(("beginning", Instant::now())) });
        self.threads.lock().unwrap().push(Arc::clone(&doing));
        doing
    }

    /// The threads are through.
    pub fn dismiss_all(&self) {
        self.threads.lock().unwrap().clear();
    }

    pub fn dump(&self) -> String {
        let mut text = String::new();
        // Whoever holds a lock may be what everybody waits for.
        if let Ok(threads) = self.threads.try_lock() {
            for thread in &*threads {
                let what = thread.what.try_lock().map(|what| (what.0, what.1.elapsed()));
                let _ = writeln!(text, "  {}: {what:?}", thread.name);
            }
        }
        for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            let read = |name| std::fs::read_to_string(task.path().join(name)).unwrap_or_default().trim().to_owned();
            let _ =
                writeln!(text, "  task {:?} {}: {} {}", task.file_name(), read("comm"), read("wchan"), read("syscall"));
        }
        match self.lines.try_lock() {
            Ok(lines) => lines.iter().for_each(|line| text += &format!("  {line}\n")),
            Err(_) => text += "  the log is locked\n",
        }
        text
    }

    fn oldest(&self) -> Duration {
        let threads = self.threads.lock().unwrap();
        threads.iter().map(|thread| thread.what.lock().unwrap().1.elapsed()).max().unwrap_or_default()
    }
}

/// Watches until told that it is over.
pub fn watch(journal: &Journal, over: &AtomicBool, seed: u64) {
    let mut seen = (journal.events.load(Ordering::Relaxed), Instant::now());
    while !over.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(100));
        let events = journal.events.load(Ordering::Relaxed);
        if events != seen.0 {
            seen = (events, Instant::now());
        }
        if seen.1.elapsed() > PATIENCE || journal.oldest() > PATIENCE_WITH_A_THREAD {
            eprintln!("soak: no progress, round of seed {seed}\n{}", journal.dump());
            std::process::abort();
        }
    }
}
