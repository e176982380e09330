//! What profilers and debuggers see of a worker's code.

use std::ffi::c_void;
use std::fs;
use std::io::Write;
use std::process::Command;

use mjitcc::platforms::Flags;
use mjitcc::worker::{Compaction, SlotState, Tiers, Worker};

use crate::host::{Bench, PLAIN, call, quiet};
use crate::support::{need, run, skip, text};

/// A unit with a helper, that takes its time.
const SLOW: &str = "
static __attribute__((noinline)) long helper(long n)
{
    volatile long sum = 0;
    for (long i = 0; i < n; i++)
        sum += i;
    return sum != 0;
}
long {entry}(void)
{
    return {owner} + helper(300000000) - 1;
}
";

/// The lines of this process's map: begin, size, name.
fn map() -> Vec<(u64, u64, String)> {
    let text = fs::read_to_string(format!("/tmp/perf-{}.map", std::process::id())).unwrap();
    let parse = |line: &str| {
        let [start, size, name] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let hex = |word| u64::from_str_radix(word, 16).unwrap();
        (hex(start), hex(size), name.to_owned())
    };
    text.lines().map(parse).collect()
}

/// What this process's maps say of an address: permissions and file.
fn mapping(address: u64) -> (String, String) {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let found = maps.lines().find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (begin, end) = words[0].split_once('-')?;
        let hex = |word| u64::from_str_radix(word, 16).unwrap();
        (hex(begin)..hex(end))
            .contains(&address)
            .then(|| (words[1].to_owned(), words.get(5).map(|&word| word.to_owned()).unwrap_or_default()))
    });
    found.unwrap()
}

#[test]
fn the_perf_map_names_units_helpers_and_compacted_code() {
    need!("gcc");
    let bench = Bench::of_text(SLOW, Worker::builder().compaction(Compaction::Throttled).perf_map(true));
    let slots = [bench.submit(101, 0), bench.submit(102, 0)];
    assert!(bench.worker().pause(true));
    assert_eq!(bench.lines("JIT compaction (").len(), 1, "{:?}", bench.log);
    let map = map();
    for (owner, slot) in [(101, &slots[0]), (102, &slots[1])] {
        let lines: Vec<_> = map.iter().filter(|(.., name)| *name == format!("m{owner}@test.rb:7")).collect();
        assert_eq!(lines.len(), 2, "alone and compacted: {map:?}");
        let SlotState::Callable(address) = slot.state() else { panic!("{slot:?}") };
        let address = address.as_ptr().cast::<c_void>() as u64;
        let (_, size, _) = lines.iter().find(|(start, ..)| *start == address).unwrap();
        assert!((8..1000).contains(size), "{map:?}");
        assert_eq!(mapping(address), ("r-xp".to_owned(), String::new()), "perf asks the map only about such code");
    }
    assert!(map.iter().filter(|(.., name)| name.starts_with("helper")).count() >= 2, "{map:?}");
    assert_eq!(call(&slots[0]), 101);
    fs::remove_file(format!("/tmp/perf-{}.map", std::process::id())).unwrap();
}

#[test]
fn the_perf_map_names_quick_code_too() {
    need!("gcc", "tcc");
    let bench = Bench::of_text(PLAIN, quiet().tiers(Tiers::Quickest).perf_map(true));
    assert_eq!(call(&bench.submit(301, 0)), 301);
    assert!(bench.worker().pause(true));
    assert_eq!(bench.lines("JIT improved").len(), 1, "{:?}", bench.log);
    assert_eq!(map().iter().filter(|(.., name)| name == "m301@test.rb:7").count(), 2, "by tcc, and by gcc");
}

#[test]
fn perf_names_code_whose_file_is_gone() {
    need!("gcc", "perf");
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("perf.data");
    let mut record = Command::new("perf");
    record.args(["record", "-q", "-e", "cpu-clock:u", "-o"]).arg(&data).arg(std::env::current_exe().unwrap());
    record.args(["--exact", "tools::is_profiled", "--ignored", "--nocapture", "--test-threads=1"]);
    let output = record.output().unwrap();
    if !data.exists() {
        return skip(&format!("perf may not record here: {}", text(&output.stderr)));
    }
    assert!(output.status.success(), "{output:?}");
    let mut report = Command::new("perf");
    report.args(["report", "--stdio", "-q", "--sort", "symbol", "-i"]).arg(&data);
    let said = text(&run(&mut report, 0).stdout);
    let child = text(&output.stdout);
    let child = child.split("process ").nth(1).unwrap().split('.').next().unwrap();
    fs::remove_file(format!("/tmp/perf-{child}.map")).unwrap();
    assert!(said.lines().any(|line| line.contains("[.] helper") || line.contains("[.] m9@test.rb:7")), "{said}");
}

#[test]
#[ignore = "a process of its own"]
fn is_profiled() {
    let bench = Bench::of_text(SLOW, quiet().perf_map(true));
    assert_eq!(call(&bench.submit(9, 0)), 9);
    writeln!(std::io::stdout(), "process {}.", std::process::id()).unwrap();
}

#[test]
fn gdb_shows_a_unit_s_function_and_line() {
    need!("gcc", "gdb");
    let mut gdb = Command::new("gdb");
    gdb.args(["--batch", "-nx", "-iex", "set debuginfod enabled off", "-ex", "set breakpoint pending on"]);
    gdb.args([
        "-ex",
        "break _mjit0_m9",
        "-ex",
        "run",
        "-ex",
        "backtrace 1",
        "-ex",
        "list",
        "-ex",
        "delete",
        "-ex",
        "continue",
        "--args",
    ]);
    gdb.arg(std::env::current_exe().unwrap());
    gdb.args(["--exact", "tools::is_debugged", "--ignored", "--nocapture", "--test-threads=1"]);
    let output = gdb.output().unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    if said.contains("ptrace: Operation not permitted") {
        return skip("gdb may not trace here");
    }
    assert!(said.contains("_mjit0_m9 () at "), "{said}");
    assert!(said.contains(":11\n") && said.contains("11\t    return 9 + helper(300000000) - 1;"), "{said}");
}

#[test]
#[ignore = "a process of its own"]
fn is_debugged() {
    let bench = Bench::of_text(SLOW, quiet().flags(Flags { debug: true, ..Flags::default() }).save_temps(true));
    assert_eq!(call(&bench.submit(9, 0)), 9);
}

#[test]
fn without_the_wish_there_is_no_map() {
    need!("gcc");
    let bench = Bench::of_text(PLAIN, quiet());
    assert_eq!(call(&bench.submit(201, 0)), 201);
    let map = fs::read_to_string(format!("/tmp/perf-{}.map", std::process::id())).unwrap_or_default();
    assert!(!map.contains("m201@"), "{map}");
}
