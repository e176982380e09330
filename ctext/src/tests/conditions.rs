//! Conditions of `#if` against real preprocessors.

use std::fmt::Write as _;

use super::{Random, compilers, expanded, expanded_by};
use crate::reason::Reason;

const ATOMS: [&str; 22] = [
    "0",
    "1",
    "2",
    "7",
    "-1",
    "0x10",
    "010",
    "1u",
    "2UL",
    "3ll",
    "0b11",
    "'a'",
    "'\\n'",
    "A",
    "B",
    "UNKNOWN",
    "defined A",
    "defined(UNKNOWN)",
    "18446744073709551615u",
    "9223372036854775807",
    "F(2)",
    "'\\\\'",
];

const OPERATORS: [&str; 18] =
    ["+", "-", "*", "/", "%", "<<", ">>", "<", ">", "<=", ">=", "==", "!=", "&", "|", "^", "&&", "||"];

fn expression(random: &mut Random, depth: usize) -> String {
    match random.below(8) {
        _ if depth == 0 => random.pick(&ATOMS).to_owned(),
        0 => random.pick(&ATOMS).to_owned(),
        1 => format!("{}{}", random.pick(&["!", "~", "-", "+"]), atom(random)),
        2 => format!("({})", expression(random, depth - 1)),
        3 => format!(
            "{} ? {} : {}",
            expression(random, depth - 1),
            expression(random, depth - 1),
            expression(random, depth - 1)
        ),
        _ => {
            let left = expression(random, depth - 1);
            format!("{left} {} {}", random.pick(&OPERATORS), expression(random, depth - 1))
        }
    }
}

fn atom(random: &mut Random) -> String {
    format!("({})", random.pick(&ATOMS))
}

#[test]
#[cfg_attr(windows, ignore = "the compilers of the tests there end their lines otherwise")]
fn conditions_are_decided_as_compilers_decide() {
    const DEFINITIONS: &str = "#define A 3\n#define B\n#define F(x) (x - 1)\n";
    let compilers = compilers();
    let mut random = Random::new(1);
    let mut text = DEFINITIONS.to_owned();
    let mut decided = 0;
    for number in 0..600 {
        let condition = expression(&mut random, 3);
        let one = format!("#if {condition}\nyes{number}\n#else\nno{number}\n#endif\n");
        let alone = format!("{DEFINITIONS}{one}");
        // A condition that a compiler refuses would end the whole text.
        if expanded(&alone).is_ok() && expanded_by("gcc", &alone).is_some() {
            decided += 1;
            let _ = write!(text, "{one}");
        }
    }
    let words = expanded(&text).unwrap();
    for compiler in &compilers {
        if let Some(theirs) = expanded_by(compiler, &text) {
            let differs = words.iter().zip(&theirs).find(|(one, other)| one != other);
            let number = differs.map(|(one, _)| one.trim_start_matches(|byte: char| !byte.is_ascii_digit()).to_owned());
            let line = number.and_then(|number| {
                let at = text.find(&format!("yes{number}\n"))?;
                text[..at].lines().last()
            });
            assert_eq!(words, theirs, "{compiler}: {line:?}");
        }
    }
    assert!(compilers.is_empty() || decided > 100, "{decided}");
}

#[test]
fn what_only_a_compiler_can_decide() {
    for condition in [
        "__has_include(<a.h>)",
        "1 / 0",
        "1 +",
        "(1",
        "1.5",
        "\"a\"",
        "1 << 64",
        "'ab'",
        "'\\x41'",
        "9223372036854775808",
        "true",
        "defined",
        "defined(A",
        "defined __LINE__",
        "__COUNTER__",
        "1 = 1",
        "",
    ] {
        let text = format!("\n#if {condition}\n#endif\n");
        assert_eq!(expanded(&text), Err(Reason::Condition { line: 2 }), "{condition}");
    }
    // Skipped text need not be understood.
    assert_eq!(
        expanded("#if 0\n#if 1 +\n#elif x y\n#endif\n#pragma a\n#elif 1\nyes\n#else\nno\n#endif").unwrap(),
        ["yes"]
    );
    assert_eq!(expanded("#ifndef A\n#define A\n#endif\n#ifdef A\nyes\n#endif").unwrap(), ["yes"]);
    assert_eq!(expanded("#if 1\n#elif __has_include(<a.h>)\n#endif\nyes").unwrap(), ["yes"]);
}
