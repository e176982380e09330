//! What a unit defines, what units share, and why a unit is left out, by the merged text. What compilers make of the text is in the
//! tests of the tool.

use mjit_cc_ctext::{Ambiguity, Group, Member, Owner, Reason, Surroundings, merge};

const HEADER: &[u8] = b"#define HEADER_MACRO(x) (x)
typedef unsigned long size_t; typedef int host_t;
static int state; static int step(void) { return ++state; }
static inline int twice(int n) { return n * 2; } static const int row[2] = {1, 2};
struct boxed { int n; };
static int old(old_n) int old_n; { return old_n; }
int late(int); static inline int calls(int n) { return late(n); }
";

fn merge_texts(texts: &[&str]) -> Group {
    let entries: Vec<String> = (0..texts.len()).map(|number| format!("entry_{number}")).collect();
    let texts: Vec<String> =
        texts.iter().zip(&entries).map(|(text, entry)| text.replace("ENTRY", &format!("int {entry}(int x)"))).collect();
    let members: Vec<Member<'_>> = texts
        .iter()
        .zip(&entries)
        .map(|(text, entry)| Member { name: entry, entries: Some(std::slice::from_ref(entry)), text: text.as_bytes() })
        .collect();
    merge(&members, &Surroundings::read(HEADER).unwrap(), b"")
}

#[track_caller]
fn text_of(group: &Group) -> String {
    assert_eq!(group.left_out, []);
    String::from_utf8(group.text.clone()).unwrap()
}

/// The names that are changed in a unit of these definitions, with the hashes taken off, in order.
#[track_caller]
fn renamed(definitions: &str) -> String {
    let text = text_of(&merge_texts(&[&format!("{definitions}\nENTRY {{ return x; }}")]));
    let words = text.split(|byte: char| !byte.is_ascii_alphanumeric() && byte != '_');
    let mut names: Vec<&str> = words
        .filter_map(|word| word.rsplit_once("__"))
        .filter(|(name, hash)| !name.is_empty() && hash.len() == 20)
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    names.dedup();
    names.join(" ")
}

/// How often two units of this text define `same`, which each uses by `uses`.
#[track_caller]
fn copies(definitions: &str, uses: &str) -> usize {
    let text = format!("{definitions}\nENTRY {{ return {uses} + x; }}");
    let text = text_of(&merge_texts(&[&text, &text]));
    let mut names: Vec<&str> = text
        .split(|byte: char| !byte.is_ascii_alphanumeric() && byte != '_')
        .filter(|word| word.starts_with("same__"))
        .collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}

#[track_caller]
fn reason(texts: &[&str]) -> Option<Reason> {
    let mut group = merge_texts(texts);
    assert_eq!(group.units.len() + group.left_out.len(), texts.len());
    group.left_out.pop().map(|left_out| left_out.reason)
}

#[test]
fn what_a_declaration_defines() {
    for (definitions, names) in [
        ("static int a, b = 3, *c, d[2] = {1, 2};", "a b c d"),
        ("static int (*table[])(void) = {0};", "table"),
        ("static int (*pick(int n))(int) { return 0; }", "pick"),
        ("static int (plain)(int n) { return n; }", "plain"),
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
        ("#if 1\nstatic int a;\n#else\nstatic int b;\n#endif", "a"),
        ("static size_t a; static host_t b, *c, **d; static host_t (*e)(host_t);", "a b c d e"),
        ("static int a = sizeof(struct s { int n; });", "a s"),
        ("static int \\\n a;\r\nstatic int b\\\r\n ;", "a b"),
        ("#define MAKE(t, n) static t n##_1, n\nMAKE(int, a);", "a a_1"),
    ] {
        assert_eq!(renamed(definitions), names, "{definitions}");
    }
}

