//! Windows programs, run by Wine. Its prefix is made once and kept with cargo's own temporary files; `MJIT_CC_TEST_WINEPREFIX`
//! names another.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What a Windows program said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Far more than anything here takes; a first start on a busy machine takes ten seconds or more.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs a Windows program, with files for its output: Wine's own background processes inherit them, and hold a pipe open.
pub fn run(program: &Path, args: &[String], dir: &Path) -> Said {
    let output = tempfile::tempdir().unwrap();
    let (stdout, stderr) = (output.path().join("stdout"), output.path().join("stderr"));
    let mut wine = wine(prefix());
    wine.arg(program).args(args).current_dir(dir);
    let code = finish(wine.stdout(File::create(&stdout).unwrap()).stderr(File::create(&stderr).unwrap()));
    Said { code, stdout: fs::read_to_string(stdout).unwrap(), stderr: fs::read_to_string(stderr).unwrap() }
}

fn wine(prefix: &Path) -> Command {
    let mut wine = Command::new("wine");
    wine.env("WINEPREFIX", prefix).env("WINEDEBUG", "-all").env_remove("DISPLAY").stdin(Stdio::null());
    // Neither .NET nor a browser: nobody is there to be asked whether they may be fetched.
    wine.env("WINEDLLOVERRIDES", "mscoree=;mshtml=");
    wine
}

fn finish(command: &mut Command) -> Option<i32> {
    let mut child = command.spawn().unwrap();
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{command:?} did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn prefix() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| match std::env::var_os("MJIT_CC_TEST_WINEPREFIX") {
        Some(prefix) => prefix.into(),
        None => made(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("wine")),
    })
}

/// Makes a prefix, once: test binaries of one target directory may run side by side.
fn made(base: &Path) -> PathBuf {
    fs::create_dir_all(base).unwrap();
    let lock = File::create(base.join("lock")).unwrap();
    lock.lock().unwrap();
    let (prefix, ready) = (base.join("prefix"), base.join("ready"));
    if !ready.exists() {
        if prefix.exists() {
            fs::remove_dir_all(&prefix).unwrap();
        }
        fs::create_dir(&prefix).unwrap();
        let mut boot = wine(&prefix);
        assert_eq!(finish(boot.args(["wineboot", "-i"]).stdout(Stdio::null()).stderr(Stdio::null())), Some(0));
        File::create(&ready).unwrap();
    }
    prefix
}
