//! Inputs of a compilation beside flags and texts: the commands that a driver derives from its flags, the files that flags name, and the
//! files and variables that the user names. Asks the compiler once per pipeline.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use mjit_cc_platforms::{SearchList, Step, hides_inputs, possible_files, processor, unknown_inputs_reason};

use super::Pipeline;
use crate::depend::{SearchPath, TextFacts};
use crate::error::Error;
use crate::exec::{ExecError, Invocation};
use crate::files;
use crate::key::{Digest, KeyBuilder};
use crate::response;
use crate::variables::Variables;

/// The files and variables of `--hash-file` and `--hash-env`, on which objects depend and which compilers do not report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Files, whose contents are hashed.
    pub files: Vec<PathBuf>,
    /// Variables and their values.
    pub variables: Vec<(OsString, Option<OsString>)>,
}

impl Watched {
    /// Takes the variables from `environment`. File names are relative to the current working directory.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if a file does not exist or cannot be read.
    pub fn of(
        files: impl IntoIterator<Item = PathBuf>,
        names: impl IntoIterator<Item = OsString>,
        environment: &Variables,
    ) -> Result<Self, Error> {
        let file = |path: PathBuf| {
            let path = std::path::absolute(&path).map_err(Error::unreadable(&path))?;
            files::open(&path).map_err(Error::unreadable(&path))?;
            Ok(path)
        };
        let variable = |name: OsString| {
            let value = environment.get(&name).map(OsStr::to_owned);
            (name, value)
        };
        let files = files.into_iter().map(file).collect::<Result<_, Error>>()?;
        Ok(Self { files, variables: names.into_iter().map(variable).collect() })
    }
}

/// A driver's answer about its flags.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// A digest of the compile commands, with the size and time of their programs.
    pub(crate) digest: Digest,
    /// A digest of the compile commands that does not depend on the directory in which the compiler is installed.
    pub(crate) portable: Digest,
    /// A digest of the link commands, with the size and time of their programs.
    pub(crate) link_digest: Digest,
    /// The processor that `native` in the flags selects; `None` if the flags do not depend on the processor.
    pub(crate) processor: Option<Digest>,
    /// Files that arguments of the compiler name.
    pub(crate) files: Vec<PathBuf>,
    /// Files that arguments of the linker name.
    pub(crate) link_files: Vec<PathBuf>,
    /// The directories in which the linker looks for libraries.
    pub(crate) library_dirs: Vec<PathBuf>,
    /// Facts about C text in the flags, such as macros.
    pub(crate) facts: TextFacts,
    /// Why the files that the compiler reads cannot be known; `None` if they can.
    pub(crate) unknown_inputs_reason: Option<&'static str>,
}

const NOT_ASKED: &str = "the compiler did not print the commands that it runs with these flags";
const UNREADABLE: &str = "a response file that a flag names cannot be read";
const HIDDEN: &str = "a wrapper, a variable or a configuration file adds a flag that hides the files that the compiler reads, such as -MMD; \
     pass the flag by --cflag instead";

