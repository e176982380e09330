//! `--timings` and `--trace`: what they say of a run, as a browser shows it and as a reader of trace events takes it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use mjitcc::event::Stage;
use mjitcc::report::Status;
use mjitcc::timeline::{Bar, Span, Timeline, Turn, WorkKind, WorkOutcome};
use serde_json::Value;

use crate::compile::{BROKEN, Place, unit};
use crate::support::{fixture, fixture_units, need, run, text};

/// What a browser makes of a page, scripts run.
fn rendered(page: &Path) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut browser = Command::new("chromium");
    browser.args(["--headless", "--no-sandbox", "--disable-gpu", "--timeout=60000", "--dump-dom"]);
    browser.arg(format!("--user-data-dir={}", profile.path().display()));
    text(&run(browser.arg(format!("file://{}", page.display())), 0).stdout)
}

/// The data that a page draws itself from.
fn data(page: &Path) -> Value {
    let page = fs::read_to_string(page).unwrap();
    let (_, data) = page.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap()
}

fn rows<'a>(data: &'a Value, kind: &str) -> Vec<&'a Value> {
    data["rows"].as_array().unwrap().iter().filter(|row| row["kind"] == kind).collect()
}

/// The complete events of a trace: thread, beginning, end, name. Everything in it must be well formed.
fn complete_events(trace: &Path) -> Vec<(u64, u64, u64, String)> {
    let trace: Value = serde_json::from_slice(&fs::read(trace).unwrap()).unwrap();
    let mut named = Vec::new();
    let mut complete = Vec::new();
    for event in trace["traceEvents"].as_array().unwrap() {
        assert_eq!(event["pid"], 1, "{event}");
        let (thread, name) = (event["tid"].as_u64().unwrap(), event["name"].as_str().unwrap().to_owned());
        match event["ph"].as_str().unwrap() {
            "M" if name == "thread_name" => named.push((thread, event["args"]["name"].as_str().unwrap().to_owned())),
            "M" => assert!(event["args"].is_object(), "{event}"),
            "X" => {
                assert!(event["cat"].is_string(), "{event}");
                let (begin, took) = (event["ts"].as_u64().unwrap(), event["dur"].as_u64().unwrap());
                complete.push((thread, begin, begin + took, name));
            }
            other => panic!("{other}: {event}"),
        }
    }
    for (thread, ..) in &complete {
        assert_eq!(named.iter().filter(|(named, _)| named == thread).count(), 1, "{thread}: {named:?}");
    }
    complete
}

/// Insists that of two events on one thread either is within the other or they do not touch.
#[track_caller]
fn nest(events: &[(u64, u64, u64, String)]) {
    for (at, (thread, begin, end, name)) in events.iter().enumerate() {
        for (other_thread, other_begin, other_end, other) in &events[at + 1..] {
            let apart = end <= other_begin || other_end <= begin;
            let within = (begin <= other_begin && other_end <= end) || (other_begin <= begin && end <= other_end);
            assert!(thread != other_thread || apart || within, "{name} and {other} overlap on thread {thread}");
        }
    }
}

#[test]
fn the_page_shows_each_unit_in_a_lane_and_in_the_table() {
    need!("gcc", "chromium");
    let place = Place::new();
    let mut command = place.tool(&["compile", "--cc", "gcc", "-O0", "-j2", "-k", "--compact", "--timings"]);
    place.write("bad.c", BROKEN);
    let header = fixture("vm.h");
    let said = run(command.args(fixture_units()).arg("bad.c").arg("--header").arg(header), 1);
    let page = place.join("out/timings.html");
    assert!(text(&said.stderr).contains("timings: out"), "{said:?}");

    let shown = rendered(&page);
    let count = |what: &str| shown.matches(what).count();
    assert_eq!(count("<tr data-kind=\"unit\">"), 25);
    assert_eq!(count("<tr data-kind=\"header\">"), 1);
    assert_eq!(count("<tr data-kind=\"library\">"), 1);
    assert_eq!(count("<tr data-kind=\"discovery\">"), 1);
    assert!(shown.contains("1 failed") && shown.contains("24 built"), "{shown}");
    // Two lanes, and each bar in one.
    let bars = shown.split("class=\"lane\" data-bars=\"").skip(1);
    let bars: Vec<usize> = bars.map(|rest| rest.split('"').next().unwrap().parse().unwrap()).collect();
    assert_eq!((bars.len(), bars.iter().sum::<usize>()), (2, 28), "{bars:?}");
    for kind in ["compile", "link", "own", "bad", "busy"] {
        assert!(shown.contains(&format!("<path class=\"{kind}\" d=\"M")), "{kind} is not drawn");
    }
    let data = data(&page);
    assert!(data["compiler"].as_str().unwrap().starts_with("gcc "), "{data}");
}

