//! Making what a waiting compiler will need of its memory before there is a unit. Code of its that it has not run yet it gets page fault by page
//! fault, some hundreds of them; and gcc maps the PCH privately and writes all over it, so that thousands of pages are copied, one by one.
//! Reading its code, and writing a PCH's bytes back, from here has the same effects (proc(5), `/proc/pid/mem`). Touches only a process
//! that is blocked in reading what nobody but this process writes.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::maps::{self, Mapping};

/// How often it is looked whether the compiler waits by now.
const LOOK: Duration = Duration::from_millis(10);

/// A compiler that does not wait by then, will not.
const PATIENCE: Duration = Duration::from_secs(5);

/// Of a file's pages that are in memory Linux maps so many with the one that is asked for (`fault_around_bytes`).
const AROUND: u64 = 64 << 10;

/// How long it takes at a time: a unit that comes waits so long.
const SLICE: Duration = Duration::from_millis(2);

/// Reading a few pages of code that takes so long comes from a disk: then memory is needed for other things.
const TOO_LONG: Duration = Duration::from_millis(100);

/// One compiler's.
#[derive(Debug)]
pub(super) enum Warming {
    /// It may still be loading.
    Loading { since: Instant, copies_pch: bool },
    /// It waits, and has pages that it is without.
    Going { memory: File, left: Vec<Part> },
    /// All is done that can be.
    Over,
}

/// A part of a process's memory.
#[derive(Debug)]
pub(super) struct Part {
    place: Range<u64>,
    lack: Lack,
}

/// What a process has not got yet.
#[derive(Clone, Copy, Debug)]
enum Lack {
    /// The pages themselves.
    Mapped,
    /// Copies for itself.
    Own,
}

impl Warming {
    /// Of a compiler that was started just now, and works in a copy of its PCH or not.
    pub(super) fn new(copies_pch: bool) -> Self {
        Self::Loading { since: Instant::now(), copies_pch }
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
    pub(super) fn go_on(&mut self, driver: u32, pch: Option<&Path>) {
        match self {
            Self::Loading { since, copies_pch } => match waiting(driver, pch.filter(|_| *copies_pch)) {
                // Not permitted, or not as expected: then it is as slow as ever.
                Err(_) => *self = Self::Over,
                Ok(Some((memory, left))) => *self = Self::Going { memory, left },
                Ok(None) if since.elapsed() > PATIENCE => *self = Self::Over,
                Ok(None) => {}
            },
            Self::Going { memory, left } => {
                let began = Instant::now();
                let mut buffer = vec![0; AROUND as usize];
                while let Some(part) = left.last_mut()
                    && began.elapsed() < SLICE
                {
                    // What cannot be had is left as it is.
                    if part.next(memory, &mut buffer).is_err() || part.place.is_empty() {
                        left.pop();
                    }
                }
                if left.is_empty() || began.elapsed() > TOO_LONG {
                    *self = Self::Over;
                }
            }
            Self::Over => {}
        }
    }
}

impl Part {
    /// Gives the process the next few pages.
    fn next(&mut self, memory: &File, buffer: &mut [u8]) -> io::Result<()> {
        let Range { start, end } = self.place;
        // Pages come in groups that do not begin where a part does.
        self.place.start = end.min((start / AROUND + 1) * AROUND);
        match self.lack {
            Lack::Mapped => memory.read_exact_at(&mut buffer[..1], start),
            Lack::Own => {
                let bytes = &mut buffer[..(self.place.start - start) as usize];
                memory.read_exact_at(bytes, start)?;
                memory.write_all_at(bytes, start)
            }
        }
    }
}

/// The memory of a driver or its child that waits, and what it lacks. An error where that will never be.
fn waiting(driver: u32, copied: Option<&Path>) -> io::Result<Option<(File, Vec<Part>)>> {
    let children = fs::read_to_string(format!("/proc/{driver}/task/{driver}/children"))?;
    let own = std::process::id().to_string();
    let driver = driver.to_string();
    let with_parents = children.split_whitespace().map(|child| (child, &driver)).chain([(&*driver, &own)]);
    for (id, parent) in with_parents {
        let process = PathBuf::from("/proc").join(id);
        // From here on it is the memory of whatever process this was, whoever gets its number.
        let memory = File::options().read(true).write(true).open(process.join("mem"))?;
        if !reads_standard_input_again(&process) {
            continue;
        }
        let parts = parts(&process, copied)?;
        let stat = fs::read_to_string(process.join("stat"))?;
        // After the name, which may have spaces and parentheses in it: the state, and the parent.
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        if fields.next() == Some("S") && fields.next() == Some(parent) {
            return Ok(Some((memory, parts)));
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

/// Its code, and where the file that it copies is mapped for writing and not for others to see.
fn parts(process: &Path, copied: Option<&Path>) -> io::Result<Vec<Part>> {
    let copied = copied.map(fs::canonicalize).transpose()?;
    let part = |mapping: Mapping<'_>| {
        let lack = match mapping.permissions {
            "r-xp" if mapping.is_file => Lack::Mapped,
            "rw-p" if copied.as_deref() == Some(Path::new(mapping.path)) => Lack::Own,
            _ => return None,
        };
        Some(Part { place: mapping.place, lack })
    };
    Ok(maps::read(&fs::read_to_string(process.join("maps"))?).filter_map(part).collect())
}
