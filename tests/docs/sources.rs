//! What the book says of the source: paths, tests, messages, floors.

use std::collections::{BTreeMap, BTreeSet};

use crate::markdown::{inline_code, prose, rows, section, split_code};
use crate::{book, files, none, pages, read, root};

/// The text of all Rust files below some folders, with strings that are broken over lines made whole.
fn sources(folders: &[&str]) -> String {
    let patterns: Vec<String> = folders.iter().map(|folder| format!("{folder}/**/*.rs")).collect();
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let text: String = files(&patterns).iter().map(|name| read(name)).collect();
    let mut whole = String::with_capacity(text.len());
    let mut pieces = text.split("\\\n");
    whole += pieces.next().unwrap_or_default();
    for piece in pieces {
        whole += piece.trim_start();
    }
    whole
}

/// Where a path may begin.
const STARTS: [&str; 4] = ["", "src/", "src/worker/", "src/exec/"];

fn is_there(path: &str) -> bool {
    let there = |start: &&str| {
        let path = root().join(start).join(path);
        path.exists() || glob::glob(path.to_str().unwrap()).is_ok_and(|mut found| found.next().is_some())
    };
    STARTS.iter().any(there)
}

/// True for inline code that names a file or folder of the repository.
fn is_path(code: &str) -> bool {
    let folders =
        ["src/", "tests/", "platforms/", "ctext/", "include/", "docs/", "benches/", "examples/", "fixtures/", ".ci/"];
    let file = code.ends_with(".rs") && !code.contains(' ');
    (file || folders.iter().any(|folder| code.starts_with(folder))) && !code.contains(char::is_whitespace)
}

#[test]
fn every_path_that_is_named_exists() {
    let mut wrong = Vec::new();
    for (name, page) in pages().into_iter().filter(|(name, _)| !name.starts_with("tests/") && name != "CHANGELOG.md") {
        for code in inline_code(&page).into_iter().filter(|code| is_path(code) && !code.contains("FAMILY")) {
            if !is_there(code) {
                wrong.push(format!("{name}: {code} does not exist"));
            }
        }
    }
    none(&wrong);
    assert!(is_path("src/none.rs") && !is_there("src/none.rs") && is_there("platforms/src/cflags*"));
}

/// The identifiers in a text.
fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

#[test]
fn every_name_of_the_interfaces_exists() {
    let header = read("include/mjitcc.h");
    let header: BTreeSet<&str> = identifiers(&header).collect();
    let sources = sources(&["src", "platforms/src"]);
    let sources: BTreeSet<&str> = identifiers(&sources).collect();
    let (mut count, mut wrong) = (0, Vec::new());
    for (name, page) in book() {
        for code in inline_code(&page) {
            let of_c = identifiers(code).filter(|word| word.to_lowercase().starts_with("mjitcc_"));
            // What ends so stands for several names.
            for word in of_c.filter(|word| !word.ends_with('_')) {
                count += 1;
                wrong.extend((!header.contains(word)).then(|| format!("{name}: {word} is not in mjitcc.h")));
            }
            let of_rust = code.split_once("::").filter(|(of, _)| of.starts_with(char::is_uppercase));
            for word in of_rust.into_iter().flat_map(|(of, rest)| identifiers(of).chain(identifiers(rest).take(1))) {
                count += 1;
                wrong.extend((!sources.contains(word)).then(|| format!("{name}: {word} of {code} does not exist")));
            }
        }
    }
    none(&wrong);
    assert!(count > 80, "{count} names");
    assert!(!header.contains("mjitcc_no_such") && !sources.contains("NoSuchTypeHere"));
}

/// Names of tests in the cells of the matrix, by row.
fn names(line: &str) -> Vec<&str> {
    let is_name = |code: &&str| {
        code.contains('_') && code.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit())
    };
    line.rsplit(" | ").next().map(|cell| split_code(cell).0.into_iter().filter(is_name).collect()).unwrap_or_default()
}

#[test]
fn every_test_in_the_matrix_of_ruby_s_fixes_exists() {
    let page = read("docs/src/rubys-fixes.md");
    let sources = sources(&["src", "tests", "platforms", "ctext"]);
    let mut wrong = Vec::new();
    let mut named = BTreeSet::new();
    for row in prose(&page).filter(|line| line.starts_with("| ") && !line.starts_with("| Fault in Ruby")) {
        let tests = names(row);
        if tests.is_empty() && !row.contains(" | none: ") {
            wrong.push(format!("no test and no reason: {row}"));
        }
        for name in tests {
            if !sources.contains(&format!("fn {name}()")) && !sources.contains(&format!("    {name} => ")) {
                wrong.push(format!("{name} does not exist: {row}"));
            }
            named.insert(name);
        }
    }
    none(&wrong);
    let rows = read("tests/worker/rows.rs");
    let rows: BTreeSet<&str> = rows.lines().filter(|line| line.starts_with("//! | ")).flat_map(names).collect();
    assert_eq!(named, rows, "the book and tests/worker/rows.rs name the same tests");
    assert!(named.len() > 60, "{} tests", named.len());
}

