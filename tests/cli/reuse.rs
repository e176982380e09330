//! What a second run does again: only what must be. The fake compiler's notes say which compilers were started.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::compile::{BROKEN, Fake, Place, Runs, WARNS, fields, unit};
use crate::support::{LINKER_FLAG, library, need, run, text};

/// Two units, and the fake compiler before gcc.
struct Project {
    place: Place,
    fake: Fake,
    words: Vec<&'static str>,
}

impl Project {
    fn new(more: &[&'static str]) -> Self {
        let words = [&["compile", "--header", "h.h", "a.c", "b.c"], more].concat();
        Self { place: Place::with_two_units(), fake: Fake::of("gcc"), words }
    }

    /// Runs the tool and says which compilers it started.
    #[track_caller]
    fn again(&self, words: &[&str]) -> Runs {
        self.with(words, |command| command)
    }

    #[track_caller]
    fn with(&self, words: &[&str], change: impl FnOnce(&mut Command) -> &mut Command) -> Runs {
        let mut command = self.place.tool(&[&self.words, words].concat());
        run(change(self.fake.behind(&mut command)), 0);
        self.fake.runs()
    }

    fn statuses(&self) -> Vec<Value> {
        fields(&self.place.join("out"), "status")
    }

    fn edit(&self, name: &str, contents: &str) {
        self.place.write(name, contents);
    }
}

/// The files below a directory with this ending.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == ending));
    files.sort();
    files
}

#[test]
fn a_second_run_starts_no_compiler() {
    need!("gcc");
    for (more, links) in [(&[] as &[&str], 2), (&["--compact"], 1)] {
        let project = Project::new(more);
        assert_eq!(project.again(&[]).counts(), (1, 2, links));
        assert_eq!(project.statuses(), ["built", "built"]);
        let library = fields(&project.place.join("out"), "library");
        let symbols = fields(&project.place.join("out"), "symbols");

        assert_eq!(project.again(&[]).counts(), (0, 0, 0));
        assert_eq!(project.statuses(), ["reused", "reused"]);
        assert_eq!(fields(&project.place.join("out"), "library"), library);
        assert_eq!(fields(&project.place.join("out"), "symbols"), symbols);
        for timings in fields(&project.place.join("out"), "timings") {
            assert_eq!(timings, serde_json::json!({"compile_ms": 0.0, "link_ms": 0.0}));
        }
    }
}

#[test]
fn only_the_unit_that_changed_is_compiled_again() {
    need!("gcc");
    for more in [&[] as &[&str], &["--compact"]] {
        let project = Project::new(more);
        project.again(&[]);
        project.edit("b.c", "int b(void) { return ONE + 1; }\n");
        assert_eq!(project.again(&[]).counts(), (0, 1, 1));
        assert_eq!(project.statuses(), ["reused", "built"]);
        project.edit("own.h", "#define OWN 2\n");
        assert_eq!(project.again(&[]).counts(), (0, 1, 1));
        assert_eq!(project.statuses(), ["built", "reused"]);
        assert_eq!(project.again(&[]).counts(), (0, 0, 0));
    }
}

#[test]
fn a_change_that_makes_no_difference_to_the_object_is_not_linked_again() {
    need!("gcc");
    let project = Project::new(&["--compact"]);
    project.again(&[]);
    project.edit("b.c", "int b(void) { return ONE; } // as before\n");
    assert_eq!(project.again(&[]).counts(), (0, 1, 0));
}

#[test]
fn every_unit_is_compiled_again_when_the_header_or_what_it_includes_changed() {
    need!("gcc");
    let project = Project::new(&["--compact"]);
    project.again(&[]);
    project.edit("below.h", "#define ONE 2\n");
    assert_eq!(project.again(&[]).counts(), (1, 2, 1));
    project.edit("h.h", "#include \"below.h\"\n#undef ONE\n#define ONE 3\n");
    assert_eq!(project.again(&[]).counts(), (1, 2, 1));
    assert_eq!(project.again(&[]).counts(), (0, 0, 0));
}

