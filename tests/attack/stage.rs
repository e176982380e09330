//! Where one attack happens: units, an output directory, a cache and a temporary directory of their own, and files of others beside them.
//! Runs the tool there under a deadline, and says what is wrong afterwards. Knows none of the attacks.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::programs::program;
use crate::support::{self, text};

/// How long any run may take: far more than a slow machine needs, and less than an endless wait.
fn deadline() -> Duration {
    let seconds = std::env::var("MJIT_CC_ATTACK_DEADLINE").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(120))
}

const UNITS: [(&str, i64); 3] = [("first", 3), ("second", 5), ("third", 7)];

/// The directory of one attack.
#[derive(Debug)]
pub struct Stage {
    dir: tempfile::TempDir,
    others: BTreeMap<PathBuf, Vec<u8>>,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// None where a signal ended the run, or the deadline did.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// True if the run was still there at the deadline.
    pub hung: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Stage {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("attack-").tempdir().unwrap();
        for part in ["work", "tmp", "home", "others"] {
            fs::create_dir(dir.path().join(part)).unwrap();
        }
        let work = dir.path().join("work");
        fs::write(work.join("vm.h"), "#include <stddef.h>\nstatic inline long twice(long n) { return n + n; }\n")
            .unwrap();
        for (name, number) in UNITS {
            let text = format!("long {name}(long n) {{ return twice(n) + {number}; }}\n");
            fs::write(work.join(format!("{name}.c")), text).unwrap();
        }
        fs::write(dir.path().join("others/file"), "another program's\n").unwrap();
        let mut stage = Self { dir, others: BTreeMap::new() };
        stage.others = stage.foreign();
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn out(&self) -> PathBuf {
        self.path("work/out")
    }

    /// `mjit-cc compile` of all units into one library, one compiler at a time, with a cache.
    pub fn compile(&self) -> Command {
        let mut command = support::mjit_cc();
        self.steer(&mut command);
        command.args(["compile", "first.c", "second.c", "third.c", "--header", "vm.h", "--compact", "-j1", "-O0"]);
        command.args(["--out-dir", "out", "--cache"]).arg(self.path("cache"));
        command
    }

    /// Directs a command's temporary files and its home into the stage.
    pub fn steer(&self, command: &mut Command) {
        command.current_dir(self.path("work")).env("TMPDIR", self.path("tmp")).env("HOME", self.path("home"));
        for name in ["TMP", "TEMP", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"] {
            command.env_remove(name);
        }
        command.env("RUST_BACKTRACE", "0");
    }

    /// A command whose words begin with `wrapper`'s: the same program below another one.
    pub fn below(&self, wrapper: &[&std::ffi::OsStr], inner: &Command) -> Command {
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(dir) = inner.get_current_dir() {
            command.current_dir(dir);
        }
        command
    }

    /// Runs a command until its end or the deadline.
    pub fn run(&self, command: &mut Command) -> Ended {
        // Files, since a process that the tool left behind could hold a pipe open.
        let [stdout, stderr] = ["stdout", "stderr"].map(|name| self.path(name));
        command.stdin(Stdio::null()).stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap());
        // A group of its own: some compilers end theirs.
        command.process_group(0);
        let mut child = command.spawn().unwrap();
        let until = Instant::now() + deadline();
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if Instant::now() > until => {
                    end_group(child.id());
                    child.wait().unwrap();
                    break None;
                }
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        // Much of it is one flood of the same.
        let said = |path: &Path| text(&read_begin(path, 1 << 20));
        Ended {
            code: status.and_then(|status| status.code()),
            signal: status.and_then(|status| status.signal()),
            hung: status.is_none(),
            stdout: said(&stdout),
            stderr: said(&stderr),
        }
    }

    /// Says what is wrong with the library in the output directory.
    pub fn wrong_answers(&self) -> Vec<String> {
        let mut command = Command::new(program("answers"));
        command.arg(self.out().join("units.so")).args(UNITS.map(|(name, _)| name));
        let ended = command.output().unwrap();
        let right: String =
            UNITS.iter().map(|(name, number)| format!("{name} {} {}\n", 2 + number, 2000 + number)).collect();
        let said = text(&ended.stdout);
        if ended.status.success() && said == right {
            return Vec::new();
        }
        vec![format!("wrong library: {} {said:?} {:?}", ended.status, text(&ended.stderr))]
    }

    /// Says what is wrong with a run that may have failed: neither right nor a clear error.
    pub fn unclear(&self, ended: &Ended, codes: &[i32]) -> Vec<String> {
        let mut wrongs = Vec::new();
        if ended.hung {
            return vec!["hangs".to_owned()];
        }
        for word in ["panicked", "RUST_BACKTRACE", "internal error"] {
            if ended.stderr.contains(word) {
                wrongs.push(format!("says {word:?}"));
            }
        }
        match ended.code {
            Some(0) => wrongs.extend(self.wrong_answers()),
            Some(code) if codes.contains(&code) => {
                if ended.stderr.trim().is_empty() {
                    wrongs.push(format!("exit code {code} without words"));
                }
            }
            Some(code) => wrongs.push(format!("exit code {code}")),
            None => wrongs.push(format!("signal {}", ended.signal.unwrap_or_default())),
        }
        if !wrongs.is_empty() && !ended.stderr.is_empty() {
            wrongs.push(format!("stderr {:?}", shortened(&ended.stderr)));
        }
        wrongs
    }

