//! Numbers that several texts name: the code has each, and the help, the C header and the book say the same.

use std::collections::BTreeSet;
use std::fs;

use mjitcc::admission::MemoryLimit;
use mjitcc::cache::{DEFAULT_MAX_SIZE, Size};
use mjitcc::exec::DEFAULT_LIMIT;
use mjitcc::platforms::OptLevel;

use crate::markdown::{rows, section, split_code};
use crate::support::{mjit_cc, need, text};
use crate::{none, read};

/// Words without the line ends and comment signs between them.
fn flat(text: &str) -> String {
    let words = text.split_whitespace().filter(|word| !matches!(*word, "*" | "///" | "//!" | "//"));
    words.collect::<Vec<_>>().join(" ")
}

/// A text by its name; `help` is what the program says.
fn source(name: &str) -> String {
    if name == "help" {
        return flat(&text(&mjit_cc().args(["help", "compile"]).output().unwrap().stdout));
    }
    flat(&read(name))
}

/// What is missing where a fact should be said.
fn unsaid(fact: &str, said: &[(&str, String)]) -> Vec<String> {
    let missing = said.iter().filter(|(name, words)| !source(name).contains(words.as_str()));
    missing.map(|(name, words)| format!("{fact}: {name} does not say \"{words}\"")).collect()
}

const HEADER: &str = "include/mjitcc.h";
const BATCH: &str = "docs/src/guide/batch.md";
const RUST: &str = "docs/src/guide/rust.md";
const C: &str = "docs/src/guide/c.md";

#[test]
fn sizes_are_the_same_everywhere() {
    let mib = |bytes: u64| bytes >> 20;
    let memory = mib(MemoryLimit::DEFAULT);
    none(&unsaid(
        "memory to leave free",
        &[
            ("help", format!("as {memory}M, the default")),
            (HEADER, format!("on Linux; 0: {memory} MiB;")),
            (BATCH, format!("only if {memory} MiB of memory are free")),
            (RUST, format!("{memory} MiB for each compiler beside another one")),
        ],
    ));
    let limit = mib(DEFAULT_LIMIT);
    none(&unsaid(
        "output limit",
        &[
            ("help", format!("[default: {limit}M]")),
            (HEADER, format!("its unit fails; 0: {limit} MiB;")),
            (BATCH, format!("{limit} MiB of a compiler's messages")),
            (RUST, format!("{limit} MiB of a compiler's messages")),
        ],
    ));
    let cache = DEFAULT_MAX_SIZE >> 30;
    none(&unsaid(
        "size of the cache",
        &[
            ("help", format!("else {cache}Gi")),
            (HEADER, format!("0: {cache} GiB")),
            (BATCH, format!("has at most {cache} GiB")),
        ],
    ));
    assert_eq!(unsaid("x", &[(HEADER, "0: 17 GiB".to_owned())]).len(), 1);
}

/// What a size means to the option for the cache, and to the two others.
#[test]
fn units_of_sizes_are_what_the_book_says() {
    need!("gcc");
    let Size(decimal) = "5G".parse().unwrap();
    let Size(binary) = "5Gi".parse().unwrap();
    assert_eq!((decimal, binary), (5_000_000_000, 5 << 30));
    let page = source(BATCH);
    assert!(page.contains(
        "Sizes for the cache (`--max-size`) are decimal, `5G` is 5,000,000,000 bytes, and `5Gi` is 2^30 times 5."
    ));
    let dir = tempfile::tempdir().unwrap();
    let unit = dir.path().join("u.c");
    fs::write(&unit, format!("#error {}\n", "x".repeat(40_000))).unwrap();
    let output = mjit_cc().current_dir(&dir).args(["compile", "u.c", "--output-limit", "16K"]).output().unwrap();
    let said = text(&output.stderr);
    assert!(said.contains("wrote more than 16.0 KiB of messages"), "{said}");
    assert!(page.contains("Sizes for `--memfree` and `--output-limit` are powers of 1024."));
}

