//! The user's own words for cl and clang-cl: which of them a step is given, and which keep the compiler from making what a plan is for. Knows
//! names of flags and starts no compiler.

use std::ffi::OsString;

/// The words that a step is given: without what gives clang-cl's diagnostics a form that no program reads.
pub(crate) fn given(words: &[OsString]) -> impl Iterator<Item = &OsString> {
    words.iter().filter(|word| {
        let text = word.to_str().unwrap_or_default();
        !["-fdiagnostics-format=", "-fmessage-length=", "-fno-show-source-location"]
            .iter()
            .any(|form| text.starts_with(form))
            && !matches!(name(text), Some("TC"))
    })
}

/// A flag without the dash or the slash that it begins with.
fn name(word: &str) -> Option<&str> {
    word.strip_prefix(['-', '/'])
}

/// The first word with which no library would come of a unit, and why.
pub(crate) fn refused(words: &[OsString]) -> Option<(String, &'static str)> {
    let words = words.iter().filter_map(|word| word.to_str());
    words.filter_map(|word| Some((word.to_owned(), why_refused(name(word)?)?))).next()
}

fn why_refused(name: &str) -> Option<&'static str> {
    let begins = |list: &[&str]| list.iter().any(|prefix| name.starts_with(prefix));
    match name {
        "E" | "EP" | "P" | "Zs" | "fsyntax-only" | "emit-llvm" | "-analyze" | "S" | "M" | "MM" => {
            Some("the compiler would make no object")
        }
        "c" | "link" | "LD" | "LDd" => {
            Some("mjit-cc says itself when to compile and when to link; words for the linker go by --ldflag")
        }
        "TP" => Some("units are C"),
        "?" | "help" | "HELP" | "###" => {
            Some("the compiler would print something instead of compiling: ask the compiler itself")
        }
        _ if begins(&["-help", "-version", "-print-", "print-"]) => {
            Some("the compiler would print something instead of compiling: ask the compiler itself")
        }
        _ if begins(&["Tp", "Tc"]) => Some("is no flag but a file: units are named by themselves"),
        _ if begins(&["Fo", "Fe", "Fp", "Yc", "Yu"]) => {
            Some("mjit-cc says itself what the compiler makes and where; --out-dir and --header choose")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_after_which_no_library_comes_are_refused() {
        let refused = |word: &str| refused(&[word.into()]).is_some();
        for word in ["/E", "-EP", "/P", "-c", "/link", "/TP", "/Tpa.cpp", "/?", "-help", "/Foa.obj", "--version"] {
            assert!(refused(word), "{word}");
        }
        for word in
            ["/EHsc", "-O2", "/FIconfig.h", "/GS-", "/TC", "-arch:AVX2", "/MD", "-Zi", "--target=x", "/Zc:inline"]
        {
            assert!(!refused(word), "{word}");
        }
    }
}
