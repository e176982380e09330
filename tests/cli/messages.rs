//! What the tool says: JSON for programs, line by line, and words for people.

use std::process::Command;

use serde_json::{Value, json};
use snapbox::{IntoData, assert_data_eq, str};

use crate::compile::{BROKEN, Place, WARNS, unit};
use crate::support::{library, need, run, shown, text};

/// The lines of standard output, each of which must be a message.
#[track_caller]
fn messages(command: &mut Command, code: i32) -> Vec<Value> {
    let output = run(command.args(["--message-format", "json"]), code);
    let lines = text(&output.stdout);
    let parse = |line: &str| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let messages: Vec<Value> = lines.lines().map(parse).collect();
    for message in &messages {
        assert_eq!(message["version"], 1, "{message}");
        assert!(message["event"].is_string(), "{message}");
    }
    messages
}

fn events<'a>(messages: &'a [Value], event: &str) -> Vec<&'a Value> {
    messages.iter().filter(|message| message["event"] == event).collect()
}

/// A message without how long things took.
fn timeless(message: &Value) -> Value {
    let mut message = message.clone();
    for name in ["compile_ms", "link_ms"] {
        if let Some(time) = message.pointer_mut(&format!("/timings/{name}")) {
            assert!(time.is_number(), "{time}");
            *time = json!("time");
        }
    }
    message
}

#[test]
fn json_tells_all_of_a_unit_that_fails_and_of_one_that_warns() {
    need!("gcc", "clang");
    for (cc, bad_column, error) in
        [("gcc", 15, "expected expression before ';' token"), ("clang", 15, "expected expression")]
    {
        let place = Place::new();
        place.write("sub/bad.c", BROKEN);
        place.write("sub/warns.c", WARNS);
        let words = ["compile", "-k", "-j1", "--cc", cc, "./sub/bad.c", "sub/warns.c"];
        let messages = messages(&mut place.tool(&words), 1);
        let messages: Vec<Value> = messages.iter().map(timeless).collect();
        let warning = if cc == "gcc" { "#warning mind the gap [-Wcpp]" } else { "mind the gap [-W#warnings]" };
        let expected = [
            json!({"version": 1, "event": "unit_started", "unit": "./sub/bad.c"}),
            json!({
                "version": 1, "event": "diagnostic", "unit": "./sub/bad.c", "file": "./sub/bad.c", "line": 3,
                "column": bad_column, "severity": "error", "text": error,
            }),
            json!({
                "version": 1, "event": "unit_finished", "unit": "./sub/bad.c", "status": "failed", "cached": false, "library": null,
                "symbols": [], "timings": {"compile_ms": "time", "link_ms": "time"},
                "error": "the compiler failed (exit code 1)", "help": null,
            }),
            json!({"version": 1, "event": "unit_started", "unit": "sub/warns.c"}),
            json!({
                "version": 1, "event": "diagnostic", "unit": "sub/warns.c", "file": "sub/warns.c", "line": 3,
                "column": 2, "severity": "warning", "text": warning,
            }),
            json!({
                "version": 1, "event": "unit_finished", "unit": "sub/warns.c", "status": "built", "cached": false, "library": library("warns"),
                "symbols": ["warns"], "timings": {"compile_ms": "time", "link_ms": "time"}, "error": null, "help": null,
            }),
            json!({"version": 1, "event": "summary", "units": 2, "built": 1, "reused": 0, "cached": 0, "failed": 1, "skipped": 0}),
        ];
        let (outputs, rest): (Vec<_>, Vec<_>) = messages.iter().cloned().partition(|one| one["event"] == "output");
        assert_eq!(rest, expected, "{messages:#?}");
        for (output, unit) in outputs.iter().zip(["./sub/bad.c", "sub/warns.c"]) {
            assert_eq!(output["unit"], unit);
            assert!(output["text"].as_str().unwrap().contains(unit), "{messages:#?}");
        }
        assert_eq!(outputs.len(), 2);
    }
}

#[test]
fn a_diagnostic_in_an_included_file_names_that_file() {
    need!("gcc");
    let place = Place::new();
    place.write("sub/inner.h", "int x\n;\nint y = z;\n");
    place.write("sub/u.c", "#include \"inner.h\"\nint u(void) { return x; }\n");
    let messages = messages(&mut place.tool(&["compile", "--cc", "gcc", "sub/u.c"]), 1);
    let [diagnostic] = events(&messages, "diagnostic")[..] else { panic!("{messages:#?}") };
    assert_eq!(diagnostic["unit"], "sub/u.c");
    assert!(diagnostic["file"].as_str().unwrap().ends_with("sub/inner.h"), "{diagnostic}");
    assert_eq!((&diagnostic["line"], &diagnostic["column"]), (&json!(3), &json!(9)));
}

