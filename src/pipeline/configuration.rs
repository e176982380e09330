//! What decides about code beside flags and texts: what a driver makes of its flags, files that these name, and files and variables that
//! the user names. Asks the compiler once a pipeline.

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

/// Files and variables that objects depend on and no tool can see, as `--hash-file` and `--hash-env` name them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    /// Files; their contents count.
    pub files: Vec<PathBuf>,
    /// Variables and their values.
    pub variables: Vec<(OsString, Option<OsString>)>,
}

impl Watched {
    /// Takes the variables from `environment`. Names of files are relative to the working directory as it is now.
    ///
    /// # Errors
    /// [`Error::Unreadable`] where there is no such file.
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

/// What was found out about a compiler with its flags.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// Changes when a command that compiles does, or a program that it names.
    pub(crate) digest: Digest,
    /// The same wherever the compiler was installed.
    pub(crate) portable: Digest,
    /// Changes when a command that links does.
    pub(crate) link_digest: Digest,
    /// What the processor is where the flags leave that open.
    pub(crate) processor: Option<Digest>,
    /// Files that the compiler may read because words name them.
    pub(crate) files: Vec<PathBuf>,
    /// Those that only a link may read.
    pub(crate) link_files: Vec<PathBuf>,
    /// Directories that the linker looks for libraries in.
    pub(crate) library_dirs: Vec<PathBuf>,
    /// What the flags say as C text.
    pub(crate) facts: TextFacts,
    /// Why the files that the compiler reads cannot be known.
    pub(crate) unknown_inputs_reason: Option<&'static str>,
}

const NOT_ASKED: &str = "the compiler could not be asked what it makes of its flags";
const UNREADABLE: &str = "a file that a flag names cannot be read";
const HIDDEN: &str = "something adds flags to the compiler's that hide what it reads, such as -MMD; give them by --cflag, which can be seen";

