//! The scanner and the hashing, by what comes of them. What compilers make of the text is in `tests/unity`.

use std::fmt::Write as _;
use std::path::Path;

use super::{HeaderMacros, Member, Merged, Reason, merge};

fn merge_texts(texts: &[&str], header: &HeaderMacros) -> Merged {
    let entries: Vec<String> = (0..texts.len()).map(|number| format!("entry_{number}")).collect();
    let texts: Vec<String> =
        texts.iter().zip(&entries).map(|(text, entry)| text.replace("ENTRY", &format!("int {entry}(int x)"))).collect();
    let member = |(text, entry): (&'_ String, &'_ String)| (text.clone(), entry.clone());
    let owned: Vec<(String, String)> = texts.iter().zip(&entries).map(member).collect();
    let members: Vec<Member<'_>> = owned
        .iter()
        .map(|(text, entry)| Member {
            name: entry,
            entries: std::slice::from_ref(entry),
            folder: None,
            text: text.as_bytes(),
        })
        .collect();
    merge(&members, header)
}

fn no_macros() -> HeaderMacros {
    HeaderMacros::from_definitions(b"")
}

fn text_of(merged: &Merged) -> String {
    assert_eq!(merged.left_out, []);
    String::from_utf8(merged.text.clone()).unwrap()
}

/// What the names of a unit of these definitions are changed to, with the hash taken off.
#[track_caller]
fn renamed(definitions: &str) -> Vec<String> {
    let text = text_of(&merge_texts(&[&format!("{definitions}\nENTRY {{ return x; }}")], &no_macros()));
    text.lines()
        .filter_map(|line| line.strip_prefix("#define "))
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}

/// How often two units of these definitions have them.
#[track_caller]
fn copies(definitions: &str, word: &str) -> usize {
    let text = format!("{definitions}\nENTRY {{ return x; }}");
    text_of(&merge_texts(&[&text, &text], &no_macros())).matches(word).count()
}

#[track_caller]
fn reason(unit: &str) -> Option<Reason> {
    let mut merged = merge_texts(&[unit], &no_macros());
    assert_eq!(merged.members.len() + merged.left_out.len(), 1);
    merged.left_out.pop().map(|left_out| left_out.reason)
}

#[test]
fn what_a_declaration_defines() {
    for (definitions, names) in [
        ("static int a, b = 3, *c, d[2] = {1, 2};", "a b c d"),
        ("static int (*table[])(void) = {0};", "table"),
        ("static int (*pick(int n))(int) { return 0; }", "pick"),
        ("int (plain)(int n) { return n; }", "plain"),
        ("typedef struct { int member; } name;", "name"),
        ("typedef struct tag { int member; struct inner { int n; } other; } name, *pointer;", "inner name pointer tag"),
        ("typedef int (*fn)(int), array[3], (*both)[2];", "array both fn"),
        ("enum { A, B = 3, C = (1, 2) };", "A B C"),
        ("static const struct { int x; } rows[] = {[0] = {.x = 1}, [2] = {2}};", "rows"),
        ("extern int host; int host_function(int), more(void);", ""),
        ("struct opaque; struct opaque *host(struct opaque *);", ""),
        ("static inline _Noreturn void stop(void) { for (;;) ; }", "stop"),
        ("_Alignas(16) static unsigned long long wide;", "wide"),
        ("static __typeof__(1 + 2) odd = 3;", "odd"),
        ("static int f(int);\nstatic int f(int n) { return ({ int m = n; m; }); }", "f"),
        ("static __attribute__((unused)) int a __attribute__((aligned(8))) = 1;", "a"),
        ("_Static_assert(1, \"{\");\nstatic const char text[] = \"};\" \"\\\"\";", "text"),
        ("static char c = '}', d = '\\'';", "c d"),
        ("static int a /* ; { */ = 1; // }\nstatic int b;", "a b"),
        ("#if 1\nstatic int a;\n#else\nstatic int b;\n#endif", "a b"),
        ("static size_t a; static host_t b; host_t *c, **d; static host_t (*e)(host_t);", "a b c d e"),
        ("static int a = sizeof(struct s { int n; });", "a s"),
        ("int f(struct p { int n; } *x) { struct local { int n; } y; return y.n; }", "f p"),
        ("extern int a = 3;", "a"),
        ("static int \\\n a;\r\nstatic int b\\\r\n ;", "a b"),
    ] {
        assert_eq!(renamed(definitions).join(" "), names, "{definitions}");
    }
}

