//! Facts in the text of a C file about reads that no list of dependencies contains: assembler directives that read files, tests whether a
//! file exists, names in `#include` and `#embed`. Reads text only, and does not know which files exist.
//!
//! Directives of the assembler may be concatenated from pieces. If pieces could form such a directive, the text counts as reading files.

use serde::{Deserialize, Serialize};

/// The facts of the texts of one translation unit about unlisted files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct TextFacts {
    /// True if the text contains `asm`, or pastes tokens that may form it.
    asm: bool,
    /// True for a word that makes the assembler read a file.
    directive: bool,
    /// True for a string that ends with the first letters of such a word.
    piece: bool,
    /// True for a string that ends with a dot before a macro, as in version numbers.
    dot: bool,
    /// True for a word or string that a dot before it would complete to such a word.
    behind_dot: bool,
    /// True for a file test whose name is computed, or that a macro may use anywhere.
    pub(super) asks_unknown: bool,
    /// True for an `#include` or `#embed` whose name a macro computes.
    #[serde(skip)]
    pub(super) computed: bool,
    /// Quoted names after `#include`.
    #[serde(skip)]
    pub(super) quoted: Vec<String>,
    /// Names in `__has_include` and similar operators, and in `#embed`.
    #[serde(skip)]
    pub(super) asked: Vec<Asked>,
    /// Names after `#embed`.
    #[serde(skip)]
    pub(super) embedded: Vec<Asked>,
}

/// A name that a text looks up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) name: String,
    pub(super) is_quoted: bool,
}

/// Assembler directives that read files. `.incbin` is rare enough to be searched for without its dot.
const DIRECTIVES: [&str; 2] = ["incbin", "include"];

/// Assembler macro directives, which may construct other directives.
const MACROS: [&str; 2] = [".macro", ".irp"];

const QUESTIONS: [&str; 3] = ["__has_include", "__has_include_next", "__has_embed"];

#[derive(Clone, Debug, PartialEq, Eq)]
enum TextToken {
    Word(String),
    Text(Vec<u8>),
    Sign(u8),
    /// A `#` at the beginning of a line.
    Directive,
    LineEnd,
}

/// The operator that pastes two tokens.
const PASTE: TextToken = TextToken::Sign(0xff);

impl TextFacts {
    pub(crate) fn of(text: &[u8]) -> Self {
        let mut facts = Self::default();
        let text = spliced(text);
        // A trigraph may be a backslash in any place.
        facts.piece |= text.windows(3).any(|three| three == b"??/");
        let tokens = tokens(&text);
        facts.words(&tokens);
        facts.strings(&tokens);
        for line in tokens.split(|token| *token == TextToken::LineEnd) {
            facts.line(line);
        }
        facts
    }

    /// The facts for a text that could not be read.
    pub(crate) fn unknown() -> Self {
        Self { asks_unknown: true, ..Self::default() }
    }

    /// Adds the facts of another text of the same translation unit.
    pub(crate) fn join(&mut self, other: &Self) {
        self.asm |= other.asm;
        self.directive |= other.directive;
        self.piece |= other.piece;
        self.dot |= other.dot;
        self.behind_dot |= other.behind_dot;
        self.asks_unknown |= other.asks_unknown;
    }

