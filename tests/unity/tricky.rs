//! Units that would get into each other's way, by hand.

use mjitcc::ctext::{Group, LeftOut, Owner, Reason};

use crate::build::{Source, compile, merge_sources, merged_units, surroundings};
use crate::same::Bench;
use crate::support::need;

const HEADER: &str = r#"
#include <stdint.h>
#include <stddef.h>
struct vm { int64_t table, count, next; struct vm *link; };
static inline int64_t vm_twice(int64_t x) { return x * 2; }
typedef int64_t vm_value;
#define VM_ID(x) (x)
#define VM_MAX 100
#define VM_COUNT(vm) ((vm)->count)
#define VM_HELP(x) helper(x)
#define VM_SCALED(x) ((x) * SCALE)
#define VM_TEXT(x) #x
#define VM_TEXT_OF(x) VM_TEXT(x)
#define VM_JOIN(a, b) a##b
#define VM_NEXT() (__extension__({ static int64_t state; ++state; }))
#define VM_HERE() (__LINE__)
#define VM_ENTRY
#define VM_NOTHING
#define VM_ATTRIBUTE __attribute__((unused))
#define VM_STATIC static
#define VM_TABLE(name) static int64_t name
#define VM_FIRST(...) ((int64_t[]){__VA_ARGS__})
static inline int64_t vm_sum(const char *text) { int64_t sum = 0; while (*text) sum = sum * 31 + *text++; return sum; }
"#;

const GNU: [&str; 3] = ["gcc", "clang", "clang-19"];
const ALL: [&str; 4] = ["gcc", "clang", "clang-19", "tcc"];

/// Units from their texts, in which `ENTRY` stands for the head of the entry.
fn sources(texts: &[&str]) -> Vec<Source> {
    let source = |(number, text): (usize, &&str)| {
        let entry = format!("unit_{number}");
        let text = text.replace("ENTRY", &format!("VM_ENTRY int64_t {entry}(int64_t x)"));
        Source::new(&entry, &text)
    };
    texts.iter().enumerate().map(source).collect()
}

/// Merges, and compares with each unit alone.
#[track_caller]
fn check_by(compilers: &[&str], texts: &[&str]) -> Group {
    Bench::new(HEADER, &sources(texts)).check(compilers)
}

/// As above, for units none of which is left out.
#[track_caller]
fn check(texts: &[&str]) -> Group {
    let merged = check_by(&ALL, texts);
    assert_eq!(merged.left_out, [], "{}", String::from_utf8_lossy(&merged.text));
    merged
}

/// As above, for units whose equal helpers must become one.
#[track_caller]
fn check_shares(helper: &str, texts: &[&str]) {
    let merged = check(texts);
    let text = String::from_utf8_lossy(&merged.text);
    assert_eq!(text.matches(helper).count(), 1, "{helper}\n{text}");
    assert!(merged.saved > 0);
}

/// As above, for units whose equal helpers must not become one.
#[track_caller]
fn check_keeps(helper: &str, texts: &[&str]) {
    let merged = check(texts);
    let text = String::from_utf8_lossy(&merged.text);
    assert_eq!(text.matches(helper).count(), texts.len(), "{helper}\n{text}");
    assert_eq!(merged.saved, 0);
}

/// Why the last of these units is left out; the others are merged, and right.
#[track_caller]
fn refused(texts: &[&str]) -> Reason {
    let bench = Bench::new(HEADER, &sources(texts));
    let merged = bench.check(&GNU);
    assert_eq!(merged.left_out.len(), 1, "{:?}", merged.left_out);
    assert_eq!(merged.left_out[0].index, texts.len() - 1, "{:?}", merged.left_out);
    merged.left_out[0].reason.clone()
}

const PLAIN: &str = "ENTRY { return x + 1; }";

