//! Links, anchors and the table of contents.

use std::collections::BTreeSet;
use std::path::Path;

use crate::markdown::{anchors, links, prose};
use crate::{none, pages, read, root};

/// What is wrong with the links of one page, whose folder is `folder`. `page_of` reads another page.
fn faults(folder: &Path, name: &str, text: &str, page_of: &dyn Fn(&Path) -> Option<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for link in links(text) {
        if link.contains("://") {
            continue;
        }
        let (target, anchor) = link.split_once('#').unwrap_or((&link, ""));
        let there = if target.is_empty() { Some(text.to_owned()) } else { page_of(&folder.join(target)) };
        match there {
            None => wrong.push(format!("{name}: {link} leads nowhere")),
            Some(page) if !anchor.is_empty() && !anchors(&page).iter().any(|one| one == anchor) => {
                wrong.push(format!("{name}: {link}: there is no such heading"));
            }
            // A published book has its own pages alone.
            Some(_) if name.starts_with("docs/src/") && !folder.join(target).canonicalize().is_ok_and(in_book) => {
                wrong.push(format!("{name}: {link} leads out of the book"));
            }
            Some(_) => {}
        }
    }
    wrong
}

fn in_book(path: std::path::PathBuf) -> bool {
    path.starts_with(root().join("docs/src").canonicalize().unwrap())
}

#[test]
fn every_link_leads_somewhere() {
    let page_of = |path: &Path| path.is_file().then(|| std::fs::read_to_string(path).unwrap_or_default());
    let mut wrong = Vec::new();
    for (name, text) in pages() {
        let file = root().join(&name);
        wrong.extend(faults(file.parent().unwrap(), &name, &text, &page_of));
    }
    none(&wrong);
}

#[test]
fn broken_links_are_found() {
    let here = root().join("docs/src");
    let page_of = |path: &Path| path.is_file().then(|| std::fs::read_to_string(path).unwrap_or_default());
    let of = |text| faults(&here, "docs/src/x.md", text, &page_of).len();
    assert_eq!(of("[a](limits.md) [b](limits.md#the-worker) [c](https://example.org/x)"), 0);
    assert_eq!(of("[a](no-such.md)"), 1);
    assert_eq!(of("[a](limits.md#no-such)"), 1);
    assert_eq!(of("# H\n[a](#h) [b](#i)"), 1);
    assert_eq!(of("[a](../../README.md)"), 1);
}

#[test]
fn every_page_is_in_the_summary_once_and_begins_with_a_title() {
    let summary = links(&read("docs/src/SUMMARY.md"));
    let listed: BTreeSet<&str> = summary.iter().map(String::as_str).collect();
    assert_eq!(listed.len(), summary.len(), "a page is listed twice");
    let mut there = BTreeSet::new();
    let mut wrong = Vec::new();
    let book = pages();
    for (name, text) in &book {
        let Some(page) = name.strip_prefix("docs/src/").filter(|page| *page != "SUMMARY.md") else { continue };
        there.insert(page);
        if !text.starts_with("# ") || prose(text).filter(|line| line.starts_with("# ")).count() != 1 {
            wrong.push(format!("{name} begins with no title, or has several"));
        }
    }
    none(&wrong);
    assert_eq!(listed, there);
}