    /// Returns why the files that a translation unit with these texts reads cannot be known.
    pub(crate) fn unknown_inputs_reason(&self) -> Option<&'static str> {
        if self.directive || (self.asm && (self.piece || (self.dot && self.behind_dot))) {
            return Some(
                "the text of the unit or of a header may make the assembler read a file (.incbin, .include), which no compiler lists",
            );
        }
        self.unknown_file_test_reason()
    }

    /// Returns the same for file tests only.
    pub(crate) fn unknown_file_test_reason(&self) -> Option<&'static str> {
        self.asks_unknown.then_some("the text of the unit or of a header tests with a macro whether a file exists")
    }

    fn words(&mut self, tokens: &[TextToken]) {
        for (at, token) in tokens.iter().enumerate() {
            self.asm |= *token == PASTE;
            let TextToken::Word(word) = token else { continue };
            self.word(word);
            // Shorter prefixes are common variable names; their possible continuations are searched for in strings.
            let is_verb = at.checked_sub(1).is_some_and(|before| tokens[before] == TextToken::Directive);
            let begins = DIRECTIVES.iter().any(|directive| directive.starts_with(word.as_str()));
            self.behind_dot |= begins && word.len() > 2 && !is_verb;
            match (at.checked_sub(2).map(|at| &tokens[at..at + 2]), tokens.get(at + 1)) {
                // Pasted tokens are one word.
                (Some([TextToken::Word(first), paste]), _) if *paste == PASTE => self.word(&format!("{first}{word}")),
                // An argument, which may become part of a string.
                (Some([TextToken::Sign(b'(' | b','), TextToken::Sign(b'.')]), Some(TextToken::Sign(b')' | b','))) => {
                    self.piece |= DIRECTIVES.iter().any(|directive| directive.starts_with(word.as_str()));
                }
                _ => {}
            }
            let is_dotted = at.checked_sub(1).is_some_and(|before| tokens[before] == TextToken::Sign(b'.'));
            self.directive |= is_dotted && word.eq_ignore_ascii_case("include");
        }
    }

    fn word(&mut self, word: &str) {
        self.asm |= word.contains("asm");
        self.directive |= word.to_ascii_lowercase().contains("incbin");
    }

    /// Checks strings, with adjacent strings joined.
    fn strings(&mut self, tokens: &[TextToken]) {
        let mut run: Option<Vec<u8>> = None;
        for token in tokens.iter().chain([&TextToken::Sign(b';')]) {
            match token {
                TextToken::Text(text) => run.get_or_insert_default().extend(text),
                TextToken::LineEnd => {}
                other => {
                    if let Some(text) = run.take() {
                        self.string(&text, matches!(other, TextToken::Word(_) | TextToken::Sign(b'#')));
                    }
                }
            }
        }
    }

    fn string(&mut self, text: &[u8], goes_on: bool) {
        let text = String::from_utf8_lossy(text).to_ascii_lowercase();
        self.directive |= text.contains("incbin") || text.contains(".include");
        self.directive |= MACROS.iter().any(|word| text.contains(word));
        self.behind_dot |= ["inc", "ncbin", "nclude", "cbin", "clude"].iter().any(|piece| text.starts_with(piece))
            || matches!(&*text, "i" | "in");
        let last = text.rsplit(|c: char| c.is_whitespace() || matches!(c, ';' | ':' | '\\')).next().unwrap_or_default();
        if let Some(begun) = last.strip_prefix('.') {
            let begins =
                DIRECTIVES.iter().any(|directive| directive.starts_with(begun) && directive.len() > begun.len());
            self.piece |= begins && !begun.is_empty();
            self.dot |= begun.is_empty() && goes_on;
        }
    }

    fn line(&mut self, line: &[TextToken]) {
        let directive = match line {
            [TextToken::Directive, TextToken::Word(word), ..] => word.as_str(),
            _ => "",
        };
        match directive {
            "include" | "include_next" | "import" => match &line[2..] {
                [TextToken::Text(name), ..] => self.quoted.push(lossy(name)),
                [TextToken::Sign(b'<'), ..] => {}
                _ => self.computed = true,
            },
            "embed" => match named(&line[2..]) {
                Some(asked) => self.embedded.push(asked),
                None => self.asks_unknown = true,
            },
            _ => {}
        }
        for (at, token) in line.iter().enumerate() {
            let TextToken::Word(word) = token else { continue };
            if !QUESTIONS.contains(&word.as_str()) {
                continue;
            }
            match line.get(at + 1) {
                // Defining a macro of the operator's name, and testing whether the compiler has the operator.
                _ if directive == "define" && at == 2 => {}
                Some(TextToken::Sign(b'(')) if directive != "define" => match named(&line[at + 2..]) {
                    Some(asked) => self.asked.push(asked),
                    None => self.asks_unknown = true,
                },
                _ if directive == "define" => self.asks_unknown = true,
                _ => {}
            }
        }
    }
}

