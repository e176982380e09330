//! What an object depends on beyond its command line, its text and the included files: parts of the compiler, the processor that
//! `native` means, and flags and macros that make an object valid for one build only.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::args::{Args, path_argument};
use crate::compiler::{Compiler, Family};
use crate::dependencies;
use crate::job::{Flags, Header};
use crate::plan::Step;
use crate::response::Syntax;

/// The files, beside the driver, that decide what code a compiler generates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompilerParts {
    /// Programs that the driver starts; the driver prints the path of each for `-print-prog-name=NAME`.
    pub programs: &'static [&'static str],
    /// Libraries that contain the driver's own code: a directory relative to the driver's directory, and a prefix of the file names.
    pub libraries: &'static [(&'static str, &'static str)],
}

impl CompilerParts {
    /// Returns the parts of a family's compilers. gcc's driver stays the same program for years; clang's driver may be a small program
    /// before `libclang-cpp` and `libLLVM` (Debian, Fedora), as `cl` is before `c1.dll` and `c2.dll`.
    #[must_use]
    pub fn of(family: Family) -> Self {
        let none: &[&str] = &[];
        let (programs, libraries): (_, &[_]) = match family {
            Family::Gcc => (&["cc1", "as"] as &[_], &[]),
            Family::Clang | Family::ClangCl => (
                none,
                &[
                    ("../lib", "libLLVM"),
                    ("../lib", "libclang-cpp"),
                    ("../lib64", "libLLVM"),
                    ("../lib64", "libclang-cpp"),
                    ("", "libLLVM"),
                    ("", "libclang-cpp"),
                ],
            ),
            Family::Msvc => (none, &[("", "c1.dll"), ("", "c2.dll")]),
            Family::Tcc => (none, &[]),
        };
        Self { programs, libraries }
    }
}

/// Flags whose objects belong to one build: they name files beside the object, or read files that no list of dependencies contains.
const PRIVATE: [&str; 15] = [
    "-save-temps",
    "--save-temps",
    "-gsplit-dwarf",
    "--coverage",
    "-coverage",
    "-fprofile",
    "-fauto-profile",
    "-ftest-coverage",
    "-fplugin",
    "-fdump",
    "-fstack-usage",
    "-fcallgraph-info",
    "-ftime-trace",
    "-frepo",
    "-fmodules",
];

/// Text in a unit whose code differs with the time or the path of the build, or that reads a file that no list of dependencies contains.
const FLEETING: [&[u8]; 5] = [b"__DATE__", b"__TIME__", b"__TIMESTAMP__", b"__BASE_FILE__", b".incbin"];

/// Returns why an object is valid for one build only, or `None` if the object can be cached.
#[must_use]
pub fn uncacheable_reason(compiler: &Compiler, flags: &Flags, header: Header<'_>, text: &[u8]) -> Option<&'static str> {
    if arguments(compiler, flags).any(|argument| PRIVATE.iter().any(|flag| argument.starts_with(flag))) {
        return Some("a compiler flag makes the object valid for one build only");
    }
    if compiler.family == Family::Msvc && matches!(header, Header::Pch(_)) {
        // The linker compares a mark in the object with one in the PCH's own object (LNK2011).
        return Some("an object of cl is valid with its own precompiled header only");
    }
    if uses_native_processor(compiler, flags) && ask_processor(compiler, flags).is_none() {
        return Some("the compiler does not report which processor it compiles for");
    }
    let begins = |at: usize| FLEETING.iter().any(|argument| text[at..].starts_with(argument));
    let fleeting = (0..text.len()).any(|at| matches!(text[at], b'_' | b'.') && begins(at));
    fleeting.then_some("the unit uses __TIME__, __DATE__, __TIMESTAMP__, __BASE_FILE__ or .incbin")
}

/// True if the object contains the working directory.
#[must_use]
pub fn contains_directory(compiler: &Compiler, flags: &Flags) -> bool {
    flags.debug || arguments(compiler, flags).any(|argument| argument.starts_with("-g") || argument.starts_with("-Z"))
}

/// Prefixes that may be joined to the name of a file in one argument.
const GLUED: [&str; 8] = ["@", "-T", "-include", "-imacros", "-include-pch", "-l:", "-B", "-Fp"];

/// Returns possible file names in an argument such as `-specs=FILE`, `-Wl,--version-script,FILE` or `@FILE`; most of the names are no
/// files. Macro definitions are left out, because no compiler opens their values.
pub fn possible_files(argument: &str) -> impl Iterator<Item = &Path> {
    let is_macro = argument.starts_with("-D") || argument.starts_with("-U");
    let whole = (!is_macro).then_some(argument).into_iter();
    let parts = whole.flat_map(|argument| {
        std::iter::once(argument).chain(argument.contains(',').then(|| argument.split(',')).into_iter().flatten())
    });
    let values = parts.flat_map(|part| {
        // In A=B=FILE the file may begin after either sign.
        let behind = part.match_indices('=').map(|(at, _)| &part[at + 1..]);
        std::iter::once(part).chain(behind)
    });
    let names = values.flat_map(|value| {
        let glued = GLUED.into_iter().filter_map(|prefix| value.strip_prefix(prefix));
        std::iter::once(value).chain(glued)
    });
    names.filter(|name| !name.is_empty()).map(Path::new)
}

/// Flags that make the compiler read files under generated names, unless the value of the flag is a file.
const PROFILES: [&str; 5] =
    ["-fprofile-use", "-fprofile-instr-use", "-fauto-profile", "-fbranch-probabilities", "-fprofile-sample-use"];

/// Returns why the files that a compiler with these arguments reads cannot be known, or `None` if they can. `is_file` is true for names
/// of existing files.
#[must_use]
pub fn unknown_inputs_reason(
    compiler: &Compiler,
    flags: &Flags,
    is_file: &dyn Fn(&Path) -> bool,
) -> Option<&'static str> {
    let mut profiles =
        arguments(compiler, flags).filter(|argument| PROFILES.iter().any(|flag| argument.starts_with(flag)));
    let unknown =
        profiles.any(|argument| !argument.split_once('=').is_some_and(|(_, value)| is_file(Path::new(value))));
    unknown.then_some("a compiler flag makes the compiler read profiles whose names it generates")
}

