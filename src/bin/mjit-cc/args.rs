//! The command line as clap parses it: options, their help texts and the checks of single values. `setup` turns them into settings.

use std::cell::LazyCell;
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, ValueHint};
use mjitcc::batch::Unity;
use mjitcc::cache::{CacheSettingError, Size};
use mjitcc::discover::Environment;
use mjitcc::platforms::{Choice, Linker, OptLevel};

use crate::exit::{self, CliError, Exit};
use crate::gcc_flags::{self, Translated};

const EXAMPLES: &str = "\
Examples:
  mjit-cc compile units/*.c --header vm.h --compact --out-dir out
      builds one library of all units, out/units.so, and a list of its contents, out/units.json
  mjit-cc compile unit.c -O2 -ffast-math -lm
      builds out/unit.so, linked with libm
  mjit-cc build-pch vm.h && mjit-cc compile units/*.c --pch vm.pch.gch -j4 -k
      builds a PCH for several runs; -k continues after a unit that fails
  mjit-cc compile units/*.c --header vm.h --target x86_64-w64-mingw32
      builds DLLs for Windows
  mjit-cc doctor
      lists the compilers of this machine and what is missing";

const SIZES: &str = "\
Sizes: k, M, G and T are powers of 1000; Ki, Mi, Gi and Ti are powers of 1024.";

const FLAGS: &str = "\
Flags of gcc and clang may stand among the options, such as -std=c11, -Wall, -pthread, -lm or $(pkg-config --cflags --libs gtk4), and those of \
$CPPFLAGS, $CFLAGS and $LDFLAGS come first. Pass any other flag with --cflag or --ldflag.";

const LIBRARIES: &str = "\
A unit may call the functions of the C library and of the program that loads the unit. Name other libraries with -l, such as \
-lm.";

/// Compiles generated C to loadable machine code with the C compilers of this machine.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100, args_override_self = true)]
#[command(after_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct Cli {
    /// Print more: -v the compiler and each unit, -vv also the commands, -vvv also the temporary directory.
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 100)]
    pub(crate) verbose: u8,
    /// Print only errors on standard error. Results on standard output stay as they are.
    #[arg(short, long, global = true, conflicts_with = "verbose", display_order = 101)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Precompile a header, or keep a PCH that is up to date.
    BuildPch(Box<BuildPchArgs>),
    /// Compile units into libraries.
    #[command(after_help = format!("{FLAGS}\n\n{LIBRARIES}\n\n{SIZES}\n\n{EXAMPLES}\n\n{}", exit::HELP))]
    Compile(Box<CompileArgs>),
    /// Show or clean the object cache that compile --cache uses.
    Cache(CacheArgs),
    /// List the compilers of this machine, test each of them, and list what is missing.
    Doctor(DoctorArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell to complete for.
        shell: clap_complete::Shell,
    },
    /// Print the manual page of mjit-cc or of one command.
    Man {
        /// The command to describe.
        #[arg(value_parser = PossibleValuesParser::new(["build-pch", "compile", "cache", "doctor", "completions", "man"]))]
        command: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct BuildPchArgs {
    /// The header to precompile.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) header: PathBuf,
    /// The file to write [default: the name of the header with the suffix of PCHs, in the current directory].
    #[arg(short, long = "output", value_name = "OUT", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// End a compiler that takes longer than this.
    #[arg(long, value_name = "SECS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) compiler: CompilerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CompileArgs {
    /// The units to compile: C files, or patterns such as 'units/*.c', which are expanded where the shell does not expand them.
    #[arg(required = true, value_hint = ValueHint::FilePath)]
    pub(crate) units: Vec<PathBuf>,
    /// Precompile this header and compile each unit as if its first line included the header.
    #[arg(long, value_name = "H", conflicts_with = "pch", value_hint = ValueHint::FilePath)]
    pub(crate) header: Option<PathBuf>,
    /// Use a PCH of build-pch as the header. The PCH is built again if its header, an included file, the compiler or a flag changed.
    #[arg(long, value_name = "P", value_hint = ValueHint::FilePath)]
    pub(crate) pch: Option<PathBuf>,
    /// The directory for the libraries and units.json.
    #[arg(long, value_name = "DIR", default_value = "out", value_hint = ValueHint::DirPath)]
    pub(crate) out_dir: PathBuf,
    /// Build one library of all units instead of a library for each unit.
    #[arg(long)]
    pub(crate) compact: bool,
    /// Merge up to N units into one translation unit, so that the compiler processes their common parts once; auto chooses N from the
    /// number of units. A merged unit behaves as the unit does alone. Units for which this is not certain are compiled alone, and -vv
    /// prints the reason. Debuggers show static functions of merged units under longer names.
    #[arg(long, value_name = "N|auto|off", default_value = "off", value_parser = unity)]
    pub(crate) unity: Unity,
    /// Compile units that match this pattern alone, despite --unity. May be repeated.
    #[arg(long, value_name = "GLOB")]
    pub(crate) unity_skip: Vec<glob::Pattern>,
    /// The number of compilers that run at once [default: the number of processors]. Under make -jN, with + before the command, the
    /// jobserver of make limits the number too.
    #[arg(short, long, value_name = "N", value_parser = jobs, allow_negative_numbers = true)]
    pub(crate) jobs: Option<NonZero<usize>>,
    /// Start a further compiler only if this much memory is free, such as 1Gi [default: 400Mi]. 0 disables the check. Linux only.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) memfree: Option<u64>,
    /// Compile the other units after a unit fails.
    #[arg(short, long)]
    pub(crate) keep_going: bool,
    /// Print the commands without running them.
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Write an HTML page that shows how long each step of each unit took [default file: timings.html in the output directory].
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, value_hint = ValueHint::FilePath)]
    pub(crate) timings: Option<Option<PathBuf>>,
    /// Write the timings as Chrome trace events, which Perfetto and chrome://tracing show.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) trace: Option<PathBuf>,
    /// Keep the temporary files, among them the sources as the compiler got them, and print their directory.
    #[arg(long)]
    pub(crate) save_temps: bool,
    /// End the compiler of a unit, and all processes that it started, if the unit takes longer than this.
    #[arg(long, value_name = "SECS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) timeout: Option<Duration>,
    /// Print messages for people, or one JSON object per line on standard output.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) message_format: MessageFormat,
    #[command(flatten)]
    pub(crate) cache: CacheWhere,
    /// Run the compiler of each unit through this program, such as ccache or distcc, with arguments if any [default:
    /// $MJIT_CC_LAUNCHER]. If repeated, the first launcher runs the second. A launcher that cannot use a PCH gets the header as text.
    #[arg(long, value_name = "CMD", value_hint = ValueHint::CommandName)]
    pub(crate) launcher: Vec<OsString>,
    #[command(flatten)]
    pub(crate) compiler: CompilerArgs,
}

/// The directory and the size of the object cache.
#[derive(Debug, Args)]
pub(crate) struct CacheWhere {
    /// Store objects in an object cache for later runs and other output directories: 'on' for the system's cache directory, 'off', or a
    /// directory [default: $MJIT_CC_CACHE, else off]. Units that use __TIME__ or __DATE__ are never cached.
    #[arg(long, value_name = "DIR|on|off", value_hint = ValueHint::DirPath)]
    pub(crate) cache: Option<OsString>,
    /// The size of the cache, such as 500M or 5Gi [default: $MJIT_CC_CACHE_SIZE, else 5Gi]. The least recently used objects are removed.
    #[arg(long, value_name = "SIZE")]
    pub(crate) max_size: Option<Size>,
}

#[derive(Debug, Args)]
pub(crate) struct CacheArgs {
    #[command(subcommand)]
    pub(crate) command: CacheCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Print the number of objects and their size.
    Stats {
        #[command(flatten)]
        place: CacheWhere,
        /// Print text for people, or one JSON object.
        #[arg(long, value_name = "FORMAT", default_value = "human")]
        message_format: MessageFormat,
    },
    /// Remove the least recently used objects until the cache fits its size.
    Gc {
        #[command(flatten)]
        place: CacheWhere,
    },
    /// Remove all objects.
    Clear {
        #[command(flatten)]
        place: CacheWhere,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print text for people, or one JSON object.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) message_format: MessageFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MessageFormat {
    Human,
    Json,
}

/// The options of every command that runs a compiler.
#[derive(Debug, Args)]
#[command(next_help_heading = "Compiler")]
pub(crate) struct CompilerArgs {
    /// The compiler, with arguments if any [default: $CC, else the first of cc, gcc and clang that works].
    #[arg(long, value_name = "CC", value_hint = ValueHint::CommandName)]
    pub(crate) cc: Option<OsString>,
    /// Require this kind of compiler.
    #[arg(long, value_name = "KIND", value_parser = toolchain, help = format!("Require this kind of compiler: {}", toolchains()))]
    pub(crate) toolchain: Option<Choice>,
    /// Compile for another system, such as x86_64-w64-mingw32 or aarch64-linux-gnu.
    #[arg(long, value_name = "TRIPLE")]
    pub(crate) target: Option<String>,
    /// Search DIR for included files.
    #[arg(short = 'I', value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) include: Vec<PathBuf>,
    /// Define a macro.
    #[arg(short = 'D', value_name = "NAME[=VALUE]")]
    pub(crate) define: Vec<OsString>,
    /// The optimization level: 0, 1, 2, 3 or s [default: 3, or 0 with -g].
    #[arg(short = 'O', value_name = "LEVEL", value_parser = level)]
    pub(crate) optimize: Option<OptLevel>,
    /// Generate debug information.
    #[arg(short = 'g')]
    pub(crate) debug: bool,
    /// Pass an argument to the compiler, in every step. May be repeated.
    #[arg(long = "cflag", value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) cflags: Vec<OsString>,
    /// Build everything again if the contents of this file change. For a file that the code depends on but does not include.
    #[arg(long = "hash-file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) hash_files: Vec<PathBuf>,
    /// Build everything again if the value of this environment variable changes.
    #[arg(long = "hash-env", value_name = "NAME")]
    pub(crate) hash_env: Vec<OsString>,
    /// Pass an argument to the compiler when it links, such as -lm. May be repeated.
    #[arg(long = "ldflag", value_name = "ARG", allow_hyphen_values = true)]
    pub(crate) ldflags: Vec<OsString>,
    /// Which linker to use.
    #[arg(long, value_name = "LINKER", value_parser = linker, default_value = "auto", help = linker_help())]
    pub(crate) linker: Linker,
    /// End a compiler that writes more messages than this, such as 10M. 0 disables the limit.
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "1Mi")]
    pub(crate) output_limit: u64,
    /// For Windows: the import library of the program that loads the units. Units may call its exports.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) host_library: Option<PathBuf>,
}

/// Parses the command line, or prints what is wrong with it and ends the process, as clap does. Returns the variables whose flags were added too.
pub(crate) fn parse() -> (Cli, Vec<(&'static str, String)>) {
    let mut command = Cli::command();
    let environment = LazyCell::new(Environment::read);
    let variable =
        |name: &str| environment.variables.get(OsStr::new(name)).map(|value| value.to_string_lossy().into_owned());
    let Translated { args, variables } = gcc_flags::translated(&command, std::env::args_os(), variable);
    let matches = command.try_get_matches_from_mut(args);
    match matches.and_then(|matches| Cli::from_arg_matches(&matches)).map_err(|error| error.format(&mut command)) {
        Ok(cli) => (cli, variables),
        Err(error) => {
            let _ = error.print();
            if let Some(hint) = hint(&error) {
                let _ = writeln!(anstream::stderr(), "\n{hint}");
            }
            std::process::exit(error.exit_code())
        }
    }
}

/// What may have been meant by an argument that is unknown.
fn hint(error: &clap::Error) -> Option<String> {
    let value = |kind| match error.get(kind)? {
        ContextValue::String(text) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = value(ContextKind::InvalidSubcommand)?;
            let is_unit = Path::new(word).extension().is_some_and(|extension| extension == "c");
            is_unit.then(|| format!("help: to compile a unit, run mjit-cc compile {word}"))
        }
        ErrorKind::UnknownArgument => {
            let word = value(ContextKind::InvalidArg).filter(|word| word.starts_with('-'))?;
            Some(format!(
                "help: pass a flag of the compiler as --cflag={word}, a flag of the linker as --ldflag={word}"
            ))
        }
        _ => None,
    }
}

fn toolchains() -> String {
    Choice::NAMES.map(|(name, _)| name).join(", ")
}

fn toolchain(word: &str) -> Result<Choice, String> {
    let found = Choice::NAMES.iter().find(|(name, _)| *name == word);
    found.map(|&(_, choice)| choice).ok_or_else(|| format!("expected one of {}", toolchains()))
}

fn linkers() -> String {
    Linker::NAMES.map(|(name, _)| name).join(", ")
}

fn linker_help() -> String {
    let auto = "auto links with wild inside this process where possible, else with the compiler's driver";
    format!("Which linker to use: {}; {auto}", linkers())
}

fn linker(word: &str) -> Result<Linker, String> {
    let found = Linker::NAMES.iter().find(|(name, _)| *name == word);
    found.map(|&(_, linker)| linker).ok_or_else(|| format!("expected one of {}", linkers()))
}

fn level(word: &str) -> Result<OptLevel, String> {
    OptLevel::from_name(word).ok_or_else(|| "expected 0, 1, 2, 3 or s".to_owned())
}

fn unity(word: &str) -> Result<Unity, String> {
    match word {
        "off" => Ok(Unity::Off),
        "auto" => Ok(Unity::Auto),
        number => {
            number.parse().map(Unity::Of).map_err(|_| "expected auto, off, or a number of units above 0".to_owned())
        }
    }
}

fn jobs(word: &str) -> Result<NonZero<usize>, String> {
    let jobs = word.parse::<usize>().ok().and_then(NonZero::new);
    jobs.ok_or_else(|| "expected a number of compilers above 0; without -j one compiler per processor runs".to_owned())
}

/// Parses a size as [`Size`] does; in addition 0, which disables a check or a limit.
fn size(word: &str) -> Result<u64, String> {
    if word == "0" {
        return Ok(0);
    }
    word.parse().map(|Size(bytes)| bytes).map_err(|error: CacheSettingError| error.to_string())
}

fn seconds(word: &str) -> Result<Duration, String> {
    let number = word.parse::<f64>().ok().filter(|&number| number > 0.0);
    number
        .and_then(|number| Duration::try_from_secs_f64(number).ok())
        .ok_or_else(|| "expected a number of seconds above 0".to_owned())
}

pub(crate) fn print_completions(shell: clap_complete::Shell) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mjit-cc", &mut script);
    if shell == clap_complete::Shell::Bash {
        // The script calls a command with a hyphen in its name by two names (clap #6421), and so completes no subcommand.
        script = String::from_utf8_lossy(&script).replace("mjit__subcmd__cc", "mjit__cc").into_bytes();
    }
    std::io::stdout().write_all(&script)?;
    Ok(Exit::Good)
}

pub(crate) fn print_manual(command: Option<&str>) -> Result<Exit, CliError> {
    let mut whole = Cli::command();
    whole.build();
    let page = command.and_then(|name| whole.find_subcommand(name).cloned()).unwrap_or(whole);
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text)?;
    std::io::stdout().write_all(&text)?;
    Ok(Exit::Good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }
}
