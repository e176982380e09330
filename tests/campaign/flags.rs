//! Sets of flags with names, which kinds ask for.

use fastrand::Rng;

/// Sets of flags, how often each is drawn, and two that stand for a header: `real` for that of the fixtures' units, `hconst` and
/// `hstatic` for one that takes a keyword away.
const FLAVOURS: [(&str, &[&str], u32); 14] = [
    ("plain", &[], 12),
    ("quiet", &["--cflag=-w"], 8),
    ("wall", &["--cflag=-Wall", "--cflag=-Wextra"], 2),
    ("gnu89", &["--cflag=-std=gnu89"], 2),
    ("c89", &["--cflag=-std=c89", "--cflag=-w"], 2),
    ("gnu2x", &["--cflag=-std=gnu2x", "--cflag=-w"], 1),
    ("common", &["--cflag=-fcommon", "--cflag=-w"], 1),
    ("trigraphs", &["--cflag=-trigraphs", "--cflag=-w"], 1),
    ("dstatic", &["-D", "static=", "--cflag=-w"], 1),
    ("dconst", &["-D", "const=", "--cflag=-w"], 1),
    ("forced", &["--cflag=-include", "--cflag=forced.h", "--cflag=-w"], 1),
    ("real", &["--cflag=-w"], 2),
    ("hconst", &[], 1),
    ("hstatic", &[], 1),
];

/// With these no other kinds: their header or flags take a keyword away, and units of other kinds would clash.
pub const EXCLUSIVE: [&str; 3] = ["dstatic", "hconst", "hstatic"];

/// The flags of a flavour that a kind names.
#[allow(dead_code, reason = "for tests/merging")]
pub fn of(flavour: &str) -> Vec<String> {
    if flavour == "silent" {
        return vec!["--cflag=-w".to_owned()];
    }
    let found = FLAVOURS.iter().find(|(name, ..)| *name == flavour);
    found.unwrap_or_else(|| panic!("there is no flavour {flavour}")).1.iter().map(|word| (*word).to_owned()).collect()
}

/// A flavour, and its flags.
pub fn pick(random: &mut Rng) -> (&'static str, &'static [&'static str]) {
    let sum: u32 = FLAVOURS.iter().map(|(_, _, weight)| weight).sum();
    let mut at = random.u32(..sum);
    for (name, words, weight) in FLAVOURS {
        if at < weight {
            return (name, words);
        }
        at -= weight;
    }
    unreachable!("the weights were summed up")
}

/// The flags with which clang takes what gcc 12 takes with a warning.
pub fn lenient(cc: &str) -> Vec<String> {
    let names: &[&str] =
        if cc.starts_with("clang") { &["implicit-function-declaration", "int-conversion"] } else { &[] };
    names.iter().map(|name| format!("--cflag=-Wno-error={name}")).collect()
}
