//! Compares the preprocessor with real compilers: for each text that it does not refuse, it must agree with all of them.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "the walls are the product's")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::lexer::lex;
use crate::macros::{HeaderMacros, Macros};
use crate::preprocess::preprocess;
use crate::reason::Reason;

mod conditions;
mod expansion;
mod lexing;

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % limit as u64).unwrap()
    }

    fn pick<'p>(&mut self, from: &[&'p str]) -> &'p str {
        from[self.below(from.len())]
    }
}

/// The compilers of this machine.
fn compilers() -> Vec<&'static str> {
    let is_here =
        |name: &&str| Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    ["gcc", "clang", "clang-19"].into_iter().filter(is_here).collect()
}

/// Returns a compiler's preprocessed tokens; `None` if the compiler refuses the text, or the tokens cannot be separated.
fn expanded_by(compiler: &str, text: &str) -> Option<Vec<String>> {
    let mut child = Command::new(compiler)
        .args(["-E", "-P", "-w", "-x", "c", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    output.status.success().then(|| words(&output.stdout)).flatten()
}

fn words(text: &[u8]) -> Option<Vec<String>> {
    let tokens = lex(text, true).ok()?;
    Some(tokens.iter().map(|token| String::from_utf8_lossy(&token.text).into_owned()).collect())
}

/// Returns this crate's preprocessed tokens.
fn expanded(text: &str) -> Result<Vec<String>, Reason> {
    let header = HeaderMacros::default();
    let mut macros = Macros::new(&header, true);
    let found = preprocess(text.as_bytes(), &mut macros, true)?;
    Ok(found.tokens.iter().map(|token| String::from_utf8_lossy(&token.text).into_owned()).collect())
}
