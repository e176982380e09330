//! Code in the texts: Rust is compiled by `cargo test --doc`, C here.

use std::process::Command;

use crate::markdown::blocks;
use crate::support::{need, text};
use crate::{none, pages, read, root};

/// What a fence may say. A block without a word would be taken for Rust by rustdoc.
const LANGUAGES: [&str; 8] = ["rust", "rust,no_run", "c", "sh", "console", "text", "toml", "json"];

fn fence_faults(name: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for block in blocks(text) {
        let reason = block.above.strip_prefix("<!-- ignored: ").is_some_and(|reason| reason.len() > 10);
        let ignored = block.info == "rust,ignore" && reason;
        if !LANGUAGES.contains(&block.info) && !ignored {
            wrong.push(format!("{name}:{}: a block of \"{}\" without a reason", block.line, block.info));
        }
    }
    wrong
}

#[test]
fn every_block_names_its_language_and_what_is_ignored_has_a_reason() {
    none(&pages().iter().flat_map(|(name, text)| fence_faults(name, text)).collect::<Vec<_>>());
    assert_eq!(fence_faults("x", "```\na\n```\n").len(), 1);
    assert_eq!(fence_faults("x", "```rust,ignore\na\n```\n").len(), 1);
    assert_eq!(fence_faults("x", "<!-- ignored: needs another crate -->\n```rust,ignore\na\n```\n").len(), 0);
}

#[test]
fn every_page_with_rust_is_compiled_by_rustdoc() {
    let mut wrong = Vec::new();
    for (name, text) in pages() {
        let library = if name.starts_with("ctext/") { "ctext/src/lib.rs" } else { "src/lib.rs" };
        let included = format!("include_str!(\"../{}\")", name.strip_prefix("ctext/").unwrap_or(&name));
        if blocks(&text).iter().any(|block| block.info.starts_with("rust")) && !read(library).contains(&included) {
            wrong.push(format!("{name} has Rust, and {library} does not include it"));
        }
    }
    none(&wrong);
}

/// What gcc says of a program.
fn syntax(program: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("example.c");
    std::fs::write(&file, program).unwrap();
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"]).arg(root().join("include")).arg(file);
    text(&gcc.output().unwrap().stderr).clone()
}

#[test]
fn every_whole_program_of_c_compiles() {
    need!("gcc");
    let (mut count, mut wrong) = (0, Vec::new());
    for (name, text) in pages() {
        for block in blocks(&text).into_iter().filter(|block| block.info == "c" && block.text.contains("int main(")) {
            count += 1;
            let said = syntax(&block.text);
            if !said.is_empty() {
                wrong.push(format!("{name}:{}: {said}", block.line));
            }
        }
    }
    none(&wrong);
    assert!(count >= 3, "{count} programs");
    assert!(syntax("#include \"mjitcc.h\"\nint main(void) { return mjitcc_no_such(); }\n").contains("mjitcc_no_such"));
}

#[test]
fn the_readme_says_hello_in_a_few_lines() {
    let readme = read("README.md");
    let lines = |info: &str| {
        let blocks = blocks(&readme);
        blocks.iter().find(|block| block.info == info).map(|block| block.text.lines().count()).unwrap()
    };
    assert!(lines("rust") <= 6 && lines("c") <= 15, "{} of Rust, {} of C", lines("rust"), lines("c"));
}