#[test]
fn equal_helpers_become_one() {
    need!("gcc");
    let helper = "static int64_t helper(int64_t n) { return n * 3 + VM_MAX; }\n";
    let unit = |more: &str| format!("{helper}{more}");
    check_shares(
        "return n * 3",
        &[
            &unit("ENTRY { return helper(x); }"),
            &unit("ENTRY { return helper(x) + 1; }"),
            &unit("/* other\n lines */ ENTRY { return helper(-x); }"),
            "static int64_t helper(int64_t n) { /* a comment */ return n * 3\n + VM_MAX; } ENTRY { return helper(x + 9); }",
        ],
    );
}

#[test]
fn helpers_that_differ_stay_apart() {
    need!("gcc");
    check(&[
        "static int64_t helper(int64_t n) { return n - -1; } ENTRY { return helper(x); }",
        "static int64_t helper(int64_t n) { return n -1; } ENTRY { return helper(x); }",
        "static int64_t helper(int n) { return n + 1; } ENTRY { return helper(x << 32); }",
        "#define helper(n) ((n) + 5)\nENTRY { return helper(x); }",
        "ENTRY { int64_t helper = x; return helper + 6; }",
        "ENTRY { goto helper; helper: return x; }",
    ]);
}

#[test]
fn state_is_never_shared() {
    need!("gcc");
    let states = [
        "static int64_t state;",
        "static int64_t state = 5;",
        "static int64_t state; static int64_t state;",
        "static int64_t unused, state = 1, *more;",
        "static int64_t array[3]; static int64_t *const at = &array[1];\n#define state (*at)",
        "static struct { int64_t a, b; } both;\n#define state both.b",
        "static int64_t *const at = (int64_t[]){1, 2, 3};\n#define state at[1]",
        "static int64_t *step(void) { static int64_t local; return &local; }\n#define state (*step())",
        "static int64_t hidden; static int64_t *step(void) { return &hidden; }\n#define state (*step())",
        "static const int64_t first; static int64_t hidden;\n#define OF hidden\nstatic int64_t *step(void) { return &OF; }\n#define state (*step())",
    ];
    for state in states {
        let text = format!("{state}\nENTRY {{ return state += x; }}\n");
        check(&[&text, &text, &text]);
    }
}

#[test]
fn state_that_a_macro_of_the_header_hides_is_never_shared() {
    need!("gcc");
    let hidden = [
        "static int64_t helper(void) { return VM_NEXT(); }",
        "#define MINE VM_NEXT\nstatic int64_t helper(void) { return MINE(); }",
        "static int64_t *const at = VM_FIRST(1, 2, 3); static int64_t helper(void) { return at[0]++; }",
        "VM_STATIC int64_t at; static int64_t helper(void) { return at++; }",
        "static int64_t at VM_ATTRIBUTE; static int64_t helper(void) { return at++; }",
    ];
    for hidden in hidden {
        let text = format!("{hidden}\nENTRY {{ return helper() * 10 + x; }}\n");
        let merged = check_by(&GNU, &[&text, &text]);
        assert_eq!(merged.left_out, [], "{text}");
    }
}

#[test]
fn a_declaration_by_a_macro_of_the_header_is_the_units_own() {
    need!("gcc");
    let text = "VM_TABLE(cache);\nENTRY { return cache += x; }";
    check_keeps("static int64_t cache__", &[text, text]);
}

#[test]
fn what_a_helper_depends_on_keeps_it_apart() {
    need!("gcc");
    check_keeps(
        "static int64_t helper__",
        &[
            "static int64_t depends(int64_t n) { return n; }\nstatic int64_t helper(int64_t n) { return depends(n); }\nENTRY { return helper(x); }",
            "static int64_t depends(int64_t n) { return n + 1; }\nstatic int64_t helper(int64_t n) { return depends(n); }\nENTRY { return helper(x); }",
            "#define depends(n) (n + 2)\nstatic int64_t helper(int64_t n) { return depends(n); }\nENTRY { return helper(x); }",
            "#define depends(n) (n + 3)\nstatic int64_t helper(int64_t n) { return depends(n); }\nENTRY { return helper(x); }",
            "#define depends(n) mine(n)\n#define mine(n) (n + 4)\nstatic int64_t helper(int64_t n) { return depends(n); }\nENTRY { return helper(x); }",
            "#define depends(n) mine(n)\n#define mine(n) (n + 5)\nstatic int64_t helper(int64_t n) { return depends(n); }\nENTRY { return helper(x); }",
        ],
    );
}

