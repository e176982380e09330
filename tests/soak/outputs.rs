//! What workers write of themselves, and what must be true of it: the page and the trace of each, those of the children of their forks, and
//! perf's map.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Where one worker writes. A file of its own each.
pub struct Papers {
    dir: tempfile::TempDir,
}

impl Papers {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn page(&self) -> PathBuf {
        self.dir.path().join("page.html")
    }

    pub fn trace(&self) -> PathBuf {
        self.dir.path().join("trace.json")
    }

    /// What is wrong with all of them after the worker's end, and the children's. So many units ended, so many children were there.
    pub fn wrongs(&self, ended: u64, children: u64) -> Vec<String> {
        let mut wrongs = Vec::new();
        let count = |kind: &str| {
            let mine = format!("{}/*.{kind}", self.dir.path().display());
            glob::glob(&mine).unwrap().map(Result::unwrap).collect::<Vec<_>>()
        };
        let (pages, traces) = (count("html"), count("json"));
        let expected = usize::try_from(children).unwrap() + 1;
        if (pages.len(), traces.len()) != (expected, expected) {
            wrongs.push(format!("{} pages, {} traces of {expected} processes", pages.len(), traces.len()));
        }
        for (page, trace) in pages.iter().zip(&traces) {
            match (rows(page), works(trace)) {
                (Ok(rows), Ok(works)) => {
                    if rows != works.len() {
                        wrongs.push(format!("{}: {rows} rows, {} in the trace", page.display(), works.len()));
                    }
                    wrongs.extend(overlaps(&works).map(|what| format!("{}: {what}", trace.display())));
                    let units: u64 = works.iter().filter(|work| work.kind == "unit").map(Work::units).sum();
                    if *trace == self.trace() && units < ended {
                        wrongs.push(format!("{}: {units} units of {ended}", trace.display()));
                    }
                }
                (rows, works) => wrongs.push(format!("{:?} {:?}", rows.err(), works.err())),
            }
        }
        wrongs
    }
}

/// Something that a thread did.
struct Work {
    lane: u64,
    kind: String,
    name: String,
    begin: u64,
    end: u64,
}

impl Work {
    /// `12 units`, or the place of one.
    fn units(&self) -> u64 {
        self.name.split_once(" units").and_then(|(count, _)| count.parse().ok()).unwrap_or(1)
    }
}

/// How many rows a page has.
fn rows(page: &Path) -> Result<usize, String> {
    let text = fs::read_to_string(page).map_err(|error| error.to_string())?;
    let data = text
        .split_once("<script type=\"application/json\" id=\"data\">")
        .and_then(|(_, rest)| rest.split_once("</script>"));
    let data: Value = serde_json::from_str(data.ok_or("a page without data")?.0).map_err(|error| error.to_string())?;
    Ok(data["rows"].as_array().ok_or("a page without rows")?.len())
}

/// What a trace tells of, without the stages.
fn works(trace: &Path) -> Result<Vec<Work>, String> {
    let text = fs::read_to_string(trace).map_err(|error| error.to_string())?;
    let trace: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let events = trace["traceEvents"].as_array().ok_or("a trace without events")?;
    let complete = events.iter().filter(|event| event["ph"] == "X" && event["cat"] != "stage");
    let work = |event: &Value| {
        let (begin, took) = (event["ts"].as_u64()?, event["dur"].as_u64()?);
        let word = |name: &str| event[name].as_str().map(ToOwned::to_owned);
        Some(Work { lane: event["tid"].as_u64()?, kind: word("cat")?, name: word("name")?, begin, end: begin + took })
    };
    complete.map(|event| work(event).ok_or_else(|| format!("an event without a time: {event}"))).collect()
}

/// A thread does one thing at a time.
fn overlaps(works: &[Work]) -> impl Iterator<Item = String> {
    let mut lanes: BTreeMap<u64, Vec<&Work>> = BTreeMap::new();
    works.iter().for_each(|work| lanes.entry(work.lane).or_default().push(work));
    lanes.into_values().flat_map(|mut lane| {
        lane.sort_by_key(|work| (work.begin, work.end));
        let said = |two: &[&Work]| {
            let [one, next] = two else { return None };
            (next.begin < one.end).then(|| format!("{} begins before {} ends", next.name, one.name))
        };
        lane.windows(2).filter_map(said).collect::<Vec<_>>()
    })
}

/// perf's map of a process.
pub fn map_of(process: u32) -> PathBuf {
    format!("/tmp/perf-{process}.map").into()
}

/// What perf calls the code at an address: by the last line, since addresses are used again.
pub fn perf_name(map: &str, address: u64) -> Option<&str> {
    let hex = |word| u64::from_str_radix(word, 16).ok();
    map.lines().rev().find_map(|line| {
        let (begin, rest) = line.split_once(' ')?;
        let (size, name) = rest.split_once(' ')?;
        let begin = hex(begin)?;
        (begin..begin + hex(size)?).contains(&address).then_some(name)
    })
}
