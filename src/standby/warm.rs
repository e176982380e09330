//! Making a waiting compiler's own pages of its PCH before there is a unit. gcc maps the PCH privately and writes all over it; each page that
//! is written to is copied then, which takes some microseconds, thousands of times. A byte written back to each page from here has the same
//! effect (proc(5), `/proc/pid/mem`). Touches only a process that is blocked in reading what nobody but this process writes.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often it is looked whether the compiler waits by now.
const LOOK: Duration = Duration::from_millis(10);

/// A compiler that does not wait by then, will not.
const PATIENCE: Duration = Duration::from_secs(5);

/// The smallest that Linux has.
const PAGE: u64 = 4096;

/// How many pages are made at a time: a unit that comes waits so long, two milliseconds.
const SLICE: usize = 256;

/// One compiler's.
#[derive(Debug)]
pub(super) enum Warming {
    /// It may still be loading.
    Loading { since: Instant },
    /// It waits, and has pages that it shares with the file.
    Going { memory: File, left: Range<u64> },
    /// All is done that can be.
    Over,
}

impl Warming {
    /// Of a compiler that was started just now, and works in a copy of its PCH or not.
    pub(super) fn new(copies_pch: bool) -> Self {
        if copies_pch { Self::Loading { since: Instant::now() } } else { Self::Over }
    }

    /// When to go on; none where there is nothing left to do.
    pub(super) fn next(&self) -> Option<Duration> {
        match self {
            Self::Loading { .. } => Some(LOOK),
            Self::Going { .. } => Some(Duration::ZERO),
            Self::Over => None,
        }
    }

    /// Does the next small part of it for a compiler that this process started, has not waited for, and gives nothing to read meanwhile.
    /// It may be the parent of the one that has the PCH.
    pub(super) fn go_on(&mut self, driver: u32, pch: &Path) {
        match self {
            Self::Loading { since } => match waiting(driver, pch) {
                // Not permitted, or not as expected: then it is as slow as ever.
                Err(_) => *self = Self::Over,
                Ok(Some((memory, left))) => *self = Self::Going { memory, left },
                Ok(None) if since.elapsed() > PATIENCE => *self = Self::Over,
                Ok(None) => {}
            },
            Self::Going { memory, left } => {
                let end = left.end.min(left.start + SLICE as u64 * PAGE);
                let owned = (left.start..end).step_by(PAGE as usize).try_for_each(|at| own(memory, at));
                left.start = end;
                if owned.is_err() || left.is_empty() {
                    *self = Self::Over;
                }
            }
            Self::Over => {}
        }
    }
}

/// Makes one page the process's own.
fn own(memory: &File, at: u64) -> io::Result<()> {
    let mut byte = [0];
    memory.read_exact_at(&mut byte, at)?;
    memory.write_all_at(&byte, at)
}

/// The memory of a driver's child that waits, and where in it the PCH is. An error where that will never be.
fn waiting(driver: u32, pch: &Path) -> io::Result<Option<(File, Range<u64>)>> {
    let children = fs::read_to_string(format!("/proc/{driver}/task/{driver}/children"))?;
    for child in children.split_whitespace() {
        let process = PathBuf::from("/proc").join(child);
        // From here on it is the memory of whatever process this was, whoever gets its number.
        let memory = File::options().read(true).write(true).open(process.join("mem"))?;
        if !reads_standard_input_again(&process) {
            continue;
        }
        let Some(range) = private_copy(&process, pch) else { continue };
        let stat = fs::read_to_string(process.join("stat"))?;
        // After the name, which may have spaces and parentheses in it: the state, and the parent.
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        if fields.next() == Some("S") && fields.next() == Some(&driver.to_string()) {
            return Ok(Some((memory, range)));
        }
    }
    Ok(None)
}

/// Whether it has opened its standard input by name: the PCH is loaded by then, and what comes next is to wait for what it reads there.
fn reads_standard_input_again(process: &Path) -> bool {
    let fds = process.join("fd");
    let Ok(standard) = fs::read_link(fds.join("0")) else { return false };
    let open = fs::read_dir(&fds).into_iter().flatten().flatten();
    open.filter(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == standard)).count() > 1
}

/// Where a file is mapped for writing and not for others to see.
fn private_copy(process: &Path, file: &Path) -> Option<Range<u64>> {
    let file = fs::canonicalize(file).ok()?;
    let maps = fs::read_to_string(process.join("maps")).ok()?;
    let line = maps.lines().find(|line| line.contains(" rw-p ") && line.ends_with(&*file.to_string_lossy()))?;
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    Some(u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?)
}