#[test]
fn what_a_helper_depends_on_by_the_headers_macros_keeps_it_apart() {
    need!("gcc");
    let unit = |plus: i32| {
        format!(
            "static int64_t helper(int64_t n) {{ return n + {plus}; }}\nstatic int64_t outer(int64_t n) {{ return VM_HELP(n); }}\nENTRY {{ return outer(x); }}"
        )
    };
    check_keeps("static int64_t outer__", &[&unit(1), &unit(2)]);
    check_shares("static int64_t outer__", &[&unit(1), &unit(1)]);
    let unit = |scale: i32| {
        format!(
            "#define SCALE {scale}\nstatic int64_t outer(int64_t n) {{ return VM_SCALED(n); }}\nENTRY {{ return outer(x); }}"
        )
    };
    check_keeps("static int64_t outer__", &[&unit(1), &unit(2)]);
    check_shares("static int64_t outer__", &[&unit(3), &unit(3)]);
}

#[test]
fn macros_stay_with_their_unit() {
    need!("gcc");
    check(&[
        "#undef VM_MAX\n#define VM_MAX 7\n#define MINE 3\nENTRY { return VM_MAX + MINE + x; }",
        "#ifdef MINE\n#define PLUS 1000\n#else\n#define PLUS 1\n#endif\nENTRY { return VM_MAX + PLUS + x; }",
        "#undef VM_ID\nstatic int64_t depth(int64_t n) { return n; }\n#define VM_ID(y) depth(y)\nENTRY { return VM_ID(x) + VM_MAX; }",
        "ENTRY {\n#undef VM_MAX\n#define VM_MAX 8\nint64_t y = VM_MAX;\n#undef VM_MAX\n#ifndef VM_MAX\nreturn y + x;\n#endif\n}",
        "ENTRY { return VM_MAX + VM_ID(x); }",
        "#define LINE \\\n  VM_MAX + \\\n  1\nENTRY { return LINE + x; }",
    ]);
}

#[test]
fn a_macro_that_changes_between_two_helpers() {
    need!("gcc");
    let unit = |one: i32, two: i32| {
        format!(
            "#define N {one}\nstatic int64_t first(void) {{ return N; }}\n#undef N\n#define N {two}\nstatic int64_t second(void) {{ return N; }}\nENTRY {{ return first() * 10 + second() + x; }}"
        )
    };
    check(&[&unit(1, 2), &unit(2, 1), &unit(1, 1), &unit(1, 2)]);
    check(&[
        "#if VM_MAX > 50\n#define N 1\n#endif\nstatic int64_t first(void) { return N; }\nENTRY { return first(); }",
        "#if VM_MAX < 50\n#define N 3\n#else\n#define N 2\n#endif\nstatic int64_t first(void) { return N; }\nENTRY { return first(); }",
    ]);
}

