//! The host program: built once, run for each library.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::{fixture, run, text};

pub struct Host {
    dir: TempDir,
}

impl Host {
    /// With functions of their own for as many kinds.
    pub fn build(kinds: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut aliases = String::new();
        for number in 0..kinds {
            let _ = writeln!(aliases, "ALIASES({number})");
        }
        fs::write(dir.path().join("aliases.h"), aliases).unwrap();
        fs::write(dir.path().join("host.c"), include_str!("host.c")).unwrap();
        fs::write(dir.path().join("run.c"), include_str!("run.c")).unwrap();
        let mut gcc = Command::new("gcc");
        gcc.current_dir(dir.path()).arg("-I").arg(fixture(""));
        gcc.args(["-std=gnu11", "-w", "-rdynamic", "-o", "host", "host.c", "run.c", "-ldl", "-lm"]);
        run(&mut gcc, 0);
        Self { dir }
    }

    /// What the host prints about the entries of libraries that are loaded in this order.
    pub fn call(&self, libraries: &[PathBuf], entries: &[&str], dir: &Path) -> Vec<String> {
        let mut host = Command::new(self.dir.path().join("host"));
        host.current_dir(dir).arg(libraries.len().to_string()).args(libraries).args(entries);
        let output = host.stdin(Stdio::null()).output().unwrap();
        let mut lines: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
        if !output.status.success() {
            lines.push(format!("died {}", output.status));
        }
        lines
    }
}
