//! A timeline as Chrome trace events (the "Trace Event Format" document of the Chromium project), which Perfetto reads too.

use std::time::Duration;

use serde::Serialize;

use super::{Bar, Timeline, Turn};

/// The process id in the trace, which shows one process.
const PROCESS: u32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Trace<'a> {
    trace_events: Vec<TraceEvent<'a>>,
    display_time_unit: &'static str,
    other_data: OtherData<'a>,
}

#[derive(Serialize)]
struct OtherData<'a> {
    version: &'static str,
    compiler: &'a str,
    dropped: u64,
}

#[derive(Serialize)]
#[serde(tag = "ph")]
enum TraceEvent<'a> {
    /// Complete: begins at `ts` and takes `dur`, in microseconds. Events within it on the same thread are its children.
    #[serde(rename = "X")]
    Complete { name: &'a str, cat: &'static str, pid: u32, tid: usize, ts: u64, dur: u64, args: Option<TraceArgs<'a>> },
    /// Metadata: the name and the order of a process or thread.
    #[serde(rename = "M")]
    Metadata { name: &'static str, pid: u32, tid: usize, args: MetadataArgs<'a> },
}

#[derive(Serialize)]
#[serde(untagged)]
enum MetadataArgs<'a> {
    Name { name: &'a str },
    Order { sort_index: usize },
}

#[derive(Serialize)]
struct TraceArgs<'a> {
    outcome: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    note: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    queued_us: Option<u64>,
}

pub(super) fn events(timeline: &Timeline) -> String {
    let Timeline { compiler, lanes, bars, dropped, .. } = timeline;
    let metadata = |name, tid, args| TraceEvent::Metadata { name, pid: PROCESS, tid, args };
    let mut trace_events = vec![metadata("process_name", 0, MetadataArgs::Name { name: "mjit-cc" })];
    for (lane, name) in lanes.iter().enumerate() {
        trace_events.push(metadata("thread_name", lane, MetadataArgs::Name { name }));
        trace_events.push(metadata("thread_sort_index", lane, MetadataArgs::Order { sort_index: lane }));
    }
    for bar in bars {
        let Bar { kind, name, outcome, note, queued, turn: Some(turn) } = bar else { continue };
        let Turn { lane: tid, start, end, stages } = turn;
        let complete = |name, cat, start: &Duration, end: &Duration, args| {
            let ts = microseconds(*start);
            let dur = microseconds(*end).saturating_sub(ts);
            TraceEvent::Complete { name, cat, pid: PROCESS, tid: *tid, ts, dur, args }
        };
        let args = TraceArgs { outcome: outcome.name(), note, queued_us: queued.map(microseconds) };
        trace_events.push(complete(name, kind.name(), start, end, Some(args)));
        for span in stages {
            trace_events.push(complete(span.stage.name(), "stage", &span.start, &span.end, None));
        }
    }
    let other_data = OtherData { version: env!("CARGO_PKG_VERSION"), compiler, dropped: *dropped };
    let trace = Trace { trace_events, display_time_unit: "ms", other_data };
    // The data are numbers and text, which JSON can always express.
    serde_json::to_string(&trace).unwrap_or_default()
}

/// Rounds down, so that equal times stay equal and no event exceeds its parent.
fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
