//! Macro expansion against real preprocessors.

use std::fmt::Write as _;

use super::{Random, compilers, expanded, expanded_by};

const SEEDS: u64 = 40;
const LINES: usize = 12;

/// Tokens of a macro's body. `x`, `y` and `z` are parameters if the macro has parameters of these names.
const BODY: [&str; 25] = [
    "x",
    "y",
    "z",
    "x",
    "y",
    "A",
    "B",
    "C",
    "F",
    "G",
    "H",
    "V",
    "(",
    ")",
    "(x)",
    "(1, 2)",
    ",",
    "+",
    "-",
    "1",
    "a",
    "__VA_ARGS__",
    "#x",
    "#y",
    "\"s\\n\"",
];

const USE: [&str; 24] = [
    "A",
    "B",
    "C",
    "F",
    "G",
    "H",
    "V",
    "(",
    ")",
    ",",
    "1",
    "a",
    "F(A)",
    "G(1, B)",
    "H()",
    "V(a)",
    "V(a, b, c)",
    "F(F)(2)",
    "G(,)",
    "F((1, 2))",
    "V()",
    "'c'",
    "\"t\\\"\"",
    "b ## c",
];

fn parenthesized(text: &str) -> bool {
    let mut depth = 0_i32;
    text.bytes().all(|byte| {
        depth += i32::from(byte == b'(') - i32::from(byte == b')');
        depth >= 0
    }) && depth == 0
}

/// Returns macros of few names that mention each other, and lines that use the macros.
fn random_macros(random: &mut Random) -> (String, Vec<String>) {
    let mut definitions = String::new();
    for (name, parameters) in
        [("A", ""), ("B", ""), ("C", ""), ("F", "(x)"), ("G", "(x, y)"), ("H", "()"), ("V", "(x, ...)")]
    {
        let parameters = match (name, random.below(4)) {
            ("V", 0) => "(...)",
            ("V", 1) => "(x, y...)",
            ("V", 2) => "(x, y, ...)",
            _ => parameters,
        };
        let mut body: Vec<&str> = (0..random.below(6)).map(|_| random.pick(&BODY)).collect();
        body.retain(|word| {
            let is_parameter = |word: &str| parameters.contains(word.trim_start_matches('#'));
            match *word {
                "__VA_ARGS__" => parameters.contains(", ...") || parameters == "(...)",
                word if word.starts_with('#') => is_parameter(word),
                _ => true,
            }
        });
        let mut text = String::new();
        for (place, word) in body.iter().enumerate() {
            if place > 0 {
                text.push_str(random.pick(&[" ", " ", "", " ## ", "##"]));
            }
            // Two identifiers without white space between them would be one.
            if text.ends_with(|last: char| last.is_alphanumeric() || last == '_') && !text.ends_with('#') {
                text.push(' ');
            }
            text.push_str(word);
        }
        if name == "V" && parameters.contains("...") && random.below(2) == 0 {
            text.push_str(if parameters.contains("y...") { " f(x, ## y)" } else { " f(1, ## __VA_ARGS__)" });
        }
        let _ = writeln!(definitions, "#define {name}{parameters} {text}");
    }
    let lines = (0..LINES)
        .map(|_| {
            (0..=random.below(5)).map(|_| random.pick(&USE)).collect::<Vec<_>>().join(random.pick(&[" ", "", " "]))
        })
        .filter(|line| parenthesized(line))
        .collect();
    (definitions, lines)
}

#[test]
#[cfg_attr(windows, ignore = "the compilers of the tests there end their lines otherwise")]
fn what_is_expanded_is_what_compilers_expand() {
    let compilers = compilers();
    let (mut agreed, mut refused, mut wrong) = (0, 0, Vec::new());
    for seed in 1..=SEEDS {
        let (definitions, lines) = random_macros(&mut Random::new(seed));
        let known: Vec<String> =
            lines.into_iter().filter(|line| expanded(&format!("{definitions}{line}\n")).is_ok()).collect();
        refused += LINES - known.len();
        for compiler in &compilers {
            // One process for all lines; a line that the compiler refuses would end the text.
            let all = format!("{definitions}{}\n", known.join("\n;\n"));
            let texts = match expanded_by(compiler, &all) {
                Some(_) => vec![all],
                None => known.iter().map(|line| format!("{definitions}{line}\n")).collect(),
            };
            for text in texts {
                let words = expanded(&text).unwrap();
                match expanded_by(compiler, &text) {
                    Some(theirs) if theirs != words => wrong.push(format!("{compiler}:\n{text}{words:?}\n{theirs:?}")),
                    Some(_) => agreed += words.len(),
                    // The compiler refuses the text when the unit is compiled, too.
                    None => {}
                }
            }
        }
    }
    println!("{agreed} agreed, {refused} refused");
    assert!(wrong.is_empty(), "{} of {agreed}\n{}", wrong.len(), wrong[..wrong.len().min(6)].join("\n"));
    assert!(compilers.is_empty() || agreed > refused, "{agreed} agreed, {refused} refused");
}

/// Texts whose expansion is known.
#[test]
fn the_ways_of_the_standard() {
    for (text, words) in [
        ("#define A 1 + A\nA", "1 + A"),
        ("#define F(x) x\nF F (2) F", "F 2 F"),
        ("#define F(x) G\n#define G(x) x F\nF(1)(2)(3)", "2 G"),
        ("#define S(x) #x\nS( a  \"b\\n\" '\\0' )", "\"a \\\"b\\\\n\\\" '\\\\0'\""),
        ("#define J(a, b) a##b\n#define X J(1, 2)\nJ(X, Y) J(, z) J(J, )", "XY z J"),
        ("#define E(f, ...) p(f, ## __VA_ARGS__)\nE(1) E(1, 2, 3)", "p ( 1 ) p ( 1 , 2 , 3 )"),
        ("#define N(f, r...) p(f, ## r)\nN(1) N(1, 2, 3)", "p ( 1 ) p ( 1 , 2 , 3 )"),
        ("#define L __LINE__\n\nL", "3"),
        ("#define E\n-E- E", "- -"),
        ("#define A a\n#if A\n#endif\n#undef A\nA", "A"),
        ("#line 9 \"f\"\n__LINE__\n__LINE__", "9 10"),
    ] {
        assert_eq!(expanded(text).unwrap().join(" "), words, "{text}");
    }
    for text in [
        "#define V(...) f(1, ## __VA_ARGS__)\nV()",
        "#define O(a, ...) __VA_OPT__(a)\nO(1)",
        "#define F(x) x\nF(1",
        "#define F(x) x\nF(1, 2)",
        "#define F(x) x\nF(\n#define G\n1)",
        "#define J(a, b) a##b\nJ(+, 1)",
        "#define F(x) __LINE__\nF(\n1)",
        "__COUNTER__",
        "_Pragma(\"once\")",
    ] {
        assert!(expanded(text).is_err(), "{text}");
    }
}