#[test]
fn without_a_pch_units_follow_their_header_too() {
    need!("tcc");
    let place = Place::new();
    place.write("h.h", "#include \"below.h\"\n");
    place.write("below.h", "#define ONE 1\n");
    place.write("u.c", "int u(void) { return ONE; }\n");
    let status = || {
        place.good(&["compile", "--cc", "tcc", "--header", "h.h", "u.c"]);
        fields(&place.join("out"), "status")
    };
    assert_eq!([status(), status()].concat(), ["built", "reused"]);
    place.write("below.h", "#define ONE 2\n");
    assert_eq!([status(), status()].concat(), ["built", "reused"]);
    place.write("h.h", "#define ONE 2\n");
    assert_eq!([status(), status()].concat(), ["built", "reused"]);
}

#[test]
fn flags_are_part_of_what_was_built() {
    need!("gcc");
    let project = Project::new(&["--compact"]);
    project.again(&[]);
    for flags in [&["-DX"] as &[&str], &["-DX=2"], &["-O1"], &["-g"], &["--cflag=-fwrapv"], &["-I", "inc"]] {
        let Runs { pch, compile, .. } = project.again(flags);
        assert_eq!((pch.len(), compile.len()), (1, 2), "{flags:?}");
        assert_eq!(project.again(flags).counts(), (0, 0, 0), "{flags:?}");
    }
    project.again(&[]);
    // What only the link sees is linked again and nothing else.
    assert_eq!(project.again(&["--ldflag", LINKER_FLAG]).counts(), (0, 0, 1));
    assert_eq!(project.again(&["--ldflag", LINKER_FLAG]).counts(), (0, 0, 0));
}

#[test]
fn another_compiler_builds_all_again() {
    need!("gcc", "clang");
    let project = Project::new(&[]);
    project.again(&[]);
    project.place.good(&[&project.words, &["--cc", "clang"] as &[&str]].concat());
    assert_eq!(project.statuses(), ["built", "built"]);
    project.place.good(&[&project.words, &["--cc", "gcc"] as &[&str]].concat());
    assert_eq!(project.statuses(), ["built", "built"]);
    project.place.good(&[&project.words, &["--cc", "gcc -m64"] as &[&str]].concat());
    assert_eq!(project.statuses(), ["built", "built"]);
}

#[test]
fn a_touched_file_with_the_same_text_is_the_same() {
    need!("gcc");
    let project = Project::new(&["--compact"]);
    project.again(&[]);
    for name in ["a.c", "b.c", "own.h", "h.h", "below.h"] {
        let file = fs::File::options().append(true).open(project.place.join(name)).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(3600)).unwrap();
    }
    assert_eq!(project.again(&[]).counts(), (0, 0, 0));
}

#[test]
fn a_file_that_changed_within_the_same_second_and_size_is_another_one() {
    need!("gcc");
    let project = Project::new(&["--compact"]);
    let before = SystemTime::now() - Duration::from_secs(3600);
    let set = |name: &str, contents: &str| {
        project.edit(name, contents);
        fs::File::options().append(true).open(project.place.join(name)).unwrap().set_modified(before).unwrap();
    };
    set("own.h", "#define OWN 1\n");
    project.again(&[]);
    set("own.h", "#define OWN 7\n");
    assert_eq!(project.again(&[]).counts(), (0, 1, 1));
}

#[test]
fn a_library_that_was_removed_or_damaged_is_linked_again() {
    need!("gcc");
    for (more, libraries) in [(&[] as &[&str], ["a", "b"]), (&["--compact"], ["units", "units"])] {
        let project = Project::new(more);
        project.again(&[]);
        for library in libraries.map(|stem| project.place.join("out").join(library(stem))) {
            let whole = fs::read(&library).unwrap();
            fs::remove_file(&library).unwrap();
            assert_eq!(project.again(&[]).counts(), (0, 0, 1));
            // PE has the time of the link in it.
            assert!(cfg!(windows) || fs::read(&library).unwrap() == whole);
            fs::write(&library, &whole[..whole.len() / 2]).unwrap();
            assert_eq!(project.again(&[]).counts(), (0, 0, 1));
            // PE has the time of the link in it.
            assert!(cfg!(windows) || fs::read(&library).unwrap() == whole);
        }
    }
}