/// The pieces of a message between its variable parts that are not in the source.
fn missing<'a>(message: &'a str, sources: &str) -> Vec<&'a str> {
    let pieces = message.split('…').map(|piece| piece.trim_matches(|c: char| " ():".contains(c)));
    pieces.filter(|piece| piece.len() > 3 && !sources.contains(*piece)).collect()
}

#[test]
fn every_message_of_the_troubleshooting_page_is_one_that_is_printed() {
    let sources = sources(&["src", "platforms/src"]);
    let page = read("docs/src/troubleshooting.md");
    let (mut count, mut wrong) = (0, Vec::new());
    for row in rows(&page) {
        let message = split_code(row[0]).0[0];
        count += 1;
        wrong.extend(
            missing(message, &sources).into_iter().map(|piece| format!("{message}: \"{piece}\" is printed nowhere")),
        );
    }
    none(&wrong);
    assert!(count > 50, "{count} messages");
    assert_eq!(missing("the … exploded like this", &sources), ["exploded like this"]);
}

#[test]
fn the_floors_of_the_architecture_page_are_the_tested_ones() {
    let source = read("tests/repository.rs");
    let list = source.split_once("const FLOORS").unwrap().1.split_once("];\n").unwrap().0;
    let mut floors = BTreeMap::new();
    for (floor, line) in list.lines().filter(|line| line.trim().starts_with("&[") && line.contains('"')).enumerate() {
        floors.extend(line.split('"').skip(1).step_by(2).map(|module| (module, floor)));
    }
    assert!(floors.len() > 30, "{floors:?}");
    let page = read("docs/src/architecture.md");
    let mut above = usize::MAX;
    for row in rows(section(&page, "## Floors")).into_iter().filter(|row| row[0] != "program") {
        let numbers = split_code(row[1]).0.into_iter().map(|module| floors.get(module).copied());
        let numbers: Vec<usize> =
            numbers.map(|floor| floor.unwrap_or_else(|| panic!("{row:?}: no floor in FLOORS"))).collect();
        assert!(numbers.iter().all(|&floor| floor < above), "{row:?} is not below the row above");
        above = numbers.into_iter().min().unwrap();
    }
    assert_eq!(above, 0);
}

/// What the crate's first page shows: `pub` items without `#[doc(hidden)]`.
fn shown_items(library: &str) -> BTreeSet<&str> {
    let mut shown = BTreeSet::new();
    let mut is_hidden = false;
    for line in library.lines() {
        if let Some(item) = line.strip_prefix("pub ").filter(|_| !is_hidden) {
            let names = item.split_once('{').map_or(item, |(_, list)| list);
            let names = names.split([',', '}', ';']).filter_map(|name| name.split_whitespace().last());
            shown.extend(names);
        }
        is_hidden = line == "#[doc(hidden)]" || (is_hidden && line.starts_with("#["));
    }
    shown
}

#[test]
fn the_rust_guide_says_what_each_public_item_is() {
    let (page, library) = (read("docs/src/guide/rust.md"), read("src/lib.rs"));
    let table = rows(section(&page, "## What is where in the crate"));
    let named: BTreeSet<&str> = table.iter().flat_map(|row| split_code(row[0]).0).collect();
    assert_eq!(named, shown_items(&library));
}

#[test]
fn the_glossary_is_short_and_sorted() {
    let page = read("docs/src/glossary.md");
    let words: Vec<String> = rows(&page).iter().map(|row| row[0].to_lowercase()).collect();
    assert!(words.len() <= 30 && words.is_sorted(), "{}: {words:?}", words.len());
}

/// Pronouns without a noun, and names that the code had before: the book uses neither.
const UNWANTED_WORDS: [&str; 9] =
    ["whoever", "nobody", "somebody", "whatever", "no matter", "the seed", "dowry", " crew", "accent"];

#[test]
fn the_book_speaks_plain_technical_english() {
    let mut wrong = Vec::new();
    for (name, page) in book() {
        for word in UNWANTED_WORDS {
            let lines = prose(&page).filter(|line| split_code(line).1.to_lowercase().contains(word));
            wrong.extend(lines.map(|line| format!("{name}: \"{word}\": {line}")));
        }
    }
    none(&wrong);
}
