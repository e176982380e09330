//! The worker's objects in a cache: found again by a worker that starts later, whatever its units are numbered, and never in the way.

use std::fs;
use std::path::Path;

use mjitcc::cache::{Cache, CachePlace, Size};
use mjitcc::platforms::Flags;
use mjitcc::worker::{Builder, CodeError, Compaction, SlotState, Unity, Worker};

use crate::host::{Bench, PLAIN, call, fill, quiet, settled};
use crate::support::need;

pub fn cached(builder: Builder, dir: &Path) -> Builder {
    builder.cache(place_of(dir))
}

fn place_of(dir: &Path) -> CachePlace {
    CachePlace { dir: dir.to_owned(), max_size: Size::default() }
}

/// Every object that is kept.
pub fn entries(dir: &Path) -> Vec<std::path::PathBuf> {
    glob::glob(dir.join("v1/??/*").to_str().unwrap()).unwrap().map(Result::unwrap).collect()
}

/// How many units were taken from the cache, and how many compiled.
pub fn counts(bench: &Bench) -> (usize, usize) {
    let compiled = bench
        .lines("Starting process")
        .into_iter()
        .filter(|line| line.contains(" -c ") && !line.contains("header-alone"));
    (bench.lines("Taken from the cache").len(), compiled.count())
}

#[test]
fn a_worker_that_starts_again_takes_its_units_from_the_cache_whatever_their_numbers() {
    need!("gcc");
    for cc in ["gcc", "clang"] {
        need!(cc);
        let (dir, location) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let header = location.path().join("vm.h");
        fs::write(&header, "#define TIMES 10\n").unwrap();
        let start = |owners: &[u64]| {
            let text = "static long {entry}_helper(void) { return {owner}; } long {entry}(void) { return {entry}_helper() * TIMES; }";
            let builder = cached(quiet().unity(Unity::Off), dir.path()).header(header.clone());
            let bench = Bench::on(cc, builder, crate::host::host_of(text));
            let slots: Vec<_> = owners.iter().map(|&owner| (owner, bench.submit(owner, 1))).collect();
            slots.iter().for_each(|(owner, slot)| assert_eq!(call(slot), *owner as i64 * 10));
            counts(&bench)
        };
        assert_eq!(start(&[1, 2, 3]), (0, 3), "{cc}");
        assert_eq!(start(&[3, 4, 1]), (2, 1), "{cc}");
        fs::write(&header, "#define TIMES (5 + 5)\n").unwrap();
        assert_eq!(start(&[1]), (0, 1), "{cc}: another header");
        fs::write(&header, "#define TIMES 10\n").unwrap();
        assert_eq!(start(&[1]), (1, 0), "{cc}: the header as it was");
    }
}

#[test]
fn the_next_worker_need_not_precompile_the_header() {
    need!("gcc");
    let (dir, location) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let header = location.path().join("vm.h");
    let start = || {
        let builder = cached(quiet(), dir.path()).header(header.clone());
        Bench::of_text("long {entry}(void) { return VALUE + {owner}; }", builder)
    };
    let run = |value: i64| {
        fs::write(&header, format!("#define VALUE {value}\n")).unwrap();
        let bench = start();
        assert_eq!(call(&bench.submit(5, 1)), value + 5);
        bench.lines("Creating precompiled header").len()
    };
    assert_eq!([run(1), run(1)], [1, 0]);
    // One that works goes on with the header that it began with, whatever the next one makes of it.
    fs::write(&header, "#define VALUE 1\n").unwrap();
    let first = start();
    assert_eq!(call(&first.submit(5, 1)), 6);
    assert_eq!([run(2), run(2)], [1, 0]);
    assert_eq!(call(&first.submit(6, 1)), 7);
    let stats = Cache::new(place_of(dir.path())).stats().unwrap();
    assert_eq!((stats.headers, stats.entries), (1, 3));
    // It goes when room is wanted.
    let cache = Cache::new(CachePlace { max_size: Size(16384), ..place_of(dir.path()) });
    let removed = cache.gc().unwrap().headers;
    // Windows keeps what the first worker has open.
    assert!(removed == 1 || cfg!(windows));
    assert_eq!(run(2) as u64, removed, "what stays, is whole");
}

#[test]
fn units_of_one_text_have_each_a_state_of_their_own() {
    need!("gcc");
    let dir = tempfile::tempdir().unwrap();
    let text = "long {entry}(void) { static long count; return ++count; }";
    let bench = Bench::of_text(text, cached(quiet(), dir.path()));
    let [one, two] = [1, 2].map(|owner| bench.submit(owner, 1));
    assert_eq!([call(&one), call(&one), call(&one), call(&two)], [1, 2, 3, 1]);
    assert_eq!(counts(&bench), (1, 1));
}