#[test]
fn members_are_not_renamed() {
    need!("gcc");
    let vm = "struct vm vm = {.table = x, .count = 2, .next = 3};";
    check(&[
        &format!(
            "static const int64_t table[] = {{5, 6}};\nENTRY {{ {vm} struct vm *p = &vm; return table[1] + vm.table * 10 + p->table; }}"
        ),
        &format!(
            "static int64_t table;\nENTRY {{ {vm} return ++table + vm.table * 10 + (int64_t)offsetof(struct vm, table); }}"
        ),
        &format!(
            "static int64_t next(int64_t y) {{ return y + 1; }}\nENTRY {{ {vm} return next(vm.next) + (&vm)->next; }}"
        ),
        &format!("static int64_t count = 4;\nENTRY {{ {vm} return count++ + VM_COUNT(&vm); }}"),
        &format!(
            "struct mine {{ int64_t table, other; }};\nstatic int64_t table = 3;\nENTRY {{ {vm} struct mine m = {{.table = 4, 5}}; return m.table + vm.table + m.other + table++; }}"
        ),
    ]);
}

#[test]
fn a_name_that_cannot_be_told_from_a_member_is_left_out() {
    need!("gcc");
    let unit = "static int64_t table = 3;\nENTRY { struct vm vm = {table: x}; return vm.table + table++; }";
    assert_eq!(refused(&[PLAIN, unit]), Reason::SeveralMeanings { line: 2, name: "table".to_owned() });
    // The macros of the header speak of the name and of the member, and both are certain once the macros are expanded.
    let unit = "static int64_t helper(int64_t n) { return n; }\nENTRY { struct mine { int64_t helper; } m = {x}; return VM_HELP(m.helper); }";
    check(&[PLAIN, unit, unit]);
    let unit = "static int64_t count = 4;\nENTRY { struct vm v = {x, 5}; return VM_COUNT(&v) + count++; }";
    check(&[PLAIN, unit, unit]);
}

#[test]
fn tags_types_and_constants_stay_with_their_unit() {
    need!("gcc");
    check(&[
        "struct point { int64_t x, y; };\ntypedef struct point point;\nenum color { RED, GREEN = 5 };\nENTRY { point p = {x, GREEN}; struct point *q = &p; return q->x + q->y + RED; }",
        "struct point { int32_t y; int64_t x; };\ntypedef int16_t point;\nenum color { GREEN, RED = 7 };\nENTRY { struct point p = {1, x}; return p.x + (int64_t)sizeof(point) + RED + GREEN; }",
        "union point { int64_t x; char bytes[8]; };\ntypedef enum { RED = 3 } color;\nENTRY { union point p = {x}; color c = RED; return p.bytes[0] + c; }",
        "typedef int64_t (*point)(int64_t);\nstatic int64_t color(int64_t n) { return n + 1; }\nstatic point const points[] = {color, vm_twice, [3] = color};\nENTRY { return points[0](x) + points[3](x) + points[1](x); }",
        "struct outer { struct point { int64_t z; } inner; enum { RED = 9 } color; };\nENTRY { struct point p = {x}; struct outer o = {p, RED}; return o.inner.z + o.color; }",
        "static int64_t vm(int64_t n) { return n; }\nENTRY { struct vm v = {x, 2, 3, 0}; return vm(v.count) + v.table; }",
        "struct list { struct list *next; int64_t value; };\nENTRY { struct list a = {0, x}, b = {&a, 1}; return b.next->value + b.value; }",
    ]);
}

#[test]
fn equal_types_and_tables_become_one() {
    need!("gcc");
    let types = "typedef struct node { struct node *next; int64_t value; } node;\nenum { DEPTH = 4 };\nstatic const char *const names[DEPTH] = {[0] = \"one\", [3] = \"two\"};\nstatic int64_t twice(int64_t n) { return n * 2; }\n";
    let unit = |more: &str| {
        format!("{types}ENTRY {{ node n = {{0, x}}; return twice(n.value) + names[3][1] + DEPTH + {more}; }}")
    };
    for helper in ["int64_t value; }", " = 4 }", "\"one\"", "return n * 2"] {
        check_shares(helper, &[&unit("1"), &unit("2")]);
    }
}

