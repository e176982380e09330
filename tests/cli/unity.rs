//! Units that are compiled several at a time: the same code, fewer compilers, and each unit by itself where that cannot be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use crate::compile::{BROKEN, Fake, Place, Runs, answers, expected, fields, host, unit};
use crate::support::{self, library, need, run, text};

fn the_fixtures_compute_right_together_with(cc: &str) {
    need!("gcc", cc);
    let place = Place::new();
    let host = host(&place);
    for compact in [true, false] {
        let out = if compact { "one" } else { "several" };
        let mut command = place.tool(&["compile", "--unity", "5", "--out-dir", out, "--cc", cc]);
        command
            .args(compact.then_some("--compact"))
            .arg("--header")
            .arg(support::fixture("vm.h"))
            .args(support::fixture_units());
        run(&mut command, 0);
        let mut all = BTreeMap::new();
        let libraries: BTreeSet<String> =
            fields(&place.join(out), "library").iter().map(|name| name.as_str().unwrap().to_owned()).collect();
        for report in support::report(&place.join(out))["units"].as_array().unwrap() {
            let symbols: Vec<String> = report["symbols"]
                .as_array()
                .unwrap()
                .iter()
                .map(|symbol| symbol.as_str().unwrap().to_owned())
                .collect();
            assert_eq!(symbols.len(), 1, "{report}");
            let library = place.join(out).join(report["library"].as_str().unwrap());
            all.extend(answers(&host, &library, &symbols));
        }
        assert_eq!(all, expected());
        let count = support::fixture_units().len();
        if cc == "tcc" {
            // What macros with `##` do, tcc does not tell: units that use such are compiled alone.
            assert!(libraries.len() < count, "{libraries:?}");
        } else {
            assert_eq!(libraries.len(), if compact { 1 } else { count.div_ceil(5) }, "{libraries:?}");
        }
    }
}

#[test]
fn gcc_compiles_the_fixtures_together_and_they_compute_right() {
    the_fixtures_compute_right_together_with("gcc");
}

#[test]
fn clang_compiles_the_fixtures_together_and_they_compute_right() {
    the_fixtures_compute_right_together_with("clang");
}

#[test]
fn tcc_compiles_the_fixtures_together_and_they_compute_right() {
    the_fixtures_compute_right_together_with("tcc");
}

/// Six units behind a header, and the fake compiler before gcc.
struct Project {
    place: Place,
    fake: Fake,
}

const UNITS: [&str; 6] = ["a.c", "b.c", "c.c", "d.c", "e.c", "f.c"];

impl Project {
    fn new() -> Self {
        let place = Place::new();
        place.write("h.h", "#define ONE 1\n");
        for (name, value) in UNITS.iter().zip(1..) {
            let own = format!(
                "#define OWN {value}\nstatic int helper(void) {{ return OWN; }}\nint {}(void) {{ return helper() + ONE; }}\n",
                &name[..1]
            );
            place.write(name, own);
        }
        Self { place, fake: Fake::of("gcc") }
    }

    #[track_caller]
    fn again(&self, words: &[&str], code: i32) -> Runs {
        let mut command = self.place.tool(&["compile", "--header", "h.h"]);
        command.args(words).args(UNITS);
        run(self.fake.behind(&mut command), code);
        self.fake.runs()
    }

    fn statuses(&self) -> Vec<String> {
        support::statuses(&self.place.join("out"))
    }
}

#[test]
fn nothing_is_compiled_again_and_a_change_costs_its_own_group() {
    need!("gcc");
    for (more, links) in [(&[] as &[&str], 2), (&["--compact"], 1)] {
        let project = Project::new();
        let words = [&["--unity", "3"], more].concat();
        assert_eq!(project.again(&words, 0).counts(), (1, 2, links));
        assert_eq!(project.statuses(), ["built"; 6]);
        assert_eq!(project.again(&words, 0).counts(), (0, 0, 0));
        assert_eq!(project.statuses(), ["reused"; 6]);
        project.place.write("e.c", unit("e", 50));
        assert_eq!(project.again(&words, 0).counts(), (0, 1, 1));
        assert_eq!(project.statuses(), ["built", "reused", "built", "reused", "built", "reused"]);
        project.place.write("h.h", "#define ONE 2\n");
        assert_eq!(project.again(&words, 0).counts(), (1, 2, links));
    }
}

#[test]
fn what_is_there_one_by_one_is_not_compiled_together() {
    need!("gcc");
    let project = Project::new();
    assert_eq!(project.again(&[], 0).counts(), (1, 6, 6));
    assert_eq!(project.again(&["--unity", "auto", "-j1"], 0).counts(), (0, 0, 0));
    assert_eq!(project.statuses(), ["reused"; 6]);
}

#[test]
fn auto_makes_the_same_groups_for_any_number_of_jobs() {
    need!("gcc");
    let library = |jobs: &str| {
        let project = Project::new();
        assert_eq!(project.again(&["--unity", "auto", jobs, "--compact"], 0).counts(), (1, 1, 1));
        std::fs::read(project.place.join("out").join(library("units"))).unwrap()
    };
    let (two, six) = (library("-j2"), library("-j6"));
    // A DLL holds the time of its link.
    assert!(cfg!(windows) || two == six);
}