#[test]
fn what_is_shared() {
    for (definitions, uses) in [
        ("static int same(int n) { return n; }", "same(1)"),
        ("static const int same = 1;", "same"),
        ("static const int same[] = {1, 2};", "same[1]"),
        ("static const char *const same[] = {\"a\"};", "*same[0]"),
        ("static const host_t same[] = {1, 2};", "same[1]"),
        ("typedef short mine_t; static const mine_t same = 1;", "same"),
        ("typedef int same;", "(same)1"),
        (
            "static int boxed(int n) { struct boxed b = {n}; return b.n; } static int same(int n) { return boxed(n); }",
            "same(1)",
        ),
        ("struct same { int n; };", "((struct same){1}).n"),
        ("enum { same };", "same"),
        ("#define N 3\nstatic int same(void) { return N; }", "same()"),
        ("static int helper(int n) { return n; } static int same(int n) { return helper(n); }", "same(1)"),
        ("static int same(int n) { return n ? same(n - 1) : 0; }", "same(1)"),
        ("static int same(int n) {\n#if 1\nreturn n;\n#else\nreturn 0;\n#endif\n}", "same(1)"),
        ("static __attribute__((noinline)) int same(int n) { return n; }", "same(1)"),
        ("static int same(int n) { return twice(row[n]); }", "same(1)"),
    ] {
        assert_eq!(copies(definitions, uses), 1, "{definitions}");
    }
}

#[test]
fn what_is_never_shared() {
    for (definitions, uses) in [
        ("static int same;", "same"),
        ("static const int *same;", "(same != 0)"),
        ("static volatile const int same;", "same"),
        ("static int *const volatile same;", "(same != 0)"),
        ("typedef volatile int mine_t; static const mine_t same;", "same"),
        ("typedef int mine_t[2]; static const mine_t same[2] = {{1}};", "*same[1]"),
        ("typedef struct { int n[2]; } mine_t; static const mine_t same[2] = {{{1}}};", "*same[1].n"),
        ("static const _Thread_local int same;", "same"),
        ("static _Atomic const int same;", "same"),
        ("static int *const same = (int[]){1};", "*same"),
        ("static int state_1; static int *same(void) { return &state_1; }", "*same()"),
        ("static int state_1; static int *const same = &state_1;", "*same"),
        ("static int same(void) { static int n; return n++; }", "same()"),
        ("#define KEEP static\nstatic int same(void) { KEEP int n; return n++; }", "same()"),
        ("static const char *same(void) { return __FILE__; }", "*same()"),
        ("static int same(int n) { return n; }", "(same != 0)"),
        ("static const int same = 1;", "(&same != 0)"),
        ("static const int same[2] = {1};", "*same"),
        ("static const struct { int n; } same = {1};", "same.n"),
        ("static int same(void) { return step(); }", "same()"),
        ("static const int *same(void) { return row; }", "*same()"),
    ] {
        assert_eq!(copies(definitions, uses), 2, "{definitions}");
    }
}