#[test]
fn what_is_shared() {
    for definitions in [
        "static int same(int n) { return n; }",
        "int same(int n) { return n; }",
        "static const int same = 1;",
        "static const char *const same[] = {\"a\"};",
        "static int (*const same)(int);",
        "typedef int same;",
        "struct same { int n; };",
        "enum { same };",
        "#define N 3\nstatic int same(void) { return N; }",
        "static int helper(int n) { return n; } static int same(int n) { return helper(n); }",
        "static int same(int n) { return n ? same(n - 1) : 0; }",
        "static int same(int n) {\n#if 1\nreturn n;\n#else\nreturn 0;\n#endif\n}",
        "static __attribute__((noinline)) int same(int n) { return n; }",
    ] {
        let definitions = format!("{definitions}\n");
        let plain = text_of(&merge_texts(&[&format!("{definitions}ENTRY {{ return x; }}")], &no_macros()));
        let both = {
            let text = format!("{definitions}ENTRY {{ return x; }}");
            text_of(&merge_texts(&[&text, &text], &no_macros()))
        };
        let body = |text: &str| {
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            lines.filter(|line| line.contains("same")).count()
        };
        assert_eq!(body(&both), body(&plain), "{both}");
    }
}

#[test]
fn what_is_never_shared() {
    for definitions in [
        "static int same;",
        "static const int *same;",
        "static const int a = 1, *same = &a;",
        "static volatile const int same;",
        "static int *const volatile same;",
        "static const _Thread_local int same;",
        "static _Atomic const int same;",
        "static int *const same = (int[]){1};",
        "static int state; static int *same(void) { return &state; }",
        "static int state; static int *const same = &state;",
        "static int same(void) { static int n; return n++; }",
        "#define KEEP static\nstatic int same(void) { KEEP int n; return n++; }",
        "#define HERE __LINE__\nstatic int same(void) { return HERE; }",
        "#define MAKE(n) n##_\nstatic int same(void) { return sizeof(MAKE(n)); }",
        "#if 1\nstatic const int same;\n#endif",
        "static int same(void) {\n#define N 1\nreturn N; }",
        "static __attribute__((constructor)) void same(void) {}",
        "static int a(void); static int state; static int same(void) { return a(); } static int a(void) { return state; }",
    ] {
        assert_eq!(copies(definitions, "same__"), 2, "{definitions}");
        let text = format!("{definitions}\nENTRY {{ return x; }}");
        let text = text_of(&merge_texts(&[&text, &text], &no_macros()));
        let names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("#define same ")).collect();
        assert_ne!(names[0], names[1], "{definitions}");
    }
}

#[test]
fn what_is_refused() {
    let refused = [
        "ENTRY { return x;",
        "ENTRY { return (x]; }",
        "#if 1\nENTRY { return x; }",
        "#endif\nENTRY { return x; }",
        "ENTRY {\n#if 1\n return x; }\n#else\n return 0; }\n#endif",
        "ENTRY { return x; } /* no end",
        "ENTRY { return \"no end; }",
        "ENTRY { return R\"(\"; }",
        "ENTRY { return x ??/ ; }",
        "ENTRY <% return x; %>",
        "ENTRY { re\\\nturn x; }",
        "ENTRY { return x; } \\",
        "ENTRY { return x; } // \\\n",
        "ENTRY { return x @ 1; }",
        "static ENTRY { return x; }",
        "int other(int x) { return x; }",
        "ENTRY { return x; } ENTRY { return x; }",
        "#define A {\nENTRY A return x; }",
        "MACRO(x)\nENTRY { return x; }",
        "MACRO(int a);\nENTRY { return x; }",
        "implicit(void);\nENTRY { return x; }",
        "int a UNKNOWN;\nENTRY { return x; }",
        "UNKNOWN int a;\nENTRY { return x; }",
        "int a UNKNOWN(3);\nENTRY { return x; }",
        "type name UNKNOWN;\nENTRY { return x; }",
        "typedef char int32_t;\nENTRY { return x; }",
        "enum e : int { A };\nENTRY { return x; }",
        "int a __asm__(\"b\");\nENTRY { return x; }",
        "static int a;\nENTRY { __asm__(\"incl a\"); return x; }",
        "ENTRY { __asm__(\".section x\"); return x; }",
        "ENTRY { __asm__(\"label: nop\"); return x; }",
        "inline int f(void) { return 1; }\nENTRY { return f(); }",
        "#pragma once\n#pragma weak x\nENTRY { return x; }",
        "#import <a.h>\nENTRY { return x; }",
        "#if 1\n#include <a.h>\n#endif\nENTRY { return x; }",
        "static int a;\n#define a 3\nENTRY { return x; }",
        "#define static\nENTRY { return x; }",
        "#define ENTRY_ 1\n#define F __COUNTER__\nENTRY { return F; }",
    ];
    for unit in refused {
        assert!(reason(unit).is_some(), "{unit}");
    }
    for unit in [
        "#pragma once\nENTRY { return x; }",
        "ENTRY { return x; }",
        "#line 3 \"x\"\n# 4 \"y\"\n#\nENTRY { return x-->0; }",
    ] {
        assert_eq!(reason(unit), None, "{unit}");
    }
}