#[test]
fn a_bad_unit_in_a_group_costs_only_itself() {
    need!("gcc");
    let project = Project::new();
    project.place.write("b.c", BROKEN);
    let mut command = project.place.tool(&["compile", "--cc", "gcc", "--unity", "3", "-k", "--header", "h.h"]);
    let said = text(&run(command.args(UNITS), 1).stderr);
    assert!(said.contains("b.c:3:"), "{said}");
    assert_eq!(project.statuses(), ["built", "failed", "built", "built", "built", "built"]);
    let libraries = fields(&project.place.join("out"), "library");
    let [a, b, c, d, e, f] = &libraries[..] else { panic!("{libraries:?}") };
    assert_eq!(b, &Value::Null);
    assert!(d == f && a == c && a == e && a != d, "{libraries:?}");

    // Without -k nothing is begun after it; the other units of its group are compiled together before.
    project.again(&["--unity", "3", "-j1", "--out-dir", "other"], 1);
    let statuses = support::statuses(&project.place.join("other"));
    assert_eq!(statuses, ["built", "failed", "built", "built", "built", "built"]);
    project.again(&["--unity", "off", "-j1", "--out-dir", "alone"], 1);
    assert_eq!(support::statuses(&project.place.join("alone"))[2..], ["skipped"; 4]);
}

/// Two units behind a `#line` of another name each have a variable of one name, which a merged text renames.
#[test]
fn diagnostics_that_go_by_the_name_of_a_line_directive_are_those_of_the_unit_alone() {
    need!("gcc", "clang");
    let place = Place::new();
    for name in ["a", "b"] {
        let text =
            format!("#line 100 \"{name} of \\\"gen\\\".y\"\nstatic int fold;\nint {name}(void) {{ return 1; }}\n");
        place.write(&format!("{name}.c"), &text);
    }
    for cc in ["gcc", "clang"] {
        let warnings = |unity: &str| {
            let out = format!("out-{cc}-{unity}");
            let mut command = place.tool(&["compile", "a.c", "b.c", "--compact", "--unity", unity, "--out-dir", &out]);
            command.args(["--cc", cc, "--cflag=-Wall", "-j1", "--message-format", "json"]);
            let lines = text(&run(&mut command, 0).stdout);
            let messages = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let mut found: Vec<String> = messages
                .filter(|message| message["event"] == "diagnostic")
                .map(|message| format!("{} {} {}", message["file"], message["line"], message["text"]))
                .collect();
            found.sort();
            found
        };
        let alone = warnings("off");
        assert_eq!(alone.len(), 2, "{cc}: {alone:?}");
        assert_eq!(warnings("2"), alone, "{cc}");
    }
}

#[test]
fn units_that_cannot_be_merged_are_compiled_alone() {
    need!("gcc");
    let place = Place::new();
    place.write("mixed.c", "int mixed(void) { return 1; }\n__attribute__((weak)) int weak(void) { return 2; }\n");
    place.write("pragma.c", "#pragma GCC optimize(\"O1\")\nint pragma(void) { return 3; }\n");
    place.write("p.c", unit("p", 4));
    place.write("q.c", unit("q", 5));
    place.good(&["compile", "--cc", "gcc", "--unity", "4", "mixed.c", "pragma.c", "p.c", "q.c"]);
    let out = place.join("out");
    let libraries = fields(&out, "library");
    assert_eq!(libraries[..2], [json!(library("mixed")), json!(library("pragma"))]);
    let together = libraries[2].as_str().unwrap();
    assert!(together.starts_with("unity-") && libraries[3] == together, "{libraries:?}");
    let listed = fields(&out, "symbols");
    // A DLL does not export its weak functions.
    assert_eq!(listed[0], if cfg!(windows) { json!(["mixed"]) } else { json!(["mixed", "weak"]) });
    assert_eq!(listed[1..], [json!(["pragma"]), json!(["p"]), json!(["q"])]);
    let symbols = ["p", "q"].map(str::to_owned);
    let defined = mjitcc::symbols::exported_by_library(&out.join(together), &target()).unwrap();
    assert!(symbols.iter().all(|symbol| defined.contains(symbol)), "{defined:?}");
}

