//! Launchers: real ones, with what they are for, and what is said of one that is not there.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::compile::{Fake, Place, fields};
use crate::support::{self, need, run, text};

/// The fixtures' units behind their header, in one library.
fn tool(place: &Place, words: &[&str]) -> Command {
    let mut command = place.tool(&["compile", "--compact", "-j2", "-vv"]);
    command.args(words).arg("--header").arg(support::fixture("vm.h")).args(support::fixture_units());
    command
}

/// The commands that were run for units.
fn unit_commands(said: &str) -> Vec<&str> {
    said.lines().filter(|line| line.contains(" -c ") && !line.contains("header-alone")).collect()
}

#[test]
fn a_launcher_that_is_not_there_is_said_before_anything_runs() {
    need!("gcc");
    let place = Place::new();
    let fake = Fake::of("gcc");
    let output = run(fake.behind(&mut tool(&place, &["--launcher", "no-such-launcher --fast"])), 3);
    assert!(
        text(&output.stderr).contains("error: the launcher no-such-launcher is not on PATH"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(fake.runs().counts(), (0, 0, 0));
    assert!(!place.join("out").exists());
    let output = run(tool(&place, &[]).env("MJIT_CC_LAUNCHER", "no-such-launcher"), 3);
    assert!(text(&output.stderr).contains("no-such-launcher"));
    run(&mut tool(&place, &["--launcher", "'"]), 2);
}

#[test]
fn a_launcher_stands_before_the_compiler_of_units_and_nothing_else() {
    need!("gcc", "nice");
    let place = Place::new();
    let said = text(&run(&mut tool(&place, &["--launcher", "nice -n 1", "--launcher", "nice"]), 0).stderr);
    let (launched, others): (Vec<&str>, Vec<&str>) =
        said.lines().filter(|line| line.contains(" -o ")).partition(|line| line.contains("/nice -n 1 nice /"));
    assert_eq!(launched.len(), 24, "{said}");
    assert!(launched.iter().all(|line| line.contains(" -c ") && line.contains("vm.pch")), "{said}");
    // The header, the proof that it is used, and the library where the driver links it.
    assert!(matches!(others.len(), 2 | 3), "{said}");
    // What started the compiler changes nothing that it made.
    run(&mut tool(&place, &[]), 0);
    assert!(fields(&place.join("out"), "status").iter().all(|status| status == "reused"));
    // What would be run is what is run.
    let would = text(&run(tool(&place, &["--launcher", "nice"]).arg("-n"), 0).stdout);
    assert_eq!(would.lines().filter(|line| line.contains("/nice /")).count(), 24, "{would}");
}

#[test]
fn ccache_gives_back_what_it_has_seen_behind_a_precompiled_header() {
    need!("ccache");
    for cc in ["gcc", "clang"] {
        need!(cc);
        let place = Place::new();
        let cache = tempfile::tempdir().unwrap();
        let misses = || {
            let _ = fs::remove_dir_all(place.join("out"));
            let mut command = tool(&place, &["--launcher", "ccache", "--cc", cc]);
            let said = text(&run(command.env("CCACHE_DIR", cache.path()), 0).stderr);
            assert!(unit_commands(&said).iter().all(|line| line.contains("vm.pch")), "{said}");
            let stats = run(Command::new("ccache").arg("--print-stats").env("CCACHE_DIR", cache.path()), 0);
            let stats = text(&stats.stdout);
            let count = |name: &str| -> u32 {
                let line = stats.lines().find_map(|line| line.strip_prefix(name)).unwrap();
                line.trim().parse().unwrap()
            };
            run(Command::new("ccache").arg("--zero-stats").env("CCACHE_DIR", cache.path()), 0);
            (count("cache_miss\t"), count("direct_cache_hit\t"))
        };
        assert_eq!(misses(), (24, 0), "{cc}");
        assert_eq!(misses(), (0, 24), "{cc}, again behind a header that was precompiled again");
    }
}

/// A server of sccache's, which the first unit starts, on a port of its own. Ends with this.
struct Sccache {
    dir: tempfile::TempDir,
    port: String,
}

impl Sccache {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), port: free_port().to_string() }
    }

    fn is_for<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("SCCACHE_DIR", self.dir.path()).env("SCCACHE_SERVER_PORT", &self.port);
        // Where nobody ends it.
        command.env("SCCACHE_IDLE_TIMEOUT", "120").env_remove("SCCACHE_CONF")
    }

    fn ask(&self, word: &str) -> String {
        text(&run(self.is_for(Command::new("sccache").arg(word)), 0).stdout)
    }

    /// Hits and misses so far.
    fn counts(&self) -> (u32, u32) {
        let stats = self.ask("--show-stats");
        let count = |name: &str| -> u32 {
            let line = stats.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().parse().unwrap()
        };
        (count("Cache hits  "), count("Cache misses  "))
    }
}