#[test]
fn tables_whose_addresses_units_could_tell_apart_stay_apart() {
    need!("gcc");
    let types = "static int64_t twice(int64_t n) { return n * 2; }\nstatic const struct { int64_t a; int64_t b[2]; } rows[2] = {[1] = {2, {3, 4}}};\nstatic int64_t (*const calls[])(int64_t) = {twice};\n";
    let unit = format!("{types}ENTRY {{ return calls[0](x) + rows[1].b[1]; }}");
    for helper in ["static int64_t twice__", "{3, 4}", "= {twice"] {
        check_keeps(helper, &[&unit, &unit]);
    }
}

#[test]
fn helpers_that_call_each_other_become_one() {
    need!("gcc");
    let unit = |minus: i32| {
        format!(
            "static int64_t even(int64_t);\nstatic int64_t odd(int64_t n) {{ return n > 0 ? even(n - {minus}) : 0; }}\nstatic int64_t even(int64_t n) {{ return n > 0 ? odd(n - 1) : 1; }}\nENTRY {{ return even(x); }}"
        )
    };
    check_shares("(n - 1) : 0", &[&unit(1), &unit(2), &unit(1)]);
}

#[test]
fn conditions_at_file_scope() {
    need!("gcc");
    check(&[
        "#if VM_MAX > 5\nstatic int64_t state = 1;\n#else\nstatic int64_t state = 2;\n#endif\nENTRY { return state += x; }",
        "#if VM_MAX > 5\nstatic int64_t state = 1;\n#else\nstatic int64_t state = 2;\n#endif\nENTRY { return state += x; }",
        "#ifndef GUARD\n#define GUARD\nstatic const int64_t state = 3;\nENTRY { return state + x; }\n#endif",
        "#ifndef GUARD\n#define GUARD\nstatic const int64_t state = 4;\nENTRY { return state + x; }\n#endif",
        "#if 0\nint64_t unit_9(void);\n#endif\nENTRY { return x; }",
        "static int64_t f(int64_t y) {\n#ifdef GUARD\n return 1;\n#else\n return y;\n#endif\n}\nENTRY { return f(x); }",
    ]);
}

#[test]
fn a_name_as_text() {
    need!("gcc");
    check(&[
        "static int64_t helper(int64_t n) { return n; }\nENTRY { return helper(x) + vm_sum(VM_TEXT(helper)); }",
        "#define MINE(y) #y\nstatic int64_t helper(int64_t n) { return n; }\nENTRY { return helper(x) + vm_sum(MINE(helper(x))); }",
        "static int64_t helper_1(int64_t n) { return n + 1; }\nstatic int64_t helper_2(int64_t n) { return n + 2; }\n#define PICK(n) helper_##n\nENTRY { return PICK(1)(x) * PICK(2)(x); }",
        "static int64_t helper_1(int64_t n) { return n + 3; }\n#define PICK(n) helper_##n\nstatic int64_t use(int64_t n) { return PICK(1)(n); }\nENTRY { return use(x); }",
        "static int64_t helper_1(int64_t n) { return n + 4; }\n#define PICK(n) helper_##n\nstatic int64_t use(int64_t n) { return PICK(1)(n); }\nENTRY { return use(x); }",
    ]);
    // tcc does not say how a macro of the header joins words.
    let joined = check_by(
        &GNU,
        &[
            "static int64_t helper_1(int64_t n) { return n + 5; }\nstatic int64_t use(int64_t n) { return VM_JOIN(helper, _1)(n); }\nENTRY { return use(x); }",
            "static int64_t helper_1(int64_t n) { return n + 6; }\nstatic int64_t use(int64_t n) { return VM_JOIN(helper, _1)(n); }\nENTRY { return use(x); }",
        ],
    );
    assert_eq!(joined.left_out, []);
    // The text is made before the name is changed.
    let helper = "static int64_t helper(int64_t n) { return n; }\n";
    for unit in [
        "ENTRY { return helper(x) + vm_sum(VM_TEXT_OF(helper)); }",
        "#define A(y) #y\n#define B(y) A(y)\nENTRY { return helper(x) + vm_sum(B(helper)); }",
        "#define C helper\nENTRY { return helper(x) + vm_sum(VM_TEXT_OF(C)); }",
        "#define C VM_TEXT_OF(helper)\nENTRY { return helper(x) + vm_sum(C); }",
        "#define D(y) VM_TEXT(y)\nENTRY { return helper(x) + vm_sum(D(helper)); }",
    ] {
        check(&[PLAIN, &format!("{helper}{unit}")]);
    }
    let members = "ENTRY { struct vm vm = {x}; return vm.table + vm_sum(VM_TEXT(table)); }";
    check(&[PLAIN, &format!("static int64_t table[3];\n{members}")]);
}

