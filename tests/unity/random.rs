//! Units of chance, all of the same few names: whatever they define, each answers as it does alone.

use std::fmt::Write as _;

use crate::build::Source;
use crate::same::Bench;
use crate::support::need;

const HEADER: &str = r#"
#include <stdint.h>
struct vm { int64_t a, b, c, d, e; };
#define LIMIT 10
#define WITH_A(x) (a(x))
#define SCALED(x) ((x) * FACTOR)
#define FACTOR 3
#define NEXT() (__extension__({ static int64_t hidden; ++hidden; }))
#define TEXT(x) #x
#define FIELD_B(v) ((v).b)
#define WITH_B(x) (b(x))
static inline int64_t sum(const char *text) { int64_t all = 0; while (*text) all = all * 31 + *text++; return all; }
"#;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const SEEDS: u64 = 40;
const UNITS: usize = 6;

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// What a name is in a unit so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    Nothing,
    Function,
    Variable,
    Constant,
    Table,
    Macro,
    Enumerator,
    Type,
}

struct Generator<'r> {
    random: &'r mut Random,
    text: String,
    is: [Is; NAMES.len()],
    /// Whether `struct NAME` has a body.
    tags: [bool; NAMES.len()],
    factor: bool,
}

impl Generator<'_> {
    /// An expression of what there is.
    fn value(&mut self, depth: u64) -> String {
        let small = self.random.below(3).to_string();
        if depth == 0 {
            return small;
        }
        let at = usize::try_from(self.random.below(NAMES.len() as u64)).unwrap();
        let name = NAMES[at];
        let other = self.value(depth - 1);
        match (self.is[at], self.random.below(4)) {
            (Is::Function, 0) if name == "a" => format!("WITH_A({other})"),
            (Is::Function, 1) => format!("({name}(n) + sum(TEXT({name})))"),
            (Is::Function | Is::Macro, _) => format!("{name}({other})"),
            (Is::Variable, 0) => format!("({name} += {other})"),
            (Is::Variable, 1) => format!("(*&{name} ^ {other})"),
            (Is::Variable | Is::Constant | Is::Enumerator, _) => format!("({name} + {other})"),
            (Is::Table, _) => format!("{name}[{other} & 1]"),
            (Is::Type, _) => format!("(int64_t)({name})({other})"),
            (Is::Nothing, 0) if self.tags[at] => format!("((struct {name}){{{other}, 2}}).{name}"),
            (Is::Nothing, 1) if self.random.one_in(4) => format!("((struct vm){{.{name} = {other}}}).{name}"),
            (Is::Nothing, 2) => format!("SCALED({other})"),
            (Is::Nothing, _) => small,
        }
    }

    fn define(&mut self) {
        let at = usize::try_from(self.random.below(NAMES.len() as u64)).unwrap();
        let name = NAMES[at];
        if self.random.one_in(6) && !self.tags[at] && self.is[at] == Is::Nothing {
            self.tags[at] = true;
            let more = if self.random.one_in(2) { "int32_t" } else { "int64_t" };
            let _ = writeln!(self.text, "struct {name} {{ int64_t {name}; {more} more; }};");
            return;
        }
        if self.random.one_in(9) && !self.factor {
            self.factor = true;
            let _ = writeln!(self.text, "#undef FACTOR\n#define FACTOR {}", 4 + self.random.below(2));
            return;
        }
        if self.is[at] != Is::Nothing {
            return;
        }
        let plus = self.random.below(2);
        let value = self.value(2);
        let (is, text) = match self.random.below(12) {
            0 => (Is::Variable, format!("static int64_t {name};")),
            1 => (Is::Variable, format!("static int64_t {name} = {plus};")),
            2 => (Is::Constant, format!("static const int64_t {name} = {plus};")),
            3 => (Is::Table, format!("static const int64_t {name}[2] = {{{plus}, 2}};")),
            4 => (Is::Enumerator, format!("enum {{ {name} = {plus} }};")),
            5 => (Is::Type, format!("typedef int{}_t {name};", 16 << plus)),
            6 => (Is::Macro, format!("#define {name}(x) ((x) + {value})")),
            7 => (
                Is::Function,
                format!("static int64_t {name}(int64_t n) {{ static int64_t s = {plus}; return s += n; }}"),
            ),
            8 => (Is::Function, format!("static int64_t {name}(int64_t n) {{ return n + NEXT(); }}")),
            9 => (
                Is::Function,
                format!(
                    "#if LIMIT > {}\nstatic int64_t {name}(int64_t n) {{ return n; }}\n#else\nstatic int64_t {name}(int64_t n) {{ return -n; }}\n#endif",
                    9 + plus
                ),
            ),
            _ => (
                Is::Function,
                format!(
                    "static int64_t {name}(int64_t n);\nstatic int64_t {name}(int64_t n) {{ return n + {value}; }}"
                ),
            ),
        };
        // A macro's body speaks of `n`, which only functions have.
        let text = if is == Is::Macro { text.replace("(n)", "(1)") } else { text };
        self.is[at] = is;
        let _ = writeln!(self.text, "{text}");
    }
}

