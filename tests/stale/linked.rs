//! Everything that a link reads, when the driver links.

use crate::support::has;
use crate::table::{BOTH, Keeper, Place, Row};

/// A unit that calls `dep`, which some library has.
const CALLS: Row<'static> = Row {
    unit: "int dep(void);\nint value(void) { return dep(); }\n",
    prepare: &|place| archive(place, "first", "dep", 1),
    change: &|place| archive(place, "first", "dep", 2),
    ..Row::PLAIN
};

/// Makes `DIR/libNAME.a`, whose `dep` gives a value.
fn archive(place: &mut Place, dir: &str, name: &str, value: i32) {
    object(place, value);
    place.shell(&format!("mkdir -p {dir} && rm -f {dir}/lib{name}.a && ar rcD {dir}/lib{name}.a dep.o"));
}

fn object(place: &Place, value: i32) {
    place.write("dep.c", format!("__attribute__((visibility(\"hidden\"))) int dep(void) {{ return {value}; }}\n"));
    place.shell("gcc -O1 -fPIC -c dep.c");
}

fn check(row: &Row<'_>) {
    if has("gcc") && has("ar") {
        row.check_in(&[Keeper::OutputDirectory, Keeper::Cache]);
    }
}

#[test]
fn libraries_that_the_linker_searches_for_are_watched() {
    for flags in [
        &["--ldflag=-Lfirst", "--ldflag=-ldep"] as &[&str],
        &["--ldflag=-Wl,-Lfirst", "--ldflag=-Wl,-ldep"],
        &["--ldflag=-Lfirst", "--ldflag=-l:libdep.a"],
        &["--ldflag=first/libdep.a"],
    ] {
        check(&Row { what: &flags.join(" "), flags, is_cached: true, ..CALLS });
    }
    // Behind clang, gold writes the path of its output into the library's versions: no two such libraries are equal.
    for (linker, compilers) in [("gold", &BOTH[..1]), ("lld", BOTH)] {
        if has(&format!("ld.{linker}")) {
            let flags = &["--linker", linker, "--ldflag=-Lfirst", "--ldflag=-ldep"];
            check(&Row { what: linker, flags, compilers, ..CALLS });
        }
    }
}

#[test]
fn a_library_that_is_found_first_is_linked() {
    let flags = &["--ldflag=-Lfirst", "--ldflag=-Lsecond", "--ldflag=-ldep"];
    let prepare = |place: &mut Place| {
        place.write("first/other", "");
        archive(place, "second", "dep", 1);
    };
    check(&Row { what: "an earlier directory", flags, prepare: &prepare, ..CALLS });
    let prepare = |place: &mut Place| archive(place, "second", "dep", 1);
    let change = |place: &mut Place| place.shell("gcc -shared -nostdlib -o second/libdep.so dep.o");
    check(&Row { what: "a shared one beside", flags, prepare: &prepare, change: &change, ..CALLS });
}

#[test]
fn files_that_link_flags_name_are_watched() {
    let prepare = |place: &mut Place| {
        archive(place, "first", "dep", 1);
        archive(place, "second", "dep", 2);
        place.write("link.rsp", "-Lfirst -ldep");
        place.write("inner.rsp", "first/libdep.a");
        place.write("outer.rsp", "@inner.rsp");
    };
    let change = |place: &mut Place| {
        place.write("link.rsp", "-Lsecond -ldep");
        place.write("inner.rsp", "second/libdep.a");
    };
    for flag in ["--ldflag=@link.rsp", "--ldflag=@outer.rsp", "--ldflag=-Wl,@outer.rsp"] {
        check(&Row { what: flag, flags: &[flag], prepare: &prepare, change: &change, ..CALLS });
    }
    let prepare = |place: &mut Place| place.write("v.map", "{ global: value; other; };\n");
    let change = |place: &mut Place| place.write("v.map", "{ global: value; local: *; };\n");
    let unit = "int other(void) { return 2; }\nint value(void) { return other(); }\n";
    for flag in ["--ldflag=-Wl,--version-script,v.map", "--ldflag=-Wl,--version-script=v.map"] {
        check(&Row { what: flag, unit, flags: &[flag], prepare: &prepare, change: &change, ..CALLS });
    }
}

#[test]
fn what_other_files_of_the_link_name_is_watched() {
    let prepare = |place: &mut Place| {
        archive(place, "first", "dep", 1);
        place.write("first/libscript.so", "INPUT(-ldep)\n");
    };
    let flags = &["--ldflag=-Lfirst", "--ldflag=-lscript"];
    check(&Row { what: "a script", flags, prepare: &prepare, ..CALLS });
    let prepare = |place: &mut Place| {
        object(place, 1);
        place.shell("mkdir -p first && ar rcDT first/libthin.a dep.o");
    };
    let change = |place: &mut Place| object(place, 2);
    let flags = &["--ldflag=-Lfirst", "--ldflag=-lthin"];
    check(&Row { what: "a thin archive", flags, prepare: &prepare, change: &change, ..CALLS });
}

#[test]
fn a_link_that_reads_nothing_but_objects_is_not_done_again() {
    check(&Row {
        what: "the unit",
        unit: "int value(void) { return 1; }\n",
        flags: &["--linker", "driver"],
        compilers: BOTH,
        change: &|place| place.write("unit.c", "int value(void) { return 2; }\n"),
        ..Row::PLAIN
    });
}
