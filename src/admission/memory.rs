//! The memory that is left, according to Linux: the kernel's available memory, and the limits of the control groups (version 2) of this
//! process. On other systems the memory is unknown, and limits nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// The memory that must be available for each further compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryLimit {
    /// The directory that contains `proc` and `sys`.
    root: PathBuf,
    need: u64,
}

impl MemoryLimit {
    /// The usual maximum of a C compiler with a large header, in bytes: gcc at `-O3` with Ruby's header takes a quarter of it.
    pub const DEFAULT: u64 = 400 << 20;

    /// Requires this number of bytes for each further compiler; `None` for 0.
    #[must_use]
    pub fn per_compiler(need: u64) -> Option<Self> {
        Self::below(Path::new("/"), need)
    }

    /// The same, with the system's files below another directory.
    #[must_use]
    pub fn below(root: &Path, need: u64) -> Option<Self> {
        (need > 0).then(|| Self { root: root.to_owned(), need })
    }

    /// True if memory is available for one more compiler, besides `young` compilers that have not allocated theirs yet.
    pub(super) fn has_room(&self, young: usize) -> bool {
        available(&self.root).is_none_or(|available| room_for(available, self.need) > young as u64)
    }
}

/// Returns the number of compilers that the memory suffices for.
fn room_for(available: u64, need: u64) -> u64 {
    available.checked_div(need).unwrap_or(u64::MAX)
}

/// Returns the number of bytes that are available without swapping.
fn available(root: &Path) -> Option<u64> {
    let machine = fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|text| of_machine(&text));
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok();
    let group = groups.as_deref().and_then(own_group).and_then(|group| of_groups(&root.join("sys/fs/cgroup"), group));
    machine.into_iter().chain(group).min()
}

/// Parses `MemAvailable`, in kibibytes (proc(5)).
fn of_machine(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Returns the path of the control group. The line of version 2 is `0::PATH` (cgroups(7)).
fn own_group(cgroup: &str) -> Option<&str> {
    cgroup.lines().find_map(|line| line.strip_prefix("0::/"))
}

/// Returns the smallest limit of a group and its parents.
fn of_groups(mount: &Path, group: &str) -> Option<u64> {
    let all = mount.join(group);
    all.ancestors().take_while(|dir| dir.starts_with(mount)).filter_map(of_group).min()
}

/// Returns the bytes that a group may still allocate. The kernel's cgroup-v2 document: `memory.max` is a number or `max`;
/// `memory.current` includes the page cache, of which `inactive_file` in `memory.stat` can be reclaimed.
fn of_group(dir: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(dir.join(name)).ok();
    let most: u64 = read("memory.max")?.trim().parse().ok()?;
    let current: u64 = read("memory.current")?.trim().parse().ok()?;
    let stat = read("memory.stat").unwrap_or_default();
    let cache = stat.lines().find_map(|line| line.strip_prefix("inactive_file ")?.trim().parse::<u64>().ok());
    Some(most.saturating_sub(current.saturating_sub(cache.unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBIBYTE: u64 = 1 << 20;

    /// Creates the files of a system with this much available memory, in a nested group.
    fn system(mebibytes: u64) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let meminfo = format!("MemTotal: 99999999 kB\nMemFree: 1 kB\nMemAvailable:  {} kB\n", mebibytes * 1024);
        write("proc/meminfo", meminfo);
        write("proc/self/cgroup", "1:cpu:/old\n0::/outer/inner\n".into());
        write("sys/fs/cgroup/outer/inner/memory.max", "max\n".into());
        write("sys/fs/cgroup/outer/inner/memory.current", "1\n".into());
        root
    }

    #[test]
    fn so_many_compilers_run_as_there_is_memory_for() {
        let root = system(1000);
        let memory = MemoryLimit::below(root.path(), 400 * MEBIBYTE).unwrap();
        assert_eq!([0, 1, 2, 3].map(|young| memory.has_room(young)), [true, true, false, false]);
        let none = system(399);
        assert!(!MemoryLimit::below(none.path(), 400 * MEBIBYTE).unwrap().has_room(0));
    }

    #[test]
    fn the_tightest_group_counts_without_the_cache_it_can_give_back() {
        let root = system(1000);
        assert_eq!(available(root.path()), Some(1000 * MEBIBYTE));
        let outer = root.path().join("sys/fs/cgroup/outer");
        fs::write(outer.join("memory.max"), (500 * MEBIBYTE).to_string()).unwrap();
        fs::write(outer.join("memory.current"), (400 * MEBIBYTE).to_string()).unwrap();
        assert_eq!(available(root.path()), Some(100 * MEBIBYTE));
        fs::write(outer.join("memory.stat"), format!("anon 1\ninactive_file {}\n", 300 * MEBIBYTE)).unwrap();
        assert_eq!(available(root.path()), Some(400 * MEBIBYTE));
    }

    #[test]
    fn what_is_not_known_bounds_nothing() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(available(root.path()), None);
        assert!(MemoryLimit::below(root.path(), u64::MAX).unwrap().has_room(1000));
        assert!(MemoryLimit::per_compiler(0).is_none());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_system_says_how_much_it_has() {
        assert!(available(Path::new("/")).is_some());
    }
}
