//! The compiler's own flags on the command line of `mjit-cc`, as build systems and `pkg-config` give them: each becomes `--cflag` or `--ldflag`.
//! Knows the form of flags, not what they mean; the planner refuses those that make no library.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};

use clap::Command;

/// The variables whose flags count as `CC` does, in the order of make's built-in rules.
const VARIABLES: [&str; 3] = ["CPPFLAGS", "CFLAGS", "LDFLAGS"];

/// What a flag is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Compiler,
    Linker,
}

/// Flags whose value is the next argument, or in the same one.
const WITH_VALUE: [(&str, Purpose); 24] = [
    ("-U", Purpose::Compiler),
    ("-isystem", Purpose::Compiler),
    ("-iquote", Purpose::Compiler),
    ("-idirafter", Purpose::Compiler),
    ("-imacros", Purpose::Compiler),
    ("-include", Purpose::Compiler),
    ("-isysroot", Purpose::Compiler),
    ("-iprefix", Purpose::Compiler),
    ("-iwithprefix", Purpose::Compiler),
    ("-B", Purpose::Compiler),
    ("-x", Purpose::Compiler),
    ("-arch", Purpose::Compiler),
    ("-target", Purpose::Compiler),
    ("-Xclang", Purpose::Compiler),
    ("-Xpreprocessor", Purpose::Compiler),
    ("-Xassembler", Purpose::Compiler),
    ("-Xlinker", Purpose::Linker),
    ("-framework", Purpose::Linker),
    ("-l", Purpose::Linker),
    ("-L", Purpose::Linker),
    ("-T", Purpose::Linker),
    ("-u", Purpose::Linker),
    ("-z", Purpose::Linker),
    ("-o", Purpose::Compiler),
];

/// Flags by their beginning, longest first where two begin alike.
const BY_BEGINNING: [(&str, Purpose); 24] = [
    ("-Wl,", Purpose::Linker),
    ("-W", Purpose::Compiler),
    ("-std", Purpose::Compiler),
    ("-specs=", Purpose::Compiler),
    ("-static", Purpose::Linker),
    ("-shared", Purpose::Linker),
    ("-rdynamic", Purpose::Linker),
    ("-nostdinc", Purpose::Compiler),
    ("-no", Purpose::Linker),
    ("-f", Purpose::Compiler),
    ("-m", Purpose::Compiler),
    ("-pthread", Purpose::Compiler),
    ("-pipe", Purpose::Compiler),
    ("-pedantic", Purpose::Compiler),
    ("-pg", Purpose::Compiler),
    ("-ansi", Purpose::Compiler),
    ("-save-temps", Purpose::Compiler),
    ("-w", Purpose::Compiler),
    ("-traditional", Purpose::Compiler),
    ("-undef", Purpose::Compiler),
    ("-M", Purpose::Compiler),
    ("-E", Purpose::Compiler),
    ("-S", Purpose::Compiler),
    ("-c", Purpose::Compiler),
];

/// The optimization levels that `-O` of `mjit-cc` does not have.
const LEVELS: [&str; 3] = ["-Og", "-Ofast", "-Oz"];

/// A command line in the options of `mjit-cc`, and the variables that added to the command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Translated {
    pub(crate) args: Vec<OsString>,
    /// The name and the value of each.
    pub(crate) variables: Vec<(&'static str, String)>,
}

/// Translates a command line, the program first. `variable` returns an environment variable. Other commands than `compile` and `build-pch` run no
/// compiler, and stay as they are.
pub(crate) fn translated(
    cli: &Command,
    args: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<String>,
) -> Translated {
    let mut args: Vec<OsString> = args.into_iter().collect();
    let mut variables = Vec::new();
    // Options before the command have no value.
    let is_option = |arg: &OsString| arg.to_str().is_some_and(|arg| arg.starts_with('-'));
    let at = args.iter().skip(1).position(|arg| !is_option(arg)).map_or(args.len(), |at| at + 1);
    let command = args.get(at).filter(|name| *name == "compile" || *name == "build-pch");
    let Some(command) = command.and_then(|name| cli.find_subcommand(name)) else {
        return Translated { args, variables };
    };
    let options = Options::of(command);
    let behind = args.split_off(at + 1);
    // The flags of a variable come first, so that those of the command line win.
    for name in VARIABLES {
        let Some(value) = variable(name).filter(|value| !value.trim().is_empty()) else { continue };
        let words = shlex::split(&value).unwrap_or_else(|| value.split_whitespace().map(str::to_owned).collect());
        args.extend(options.translate(words.into_iter().map(OsString::from)));
        variables.push((name, value));
    }
    args.extend(options.translate(behind));
    Translated { args, variables }
}

/// The options of one command that have a value in the next argument.
struct Options {
    with_value: BTreeSet<String>,
    has_output: bool,
}

