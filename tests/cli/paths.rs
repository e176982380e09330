//! Names that shells, compilers and makefiles have a meaning for, names that are too long for one of them, and command lines
//! that are too long for the system.

#![cfg(unix)]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::compile::{Fake, Place, fields, unit};
use crate::support::{self, need, run, text};

/// A directory whose name is odd, and in it a header, units, a place for temporary files and the output, all called like that.
struct Odd<'a> {
    name: &'a str,
    cc: &'a str,
    place: Place,
}

impl<'a> Odd<'a> {
    fn new(name: &'a str, cc: &'a str) -> Self {
        let odd = Self { name, cc, place: Place::new() };
        odd.write(&format!("h {name}/{name}.h"), "#include \"below.h\"\n");
        odd.write(&format!("h {name}/below.h"), "#define ONE 1\n");
        odd.write(&format!("{name}/beside.h"), "#define BESIDE 1\n");
        odd.write(&format!("{name}.c"), "int one(void) { return ONE; }\n");
        odd.write(&format!("{name}/{name}2.c"), "#include \"beside.h\"\nint two(void) { return ONE + BESIDE; }\n");
        odd.write(&format!("{name}/{name}3.c"), "int bad(void)\n{\n    return missing;\n}\n");
        fs::create_dir(odd.place.join(name).join(format!("{name}tmp"))).unwrap();
        odd
    }

    fn write(&self, name: &str, contents: &str) {
        self.place.write(&format!("{}/{name}", self.name), contents);
    }

    fn dir(&self) -> std::path::PathBuf {
        self.place.join(self.name)
    }

    fn tool(&self, words: &[&str], units: &[String]) -> Command {
        let Self { name, cc, .. } = self;
        let mut command = self.place.tool(&["compile", "--cc", cc]);
        command.current_dir(self.dir()).env("TMPDIR", self.dir().join(format!("{name}tmp")));
        command.arg(format!("--header=h {name}/{name}.h")).arg(format!("--out-dir={name}/{name}out"));
        command.args(words).arg("--").args(units);
        command
    }

    fn units(&self) -> [String; 2] {
        let name = self.name;
        [format!("{name}.c"), format!("{name}/{name}2.c")]
    }

    /// What became of the units.
    #[track_caller]
    fn statuses(&self, words: &[&str]) -> Vec<String> {
        let output = run(&mut self.tool(words, &self.units()), 0);
        let said = text(&output.stderr);
        let ours = |line: &&str| line.contains("warning: ") && !line.starts_with("warning: tcc has no precompiled");
        assert_eq!(said.lines().find(ours), None, "{said}");
        support::statuses(&self.out())
    }

    fn out(&self) -> std::path::PathBuf {
        self.dir().join(self.name).join(format!("{}out", self.name))
    }

    #[track_caller]
    fn check(&self) {
        let Self { name, cc, .. } = self;
        for words in [&[] as &[&str], &["--compact"]] {
            let how = format!("{cc} with {name:?} {words:?}");
            assert_eq!(self.statuses(words), [if words.is_empty() { "built" } else { "reused" }; 2], "{how}");
            for library in fields(&self.out(), "library") {
                let library = self.out().join(library.as_str().unwrap());
                assert!(library.is_file(), "{how}: no {}", library.display());
            }
        }
        // The files that were read are known by their names.
        assert_eq!(self.statuses(&[]), ["reused", "reused"], "{cc} with {name:?}, the same again");
        self.write(&format!("{name}/beside.h"), "#define BESIDE 2\n");
        assert_eq!(self.statuses(&[]), ["reused", "built"], "{cc} with {name:?}, another beside.h");
        self.write(&format!("h {name}/below.h"), "#define ONE 2\n");
        assert_eq!(self.statuses(&[]), ["built", "built"], "{cc} with {name:?}, another below.h");

        let bad = format!("{name}/{name}3.c");
        let output = run(&mut self.tool(&["--message-format=json"], std::slice::from_ref(&bad)), 1);
        let messages = text(&output.stdout);
        let mut messages = messages.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let diagnostic = messages.find(|message| message["event"] == "diagnostic").unwrap();
        assert_eq!((diagnostic["file"].as_str().unwrap(), &diagnostic["line"]), (&*bad, &3.into()), "{cc}");
    }
}

