//! An input from a corpus: bytes changed, cut, doubled, nested. The same seed and number give the same bytes.

use fastrand::Rng;

/// No input is longer: what takes long for so many bytes would take for ever for a real file.
const LONGEST: usize = 1 << 16;

/// What grammars are made of.
const WORDS: [&str; 48] = [
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "<",
    ">",
    "\"",
    "'",
    "\\",
    "\\\n",
    "\n",
    "\r\n",
    "#",
    "##",
    "//",
    "/*",
    "*/",
    ":",
    ";",
    ",",
    "?",
    "=",
    "-",
    "*",
    "@",
    "$",
    "%:",
    "??/\n",
    "L\"",
    "u8\"",
    "R\"(",
    "#if 1\n",
    "#else\n",
    "#endif\n",
    "#include \"a\"\n",
    "#define A(x, ...) x ## A(x) __VA_ARGS__\n",
    "#define B A(B) B\n",
    "defined",
    "__attribute__((",
    "_Generic(",
    "sizeof(",
    "typedef ",
    "static ",
    "0x1p",
    "\0",
    "\u{feff}",
];

pub fn nth(corpus: &[Vec<u8>], seed: u64, number: u64) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number));
    let mut bytes = corpus[rng.usize(..corpus.len())].clone();
    if rng.u32(..64) == 0 {
        bytes = doubling(&mut rng);
    }
    for _ in 0..1 + rng.usize(..6) {
        change(&mut bytes, corpus, &mut rng);
        bytes.truncate(LONGEST);
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut Rng) {
    let word = WORDS[rng.usize(..WORDS.len())].as_bytes();
    let at = rng.usize(..=bytes.len());
    let end = at + rng.usize(..=(bytes.len() - at).min(200));
    match rng.u32(..12) {
        0 if at < bytes.len() => bytes[at] ^= 1 << rng.u32(..8),
        1 if at < bytes.len() => bytes[at] = rng.u8(..),
        2 => drop(bytes.splice(at..end, [])),
        3 => bytes.truncate(at),
        4 => drop(bytes.splice(at..at, word.iter().copied())),
        // Deep in one another, and one behind the other.
        5 => drop(bytes.splice(at..at, word.repeat(times(rng)))),
        6 => {
            let piece = bytes[at..end].repeat(times(rng));
            bytes.splice(at..at, piece.into_iter().take(LONGEST));
        }
        7 => {
            let other = &corpus[rng.usize(..corpus.len())];
            let from = rng.usize(..=other.len());
            let piece = other[from..].iter().copied().take(4096);
            bytes.splice(at..end, piece);
        }
        8 => {
            let piece = bytes[at..end].to_vec();
            let to = rng.usize(..=bytes.len());
            bytes.splice(to..to, piece);
        }
        9 => {
            // Two words by turns.
            let other = WORDS[rng.usize(..WORDS.len())].as_bytes();
            bytes.splice(at..at, [word, other].concat().repeat(times(rng)));
        }
        10 => {
            // A number, in words or in bytes.
            let number = rng.u64(..) >> rng.u32(..64);
            let piece = if rng.bool() { number.to_string().into_bytes() } else { number.to_le_bytes().to_vec() };
            bytes.splice(at..end.min(at + piece.len()), piece);
        }
        _ => bytes.extend_from_within(at..end),
    }
}

fn times(rng: &mut Rng) -> usize {
    1 << rng.u32(..15)
}

/// Macros of which each is twice the one before.
fn doubling(rng: &mut Rng) -> Vec<u8> {
    let mut text = String::from("#define M0 x +\n");
    for number in 1..10 + rng.u32(..40) {
        let before = number - 1;
        text += &match rng.u32(..3) {
            0 => format!("#define M{number} M{before} M{before}\n"),
            1 => format!("#define M{number}(x) M{before}(x) M{before}\n#define N{number} M{number}(M{before})\n"),
            _ => format!("#define M{number} (M{before}, M{before})\n"),
        };
    }
    let last = rng.u32(..50);
    (text + &format!("int f(int x) {{ return M{last}(1) M{last} N{last}; }}\n")).into_bytes()
}