#[test]
fn lines_keep_their_numbers() {
    need!("gcc");
    let helper = "static const int64_t\n  shared[] = {\n 1,\n 2 };\n";
    // tcc puts a folder before a line's file.
    let merged = check_by(
        &GNU,
        &[
            &format!("{helper}ENTRY {{ return __LINE__ + shared[0]; }}"),
            &format!("{helper}\n\nENTRY {{ return __LINE__ + vm_sum(__FILE__) + shared[0]; }}"),
            "#line 77 \"else.c\"\nENTRY { return __LINE__ + vm_sum(__FILE__); }",
            &format!("{helper}/* a\n b */ ENTRY {{ return VM_HERE() + shared[1]; }}"),
            "static int64_t where(void) { return __LINE__; }\nENTRY { return where(); }",
            "\n\nstatic int64_t where(void) { return __LINE__; }\nENTRY { return where(); }",
        ],
    );
    assert_eq!(merged.left_out, []);
    assert!(merged.saved > 0);
    check(&[
        "static int64_t where(void) { return VM_HERE(); }\nENTRY { return where(); }",
        "\n\nstatic int64_t where(void) { return VM_HERE(); }\nENTRY { return where(); }",
    ]);
}

#[test]
fn gnu_c() {
    need!("gcc");
    let unit = "static inline __attribute__((always_inline)) int64_t helper(int64_t n) { return __extension__({ int64_t m = n + 1; m * 2; }); }\n__extension__ typedef __int128 wide;\nstatic _Alignas(16) const char text[] = \"a{;\\\"\" \"}\";\n_Static_assert(sizeof(wide) == 16, \"wide\");\nstatic _Noreturn void stop(void) { __builtin_trap(); }\nstatic int64_t (*pick(int64_t n))(int64_t) { return n ? helper : 0; }\nstatic __typeof__(1 + 2) odd = 3;\nENTRY { if (x == 12345) stop(); __asm__ volatile(\"\" ::: \"memory\"); void *at = &&out; goto *at; out: return pick(1)(x) + text[1] + (odd += 2); }";
    let merged = check_by(&GNU, &[unit, unit, unit]);
    assert_eq!(merged.left_out, []);
}

#[test]
fn what_others_define_keeps_its_name() {
    need!("gcc");
    check(&[
        "extern long labs(long);\nENTRY { return labs(-x); }",
        "extern long labs(long);\nstatic int64_t helper(int64_t n) { return labs(n); }\nENTRY { return helper(-x) + 1; }",
        "int64_t unit_2(int64_t);\nENTRY { return x ? 1 : unit_2(x); }",
    ]);
    // Compilers know the function, whatever the unit means by the name.
    assert_eq!(
        refused(&[PLAIN, "static long labs(long n) { return n + 5; }\nENTRY { return labs(-x); }"]),
        Reason::NameTaken { name: "labs".to_owned(), owner: Owner::Compiler }
    );
    check(&[PLAIN, "ENTRY { int64_t labs = 3; return labs + x; }"]);
    assert_eq!(
        refused(&[
            "extern long labs(long);\nENTRY { return labs(-x); }",
            "ENTRY { int64_t labs = 3; return labs + x; }"
        ]),
        Reason::Undeclared { line: 1, name: "labs".to_owned() }
    );
    let other = "extern long labs(long number);\nENTRY { return labs(-x); }";
    let reason = refused(&["extern long labs(long);\nENTRY { return labs(-x); }", other]);
    assert_eq!(reason, Reason::ConflictingDeclaration("labs".to_owned()));
}