#[test]
fn a_name_that_is_a_macro_of_the_header() {
    let text = "static int name;\nENTRY { return name; }";
    let header = HeaderMacros::from_definitions(b"#define name(x) x\n");
    assert_eq!(merge_texts(&[text], &header).left_out[0].reason, Reason::MacroToo("name".to_owned()));
    // Where that is not known, compiling finds it out.
    assert!(text_of(&merge_texts(&[text], &HeaderMacros::unknown())).contains("#ifdef name\n#error name is"));
}

#[test]
fn definitions_over_several_lines_and_those_that_cannot_be_read() {
    let header = HeaderMacros::from_definitions(
        b"# define HIDE() \\\n  helper( \\\r\n 1)\n#define BAD ' \n /* */ int x;\n#define STATE static",
    );
    for (more, kept) in [("HIDE()", Some(1)), ("STATE", Some(2)), ("BAD", None)] {
        let text = format!(
            "static int helper(int n) {{ return n; }}\nstatic int outer(int n) {{ return {more} + n; }}\nENTRY {{ return x; }}"
        );
        let merged = merge_texts(&[&text, &text], &header);
        let text = String::from_utf8_lossy(&merged.text);
        assert_eq!(text.matches(&format!("return {more}")).count(), kept.unwrap_or(0), "{text}");
        assert_eq!(merged.left_out.is_empty(), kept.is_some(), "{:?}", merged.left_out);
    }
}

#[test]
fn the_text_depends_on_nothing_else() {
    let units: Vec<String> = (0..20)
        .map(|number| format!("static int a(int n) {{ return n + {}; }}\nstatic int b;\n#define C {number}\nENTRY {{ return a(x) + b + C; }}", number % 3))
        .collect();
    let texts: Vec<&str> = units.iter().map(String::as_str).collect();
    let first = text_of(&merge_texts(&texts, &no_macros()));
    assert_eq!(text_of(&merge_texts(&texts, &no_macros())), first);
    assert_eq!(first.matches("return n +").count(), 3);
}

#[test]
fn a_units_lines_stay_where_they_were() {
    let helper = "static int a(int n)\n{\n  return n;\n}\n";
    let unit = format!("{helper}/* line 5 */ ENTRY {{ return a(x); }}\n");
    let text = text_of(&merge_texts(&[&unit, &unit], &no_macros()));
    for number in 0..2 {
        let (_, rest) = text.split_once(&format!("#line 1 \"entry_{number}\"\n")).unwrap();
        assert!(rest.lines().nth(4).unwrap().starts_with("/* line 5 */"), "{rest}");
    }
}

#[test]
fn files_of_other_folders_are_other_files() {
    let text = b"#include \"a.h\"\nint entry(int x) { return x; }\n";
    let other = b"#include \"a.h\"\nint other(int x) { return x; }\n";
    fn unit<'a>(entries: &'a [String], text: &'a [u8], folder: &'a str) -> Member<'a> {
        Member { name: &entries[0], entries, folder: Some(Path::new(folder)), text }
    }
    let [entry, another] = ["entry", "other"].map(|name| [name.to_owned()]);
    let merged = merge(&[unit(&entry, text, "/a"), unit(&another, other, "/b")], &no_macros());
    assert_eq!((merged.members, merged.left_out[0].reason.clone()), (vec![0], Reason::OtherIncludes));
    assert_eq!(merge(&[unit(&entry, text, "/a"), unit(&another, other, "/a")], &no_macros()).members, [0, 1]);
    assert_eq!(merge(&[unit(&entry, text, "/a"), unit(&entry, text, "/a")], &no_macros()).members, [0]);
}

