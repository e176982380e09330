//! Files that are found earlier on the search path than before, and files of which a text asks whether they are there.

use crate::table::{Place, Row};

const FOUND: Row<'static> = Row {
    before: "#include <v.h>\nenum { VALUE = V };\n",
    flags: &["-Ifirst", "-Isecond"],
    prepare: &|place| {
        place.write("first/other.h", "");
        place.write("second/v.h", "#define V 1\n");
    },
    change: &|place| place.write("first/v.h", "#define V 2\n"),
    ..Row::PLAIN
};

#[test]
fn a_file_that_comes_first_on_the_search_path_is_found() {
    Row { what: "-I", ..FOUND }.check();
    let prepare = |place: &mut Place| place.write("second/v.h", "#define V 1\n");
    Row { what: "-I, a directory that was not there", prepare: &prepare, ..FOUND }.check();
    let flags = &["-Ifirst", "--cflag=-isystem", "--cflag=second"];
    Row { what: "-isystem", flags, ..FOUND }.check();
    let prepare = |place: &mut Place| {
        place.write("first/other.h", "");
        place.write("second/v.h", "#define V 1\n");
        place.set("CPATH", "first:second");
    };
    Row { what: "CPATH", flags: &[], prepare: &prepare, ..FOUND }.check();
    // A header of the system's.
    let change = |place: &mut Place| place.write("first/errno.h", "#define ENOENT 77\n");
    let before = "#include <errno.h>\nenum { VALUE = ENOENT };\n";
    Row { what: "a system header", before, change: &change, ..FOUND }.check();
}

#[test]
fn a_file_that_comes_beside_its_includer_is_found() {
    let before = "#include \"v.h\"\nenum { VALUE = V };\n";
    let change = |place: &mut Place| place.write("v.h", "#define V 2\n");
    Row { what: "beside the unit", before, change: &change, ..FOUND }.check();
    let prepare = |place: &mut Place| {
        place.write("third/middle.h", "#include \"v.h\"\n");
        place.write("second/v.h", "#define V 1\n");
    };
    let change = |place: &mut Place| place.write("third/v.h", "#define V 2\n");
    let before = "#include \"third/middle.h\"\nenum { VALUE = V };\n";
    Row { what: "beside a header", before, prepare: &prepare, change: &change, ..FOUND }.check();
    let before = "#define NAME \"v.h\"\n#include NAME\nenum { VALUE = V };\n";
    let change = |place: &mut Place| place.write("v.h", "#define V 2\n");
    Row { what: "by a name that a macro makes", before, change: &change, ..FOUND }.check();
}

#[test]
fn a_file_that_a_text_asks_for_is_noticed() {
    let asks = |question: &str| {
        format!("#if {question}\n#include <later.h>\n#else\n#define V 1\n#endif\nenum {{ VALUE = V }};\n")
    };
    let change = |place: &mut Place| place.write("first/later.h", "#define V 2\n");
    for question in [
        "__has_include(<later.h>)",
        "__has_include(\"later.h\")",
        "defined(__has_include) && __has_include( <later.h> )",
    ] {
        Row { what: question, before: &asks(question), change: &change, ..FOUND }.check();
    }
    // A name that stands elsewhere: it cannot be said what is asked for.
    let hidden = format!("#define HAS(name) __has_include(name)\n{}", asks("HAS(<later.h>)"));
    Row { what: "by a macro", before: &hidden, is_kept: false, change: &change, ..FOUND }.check();
    let gone = "#if __has_include(<there.h>)\n#define V 1\n#else\n#define V 2\n#endif\nenum { VALUE = V };\n";
    let prepare = |place: &mut Place| place.write("second/there.h", "");
    let change = |place: &mut Place| std::fs::remove_file(place.path().join("second/there.h")).unwrap();
    Row { what: "one that goes", before: gone, prepare: &prepare, change: &change, ..FOUND }.check();
}