#[test]
fn tcc_names_the_unit_as_the_user_did() {
    need!("tcc");
    let place = Place::new();
    place.write("sub/bad.c", "int bad(void)\n{\n    return missing;\n}\n");
    let messages = messages(&mut place.tool(&["compile", "--cc", "tcc", "sub/bad.c"]), 1);
    let diagnostics = events(&messages, "diagnostic");
    assert_eq!(diagnostics[0]["file"], "sub/bad.c", "{messages:#?}");
    assert_eq!(diagnostics[0]["line"], 3);
    assert_eq!(diagnostics[0]["severity"], "error");
}

#[test]
fn json_tells_of_each_unit_that_it_began_before_it_ended() {
    need!("gcc");
    let place = Place::new();
    let names: Vec<String> = (0..12).map(|number| format!("u{number}.c")).collect();
    for (number, name) in names.iter().enumerate() {
        place.write(name, if number == 7 { BROKEN.to_owned() } else { unit(&format!("u{number}"), 1) });
    }
    for words in
        [&["compile", "-k", "-j4", "--cc", "gcc"] as &[&str], &["compile", "--compact", "-k", "-j4", "--cc", "gcc"]]
    {
        let messages = messages(place.tool(words).args(&names), 1);
        for name in &names {
            let at = |event: &str| {
                let found: Vec<usize> = (0..messages.len())
                    .filter(|&number| messages[number]["event"] == event && messages[number]["unit"] == **name)
                    .collect();
                assert_eq!(found.len(), 1, "{event} of {name}: {messages:#?}");
                found[0]
            };
            assert!(at("unit_started") < at("unit_finished"));
        }
        for diagnostic in events(&messages, "diagnostic") {
            assert_eq!(diagnostic["unit"], "u7.c");
        }
        assert_eq!(messages.last().unwrap()["event"], "summary");
        assert_eq!(events(&messages, "summary").len(), 1);
    }
}

#[test]
fn a_unit_whose_turn_never_came_is_finished_as_skipped() {
    need!("gcc");
    let place = Place::new();
    place.write("bad.c", BROKEN);
    place.write("good.c", unit("good", 1));
    let messages = messages(&mut place.tool(&["compile", "-j1", "--cc", "gcc", "bad.c", "good.c"]), 1);
    let finished = events(&messages, "unit_finished");
    assert_eq!(finished[1]["unit"], "good.c");
    assert_eq!(finished[1]["status"], "skipped");
    assert_eq!(finished[1]["error"], "not compiled because another unit failed");
    let summary = json!({"version": 1, "event": "summary", "units": 2, "built": 0, "reused": 0, "cached": 0, "failed": 1, "skipped": 1});
    assert_eq!(*messages.last().unwrap(), summary);
}

#[test]
fn a_library_that_cannot_be_linked_is_an_event() {
    need!("gcc");
    let place = Place::new();
    place.write("u.c", unit("u", 1));
    let words = ["compile", "--compact", "--cc", "gcc", "--ldflag=-lno-such-library", "u.c"];
    let messages = messages(&mut place.tool(&words), 1);
    let [failed] = events(&messages, "link_failed")[..] else { panic!("{messages:#?}") };
    assert!(failed["library"].as_str().unwrap().ends_with(&shown(&library("out/units"))), "{failed}");
    assert!(failed["output"].as_str().unwrap().contains("-lno-such-library"), "{failed}");
    assert_eq!(events(&messages, "unit_finished")[0]["status"], "failed");
}

#[test]
fn json_keeps_its_stream_to_itself_whatever_else_is_said() {
    need!("gcc");
    let place = Place::new();
    place.write("h.h", "#warning from the header\n");
    place.write("u.c", WARNS);
    for level in ["-vvv", "-q"] {
        let words = ["compile", level, "--cc", "gcc", "--header", "h.h", "--save-temps", "u.c"];
        let temp = place.path().to_owned();
        let messages = messages(place.tool(&words).env("TMPDIR", temp), 0);
        assert_eq!(messages.last().unwrap()["event"], "summary");
    }
    // What went wrong before any unit's turn is all that is said.
    place.write("h.h", "#error no\n");
    let messages = messages(&mut place.tool(&["compile", "--cc", "gcc", "--header", "h.h", "u.c"]), 1);
    assert_eq!(messages.len(), 1, "{messages:#?}");
    assert_eq!(messages[0]["event"], "error");
    assert!(messages[0]["error"].as_str().unwrap().contains("h.h does not compile"), "{messages:#?}");
    assert!(messages[0]["output"].as_str().unwrap().contains("#error no"), "{messages:#?}");
}

