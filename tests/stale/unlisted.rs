//! Files that no list of dependencies has: what the assembler reads. Also what `#embed` reads.

use crate::support::{has, run, skip, text};
use crate::table::{Keeper, Place, Row};

/// A unit that gives the first byte of what the assembler has put at `blob`.
const BLOB: &str =
    "extern const unsigned char blob[] __attribute__((visibility(\"hidden\")));\nint value(void) { return blob[0]; }\n";

const READS: Row<'static> = Row {
    unit: BLOB,
    is_kept: false,
    prepare: &|place| {
        place.write("data.bin", "A");
        place.write("data.s", ".byte 65\n");
        place.write("inc.h", "#define HOW \".inc\" \"bin\"\n#define BLOB(file) __asm__(\".section .rodata\\nblob:\\n\" HOW \" \\\"\" file \"\\\"\\n.previous\\n\")\n");
    },
    change: &|place| {
        place.write("data.bin", "B");
        place.write("data.s", ".byte 66\n");
    },
    ..Row::PLAIN
};

#[test]
fn what_the_assembler_reads_is_read_again() {
    for (what, before) in [
        (".incbin", r#"__asm__(".section .rodata\nblob:\n.incbin \"data.bin\"\n.previous\n");"#),
        (".include", r#"__asm__(".section .rodata\nblob:\n.include \"data.s\"\n.previous\n");"#),
        ("in pieces", r#"__asm__(".section .rodata\nblob:\n.inc" "bin \"data.bin\"\n.previous\n");"#),
        ("escaped", r#"__asm__(".section .rodata\nblob:\n.\x69ncbin \"data.bin\"\n.previous\n");"#),
        ("in a macro of an included file", "#include \"inc.h\"\nBLOB(\"data.bin\");"),
    ] {
        // Assembler text of a PCH is seen where the unit is compiled by clang alone.
        Row { what, before: &format!("{before}\n"), ..READS }.check_in(&[Keeper::OutputDirectory, Keeper::Cache]);
    }
}

#[test]
fn what_a_macro_of_the_header_makes_the_assembler_read_is_read_again() {
    let before = r#"#define BLOB(op, file) __asm__(".section .rodata\nblob:\n." #op " \"" file "\"\n.previous\n")
"#;
    let unit = format!("BLOB(incbin, \"data.bin\");\n{BLOB}");
    Row { what: "a macro", before, unit: &unit, ..READS }.check();
    Row {
        what: "an included file",
        before: "#include \"inc.h\"\n",
        unit: &format!("BLOB(\"data.bin\");\n{BLOB}"),
        ..READS
    }
    .check();
}

#[test]
fn a_definition_among_the_flags_may_make_the_assembler_read() {
    let before = "__asm__(\".section .rodata\\nblob:\\n\" HOW \"\\n.previous\\n\");\n";
    let flags = &["-DHOW=\".incbin \\\"data.bin\\\"\""];
    Row { what: "-D", before, flags, ..READS }.check_in(&[Keeper::OutputDirectory, Keeper::Cache]);
}

#[test]
fn a_person_is_told_why_nothing_is_kept() {
    let place = Place::new();
    place.write("data.bin", "A");
    place.write("unit.c", format!("__asm__(\"blob:\\n.incbin \\\"data.bin\\\"\\n\");\n{BLOB}"));
    let said = text(&run(&mut place.tool(&["-v", "compile", "unit.c", "--cc", "gcc"]), 0).stderr);
    assert!(said.contains("unit.c is not kept for the next run: "), "{said}");
    assert!(said.contains(".incbin"), "{said}");
}

/// Whether a compiler knows `#embed`.
fn embeds(cc: &str) -> bool {
    let place = Place::new();
    place.write("unit.c", "#if !defined(__has_embed)\n#error none\n#endif\nint value;\n");
    has(cc) && place.tool(&["compile", "unit.c", "--cc", cc]).output().unwrap().status.success()
}

#[test]
fn embedded_files_are_found_beside_the_unit_and_watched() {
    let compilers: Vec<&str> = ["gcc", "clang-19"].into_iter().filter(|cc| embeds(cc)).collect();
    if compilers.is_empty() {
        return skip("no compiler here knows #embed");
    }
    let before = "static const unsigned char blob[] = {\n#embed \"data.bin\"\n};\n";
    let unit = "int value(void) { return blob[0]; }\n";
    let row = Row { what: "#embed", before, unit, compilers: &compilers, is_kept: true, ..READS };
    row.check();
    let asks = "#if __has_embed(\"later.bin\")\nenum { VALUE = 2 };\n#else\nenum { VALUE = 1 };\n#endif\n";
    let change = |place: &mut Place| place.write("later.bin", "B");
    Row { what: "__has_embed", before: asks, compilers: &compilers, change: &change, ..Row::PLAIN }.check();
}

/// Objects that are not kept have no key: each has a file of its own all the same.
#[test]
fn two_units_that_are_not_kept_are_both_linked() {
    let place = Place::new();
    for (name, value) in [("one", 1), ("two", 2)] {
        let text = format!(
            "__asm__(\".macro none\\n.endm\\n.include \\\"data.s\\\"\\n\");\nint {name}(void) {{ return {value}; }}\n"
        );
        place.write(&format!("{name}.c"), text);
    }
    place.write("data.s", "\n");
    let mut command = place.tool(&["compile", "one.c", "two.c", "--compact", "--cc", "gcc"]);
    run(&mut command, 0);
    let report = crate::support::report(&place.path().join("out"));
    let symbols: Vec<&serde_json::Value> =
        report["units"].as_array().unwrap().iter().map(|unit| &unit["symbols"]).collect();
    assert_eq!(symbols, [&serde_json::json!(["one"]), &serde_json::json!(["two"])]);
}
