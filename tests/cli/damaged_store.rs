//! What an output directory keeps for the next run, damaged: made again, or the error says what is in the way. Never another library.

use std::fs;
use std::path::{Path, PathBuf};

use crate::processes::Place;
use crate::support::{self, library, need, report, run, statuses, symbols, text};

fn kept(place: &Place, part: &str) -> Vec<PathBuf> {
    let dir = place.out().join(".mjit-cc").join(part);
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn is_record(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

fn directory_instead(path: &Path) {
    fs::remove_file(path).unwrap();
    fs::create_dir(path).unwrap();
    fs::write(path.join("something"), "in it").unwrap();
}

#[test]
fn a_record_with_another_bit_is_no_record() {
    need!("gcc");
    let place = Place::new();
    place.write("vm.h", "typedef long word;\n");
    place.write("one.c", "#warning first\nword entry(void) { return 7; }\n");
    let words = "one.c --header vm.h --compact";
    let first = text(&run(&mut place.compile(words), 0).stderr);
    assert!(first.contains("#warning first"));
    let right = symbols(&place.out());
    let records: Vec<PathBuf> = ["objects", "libraries", "pch"]
        .iter()
        .flat_map(|part| kept(&place, part))
        .filter(|path| is_record(path))
        .collect();
    assert!(records.len() >= 3, "{records:?}");
    for record in &records {
        let whole = fs::read(record).unwrap();
        // What is believed without a look at any file: names of symbols, and what the compiler said.
        let spots = ["entry", "first", "\"key\"", "warning"];
        let spots =
            spots.iter().filter_map(|spot| whole.windows(spot.len()).position(|bytes| bytes == spot.as_bytes()));
        for at in spots.chain([0, whole.len() - 1]) {
            let mut damaged = fs::read(record).unwrap();
            let at = at.min(damaged.len() - 1);
            damaged[at] ^= 1;
            fs::write(record, damaged).unwrap();
            let again = run(&mut place.compile(words), 0);
            assert!(text(&again.stderr).contains("#warning first"), "{} at {at}", record.display());
            assert_eq!(symbols(&place.out()), right, "{} at {at}", record.display());
        }
    }
    run(&mut place.compile(words), 0);
    assert_eq!(statuses(&place.out()), ["reused"]);
}

#[test]
fn a_directory_in_the_place_of_a_file_that_is_kept_goes() {
    need!("gcc");
    let place = Place::new();
    place.write("vm.h", "typedef long word;\n");
    place.write("one.c", "word entry(void) { return 7; }\n");
    for words in ["one.c --header vm.h", "one.c --header vm.h --compact"] {
        run(&mut place.compile(words), 0);
        let mut files: Vec<PathBuf> =
            ["objects", "libraries", "pch"].iter().flat_map(|part| kept(&place, part)).collect();
        files.push(place.out().join(".mjit-cc/lock"));
        for file in files {
            if file.exists() {
                directory_instead(&file);
            }
            run(&mut place.compile(words), 0);
            assert!(!file.is_dir(), "{}", file.display());
            run(&mut place.compile(words), 0);
            assert_eq!(statuses(&place.out()), ["reused"], "{}", file.display());
        }
    }
}

#[test]
fn a_directory_in_the_place_of_a_result_is_named_and_stays() {
    need!("gcc");
    let place = Place::new();
    place.units(&["one"]);
    for name in [library("one"), "units.json".to_owned()] {
        run(&mut place.compile("one.c"), 0);
        assert_eq!(report(&place.out())["units"][0]["library"], library("one"));
        let path = place.out().join(&name);
        directory_instead(&path);
        let output = place.compile("one.c").output().unwrap();
        let said = text(&output.stderr);
        assert!(!output.status.success() && said.contains(&name), "{said}");
        assert!(said.contains("a directory has the name of this file: remove the directory"), "{said}");
        assert!(path.join("something").exists());
        fs::remove_dir_all(&path).unwrap();
    }
    run(&mut place.compile("one.c"), 0);
}

#[test]
fn a_directory_in_the_place_of_what_the_cache_keeps_goes() {
    need!("gcc");
    let place = Place::new();
    place.units(&["one"]);
    let cache = place.path("cache");
    let compile = || {
        let _ = fs::remove_dir_all(place.out());
        run(&mut place.compile("one.c --cache cache"), 0)
    };
    compile();
    let pattern = cache.join("v1/??/*");
    let entries = || glob::glob(pattern.to_str().unwrap()).unwrap().map(Result::unwrap).collect::<Vec<_>>();
    let [entry] = &entries()[..] else { panic!("{:?}", entries()) };
    directory_instead(entry);
    compile();
    assert!(entry.is_file());
    compile();
    assert_eq!(support::report(&place.out())["units"][0]["cached"], true);
}