#[test]
fn an_object_that_was_removed_or_damaged_is_compiled_again() {
    need!("gcc");
    let project = Project::new(&["--compact"]);
    project.again(&[]);
    let objects = project.place.join("out/.mjit-cc/objects");
    let object = files(&objects, "o")[0].clone();
    let whole = fs::read(&object).unwrap();
    fs::remove_file(&object).unwrap();
    assert_eq!(project.again(&[]).counts(), (0, 1, 0));
    fs::write(&object, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(project.again(&[]).counts(), (0, 1, 0));
    assert!(fs::read(&object).unwrap() == whole);
    for record in files(&objects, "json") {
        fs::write(record, "{\"key\":").unwrap();
    }
    assert_eq!(project.again(&[]).counts(), (0, 2, 0));
    assert_eq!(project.again(&[]).counts(), (0, 0, 0));
}

#[test]
fn warnings_are_told_again() {
    need!("gcc");
    let project = Project::new(&["--compact"]);
    project.edit("b.c", WARNS);
    let said = || {
        let output = run(project.fake.behind(&mut project.place.tool(&project.words)), 0);
        let stderr = text(&output.stderr);
        stderr.lines().filter(|line| line.contains("mind the gap")).map(str::to_owned).collect::<Vec<_>>()
    };
    let first = said();
    assert!(first[0].starts_with("b.c:3:2: warning: #warning mind the gap"), "{first:?}");
    assert_eq!(said(), first);
    assert_eq!(project.statuses(), ["reused", "reused"]);
}

#[test]
fn where_the_environment_sends_the_compiler_for_headers_matters() {
    need!("gcc");
    let project = Project::new(&[]);
    project.edit("b.c", "#include <given.h>\nint b(void) { return GIVEN; }\n");
    project.edit("one/given.h", "#define GIVEN 1\n");
    project.edit("two/given.h", "#define GIVEN 2\n");
    let built = |variable: &str, dir: &str| {
        let path = project.place.join(dir);
        project.with(&[], |command| command.env(variable, path)).compile.len()
    };
    assert_eq!([built("CPATH", "one"), built("CPATH", "one")], [2, 0]);
    assert_eq!([built("CPATH", "two"), built("CPATH", "two")], [2, 0]);
    assert_eq!([built("C_INCLUDE_PATH", "two"), built("C_INCLUDE_PATH", "two")], [2, 0]);
}

#[test]
fn a_library_that_is_linked_in_by_its_path_is_watched() {
    need!("gcc", "ar");
    let project = Project::new(&["--compact", "--ldflag=libdep.a"]);
    let make = |value: i32| {
        project.edit("dep.c", &unit("dep", value));
        let mut script = Command::new("sh");
        let steps = "gcc -fPIC -c dep.c && rm -f libdep.a && ar rcD libdep.a dep.o";
        run(script.current_dir(project.place.path()).args(["-c", steps]), 0);
    };
    project.edit("b.c", "int dep(void);\nint b(void) { return dep(); }\n");
    make(1);
    assert_eq!(project.again(&[]).counts(), (1, 2, 1));
    make(1);
    assert_eq!(project.again(&[]).counts(), (0, 0, 0));
    make(2);
    assert_eq!(project.again(&[]).counts(), (0, 0, 1));
}

#[test]
fn what_compiled_beside_a_failure_is_not_compiled_again() {
    need!("gcc");
    for more in [&[] as &[&str], &["--compact"]] {
        let project = Project::new(more);
        project.edit("b.c", BROKEN);
        let mut command = project.place.tool(&[&project.words, &["-k"] as &[&str]].concat());
        run(project.fake.behind(&mut command), 1);
        assert_eq!(project.statuses(), ["built", "failed"]);
        project.fake.runs();
        project.edit("b.c", "int b(void) { return ONE; }\n");
        assert_eq!(project.again(&[]).compile.len(), 1);
        assert_eq!(project.statuses(), ["reused", "built"]);
    }
}

#[test]
fn a_unit_that_was_left_out_is_not_in_the_library_any_more() {
    need!("gcc");
    let project = Project::new(&["--compact"]);
    project.again(&[]);
    let mut command = project.place.tool(&["compile", "--compact", "--header", "h.h", "b.c"]);
    run(project.fake.behind(&mut command), 0);
    assert_eq!(project.fake.runs().counts(), (0, 0, 1));
    assert_eq!(fields(&project.place.join("out"), "unit"), ["b.c"]);
    // What nobody uses any more is not kept.
    assert_eq!(files(&project.place.join("out/.mjit-cc/objects"), "o").len(), 1);
}