impl Configuration {
    pub(crate) fn ask(pipeline: &Pipeline) -> Self {
        let (toolchain, flags) = (pipeline.toolchain(), &pipeline.flags);
        let compiler = toolchain.compiler();
        let answer = toolchain.ask_configuration(flags).map(|step| run(pipeline, &step)).transpose();
        let asked = answer.is_ok();
        let answer = answer.ok().flatten().unwrap_or_default();
        let (compile, link) = stable_commands(&answer, pipeline.scratch.path());
        let prefix = fs::canonicalize(&compiler.program).ok();
        let prefix = prefix.as_deref().and_then(Path::parent).and_then(Path::parent).and_then(Path::to_str);
        let mut portable = KeyBuilder::new("portable configuration");
        for command in &compile {
            portable = portable.field(command.len().to_le_bytes());
            portable = portable.fields(command.iter().skip(1).map(|arg| without_prefix(arg, prefix)));
        }
        let args = || compiler.leading.iter().chain(&flags.cflags).filter_map(|arg| arg.to_str());
        let mut files = BTreeSet::new();
        let mut readable = true;
        args().for_each(|arg| readable &= add_named_files(arg, &mut files));
        let compile_args = compile.iter().flat_map(|command| command.iter().skip(1));
        compile_args.for_each(|arg| readable &= add_named_files(arg, &mut files));
        let mut link_files = BTreeSet::new();
        let link_args = flags.ldflags.iter().filter_map(|arg| arg.to_str());
        link_args.for_each(|arg| readable &= add_named_files(arg, &mut link_files));
        link_files.extend(flags.host_library.iter().filter(|path| path.is_file()).cloned());

        let native = processor(&answer);
        let processor = (!native.is_empty()).then(|| KeyBuilder::new("processor").fields(native).finish());
        let mut facts = TextFacts::default();
        args().chain(flags.defines.iter().filter_map(|arg| arg.to_str())).for_each(|arg| {
            facts.join(&TextFacts::of(arg.as_bytes()));
        });
        let unknown = unknown_inputs_reason(compiler, flags, &Path::is_file).or((!asked).then_some(NOT_ASKED));
        let unknown = unknown.or((!readable).then_some(UNREADABLE));
        let library_dirs = link.iter().flatten().filter_map(|arg| arg.strip_prefix("-L"));
        Self {
            digest: digest("configuration", &compile),
            portable: portable.finish(),
            link_digest: digest("link configuration", &link),
            processor,
            files: files.into_iter().collect(),
            link_files: link_files.into_iter().collect(),
            library_dirs: library_dirs.map(PathBuf::from).collect(),
            facts,
            unknown_inputs_reason: unknown.or(hides_inputs(compiler.family, &answer).then_some(HIDDEN)),
        }
    }
}

/// Asks the compiler for its search path. Returns the directories that the flags name if the compiler does not answer.
pub(crate) fn search_path(pipeline: &Pipeline) -> Result<SearchPath, ExecError> {
    let (toolchain, flags) = (pipeline.toolchain(), &pipeline.flags);
    let answer = toolchain.ask_search_list(flags).map(|step| run(pipeline, &step)).transpose()?;
    let list = answer.and_then(|answer| toolchain.search_list(&answer));
    let values_of = |names: &[&str]| -> Vec<String> {
        let mut values = Vec::new();
        let mut args = flags.cflags.iter().filter_map(|arg| arg.to_str());
        while let Some(arg) = args.next() {
            if names.contains(&arg) {
                values.extend(args.next().map(str::to_owned));
            } else if let Some(value) = names.iter().find_map(|name| arg.strip_prefix(name)) {
                values.push(value.trim_start_matches('=').to_owned());
            }
        }
        values
    };
    let dirs = |names: &[&str]| values_of(names).into_iter().map(PathBuf::from);
    let list = list.unwrap_or_else(|| SearchList {
        quoted: dirs(&["-iquote"]).collect(),
        angled: flags.includes.iter().cloned().chain(dirs(&["-I", "/I", "-isystem"])).collect(),
        missing: Vec::new(),
    });
    let embed = dirs(&["--embed-dir"]).collect();
    let forced = values_of(&["-include", "-imacros", "-FI", "/FI"]);
    Ok(SearchPath { list, embed, forced })
}

fn run(pipeline: &Pipeline, step: &Step) -> Result<Vec<u8>, ExecError> {
    let invocation = Invocation { step, deadline: pipeline.deadline(), temp_dir: pipeline.scratch.path() };
    pipeline.executor.run(&invocation).map(|finished| finished.output)
}

/// The program of a command, then its arguments.
type Command = Vec<String>;

/// Returns the compile commands and the link commands in a driver's answer, without arguments that differ in each run: temporary files, and
/// the working directory, which is in an object only with debug information.
fn stable_commands(answer: &[u8], temp_dir: &Path) -> (Vec<Command>, Vec<Command>) {
    const DIRECTORY_FLAGS: [&str; 2] = ["-fdebug-compilation-dir", "-fcoverage-compilation-dir"];
    let temp_name = temp_dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = String::from_utf8_lossy(answer).into_owned();
    let stable = |line: &str| {
        let split = shlex::split(line).unwrap_or_else(|| line.split_whitespace().map(str::to_owned).collect());
        let mut command = Command::new();
        let mut args = split.into_iter();
        while let Some(arg) = args.next() {
            if DIRECTORY_FLAGS.contains(&arg.as_str()) {
                args.next();
            } else if !arg.contains(&temp_name) && !DIRECTORY_FLAGS.iter().any(|flag| arg.starts_with(flag)) {
                command.push(arg);
            }
        }
        command
    };
    // Commands begin with a space. An answer without commands is an error message.
    let commands: Vec<&str> = text.lines().filter(|line| line.starts_with(' ')).collect();
    let lines = if commands.is_empty() { text.lines().collect() } else { commands };
    lines.into_iter().map(stable).partition(|command| !links(command))
}

