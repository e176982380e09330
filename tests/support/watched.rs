//! A test binary that runs again as a process of its own, which may crash, take all memory or hang. Knows nothing of what the process does.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, setrlimit};

/// A process that makes no progress for so long never does, however busy the machine.
const HANGS: Duration = Duration::from_secs(120);

/// How much memory the process may ask for; asking for more ends the process.
const MEMORY: u64 = 4 << 30;

/// How a process ended before its time.
pub enum Ended {
    /// A signal ended the process.
    BySignal(i32),
    /// The process failed by itself.
    Failed,
    /// The process made no progress, and was killed.
    Hung,
}

/// Runs a test of this program again in a process, which a variable tells what to do. What the process says goes to the file `errors`.
pub fn again(test: &str, variable: (&str, String), dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([test, "--nocapture", "--test-threads=1"])
        .env(variable.0, variable.1)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(dir.join("errors")).unwrap())
        .spawn()
        .unwrap()
}

/// Waits for a process, whose progress `at` tells. Returns `None` if the process succeeds.
pub fn watch<T: PartialEq>(mut child: Child, at: impl Fn() -> T) -> Option<Ended> {
    let mut since = (at(), Instant::now());
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            let how = || status.signal().map_or(Ended::Failed, Ended::BySignal);
            return (!status.success()).then(how);
        }
        if at() != since.0 {
            since = (at(), Instant::now());
        } else if since.1.elapsed() > HANGS {
            child.kill().unwrap();
            child.wait().unwrap();
            return Some(Ended::Hung);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Limits the memory of this process, which leaves no core file.
pub fn limit_memory() {
    setrlimit(Resource::As, Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) }).unwrap();
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).unwrap();
}
