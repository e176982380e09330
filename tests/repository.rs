//! Promises about the source itself: the planners are pure, and the stated Rust release is enough for all that is built.

#![allow(clippy::disallowed_methods, reason = "the walls are the product's")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The part of a source file before its tests.
fn product(source: &str) -> &str {
    source.split("#[cfg(test)]").next().unwrap_or(source)
}

#[test]
fn the_pure_crates_touch_nothing_and_ask_nothing() {
    let sources = |folder: &str| glob::glob(root().join(folder).join("**/*.rs").to_str().unwrap()).unwrap();
    let is_test = |path: &std::path::PathBuf| path.components().any(|part| part.as_os_str() == "tests");
    let sources = sources("platforms/src").chain(sources("ctext/src")).map(Result::unwrap);
    for path in sources.filter(|path| !path.ends_with("tests.rs") && !is_test(path)) {
        let source = fs::read_to_string(&path).unwrap();
        for word in
            ["std::fs", "std::env", "std::process", "std::net", "cfg(target", "cfg(unix", "cfg(windows", "cfg!("]
        {
            assert!(!product(&source).contains(word), "{}: {word}", path.display());
        }
    }
}

#[test]
fn unsafe_code_stays_where_it_was_let_in() {
    let mut places = Vec::new();
    let mut dirs = vec![root().join("src"), root().join("platforms/src"), root().join("ctext/src")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let source = fs::read_to_string(&path).unwrap();
                let code = source.split("#[cfg(all(test").next().unwrap_or_default();
                if !product(code).lines().any(|line| line.contains("unsafe ") && !line.trim_start().starts_with("//")) {
                    continue;
                }
                places.push(path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/"));
            }
        }
    }
    // One call, which only the program can vouch for.
    let jobserver = fs::read_to_string(root().join("src/bin/mjit-cc/jobserver.rs")).unwrap();
    assert_eq!(jobserver.matches("unsafe {").count(), 1);
    places.retain(|place| place != "src/bin/mjit-cc/jobserver.rs");
    places.retain(|place| place != "src/library.rs" && place != "src/ffi.rs" && !place.starts_with("src/ffi/"));
    // The type of a function, which the host gives.
    places.retain(|place| place != "src/engine/module.rs");
    // What the system calls around forks, a thread's first frame, and a frame that the unwinder asks.
    places.retain(|place| !["src/at_fork.rs", "src/thread.rs", "src/unwind/frame.rs"].contains(&place.as_str()));
    assert_eq!(places, [] as [String; 0]);
}

#[test]
fn platform_words_stay_out_of_the_pipeline() {
    for name in [
        "batch.rs",
        "pipeline.rs",
        "pipeline/link.rs",
        "pipeline/run.rs",
        "store.rs",
        "unit.rs",
        "depend.rs",
        "key.rs",
        "event.rs",
        "error.rs",
    ] {
        let source = fs::read_to_string(root().join("src").join(name)).unwrap();
        for word in ["cfg(windows", "cfg!(", "Family::", "Os::", "\"-"] {
            assert!(!product(&source).contains(word), "src/{name}: {word}");
        }
    }
}

/// Other users and other programs put files where this tool reads and writes: `files.rs` knows what is no regular file, and writes through no link.
#[test]
fn files_are_opened_where_it_is_known_what_may_be_in_their_place() {
    // The kernel's own files, objects of this run, and another system's ways.
    let readers =
        ["admission/memory.rs", "standby/warm.rs", "library.rs", "link/objects.rs", "scratch/elsewhere.rs", "files.rs"];
    // Into directories that are this process's own.
    let writers = [
        "pipeline.rs",
        "pipeline/link.rs",
        "pipeline/run.rs",
        "pipeline/surroundings.rs",
        "discover.rs",
        "standby.rs",
        "jit.rs",
        "jit/cached.rs",
    ];
    let writers =
        [&writers[..], &["batch/make.rs", "bin/mjit-cc/doctor.rs", "scratch/elsewhere.rs", "files.rs"]].concat();
    for path in glob::glob(root().join("src/**/*.rs").to_str().unwrap()).unwrap().map(Result::unwrap) {
        let name = path.strip_prefix(root().join("src")).unwrap().to_string_lossy().replace('\\', "/");
        let source = fs::read_to_string(&path).unwrap();
        let code = source.split("#[cfg(all(test").next().unwrap_or_default();
        let lines = || product(code).lines().filter(|line| !line.trim_start().starts_with("//"));
        let has = |word: &str| lines().any(|line| line.contains(word));
        for (words, allowed) in [
            (&["fs::read(", "fs::read_to_string(", "File::open("][..], &readers[..]),
            (&["fs::write(", "File::create("][..], &writers[..]),
        ] {
            let found = words.iter().find(|word| has(word));
            assert!(found.is_none() || allowed.contains(&name.as_str()), "src/{name}: {}", found.unwrap());
        }
    }
}

