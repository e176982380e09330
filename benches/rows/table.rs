//! Rows of results, and medians.

use std::fmt;
use std::time::Duration;

/// What was found, in the order it was found.
#[derive(Default)]
pub struct Table(Vec<Row>);

struct Row {
    what: String,
    ours: String,
    theirs: String,
    ratio: String,
    reach: String,
}

impl Table {
    /// A row in which less of ours is better: a ratio of at most `reach`, if one is to be reached.
    pub fn compare(&mut self, what: &str, unit: &str, ours: f64, rival: &str, theirs: f64, reach: Option<f64>) {
        let ratio = ours / theirs;
        let reach = reach.map_or("reported".to_owned(), |reach| {
            format!("at most {reach:.2}: {}", if ratio <= reach { "reached" } else { "missed" })
        });
        self.0.push(Row {
            what: what.to_owned(),
            ours: format!("{ours:.2} {unit}"),
            theirs: format!("{theirs:.2} {unit} ({rival})"),
            ratio: format!("{ratio:.3}"),
            reach,
        });
    }

    /// A row of one figure, with what it is to be at most.
    pub fn measure(&mut self, what: &str, unit: &str, ours: f64, reach: f64) {
        let word = if ours <= reach { "reached" } else { "missed" };
        let (ours, reach) = (format!("{ours:.2} {unit}"), format!("at most {reach} {unit}: {word}"));
        self.0.push(Row { what: what.to_owned(), ours, theirs: String::new(), ratio: String::new(), reach });
    }

    /// A row of a share, with what it is to be at least, if anything.
    pub fn at_least(&mut self, what: &str, share: f64, reach: Option<f64>) {
        let reach = reach.map_or("reported".to_owned(), |reach| {
            format!("at least {reach:.2}: {}", if share >= reach { "reached" } else { "missed" })
        });
        let ours = format!("{share:.2}");
        self.0.push(Row { what: what.to_owned(), ours, theirs: String::new(), ratio: String::new(), reach });
    }

    /// A row that could not be run.
    pub fn skip(&mut self, what: &str, why: &str) {
        let row = |ours: &str| Row {
            what: what.to_owned(),
            ours: ours.to_owned(),
            theirs: String::new(),
            ratio: String::new(),
            reach: "not run".to_owned(),
        };
        self.0.push(row(why));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| row | this tool | rival | ratio | reach |\n|---|---|---|---|---|")?;
        for Row { what, ours, theirs, ratio, reach } in &self.0 {
            writeln!(f, "| {what} | {ours} | {theirs} | {ratio} | {reach} |")?;
        }
        Ok(())
    }
}

/// The middle one, in milliseconds.
pub fn median(times: &[Duration]) -> f64 {
    let mut times = times.to_vec();
    times.sort();
    times.get(times.len() / 2).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}