/// Returns the arguments that make gcc's and clang's drivers print the commands for a unit and its link, including everything that
/// configuration files and environment variables add.
pub(crate) fn configuration_arguments(flags: &Flags) -> Vec<OsString> {
    let mut args = Args::default();
    args.push_all([flags.optimize.flag()]);
    if flags.debug {
        args.push_all(["-g"]);
    }
    args.push_all(dependencies::without(&flags.cflags));
    for dir in &flags.includes {
        args.joined("-I", path_argument(dir));
    }
    for define in &flags.defines {
        args.joined("-D", define);
    }
    args.push_all(["-MD", "-MF", "mjit-cc-unit.d", "-###", "-x", "c", "-", "-x", "none"]);
    // -E is the linker's here: distributing wrappers treat a line with -E as a query and do not send it to another machine.
    args.push_all(["-Xlinker", "-E"]).push_all(&flags.ldflags);
    args.0
}

/// True if the compiler's list of read files would be incomplete, according to the driver's answer: something other than the flags
/// has added `-MMD` to the arguments.
#[must_use]
pub fn hides_inputs(family: Family, answer: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(answer);
    // The driver indents commands by a space.
    let commands = || answer.lines().filter(|line| line.starts_with(' '));
    let has = |line: &str, flag: &str| line.split_whitespace().any(|argument| argument.trim_matches('"') == flag);
    match family {
        Family::Gcc => commands().any(|line| has(line, "-MMD")),
        Family::Clang => commands().any(|line| has(line, "-cc1") && !has(line, "-sys-header-deps")),
        Family::Tcc | Family::Msvc | Family::ClangCl => false,
    }
}

/// True if the flags tell the compiler to generate code for the processor of the build machine.
fn uses_native_processor(compiler: &Compiler, flags: &Flags) -> bool {
    arguments(compiler, flags).any(|argument| argument.ends_with("=native"))
}

/// Returns the process whose output says what `native` means on this machine ([`processor`] reads the output), or `None` if the flags
/// do not contain `native` or the compiler has no such query.
#[must_use]
pub fn ask_processor(compiler: &Compiler, flags: &Flags) -> Option<Step> {
    let heard = matches!(compiler.family, Family::Gcc | Family::Clang);
    (heard && uses_native_processor(compiler, flags)).then(|| Step {
        program: compiler.program.clone(),
        leading: compiler.leading.clone(),
        args: dependencies::without(&flags.cflags).into_iter().chain(["-###", "-E", "-"].map(Into::into)).collect(),
        env: compiler.env.iter().cloned().chain([("LC_ALL".into(), "C".into())]).collect(),
        response: Syntax::Gnu,
    })
}

/// Reads the processor from the answer: the sorted arguments for the compiler proper. Empty if the answer names no processor.
#[must_use]
pub fn processor(answer: &[u8]) -> Vec<String> {
    let answer = String::from_utf8_lossy(answer);
    let mut found = Vec::new();
    for line in answer.lines().filter(|line| line.contains("cc1")) {
        let mut arguments = line.split_whitespace().map(|argument| argument.trim_matches('"'));
        while let Some(argument) = arguments.next() {
            match argument {
                "-target-cpu" | "-tune-cpu" | "-target-feature" | "--param" => {
                    found.push(format!("{argument} {}", arguments.next().unwrap_or_default()));
                }
                argument if argument.starts_with("-m") && !argument.starts_with("-main") => {
                    found.push(argument.to_owned())
                }
                _ => {}
            }
        }
    }
    found.sort_unstable();
    found
}