#[test]
fn times_threads_and_levels_are_the_same_everywhere() {
    none(&unsaid(
        "a minute for a unit",
        &[
            (HEADER, "how long making one unit may take; 0: a minute;".to_owned()),
            ("src/setup.rs", "DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);".to_owned()),
            ("src/setup.rs", "timeout: Some(DEFAULT_TIMEOUT),".to_owned()),
            (RUST, "a minute for the processes of one text".to_owned()),
        ],
    ));
    none(&unsaid(
        "threads",
        &[
            (HEADER, "how many units are made at once; 0: one".to_owned()),
            (C, "0 means one thread".to_owned()),
            ("src/worker/options.rs", "const MOST_THREADS: usize = 4;".to_owned()),
            ("src/worker/options.rs", "(processors - 1).min(MOST_THREADS)".to_owned()),
            (C, "one thread less than there are processors, at least one and at most four".to_owned()),
        ],
    ));
    none(&unsaid(
        "loaded units",
        &[
            (HEADER, "how many units may be loaded at once; 0: 10000".to_owned()),
            ("src/worker/options.rs", "max_cache_size: 10_000,".to_owned()),
        ],
    ));
    assert_eq!(OptLevel::default(), OptLevel::O3);
    none(&unsaid(
        "optimisation",
        &[
            ("help", "by default 3, with -g 0".to_owned()),
            (HEADER, "MJITCC_OPTIMIZE_DEFAULT = 0, /* -O3 */".to_owned()),
            (HEADER, "MJITCC_OPTIMIZE_O2 = 3,".to_owned()),
            (C, "`optimize = 3` is `MJITCC_OPTIMIZE_O2`".to_owned()),
            (BATCH, "`-O3` is the default, and `-O0` with `-g`".to_owned()),
            ("README.md", "**`-O3` is the default** (`-O0` with `-g`).".to_owned()),
        ],
    ));
}

#[test]
fn exit_codes_events_and_states_are_the_program_s() {
    let page = read(BATCH);
    let results = section(&page, "## Results for programs");
    let (tables, codes) = results.split_once("**Exit codes**").unwrap();
    let help = text(&mjit_cc().arg("--help").output().unwrap().stdout);
    let listed = help.split_once("Exit codes:\n").unwrap().1.lines().take_while(|line| line.starts_with("  "));
    let listed: BTreeSet<&str> = listed.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(rows(codes).iter().map(|row| row[0]).collect::<BTreeSet<_>>(), listed);

    let json = read("src/bin/mjit-cc/json.rs");
    let body = json.split_once("enum Body<'a> {\n").unwrap().1.split_once("\n}\n").unwrap().0;
    let variants = body.lines().filter_map(|line| line.strip_prefix("    ")?.strip_suffix(" {"));
    let events: BTreeSet<String> = variants.map(snake).collect();
    let named = rows(tables).iter().map(|row| split_code(row[0]).0[0].to_owned()).collect();
    assert_eq!(events, named);

    let report = read("src/report.rs");
    let states = report.split_once("enum Status {\n").unwrap().1.split_once("\n}\n").unwrap().0;
    for state in states.lines().filter_map(|line| line.trim().strip_suffix(',')) {
        assert!(results.contains(&format!("`{}`", snake(state))), "{state}");
    }
}

