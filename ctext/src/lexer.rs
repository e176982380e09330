//! Splits C text into tokens. Refuses text that compilers may read in more than one way. Knows no grammar and no macro.

use std::borrow::Cow;
use std::rc::Rc;

use crate::reason::{Ambiguity, Reason};

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TokenKind {
    /// An identifier or a keyword.
    Word,
    Number,
    Text,
    Char,
    /// A punctuator, the longest that matches.
    Punct,
    /// The rest of a directive that does not consist of tokens: a file name, or a message.
    Rest,
}

/// A token and its position.
#[derive(Clone, Debug)]
pub(crate) struct Token<'t> {
    pub(crate) kind: TokenKind,
    pub(crate) text: Cow<'t, [u8]>,
    /// From 1. For a token of an expansion, the line of the macro's name. After preprocessing, the line that `#line` directives assign.
    pub(crate) line: u32,
    /// The index of the `#line` directive that names the line's file, from 1; 0 if no directive does.
    pub(crate) file: u16,
    /// From 0, in bytes. `None` for a token of an expansion.
    pub(crate) column: Option<u32>,
    /// True if white space or a comment precedes the token.
    pub(crate) space: bool,
    /// True if the token is the first of a logical line.
    pub(crate) first: bool,
    /// True if the token comes from a macro invocation that spans several lines.
    pub(crate) torn: bool,
    /// The macros that must not be expanded in this token again.
    pub(crate) hidden: Hidden,
}

/// A list of macro names.
pub(crate) type Hidden = Option<Rc<HiddenName>>;

/// The macros whose expansion made a token, innermost first.
#[derive(Debug)]
pub(crate) struct HiddenName {
    pub(crate) name: Box<[u8]>,
    pub(crate) next: Hidden,
}

impl<'t> Token<'t> {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.kind == TokenKind::Punct && *self.text == *text.as_bytes()
    }

    pub(crate) fn is_word(&self, text: &str) -> bool {
        self.kind == TokenKind::Word && *self.text == *text.as_bytes()
    }

    /// Creates a token that does not occur in the text.
    pub(crate) fn synthetic(kind: TokenKind, text: Vec<u8>, like: &Token<'_>) -> Token<'t> {
        Token {
            kind,
            text: Cow::Owned(text),
            line: like.line,
            file: like.file,
            column: None,
            space: like.space,
            first: false,
            torn: like.torn,
            hidden: None,
        }
    }
}

/// Splits a whole text into tokens. `line_comments` is false for a C version without `//` comments.
pub(crate) fn lex(text: &[u8], line_comments: bool) -> Result<Vec<Token<'_>>, Reason> {
    if let Some(at) = find_trigraph(text) {
        return Err(ambiguous(text, at, Ambiguity::Trigraph));
    }
    let mut lexer = Lexer { text, at: 0, line: 1, line_start: 0, first: true, space: false, line_comments };
    let mut tokens = Vec::with_capacity(text.len() / 4);
    // The index of the current directive's first token; `None` outside of directives.
    let mut directive: Option<usize> = None;
    while lexer.skip_space()? {
        if lexer.first {
            directive = (lexer.peek(0) == b'#').then_some(0);
        }
        if let Some(read) = &mut directive {
            *read += 1;
        }
        let is_rest = directive == Some(3) && lexer.takes_rest(&tokens);
        tokens.push(if is_rest { lexer.rest()? } else { lexer.token()? });
    }
    // The last line would continue in the text that follows.
    if text.trim_ascii_end().ends_with(b"\\") {
        return Err(ambiguous(text, text.len() - 1, Ambiguity::Splice));
    }
    Ok(tokens)
}

/// Returns the line of a byte offset in a text, from 1.
pub(crate) fn line_of(text: &[u8], at: usize) -> usize {
    1 + text[..at.min(text.len())].iter().filter(|&&byte| byte == b'\n').count()
}

fn ambiguous(text: &[u8], at: usize, what: Ambiguity) -> Reason {
    Reason::Ambiguous { line: line_of(text, at), what }
}

fn find_trigraph(text: &[u8]) -> Option<usize> {
    let is_trigraph = |at: &usize| {
        text[*at..].starts_with(b"??") && text.get(at + 2).is_some_and(|third| b"=/'()!<>-".contains(third))
    };
    text.iter().enumerate().filter(|(_, byte)| **byte == b'?').map(|(at, _)| at).find(is_trigraph)
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

/// Longest first, so that the first match is the longest.
const PUNCTUATORS: [&[u8]; 24] = [
    b"...", b"<<=", b">>=", b"->", b"++", b"--", b"<<", b">>", b"<=", b">=", b"==", b"!=", b"&&", b"||", b"*=", b"/=",
    b"%=", b"+=", b"-=", b"&=", b"^=", b"|=", b"##", b"::",
];

struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
    line: u32,
    line_start: usize,
    first: bool,
    space: bool,
    line_comments: bool,
}