#[test]
fn units_of_several_names_are_compiled_together() {
    need!("gcc");
    let place = Place::new();
    place.write(
        "two.c",
        "static int n;\nlong one(void) { return ++n * 2 + 1; }\nlong two(void) { return n * 2 + 3; }\n",
    );
    place.write("data.c", "static int n = 2;\nint table[2];\nlong three(void) { return n * 2 + 3 + table[0]; }\n");
    // What the object does not define is no symbol of the unit's.
    place.write("none.c", "long four(void) { return 9; }\n#ifdef NEVER\nint never(void) { return 0; }\n#endif\n");
    // A name that an earlier unit has keeps a unit alone.
    place.write("five.c", "int five(void) { return 5; }\nint same(void) { return 6; }\n");
    place.write("seven.c", "int seven(void) { return 7; }\nint same(void) { return 8; }\n");
    let units = ["two.c", "data.c", "none.c", "five.c", "seven.c"];
    place.good(&[&["compile", "--cc", "gcc", "--unity", "5"][..], &units].concat());
    let out = place.join("out");
    assert_eq!(
        fields(&out, "symbols"),
        [
            json!(["one", "two"]),
            json!(["table", "three"]),
            json!(["four"]),
            json!(["five", "same"]),
            json!(["same", "seven"])
        ]
    );
    let libraries = fields(&out, "library");
    assert!(libraries[..4].iter().all(|library| *library == libraries[0]), "{libraries:?}");
    assert_eq!(libraries[4], json!(library("seven")));
    let together = out.join(libraries[0].as_str().unwrap());
    let symbols = ["one", "two", "three", "four"].map(str::to_owned);
    let answers = answers(&host(&place), &together, &symbols);
    assert_eq!(answers.into_values().collect::<Vec<_>>(), [4, 1, 3, 2].map(|n| n.to_string()));
}

fn target() -> mjitcc::platforms::Target {
    let machine = text(&run(std::process::Command::new("gcc").arg("-dumpmachine"), 0).stdout);
    mjitcc::platforms::Target::parse(machine.trim()).unwrap()
}

#[test]
fn two_units_with_one_symbol_are_refused_as_ever() {
    need!("gcc");
    let place = Place::new();
    for (name, value) in [("a.c", 1), ("b.c", 2)] {
        place.write(name, unit("same", value));
    }
    place.write("c.c", unit("c", 3));
    place.write("d.c", unit("d", 4));
    let words = ["compile", "--cc", "gcc", "--unity", "4", "--compact", "-k", "a.c", "b.c", "c.c", "d.c"];
    let said = text(&run(&mut place.tool(&words), 1).stderr);
    assert!(said.contains("defines same, which a.c defines too"), "{said}");
    assert_eq!(support::statuses(&place.join("out")), ["built", "failed", "built", "built"]);
}

#[test]
fn a_symbol_of_a_unit_that_is_not_merged_is_refused_in_a_group_too() {
    need!("gcc");
    let place = Place::new();
    place.write("a.c", "#pragma GCC optimize(\"O1\")\nint same(void) { return 1; }\n");
    place.write("b.c", unit("same", 2));
    place.write("c.c", unit("c", 3));
    let words = ["compile", "--cc", "gcc", "--unity", "4", "--compact", "-k", "a.c", "b.c", "c.c"];
    let said = text(&run(&mut place.tool(&words), 1).stderr);
    assert!(said.contains("defines same, which a.c defines too"), "{said}");
    assert_eq!(support::statuses(&place.join("out")), ["built", "failed", "built"]);
}

#[test]
fn a_unit_s_includes_are_its_own_folder_s() {
    need!("gcc");
    let place = Place::new();
    for (folder, value) in [("x", 1), ("y", 2)] {
        place.write(&format!("{folder}/own.h"), format!("#define OWN {value}\n"));
        for name in ["a", "b"] {
            let text = format!("#include \"own.h\"\nint {folder}{name}(void) {{ return OWN; }}\n");
            place.write(&format!("{folder}/{name}.c"), text);
        }
    }
    let words = ["compile", "--cc", "gcc", "--unity", "4", "x/a.c", "x/b.c", "y/a.c", "y/b.c"];
    place.good(&words);
    let libraries = fields(&place.join("out"), "library");
    assert!(
        libraries[0] == libraries[1] && libraries[2] == libraries[3] && libraries[1] != libraries[2],
        "{libraries:?}"
    );
    // What a member includes is watched.
    place.write("y/own.h", "#define OWN 3\n");
    place.good(&words);
    assert_eq!(support::statuses(&place.join("out")), ["reused", "reused", "built", "built"]);
}

#[test]
fn a_dry_run_prints_a_command_for_each_group() {
    need!("gcc");
    let place = Place::new();
    for name in ["a", "b", "c", "d", "e"] {
        place.write(&format!("{name}.c"), unit(name, 1));
    }
    let commands = place.good(&["compile", "--cc", "gcc", "--unity", "2", "-n", "a.c", "b.c", "c.c", "d.c", "e.c"]);
    let compiles = commands.lines().filter(|line| line.contains(" -c ")).count();
    assert_eq!((compiles, commands.lines().count()), (3, 6), "{commands}");
    assert!(!place.join("out").exists());
}

#[test]
fn how_many_is_a_number_auto_or_off() {
    let place = Place::new();
    place.write("a.c", unit("a", 1));
    for word in ["0", "-1", "many"] {
        let said = text(&run(&mut place.tool(&["compile", "a.c", &format!("--unity={word}")]), 2).stderr);
        assert!(said.contains("expected auto, off, or a number of units above 0"), "{said}");
    }
    assert!(!Path::new(&place.join("out")).exists());
}