    /// Advice that is wrong where the machine is in the way.
    pub fn misleads(&self, ended: &Ended) -> Vec<String> {
        let words = ["install", "smaller -j", "removed or updated"];
        let found = words.into_iter().filter(|word| ended.code != Some(0) && ended.stderr.contains(word));
        found.map(|word| format!("advises {word:?}: {:?}", shortened(&ended.stderr))).collect()
    }

    /// Runs the tool undisturbed and says what is wrong: the result, what is left, whose files were touched, which processes are there.
    pub fn wrong_next(&self) -> Vec<String> {
        let ended = self.run(&mut self.compile());
        let mut wrongs = Vec::new();
        if ended.code != Some(0) {
            wrongs.push(format!("the next run: {:?} {:?} {:?}", ended.code, ended.signal, shortened(&ended.stderr)));
        } else {
            wrongs.extend(self.wrong_answers().into_iter().map(|wrong| format!("the next run: {wrong}")));
        }
        wrongs.extend(self.left_behind());
        wrongs
    }

    /// Says what is there that must not be, after a run that nothing disturbed.
    pub fn left_behind(&self) -> Vec<String> {
        let mut wrongs = self.living();
        for entry in fs::read_dir(self.path("tmp")).unwrap().flatten() {
            wrongs.push(format!("left in TMPDIR: {:?}", entry.file_name()));
        }
        wrongs.extend(self.touched());
        wrongs
    }

    /// Waits until no process has this stage in its environment; names one that does not end.
    pub fn living(&self) -> Vec<String> {
        let until = Instant::now() + Duration::from_secs(30);
        let name = self.dir.path().as_os_str().as_encoded_bytes().to_owned();
        let uses = |file: PathBuf| fs::read(file).is_ok_and(|text| text.windows(name.len()).any(|part| part == name));
        loop {
            let mut processes = glob::glob("/proc/[0-9]*").unwrap().flatten();
            let Some(found) = processes.find(|process| uses(process.join("environ"))) else { return Vec::new() };
            if Instant::now() > until {
                let words = text(&fs::read(found.join("cmdline")).unwrap_or_default()).replace('\0', " ");
                return vec![format!("a process lives on: {}", shortened(&words))];
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// All that is in the stage and not the tool's: names, modes, times and contents.
    fn foreign(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut dirs = vec![self.dir.path().to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(&dir).unwrap().flatten() {
                let path = entry.path();
                let name = path.strip_prefix(self.dir.path()).unwrap().to_owned();
                let ours = ["work/out", "cache", "tmp", "stdout", "stderr", "log", "calls"];
                if ours.iter().any(|our| name == Path::new(our)) {
                    continue;
                }
                let metadata = entry.metadata().unwrap();
                let mut state = format!("{:o} {} ", metadata.mode(), metadata.uid()).into_bytes();
                if metadata.is_dir() {
                    dirs.push(path);
                } else if metadata.is_file() {
                    state.extend(format!("{} ", metadata.mtime_nsec()).into_bytes());
                    state.extend(fs::read(&path).unwrap_or_default());
                }
                found.insert(name, state);
            }
        }
        found
    }

    /// Names the files of others that are not as they were.
    pub fn touched(&self) -> Vec<String> {
        let now = self.foreign();
        let names = now.keys().chain(self.others.keys().filter(|name| !now.contains_key(*name)));
        let is_other = |name: &&PathBuf| now.get(*name) != self.others.get(*name);
        names.filter(is_other).map(|name| format!("a file of others was touched: {}", name.display())).collect()
    }

    /// Takes what others have in the stage now for what they must keep.
    pub fn others_changed(&mut self) {
        self.others = self.foreign();
    }

    /// Copies the output directory and the cache to a place where nothing touches them.
    pub fn save(&self) -> tempfile::TempDir {
        let saved = tempfile::tempdir().unwrap();
        for part in ["work/out", "cache"] {
            support::run(Command::new("cp").arg("-a").arg(self.path(part)).arg(saved.path()), 0);
        }
        saved
    }

    /// Brings back what was saved. At the same path, since records name files by their paths.
    pub fn restore(&self, saved: &tempfile::TempDir) {
        for (part, name) in [("work/out", "out"), ("cache", "cache")] {
            let path = self.path(part);
            let _ = fs::remove_dir_all(&path);
            support::run(Command::new("cp").arg("-a").arg(saved.path().join(name)).arg(path), 0);
        }
    }

    /// Lets every user look into the stage.
    pub fn open_to_all(&self) {
        fs::set_permissions(self.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// Ends a command that hangs, with what it runs below a tracer.
fn end_group(leader: u32) {
    support::run(Command::new("kill").args(["-KILL", "--", &format!("-{leader}")]), 0);
}

fn read_begin(path: &Path, most: u64) -> Vec<u8> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let _ = File::open(path).unwrap().take(most).read_to_end(&mut bytes);
    bytes
}

/// A text's beginning and end.
pub fn shortened(text: &str) -> String {
    let count = text.chars().count();
    if count <= 600 {
        return text.to_owned();
    }
    let end: String = text.chars().skip(count - 300).collect();
    format!("{}…{end}", text.chars().take(300).collect::<String>())
}
