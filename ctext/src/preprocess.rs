//! Preprocesses a unit's text: decides conditions, expands macros, and leaves `#include` lines to the text before all units. Knows no
//! grammar.

use crate::condition;
use crate::expand::expand;
use crate::lexer::{Token, TokenKind, lex};
use crate::macros::Macros;
use crate::reason::Reason;

/// The state of a conditional.
struct Branch {
    /// True if the tokens of this branch are kept.
    active: bool,
    /// True if an earlier branch was kept, or the enclosing branch is skipped.
    over: bool,
    /// True after `#else`.
    last: bool,
}

/// Returns the `#include` lines at the top of a text unchanged, each with a line feed.
pub fn leading_includes(text: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_ascii_start();
        if let Some(comment) = rest.strip_prefix(b"/*") {
            let Some(end) = comment.windows(2).position(|two| two == b"*/") else { break };
            rest = &comment[end + 2..];
            continue;
        }
        let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        let line = rest[..end].trim_ascii_end();
        // An unusual line ends the list; a later include is refused afterwards.
        let is_plain = !line.ends_with(b"\\") && !line.windows(2).any(|two| two == b"/*");
        let verb = line.strip_prefix(b"#").map(<[u8]>::trim_ascii_start).unwrap_or_default();
        if !is_plain {
            break;
        } else if let Some(name) = verb.strip_prefix(b"include")
            && name.trim_ascii_start().starts_with_any(b"<\"")
        {
            lines.extend_from_slice(line);
            lines.push(b'\n');
        } else if !(line.starts_with(b"//")
            || verb.strip_prefix(b"pragma").is_some_and(|rest| rest.trim_ascii() == b"once"))
        {
            break;
        }
        rest = &rest[end..];
    }
    lines
}

trait StartsWithAny {
    fn starts_with_any(&self, bytes: &[u8]) -> bool;
}

impl StartsWithAny for [u8] {
    fn starts_with_any(&self, bytes: &[u8]) -> bool {
        self.first().is_some_and(|first| bytes.contains(first))
    }
}

/// A unit without directives and macros.
pub(crate) struct Preprocessed<'t> {
    pub(crate) tokens: Vec<Token<'t>>,
    /// The files that `#line` directives name, as C strings with their quotes. A token's `file` is an index into the list, from 1.
    pub(crate) files: Vec<Vec<u8>>,
}

/// Preprocesses a unit. `macros` starts with the header's macros and ends with the unit's.
pub(crate) fn preprocess<'t>(
    text: &'t [u8],
    macros: &mut Macros<'t>,
    line_comments: bool,
) -> Result<Preprocessed<'t>, Reason> {
    let above = leading_includes(text).iter().filter(|&&byte| byte == b'\n').count();
    let tokens = lex(text, line_comments)?;
    let mut reader = Reader {
        macros,
        branches: Vec::new(),
        above,
        includes: 0,
        lines_ahead: 0,
        file: 0,
        files: Vec::new(),
        pending: Vec::new(),
        out: Vec::new(),
    };
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at].first && tokens[at].is("#") {
            let length = tokens[at + 1..].iter().take_while(|token| !token.first).count();
            reader.directive(&tokens[at..=at + length])?;
            at += 1 + length;
        } else {
            if reader.is_active() {
                reader.take(&tokens[at])?;
            }
            at += 1;
        }
    }
    if !reader.branches.is_empty() {
        return Err(Reason::Unbalanced { line: tokens.last().map_or(1, |token| token.line as usize) });
    }
    reader.flush()?;
    Ok(Preprocessed { tokens: reader.out, files: reader.files })
}

struct Reader<'m, 't> {
    macros: &'m mut Macros<'t>,
    branches: Vec<Branch>,
    /// The number of includes at the top.
    above: usize,
    includes: usize,
    /// The difference between the lines that `#line` assigns and the text's own lines.
    lines_ahead: i64,
    file: u16,
    files: Vec<Vec<u8>>,
    /// Tokens to expand with the current macros.
    pending: Vec<Token<'t>>,
    out: Vec<Token<'t>>,
}