impl Options {
    fn of(command: &Command) -> Self {
        let takes =
            command.get_arguments().filter(|arg| arg.get_action().takes_values() && !arg.is_require_equals_set());
        let with_value = takes.flat_map(|arg| {
            let short = arg.get_short().map(|letter| format!("-{letter}"));
            short.into_iter().chain(arg.get_long().map(|name| format!("--{name}")))
        });
        let with_value: BTreeSet<String> = with_value.collect();
        Self { has_output: with_value.contains("-o"), with_value }
    }

    fn translate(&self, args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
        let mut args = args.into_iter();
        let mut translated = Vec::new();
        while let Some(arg) = args.next() {
            if arg == "--" {
                translated.push(arg);
                break;
            }
            if arg.to_str().is_some_and(|arg| self.with_value.contains(arg)) {
                translated.push(arg);
                translated.extend(args.next());
                continue;
            }
            match self.flag(&arg) {
                None => translated.push(arg),
                Some((purpose, has_value_behind)) => {
                    // `-g3` is `-g`, with more.
                    if arg.to_str().is_some_and(|arg| arg.starts_with("-g") && arg != "-g0") {
                        translated.push("-g".into());
                    }
                    translated.push(option(purpose, &arg));
                    let value = if has_value_behind { args.next() } else { None };
                    translated.extend(value.map(|value| option(purpose, &value)));
                }
            }
        }
        translated.extend(args);
        translated
    }

    /// The purpose of a flag of the compiler's, and whether the next argument is its value. `None` for an argument of `mjit-cc`.
    fn flag(&self, arg: &OsStr) -> Option<(Purpose, bool)> {
        let arg = arg.to_str().filter(|arg| arg.starts_with('-') && !arg.starts_with("--"))?;
        if self.has_output && arg.starts_with("-o") {
            return None;
        }
        if let Some(&(_, purpose)) = WITH_VALUE.iter().find(|(name, _)| *name == arg) {
            return Some((purpose, true));
        }
        let level = LEVELS.contains(&arg) || (arg.starts_with("-g") && arg != "-g");
        if level {
            return Some((Purpose::Compiler, false));
        }
        let known = BY_BEGINNING.iter().chain(&WITH_VALUE).find(|(beginning, _)| arg.starts_with(beginning))?;
        Some((known.1, false))
    }
}

fn option(purpose: Purpose, flag: &OsStr) -> OsString {
    let mut option = OsString::from(match purpose {
        Purpose::Compiler => "--cflag=",
        Purpose::Linker => "--ldflag=",
    });
    option.push(flag);
    option
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    #[track_caller]
    fn is_translated(line: &str, expected: &str) {
        let args = line.split(' ').map(OsString::from);
        let found = translated(&Cli::command(), args, |_| None).args;
        let found: Vec<&str> = found.iter().map(|arg| arg.to_str().unwrap()).collect();
        assert_eq!(found.join(" "), expected);
    }

    #[test]
    fn flags_of_a_compiler_are_told_from_options() {
        is_translated(
            "mjit-cc -v compile a.c -std=c11 -Wall -Wl,-z,now -lm -L lib -L/x -pthread -isystem d -O2 -Ofast -I inc -DX=1 -k",
            "mjit-cc -v compile a.c --cflag=-std=c11 --cflag=-Wall --ldflag=-Wl,-z,now --ldflag=-lm --ldflag=-L --ldflag=lib \
             --ldflag=-L/x --cflag=-pthread --cflag=-isystem --cflag=d -O2 --cflag=-Ofast -I inc -DX=1 -k",
        );
        is_translated(
            "mjit-cc compile -g3 -ggdb -g0 -g -c",
            "mjit-cc compile -g --cflag=-g3 -g --cflag=-ggdb --cflag=-g0 -g --cflag=-c",
        );
        // Values of options, files behind `--`, and other commands.
        is_translated("mjit-cc compile --cflag -lm --header -w.h", "mjit-cc compile --cflag -lm --header -w.h");
        is_translated("mjit-cc compile -w -- -w.c", "mjit-cc compile --cflag=-w -- -w.c");
        is_translated("mjit-cc build-pch vm.h -o -out -w", "mjit-cc build-pch vm.h -o -out --cflag=-w");
        is_translated("mjit-cc compile -o x a.c", "mjit-cc compile --cflag=-o --cflag=x a.c");
        is_translated("mjit-cc cache stats -w", "mjit-cc cache stats -w");
    }

    #[test]
    fn flags_of_variables_come_first() {
        let args = ["mjit-cc", "compile", "-O3", "a.c"].map(OsString::from);
        let variable = |name: &str| match name {
            "CFLAGS" => Some("-O2 -D'A=\"b c\"' -fwrapv".to_owned()),
            "LDFLAGS" => Some(" ".to_owned()),
            _ => None,
        };
        let found = translated(&Cli::command(), args, variable);
        assert_eq!(found.args, ["mjit-cc", "compile", "-O2", "-DA=\"b c\"", "--cflag=-fwrapv", "-O3", "a.c"]);
        assert_eq!(found.variables, [("CFLAGS", "-O2 -D'A=\"b c\"' -fwrapv".to_owned())]);
    }
}