/// Parses a driver's answer and finds the files that it names, for the tests of untrusted answers.
pub(crate) fn read_answer(answer: &[u8], temp_dir: &Path) {
    let (compile, link) = stable_commands(answer, temp_dir);
    let args = compile.iter().chain(&link).flatten();
    let _ = args.flat_map(|arg| possible_files(arg)).count();
}

/// True if a command is neither the compiler proper nor the assembler.
fn links(command: &[String]) -> bool {
    let program = command.first().map(Path::new).and_then(Path::file_stem).unwrap_or_default().to_string_lossy();
    let compiles = program.contains("cc1") || program == "as" || program.ends_with("-as");
    !compiles && !command.iter().any(|arg| arg.starts_with("-cc1"))
}

fn digest(kind: &str, commands: &[Command]) -> Digest {
    let fields = |key: KeyBuilder, command: &Command| {
        let program = command.first().map(|program| stamp(Path::new(program))).unwrap_or_default();
        key.field(command.len().to_le_bytes()).field(program).fields(command)
    };
    commands.iter().fold(KeyBuilder::new(kind), fields).finish()
}

/// Replaces the compiler's installation directory in an argument.
fn without_prefix(arg: &str, prefix: Option<&str>) -> String {
    match prefix.filter(|prefix| prefix.len() > 1) {
        Some(prefix) => arg.replace(prefix, "PREFIX"),
        None => arg.to_owned(),
    }
}

/// Returns the size and time of a program; empty for a bare name, which is found on `PATH` and is part of the compiler's identity.
fn stamp(program: &Path) -> String {
    let Ok(metadata) = fs::metadata(program) else { return String::new() };
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    format!("{} {}", metadata.len(), modified.as_nanos())
}

/// Adds the files that an argument names, and the files that response files among them name. False if a response file cannot be read.
fn add_named_files(arg: &str, files: &mut BTreeSet<PathBuf>) -> bool {
    let mut readable = true;
    for path in possible_files(arg).filter(|path| path.is_file()) {
        let is_response = path.to_str().is_some_and(|name| arg.contains(&format!("@{name}")));
        if !files.insert(path.to_owned()) || !is_response {
            continue;
        }
        let Ok(text) = crate::files::read(path) else {
            readable = false;
            continue;
        };
        let text = String::from_utf8_lossy(&text);
        let args = response::split(&text).unwrap_or_else(|| {
            // Split at blanks; parts that are not arguments name no file.
            text.split_whitespace().map(|part| part.trim_matches(['"', '\'']).to_owned()).collect()
        });
        args.iter().for_each(|arg| readable &= add_named_files(arg, files));
    }
    readable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compile_and_link_commands_are_separated_and_lose_what_differs_in_each_run() {
        let answer = b"COLLECT_GCC=gcc\n /usr/lib/cc1 -quiet - \"-march=x86-64\" -fdebug-compilation-dir=/home -o - |\n as --64 -o /tmp/mjit-cc-Zz/cc1.o\n\
            \x20/usr/lib/collect2 -L/a/b /tmp/mjit-cc-Zz/cc1.o -lm\n";
        let (compile, link) = stable_commands(answer, Path::new("/tmp/mjit-cc-Zz"));
        assert_eq!(compile[0], ["/usr/lib/cc1", "-quiet", "-", "-march=x86-64", "-o", "-", "|"]);
        assert_eq!(compile[1], ["as", "--64", "-o"]);
        assert_eq!(link, [["/usr/lib/collect2", "-L/a/b", "-lm"]]);
    }
}