#[test]
fn units_that_are_left_out() {
    need!("gcc");
    for (unit, reason) in [
        ("#pragma pack(1)\nENTRY { return x; }", Reason::Pragma { line: 1 }),
        ("_Pragma(\"pack(1)\") ENTRY { return x; }", Reason::Pragma { line: 1 }),
        ("__asm__(\".globl nothing\");\nENTRY { return x; }", Reason::Asm { line: 1 }),
        ("ENTRY { return x + __COUNTER__; }", Reason::SourcePosition { line: 1, name: "__COUNTER__".to_owned() }),
        ("\nint64_t old(n) int64_t n; { return n; }\nENTRY { return old(x); }", Reason::NotUnderstood { line: 2 }),
        ("static const int64_t n = 1;\n#include <stdint.h>\nENTRY { return x; }", Reason::LateInclude { line: 2 }),
        ("#line 0\nENTRY { return x; }", Reason::Directive { line: 1, name: "line".to_owned() }),
        ("int64_t state;\nENTRY { return state += x; }", Reason::ExtraSymbol("state".to_owned())),
        ("int64_t helper(int64_t n) { return n; }\nENTRY { return x; }", Reason::ExtraSymbol("helper".to_owned())),
        (
            "ENTRY { return vm_old(x); }",
            Reason::HeaderState { line: 1, name: "vm_old".to_owned(), why: "is not understood".to_owned() },
        ),
        (
            "__attribute__((weak)) int64_t soft(void) { return 1; }\nENTRY { return soft(); }",
            Reason::Replaceable { line: 1 },
        ),
    ] {
        let old = "static int64_t vm_old(n) int64_t n; { return n; }\n";
        let bench = Bench::new(&format!("{HEADER}\n{old}"), &sources(&[PLAIN, unit, PLAIN]));
        let merged = bench.check(&GNU);
        assert_eq!(merged_units(&merged), [0, 2], "{unit}");
        assert_eq!(merged.left_out[0].reason, reason, "{unit}");
    }
    let line_2 = "static int64_t helper(int64_t n) { return n; }\n";
    let name = format!("{line_2}static int64_t name(void) {{ return vm_sum(__func__); }}\nENTRY {{ return name(); }}");
    assert_eq!(refused(&[PLAIN, &name]), Reason::FunctionName { line: 2 });
    assert_eq!(
        refused(&[PLAIN, "extern int64_t unit_0(int64_t); ENTRY { return x + (int64_t)sizeof(unit_0(x)); }"]),
        Reason::OtherEntry("unit_0".to_owned())
    );
}

#[test]
fn state_of_the_header_is_each_units_own() {
    need!("gcc");
    let state = "static int64_t vm_state;\n#define VM_STATE vm_state\nstatic inline int64_t vm_step(void) { static int64_t n; return ++vm_state + ++n; }\nstatic inline int64_t vm_steps(int64_t n) { while (n-- > 0) vm_step(); return vm_state; }\nstatic const int64_t vm_row[] = {1, 2};\nstatic int64_t vm_place(const int64_t *at) { return *at + (at == vm_row) * 100; }\n";
    let unit = "ENTRY { return VM_STATE * 1000 + vm_step() + x; }";
    let texts = [
        PLAIN,
        unit,
        unit,
        "ENTRY { return vm_steps(x & 3) + vm_state; }",
        "ENTRY { return vm_place(vm_row) + vm_place(&x); }",
        "ENTRY { return vm_place(vm_row + 1); }",
        "ENTRY { return x + vm_row[1]; }",
        "static int64_t helper(void) { return vm_step(); }\nENTRY { return helper() + x; }",
        "static int64_t helper(void) { return vm_step(); }\nENTRY { return helper() - x; }",
    ];
    let merged = Bench::new(&format!("{HEADER}\n{state}"), &sources(&texts)).check(&ALL);
    assert_eq!(merged.left_out, []);
}