#[test]
fn units_from_the_cache_are_compacted_like_others() {
    need!("gcc");
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let builder = cached(Worker::builder().compaction(Compaction::Throttled), dir.path());
        let bench = Bench::of_text("long {entry}(void) { return 7; }", builder);
        let slots = [1, 2, 3].map(|owner| bench.submit(owner, 1));
        bench.worker().pause(true);
        assert_eq!(bench.lines("JIT compaction").len(), 1, "{:?}", bench.log);
        assert_eq!(slots.each_ref().map(call), [7, 7, 7]);
    }
    assert_eq!(entries(dir.path()).len(), 1);
}

#[test]
fn an_entry_that_is_put_together_is_found_without_the_cache() {
    need!("gcc");
    let dir = tempfile::tempdir().unwrap();
    for text in [
        "#define JOIN(number) _mjit##number\nlong JOIN({id})(void) { return {owner}; }",
        "long {entry}(void);\n#define JOIN(number) _mjit##number\nlong JOIN({id})(void) { return {owner}; }",
    ] {
        let generate = move |request: &mjitcc::worker::Request<'_>| {
            Ok(fill(text, request).replace("{id}", &request.id.to_string()).into())
        };
        let bench = Bench::new(cached(quiet(), dir.path()), Box::new(generate));
        assert_eq!(call(&bench.submit(5, 1)), 5, "{text}");
    }
}

#[test]
fn what_is_wrong_with_a_unit_is_told_by_its_own_name() {
    need!("gcc");
    let dir = tempfile::tempdir().unwrap();
    let bench = Bench::of_text("long {entry}(void) { return undeclared; }", cached(quiet(), dir.path()));
    let slot = bench.submit(5, 1);
    assert_eq!(settled(&slot), SlotState::Failed);
    let Some(CodeError::NotBuilt(why)) = slot.failure() else { panic!("{:?}", slot.failure()) };
    assert!(why.output().contains("u0.c: In function '_mjit0'"), "{}", why.output());
    assert!(entries(dir.path()).is_empty());
}

#[test]
fn where_names_matter_nothing_is_renamed_and_nothing_kept() {
    need!("gcc");
    let dir = tempfile::tempdir().unwrap();
    let builders = [quiet().save_temps(true), quiet().flags(Flags { debug: true, ..Flags::default() })];
    for builder in builders {
        let bench = Bench::of_text(PLAIN, cached(builder, dir.path()));
        assert_eq!(call(&bench.submit(5, 1)), 5);
        assert!(entries(dir.path()).is_empty());
    }
}

#[test]
fn a_damaged_entry_and_a_cache_that_is_none_only_cost_time() {
    need!("gcc");
    let dir = tempfile::tempdir().unwrap();
    let make = |dir: &Path| {
        let bench = Bench::of_text(PLAIN, cached(quiet(), dir));
        assert_eq!(call(&bench.submit(5, 1)), 5);
        (counts(&bench), bench.lines("Object cache").len())
    };
    assert_eq!(make(dir.path()), ((0, 1), 0));
    let entry = &entries(dir.path())[0];
    let mut bytes = fs::read(entry).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(entry, bytes).unwrap();
    assert_eq!(make(dir.path()), ((0, 1), 0));
    assert_eq!(make(dir.path()), ((1, 0), 0));
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(make(&file), ((0, 1), 1));
}

#[test]
#[cfg(unix)]
fn a_launcher_starts_the_compilers_of_units() {
    need!("gcc", "nice");
    let bench = Bench::of_text(PLAIN, quiet().launcher("nice -n 1"));
    assert_eq!(call(&bench.submit(5, 1)), 5);
    let launched: Vec<String> =
        bench.lines("Starting process").into_iter().filter(|line| line.contains("/nice -n 1 /")).collect();
    assert!(launched.len() == 1 && launched[0].contains(" -c "), "{launched:?}");
    let bench = Bench::of_text(PLAIN, quiet().launcher("no-such-launcher"));
    let slot = bench.submit(5, 1);
    assert_eq!(settled(&slot), SlotState::Failed);
    let why = crate::host::failure(&slot);
    assert!(why.contains("no-such-launcher is not on PATH"), "{why}");
}

#[test]
fn files_and_variables_that_only_the_host_knows_of_are_parts_of_what_is_kept() {
    need!("gcc");
    let (dir, location) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = location.path().join("generator");
    let make = |variable: &str| {
        let builder = cached(quiet(), dir.path()).hash_files([&file]).hash_env([variable]);
        let bench = Bench::of_text(PLAIN, builder);
        assert_eq!(call(&bench.submit(5, 1)), 5);
        counts(&bench)
    };
    fs::write(&file, "release 1").unwrap();
    assert_eq!([make("PATH"), make("PATH")], [(0, 1), (1, 0)]);
    fs::write(&file, "release 2").unwrap();
    assert_eq!([make("PATH"), make("PATH")], [(0, 1), (1, 0)]);
    assert_eq!(make("NO_SUCH_VARIABLE"), (0, 1));

    let bench = Bench::of_text(PLAIN, quiet().hash_files([location.path().join("none")]));
    let slot = bench.submit(5, 1);
    assert_eq!(settled(&slot), SlotState::Failed);
    let why = crate::host::failure(&slot);
    assert!(why.contains("cannot read"), "{why}");
}
