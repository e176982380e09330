//! The flags that control what gcc, clang and tcc write about the files they read (gcc's manual, "Preprocessor Options"). The planners
//! request the list themselves; a user's flag could remove files from the list or write the list elsewhere. Knows flags only.

use std::ffi::OsString;

/// Flags without a value.
const PLAIN: [&str; 8] = [
    "-MD",
    "-MMD",
    "-MP",
    "-MG",
    "-MV",
    "--write-dependencies",
    "--write-user-dependencies",
    "--print-missing-file-dependencies",
];

/// Flags with a value, either the next argument or joined to the flag.
const WITH_VALUE: [&str; 4] = ["-MF", "-MT", "-MQ", "-MJ"];

/// Flags of clang's compiler proper whose value is the next argument.
const INSIDE_CLANG: [&str; 2] = ["-dependency-file", "-MT"];

/// Flags that list or print instead of compiling, and why each is refused.
const PRINTING: [(&str, &str); 9] = [
    ("-M", LISTS),
    ("-MM", LISTS),
    ("--dependencies", LISTS),
    ("--user-dependencies", LISTS),
    ("-E", STOPS),
    ("-Eonly", STOPS),
    ("--preprocess", STOPS),
    ("-S", STOPS),
    ("--assemble", STOPS),
];

const LISTS: &str = "remove the flag, because the compiler would list files and make no object";
const STOPS: &str = "remove the flag, because the compiler would stop before it makes an object";

/// Flags whose value is the next argument, so that the next argument is no flag.
const TAKES_NEXT: [&str; 34] = [
    "-include",
    "-imacros",
    "-include-pch",
    "-isystem",
    "-iquote",
    "-idirafter",
    "-isysroot",
    "-iprefix",
    "-iwithprefix",
    "-iwithprefixbefore",
    "-ivfsoverlay",
    "-I",
    "-D",
    "-U",
    "-A",
    "-L",
    "-l",
    "-T",
    "-B",
    "-e",
    "-u",
    "-x",
    "-z",
    "-o",
    "-arch",
    "-target",
    "-mllvm",
    "-aux-info",
    "-dumpdir",
    "-dumpbase",
    "--param",
    "--config",
    "-Xlinker",
    "-Xassembler",
];

/// How a flag reaches the program that reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    /// An argument of the driver.
    Plain,
    /// A part of `-Wp,…`, in the argument with this index.
    Comma(usize),
    /// The value of `-Xpreprocessor`.
    Preprocessor,
    /// The value of `-Xclang`.
    Inside,
}

/// One flag or value, and its carrier.
#[derive(Clone, Debug)]
struct FlagPart {
    carrier: Carrier,
    argument: OsString,
    /// True for the value of the flag before.
    is_value: bool,
}

fn parts(arguments: &[OsString]) -> Vec<FlagPart> {
    let mut parts = Vec::new();
    let mut arguments = arguments.iter().enumerate();
    while let Some((number, argument)) = arguments.next() {
        let text = argument.to_str().unwrap_or_default();
        let carrier = match text {
            "-Xpreprocessor" => Some(Carrier::Preprocessor),
            "-Xclang" => Some(Carrier::Inside),
            _ => None,
        };
        if let (Some(carrier), Some((_, argument))) = (carrier, arguments.clone().next()) {
            arguments.next();
            parts.push(FlagPart { carrier, argument: argument.clone(), is_value: false });
        } else if let Some(list) = text.strip_prefix("-Wp,") {
            let part =
                |part: &str| FlagPart { carrier: Carrier::Comma(number), argument: part.into(), is_value: false };
            parts.extend(list.split(',').map(part));
        } else {
            parts.push(FlagPart { carrier: Carrier::Plain, argument: argument.clone(), is_value: false });
            if TAKES_NEXT.contains(&text)
                && let Some((_, value)) = arguments.next()
            {
                parts.push(FlagPart { carrier: Carrier::Plain, argument: value.clone(), is_value: true });
            }
        }
    }
    parts
}

