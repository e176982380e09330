//! Reads Markdown as far as these tests need it: headings, links, fenced blocks, inline code, tables. Opens no file.

/// A fenced block of code.
#[derive(Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// What stands behind the fence, such as `rust,no_run`.
    pub info: &'a str,
    pub text: String,
    /// The line of the fence, from 1.
    pub line: usize,
    /// The last line with text above the fence.
    pub above: &'a str,
}

/// The fenced blocks of a page.
pub fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut found: Vec<Block<'_>> = Vec::new();
    let (mut open, mut above) = (false, "");
    for (number, line) in page.lines().enumerate() {
        if let Some(info) = line.trim_start().strip_prefix("```") {
            if !open {
                found.push(Block { info: info.trim(), text: String::new(), line: number + 1, above });
            }
            open = !open;
        } else if open && let Some(block) = found.last_mut() {
            block.text += line;
            block.text.push('\n');
        } else if !line.trim().is_empty() {
            above = line;
        }
    }
    assert!(!open, "a fence is not closed");
    found
}

/// The lines outside of fenced blocks.
pub fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut open = false;
    page.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        open ^= fence;
        !open && !fence
    })
}

/// Inline code, and the rest of a line with the code taken out.
pub fn split_code(line: &str) -> (Vec<&str>, String) {
    let pieces: Vec<&str> = line.split('`').collect();
    let code = pieces.iter().copied().skip(1).step_by(2).collect();
    (code, pieces.into_iter().step_by(2).collect::<Vec<_>>().join("`"))
}

/// All inline code of a page.
pub fn inline_code(page: &str) -> Vec<&str> {
    prose(page).flat_map(|line| split_code(line).0).collect()
}

/// The targets of a page's links and pictures.
pub fn links(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(page) {
        let text = split_code(line).1;
        for (at, _) in text.match_indices("](") {
            let rest = &text[at + 2..];
            found.extend(rest.split_once(')').map(|(target, _)| target.to_owned()));
        }
    }
    found
}

/// The anchors that GitHub and mdBook give to a page's headings.
pub fn anchors(page: &str) -> Vec<String> {
    let headings =
        prose(page).filter_map(|line| line.strip_prefix('#').map(|rest| rest.trim_start_matches('#').trim()));
    headings.map(anchor).collect()
}

fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The cells of a page's table rows, without the heads and the lines below these.
pub fn rows(page: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = prose(page).collect();
    let is_row = |line: &str| line.starts_with('|');
    let is_rule = |line: &str| is_row(line) && line.chars().all(|c| "|-: ".contains(c));
    let is_head = |at: usize| lines.get(at + 1).is_some_and(|next| is_rule(next));
    let rows = (0..lines.len()).filter(|&at| is_row(lines[at]) && !is_rule(lines[at]) && !is_head(at));
    rows.map(|at| lines[at].trim().trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// The part of a page below a heading, up to the next heading of the same or a higher level.
pub fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = page.find(&format!("{heading}\n")).unwrap_or_else(|| panic!("there is no {heading}"));
    let rest = &page[start + heading.len()..];
    let level = heading.chars().take_while(|&c| c == '#').count();
    let ends = (1..=level).filter_map(|level| rest.find(&format!("\n{} ", "#".repeat(level))));
    &rest[..ends.min().unwrap_or(rest.len())]
}

#[test]
fn pages_are_read() {
    let page = "# A unit's life\n\nSee [x](y.md#z) and `](no)`.\n\n| a | b |\n|---|---|\n| `c` | d |\n\n```sh\n# no\n[a](b)\n```\n## B\nlast\n# C\n";
    assert_eq!(anchors(page), ["a-units-life", "b", "c"]);
    assert_eq!(links(page), ["y.md#z"]);
    assert_eq!(rows(page), [["`c`", "d"]]);
    assert_eq!(blocks(page)[0].text, "# no\n[a](b)\n");
    assert_eq!(inline_code(page), ["](no)", "c"]);
    assert_eq!(section(page, "## B").trim(), "last");
}