/// `members`: whether to use a macro of the header's that speaks of a member by a name that units have too.
fn unit(random: &mut Random, number: usize, members: bool) -> Source {
    let mut generator = Generator {
        random,
        text: String::new(),
        is: [Is::Nothing; NAMES.len()],
        tags: [false; NAMES.len()],
        factor: false,
    };
    for _ in 0..8 {
        generator.define();
    }
    let entry = format!("unit_{number}");
    let value: Vec<String> = (0..4).map(|_| generator.value(3)).collect();
    let _ = writeln!(
        generator.text,
        "int64_t {entry}(int64_t n) {{ struct vm v = {{1, n, 3, 4, n}}; return {} + {} + v.e; }}",
        value.join(" * 3 + "),
        if members { "FIELD_B(v)" } else { "v.e" }
    );
    Source::new(&entry, &generator.text)
}

#[test]
fn units_of_chance_answer_as_they_do_alone() {
    need!("gcc");
    let (mut left_out, mut saved, mut merged_units) = (0, 0, 0);
    for seed in 1..=SEEDS {
        let mut random = Random::new(seed);
        let members = seed % 2 == 0;
        let sources: Vec<Source> = (0..UNITS).map(|number| unit(&mut random, number, members)).collect();
        let bench = Bench::new(HEADER, &sources);
        let merged = bench.check(&["gcc"]);
        left_out += merged.left_out.len();
        merged_units += merged.units.len();
        saved += merged.saved;
        for left_out in &merged.left_out {
            println!("seed {seed}: {}", left_out.reason);
        }
    }
    println!("{merged_units} units merged, {left_out} left out, {saved} bytes of definitions saved");
    assert!(merged_units > 2 * left_out && saved > 0, "{merged_units} merged, {left_out} left out, {saved} bytes");
}

/// Definitions of one name each that build on those before; many units have the same words of them, and mean different things.
const FAMILY: [&[&str]; 5] = [
    &[
        "static const int64_t a[2] = {1, 2};\n#define SET 0\n",
        "static const int64_t a[2] = {1, 3};\n#define SET 0\n",
        "static int64_t a[2] = {1, 2};\n#define SET (a[0] += 5)\n",
    ],
    &[
        "static int64_t b(int64_t n) { return a[n & 1] + n; }\n",
        "static int64_t b(int64_t n) { static int64_t s; return s += a[n & 1]; }\n",
        "#define b(n) (a[(n) & 1] * 5)\n",
        "#undef FACTOR\n#define FACTOR b(2)\nstatic int64_t b(int64_t n) { return a[n & 1] - n; }\n",
    ],
    &[
        "static int64_t c(int64_t n) { return WITH_B(n) + LIMIT; }\n",
        "static int64_t c(int64_t n) { return b(n) + LIMIT; }\n",
        "typedef int32_t type;\nstatic int64_t c(type n) { return n * SCALED(2); }\n",
        "typedef int64_t type;\nstatic int64_t c(type n) { return n * SCALED(2); }\n",
    ],
    &[
        "struct d { int64_t a, d; };\nstatic int64_t e(int64_t n) { struct d v = {n, c(n)}; return v.d; }\n",
        "static int64_t e(int64_t n);\nstatic int64_t d(int64_t n) { return n > 9 ? e(n - 9) : c(n); }\nstatic int64_t e(int64_t n) { return n > 3 ? d(n - 3) : b(n); }\n",
        "#undef LIMIT\n#define LIMIT 99\nstatic int64_t e(int64_t n) { return c(n) + LIMIT; }\n",
        "static int64_t (*const d[])(int64_t) = {c, c};\nstatic int64_t e(int64_t n) { return d[n & 1](n); }\n",
    ],
    &["(void)SET;", "n += SET;"],
];

#[test]
fn helpers_alike_in_words_answer_as_they_do_alone() {
    need!("gcc");
    let (mut saved, mut merged_units) = (0, 0);
    for seed in 1..=20 {
        let mut random = Random::new(seed);
        let mut pick = |of: &[&'static str]| of[usize::try_from(random.below(of.len() as u64)).unwrap()];
        let sources: Vec<Source> = (0..8)
            .map(|number| {
                let entry = format!("unit_{number}");
                let definitions: String = FAMILY[..4].iter().map(|variants| pick(variants)).collect();
                let set = pick(FAMILY[4]);
                Source::new(
                    &entry,
                    &format!("{definitions}int64_t {entry}(int64_t n) {{ {set} return e(n) * 7 + c(n) + b(n); }}\n"),
                )
            })
            .collect();
        let bench = Bench::new(HEADER, &sources);
        let merged = bench.check(&["gcc"]);
        for left_out in &merged.left_out {
            println!("seed {seed}: {}\n{}", left_out.reason, sources[left_out.index].text);
        }
        assert!(merged.left_out.len() <= 3);
        merged_units += merged.units.len();
        saved += merged.saved;
    }
    println!("{merged_units} units merged, {saved} bytes of definitions saved");
    assert!(saved > 40 * merged_units, "{saved} bytes in {merged_units} units");
}
