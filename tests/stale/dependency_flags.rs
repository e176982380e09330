//! Flags of the user's for a list of dependencies, which must not take anything off the tool's own.

use crate::support::run;
use crate::table::{BOTH, Place, Row};

const LIMIT: Row<'static> = Row {
    before: "#include <limit.h>\n",
    prepare: &|place| place.write("sys/limit.h", "#define VALUE 1\n"),
    change: &|place| place.write("sys/limit.h", "#define VALUE 2\n"),
    ..Row::PLAIN
};

fn check(words: &[&str], compilers: &[&str]) {
    let flags: Vec<String> = ["-isystem", "sys"].iter().chain(words).map(|word| format!("--cflag={word}")).collect();
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    Row { what: &words.join(" "), flags: &flags, compilers, ..LIMIT }.check();
}

#[test]
fn flags_for_a_list_hide_no_input() {
    for words in [
        &["-MMD"] as &[&str],
        &["-MD", "-MF", "mine.d"],
        &["-MMD", "-MFmine.d", "-MT", "x", "-MQ", "y", "-MP", "-MG"],
        &["-Wp,-MMD,mine.d"],
        &["-Wp,-MD,mine.d,-DX"],
    ] {
        check(words, BOTH);
    }
    check(&["-Xpreprocessor", "-MMD", "-Xpreprocessor", "mine.d"], &["gcc"]);
    check(&["-Xclang", "-dependency-file", "-Xclang", "mine.d"], &["clang-19"]);
    check(&["-MJcommands.json", "-MV"], &["clang-19"]);
}

#[test]
fn flags_in_a_response_file_hide_no_input() {
    let prepare = |place: &mut Place| {
        place.write("sys/limit.h", "#define VALUE 1\n");
        place.write("flags", "-isystem sys -MMD -MF mine.d");
    };
    Row { what: "@flags with -MMD", flags: &["--cflag=@flags"], prepare: &prepare, ..LIMIT }.check();
}

#[test]
fn what_hides_inputs_without_being_seen_is_noticed() {
    let prepare = |place: &mut Place| {
        place.write("sys/limit.h", "#define VALUE 1\n");
        place.script("wrapped", "exec gcc -isystem sys -MMD \"$@\"");
        place.write("cfg/clang.cfg", "-isystem sys -MMD");
    };
    let row = Row { what: "hidden -MMD", is_kept: false, prepare: &prepare, ..LIMIT };
    Row { compilers: &["./wrapped"], ..row }.check();
    let row = Row { what: "hidden -MMD", is_kept: false, prepare: &prepare, ..LIMIT };
    Row { compilers: &["clang-19"], flags: &["--cflag=--config=./cfg/clang.cfg"], ..row }.check();
}

#[test]
fn flags_that_list_instead_of_compiling_are_refused() {
    let place = Place::new();
    place.write("unit.c", "int value;\n");
    place.write("flags", "-M");
    for flag in ["-M", "-MM", "-E", "-S", "-Wp,-MM", "@flags"] {
        let output = run(&mut place.tool(&["compile", "unit.c", "--cc", "gcc", &format!("--cflag={flag}")]), 2);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("would make no object") || said.contains("and make no object"), "{flag}: {said}");
    }
}