/// `UnitStarted` as JSON has it.
fn snake(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

/// The names of public methods of a builder, which give it back.
fn methods(file: &str) -> BTreeSet<String> {
    let text = read(file);
    let after = text.split("    pub fn ").skip(1).filter(|rest| rest.contains("(mut self"));
    let names = after.filter(|rest| rest.split_once(')').is_some_and(|(head, _)| head.contains("(mut self")));
    names.filter_map(|rest| rest.split('(').next()).map(|name| name.split('<').next().unwrap().to_owned()).collect()
}

/// The fields of a structure of the C header, but for those that every structure has.
fn fields(name: &str) -> BTreeSet<String> {
    let header = read(HEADER);
    let body = header
        .split_once(&format!("typedef struct {name} {{"))
        .unwrap()
        .1
        .split_once(&format!("}} {name};"))
        .unwrap()
        .0;
    let code: String = body.split("/*").map(|piece| piece.split_once("*/").map_or(piece, |(_, code)| code)).collect();
    let declarations = code.split(';').filter_map(|one| {
        let one = one.trim();
        let function = one.split_once("(*").and_then(|(_, rest)| rest.split_once(')')).map(|(name, _)| name);
        function.or_else(|| one.split('[').next()?.rsplit([' ', '*']).next()).filter(|name| !name.is_empty())
    });
    declarations.filter(|name| !matches!(*name, "size" | "abi" | "reserved")).map(str::to_owned).collect()
}

#[test]
fn every_option_has_a_row_and_every_row_names_options_that_exist() {
    let page = read("docs/src/options.md");
    let rows = rows(&page);
    let column = |at: usize| -> BTreeSet<String> {
        rows.iter().flat_map(|row| split_code(row[at]).0).map(str::to_owned).collect()
    };
    let flags = read("platforms/src/job.rs");
    let flags = flags.split_once("pub struct Flags {").unwrap().1.split_once("\n}\n").unwrap().0;
    let flags = flags.lines().filter_map(|line| line.trim().strip_prefix("pub ")?.split(':').next().map(str::to_owned));
    let flags: BTreeSet<String> = flags.collect();
    let help = text(&mjit_cc().args(["compile", "--help"]).output().unwrap().stdout);
    let is_option = |line: &&str| line.starts_with("      --") || line.starts_with("  -");
    let named = help.lines().filter(is_option).map(|line| {
        let words: Vec<&str> = line.split([' ', ',', '=', '[', '.']).filter(|word| word.starts_with('-')).collect();
        words.iter().find(|word| word.starts_with("--")).unwrap_or(&words[0]).to_string()
    });
    let options: BTreeSet<String> = named.filter(|name| !matches!(name.as_str(), "--help" | "--version")).collect();
    assert_eq!(column(2), options, "mjit-cc compile");
    let with_flags =
        |methods: BTreeSet<String>| methods.into_iter().chain(flags.iter().cloned()).collect::<BTreeSet<_>>();
    let builder = |file: &str| with_flags(methods(file).into_iter().chain(methods("src/setup.rs")).collect());
    assert_eq!(column(3), builder("src/engine/builder.rs"), "Engine::builder");
    let mut worker = builder("src/worker/options.rs");
    worker.insert("start".to_owned());
    assert_eq!(column(4), worker, "Worker::builder");
    assert_eq!(column(5), fields("mjitcc_worker_options"), "mjitcc_worker_options");
    let engine = fields("mjitcc_engine_options");
    let more: Vec<_> = engine.difference(&column(5)).cloned().collect();
    assert_eq!(more, ["pch"], "mjitcc_engine_options");
}

/// Numbers with a unit in a text, such as `13.67 ms`.
fn figures(text: &str) -> Vec<String> {
    let words: Vec<&str> =
        text.split_whitespace().map(|word| word.trim_matches(['(', ')', ',', ';', ':', '|'])).collect();
    let is_unit = |word: &str| matches!(word.trim_end_matches('.'), "ms" | "ns");
    let pairs = words.windows(2).filter(|pair| is_unit(pair[1]) && pair[0].parse::<f64>().is_ok());
    pairs.map(|pair| format!("{} {}", pair[0], pair[1].trim_end_matches('.'))).collect()
}

#[test]
fn figures_are_those_of_the_results() {
    let results = read("benches/RESULTS.md");
    let mut wrong = Vec::new();
    for name in ["README.md", "docs/src/comparison.md"] {
        let page = read(name);
        let all = figures(&page);
        assert!(all.len() >= 4, "{name}: {all:?}");
        wrong.extend(all.into_iter().filter(|one| !results.contains(one.as_str())).map(|one| format!("{name}: {one}")));
    }
    none(&wrong);
    assert_eq!(figures("a 1.5 ms, b (99 ns) and 3 units"), ["1.5 ms", "99 ns"]);
}