#[test]
fn each_expectedwith_its_smallest_text() {
    const PLAIN: &str = "ENTRY { return x; }";
    let name = str::to_owned;
    let taken = |one: &str, owner| Reason::NameTaken { name: name(one), owner };
    for (text, expected) in [
        ("ENTRY { return x; } /*", Reason::Ambiguous { line: 1, what: Ambiguity::Comment }),
        ("/* mjit-cc: compile alone */ ENTRY { return x; }", Reason::Marked),
        ("#pragma pack(1)\nENTRY { return x; }", Reason::Pragma { line: 1 }),
        ("#import <a.h>\nENTRY { return x; }", Reason::Directive { line: 1, name: name("import") }),
        ("#if __has_include(<a.h>)\n#endif\nENTRY { return x; }", Reason::Condition { line: 1 }),
        ("ENTRY { return x;", Reason::Unbalanced { line: 1 }),
        ("#endif\nENTRY { return x; }", Reason::Unbalanced { line: 1 }),
        ("int;\n#include <a.h>\nENTRY { return x; }", Reason::LateInclude { line: 2 }),
        ("#include <a.h>\nENTRY { return x; }", Reason::OtherIncludes),
        ("#define F(x) x\nENTRY { return F(1, 2); }", Reason::Macro { line: 2, name: name("F") }),
        ("UNKNOWN int a;\nENTRY { return x; }", Reason::NotUnderstood { line: 1 }),
        ("enum e : int { A };\nENTRY { return x; }", Reason::NotUnderstood { line: 1 }),
        ("__asm__(\"\");\nENTRY { return x; }", Reason::Asm { line: 1 }),
        ("static int a;\nENTRY { __asm__(\"incl a\"); return x; }", Reason::Asm { line: 2 }),
        ("ENTRY { __asm__(\".section x\"); return x; }", Reason::Asm { line: 1 }),
        (
            "static __attribute__((constructor)) void a(void) {}\nENTRY { return x; }",
            Reason::Attribute { line: 1, name: name("constructor") },
        ),
        ("static ENTRY { return x; }", Reason::NoEntry(name("entry_1"))),
        ("ENTRY { return x; } ENTRY { return x; }", Reason::TwoEntries(name("entry_1"))),
        ("int more; ENTRY { return x; }", Reason::ExtraSymbol(name("more"))),
        ("int entry_0(int); ENTRY { return entry_0(x); }", Reason::OtherEntry(name("entry_0"))),
        ("static int a(void) { return *__func__; }\nENTRY { return a(); }", Reason::FunctionName { line: 1 }),
        ("ENTRY { return __COUNTER__; }", Reason::SourcePosition { line: 1, name: name("__COUNTER__") }),
        ("static int twice(int n) { return n; }\nENTRY { return x; }", taken("twice", Owner::Header)),
        ("struct boxed { int n, m; };\nENTRY { return x; }", taken("boxed", Owner::Header)),
        ("static int abs(int n) { return n; }\nENTRY { return abs(x); }", taken("abs", Owner::Compiler)),
        ("#undef HEADER_MACRO\nstatic int HEADER_MACRO;\nENTRY { return x; }", taken("HEADER_MACRO", Owner::Macro)),
        (
            "static int a;\nENTRY { struct { int a; } s = {a: x}; return s.a + a; }",
            Reason::SeveralMeanings { line: 2, name: name("a") },
        ),
        ("extern int late(long); ENTRY { return x; }", Reason::ConflictingDeclaration(name("late"))),
        ("ENTRY { return unknown(x); }", Reason::Undeclared { line: 1, name: name("unknown") }),
        ("ENTRY { extern int a; return a; }", Reason::BlockDeclaration { line: 1 }),
        (
            "ENTRY { return old(x); }",
            Reason::HeaderState { line: 1, name: name("old"), why: name("is not understood") },
        ),
        ("inline int f(void) { return 1; }\nENTRY { return x; }", Reason::Replaceable { line: 1 }),
    ] {
        assert_eq!(reason(&[PLAIN, text]), Some(expected), "{text}");
    }
    assert_eq!(reason(&[PLAIN, PLAIN]), None);
}

#[test]
fn reasons_of_units_that_say_themselves_what_they_define() {
    let surroundings = Surroundings::read(HEADER).unwrap();
    let reason = |texts: &[&str]| {
        let members: Vec<Member<'_>> =
            texts.iter().map(|text| Member { name: "u.c", entries: None, text: text.as_bytes() }).collect();
        merge(&members, &surroundings, b"").left_out.pop().map(|left_out| left_out.reason)
    };
    let one = "int a(int n) { return n; }\nint b(int n) { return n; }\n";
    assert_eq!(reason(&[one, "int c; int d(void) { return c; }"]), None);
    assert_eq!(reason(&[one, "int c, b;"]), Some(Reason::EntryTaken("b".to_owned())));
    assert_eq!(reason(&[one, "static int c;"]), Some(Reason::NoEntry(String::new())));
    assert_eq!(reason(&["int late(int n) { return n; }"]), Some(Reason::HeaderMentions("late".to_owned())));
}

#[test]
fn headers_behind_which_no_unit_is_merged() {
    for header in [
        "#define __cplusplus 1\n",
        "__asm__(\"\");",
        "int shared = 1;",
        "int shared(void) { return 1; }",
        "static __attribute__((constructor)) void start(void) {}",
        "(",
    ] {
        assert!(matches!(Surroundings::read(header.as_bytes()), Err(Reason::Header(_))), "{header}");
    }
    for header in ["", "extern int a; int b(void);", "static int a; static int b(void) { return a; }", "typedef int a;"]
    {
        assert!(Surroundings::read(header.as_bytes()).is_ok(), "{header}");
    }
}