#[test]
fn macros_of_any_name_are_expanded() {
    need!("gcc");
    check(&[
        "#define int long\nENTRY { return x + (int)3 + sizeof(int); }",
        "static int64_t VM_NOTHING at;\nENTRY { return at += x; }",
        "static const int64_t VM_MAX_;\n#ifdef VM_MAX_\n#error VM_MAX_\n#endif\nENTRY { return x + VM_MAX_; }",
        "#define static\nENTRY { static int64_t n = 1; return n += x; }",
        "ENTRY { static int n = sizeof(int); return n += x; }",
    ]);
}

/// The text is for these compilers too; there is nothing here that would load it.
#[test]
fn the_compilers_of_windows_take_it() {
    let texts = [
        "#undef VM_MAX\n#define VM_MAX 7\n#define MINE 3\nstatic int64_t helper(int64_t n) { return n; }\nENTRY { return helper(VM_MAX + MINE + x); }",
        "#ifdef MINE\n#error MINE\n#endif\nstatic int64_t helper(int64_t n) { return n + 1; }\nENTRY { return helper(VM_MAX + x); }",
        "#if VM_MAX != 100 || defined MINE\n#error macros\n#endif\nstatic int64_t table[2] = {1};\nENTRY { struct vm vm = {x}; return vm.table + table[0]++; }",
        "typedef struct point { int64_t x, y; } point;\nENTRY { point p = {x, 1}; return p.x + p.y; }",
        "typedef struct point { int64_t y; } point;\nENTRY { point p = {x}; return p.y; }",
    ];
    let dir = tempfile::tempdir().unwrap();
    let header = dir.path().join("header.h");
    std::fs::write(&header, HEADER.replace("#include <stdint.h>\n#include <stddef.h>", "typedef long long int64_t;"))
        .unwrap();
    for compiler in ["x86_64-w64-mingw32-gcc", "clang-19 --target=x86_64-pc-windows-msvc"] {
        if crate::support::has(compiler.split(' ').next().unwrap()) {
            let merged = merge_sources(&sources(&texts), &surroundings(compiler, &header, ""), "");
            assert_eq!(merged.left_out, []);
            let object = dir.path().join("merged.obj");
            compile(compiler, &["-c", "-Werror"], Some(&header), &merged.text, &object);
        }
    }
}

#[test]
#[cfg_attr(windows, ignore = "the path stands in the text, where the proxy of the tests leaves it a Windows path")]
fn files_are_included_once_for_all() {
    need!("gcc");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mine.h"), "#ifndef MINE_H\n#define MINE_H\n#define MINE 5\nstatic inline int64_t mine(int64_t n) { return n + MINE; }\n#endif\n").unwrap();
    let include = format!("#include \"{}\"\n", dir.path().join("mine.h").display());
    let texts = [
        &*format!("{include}ENTRY {{ return mine(x); }}"),
        "#ifdef MINE\n#error MINE\n#endif\nENTRY { return x; }",
        &*format!("/* first */\n{include}ENTRY {{ return mine(x) + MINE; }}"),
        "#include <stdint.h>\nENTRY { return x + 2; }",
    ];
    let merged = Bench::new(HEADER, &sources(&texts)).check_behind(&include, &ALL);
    assert_eq!(merged_units(&merged), [0, 2]);
    let others = |index| LeftOut { index, reason: Reason::OtherIncludes };
    assert_eq!(merged.left_out, [others(1), others(3)]);
}