/// Returns the name at the beginning of these tokens, in quotes or angle brackets.
fn named(tokens: &[TextToken]) -> Option<Asked> {
    match tokens {
        [TextToken::Text(name), ..] => Some(Asked { name: lossy(name), is_quoted: true }),
        [TextToken::Sign(b'<'), rest @ ..] => {
            let end = rest.iter().position(|token| *token == TextToken::Sign(b'>'))?;
            let mut name = String::new();
            for token in &rest[..end] {
                match token {
                    TextToken::Word(word) => name.push_str(word),
                    TextToken::Sign(sign) if *token != PASTE => name.push(char::from(*sign)),
                    _ => return None,
                }
            }
            Some(Asked { name, is_quoted: false })
        }
        _ => None,
    }
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// Joins lines that end in a backslash; gcc also joins them if white space follows the backslash.
fn spliced(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at] == b'\\' {
            let blank =
                text[at + 1..].iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | 0x0b | 0x0c)).count();
            if text.get(at + 1 + blank) == Some(&b'\n') {
                at += blank + 2;
                continue;
            }
        }
        out.push(text[at]);
        at += 1;
    }
    out
}

fn tokens(text: &[u8]) -> Vec<TextToken> {
    let mut tokens = Vec::new();
    let mut at = 0;
    let mut begins_line = true;
    while let Some(&byte) = text.get(at) {
        let rest = &text[at..];
        match byte {
            b'\n' => {
                tokens.push(TextToken::LineEnd);
                begins_line = true;
                at += 1;
                continue;
            }
            b' ' | b'\t' | b'\r' | 0x0b | 0x0c => {
                at += 1;
                continue;
            }
            _ if rest.starts_with(b"/*") => {
                at += rest[2..].windows(2).position(|two| two == b"*/").map_or(rest.len(), |end| end + 4);
                continue;
            }

            _ if rest.starts_with(b"//") => {
                at += rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
                continue;
            }
            b'"' => {
                let (string, length) = string(rest);
                tokens.push(TextToken::Text(string));
                at += length;
            }
            b'\'' => {
                let (_, length) = string(rest);
                tokens.push(TextToken::Sign(b'\''));
                at += length;
            }
            _ if rest.starts_with(b"##") => {
                tokens.push(PASTE);
                at += 2;
            }
            b'#' if begins_line => {
                tokens.push(TextToken::Directive);
                at += 1;
            }
            _ if is_word(byte) => {
                let length = rest.iter().take_while(|&&byte| is_word(byte)).count();
                tokens.push(TextToken::Word(lossy(&rest[..length])));
                at += length;
            }
            _ => {
                tokens.push(TextToken::Sign(byte));
                at += 1;
            }
        }
        begins_line = false;
    }
    tokens
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
}

/// Returns a string's characters, and its length with quotation marks. A string ends at the end of its line at the latest.
fn string(text: &[u8]) -> (Vec<u8>, usize) {
    let quote = text[0];
    let mut characters = Vec::new();
    let mut at = 1;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\n' => return (characters, at),
            b'\\' => {
                let (character, length) = escape(&text[at + 1..]);
                characters.extend(character);
                at += 1 + length;
            }
            _ if byte == quote => return (characters, at + 1),
            _ => {
                characters.push(byte);
                at += 1;
            }
        }
    }
    (characters, at)
}