#[test]
fn what_was_there_before_is_shown_as_reused() {
    need!("gcc");
    let place = Place::new();
    place.write("h.h", "typedef int number;\n");
    place.write("u.c", unit("u", 1));
    let words = ["compile", "--cc", "gcc", "--header", "h.h", "u.c", "--compact", "--timings=first.html"];
    place.good(&words);
    place.good(&[&words[..7], &["--timings=sub/second.html"]].concat());
    for (file, outcome, stages) in [("first.html", "built", 1), ("sub/second.html", "reused", 0)] {
        let data = data(&place.join(file));
        for kind in ["header", "unit", "library"] {
            let rows = rows(&data, kind);
            assert_eq!(rows.len(), 1, "{kind}: {data}");
            assert_eq!(rows[0]["outcome"], outcome, "{kind}: {data}");
            assert_eq!(rows[0]["spans"].as_array().unwrap().len(), stages, "{kind}: {data}");
        }
    }
    assert!(!place.join("out/timings.html").exists());
}

#[test]
fn a_name_that_ends_scripts_stays_a_name() {
    need!("gcc");
    // Names that no Windows file can have.
    if cfg!(windows) {
        return;
    }
    let place = Place::new();
    let name = "</script><b>\"'&amp;.c";
    place.write(name, unit("u", 1));
    place.write("<!--<script>.c", unit("v", 1));
    place.good(&["compile", "--cc", "gcc", "--timings", "--trace", "t.json", name, "<!--<script>.c"]);
    let page = place.join("out/timings.html");
    let data = data(&page);
    let names: Vec<&str> = rows(&data, "unit").iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert!(names.contains(&name) && names.contains(&"<!--<script>.c"), "{names:?}");
    assert!(complete_events(&place.join("t.json")).iter().any(|(.., one)| one == name));
    need!("chromium");
    let shown = rendered(&page);
    assert!(shown.contains("&lt;/script&gt;&lt;b&gt;\"'&amp;amp;.c</td>"), "{shown}");
    assert_eq!(shown.matches("<tr data-kind=\"unit\">").count(), 2);
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let page = of_units(1).html();
    let code = page.replace("http://www.w3.org/2000/svg", "");
    for word in ["http:", "https:", "src=", "href=", "url(", "@import", "fetch(", "import("] {
        assert!(!code.contains(word), "{word}");
    }
}

#[test]
fn a_trace_is_well_formed_and_its_lanes_do_not_overlap() {
    need!("gcc");
    let place = Place::new();
    let mut command = place.tool(&["compile", "--cc", "gcc", "-O0", "-j3", "--trace", "trace.json"]);
    run(command.args(fixture_units()).arg("--header").arg(fixture("vm.h")), 0);
    let events = complete_events(&place.join("trace.json"));
    let count = |name: &str| events.iter().filter(|(.., one)| one == name).count();
    assert_eq!((count("compile"), count("link")), (25, 24), "{events:?}");
    nest(&events);
    let compiles = |thread: u64| events.iter().any(|&(one, .., ref name)| one == thread && name == "compile");
    assert!(compiles(0) && compiles(1) && compiles(2) && !compiles(3), "{events:?}");
}

