//! What a worker writes of its own life, where the host wants that.

use std::fs;
use std::path::Path;

use mjitcc::worker::{Compaction, SlotState, Standby, Unity, Worker};
use serde_json::Value;

use crate::host::{Bench, PLAIN, call, fill, quiet, settled};
use crate::support::{fixture, need};

/// The data that a page draws itself from.
pub fn rows(page: &Path) -> Vec<Value> {
    let page = fs::read_to_string(page).unwrap();
    let (_, data) = page.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    let data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    data["rows"].as_array().unwrap().clone()
}

pub fn of_kind<'a>(rows: &'a [Value], kind: &str) -> Vec<&'a Value> {
    rows.iter().filter(|row| row["kind"] == kind).collect()
}

/// The stages of a row, by their places in the list of all.
fn stages(row: &Value) -> Vec<u64> {
    row["spans"].as_array().unwrap().iter().map(|span| span[0].as_u64().unwrap()).collect()
}

const GENERATE: u64 = 1;
const COMPILE: u64 = 2;
const LINK: u64 = 3;
const LOAD: u64 = 4;

#[test]
fn the_page_and_the_trace_tell_what_each_thread_did() {
    need!("gcc");
    let files = tempfile::tempdir().unwrap();
    let [page, trace] = ["t.html", "t.json"].map(|name| files.path().join(name));
    let builder = Worker::builder()
        .threads(std::num::NonZero::new(2).unwrap())
        .compaction(Compaction::Throttled)
        .unity(Unity::Off)
        .standby(Standby::Off)
        .header(fixture("vm.h"))
        .timings(&page)
        .trace(&trace);
    let generate = |request: &mjitcc::worker::Request<'_>| match request.owner.0 {
        3 => Err("no text for this one".to_owned()),
        4 => Ok("#error of mine\n".to_owned().into()),
        _ => Ok(fill(PLAIN, request).into()),
    };
    let mut bench = Bench::new(builder, Box::new(generate));
    let slots: Vec<_> = (1..=4).map(|owner| bench.submit(owner, 0)).collect();
    assert_eq!([call(&slots[0]), call(&slots[1])], [1, 2]);
    assert!(bench.worker().pause(true));
    assert_eq!([settled(&slots[2]), settled(&slots[3])], [SlotState::Failed; 2]);
    assert!(!page.exists(), "it is written at the end");
    assert!(bench.finish().is_empty());

    let rows = rows(&page);
    let units = of_kind(&rows, "unit");
    let unit = |name: &str| *units.iter().find(|row| row["name"] == format!("{name}@test.rb:7")).unwrap();
    assert_eq!(units.len(), 4, "{rows:#?}");
    for good in ["m1", "m2"] {
        let row = unit(good);
        assert_eq!(row["outcome"], "built");
        assert_eq!(stages(row), [GENERATE, COMPILE, LINK, LOAD], "{row}");
        // They waited for the header.
        assert!(row["queued"].as_u64().unwrap() > 1000, "{row}");
    }
    assert_eq!((&unit("m3")["note"], stages(unit("m3"))), (&"no text for this one".into(), vec![GENERATE]));
    assert_eq!((&unit("m4")["outcome"], stages(unit("m4"))), (&"failed".into(), vec![GENERATE, COMPILE]));
    for kind in ["discovery", "header", "compaction"] {
        let found = of_kind(&rows, kind);
        assert_eq!(found.len(), 1, "{kind}: {rows:#?}");
        assert_eq!(found[0]["outcome"], "built", "{kind}");
    }
    let compaction = of_kind(&rows, "compaction")[0];
    assert_eq!(compaction["name"], "2 units");
    assert!(units.iter().all(|row| row["lane"] != compaction["lane"]), "it has a lane of its own");

    let trace: Value = serde_json::from_slice(&fs::read(trace).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let named = |name: &str| events.iter().filter(|event| event["ph"] == "X" && event["name"] == name).count();
    assert_eq!((named("m1@test.rb:7"), named("2 units"), named("generate")), (1, 1, 4));
}

#[test]
fn a_unit_that_nobody_wants_any_more_is_dropped_and_not_failed() {
    need!("gcc");
    let files = tempfile::tempdir().unwrap();
    let page = files.path().join("t.html");
    let begun = crate::host::Counter::default();
    let counter = begun.clone();
    let generate = move |request: &mjitcc::worker::Request<'_>| {
        counter.increment();
        std::thread::sleep(std::time::Duration::from_millis(200));
        Ok(fill(PLAIN, request).into())
    };
    let mut bench = Bench::new(quiet().timings(&page), Box::new(generate));
    let _slot = bench.submit(1, 0);
    begun.wait_for(1);
    bench.worker().cancel_all();
    assert!(bench.worker().pause(true));
    bench.finish();
    let rows = rows(&page);
    assert_eq!(of_kind(&rows, "unit")[0]["outcome"], "dropped", "{rows:#?}");
}

#[test]
fn a_place_that_cannot_be_written_to_is_a_warning() {
    need!("gcc");
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("file"), "").unwrap();
    let mut bench = Bench::of_text(PLAIN, quiet().timings(files.path().join("file/t.html")));
    assert_eq!(call(&bench.submit(1, 0)), 1);
    assert!(bench.finish().is_empty());
    assert_eq!(bench.lines("MJIT warning: cannot create").len(), 1, "{:?}", bench.log);
}