impl Configuration {
    pub(crate) fn ask(pipeline: &Pipeline) -> Self {
        let (toolchain, flags) = (pipeline.toolchain(), &pipeline.flags);
        let compiler = toolchain.compiler();
        let answer = toolchain.ask_configuration(flags).map(|step| run(pipeline, &step)).transpose();
        let asked = answer.is_ok();
        let answer = answer.ok().flatten().unwrap_or_default();
        let (compile, link) = steady_commands(&answer, pipeline.scratch.path());
        let prefix = fs::canonicalize(&compiler.program).ok();
        let prefix = prefix.as_deref().and_then(Path::parent).and_then(Path::parent).and_then(Path::to_str);
        let mut portable = KeyBuilder::new("portable configuration");
        for words in &compile {
            portable = portable.field(words.len().to_le_bytes());
            portable = portable.fields(words.iter().skip(1).map(|word| elsewhere(word, prefix)));
        }
        let words = || compiler.leading.iter().chain(&flags.cflags).filter_map(|word| word.to_str());
        let mut files = BTreeSet::new();
        let mut readable = true;
        words().for_each(|word| readable &= name_files(word, &mut files));
        compile.iter().flat_map(|words| words.iter().skip(1)).for_each(|word| readable &= name_files(word, &mut files));
        let mut link_files = BTreeSet::new();
        let link_words = flags.ldflags.iter().filter_map(|word| word.to_str());
        link_words.for_each(|word| readable &= name_files(word, &mut link_files));
        link_files.extend(flags.host_library.iter().filter(|path| path.is_file()).cloned());

        let native = processor(&answer);
        let processor = (!native.is_empty()).then(|| KeyBuilder::new("processor").fields(native).finish());
        let mut facts = TextFacts::default();
        words().chain(flags.defines.iter().filter_map(|word| word.to_str())).for_each(|word| {
            facts.join(&TextFacts::of(word.as_bytes()));
        });
        let unknown = unknown_inputs_reason(compiler, flags, &Path::is_file).or((!asked).then_some(NOT_ASKED));
        let unknown = unknown.or((!readable).then_some(UNREADABLE));
        let library_dirs = link.iter().flatten().filter_map(|word| word.strip_prefix("-L"));
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

/// Asks for the directories of included files; where the compiler does not tell, those that the flags name.
pub(crate) fn search_path(pipeline: &Pipeline) -> Result<SearchPath, ExecError> {
    let (toolchain, flags) = (pipeline.toolchain(), &pipeline.flags);
    let answer = toolchain.ask_search_list(flags).map(|step| run(pipeline, &step)).transpose()?;
    let list = answer.and_then(|answer| toolchain.search_list(&answer));
    let words = || flags.cflags.iter().filter_map(|word| word.to_str());
    let behind = |names: &[&str]| -> Vec<String> {
        let mut values = Vec::new();
        let mut words = words();
        while let Some(word) = words.next() {
            if names.contains(&word) {
                values.extend(words.next().map(str::to_owned));
            } else if let Some(value) = names.iter().find_map(|name| word.strip_prefix(name)) {
                values.push(value.trim_start_matches('=').to_owned());
            }
        }
        values
    };
    let dirs = |names: &[&str]| behind(names).into_iter().map(PathBuf::from);
    let list = list.unwrap_or_else(|| SearchList {
        quoted: dirs(&["-iquote"]).collect(),
        angled: flags.includes.iter().cloned().chain(dirs(&["-I", "/I", "-isystem"])).collect(),
        missing: Vec::new(),
    });
    let embed = dirs(&["--embed-dir"]).collect();
    let forced = behind(&["-include", "-imacros", "-FI", "/FI"]);
    Ok(SearchPath { list, embed, forced })
}

fn run(pipeline: &Pipeline, step: &Step) -> Result<Vec<u8>, ExecError> {
    let invocation = Invocation { step, deadline: pipeline.deadline(), temp_dir: pipeline.scratch.path() };
    pipeline.executor.run(&invocation).map(|finished| finished.output)
}

/// The words of a command, the program first.
type Command = Vec<String>;

/// The commands in an answer that compile, and those that link, without words that are others in each run: names of temporary files, and
/// the working directory, which is in an object only where there is debug information.
fn steady_commands(answer: &[u8], temp_dir: &Path) -> (Vec<Command>, Vec<Command>) {
    const WHERE: [&str; 2] = ["-fdebug-compilation-dir", "-fcoverage-compilation-dir"];
    let temp_name = temp_dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = String::from_utf8_lossy(answer).into_owned();
    let steady = |line: &str| {
        let split = shlex::split(line).unwrap_or_else(|| line.split_whitespace().map(str::to_owned).collect());
        let mut words = Command::new();
        let mut rest = split.into_iter();
        while let Some(word) = rest.next() {
            if WHERE.contains(&word.as_str()) {
                rest.next();
            } else if !word.contains(&temp_name) && !WHERE.iter().any(|flag| word.starts_with(flag)) {
                words.push(word);
            }
        }
        words
    };
    // Commands begin with a space. Where there are none the answer is a complaint.
    let commands: Vec<&str> = text.lines().filter(|line| line.starts_with(' ')).collect();
    let lines = if commands.is_empty() { text.lines().collect() } else { commands };
    lines.into_iter().map(steady).partition(|words| !links(words))
}

/// Reads a driver's answer and names the files in it, for the tests of strange ones.
pub(crate) fn read_answer(answer: &[u8], temp_dir: &Path) {
    let (compile, link) = steady_commands(answer, temp_dir);
    let words = compile.iter().chain(&link).flatten();
    let _ = words.flat_map(|word| possible_files(word)).count();
}

/// True if a command is neither the compiler proper nor the assembler.
fn links(words: &[String]) -> bool {
    let program = words.first().map(Path::new).and_then(Path::file_stem).unwrap_or_default().to_string_lossy();
    let compiles = program.contains("cc1") || program == "as" || program.ends_with("-as");
    !compiles && !words.iter().any(|word| word.starts_with("-cc1"))
}

fn digest(kind: &str, commands: &[Command]) -> Digest {
    let fields = |key: KeyBuilder, words: &Command| {
        let program = words.first().map(|program| stamp(Path::new(program))).unwrap_or_default();
        key.field(words.len().to_le_bytes()).field(program).fields(words)
    };
    commands.iter().fold(KeyBuilder::new(kind), fields).finish()
}

/// A word of a compiler that was installed somewhere else.
fn elsewhere(word: &str, prefix: Option<&str>) -> String {
    match prefix.filter(|prefix| prefix.len() > 1) {
        Some(prefix) => word.replace(prefix, "PREFIX"),
        None => word.to_owned(),
    }
}

/// Which file a program is. That of a bare name is found on `PATH`, and a part of the compiler's identity.
fn stamp(program: &Path) -> String {
    let Ok(metadata) = fs::metadata(program) else { return String::new() };
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    format!("{} {}", metadata.len(), modified.as_nanos())
}

/// Adds the files that a word names, and those that response files among these name. False where one of these cannot be read.
fn name_files(word: &str, files: &mut BTreeSet<PathBuf>) -> bool {
    let mut readable = true;
    for path in possible_files(word).filter(|path| path.is_file()) {
        let is_response = path.to_str().is_some_and(|name| word.contains(&format!("@{name}")));
        if !files.insert(path.to_owned()) || !is_response {
            continue;
        }
        let Ok(text) = crate::files::read(path) else {
            readable = false;
            continue;
        };
        let text = String::from_utf8_lossy(&text);
        let words = response::split(&text).unwrap_or_else(|| {
            // Some of these are no words of anybody's, and name no file.
            text.split_whitespace().map(|word| word.trim_matches(['"', '\'']).to_owned()).collect()
        });
        words.iter().for_each(|word| readable &= name_files(word, files));
    }
    readable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_apart_and_lose_what_no_two_runs_have_alike() {
        let answer = b"COLLECT_GCC=gcc\n /usr/lib/cc1 -quiet - \"-march=x86-64\" -fdebug-compilation-dir=/home -o - |\n as --64 -o /tmp/mjit-cc-Zz/cc1.o\n\
            \x20/usr/lib/collect2 -L/a/b /tmp/mjit-cc-Zz/cc1.o -lm\n";
        let (compile, link) = steady_commands(answer, Path::new("/tmp/mjit-cc-Zz"));
        assert_eq!(compile[0], ["/usr/lib/cc1", "-quiet", "-", "-march=x86-64", "-o", "-", "|"]);
        assert_eq!(compile[1], ["as", "--64", "-o"]);
        assert_eq!(link, [["/usr/lib/collect2", "-L/a/b", "-lm"]]);
    }
}
