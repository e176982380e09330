//! Files that flags name, at any depth.

use crate::support::{has, skip};
use crate::table::{Place, Row};

const DEFINED: Row<'static> = Row { before: "enum { VALUE = V };\n", ..Row::PLAIN };

#[test]
fn response_files_are_watched() {
    let prepare = |place: &mut Place| place.write("flags", "-DV=1");
    let change = |place: &mut Place| place.write("flags", "-DV=2");
    Row { what: "@flags", flags: &["--cflag=@flags"], prepare: &prepare, change: &change, ..DEFINED }.check();
    let prepare = |place: &mut Place| {
        place.write("flags", "@inner");
        place.write("inner", "-DV=1");
    };
    let change = |place: &mut Place| place.write("inner", "-DV=2");
    Row { what: "@inner in @flags", flags: &["--cflag=@flags"], prepare: &prepare, change: &change, ..DEFINED }.check();
    // Two compilers would read these words in two ways: the file stays one.
    let prepare = |place: &mut Place| {
        place.write("flags", "\"-DX=\\\"a b\\\"\" @inner");
        place.write("inner", "-DV=1");
    };
    Row { what: "quoted", flags: &["--cflag=@flags"], prepare: &prepare, change: &change, ..DEFINED }.check();
}

#[test]
fn configuration_files_are_watched() {
    let prepare = |place: &mut Place| {
        place.write("my.cfg", "@inner.cfg");
        place.write("inner.cfg", "-DV=1");
    };
    let change = |place: &mut Place| place.write("inner.cfg", "-DV=2");
    let flags = &["--cflag=--config=./my.cfg"];
    Row { what: "--config", flags, compilers: &["clang-19"], prepare: &prepare, change: &change, ..DEFINED }.check();
    let specs = |value: i32| format!("*cpp_unique_options:\n+ -DV={value}\n\n");
    let prepare = |place: &mut Place| place.write("my.specs", specs(1));
    let change = |place: &mut Place| place.write("my.specs", specs(2));
    let flags = &["--cflag=-specs=my.specs"];
    Row { what: "-specs", flags, compilers: &["gcc"], prepare: &prepare, change: &change, ..DEFINED }.check();
}

#[test]
fn headers_that_flags_include_are_watched() {
    let prepare = |place: &mut Place| place.write("config.h", "#define V 1\n");
    let change = |place: &mut Place| place.write("config.h", "#define V 2\n");
    for flag in ["-include", "-imacros"] {
        let word = format!("--cflag={flag}");
        let flags = [word.as_str(), "--cflag=config.h"];
        Row { what: flag, flags: &flags, prepare: &prepare, change: &change, ..DEFINED }.check();
    }
    // In the working directory it comes before that in a directory of the list.
    let prepare = |place: &mut Place| place.write("inc/config.h", "#define V 1\n");
    let flags = &["-Iinc", "--cflag=-include", "--cflag=config.h"];
    Row { what: "-include, found elsewhere", flags, prepare: &prepare, change: &change, ..DEFINED }.check();
}

#[test]
fn overlays_are_watched() {
    let overlay = |place: &mut Place, to: &str| {
        let dir = place.path().display().to_string();
        place.write("overlay.yaml", format!(
            "{{'version': 0, 'roots': [{{'name': '{dir}', 'type': 'directory', 'contents': [{{'name': 'virtual.h', 'type': 'file', 'external-contents': '{dir}/{to}'}}]}}]}}"
        ));
    };
    let prepare = |place: &mut Place| {
        place.write("one.h", "#define V 1\n");
        place.write("two.h", "#define V 2\n");
        overlay(place, "one.h");
    };
    let change = |place: &mut Place| overlay(place, "two.h");
    let (before, flags) =
        ("#include \"virtual.h\"\nenum { VALUE = V };\n", &["--cflag=-ivfsoverlay", "--cflag=overlay.yaml", "-I."]);
    Row {
        what: "-ivfsoverlay",
        before,
        flags,
        compilers: &["clang-19"],
        prepare: &prepare,
        change: &change,
        ..DEFINED
    }
    .check();
}

#[test]
fn lists_of_what_to_instrument_are_watched() {
    let list = |place: &mut Place, name: &str| place.write("list", format!("[never]\nfun:{name}\n"));
    let (prepare, change) = (|place: &mut Place| list(place, "other"), |place: &mut Place| list(place, "value"));
    let flags = [
        "-DV=1",
        "--cflag=-fxray-instrument",
        "--cflag=-fxray-instruction-threshold=1",
        "--cflag=-fxray-attr-list=list",
    ];
    let row = Row { what: "-fxray-attr-list", flags: &flags, compilers: &["clang-19"], ..DEFINED };
    Row { prepare: &prepare, change: &change, ..row }.check();
}

#[test]
fn another_assembler_behind_a_flag_is_noticed() {
    if !has("as") {
        return;
    }
    let assembler = |place: &mut Place, value: i32| {
        place.script("bin/as", &format!("exec /usr/bin/as --defsym chosen={value} \"$@\""));
    };
    if !std::path::Path::new("/usr/bin/as").exists() {
        return skip("the assembler is somewhere else");
    }
    let before = "__asm__(\".section .rodata\\nblob: .byte chosen\\n.previous\");\n";
    let unit = "extern const unsigned char blob[] __attribute__((visibility(\"hidden\")));\nint value(void) { return blob[0]; }\n";
    let (prepare, change) = (|place: &mut Place| assembler(place, 1), |place: &mut Place| assembler(place, 2222));
    Row {
        what: "-B",
        before,
        unit,
        flags: &["--cflag=-B./bin"],
        compilers: &["gcc"],
        prepare: &prepare,
        change: &change,
        ..Row::PLAIN
    }
    .check_in(&[crate::table::Keeper::OutputDirectory, crate::table::Keeper::Cache]);
}
