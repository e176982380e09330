//! Command lines that are too long for the host: when a line is too long, and the response file that replaces it.

use std::ffi::{OsStr, OsString};

use crate::plan::Step;

/// The syntax in which a compiler reads `@FILE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// gcc's, clang's and GNU ld's: white space separates, backslash quotes (libiberty's `buildargv`).
    Gnu,
    /// cl's and clang-cl's: as a Windows program reads its command line. In UTF-16 with a byte order mark, because cl reads any other
    /// file in the machine's code page.
    Msvc,
    /// tcc's: white space separates, double quotes group, and inside them a backslash escapes only a quote or another backslash
    /// (observed with tcc 0.9.27).
    Tcc,
}

/// The system that starts the compiler, which may differ from the compiler's target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// Systems with `execve`.
    Unix,
    /// Systems with `CreateProcess`.
    Windows,
}

impl Host {
    /// The maximum length of a command line in bytes (on Windows, in UTF-16 units), with room for the environment.
    /// Windows stops at 32,767 units (`CreateProcess`); unix shares `ARG_MAX` with the environment: 256 KiB on
    /// macOS's oldest and 512 KiB on OpenBSD, 2 MiB on Linux.
    fn limit(self) -> usize {
        match self {
            Self::Unix => 128 * 1024,
            Self::Windows => 30_000,
        }
    }

    fn length(self, argument: &OsStr) -> usize {
        match self {
            Self::Unix => argument.as_encoded_bytes().len() + 1,
            // Every quote and backslash may need a backslash before it.
            Self::Windows => {
                let text = argument.to_string_lossy();
                text.encode_utf16().count() + text.matches(['"', '\\']).count() + 3
            }
        }
    }
}

/// How a step passes its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// On the command line.
    Direct,
    /// After the leading arguments, in a file with these bytes that is named as `@FILE`.
    ViaFile(Vec<u8>),
}

impl Step {
    /// Returns how the step passes its arguments on `host`, with the response file if the command line is too long.
    #[must_use]
    pub fn command_line(&self, host: Host) -> CommandLine {
        let arguments = [self.program.as_os_str()].into_iter();
        let arguments = arguments.chain(self.leading.iter().chain(&self.args).map(AsRef::as_ref));
        if arguments.map(|argument| host.length(argument)).sum::<usize>() <= host.limit() {
            return CommandLine::Direct;
        }
        // A response file for cl may contain -link and its arguments (the documentation excludes only nested files).
        let contents = match self.response {
            Syntax::Gnu => joined(&self.args, gnu_argument),
            Syntax::Tcc => joined(&self.args, tcc_argument),
            Syntax::Msvc => utf16(&self.args),
        };
        CommandLine::ViaFile(contents)
    }
}

fn joined(args: &[OsString], quote: impl Fn(&OsStr) -> Vec<u8>) -> Vec<u8> {
    let mut contents = Vec::new();
    for argument in args {
        contents.extend(quote(argument));
        contents.push(b'\n');
    }
    contents
}

/// Quotes bytes: a unix path need not be UTF-8.
fn gnu_argument(argument: &OsStr) -> Vec<u8> {
    let bytes = argument.as_encoded_bytes();
    if bytes.is_empty() {
        return b"\"\"".to_vec();
    }
    let special = |byte: u8| byte.is_ascii_whitespace() || byte == 0x0b || matches!(byte, b'"' | b'\'' | b'\\');
    bytes.iter().flat_map(|&byte| special(byte).then_some(b'\\').into_iter().chain([byte])).collect()
}

fn tcc_argument(argument: &OsStr) -> Vec<u8> {
    let escape = |&byte: &u8| matches!(byte, b'"' | b'\\').then_some(b'\\').into_iter().chain([byte]);
    let inside = argument.as_encoded_bytes().iter().flat_map(escape);
    std::iter::once(b'"').chain(inside).chain(std::iter::once(b'"')).collect()
}

fn utf16(args: &[OsString]) -> Vec<u8> {
    let text: String = args.iter().map(|argument| windows_argument(&argument.to_string_lossy()) + "\r\n").collect();
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

/// The rule of `CommandLineToArgvW`: backslashes are special only before a quote, and doubled there.
fn windows_argument(argument: &str) -> String {
    if !argument.is_empty() && !argument.contains([' ', '\t', '"', '\n', '\x0b']) {
        return argument.to_owned();
    }
    let mut out = String::from("\"");
    let mut backslashes = 0;
    for c in argument.chars() {
        match c {
            '\\' => backslashes += 1,
            '"' => {
                out.push_str(&"\\".repeat(backslashes * 2 + 1));
                backslashes = 0;
            }
            _ => {
                out.push_str(&"\\".repeat(backslashes));
                backslashes = 0;
            }
        }
        if c != '\\' {
            out.push(c);
        }
    }
    out + &"\\".repeat(backslashes * 2) + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(response: Syntax, args: &[&str]) -> Step {
        Step {
            program: "cc".into(),
            leading: Vec::new(),
            args: args.iter().map(Into::into).collect(),
            env: Vec::new(),
            response,
        }
    }

    fn file(step: &Step, host: Host) -> Vec<u8> {
        match step.command_line(host) {
            CommandLine::ViaFile(contents) => contents,
            CommandLine::Direct => panic!("the line fits"),
        }
    }

    #[test]
    fn short_lines_travel_as_they_are() {
        let short = step(Syntax::Gnu, &["-c", "a b.c"]);
        assert_eq!(short.command_line(Host::Unix), CommandLine::Direct);
    }

    #[test]
    fn the_limit_is_the_hosts() {
        let arguments = vec!["x".repeat(99); 400];
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let long = step(Syntax::Gnu, &arguments);
        assert!(matches!(long.command_line(Host::Unix), CommandLine::Direct));
        assert!(matches!(long.command_line(Host::Windows), CommandLine::ViaFile(_)));
    }

    #[test]
    fn gnu_files_quote_with_backslashes() {
        let filler = "x".repeat(200_000);
        let long = step(Syntax::Gnu, &[&filler, "a b", r#"q"'\"#, "", "@f"]);
        let text = file(&long, Host::Unix);
        assert_eq!(
            &text[200_001..],
            br#"a\ b
q\"\'\\
""
@f
"#
        );
    }

    #[test]
    fn tcc_files_quote_with_double_quotes() {
        let filler = "x".repeat(200_000);
        let long = step(Syntax::Tcc, &[&filler, r#"a "b"\c"#]);
        assert_eq!(&file(&long, Host::Unix)[200_003..], b"\"a \\\"b\\\"\\\\c\"\n");
    }

    #[test]
    fn msvc_files_are_utf16_and_quote_as_windows_does() {
        let filler = "x".repeat(40_000);
        let long = step(Syntax::Msvc, &[&filler, r"C:\a b\", r#"-DX="é""#, ""]);
        let bytes = file(&long, Host::Windows);
        assert_eq!(bytes[..2], [0xff, 0xfe]);
        let units: Vec<u16> = bytes[2..].chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let text = String::from_utf16(&units).unwrap();
        assert_eq!(&text[40_002..], "\"C:\\a b\\\\\"\r\n\"-DX=\\\"é\\\"\"\r\n\"\"\r\n");
    }
}
