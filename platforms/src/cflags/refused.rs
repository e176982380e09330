//! Flags with which gcc, clang and tcc make no library from a unit, and why. Knows no plan.

use std::ffi::OsString;

use super::{Flag, flags, language, text};

/// Returns the first flag with which the compiler would make no object, or something else than a library, and why.
pub(crate) fn refused(arguments: &[OsString]) -> Option<(String, &'static str)> {
    let why = flags(arguments).find_map(|flag| Some((flag, why_refused(flag)?)));
    why.map(|(flag, why)| (flag.iter().map(|argument| argument.to_string_lossy()).collect::<Vec<_>>().join(" "), why))
}

fn why_refused(flag: Flag<'_>) -> Option<&'static str> {
    const NO_OBJECT: &str =
        "the compiler would make no object; to run a changed command by hand, print the commands with -n";
    const OWN: &str = "mjit-cc chooses the compiler's output and its path; use --out-dir and --compact";
    const PRINTS: &str = "the compiler would print information and compile nothing; run the compiler itself";
    const STOPS: [&str; 20] = [
        "-E",
        "-M",
        "-MM",
        "-S",
        "--analyze",
        "--assemble",
        "--dependencies",
        "--migrate",
        "--precompile",
        "--preprocess",
        "--user-dependencies",
        "-ast-dump",
        "-emit-ast",
        "-emit-llvm",
        "-emit-pch",
        "-fsyntax-only",
        "-module-file-info",
        "-rewrite-objc",
        "-run",
        "-verify-pch",
    ];
    const ASKS: [&str; 12] = [
        "-###",
        "--help",
        "--print",
        "--target-help",
        "--version",
        "-ccc-print",
        "-dumpfullversion",
        "-dumpmachine",
        "-dumpspecs",
        "-dumpversion",
        "-help",
        "-print-",
    ];
    const SOURCES: [&str; 13] = [".c", ".i", ".h", ".s", ".S", ".sx", ".cc", ".cpp", ".cxx", ".C", ".ii", ".ll", ".bc"];
    let text = text(flag);
    let inner = flag.get(1).and_then(|argument| argument.to_str()).filter(|_| text == "-Xclang");
    if STOPS.contains(&text) || inner.is_some_and(|inner| STOPS.contains(&inner)) {
        return Some(NO_OBJECT);
    }
    if matches!(text, "-c" | "--compile") || text.starts_with("--output") || is_output(text) {
        return Some(OWN);
    }
    if ASKS.iter().any(|ask| text.starts_with(ask)) {
        return Some(PRINTS);
    }
    match language(flag) {
        None | Some("c") => {}
        Some(_) => return Some("units must be C that is not preprocessed yet"),
    }
    match text {
        "-fpreprocessed" => Some("units would not be preprocessed and could not use the header"),
        "-fdirectives-only" => Some("the units' macros would not be expanded"),
        "-r" | "-pie" | "-static-pie" => Some("the linker would make no loadable library"),
        "-" => Some("it is not a flag, and the compiler would read its standard input"),
        _ if !text.starts_with('-') && SOURCES.iter().any(|suffix| text.ends_with(suffix)) => {
            Some("it is a file, not a flag: pass units as arguments, and the header with --header")
        }
        _ => None,
    }
}

/// True for `-o` and `-oFILE`. clang's Objective-C flags also begin with `-o`.
fn is_output(text: &str) -> bool {
    text.starts_with("-o") && !text.starts_with("-objc")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(arguments: &[&str]) -> Vec<OsString> {
        arguments.iter().map(Into::into).collect()
    }

    #[test]
    fn words_after_which_no_library_comes_are_refused() {
        for arguments in [
            "-E",
            "-S",
            "-c",
            "-o x",
            "-ox",
            "-M",
            "-MM",
            "-emit-llvm",
            "-fsyntax-only",
            "-xc++",
            "-x c++",
            "-x cpp-output",
            "-fpreprocessed",
            "-###",
            "--help",
            "--help=common",
            "--version",
            "-dumpmachine",
            "-print-search-dirs",
            "a.c",
            "-",
            "-Xclang -emit-llvm",
            "-r",
            "-pie",
            "--preprocess",
            "--output=x",
            "--language=c++",
        ] {
            let arguments = owned(&arguments.split(' ').collect::<Vec<_>>());
            assert!(refused(&arguments).is_some(), "{arguments:?}");
        }
        for arguments in [
            "-x c",
            "-xc",
            "-O2",
            "-include a.c",
            "-D -E",
            "-MD",
            "-MMD",
            "-MF -",
            "-I -",
            "x.o",
            "x.a",
            "@x",
            "-v",
            "-objcmt-migrate-all",
            "-Xclang -fno-pch-timestamp",
            "-isystem a.c",
        ] {
            let arguments = owned(&arguments.split(' ').collect::<Vec<_>>());
            assert_eq!(refused(&arguments), None, "{arguments:?}");
        }
        assert_eq!(refused(&owned(&["-O2", "-x", "c++"])).unwrap().0, "-x c++");
    }
}
