//! Splits program text into tokens.

/// A token of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Integer(i64),
    /// A name or a keyword.
    Word(String),
    Sign(&'static str),
    End,
}

/// The operators, longer ones first.
const SIGNS: [&str; 20] =
    ["==", "!=", "<=", ">=", "<", ">", "=", "+", "-", "*", "/", "%", "(", ")", "{", "}", "[", "]", ",", ";"];

/// Returns the tokens, each with its line.
///
/// # Errors
/// The line and the error.
pub(crate) fn tokens(text: &str) -> Result<Vec<(Token, u32)>, (u32, String)> {
    let mut tokens = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let mut rest = text.split('#').next().unwrap_or_default().trim_start();
        while let Some(first) = rest.chars().next() {
            let word = |keep: fn(char) -> bool| rest.find(|c| !keep(c)).unwrap_or(rest.len());
            let (token, length) = if first.is_ascii_digit() {
                let length = word(|c| c.is_ascii_digit());
                let integer = rest[..length].parse().ok().filter(|integer| *integer <= i64::MAX / 2);
                (Token::Integer(integer.ok_or((line, "a literal is too large".to_owned()))?), length)
            } else if first.is_alphabetic() || first == '_' {
                let length = word(|c| c.is_alphanumeric() || c == '_');
                (Token::Word(rest[..length].to_owned()), length)
            } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                (Token::Sign(sign), sign.len())
            } else {
                return Err((line, format!("what is {first}?")));
            };
            tokens.push((token, line));
            rest = rest[length..].trim_start();
        }
    }
    let last = tokens.last().map_or(1, |(_, line)| *line);
    tokens.push((Token::End, last));
    Ok(tokens)
}