/// Names that compilers, shells or makefiles read something into.
const NAMES: [&str; 6] = ["it's #1 # of", "$HOME $$ 100% %s", "ünï→コード;&|(x)", "-dash", "@at", "star*?[1] a:b"];

fn odd_names_work_with(cc: &str) {
    need!(cc);
    for name in NAMES {
        // tcc takes a colon for the end of one -I folder and the beginning of the next.
        let name = if cc == "tcc" { name.replace(':', "") } else { name.to_owned() };
        Odd::new(&name, cc).check();
    }
}

#[test]
fn gcc_compiles_whatever_files_and_folders_are_called() {
    odd_names_work_with("gcc");
}

#[test]
fn clang_compiles_whatever_files_and_folders_are_called() {
    odd_names_work_with("clang");
}

#[test]
fn clang_19_compiles_whatever_files_and_folders_are_called() {
    odd_names_work_with("clang-19");
}

#[test]
fn tcc_compiles_whatever_files_and_folders_are_called() {
    odd_names_work_with("tcc");
}

#[test]
fn double_quotes_in_names_work() {
    for cc in ["gcc", "clang", "clang-19"] {
        need!(cc);
        Odd::new("say \"x\"", cc).check();
    }
}

#[test]
fn tabs_in_names_work() {
    for cc in ["gcc", "clang"] {
        need!(cc);
        Odd::new("tab\tin it", cc).check();
    }
}

#[test]
fn gcc_takes_backslashes_in_names() {
    need!("gcc");
    for name in [r"back\slash", r"back\ space", r"back\#hash", r"n\n\\x"] {
        Odd::new(name, "gcc").check();
    }
}

#[test]
fn tcc_takes_backslashes_in_names() {
    need!("tcc");
    for name in [r"back\slash", r"n\n\\x"] {
        Odd::new(name, "tcc").check();
    }
}

/// Compilers list the files that they read in a language that has no word for some names (and clang writes `/` for `\`).
fn what_no_list_can_name_is_compiled_each_time_with(cc: &str, name: &str) {
    need!(cc);
    let odd = Odd::new(name, cc);
    assert_eq!(odd.statuses(&[]), ["built", "built"], "{cc} with {name:?}");
    odd.write(&format!("h {name}/below.h"), "#define ONE 2\n");
    assert_eq!(odd.statuses(&[]), ["built", "built"], "{cc} with {name:?}");
    odd.write(&format!("{name}/beside.h"), "#define BESIDE 2\n");
    assert_eq!(odd.statuses(&[])[1], "built", "{cc} with {name:?}");
}

#[test]
fn clang_takes_backslashes_in_names() {
    for cc in ["clang", "clang-19"] {
        for name in [r"back\slash", r"back\ space", r"n\n\\x"] {
            what_no_list_can_name_is_compiled_each_time_with(cc, name);
        }
    }
}

#[test]
fn names_with_a_line_end_in_them_compile() {
    for cc in ["gcc", "clang"] {
        what_no_list_can_name_is_compiled_each_time_with(cc, "two\nlines");
    }
}

#[test]
fn names_that_are_not_utf_8_compile() {
    need!("gcc");
    let place = Place::new();
    let name = |ending: &str| OsString::from(OsStr::from_bytes(&[b"caf\xe9", ending.as_bytes()].concat()));
    fs::write(place.path().join(name(".c")), unit("u", 1)).unwrap();
    fs::write(place.path().join(name(".h")), "#define ONE 1\n").unwrap();
    let mut command = place.tool(&["compile", "--cc", "gcc", "--compact", "--out-dir"]);
    run(command.arg(name("")).arg("--header").arg(name(".h")).arg(name(".c")), 0);
    assert!(place.path().join(name("")).join("units.so").is_file());
}

#[test]
fn a_unit_may_have_the_longest_name_that_there_is() {
    need!("gcc");
    // 255 bytes on every usual file system; its library has one more letter than it.
    let name = format!("{}.c", "u".repeat(252));
    let place = Place::new();
    place.write(&name, unit("u", 1));
    for more in [&[] as &[&str], &["--compact"]] {
        place.good(&[&["compile", "--cc", "gcc", &name], more].concat());
        assert_eq!(support::statuses(&place.join("out")), [if more.is_empty() { "built" } else { "reused" }]);
    }
}