#[test]
#[cfg_attr(windows, ignore = "asks cargo, which the system that builds for Windows need not have as a Windows program")]
fn every_dependency_builds_with_the_stated_rust() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--locked", "--manifest-path"])
        .arg(root().join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let release = |package: &Value| -> Vec<u32> {
        let text = package["rust_version"].as_str().unwrap_or("1.0");
        text.split('.').map(|number| number.parse().unwrap()).collect()
    };
    let packages = metadata["packages"].as_array().unwrap();
    let ours = release(packages.iter().find(|package| package["name"] == "mjit-cc").unwrap());
    for package in packages {
        assert!(release(package)[..2] <= ours[..2], "{} wants Rust {}", package["name"], package["rust_version"]);
    }
}

/// A newcomer reads the crate's first page at a glance: what is not for embedders is `#[doc(hidden)]`.
#[test]
fn the_crate_shows_few_items() {
    let source = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let mut shown = Vec::new();
    let mut is_hidden = false;
    for line in source.lines() {
        if let Some(item) = line.strip_prefix("pub ").filter(|_| !is_hidden) {
            let names = item.split_once('{').map_or(item, |(_, list)| list);
            shown.extend(names.split(',').map(|name| name.trim_matches([' ', '}', ';']).to_owned()));
        }
        is_hidden = line == "#[doc(hidden)]" || (is_hidden && line.starts_with("#["));
    }
    assert!(shown.len() <= 15 && shown.len() > 10, "{}: {shown:?}", shown.len());
}

/// The text of every Rust file below some folders.
fn sources(folders: &[&str]) -> String {
    let mut text = String::new();
    for folder in folders {
        for path in glob::glob(root().join(folder).join("**/*.rs").to_str().unwrap()).unwrap() {
            text += &fs::read_to_string(path.unwrap()).unwrap();
        }
    }
    text
}

#[test]
fn every_test_that_the_rows_of_the_worker_name_exists() {
    let rows = fs::read_to_string(root().join("tests/worker/rows.rs")).unwrap();
    let sources = sources(&["src", "tests", "platforms", "ctext"]);
    // Names of tests; what Ruby logs has other letters in it.
    let is_name =
        |word: &&str| word.contains('_') && word.chars().all(|c| c.is_ascii_lowercase() || "_0123456789".contains(c));
    let mut count = 0;
    for row in rows.lines().filter(|line| line.starts_with("//! | ") && *line != "//! | Row | Tests |") {
        let tests = row.rsplit(" | ").next().unwrap();
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).filter(is_name).collect();
        assert!(!names.is_empty() || tests.starts_with("none: "), "no test and no reason: {row}");
        for name in names {
            let exists = sources.contains(&format!("fn {name}()")) || sources.contains(&format!("    {name} => "));
            assert!(exists, "{name} does not exist: {row}");
            count += 1;
        }
    }
    assert!(count > 80, "{count} names were found");
}

/// The modules of `src`, from the ground up: each imports from lower floors alone. `lib.rs` and the program stand above all.
const FLOORS: &[&[&str]] = &[
    &["at_fork", "files", "machine", "maps", "memfd", "own", "sync", "thread", "unwind", "variables"],
    &["exec", "imports", "key", "library", "link", "response", "symbols", "unit"],
    &["depend", "discover", "perf", "scratch", "sealed"],
    &["settings"],
    &["error"],
    &["report"],
    &["event"],
    &["admission", "lock", "timeline"],
    &["header"],
    &["store"],
    &["cache"],
    &["pipeline"],
    &["cached", "pch", "standby"],
    &["setup"],
    &["jit"],
    &["engine"],
    &["batch", "untrusted", "worker"],
    &["ffi"],
];

/// The names behind `crate::` in a text, of a list each.
fn imported(code: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(list) = rest.strip_prefix('{') else {
            found.insert(first_name(rest));
            continue;
        };
        let (mut depth, mut start) = (0_usize, 0);
        for (at, letter) in list.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => {
                    found.insert(first_name(&list[start..at]));
                    break;
                }
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    found.insert(first_name(&list[start..at]));
                    start = at + 1;
                }
                _ => {}
            }
        }
    }
    found
}

fn first_name(path: &str) -> &str {
    let path = path.trim_start();
    let end = path.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(path.len());
    &path[..end]
}

#[test]
fn no_layer_imports_from_a_higher_one() {
    assert_eq!(imported("use crate::{a, b::{self, C}, d};\ncrate::e::f()"), ["a", "b", "d", "e"].into());
    let floor = |module: &str| FLOORS.iter().position(|floor| floor.contains(&module));
    let mut wrong = Vec::new();
    let mut dirs = vec![root().join("src")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let place = path.strip_prefix(root().join("src")).unwrap().to_string_lossy().replace('\\', "/");
            if path.is_dir() {
                dirs.extend((place != "bin").then_some(path));
                continue;
            }
            let module = first_name(&place);
            if place == "lib.rs" || !place.ends_with(".rs") {
                continue;
            }
            let own = floor(module).unwrap_or_else(|| panic!("give src/{place} a floor in FLOORS"));
            let source = fs::read_to_string(&path).unwrap();
            let code: String = product(&source).lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            // A name that is no module is the crate's own, from `lib.rs`.
            let higher = imported(&code)
                .into_iter()
                .filter(|name| *name != module && floor(name).is_some_and(|other| other >= own));
            wrong.extend(higher.map(|name| format!("src/{place} imports from {name}")));
        }
    }
    assert_eq!(wrong, [] as [String; 0]);
}
