//! Command lines in the texts: each is given to the command line's own parser.

use std::collections::BTreeSet;

use crate::markdown::{blocks, inline_code};
use crate::support::{mjit_cc, text};
use crate::{book, none, pages};

/// The arguments of each call of the tool in a line of a shell.
fn calls(line: &str) -> Vec<Vec<String>> {
    let line = line.strip_prefix("$ ").unwrap_or(line);
    let line = line.split(" # ").next().unwrap_or_default();
    let of = |command: &str| {
        let command = command.trim();
        let ours = command.strip_prefix("mjit-cc ").or_else(|| {
            command
                .strip_prefix("cargo run ")
                .filter(|rest| !rest.contains("--example"))
                .and_then(|rest| rest.split_once("-- "))
                .map(|(_, rest)| rest)
        });
        ours.and_then(shlex::split)
    };
    line.split("&&").filter_map(of).collect()
}

/// The parser's complaint. With `--help` at the end nothing is done, and all that stands before was accepted.
fn complaint(args: &[String]) -> Option<String> {
    let output = mjit_cc().args(args).arg("--help").output().unwrap();
    (!output.status.success()).then(|| text(&output.stderr))
}

#[test]
fn every_command_is_accepted_by_the_parser() {
    let (mut count, mut wrong) = (0, Vec::new());
    for (name, page) in pages() {
        for block in blocks(&page).iter().filter(|block| matches!(block.info, "sh" | "console")) {
            for args in block.text.lines().flat_map(calls) {
                count += 1;
                wrong.extend(complaint(&args).map(|said| format!("{name}: {args:?}: {said}")));
            }
        }
    }
    none(&wrong);
    assert!(count > 10, "{count} commands");
    let words = |line: &str| calls(line).into_iter().flatten().collect::<Vec<_>>();
    assert!(complaint(&words("mjit-cc compile u.c --no-such")).is_some());
    assert!(complaint(&words("mjit-cc compile u.c --jobs no")).is_some());
}

/// Options of other programs that the texts speak of.
const OTHERS: [&str; 12] = [
    "--MD",
    "--analyze",
    "--config",
    "--coverage",
    "--dependency-file",
    "--example",
    "--fork",
    "--gc-stress",
    "--help",
    "--sysroot",
    "--workspace",
    "--version",
];

#[test]
fn every_option_that_is_named_exists() {
    let mut help = String::new();
    for args in [&["compile"][..], &["build-pch"], &["doctor"], &["cache", "gc"], &["cache", "stats"]] {
        help += &text(&mjit_cc().args(args).arg("--help").output().unwrap().stdout);
    }
    let mut known: BTreeSet<&str> = help.split(|c: char| !c.is_alphanumeric() && c != '-').collect();
    known.extend(OTHERS);
    let mut wrong = Vec::new();
    let security = pages().into_iter().filter(|(name, _)| name == "SECURITY.md");
    for (name, page) in book().into_iter().chain(security) {
        let ours = |code: &&str| code.starts_with('-') || code.starts_with("mjit-cc ");
        let codes = inline_code(&page).into_iter().filter(ours).flat_map(str::split_whitespace);
        for word in codes.filter(|word| word.starts_with("--")) {
            let option = word.split(['=', '[']).next().unwrap();
            if option != "--" && !known.contains(option) {
                wrong.push(format!("{name}: there is no {option}"));
            }
        }
    }
    none(&wrong);
}