fn arguments<'a>(compiler: &'a Compiler, flags: &'a Flags) -> impl Iterator<Item = &'a str> {
    compiler.leading.iter().chain(&flags.cflags).filter_map(|argument| OsStr::to_str(argument))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe;

    fn gcc() -> Compiler {
        let answer = "mjitcc_family \"gcc\"\nmjitcc_version 12 2 0\nmjitcc_os \"linux\"\nmjitcc_env \"gnu\"\nmjitcc_arch \"x86_64\"";
        probe::read_answer("/usr/bin/gcc".into(), Vec::new(), answer.as_bytes()).unwrap()
    }

    fn flags(arguments: &[&str]) -> Flags {
        Flags { cflags: arguments.iter().map(Into::into).collect(), ..Flags::default() }
    }

    #[test]
    fn what_makes_an_object_private() {
        let private = |arguments: &[&str], text: &str| {
            uncacheable_reason(&gcc(), &flags(arguments), Header::None, text.as_bytes()).is_some()
        };
        assert!(!private(&["-march=native", "-ffast-math"], "int x;"));
        assert!(private(&["-fprofile-use"], "int x;"));
        assert!(private(&[], "char *when = __DATE__;"));
        let native = uncacheable_reason(
            &Compiler { family: Family::Msvc, ..gcc() },
            &flags(&["-march=native"]),
            Header::None,
            b"",
        );
        assert!(native.is_some());
    }

    #[test]
    fn files_in_flags() {
        for (argument, file) in [
            ("-specs=a.specs", "a.specs"),
            ("@more", "more"),
            ("b.x", "b.x"),
            ("-Wl,--version-script,v.map", "v.map"),
            ("-Wl,--version-script=v.map,-z,now", "v.map"),
            ("-Wl,@more", "more"),
            ("-Tscript.ld", "script.ld"),
            ("-fmodule-file=name=m.pcm", "m.pcm"),
            ("--config=./my.cfg", "./my.cfg"),
        ] {
            assert!(possible_files(argument).any(|path| path == Path::new(file)), "{argument}");
        }
        assert_eq!(possible_files("-DX=a.c").count(), 0);
    }

    #[test]
    fn profiles_without_a_file_are_looked_for_anywhere() {
        let why = |argument: &str| {
            unknown_inputs_reason(&gcc(), &flags(&[argument]), &|path| path == Path::new("a.gcda")).is_some()
        };
        assert!(why("-fprofile-use") && why("-fprofile-use=dir"));
        assert!(!why("-fprofile-use=a.gcda") && !why("-fprofile-generate"));
    }

    #[test]
    fn a_driver_that_was_told_elsewhere_to_hide_inputs_is_seen() {
        assert!(hides_inputs(Family::Gcc, b" /usr/lib/cc1 -quiet -MD u.d -MMD u.d -\n"));
        assert!(!hides_inputs(Family::Gcc, b" /usr/lib/cc1 -quiet -MD u.d -\n"));
        assert!(!hides_inputs(Family::Clang, b" \"/usr/bin/clang\" \"-cc1\" \"-sys-header-deps\"\n \"/usr/bin/ld\"\n"));
        assert!(hides_inputs(Family::Clang, b" \"/usr/bin/clang\" \"-cc1\"\n"));
    }

    #[test]
    fn the_processor_is_read_from_what_the_driver_would_run() {
        assert!(ask_processor(&gcc(), &flags(&["-O2"])).is_none());
        let step = ask_processor(&gcc(), &flags(&["-march=native"])).unwrap();
        assert_eq!(step.args, ["-march=native", "-###", "-E", "-"]);
        let of_gcc = b"COLLECT_GCC_OPTIONS='-march=native'\n /usr/lib/cc1 -E -quiet - \"-march=znver3\" -mavx --param \"l1-cache-size=32\" -dumpbase -\n";
        assert_eq!(processor(of_gcc), ["--param l1-cache-size=32", "-march=znver3", "-mavx"]);
        let of_clang = b" \"/usr/bin/clang\" \"-cc1\" \"-main-file-name\" \"-\" \"-target-cpu\" \"znver4\" \"-target-feature\" \"+avx\"\n";
        assert_eq!(processor(of_clang), ["-target-cpu znver4", "-target-feature +avx"]);
    }
}
