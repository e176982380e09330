//! What can be typed. Knows no meaning beyond clap's own checks.

use std::ffi::OsString;
use std::io::Write;
use std::num::NonZero;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};
use mjitcc::batch::Unity;
use mjitcc::cache::Size;
use mjitcc::platforms::{Choice, Linker, OptLevel};

use crate::exit::{self, CliError, Exit};

const EXAMPLES: &str = "\
Examples:
  mjit-cc compile units/*.c --header vm.h --compact --out-dir out
      one library, out/units.so, of all units; out/units.json says what is in it
  mjit-cc compile unit.c -O2 --cflag=-ffast-math --ldflag=-lm
      out/unit.so, linked with libm
  mjit-cc build-pch vm.h && mjit-cc compile units/*.c --pch vm.pch.gch -j4 -k
      one PCH for several runs; units that fail do not stop the others
  mjit-cc compile units/*.c --header vm.h --target x86_64-w64-mingw32
      DLLs for Windows
  mjit-cc doctor
      which compilers this machine has, and what is missing";

const LIBRARIES: &str = "\
A unit may call whatever the program that loads it defines, and the C library as if the compiler had linked the unit by itself. \
Other libraries are named with --ldflag (-lm).";

/// Turns generated C into loadable machine code with the C compilers that this machine has.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, max_term_width = 100, args_override_self = true)]
#[command(after_help = format!("{EXAMPLES}\n\n{}", exit::HELP))]
pub(crate) struct Cli {
    /// Say more: the compiler and every unit; -vv the commands too; -vvv where things are.
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 100)]
    pub(crate) verbose: u8,
    /// Say nothing but errors.
    #[arg(short, long, global = true, conflicts_with = "verbose", display_order = 101)]
    pub(crate) quiet: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Precompile a header, or find that it need not be done again.
    BuildPch(Box<BuildPchArgs>),
    /// Compile units into libraries.
    #[command(after_help = format!("{LIBRARIES}\n\n{EXAMPLES}\n\n{}", exit::HELP))]
    Compile(Box<CompileArgs>),
    /// Look after the object cache, which compile --cache fills.
    Cache(CacheArgs),
    /// Say which compilers this machine has, whether they work, and what is missing.
    Doctor(DoctorArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or a command's.
    Man {
        /// The command.
        #[arg(value_parser = PossibleValuesParser::new(["build-pch", "compile", "cache", "doctor", "completions", "man"]))]
        command: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct BuildPchArgs {
    /// The header.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) header: PathBuf,
    /// Where the PCH goes; by default into this directory, called after the header.
    #[arg(short, long = "output", value_name = "OUT", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// End a compiler that takes longer.
    #[arg(long, value_name = "SECS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) compiler: CompilerArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CompileArgs {
    /// The units: C files, or patterns such as 'units/*.c' where the shell does not expand them.
    #[arg(required = true, value_hint = ValueHint::FilePath)]
    pub(crate) units: Vec<PathBuf>,
    /// The header that every unit stands behind; it is precompiled where the compiler can.
    #[arg(long, value_name = "H", conflicts_with = "pch", value_hint = ValueHint::FilePath)]
    pub(crate) header: Option<PathBuf>,
    /// A PCH that build-pch built; it is built again if anything in it changed.
    #[arg(long, value_name = "P", value_hint = ValueHint::FilePath)]
    pub(crate) pch: Option<PathBuf>,
    /// Where the libraries and units.json go.
    #[arg(long, value_name = "DIR", default_value = "out", value_hint = ValueHint::DirPath)]
    pub(crate) out_dir: PathBuf,
    /// Put all units into one library.
    #[arg(long)]
    pub(crate) compact: bool,
    /// Merge N units at a time into one translation unit, so that what the units have in common is compiled once; auto chooses N by the
    /// number of units. A merged unit computes what the unit computes alone; a unit for which that is not certain is compiled alone, and
    /// -vv says why. Debuggers show the unit's own functions under longer names.
    #[arg(long, value_name = "N|auto|off", default_value = "off", value_parser = unity)]
    pub(crate) unity: Unity,
    /// Never merge the units that this pattern matches; may be given several times.
    #[arg(long, value_name = "GLOB")]
    pub(crate) unity_skip: Vec<glob::Pattern>,
    /// How many compilers run at once; by default as many as there are processors. Below a make with a jobserver (make -jN, and + before
    /// the command), as many as that allows too.
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<NonZero<usize>>,
    /// How much memory must be free for each compiler beside the first, as 400M, the default, or 1G; 0 for no matter. Linux only.
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(crate) memfree: Option<u64>,
    /// When a unit fails, go on with the others.
    #[arg(short, long)]
    pub(crate) keep_going: bool,
    /// Print the commands and run none of them.
    #[arg(short = 'n', long)]
    pub(crate) dry_run: bool,
    /// Write an HTML page that shows what took how long; by default timings.html in the output directory.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, value_hint = ValueHint::FilePath)]
    pub(crate) timings: Option<Option<PathBuf>>,
    /// Write the same as Chrome trace events, for Perfetto and chrome://tracing.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) trace: Option<PathBuf>,
    /// Keep the sources as they were compiled, and say where.
    #[arg(long)]
    pub(crate) save_temps: bool,
    /// End the compiler of a unit that takes longer, and all that it started.
    #[arg(long, value_name = "SECS", value_parser = seconds, allow_negative_numbers = true)]
    pub(crate) timeout: Option<Duration>,
    /// For people, or one JSON object a line on standard output.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) message_format: MessageFormat,
    #[command(flatten)]
    pub(crate) cache: CacheWhere,
    /// Start the compiler of each unit by another program, such as ccache or distcc, with its own words if any; given several times,
    /// one stands before the other. By default $MJIT_CC_LAUNCHER. Those that cannot carry a PCH get the header as text.
    #[arg(long, value_name = "CMD", value_hint = ValueHint::CommandName)]
    pub(crate) launcher: Vec<OsString>,
    #[command(flatten)]
    pub(crate) compiler: CompilerArgs,
}

/// Where the object cache is.
#[derive(Debug, Args)]
pub(crate) struct CacheWhere {
    /// Keep objects for other output directories and later runs: 'on' (in the system's usual directory for caches), 'off', or a
    /// directory; by default $MJIT_CC_CACHE, else off.
    #[arg(long, value_name = "DIR|on|off", value_hint = ValueHint::DirPath)]
    pub(crate) cache: Option<OsString>,
    /// How much the cache may have, such as 500M or 5G; by default $MJIT_CC_CACHE_SIZE, else 5Gi. What was not used for longest goes.
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
    /// Say how many objects there are and how much they take.
    Stats {
        #[command(flatten)]
        place: CacheWhere,
        /// For people, or one JSON object on standard output.
        #[arg(long, value_name = "FORMAT", default_value = "human")]
        message_format: MessageFormat,
    },
    /// Throw away what was not used for longest, down to the size.
    Gc {
        #[command(flatten)]
        place: CacheWhere,
    },
    /// Throw away everything.
    Clear {
        #[command(flatten)]
        place: CacheWhere,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// For people, or one JSON object on standard output.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) message_format: MessageFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MessageFormat {
    Human,
    Json,
}

/// What is said of the compiler, for every command that runs it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Compiler")]
pub(crate) struct CompilerArgs {
    /// The compiler, with its first arguments if any; by default $CC, then cc, gcc, clang.
    #[arg(long, value_name = "CC", value_hint = ValueHint::CommandName)]
    pub(crate) cc: Option<OsString>,
    /// The kind of compiler.
    #[arg(long, value_name = "KIND", value_parser = toolchain, help = format!("The kind of compiler: {}", toolchains()))]
    pub(crate) toolchain: Option<Choice>,
    /// Compile for another system, such as x86_64-w64-mingw32 or aarch64-linux-gnu.
    #[arg(long, value_name = "TRIPLE")]
    pub(crate) target: Option<String>,
    /// Look for #include files in DIR.
    #[arg(short = 'I', value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) include: Vec<PathBuf>,
    /// Define a macro.
    #[arg(short = 'D', value_name = "NAME[=VALUE]")]
    pub(crate) define: Vec<OsString>,
    /// Optimise: 0, 1, 2, 3 or s; by default 3, with -g 0.
    #[arg(short = 'O', value_name = "LEVEL", value_parser = level)]
    pub(crate) optimize: Option<OptLevel>,
    /// Make debug information.
    #[arg(short = 'g')]
    pub(crate) debug: bool,
    /// A further word for the compiler, in every step.
    #[arg(long = "cflag", value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) cflags: Vec<OsString>,
    /// A file that the code depends on in a way that no tool can see: when its contents change, everything is built again.
    #[arg(long = "hash-file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) hash_files: Vec<PathBuf>,
    /// An environment variable that the code depends on in such a way.
    #[arg(long = "hash-env", value_name = "NAME")]
    pub(crate) hash_env: Vec<OsString>,
    /// A further word for the linker's driver, such as a library.
    #[arg(long = "ldflag", value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) ldflags: Vec<OsString>,
    /// Who links.
    #[arg(long, value_name = "LINKER", value_parser = linker, default_value = "auto", help = format!("Who links: {}; auto is wild inside this process where that serves, else the compiler's driver", linkers()))]
    pub(crate) linker: Linker,
    /// End a compiler that writes more than this of messages, such as 10M; 0 keeps all of them.
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "1M")]
    pub(crate) output_limit: u64,
    /// For Windows: the import library of the program that loads the units, which may call what it exports.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) host_library: Option<PathBuf>,
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
        number => number.parse().map(Unity::Of).map_err(|_| "expected auto, off, or how many units".to_owned()),
    }
}

/// Bytes: K, M and G are powers of 1024.
fn size(word: &str) -> Result<u64, String> {
    let (digits, unit) = match word.as_bytes().last() {
        Some(b'K' | b'k') => (&word[..word.len() - 1], 1 << 10),
        Some(b'M' | b'm') => (&word[..word.len() - 1], 1 << 20),
        Some(b'G' | b'g') => (&word[..word.len() - 1], 1 << 30),
        _ => (word, 1),
    };
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    bytes.ok_or_else(|| "expected a size such as 400M".to_owned())
}

fn seconds(word: &str) -> Result<Duration, String> {
    let number = word.parse::<f64>().ok().filter(|&number| number > 0.0);
    number
        .and_then(|number| Duration::try_from_secs_f64(number).ok())
        .ok_or_else(|| "expected seconds above 0".to_owned())
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
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }
}
