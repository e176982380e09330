//! The meaning of the user's flags for gcc, clang and tcc: which flags each step gets. `link` knows which flags concern a link, and
//! `refused` which flags keep the compiler from making an object. Knows names of flags and starts no compiler.

mod link;
mod refused;

use std::ffi::{OsStr, OsString};

pub(crate) use link::concern_link;
pub(crate) use refused::refused;

/// A flag, or a flag and its value.
type Flag<'a> = &'a [OsString];

/// Flags whose value is a separate argument (gcc's manual, "Option Index"; clang's `Options.td`).
const TAKES_VALUE: [&str; 66] = [
    "-A",
    "-B",
    "-D",
    "-F",
    "-G",
    "-I",
    "-L",
    "-MF",
    "-MQ",
    "-MT",
    "-T",
    "-U",
    "-Xanalyzer",
    "-Xassembler",
    "-Xclang",
    "-Xlinker",
    "-Xpreprocessor",
    "-arch",
    "-aux-info",
    "-cxx-isystem",
    "-dumpbase",
    "-dumpbase-ext",
    "-dumpdir",
    "-e",
    "-framework",
    "-gcc-toolchain",
    "-idirafter",
    "-iframework",
    "-imacros",
    "-imultiarch",
    "-imultilib",
    "-include",
    "-include-pch",
    "-iprefix",
    "-iquote",
    "-isysroot",
    "-isystem",
    "-ivfsoverlay",
    "-iwithprefix",
    "-iwithprefixbefore",
    "-iwithsysroot",
    "-l",
    "-mllvm",
    "-mthread-model",
    "-o",
    "-specs",
    "-target",
    "-u",
    "-undefined",
    "-wrapper",
    "-x",
    "-z",
    "--config",
    "--define-macro",
    "--imacros",
    "--include",
    "--include-directory",
    "--include-directory-after",
    "--language",
    "--library-directory",
    "--output",
    "--param",
    "--prefix",
    "--specs",
    "--sysroot",
    "--undefine-macro",
];

/// Flags that include a file before the unit; the long forms may join the file's name by `=`.
const INCLUDES: [&str; 2] = ["-include", "--include"];

/// Flags that read only the macros of a file before the unit.
const MACROS: [&str; 2] = ["-imacros", "--imacros"];

/// Flags that change the format of diagnostics to a format that this crate does not parse, or write diagnostics into files. Without
/// the flags the compiler uses its format for a pipe. Colour is parsed.
const FORMS: [&str; 6] = [
    "-fdiagnostics-format=",
    "-fdiagnostics-set-output=",
    "-fdiagnostics-show-location=",
    "-fdiagnostics-print-source-range-info",
    "-fmessage-length=",
    "-fno-show-source-location",
];

/// Flags for which gcc before 13 adds a start-up file to every library that sets the loading thread's floating-point mode (gcc bug 55522).
const FAST_MATH: [&str; 3] = ["-Ofast", "-ffast-math", "-funsafe-math-optimizations"];

/// Flags that keep intermediate files. clang's PCH would name such a file as its header, and the file is deleted afterwards.
const KEEPS: [&str; 2] = ["-save-temps", "--save-temps"];

/// The step that the flags are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepKind {
    /// Compile a unit.
    Code,
    /// Build a PCH.
    Pch {
        /// True if files that are read for their macros become included files. gcc accepts no PCH after such a file,
        /// and no PCH whose macros
        /// come from such a file if the unit does not name the file.
        macros_as_includes: bool,
    },
    /// Compile with a PCH, which already contains the files that the flags include before the header.
    BehindPch,
    /// Link.
    Link,
}

/// Splits words into flags.
pub(crate) fn flags(arguments: &[OsString]) -> impl Iterator<Item = Flag<'_>> {
    let mut rest = arguments;
    std::iter::from_fn(move || {
        let takes = rest.len() > 1 && rest[0].to_str().is_some_and(|argument| TAKES_VALUE.contains(&argument));
        let (flag, behind) = rest.split_at_checked(if takes { 2 } else { 1 })?;
        rest = behind;
        Some(flag)
    })
}