impl<'t> Lexer<'t> {
    /// Returns the byte at this distance, or 0 past the end; no C text contains 0.
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn refuse(&self, what: Ambiguity) -> Reason {
        ambiguous(self.text, self.at, what)
    }

    /// Returns the length of the line splice at this distance, or 0 if there is none.
    fn splice(&self, ahead: usize) -> usize {
        match (self.peek(ahead), self.peek(ahead + 1), self.peek(ahead + 2)) {
            (b'\\', b'\n', _) => 2,
            (b'\\', b'\r', b'\n') => 3,
            _ => 0,
        }
    }

    /// Skips bytes and counts their lines.
    fn advance(&mut self, length: usize) {
        for _ in 0..length {
            if self.peek(0) == b'\n' {
                self.line += 1;
                self.line_start = self.at + 1;
            }
            self.at += 1;
        }
    }

    /// Skips white space and comments. Returns false at the end of the text.
    fn skip_space(&mut self) -> Result<bool, Reason> {
        loop {
            match self.peek(0) {
                b'\n' => {
                    self.first = true;
                    self.advance(1);
                }
                b' ' | b'\t' | 0x0b | 0x0c => self.at += 1,
                // Compilers disagree on a carriage return without a line feed.
                b'\r' if self.peek(1) == b'\n' => self.at += 1,
                b'\\' => {
                    let length = self.splice(0);
                    let space = |byte: u8| byte.is_ascii_whitespace() || byte == 0;
                    let before = self.at.checked_sub(1).map_or(b' ', |at| self.text[at]);
                    // Between two identifiers the splice would join the identifiers.
                    if length == 0 || !(space(before) || space(self.peek(length))) {
                        return Err(self.refuse(Ambiguity::Splice));
                    }
                    self.advance(length);
                }
                b'/' if self.peek(1) == b'*' => {
                    let rest = &self.text[self.at + 2..];
                    let length = rest.windows(2).position(|two| two == b"*/");
                    let length = 4 + length.ok_or_else(|| self.refuse(Ambiguity::Comment))?;
                    // Compilers warn about `/*` inside a comment (-Wcomment).
                    if rest[..length - 4].windows(2).any(|two| two == b"/*") {
                        return Err(self.refuse(Ambiguity::Comment));
                    }
                    self.advance(length);
                }
                b'/' if self.peek(1) == b'/' => self.line_comment()?,
                b'/' if self.splice(1) > 0 => return Err(self.refuse(Ambiguity::Splice)),
                0 if self.at >= self.text.len() => return Ok(false),
                _ => return Ok(true),
            }
            self.space = true;
        }
    }

    fn line_comment(&mut self) -> Result<(), Reason> {
        if !self.line_comments {
            return Err(self.refuse(Ambiguity::LineComment));
        }
        while self.at < self.text.len() && self.peek(0) != b'\n' {
            let splice = self.splice(0);
            if splice == 0 && self.peek(0) == b'\\' && self.only_blanks_follow() {
                return Err(self.refuse(Ambiguity::Splice));
            }
            // Compilers warn about a line comment that continues in the next line (-Wcomment).
            if splice > 0 {
                return Err(self.refuse(Ambiguity::Splice));
            }
            self.advance(1);
        }
        Ok(())
    }

