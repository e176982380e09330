//! C text to tokens and directives, with exact places. Refuses what it cannot read for sure. Knows no grammar.

use std::ops::Range;

use super::reason::{Doubt, Reason};
use super::words::Word;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word(Word),
    Number,
    Text,
    Char,
    /// One byte of punctuation: `==` is two of them.
    Punct(u8),
    Arrow,
    Ellipsis,
    Paste,
    /// A whole directive, by its index.
    Directive(usize),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token {
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    pub(super) fn is(&self, byte: u8) -> bool {
        self.kind == Kind::Punct(byte)
    }
}

/// What a directive does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Define,
    Undef,
    /// `#if`, `#ifdef`, `#ifndef`.
    If,
    /// `#elif`, `#else`.
    Else,
    Endif,
    Include,
    PragmaOnce,
    /// `#line`, `#error`, `#warning`, the null directive: nothing that names could depend on.
    Inert,
}

#[derive(Clone, Debug)]
pub(super) struct Directive {
    pub(super) verb: Verb,
    /// What stands behind the verb, in [`Lexed::inner`]. None for what is not made of tokens.
    pub(super) tokens: Range<usize>,
}

/// A unit's tokens.
#[derive(Debug, Default)]
pub(super) struct Lexed {
    pub(super) tokens: Vec<Token>,
    pub(super) directives: Vec<Directive>,
    /// The tokens of directives.
    pub(super) inner: Vec<Token>,
}

/// Reads a whole unit.
pub(super) fn lex(text: &[u8]) -> Result<Lexed, Reason> {
    if let Some(at) = find_trigraph(text) {
        return Err(doubt(text, at, Doubt::Trigraph));
    }
    let mut lexer = Lexer { text, at: 0, line_start: true };
    let mut lexed = Lexed::default();
    while lexer.skip_space(false)? {
        if lexer.line_start && lexer.peek(0) == b'#' {
            let directive = lexer.directive(&mut lexed.inner)?;
            lexed.tokens.push(Token {
                kind: Kind::Directive(lexed.directives.len()),
                start: directive.1.start,
                end: directive.1.end,
            });
            lexed.directives.push(directive.0);
        } else {
            lexer.line_start = false;
            lexed.tokens.push(lexer.token()?);
        }
    }
    // The line that comes behind the unit would go on in it.
    if text.trim_ascii_end().ends_with(b"\\") {
        return Err(doubt(text, text.len() - 1, Doubt::Splice));
    }
    Ok(lexed)
}

/// Reads one line, as of a macro's definition.
pub(super) fn lex_line(text: &[u8]) -> Result<Vec<Token>, Reason> {
    let mut lexer = Lexer { text, at: 0, line_start: false };
    let mut tokens = Vec::new();
    while lexer.skip_space(true)? {
        tokens.push(lexer.token()?);
    }
    Ok(tokens)
}

/// The `#include` lines at a text's very top, as they stand there.
pub(super) fn leading_includes(text: &[u8]) -> Vec<&[u8]> {
    let mut lexer = Lexer { text, at: 0, line_start: true };
    let mut includes = Vec::new();
    while let Ok(true) = lexer.skip_space(false) {
        if !lexer.line_start || lexer.peek(0) != b'#' {
            break;
        }
        let Ok((directive, range)) = lexer.directive(&mut Vec::new()) else { break };
        match directive.verb {
            Verb::Include => includes.push(&text[range]),
            Verb::PragmaOnce | Verb::Inert => {}
            _ => break,
        }
    }
    includes
}

/// The line of a place in a text, from 1.
pub(super) fn line_of(text: &[u8], at: usize) -> usize {
    1 + text[..at.min(text.len())].iter().filter(|&&byte| byte == b'\n').count()
}

fn doubt(text: &[u8], at: usize, what: Doubt) -> Reason {
    Reason::Doubt { line: line_of(text, at), what }
}

fn find_trigraph(text: &[u8]) -> Option<usize> {
    text.windows(3).position(|three| three.starts_with(b"??") && b"=/'()!<>-".contains(&three[2]))
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    line_start: bool,
}

