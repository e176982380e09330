//! Warming: takes the page faults of a waiting compiler in advance. The compiler's code is mapped page by page, with some hundreds of
//! faults; and gcc maps the PCH privately and writes to all of it, so that thousands of pages are copied one by one. Reading the code, and
//! writing the PCH's bytes back, through `/proc/pid/mem` has the same effect (proc(5)). Accesses only a process that is blocked in reading
//! a pipe to which only this process writes.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::maps::{self, Mapping};

/// The interval of checks that the compiler has begun to wait.
const CHECK_INTERVAL: Duration = Duration::from_millis(10);

/// After this time a compiler that does not wait is not checked again.
const MAX_LOADING: Duration = Duration::from_secs(5);

/// Linux maps this many bytes of a file's cached pages with each page fault (`fault_around_bytes`).
const FAULT_AROUND: u64 = 64 << 10;

/// The longest step: a unit that arrives may wait this long.
const SLICE: Duration = Duration::from_millis(2);

/// A step that takes this long reads from a disk: memory is short, and warming ends.
const TOO_LONG: Duration = Duration::from_millis(100);

/// The state of warming one compiler.
#[derive(Debug)]
pub(super) enum Warming {
    /// The compiler may still be loading.
    Loading {
        since: Instant,
        copies_pch: bool,
    },
    /// The compiler waits, and some pages are left.
    Mapping {
        memory: File,
        left: Vec<Part>,
    },
    Done,
}

/// A part of a process's memory.
#[derive(Debug)]
pub(super) struct Part {
    addresses: Range<u64>,
    need: Need,
}

/// What a process needs for a part of its memory.
#[derive(Clone, Copy, Debug)]
enum Need {
    /// Pages that are mapped.
    Mapped,
    /// Private copies of the pages.
    Copied,
}

impl Warming {
    /// Begins with a compiler that was just started; `copies_pch` if the compiler writes to its private mapping of the PCH.
    pub(super) fn new(copies_pch: bool) -> Self {
        Self::Loading { since: Instant::now(), copies_pch }
    }

    /// Returns when to call [`step`](Self::step) next; `None` if no work is left.
    pub(super) fn next_in(&self) -> Option<Duration> {
        match self {
            Self::Loading { .. } => Some(CHECK_INTERVAL),
            Self::Mapping { .. } => Some(Duration::ZERO),
            Self::Done => None,
        }
    }

    /// Warms the next few pages of a compiler that this process started and has not waited for, and to which this process writes nothing
    /// meanwhile. `driver` may be the parent of the process that has loaded the PCH.
    pub(super) fn step(&mut self, driver: u32, pch: Option<&Path>) {
        match self {
            Self::Loading { since, copies_pch } => match waiting_process(driver, pch.filter(|_| *copies_pch)) {
                // Not permitted, or not as expected: the compiler works without warming.
                Err(_) => *self = Self::Done,
                Ok(Some((memory, left))) => *self = Self::Mapping { memory, left },
                Ok(None) if since.elapsed() > MAX_LOADING => *self = Self::Done,
                Ok(None) => {}
            },
            Self::Mapping { memory, left } => {
                let began = Instant::now();
                let mut buffer = vec![0; FAULT_AROUND as usize];
                while let Some(part) = left.last_mut()
                    && began.elapsed() < SLICE
                {
                    // A part that cannot be accessed is skipped.
                    if part.warm_next(memory, &mut buffer).is_err() || part.addresses.is_empty() {
                        left.pop();
                    }
                }
                if left.is_empty() || began.elapsed() > TOO_LONG {
                    *self = Self::Done;
                }
            }
            Self::Done => {}
        }
    }
}

impl Part {
    /// Warms the part's next few pages.
    fn warm_next(&mut self, memory: &File, buffer: &mut [u8]) -> io::Result<()> {
        let Range { start, end } = self.addresses;
        // Linux maps aligned groups of pages, and a part may begin within a group.
        self.addresses.start = end.min((start / FAULT_AROUND + 1) * FAULT_AROUND);
        match self.need {
            Need::Mapped => memory.read_exact_at(&mut buffer[..1], start),
            Need::Copied => {
                let bytes = &mut buffer[..(self.addresses.start - start) as usize];
                memory.read_exact_at(bytes, start)?;
                memory.write_all_at(bytes, start)
            }
        }
    }
}

/// Returns the memory of a driver, or of its child, that waits, and the parts to warm. `None` if neither waits yet; an error if warming is
/// not possible.
fn waiting_process(driver: u32, copied: Option<&Path>) -> io::Result<Option<(File, Vec<Part>)>> {
    let children = fs::read_to_string(format!("/proc/{driver}/task/{driver}/children"))?;
    let own = std::process::id().to_string();
    let driver = driver.to_string();
    let with_parents = children.split_whitespace().map(|child| (child, &driver)).chain([(&*driver, &own)]);
    for (id, parent) in with_parents {
        let process = PathBuf::from("/proc").join(id);
        // The open file refers to this process even if the process ends and its id is reused. The checks follow.
        let memory = File::options().read(true).write(true).open(process.join("mem"))?;
        if !reads_standard_input_again(&process) {
            continue;
        }
        let parts = parts(&process, copied)?;
        let stat = fs::read_to_string(process.join("stat"))?;
        // The state and the parent follow the name, which may contain spaces and parentheses.
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        if fields.next() == Some("S") && fields.next() == Some(parent) {
            return Ok(Some((memory, parts)));
        }
    }
    Ok(None)
}

/// True if a process has opened its standard input by name. The PCH is then loaded, and the process waits for the text of the unit.
fn reads_standard_input_again(process: &Path) -> bool {
    let fds = process.join("fd");
    let Ok(standard) = fs::read_link(fds.join("0")) else { return false };
    let open = fs::read_dir(&fds).into_iter().flatten().flatten();
    open.filter(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == standard)).count() > 1
}

/// Returns the mappings of a process's code, and its private writable mappings of the file `copied`.
fn parts(process: &Path, copied: Option<&Path>) -> io::Result<Vec<Part>> {
    let copied = copied.map(fs::canonicalize).transpose()?;
    let part = |mapping: Mapping<'_>| {
        let need = match mapping.permissions {
            "r-xp" if mapping.is_file => Need::Mapped,
            "rw-p" if copied.as_deref() == Some(Path::new(mapping.path)) => Need::Copied,
            _ => return None,
        };
        Some(Part { addresses: mapping.place, need })
    };
    Ok(maps::read(&fs::read_to_string(process.join("maps"))?).filter_map(part).collect())
}