/// Merges units that define several names each.
fn merge_entries(units: &[(&[&str], &str)]) -> Merged {
    let entries: Vec<Vec<String>> =
        units.iter().map(|(names, _)| names.iter().map(|&name| name.to_owned()).collect()).collect();
    let members: Vec<Member<'_>> = units
        .iter()
        .zip(&entries)
        .map(|((_, text), entries)| Member { name: "u.c", entries, folder: None, text: text.as_bytes() })
        .collect();
    merge(&members, &no_macros())
}

#[test]
fn a_unit_s_entries_keep_their_names_and_what_is_behind_them_does_not() {
    let first = "static int state;\nint b(int);\nint a(int n) { return b(n) + state++; }\nint b(int n) { return n ? a(n - 1) : state; }\n";
    let second = "static int state, a;\nint table[2] = {1, 2};\nint c(int n) { return table[n] + a + state; }\n";
    let text = text_of(&merge_entries(&[(&["a", "b"], first), (&["c", "table"], second)]));
    let renamed: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("#define ")?.split(' ').next()).collect();
    assert_eq!(renamed, ["state", "a", "state"], "{text}");
    let states: Vec<&str> = text.lines().filter(|line| line.starts_with("#define state ")).collect();
    assert_ne!(states[0], states[1]);
}

#[test]
fn what_refuses_a_unit_of_several_entries() {
    let one = "int a(int n) { return n; }\nint b(int n) { return n; }\n";
    let reason = |names: &[&str], text: &str| {
        let merged = merge_entries(&[(&["a", "b"], one), (names, text)]);
        merged.left_out.into_iter().map(|left_out| left_out.reason).next()
    };
    let taken = Reason::EntryTaken("b".to_owned());
    assert_eq!(reason(&["c", "b"], "int c(int n) { return n; }\nint b(int n) { return n; }\n"), Some(taken));
    let other = Reason::OtherEntry("b".to_owned());
    assert_eq!(reason(&["c"], "int b(int);\nint c(int n) { return b(n); }\n"), Some(other));
    let none = Reason::NoEntry("d".to_owned());
    assert_eq!(reason(&["c", "d"], "int c(int n) { return n; }\nstatic int d(int n) { return n; }\n"), Some(none));
    assert_eq!(reason(&[], "static int state;\n"), Some(Reason::NoEntry(String::new())));
    assert_eq!(reason(&["c", "d"], "int c(int n) { return n; }\nint d = 1;\n"), None);
}

/// Work that grows with the square of something would not end in a test's time.
#[test]
fn large_units_and_many_of_them() {
    let mut large = String::new();
    for number in 0..20_000 {
        let _ = writeln!(
            large,
            "#define M{number} {number}\nstatic int f{number}(int n) {{ return n + M{number}; }}\nstruct s{number} {{ int f{number}; }};"
        );
    }
    let text = format!("{large}ENTRY {{ return f7(x); }}");
    let merged = merge_texts(&[&text, &text], &no_macros());
    assert_eq!((merged.members.len(), merged.saved > 1_000_000), (2, true));
    let deep = format!("ENTRY {{ return {}x{}; }}", "(".repeat(50_000), ")".repeat(50_000));
    assert_eq!(merge_texts(&[&deep], &no_macros()).members, [0]);
    let name = format!("int {}a{};\nENTRY {{ return x; }}", "(".repeat(50_000), ")".repeat(50_000));
    assert!(reason(&name).is_some());
    let conditions = format!("{}{}ENTRY {{ return x; }}", "#if 1\n".repeat(50_000), "#endif\n".repeat(50_000));
    assert!(reason(&conditions).is_some());
    let mut chain = "#define M0(x) #x\n".to_owned();
    for number in 0..20_000 {
        let _ = writeln!(chain, "#define M{}(x) M{number}(x)", number + 1);
    }
    let chain = format!("{chain}static int a;\nENTRY {{ return M20000(a) != 0; }}");
    assert_eq!(reason(&chain), Some(Reason::Stringified("a".to_owned())));
}