#[test]
fn units_whose_turn_never_came_are_rows_without_a_bar() {
    need!("gcc");
    let place = Place::new();
    place.write("bad.c", BROKEN);
    place.write("late.c", unit("late", 1));
    run(&mut place.tool(&["compile", "--cc", "gcc", "-j1", "bad.c", "late.c", "--timings"]), 1);
    let data = data(&place.join("out/timings.html"));
    let [bad, late] = rows(&data, "unit")[..] else { panic!("{data}") };
    assert_eq!((&bad["outcome"], &late["outcome"]), (&"failed".into(), &"skipped".into()));
    assert_eq!(bad["note"], "the compiler failed (exit code 1)");
    assert!(bad["lane"].is_number() && late["lane"].is_null(), "{data}");
}

#[test]
fn a_header_that_does_not_compile_is_in_the_page_too() {
    need!("gcc");
    let place = Place::new();
    place.write("h.h", "#error no\n");
    place.write("u.c", unit("u", 1));
    run(&mut place.tool(&["compile", "--cc", "gcc", "--header", "h.h", "u.c", "--timings"]), 1);
    let data = data(&place.join("out/timings.html"));
    let [header] = rows(&data, "header")[..] else { panic!("{data}") };
    assert_eq!(header["outcome"], "failed");
}

#[test]
fn a_place_that_cannot_be_written_to_is_an_error_after_the_work() {
    need!("gcc");
    let place = Place::new();
    place.write("u.c", unit("u", 1));
    place.write("file", "");
    for option in ["--timings=file/t.html", "--trace=file/t.json"] {
        let output = run(&mut place.tool(&["compile", "--cc", "gcc", "u.c", option]), 4);
        assert!(text(&output.stderr).contains("error: cannot create file"), "{output:?}");
        assert!(place.join("out/units.json").exists());
    }
}

#[test]
fn a_dry_run_takes_no_time() {
    need!("gcc");
    let place = Place::new();
    place.write("u.c", unit("u", 1));
    place.good(&["compile", "--cc", "gcc", "-n", "u.c", "--timings", "--trace", "t.json"]);
    assert!(!place.join("out").exists() && !place.join("t.json").exists());
}

/// A timeline of so many units on two threads.
fn of_units(count: u64) -> Timeline {
    let bar = |number: u64| {
        let at = |millisecond: u64| Duration::from_millis(millisecond);
        let (start, end) = (at(number * 10), at(number * 10 + 9));
        let stages = vec![
            Span { stage: Stage::Compile, start, end: end - at(2) },
            Span { stage: Stage::Link, start: end - at(2), end },
        ];
        Bar {
            kind: WorkKind::Unit,
            name: format!("units/u{number}.c"),
            outcome: WorkOutcome::Of(Status::Built),
            note: String::new(),
            queued: None,
            turn: Some(Turn { lane: usize::from(number % 2 == 1), start, end, stages }),
        }
    };
    Timeline {
        began: SystemTime::UNIX_EPOCH,
        took: Duration::from_millis(count * 10),
        compiler: "gcc".to_owned(),
        lanes: ["thread 1", "thread 2"].map(str::to_owned).into(),
        bars: (0..count).map(bar).collect(),
        dropped: 0,
    }
}

#[test]
fn one_unit_and_five_thousand_are_shown_alike() {
    need!("chromium");
    let dir = tempfile::tempdir().unwrap();
    for count in [0, 1, 5_000] {
        let page = dir.path().join(format!("{count}.html"));
        mjitcc::timeline::write(&page, &of_units(count).html()).unwrap();
        let shown = rendered(&page);
        assert_eq!(shown.matches("<tr data-kind=\"unit\">").count() as u64, count);
        assert!(shown.contains(&format!("aria-label=\"2 lanes, {count} bars\"")));
        // However many bars there are, few things are drawn.
        let drawing = shown.split("<svg").nth(1).unwrap().split("</svg>").next().unwrap();
        assert!(drawing.len() < 100_000, "{} bytes for {count}", drawing.len());
    }
}
