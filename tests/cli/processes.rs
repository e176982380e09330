//! Running compilers: deadlines, output that never mixes, temporary files that go. Also what the tests of mishaps share: a place
//! for each, and compilers that hang until somebody ends them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use mjitcc::library::Library;

use crate::support::{self, need, run, statuses, text};

/// Where one test works: units, an output directory, a temporary directory and a log that only it uses.
pub(super) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for part in ["tmp", "log"] {
            fs::create_dir(dir.path().join(part)).unwrap();
        }
        Self { dir }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn out(&self) -> PathBuf {
        self.path("out")
    }

    /// Units called `NAME.c`, each with a function NAME.
    pub(super) fn units(&self, names: &[&str]) {
        for name in names {
            self.write(&format!("{name}.c"), format!("int {name}(void) {{ return 1; }}\n"));
        }
    }

    pub(super) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.path(name), contents).unwrap();
    }

    /// `mjit-cc compile` here into `out`, with further words; one unit after the other unless they say otherwise.
    pub(super) fn compile(&self, words: &str) -> Command {
        self.steered(support::mjit_cc(), words)
    }

    /// The same with a command that runs the tool.
    pub(super) fn steered(&self, mut tool: Command, words: &str) -> Command {
        tool.current_dir(self.dir.path()).env("TMPDIR", self.path("tmp")).env_remove("TMP").env_remove("TEMP");
        tool.args(["compile", "--out-dir", "out"]).args(words.split_whitespace());
        if !words.contains("-j") {
            tool.arg("-j1");
        }
        tool
    }

    /// The same with a compiler that is up to this mischief where `when` is in its arguments or its source.
    pub(super) fn with_mischief(&self, mischief: &str, when: &str, words: &str) -> Command {
        let mut command = self.compile(words);
        command.arg("--cc").arg(support::fake_cc()).args(["--linker", "driver"]);
        command.env("FAKE_CC_REAL", "gcc").env("FAKE_CC_LOG", self.path("log"));
        command.env("FAKE_CC_DO", mischief).env("FAKE_CC_WHEN", when);
        command
    }

    /// What is left in the temporary directory.
    pub(super) fn leavings(&self) -> Vec<PathBuf> {
        fs::read_dir(self.path("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// All files of the output directory, sorted, relative to it; where a name is a digest, `*` stands for that.
    pub(super) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        collect(&self.out(), "", &mut files);
        files.sort();
        files
    }

    /// Insists that a library of the output directory is whole and has a function.
    #[track_caller]
    pub(super) fn has_function(&self, library: &str, function: &str) {
        let path = self.out().join(format!("{library}{}", std::env::consts::DLL_SUFFIX));
        Library::open(&path).unwrap().address(function).unwrap();
    }
}

fn collect(dir: &Path, prefix: &str, files: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let name = match name.split_once('.') {
            Some((stem, suffix)) if stem.len() == 64 => format!("*.{suffix}"),
            _ => name,
        };
        let name = format!("{prefix}{name}");
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else {
            files.push(name);
        }
    }
}

/// Waits for something that is bound to happen.
#[track_caller]
pub(super) fn until<T>(what: &str, mut happened: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(result) = happened() {
            return result;
        }
        assert!(
            began.elapsed() < Duration::from_secs(if cfg!(windows) { 30 } else { 120 }),
            "not in two minutes: {what}"
        );
        thread::sleep(Duration::from_millis(10));
    }
}

/// The tool while it runs.
pub(super) struct Running {
    tool: Child,
    stderr: PathBuf,
}

impl Running {
    /// Starts it; `name` is what no other of this place is called.
    pub(super) fn start(place: &Place, name: &str, mut command: Command) -> Self {
        let stderr = place.path(&format!("{name}.stderr"));
        let file = File::create(&stderr).unwrap();
        #[cfg(windows)]
        {
            // A console of its own, in which Ctrl-C can be pressed.
            const CREATE_NO_WINDOW: u32 = 0x0800_0000;
            std::os::windows::process::CommandExt::creation_flags(&mut command, CREATE_NO_WINDOW);
        }
        signals_as_usual(&mut command);
        let tool = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Self { tool, stderr }
    }

    /// Starts it with a compiler that hangs, and waits until that does.
    #[track_caller]
    pub(super) fn start_hanging(place: &Place, command: Command) -> (Self, Hanging) {
        let mut running = Self::start(place, "hanging", command);
        let pids = until("a compiler hangs", || {
            if let Some(status) = running.tool.try_wait().unwrap() {
                panic!("{status} before any compiler hung: {}", running.said());
            }
            let pids = fs::read_to_string(place.path("log/pids")).ok()?;
            let pids = pids.lines().map(|pid| pid.parse().unwrap());
            Some(pids.collect::<Vec<_>>()).filter(|pids| pids.len() == 2)
        });
        (running, Hanging { log: place.path("log"), pids })
    }

