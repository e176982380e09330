//! The meaning of the user's flags for cl and clang-cl: which flags a step gets, and which flags keep the compiler from making the
//! output of a plan. Knows names of flags and starts no compiler.

use std::ffi::OsString;

/// Returns the flags for a step, without flags that change the format of clang-cl's diagnostics.
pub(crate) fn step_flags(arguments: &[OsString]) -> impl Iterator<Item = &OsString> {
    arguments.iter().filter(|argument| {
        let text = argument.to_str().unwrap_or_default();
        !["-fdiagnostics-format=", "-fmessage-length=", "-fno-show-source-location"]
            .iter()
            .any(|form| text.starts_with(form))
            && !matches!(name(text), Some("TC"))
    })
}

/// Returns a flag without its dash or slash.
fn name(argument: &str) -> Option<&str> {
    argument.strip_prefix(['-', '/'])
}

/// Returns the first flag with which the compiler would make no library from a unit, and why.
pub(crate) fn refused(arguments: &[OsString]) -> Option<(String, &'static str)> {
    let arguments = arguments.iter().filter_map(|argument| argument.to_str());
    arguments.filter_map(|argument| Some((argument.to_owned(), why_refused(name(argument)?)?))).next()
}

fn why_refused(name: &str) -> Option<&'static str> {
    let begins = |list: &[&str]| list.iter().any(|prefix| name.starts_with(prefix));
    match name {
        "E" | "EP" | "P" | "Zs" | "fsyntax-only" | "emit-llvm" | "-analyze" | "S" | "M" | "MM" => {
            Some("the compiler would make no object; remove the flag")
        }
        "c" | "link" | "LD" | "LDd" => {
            Some("mjit-cc chooses when to compile and when to link; pass linker flags with --ldflag")
        }
        "TP" => Some("units must be C"),
        "?" | "help" | "HELP" | "###" => {
            Some("the compiler would print information and compile nothing; run the compiler itself")
        }
        _ if begins(&["-help", "-version", "-print-", "print-"]) => {
            Some("the compiler would print information and compile nothing; run the compiler itself")
        }
        _ if begins(&["Tp", "Tc"]) => Some("it is a file, not a flag: pass units as arguments"),
        _ if begins(&["Fo", "Fe", "Fp", "Yc", "Yu"]) => {
            Some("mjit-cc chooses the compiler's output and its path; use --out-dir and --header")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_after_which_no_library_comes_are_refused() {
        let refused = |argument: &str| refused(&[argument.into()]).is_some();
        for argument in ["/E", "-EP", "/P", "-c", "/link", "/TP", "/Tpa.cpp", "/?", "-help", "/Foa.obj", "--version"] {
            assert!(refused(argument), "{argument}");
        }
        for argument in
            ["/EHsc", "-O2", "/FIconfig.h", "/GS-", "/TC", "-arch:AVX2", "/MD", "-Zi", "--target=x", "/Zc:inline"]
        {
            assert!(!refused(argument), "{argument}");
        }
    }
}