    /// True for a backslash followed only by blanks up to the end of the line: gcc reads a line splice, other compilers do not.
    fn only_blanks_follow(&self) -> bool {
        let rest = &self.text[self.at + 1..];
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)).count();
        matches!(rest.get(blanks), Some(b'\n') | None)
    }

    fn token(&mut self) -> Result<Token<'t>, Reason> {
        let (start, line, first, space) = (self.at, self.line, self.first, self.space);
        let column = u32::try_from(start - self.line_start).ok();
        let kind = match self.peek(0) {
            b'"' => self.quoted(b'"', TokenKind::Text)?,
            b'\'' => self.quoted(b'\'', TokenKind::Char)?,
            byte if byte.is_ascii_digit() || (byte == b'.' && self.peek(1).is_ascii_digit()) => self.number()?,
            byte if is_word_byte(byte) => self.word()?,
            _ => self.punctuation()?,
        };
        (self.first, self.space) = (false, false);
        Ok(Token {
            kind,
            text: Cow::Borrowed(&self.text[start..self.at]),
            line,
            file: 0,
            column,
            space,
            first,
            torn: false,
            hidden: None,
        })
    }

    fn quoted(&mut self, quote: u8, kind: TokenKind) -> Result<TokenKind, Reason> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek(0) {
                byte if byte == quote => break,
                // A splice inside a string would change the columns, and the result of `#`.
                b'\\' if self.splice(0) > 0 || self.only_blanks_follow() => {
                    return Err(self.refuse(Ambiguity::Splice));
                }
                b'\\' => self.at += 2,
                b'\n' | 0 => return Err(ambiguous(self.text, start, Ambiguity::Quote)),
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Ok(kind)
    }

    fn number(&mut self) -> Result<TokenKind, Reason> {
        while is_word_byte(self.peek(0)) || self.peek(0) == b'.' {
            let exponent = matches!(self.peek(0), b'e' | b'E' | b'p' | b'P');
            self.at += 1;
            if exponent && matches!(self.peek(0), b'+' | b'-') {
                self.at += 1;
            }
        }
        // A digit separator of C23, or a character constant directly after a number.
        if self.peek(0) == b'\'' { Err(self.refuse(Ambiguity::Quote)) } else { Ok(TokenKind::Number) }
    }

    fn word(&mut self) -> Result<TokenKind, Reason> {
        let start = self.at;
        while is_word_byte(self.peek(0)) {
            self.at += 1;
        }
        let word = &self.text[start..self.at];
        if self.peek(0) == b'"' && matches!(word, b"R" | b"LR" | b"uR" | b"UR" | b"u8R") {
            return Err(self.refuse(Ambiguity::RawString));
        }
        // `L"text"` is one token.
        let prefix = matches!(word, b"L" | b"u" | b"U" | b"u8");
        match self.peek(0) {
            b'"' if prefix => self.quoted(b'"', TokenKind::Text),
            b'\'' if prefix => self.quoted(b'\'', TokenKind::Char),
            _ => Ok(TokenKind::Word),
        }
    }

    fn punctuation(&mut self) -> Result<TokenKind, Reason> {
        let rest = &self.text[self.at..];
        // Most punctuators are one byte, and no prefix of a longer punctuator.
        if matches!(rest[0], b'(' | b')' | b'{' | b'}' | b'[' | b']' | b';' | b',' | b'~' | b'?') {
            self.at += 1;
            return Ok(TokenKind::Punct);
        }
        if [&b"<:"[..], b"<%", b":>", b"%>", b"%:"].iter().any(|digraph| rest.starts_with(digraph)) {
            return Err(self.refuse(Ambiguity::Digraph));
        }
        if !self.peek(0).is_ascii_punctuation() || matches!(self.peek(0), b'\\' | b'@' | b'`') {
            return Err(self.refuse(Ambiguity::StrayByte));
        }
        let length = PUNCTUATORS.iter().find(|text| rest.starts_with(text)).map_or(1, |text| text.len());
        // A splice inside a longer punctuator.
        if self.splice(length) > 0 {
            let behind = self.text.get(self.at + length + self.splice(length)).copied().unwrap_or(b' ');
            if !behind.is_ascii_whitespace() {
                return Err(self.refuse(Ambiguity::Splice));
            }
        }
        self.at += length;
        Ok(TokenKind::Punct)
    }

    /// True after `#include`, `#error` and similar directives, whose rest is not C.
    fn takes_rest(&self, tokens: &[Token<'_>]) -> bool {
        let verb = tokens.last().map_or(&b""[..], |token| &token.text);
        matches!(verb, b"include" | b"include_next" | b"import" | b"embed" | b"error" | b"warning" | b"ident")
    }

    fn rest(&mut self) -> Result<Token<'t>, Reason> {
        let (start, line) = (self.at, self.line);
        while !matches!(self.peek(0), b'\n' | 0) {
            if self.splice(0) > 0 || (self.peek(0) == b'/' && self.peek(1) == b'*') {
                return Err(self.refuse(Ambiguity::Splice));
            }
            self.at += 1;
        }
        let text = Cow::Borrowed(self.text[start..self.at].trim_ascii_end());
        (self.first, self.space) = (false, false);
        Ok(Token {
            kind: TokenKind::Rest,
            text,
            line,
            file: 0,
            column: None,
            space: true,
            first: false,
            torn: false,
            hidden: None,
        })
    }
}
