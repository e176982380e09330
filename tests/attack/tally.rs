//! What a part of the suite counts: the cases that were tried, and the bad ones with the reason. Decides which cases a short run tries.

use std::io::Write as _;

use crate::known::KNOWN;

/// Reports whether all cases are to run.
pub fn all() -> bool {
    std::env::var("MJIT_CC_ATTACK").is_ok_and(|value| value == "all")
}

/// Returns what the positions of a short run depend on.
pub fn seed() -> usize {
    std::env::var("MJIT_CC_ATTACK_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// Returns all of the cases, or at most so many of them, evenly spread; where the first one lies depends on the seed.
pub fn choose<T>(cases: Vec<T>, most: usize) -> Vec<T> {
    if all() || cases.len() <= most {
        return cases;
    }
    let (count, offset) = (cases.len(), seed());
    let is_chosen = |at: usize| {
        let at = (at + offset) % count;
        (at + 1) * most / count != at * most / count
    };
    cases.into_iter().enumerate().filter(|(at, _)| is_chosen(*at)).map(|(_, case)| case).collect()
}

/// The cases of one part.
#[derive(Debug)]
pub struct Tally {
    part: &'static str,
    tried: Vec<String>,
    bad: Vec<(String, String)>,
    skipped: Vec<String>,
}

impl Tally {
    pub fn new(part: &'static str) -> Self {
        Self { part, tried: Vec::new(), bad: Vec::new(), skipped: Vec::new() }
    }

    /// Notes the result of a case: what is wrong, one reason each.
    pub fn note(&mut self, case: impl Into<String>, wrongs: Vec<String>) {
        let case = case.into();
        if !wrongs.is_empty() {
            let wrongs = wrongs.join("; ");
            // At once, for who watches a run of hours.
            let _ = writeln!(std::io::stderr(), "bad {}/{case}: {wrongs}", self.part);
            self.bad.push((case.clone(), wrongs));
        }
        self.tried.push(case);
    }

    /// Notes a case that cannot run here, and why.
    pub fn skip(&mut self, case: &str, why: &str) {
        self.skipped.push(format!("{case}: {why}"));
    }

    /// Prints the figures. Fails for each bad case that the list of known ones lacks, and for each known one that is good now.
    pub fn finish(self) {
        let mine = || KNOWN.iter().filter(|known| known.part == self.part);
        let mut lines = Vec::new();
        let mut failures = 0;
        for (case, _) in &self.bad {
            let known = mine().find(|known| known.covers(case));
            failures += usize::from(known.is_none());
            let kind = known.map_or_else(|| "BAD".to_owned(), |known| format!("KNOWN ({})", known.why));
            lines.push(format!("{kind} {}/{case}", self.part));
        }
        for known in mine() {
            let is_bad = self.bad.iter().any(|(case, _)| known.covers(case));
            // Of a known kind with many positions a short run may try only good ones.
            let is_whole = all() || !known.case.contains('*');
            if is_whole && !is_bad && self.tried.iter().any(|case| known.covers(case)) {
                failures += 1;
                lines.push(format!("GOOD NOW {}/{}: take it out of known.rs", self.part, known.case));
            }
        }
        lines.extend(self.skipped.iter().map(|skipped| format!("SKIPPED {}/{skipped}", self.part)));
        lines.push(format!(
            "attack {}: tried {}, bad {}, of these known {}, skipped {}",
            self.part,
            self.tried.len(),
            self.bad.len(),
            self.bad.iter().filter(|(case, _)| mine().any(|known| known.covers(case))).count(),
            self.skipped.len()
        ));
        // Not by eprintln, which the test harness keeps to itself where a test passes.
        let _ = writeln!(std::io::stderr(), "{}", lines.join("\n"));
        assert!(!self.tried.is_empty() || !self.skipped.is_empty(), "{}: no case was tried", self.part);
        assert_eq!(failures, 0, "{}: see the lines above", self.part);
    }
}