impl Drop for Sccache {
    fn drop(&mut self) {
        let _ = self.is_for(Command::new("sccache").arg("--stop-server")).output();
    }
}

#[test]
fn sccache_gives_back_what_it_has_seen_by_a_server_that_outlives_the_run() {
    need!("gcc", "clang", "sccache");
    let (place, sccache) = (Place::new(), Sccache::new());
    let build = |cc: &str| {
        let _ = fs::remove_dir_all(place.join("out"));
        let said = text(&run(sccache.is_for(&mut tool(&place, &["--launcher", "sccache", "--cc", cc])), 0).stderr);
        assert!(unit_commands(&said).iter().all(|line| line.contains("/vm.h") && !line.contains("vm.pch")), "{said}");
        sccache.counts()
    };
    assert_eq!(build("gcc"), (0, 24));
    assert_eq!(build("gcc"), (24, 24));
    // The temporary directory of the run that it was started in is gone, and it needs one for a compiler that it does not know.
    assert_eq!(build("clang"), (24, 48));
    assert_eq!(build("clang"), (48, 48));
}

/// Nobody gets the same port soon.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A distccd on this machine, on a port of its own. Ends with this.
struct Daemon {
    process: Child,
    port: u16,
    log: PathBuf,
}

impl Daemon {
    fn start(dir: &Path, name: &str) -> Self {
        let port = free_port();
        let log = dir.join(name);
        fs::write(&log, "").unwrap();
        open_to_all(&log, 0o666);
        let mut command = Command::new("distccd");
        command.args(["--daemon", "--no-detach", "--listen", "127.0.0.1", "--allow", "127.0.0.1", "--jobs", "2"]);
        command.args(["--enable-tcp-insecure", "--log-level", "info", "--port", &port.to_string()]);
        command.arg("--log-file").arg(&log).env("TMPDIR", dir).env("DISTCC_DIR", dir);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let daemon = Self { process, port, log };
        let until = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "{}", fs::read_to_string(&daemon.log).unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
        daemon
    }

    fn compiled(&self) -> usize {
        fs::read_to_string(&self.log).unwrap().matches("COMPILE_OK").count()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has children, and ends them where it is asked to end.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

/// As root, the daemon becomes another user.
fn open_to_all(path: &Path, mode: u32) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn distcc_compiles_on_other_machines_with_the_header_as_text() {
    need!("gcc", "distcc", "distccd");
    let place = Place::new();
    let dir = tempfile::tempdir().unwrap();
    open_to_all(dir.path(), 0o777);
    let daemons = ["one", "two"].map(|name| Daemon::start(dir.path(), name));
    let hosts = daemons.each_ref().map(|daemon| format!("127.0.0.1:{}/2", daemon.port)).join(" ");
    let mut command = tool(&place, &["--launcher", "distcc", "-j4"]);
    command.env("DISTCC_HOSTS", hosts).env("DISTCC_FALLBACK", "0").env("DISTCC_DIR", dir.path());
    let said = text(&run(&mut command, 0).stderr);
    let commands = unit_commands(&said);
    assert_eq!(commands.len(), 24, "{said}");
    assert!(commands.iter().all(|line| line.contains("/vm.h") && !line.contains("vm.pch")), "{said}");
    let compiled = daemons.each_ref().map(Daemon::compiled);
    assert_eq!(compiled.iter().sum::<usize>(), 24, "{compiled:?}");
    assert!(compiled.iter().all(|&count| count > 0), "{compiled:?}");
    assert!(fields(&place.join("out"), "status").iter().all(|status| status == "built"));
}

#[test]
fn a_launcher_that_fails_fails_the_unit() {
    need!("gcc", "false");
    let place = Place::new();
    place.write("a.c", "int a;\n");
    let output = run(&mut place.tool(&["compile", "--launcher", "false", "a.c"]), 1);
    assert!(text(&output.stderr).contains("a.c: the compiler failed (exit code 1)"), "{}", text(&output.stderr));
}
