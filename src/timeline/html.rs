//! A timeline as one HTML page: inserts the data into the constant parts, `page.*`.

use std::time::{Duration, UNIX_EPOCH};

use serde::Serialize;

use super::{Bar, Timeline, Turn};
use crate::event::Stage;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The script's input. Times are in microseconds; the names are short, since there may be thousands of rows.
#[derive(Serialize)]
struct Data<'a> {
    version: &'static str,
    /// In milliseconds since 1970, as in JavaScript.
    began: u64,
    took: u64,
    compiler: &'a str,
    lanes: &'a [String],
    stages: [&'static str; Stage::ALL.len()],
    dropped: u64,
    rows: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    kind: &'static str,
    name: &'a str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    note: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    queued: Option<u64>,
    #[serde(flatten)]
    turn: Option<RowTurn>,
}

#[derive(Serialize)]
struct RowTurn {
    lane: usize,
    start: u64,
    end: u64,
    /// Stage, start and end of each.
    spans: Vec<(usize, u64, u64)>,
}

pub(super) fn page(timeline: &Timeline) -> String {
    let Timeline { began, took, compiler, lanes, bars, dropped } = timeline;
    let data = Data {
        version: env!("CARGO_PKG_VERSION"),
        began: began.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0)),
        took: microseconds(*took),
        compiler,
        lanes,
        stages: Stage::ALL.map(Stage::name),
        dropped: *dropped,
        rows: bars.iter().map(row).collect(),
    };
    let data = serde_json::to_string(&data).unwrap_or_default();
    // In a script element only `<` can end the element or begin a comment; in JSON `<` occurs in strings only.
    let data = data.replace('<', "\\u003c");
    let mut page = String::with_capacity(PAGE.len() + STYLE.len() + SCRIPT.len() + data.len());
    let mut rest = PAGE;
    for (mark, text) in [("/*style*/", STYLE), ("/*data*/", &data), ("/*script*/", SCRIPT)] {
        let (before, after) = rest.split_once(mark).unwrap_or((rest, ""));
        page += before;
        page += text;
        rest = after;
    }
    page + rest
}

fn row(bar: &Bar) -> Row<'_> {
    let Bar { kind, name, outcome, note, queued, turn } = bar;
    let turn = turn.as_ref().map(|Turn { lane, start, end, stages }| RowTurn {
        lane: *lane,
        start: microseconds(*start),
        end: microseconds(*end),
        spans: stages
            .iter()
            .map(|span| (span.stage as usize, microseconds(span.start), microseconds(span.end)))
            .collect(),
    });
    Row { kind: kind.name(), name, outcome: outcome.name(), note, queued: queued.map(microseconds), turn }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