impl<'t> Reader<'_, 't> {
    fn is_active(&self) -> bool {
        self.branches.iter().all(|branch| branch.active)
    }

    fn take(&mut self, token: &Token<'t>) -> Result<(), Reason> {
        let line = u32::try_from(i64::from(token.line) + self.lines_ahead);
        let line = line.map_err(|_| Reason::NotUnderstood { line: token.line as usize })?;
        self.pending.push(Token { line, file: self.file, ..token.clone() });
        Ok(())
    }

    /// Handles `#line NUMBER` and `#line NUMBER "FILE"`, which apply to the next line.
    fn line(&mut self, directive: &[Token<'t>], rest: &[Token<'t>]) -> Result<(), Reason> {
        let line = directive[0].line;
        let refuse = || Reason::Directive { line: line as usize, name: "line".to_owned() };
        let (number, file) = match rest {
            [number] => (number, None),
            [number, file] if file.kind == TokenKind::Text && file.text.starts_with(b"\"") => (number, Some(file)),
            // Further numbers mark the text of a header.
            _ => return Err(refuse()),
        };
        let digits =
            std::str::from_utf8(&number.text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let number: u32 = digits.and_then(|text| text.parse().ok()).filter(|number| *number > 0).ok_or_else(refuse)?;
        self.lines_ahead = i64::from(number) - i64::from(line) - 1;
        if let Some(file) = file {
            // Compilers print the name without the quotes and these escapes.
            let mut bytes = file.text.iter().copied();
            while let Some(byte) = bytes.next() {
                if byte == b'\\' && !bytes.next().is_some_and(|next| b"\\\"".contains(&next)) {
                    return Err(refuse());
                }
            }
            self.files.push(file.text.to_vec());
            self.file = u16::try_from(self.files.len()).map_err(|_| refuse())?;
        }
        Ok(())
    }

    /// Expands the tokens before a directive. Refuses an invocation that continues after the directive.
    fn flush(&mut self) -> Result<(), Reason> {
        let pending = std::mem::take(&mut self.pending);
        self.out.extend(expand(pending, self.macros)?);
        Ok(())
    }

    fn directive(&mut self, tokens: &[Token<'t>]) -> Result<(), Reason> {
        let line = tokens[0].line as usize;
        let Some(verb) = tokens.get(1) else { return Ok(()) };
        let rest = &tokens[2..];
        match &*verb.text {
            b"if" | b"ifdef" | b"ifndef" => {
                let outer = self.is_active();
                let active = outer && self.condition(verb, rest)?;
                self.branches.push(Branch { active, over: !outer || active, last: false });
                return Ok(());
            }
            b"elif" | b"elifdef" | b"elifndef" | b"else" => {
                let mut branch =
                    self.branches.pop().filter(|branch| !branch.last).ok_or(Reason::Unbalanced { line })?;
                branch.last = &*verb.text == b"else";
                if branch.last && !rest.is_empty() {
                    return Err(Reason::Condition { line });
                }
                branch.active = !branch.over && (branch.last || self.condition(verb, rest)?);
                branch.over |= branch.active;
                self.branches.push(branch);
                return Ok(());
            }
            b"endif" if rest.is_empty() => {
                return self.branches.pop().map(drop).ok_or(Reason::Unbalanced { line });
            }
            // Compilers warn about tokens after the directive.
            b"endif" => return Err(Reason::Condition { line }),
            _ if !self.is_active() => return Ok(()),
            _ => {}
        }
        match &*verb.text {
            b"define" | b"undef" => {
                let name = rest.first().filter(|name| name.kind == TokenKind::Word);
                let name = name.filter(|name| !is_compiler_name(&name.text)).ok_or_else(|| Reason::Macro {
                    line,
                    name: rest.first().map(|name| String::from_utf8_lossy(&name.text).into_owned()).unwrap_or_default(),
                })?;
                self.flush_before(rest)?;
                if &*verb.text == b"define" {
                    self.macros.define(rest)?;
                } else if rest.len() > 1 {
                    return Err(Reason::Directive { line, name: "undef".to_owned() });
                } else {
                    self.macros.undefine(&name.text);
                }
                Ok(())
            }
            b"include" => {
                self.includes += 1;
                let is_above = self.includes <= self.above && self.branches.is_empty() && self.pending.is_empty();
                if is_above { Ok(()) } else { Err(Reason::LateInclude { line }) }
            }
            b"line" => self.line(tokens, rest),
            _ if verb.kind == TokenKind::Number => self.line(tokens, &tokens[1..]),
            b"pragma" if matches!(rest, [once] if once.is_word("once")) => Ok(()),
            b"pragma" => Err(Reason::Pragma { line }),
            verb => Err(Reason::Directive { line, name: String::from_utf8_lossy(verb).into_owned() }),
        }
    }

    /// Expands the tokens before a definition. The name of a function-like macro may be followed by its parenthesis after the directive:
    /// such a text is left to the compiler.
    fn flush_before(&mut self, rest: &[Token<'t>]) -> Result<(), Reason> {
        if let Some(last) = self.pending.last()
            && last.kind == TokenKind::Word
            && self.macros.is_defined(&last.text)
        {
            return Err(Reason::Macro {
                line: rest.first().map_or(1, |token| token.line as usize),
                name: String::from_utf8_lossy(&last.text).into_owned(),
            });
        }
        self.flush()
    }

    fn condition(&mut self, verb: &Token<'t>, rest: &[Token<'t>]) -> Result<bool, Reason> {
        let unclear = || Reason::Condition { line: verb.line as usize };
        if verb.text.ends_with(b"def") {
            let [name] = rest else { return Err(unclear()) };
            if name.kind != TokenKind::Word || is_compiler_name(&name.text) {
                return Err(unclear());
            }
            let negated = verb.text.ends_with(b"ndef");
            return Ok(self.macros.is_defined(&name.text) != negated);
        }
        let mut tokens: Vec<Token<'t>> = Vec::new();
        let mut rest = rest.iter();
        while let Some(token) = rest.next() {
            if !token.is_word("defined") {
                tokens.push(token.clone());
                continue;
            }
            let mut name = rest.next().ok_or_else(unclear)?;
            if name.is("(") {
                name = rest.next().ok_or_else(unclear)?;
                rest.next().filter(|close| close.is(")")).ok_or_else(unclear)?;
            }
            if name.kind != TokenKind::Word || is_compiler_name(&name.text) {
                return Err(unclear());
            }
            let value = if self.macros.is_defined(&name.text) { b"1" } else { b"0" };
            tokens.push(Token::synthetic(TokenKind::Number, value.to_vec(), token));
        }
        let expanded = expand(tokens, self.macros).map_err(|_| unclear())?;
        condition::evaluate(&expanded).ok_or_else(unclear)
    }
}

/// True for names that a compiler treats as macros without a definition, and for names that must not be defined.
fn is_compiler_name(name: &[u8]) -> bool {
    name == b"defined"
        || name.starts_with(b"__VA_")
        || name.starts_with(b"__has_")
        || matches!(
            name,
            b"__LINE__"
                | b"__FILE__"
                | b"__FILE_NAME__"
                | b"__BASE_FILE__"
                | b"__INCLUDE_LEVEL__"
                | b"__COUNTER__"
                | b"__DATE__"
                | b"__TIME__"
                | b"__TIMESTAMP__"
                | b"_Pragma"
                | b"__pragma"
        )
}