/// Standard error with the time taken out.
fn said(command: &mut Command, code: i32) -> String {
    let stderr = text(&run(command, code).stderr);
    let untimed = |line: &str| match line.rsplit_once(" in ") {
        Some((words, time)) if time.ends_with(" s") => format!("{words} in [TIME] s\n"),
        _ => format!("{line}\n"),
    };
    stderr.lines().map(untimed).collect()
}

#[test]
fn people_read_the_compilers_own_lines_and_which_unit_failed() {
    need!("gcc");
    let place = Place::new();
    place.write("bad.c", "int bad(void)\n{\n    return missing;\n}\n");
    place.write("good.c", unit("good", 1));
    let said = said(&mut place.tool(&["compile", "--cc", "gcc", "-j1", "good.c", "bad.c"]), 1);
    assert_data_eq!(
        said,
        str![[r#"
compiling 2 units
bad.c: In function 'bad':
bad.c:3:12: error: 'missing' undeclared (first use in this function)
    3 |     return missing;
      |            ^~~~~~~
bad.c:3:12: note: each undeclared identifier is reported only once for each function it appears in
error: bad.c: the compiler failed (exit code 1)
failed: 2 units: 1 built, 1 failed in [TIME] s

"#]]
        .raw()
    );
}

#[test]
fn people_read_what_to_do_about_units_that_were_not_compiled() {
    need!("gcc");
    let place = Place::new();
    place.write("bad.c", BROKEN);
    place.write("a.c", unit("a", 1));
    let said = said(&mut place.tool(&["compile", "--cc", "gcc", "-j1", "bad.c", "a.c"]), 1);
    assert!(said.contains("failed: 2 units: 1 failed, 1 skipped in [TIME] s"), "{said}");
    assert!(said.contains("-k"), "nobody says that -k builds the others: {said}");
}

#[test]
fn people_read_that_all_is_well_in_two_lines() {
    need!("gcc");
    let place = Place::new();
    place.write("a.c", unit("a", 1));
    place.write("b.c", unit("b", 1));
    let words = ["compile", "--cc", "gcc", "a.c", "b.c"];
    assert_eq!(said(&mut place.tool(&words), 0), "compiling 2 units\ndone: 2 units: 2 built in [TIME] s\n");
    place.write("b.c", unit("b", 2));
    assert_eq!(said(&mut place.tool(&words), 0), "compiling 2 units\ndone: 2 units: 1 built, 1 reused in [TIME] s\n");
}

#[test]
fn a_verbose_run_reports_each_unit_before_the_common_link() {
    need!("gcc");
    let place = Place::new();
    place.write("a.c", unit("a", 1));
    place.write("b.c", unit("b", 1));
    let words = ["compile", "-v", "-j1", "--compact", "--cc", "gcc", "a.c", "b.c"];
    for how in ["built", "reused"] {
        let said = said(&mut place.tool(&words), 0);
        let at = |line: &str| said.find(line).unwrap_or_else(|| panic!("no '{line}' in\n{said}"));
        let (a, b) = (format!("a.c: {how} in "), format!("b.c: {how} in "));
        assert!(at(&a) < at(&b) && at(&b) < at("linking 2 objects into "), "{said}");
        assert_eq!(said.matches(&a).count(), 1, "{said}");
    }
}

#[test]
fn a_wrong_number_of_compilers_is_explained() {
    let place = Place::new();
    for number in ["0", "-1", "many"] {
        let said = text(&run(&mut place.tool(&["compile", "u.c", "-j", number]), 2).stderr);
        let expected = format!("invalid value '{number}' for '--jobs <N>': expected a number of compilers above 0");
        assert!(said.contains(&expected), "{said}");
    }
}

#[test]
fn a_missing_symbol_at_the_link_is_told_with_what_to_do() {
    need!("gcc");
    let place = Place::new();
    place.write("u.c", "int elsewhere(void);\nint u(void) { return elsewhere(); }\n");
    let mut words = vec!["compile", "--cc", "gcc", "--compact", "u.c"];
    // On Windows it is an error anyway.
    words.extend((!cfg!(windows)).then_some("--ldflag=-Wl,-z,defs"));
    let said = said(&mut place.tool(&words), 1);
    assert!(said.contains("undefined reference to `elsewhere'"), "{said}");
    assert!(said.contains("help: name the library that defines it with --ldflag\n"), "{said}");
}

#[test]
fn colours_are_for_terminals() {
    need!("gcc");
    let place = Place::new();
    place.write("bad.c", BROKEN);
    let output = run(&mut place.tool(&["compile", "--cc", "gcc", "bad.c"]), 1);
    assert!(!output.stderr.contains(&0x1b), "{}", text(&output.stderr));
    let output = run(place.tool(&["compile", "--cc", "gcc", "bad.c"]).env("CLICOLOR_FORCE", "1"), 1);
    assert!(text(&output.stderr).contains("\u{1b}[1m\u{1b}[31merror"), "{:?}", text(&output.stderr));
}