fn joined(parts: &[FlagPart]) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut list = None;
    for part in parts {
        match part.carrier {
            Carrier::Plain => arguments.push(part.argument.clone()),
            Carrier::Preprocessor => arguments.extend(["-Xpreprocessor".into(), part.argument.clone()]),
            Carrier::Inside => arguments.extend(["-Xclang".into(), part.argument.clone()]),
            Carrier::Comma(number) => match arguments.last_mut() {
                Some(last) if list == Some(number) => {
                    last.push(",");
                    last.push(&part.argument);
                }
                _ => {
                    let mut argument = OsString::from("-Wp,");
                    argument.push(&part.argument);
                    arguments.push(argument);
                }
            },
        }
        list = match part.carrier {
            Carrier::Comma(number) => Some(number),
            _ => None,
        };
    }
    arguments
}

/// Returns the arguments without those that change what is written about the files that the compiler reads.
pub(crate) fn without(arguments: &[OsString]) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut rest = parts(arguments).into_iter();
    while let Some(part) = rest.next() {
        let argument = part.argument.to_str().unwrap_or_default();
        let is_plain = part.carrier == Carrier::Plain;
        if part.is_value {
            kept.push(part);
        } else if PLAIN.contains(&argument) {
            // The compiler proper takes the list's name as a separate argument, also after -Wp.
            if matches!(argument, "-MD" | "-MMD") && !is_plain {
                rest.next();
            }
        } else if WITH_VALUE.contains(&argument)
            || (part.carrier == Carrier::Inside && INSIDE_CLANG.contains(&argument))
        {
            rest.next();
        } else if !WITH_VALUE.iter().any(|flag| argument.starts_with(flag)) {
            kept.push(part);
        }
    }
    joined(&kept)
}

/// Returns what to do about the first flag that keeps the compiler from making an object.
pub(crate) fn refused(arguments: &[OsString]) -> Option<&'static str> {
    let flags = parts(arguments).into_iter().filter(|part| !part.is_value);
    let mut found = flags.filter_map(|part| {
        let argument = part.argument.to_str()?.to_owned();
        PRINTING.iter().find(|(flag, _)| *flag == argument).map(|&(_, instead)| instead)
    });
    found.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(Into::into).collect()
    }

    #[test]
    fn only_what_concerns_the_list_goes() {
        for (given, kept) in [
            ("-O2 -MMD -DX", "-O2 -DX"),
            ("-MF mine.d -MT x -MQ y -MP -MG -w", "-w"),
            ("-MFmine.d -MTx -MJcommands.json -w", "-w"),
            ("-Wp,-MMD,mine.d -w", "-w"),
            ("-Wp,-DX,-MD,mine.d,-DY", "-Wp,-DX,-DY"),
            ("-Wp,-DX -Wp,-DY", "-Wp,-DX -Wp,-DY"),
            ("-Xpreprocessor -MD -Xpreprocessor mine.d -Xpreprocessor -DX", "-Xpreprocessor -DX"),
            ("-Xclang -dependency-file -Xclang f -Xclang -MT -Xclang x -Xclang -w", "-Xclang -w"),
            ("--write-user-dependencies -w", "-w"),
            ("-include -MD -Xlinker -MF -mavx -D -MT", "-include -MD -Xlinker -MF -mavx -D -MT"),
        ] {
            assert_eq!(without(&arguments(given)), arguments(kept), "{given}");
        }
    }

    #[test]
    fn what_makes_no_object_is_refused() {
        for given in ["-M", "-MM", "-O2 -E", "-Wp,-M", "-Xpreprocessor -MM", "-Xclang -Eonly", "-S"] {
            assert!(refused(&arguments(given)).is_some(), "{given}");
        }
        for given in ["-MD", "-Xlinker -M", "-Wl,-M", "-mavx", "-include -E", "-DE=-E"] {
            assert!(refused(&arguments(given)).is_none(), "{given}");
        }
    }
}
