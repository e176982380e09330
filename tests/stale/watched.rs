//! Files and variables that only the user knows of: `--hash-file` and `--hash-env`.

use crate::support::{need, run, text};
use crate::table::{Place, Row};

/// A compiler's plug-in for want of one: a wrapper whose answer is the same whatever it reads.
const HIDDEN: &str = "case \" $* \" in *' -c '*|*c-header*) exec gcc -DVALUE=$(cat hidden 2>/dev/null || echo ${HIDDEN-1}) \"$@\" ;; esac\nexec gcc -DVALUE=0 \"$@\"";

const ROW: Row<'static> = Row { before: "enum { FROM = VALUE };\n", compilers: &["./cc"], ..Row::PLAIN };

#[test]
fn a_file_that_no_tool_can_see_is_watched() {
    let prepare = |place: &mut Place| {
        place.script("cc", HIDDEN);
        place.write("hidden", "1");
    };
    let change = |place: &mut Place| place.write("hidden", "2");
    Row { what: "--hash-file", flags: &["--hash-file", "hidden"], prepare: &prepare, change: &change, ..ROW }.check();
}

#[test]
fn a_variable_that_no_tool_can_see_is_watched() {
    let prepare = |place: &mut Place| place.script("cc", HIDDEN);
    let change = |place: &mut Place| place.set("HIDDEN", "2");
    Row { what: "--hash-env", flags: &["--hash-env", "HIDDEN"], prepare: &prepare, change: &change, ..ROW }.check();
}

#[test]
fn a_file_to_watch_that_is_not_there_is_an_error() {
    need!("gcc");
    let place = Place::new();
    place.write("unit.c", "int value;\n");
    let output = run(&mut place.tool(&["compile", "unit.c", "--cc", "gcc", "--hash-file", "none"]), 1);
    assert!(text(&output.stderr).contains("cannot read"), "{}", text(&output.stderr));
}
