//! What a process has, before and after.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Threads and open files.
#[derive(Debug, PartialEq, Eq)]
pub struct Possessions {
    threads: usize,
    files: BTreeSet<(String, PathBuf)>,
}

impl Possessions {
    pub fn now() -> Self {
        let threads = fs::read_dir("/proc/self/task").unwrap().count();
        // The one that lists them is among them, and gone when it is looked at.
        let files = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| {
            let entry = entry.unwrap();
            Some((entry.file_name().into_string().unwrap(), fs::read_link(entry.path()).ok()?))
        });
        Self { threads, files: files.filter(|(_, target)| !target.starts_with("/proc")).collect() }
    }

    /// What is left in this process, or in the directory, of a worker that was finished.
    pub fn left(&self, dir: &Path) -> Vec<String> {
        let mut wrongs = Vec::new();
        // A thread that was joined leaves the list a moment later.
        let until = Instant::now() + Duration::from_secs(10);
        let mut now = Self::now();
        while now != *self && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
            now = Self::now();
        }
        if now != *self {
            let names = fs::read_dir("/proc/self/task").unwrap().flatten();
            let names: Vec<String> =
                names.map(|task| fs::read_to_string(task.path().join("comm")).unwrap_or_default()).collect();
            wrongs.push(format!("before: {self:?}\nafter: {now:?}\nthreads: {names:?}"));
        }
        // SAFETY: a plain system call.
        let child = unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) };
        if child != -1 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ECHILD) {
            wrongs.push(format!("waitpid says {child}: a child is left"));
        }
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let dir_name = dir.to_string_lossy();
        wrongs.extend(
            maps.lines()
                .filter(|line| line.contains(&*dir_name) || line.contains("/memfd:_mjit"))
                .map(|line| format!("mapped: {line}")),
        );
        wrongs.extend(fs::read_dir(dir).unwrap().map(|entry| format!("left: {}", entry.unwrap().path().display())));
        wrongs
    }
}