#[test]
fn a_header_may_have_the_longest_name_that_there_is() {
    need!("gcc");
    let name = format!("{}.h", "h".repeat(253));
    let place = Place::new();
    place.write(&name, "#define ONE 1\n");
    place.write("u.c", "int u(void) { return ONE; }\n");
    place.good(&["compile", "--cc", "gcc", "--header", &name, "u.c"]);
}

/// A folder so deep that a hundred paths in it are too long for a command line.
fn deep() -> String {
    let part = format!("it's a \"deep\" #{}", "x".repeat(180));
    vec![part; 8].join("/")
}

/// One library of a hundred units, linked through a response file.
fn many_objects_are_linked_with(cc: &str) {
    need!(cc);
    let place = Place::new();
    let units: Vec<String> = (0..100).map(|number| format!("u{number}.c")).collect();
    for (number, name) in units.iter().enumerate() {
        place.write(name, unit(&format!("u{number}"), 1));
    }
    let fake = Fake::of(cc);
    let mut command = place.tool(&["compile", "--compact", "-O0", "--out-dir", &deep()]);
    run(fake.behind(&mut command).args(&units), 0);
    let [link] = &fake.runs().link[..] else { panic!("not one link") };
    assert!(link[0].starts_with('@') && !link[0].starts_with("@ "), "{:.200}", link[0]);
    assert!(link[1..].iter().all(|line| line.starts_with("@ ")));
    assert!(link.iter().map(String::len).sum::<usize>() > 128 * 1024);
    let symbols = fields(&place.join(&deep()), "symbols");
    assert_eq!(symbols.len(), 100);
    assert!(symbols.iter().all(|symbols| symbols.as_array().unwrap().len() == 1), "{symbols:?}");
    let response = Path::new(link[0].strip_prefix('@').unwrap());
    assert!(!response.exists(), "{} is left", response.display());
}

#[test]
fn gcc_links_what_no_command_line_holds() {
    many_objects_are_linked_with("gcc");
}

#[test]
fn clang_links_what_no_command_line_holds() {
    many_objects_are_linked_with("clang");
}

#[test]
fn tcc_links_what_no_command_line_holds() {
    many_objects_are_linked_with("tcc");
}

#[test]
fn flags_that_no_command_line_holds_reach_the_compiler() {
    let odd = r#"it's a "word" \n #%$x"#;
    // Not gcc, which puts them all into one environment variable that is as limited.
    for cc in ["clang", "tcc"] {
        need!(cc);
        let place = Place::new();
        place.write("h.h", "#define ONE 1\n");
        place.write("u.c", "const char *u(void) { return TEXT + LAST1999 + ONE; }\n");
        let quoted = format!("-DTEXT=\"{}\"", odd.replace('\\', r"\\").replace('"', "\\\""));
        let fake = Fake::of(cc);
        let mut command = place.tool(&["compile", "--header", "h.h", "u.c", &quoted]);
        for number in 0..2000 {
            command.arg(format!("-DLAST{number}={}", "0".repeat(80)));
        }
        run(fake.behind(&mut command), 0);
        let runs = fake.runs();
        assert!(runs.compile[0][0].starts_with('@'), "{cc}: {:.200}", runs.compile[0][0]);
        assert!(runs.pch.iter().all(|words| words[0].starts_with('@')));
        let library = fs::read(place.join("out/u.so")).unwrap();
        assert!(library.windows(odd.len()).any(|window| window == odd.as_bytes()), "{cc} read another string");
    }
}

#[test]
fn folders_on_the_command_line_are_relative_to_where_the_user_is() {
    for cc in ["gcc", "clang", "tcc"] {
        need!(cc);
        let place = Place::new();
        place.write("here/-inc/given.h", "#define GIVEN 1\n");
        place.write("here/@inc/other.h", "#define OTHER 1\n");
        place.write("here/u.c", "#include <given.h>\n#include <other.h>\nint u(void) { return GIVEN + OTHER; }\n");
        let mut command = place.tool(&["compile", "--cc", cc, "-I-inc", "-I", "@inc", "--out-dir", "../there", "u.c"]);
        run(command.current_dir(place.join("here")), 0);
        assert!(place.join("there/u.so").is_file());
    }
}