impl Lexer<'_> {
    /// The byte so far ahead; 0 past the end, which no C text holds.
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn doubt(&self, what: Doubt) -> Reason {
        doubt(self.text, self.at, what)
    }

    /// How long the line splice is that stands so far ahead; 0 if none does.
    fn splice(&self, ahead: usize) -> usize {
        match (self.peek(ahead), self.peek(ahead + 1), self.peek(ahead + 2)) {
            (b'\\', b'\n', _) => 2,
            (b'\\', b'\r', b'\n') => 3,
            _ => 0,
        }
    }

    /// Goes past white space and comments, within the logical line only if told. False where nothing follows.
    fn skip_space(&mut self, one_line: bool) -> Result<bool, Reason> {
        loop {
            match self.peek(0) {
                b'\n' if one_line => return Ok(false),
                b'\n' => {
                    self.line_start = true;
                    self.at += 1;
                }
                b' ' | b'\t' | b'\r' | 0x0b | 0x0c => self.at += 1,
                b'\\' => {
                    let length = self.splice(0);
                    let space = |byte: u8| byte.is_ascii_whitespace() || byte == 0;
                    let before = self.at.checked_sub(1).map_or(b' ', |at| self.text[at]);
                    // Between two words it would join them.
                    if length == 0 || !(space(before) || space(self.peek(length))) {
                        return Err(self.doubt(Doubt::Splice));
                    }
                    self.at += length;
                }
                b'/' if self.peek(1) == b'*' => {
                    let rest = &self.text[self.at + 2..];
                    let length = rest.windows(2).position(|two| two == b"*/");
                    self.at += 4 + length.ok_or_else(|| self.doubt(Doubt::Comment))?;
                }
                b'/' if self.peek(1) == b'/' => {
                    while self.at < self.text.len() && self.peek(0) != b'\n' {
                        self.at += self.splice(0).max(1);
                    }
                }
                b'/' if self.splice(1) > 0 => return Err(self.doubt(Doubt::Splice)),
                0 if self.at >= self.text.len() => return Ok(false),
                _ => return Ok(true),
            }
        }
    }

    /// The token that stands here.
    fn token(&mut self) -> Result<Token, Reason> {
        let start = self.at;
        let kind = match self.peek(0) {
            b'"' => self.quoted(b'"', Kind::Text)?,
            b'\'' => self.quoted(b'\'', Kind::Char)?,
            byte if byte.is_ascii_digit() || (byte == b'.' && self.peek(1).is_ascii_digit()) => self.number()?,
            byte if is_word_byte(byte) => self.word()?,
            _ => self.punctuation()?,
        };
        Ok(Token { kind, start, end: self.at })
    }

    fn quoted(&mut self, quote: u8, kind: Kind) -> Result<Kind, Reason> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek(0) {
                byte if byte == quote => break,
                b'\\' => self.at += self.splice(0).max(2),
                b'\n' | 0 => return Err(doubt(self.text, start, Doubt::Quote)),
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Ok(kind)
    }

    fn number(&mut self) -> Result<Kind, Reason> {
        while is_word_byte(self.peek(0)) || self.peek(0) == b'.' {
            let exponent = matches!(self.peek(0), b'e' | b'E' | b'p' | b'P');
            self.at += 1;
            if exponent && matches!(self.peek(0), b'+' | b'-') {
                self.at += 1;
            }
        }
        // A digit separator of C23, or a character right behind a number.
        if self.peek(0) == b'\'' { Err(self.doubt(Doubt::Quote)) } else { Ok(Kind::Number) }
    }

    fn word(&mut self) -> Result<Kind, Reason> {
        let start = self.at;
        while is_word_byte(self.peek(0)) {
            self.at += 1;
        }
        let word = &self.text[start..self.at];
        if self.peek(0) == b'"' && matches!(word, b"R" | b"LR" | b"uR" | b"UR" | b"u8R") {
            return Err(self.doubt(Doubt::RawString));
        }
        Ok(Kind::Word(Word::of(word)))
    }

    fn punctuation(&mut self) -> Result<Kind, Reason> {
        let (kind, length) = match (self.peek(0), self.peek(1), self.peek(2)) {
            (b'-', b'-', _) => (Kind::Punct(b'-'), 2),
            (b'-', b'>', _) => (Kind::Arrow, 2),
            (b'.', b'.', b'.') => (Kind::Ellipsis, 3),
            (b'#', b'#', _) => (Kind::Paste, 2),
            (b'<', b':' | b'%', _) | (b':' | b'%', b'>', _) | (b'%', b':', _) => {
                return Err(self.doubt(Doubt::Digraph));
            }
            (byte, ..) if byte.is_ascii_punctuation() && !matches!(byte, b'\\' | b'@' | b'`') => (Kind::Punct(byte), 1),
            _ => return Err(self.doubt(Doubt::StrayByte)),
        };
        self.at += length;
        Ok(kind)
    }

    /// The directive that begins with the `#` that stands here, and the bytes it takes up to its line's end.
    fn directive(&mut self, inner: &mut Vec<Token>) -> Result<(Directive, Range<usize>), Reason> {
        let start = self.at;
        self.at += 1;
        if !self.skip_space(true)? {
            return Ok((Directive { verb: Verb::Inert, tokens: 0..0 }, start..start + 1));
        }
        let name = self.token()?;
        let word = &self.text[name.range()];
        let verb = match word {
            b"define" => Verb::Define,
            b"undef" => Verb::Undef,
            b"if" | b"ifdef" | b"ifndef" => Verb::If,
            b"elif" | b"else" | b"elifdef" | b"elifndef" => Verb::Else,
            b"endif" => Verb::Endif,
            b"line" => Verb::Inert,
            b"pragma" => Verb::PragmaOnce,
            b"include" => return self.untokenized(Verb::Include, start),
            b"error" | b"warning" => return self.untokenized(Verb::Inert, start),
            _ if name.kind == Kind::Number => Verb::Inert,
            _ => {
                let name = String::from_utf8_lossy(word).into_owned();
                return Err(Reason::Directive { line: line_of(self.text, start), name });
            }
        };
        let first = inner.len();
        while self.skip_space(true)? {
            inner.push(self.token()?);
        }
        let tokens = first..inner.len();
        if verb == Verb::PragmaOnce && !(tokens.len() == 1 && &self.text[inner[first].range()] == b"once") {
            return Err(Reason::Pragma { line: line_of(self.text, start) });
        }
        let end = inner[tokens.clone()].last().map_or(name.end, |token| token.end);
        Ok((Directive { verb, tokens }, start..end))
    }

    /// A directive whose rest is not C: a file's name, or a sentence.
    fn untokenized(&mut self, verb: Verb, start: usize) -> Result<(Directive, Range<usize>), Reason> {
        while !matches!(self.peek(0), b'\n' | 0) {
            if self.splice(0) > 0 || (self.peek(0) == b'/' && self.peek(1) == b'*') {
                return Err(self.doubt(Doubt::Splice));
            }
            self.at += 1;
        }
        let length = self.text[start..self.at].trim_ascii_end().len();
        Ok((Directive { verb, tokens: 0..0 }, start..start + length))
    }
}
