//! Configuration that no flag names: a compiler's own files, variables, and programs that stand in a compiler's place.

use crate::table::{Place, Row};

const DEFINED: Row<'static> = Row { before: "#ifndef V\n#define V 0\n#endif\nenum { VALUE = V };\n", ..Row::PLAIN };

#[test]
fn files_that_clang_reads_by_itself_are_noticed() {
    let change = |place: &mut Place| {
        for name in ["clang.cfg", "clang-19.cfg", "x86_64-pc-linux-gnu-clang.cfg"] {
            place.write(&format!("cfg/{name}"), "-DV=7");
        }
    };
    let prepare = |place: &mut Place| place.write("cfg/other", "");
    let flags = &["--cflag=--config-user-dir=cfg"];
    Row { what: "a default file", flags, compilers: &["clang-19"], prepare: &prepare, change: &change, ..DEFINED }
        .check();
}

#[test]
fn variables_that_compilers_read_are_noticed() {
    let change = |place: &mut Place| place.set("CCC_OVERRIDE_OPTIONS", "# +-DV=9");
    Row { what: "CCC_OVERRIDE_OPTIONS", compilers: &["clang-19"], change: &change, ..DEFINED }.check();
    let prepare = |place: &mut Place| {
        place.write("one/v.h", "#define V 1\n");
        place.write("two/v.h", "#define V 2\n");
        place.set("CPATH", "one");
    };
    let change = |place: &mut Place| place.set("CPATH", "two");
    let before = "#include <v.h>\nenum { VALUE = V };\n";
    Row { what: "CPATH", before, prepare: &prepare, change: &change, ..DEFINED }.check();
}

#[test]
fn what_a_wrapper_adds_is_noticed() {
    for (what, line) in [("a variable", "exec gcc $WRAPPED \"$@\""), ("a file", "exec gcc $(cat added) \"$@\"")] {
        let prepare = |place: &mut Place| {
            place.script("wrapped", line);
            place.write("added", "-DV=1");
        };
        let change = |place: &mut Place| {
            place.write("added", "-DV=2");
            place.set("WRAPPED", "-DV=3");
        };
        Row { what, compilers: &["./wrapped"], prepare: &prepare, change: &change, ..DEFINED }.check();
    }
}