/// Returns the flags for a step.
pub(crate) fn step_flags(arguments: &[OsString], step_kind: StepKind) -> Vec<OsString> {
    let lto = flags(arguments).any(|flag| text(flag).starts_with("-flto"));
    let mut given = Vec::new();
    if step_kind == (StepKind::Pch { macros_as_includes: true }) {
        // First: compilers read -imacros files before -include files, in any order of the flags.
        given.extend(macro_files(arguments).into_iter().flat_map(|file| ["-include".into(), file.to_owned()]));
    }
    for flag in flags(arguments) {
        let text = text(flag);
        let is_form = FORMS.iter().any(|form| text.starts_with(form));
        let is_include = is_named(text, &INCLUDES) || text.starts_with("-include") && !text.starts_with("-include-pch");
        let stands_before = match step_kind {
            StepKind::Code | StepKind::Pch { macros_as_includes: false } => false,
            StepKind::Pch { macros_as_includes: true } => macro_file(flag).is_some(),
            StepKind::BehindPch | StepKind::Link => is_include || macro_file(flag).is_some(),
        };
        let minds_math = step_kind == StepKind::Link && !lto && FAST_MATH.contains(&text);
        // Units are C by their suffix. With this flag a link would read objects as C.
        let is_c = language(flag) == Some("c");
        let makes_pch = matches!(step_kind, StepKind::Pch { .. });
        let is_kept = makes_pch && KEEPS.iter().any(|keeps| text.starts_with(keeps));
        if !is_form && !is_kept && !stands_before && !minds_math && !is_c {
            given.extend_from_slice(flag);
        }
    }
    given
}

/// Returns the files that are read for their macros before a header, in order.
pub(crate) fn macro_files(arguments: &[OsString]) -> Vec<&OsStr> {
    flags(arguments).filter_map(macro_file).collect()
}

fn macro_file(flag: Flag<'_>) -> Option<&OsStr> {
    let text = text(flag);
    match flag {
        [_, file] => MACROS.contains(&text).then_some(file),
        _ => {
            let joined = MACROS.iter().rev().find_map(|name| text.strip_prefix(name))?;
            Some(OsStr::new(joined.strip_prefix('=').filter(|_| text.starts_with("--")).unwrap_or(joined)))
        }
    }
}

/// True if the text is one of these flags, alone or with a value joined by `=`.
fn is_named(text: &str, names: &[&str]) -> bool {
    names.iter().any(|name| text.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
}

/// Returns the language that a flag sets for the inputs after it.
fn language(flag: Flag<'_>) -> Option<&str> {
    let text = text(flag);
    match flag {
        [_, value] if matches!(text, "-x" | "--language") => value.to_str().or(Some("")),
        [_] if text.starts_with("-x") => Some(text[2..].trim_start_matches('=')),
        [_] => text.strip_prefix("--language="),
        _ => None,
    }
}

/// Returns the flag itself, or an empty string if the flag is not UTF-8.
fn text(flag: Flag<'_>) -> &str {
    flag.first().and_then(|argument| argument.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(arguments: &[&str]) -> Vec<OsString> {
        arguments.iter().map(Into::into).collect()
    }

    fn left(arguments: &[&str], step_kind: StepKind) -> Vec<String> {
        step_flags(&owned(arguments), step_kind).iter().map(|argument| argument.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_stands_before_the_header_is_in_its_pch_already() {
        let arguments =
            ["-DX", "-include", "config.h", "-imacros", "m.h", "-includefile.h", "--include=a.h", "-include-pch", "p"];
        assert_eq!(left(&arguments, StepKind::Code), arguments);
        assert_eq!(left(&arguments, StepKind::BehindPch), ["-DX", "-include-pch", "p"]);
        let arguments = ["-include", "a.h", "-imacros", "m.h", "-imacrosn.h", "--imacros=o.h"];
        assert_eq!(left(&arguments, StepKind::Pch { macros_as_includes: false }), arguments);
        let first = ["-include", "m.h", "-include", "n.h", "-include", "o.h", "-include", "a.h"];
        assert_eq!(left(&arguments, StepKind::Pch { macros_as_includes: true }), first);
        assert_eq!(left(&["-D", "-include", "-w"], StepKind::Link), ["-D", "-include", "-w"]);
    }

    #[test]
    fn the_language_is_not_said_again_and_the_form_of_diagnostics_is_the_one_that_is_read() {
        let arguments =
            ["-x", "c", "-xc", "-fdiagnostics-format=json", "-fmessage-length=20", "-fdiagnostics-color=always"];
        assert_eq!(left(&arguments, StepKind::Code), ["-fdiagnostics-color=always"]);
    }

    #[test]
    fn a_link_does_not_change_how_the_host_computes() {
        assert_eq!(left(&["-ffast-math", "-Ofast", "-O2"], StepKind::Link), ["-O2"]);
        assert_eq!(left(&["-ffast-math", "-flto"], StepKind::Link), ["-ffast-math", "-flto"]);
        assert_eq!(left(&["-ffast-math"], StepKind::Code), ["-ffast-math"]);
    }
}