    pub(super) fn id(&self) -> u32 {
        self.tool.id()
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }

    /// Waits until it has said something.
    #[track_caller]
    pub(super) fn says(&self, words: &str) {
        until(words, || self.said().contains(words).then_some(()));
    }

    /// Waits for its end: exit code and what it said.
    #[track_caller]
    pub(super) fn end(mut self) -> (Option<i32>, String) {
        let status = until("the tool's end", || self.tool.try_wait().unwrap());
        (status.code(), self.said())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind.
        let _ = self.tool.kill();
        let _ = self.tool.wait();
    }
}

/// A shell without job control starts what is behind `&` with SIGINT ignored, and these tests perhaps too.
#[cfg(unix)]
#[allow(unsafe_code, reason = "between fork and exec nothing else is called")]
fn signals_as_usual(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    let usual = || {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            // SAFETY: a plain system call.
            if mjitcc::exec::is_ignored(signal) && unsafe { libc::signal(signal, libc::SIG_DFL) } == libc::SIG_ERR {
                return Err(std::io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: it calls what may be called there.
    unsafe { command.pre_exec(usual) };
}

#[cfg(not(unix))]
fn signals_as_usual(_: &mut Command) {}

/// A compiler that hangs, and the child of it that hangs too.
pub(super) struct Hanging {
    log: PathBuf,
    pids: Vec<u32>,
}

impl Hanging {
    /// Waits until both are gone.
    #[track_caller]
    pub(super) fn are_gone(mut self) {
        until(&format!("{:?} end", self.pids), || {
            let Self { log, pids } = &mut self;
            pids.retain(|&pid| is_alive(log, pid));
            pids.is_empty().then_some(())
        });
    }

    pub(super) fn are_alive(&self) -> bool {
        self.pids.iter().all(|&pid| is_alive(&self.log, pid))
    }

    /// Ends them.
    pub(super) fn end(self) {}
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.pids.iter().filter(|&&pid| is_alive(&self.log, pid)).for_each(|&pid| kill(pid));
    }
}

/// Whether a compiler that hangs still holds its lock.
fn is_alive(log: &Path, pid: u32) -> bool {
    // It was there before anybody knew of the process.
    File::open(log.join(format!("life-{pid}"))).and_then(|life| Ok(life.try_lock_shared()?)).is_err()
}

#[cfg(unix)]
fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

#[cfg(windows)]
fn kill(pid: u32) {
    let _ = Command::new("taskkill").args(["/F", "/PID", &pid.to_string()]).output();
}

#[test]
fn a_compiler_that_hangs_is_ended_with_its_children_and_the_others_go_on() {
    need!("gcc");
    let place = Place::new();
    place.units(&["first", "stuck", "last"]);
    let command = place.with_mischief("hang", "stuck.c", "first.c stuck.c last.c -k --timeout 5");
    let (tool, hanging) = Running::start_hanging(&place, command);
    let (code, said) = tool.end();
    assert_eq!(code, Some(1), "{said}");
    hanging.are_gone();
    assert_eq!(statuses(&place.out()), ["built", "timed_out", "built"]);
    place.has_function("first", "first");
    place.has_function("last", "last");
    assert!(said.contains("error: stuck.c: the compiler exceeded the time limit of 5 s and was ended"), "{said}");
    assert!(said.contains("--timeout"), "{said}");
    assert!(said.contains("2 built, 1 timed out"), "{said}");
    assert_eq!(place.leavings(), Vec::<PathBuf>::new());
}

#[test]
fn a_linker_that_hangs_is_ended_too() {
    need!("gcc");
    let place = Place::new();
    place.units(&["first", "stuck"]);
    let library = format!("u1-stuck{}", std::env::consts::DLL_SUFFIX);
    let command = place.with_mischief("hang", &library, "first.c stuck.c -k --timeout 5");
    let (tool, hanging) = Running::start_hanging(&place, command);
    let (code, said) = tool.end();
    assert_eq!(code, Some(1), "{said}");
    hanging.are_gone();
    assert_eq!(statuses(&place.out()), ["built", "timed_out"]);
    assert!(said.contains("error: stuck.c: the linker exceeded the time limit of 5 s and was ended"), "{said}");
}

#[test]
fn a_unit_done_in_time_is_not_ended() {
    need!("gcc");
    let place = Place::new();
    place.units(&["slow"]);
    let mut command = place.with_mischief("slow", "slow.c", "slow.c --timeout 60");
    run(command.env("FAKE_CC_SLEEP_MS", "700"), 0);
    assert_eq!(statuses(&place.out()), ["built"]);
}

#[test]
fn the_output_of_units_never_mixes_and_much_of_it_blocks_nobody() {
    need!("gcc");
    const CHATTER: &str = "x.c:1:1: warning: chatter";
    let place = Place::new();
    let names: Vec<String> = (0..8).map(|number| format!("unit{number}")).collect();
    for name in &names {
        place.write(&format!("{name}.c"), format!("/* talkative */\n#warning from {name}\nint {name}(void);\n"));
    }
    let words = names.iter().map(|name| format!("{name}.c ")).collect::<String>() + "-j4";
    let output = run(&mut place.with_mischief("chatty", "talkative", &words), 0);

    let said = text(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    let amount = (1_usize << 19).div_ceil(CHATTER.len() + 1);
    assert_eq!(lines.iter().filter(|line| **line == CHATTER).count(), names.len() * amount);
    for name in &names {
        // What the real compiler says comes last, so that it tells whose the lines before it are.
        let own = lines.iter().position(|line| line.contains(&format!("warning: #warning from {name} "))).unwrap();
        assert!(lines[own - amount..own].iter().all(|line| *line == CHATTER), "{name}: {}", lines[own - 1]);
        assert!(lines[own + 1].contains(&format!("#warning from {name}")), "{name}: {}", lines[own + 1]);
    }
}

#[test]
fn nothing_is_left_in_the_temporary_directory() {
    need!("gcc");
    let place = Place::new();
    place.units(&["good", "other"]);
    place.write("bad.c", "int bad(void) { return 1 + ; }\n");
    place.write("vm.h", "typedef int word;\n");
    let check = |command: &mut Command, code| {
        run(command, code);
        assert_eq!(place.leavings(), Vec::<PathBuf>::new(), "{command:?}");
    };
    check(&mut place.compile("good.c other.c"), 0);
    check(&mut place.compile("good.c other.c --header vm.h --compact"), 0);
    check(&mut place.compile("good.c other.c --dry-run"), 0);
    check(&mut place.compile("good.c bad.c other.c -k"), 1);
    check(&mut place.compile("good.c --header bad.c"), 1);
    check(&mut place.compile("good.c --cc no-such-compiler"), 3);
    check(&mut place.with_mischief("crash", "good.c", "good.c other.c -k -O1"), 1);
    check(&mut place.with_mischief("die-halfway", "", "good.c --header vm.h -O2"), 3);
}

#[test]
fn save_temps_keeps_the_sources_and_says_where() {
    need!("gcc");
    let place = Place::new();
    place.units(&["good"]);
    place.write("bad.c", "int bad(void) { return 1 + ; }\n");
    let output = run(&mut place.compile("good.c bad.c -k --save-temps"), 1);
    let said = text(&output.stderr);
    let kept = said.lines().find_map(|line| line.strip_prefix("temporary files are kept in ")).expect(&said);
    assert_eq!(place.leavings(), [PathBuf::from(kept)]);
    // The next run takes it for nobody's leavings.
    run(&mut place.compile("good.c"), 0);
    for name in ["good.c", "bad.c"] {
        let unit = fs::read_to_string(place.path(name)).unwrap();
        let entries = fs::read_dir(kept).unwrap().map(|entry| entry.unwrap().path());
        let sources = entries.filter(|path| path.extension().is_some_and(|extension| extension == "c"));
        let has_it = sources.map(|path| fs::read_to_string(path).unwrap()).any(|source| source.contains(&unit));
        assert!(has_it, "{name} is not in {kept}");
    }
}

#[test]
#[cfg(unix)]
fn nobody_else_sees_into_the_temporary_directory() {
    use std::os::unix::fs::PermissionsExt;
    need!("gcc", "sh");
    let place = Place::new();
    place.units(&["stuck"]);
    // A umask that hides nothing.
    let tool = support::mjit_cc();
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 0; exec \"$0\" \"$@\""]).arg(tool.get_program());
    let mut command = place.steered(shell, "stuck.c");
    for (name, value) in place.with_mischief("hang", "stuck.c", "").get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.arg("--cc").arg(support::fake_cc());
    let (tool, hanging) = Running::start_hanging(&place, command);
    let scratch = place.leavings();
    assert_eq!(scratch.len(), 1, "{scratch:?}");
    assert_eq!(fs::metadata(&scratch[0]).unwrap().permissions().mode() & 0o7777, 0o700);
    hanging.end();
    assert_eq!(tool.end().0, Some(1));
}