/// Returns the character of an escape sequence, and the sequence's length in bytes.
fn escape(text: &[u8]) -> (Option<u8>, usize) {
    let number = |from: usize, most: usize, radix: u32| {
        let digits = text[from..].iter().take(most).take_while(|byte| char::from(**byte).is_digit(radix)).count();
        let value = std::str::from_utf8(&text[from..from + digits])
            .ok()
            .and_then(|digits| u32::from_str_radix(digits, radix).ok());
        (value.and_then(|value| u8::try_from(value).ok()), from + digits)
    };
    match text.first() {
        None | Some(b'\n') => (None, 0),
        Some(b'x') => number(1, usize::MAX, 16),
        Some(b'u') => number(1, 4, 16),
        Some(b'U') => number(1, 8, 16),
        Some(b'0'..=b'7') => number(0, 3, 8),
        Some(b'n') => (Some(b'\n'), 1),
        Some(b't' | b'v' | b'f' | b'r') => (Some(b'\t'), 1),
        Some(&other) => (Some(other), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads_files(text: &str) -> bool {
        TextFacts::of(text.as_bytes()).unknown_inputs_reason().is_some()
    }

    #[test]
    fn assembler_directives_are_seen_in_every_spelling() {
        for text in [
            r#"asm(".incbin \"f\"");"#,
            r#"__asm__(".include \"f.s\"");"#,
            r#"asm(".INCBIN \"f\"");"#,
            r#"asm(".inc" "bin \"f\"");"#,
            "asm(\".inc\"\n\"bin\");",
            "asm(\".inc\" /* x */ \"bin\");",
            "asm(\".inc\\\nbin\");",
            r#"asm("\x2eincb\151n \"f\"");"#,
            r#"asm(".in" LATER);"#,
            "#define TEXT(x) #x\nasm(TEXT(.inc) TEXT(bin));",
            "DIRECTIVE(inc##bin)",
            "TEXT(.include \"f\")",
            r#"asm(".macro m\n");"#,
            "asm(\".inc??/\nbin\");",
            "__attribute__((section(\".rodata\\n.incbin \\\"f\\\"\\n#\"))) int x;",
        ] {
            assert!(reads_files(text), "{text}");
        }
    }

    #[test]
    fn a_dot_waits_for_the_rest_of_a_directive() {
        for before in [r#"asm("." LATER);"#, "#define READ(how) asm(\".\" #how)"] {
            assert!(!reads_files(before), "{before}");
            for rest in ["#define LATER \"incl\" \"ude\"", "READ(include)", "READ(in) \"cbin\"", "READ(i) \"nclude\""] {
                let mut facts = TextFacts::of(before.as_bytes());
                facts.join(&TextFacts::of(rest.as_bytes()));
                assert!(facts.unknown_inputs_reason().is_some(), "{before} {rest}");
            }
        }
    }

    #[test]
    fn plain_code_reads_nothing() {
        for text in [
            "#include <stdio.h>\nextern int scanf(const char *) __asm__(\"\" \"__isoc99_scanf\");",
            "int f(struct s *s) { return s->i + s->in + g(s, .5, s->inc); }",
            "asm(\"rep; nop\"); /* .incbin */ // .incbin",
            "const char *names[] = { \"config.in\", \"done.\", \"x/.\" }; asm(\"nop\");",
            "struct s s = { .in = 1, .inc = 2 }; asm(\"\");",
            "__asm__(\".section .init_array\\n.quad f\\n.previous\");",
        ] {
            assert!(!reads_files(text), "{text}");
        }
    }

    #[test]
    fn names_of_files_are_read() {
        let text = "#include \"a.h\"\n# include <b.h>\n#if __has_include(\"c.h\") || __has_include_next(<d/e-f.h>)\n#endif\n#embed \"g.bin\"\n";
        let facts = TextFacts::of(text.as_bytes());
        assert_eq!(facts.quoted, ["a.h"]);
        let names: Vec<&str> = facts.asked.iter().map(|asked| asked.name.as_str()).collect();
        assert_eq!(names, ["c.h", "d/e-f.h"]);
        assert_eq!(facts.embedded[0].name, "g.bin");
        assert!(!facts.computed && !facts.asks_unknown);
        assert!(TextFacts::of(b"#include NAME\n").computed);
    }

    #[test]
    fn only_questions_whose_name_is_hidden_are_unknown() {
        for (text, unknown) in [
            ("#ifdef __has_include\n#endif", false),
            ("#if defined(__has_include)\n#endif", false),
            ("#ifndef __has_include\n#define __has_include(x) 0\n#endif", false),
            ("#define HAS(x) __has_include(x)", true),
            ("#if __has_include(NAME)\n#endif", true),
            ("#embed NAME\n", true),
        ] {
            assert_eq!(TextFacts::of(text.as_bytes()).asks_unknown, unknown, "{text}");
        }
    }
}
