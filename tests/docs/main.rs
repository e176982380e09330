//! The texts agree with each other and with the code: links, pages, examples, commands, defaults, messages. What is wrong is listed as
//! a whole, so that one run tells all. The texts are the same on every system, so that the systems where these tests run are enough.

#![cfg(unix)]
#![allow(clippy::disallowed_methods, reason = "the walls are the product's")]
#![allow(unreachable_pub, reason = "modules of a test binary share what they like")]

#[path = "../support/mod.rs"]
mod support;

mod agree;
mod commands;
mod examples;
mod links;
mod markdown;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository, with line ends as they are here.
#[track_caller]
fn read(name: &str) -> String {
    let text = fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    text.replace("\r\n", "\n")
}

/// The files that match patterns, as paths from the root with `/`.
fn files(patterns: &[&str]) -> Vec<String> {
    let matches = |pattern: &&str| -> Vec<PathBuf> {
        glob::glob(root().join(pattern).to_str().unwrap()).unwrap().map(Result::unwrap).collect()
    };
    let paths = patterns.iter().flat_map(matches);
    paths.map(|path| path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/")).collect()
}

/// Each Markdown file of the repository and its text.
fn pages() -> Vec<(String, String)> {
    let patterns = ["*.md", "docs/**/*.md", "platforms/*.md", "ctext/*.md", "benches/**/*.md", "tests/**/*.md"];
    files(&patterns).into_iter().map(|name| (read(&name), name)).map(|(text, name)| (name, text)).collect()
}

/// The pages of the book, and the README.
fn book() -> Vec<(String, String)> {
    pages().into_iter().filter(|(name, _)| name.starts_with("docs/") || name == "README.md").collect()
}

/// Fails with all that is wrong.
#[track_caller]
fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
