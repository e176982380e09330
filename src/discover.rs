//! Finds compilers. The probe's answer identifies a program, not the program's name.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use mjit_cc_platforms::hints;
use mjit_cc_platforms::response::Syntax;
use mjit_cc_platforms::{
    Arch, Choice, Compiler, Family, Launcher, Os, Step, Target, Toolchain, candidates, install_hint, probe, toolchain,
};

use crate::exec::{ExecError, Executor, Exit, Invocation};
use crate::key::{Digest, KeyBuilder};
use crate::machine;

mod environment;
mod launchers;

pub use crate::variables::Variables;
pub use environment::Environment;
pub use launchers::{DetectedLauncher, LauncherError};

/// The time limit for a compiler's probe.
const PROBE_TIME: Duration = Duration::from_secs(60);

/// The user's requirements for a compiler.
#[derive(Clone, Debug, Default)]
pub struct CompilerSpec {
    /// A program, optionally with leading arguments, as in `CC`.
    pub cc: Option<OsString>,
    /// A compiler family.
    pub choice: Option<Choice>,
    /// A target triple.
    pub target: Option<String>,
}

/// A compiler that was found and has answered the probe.
#[derive(Clone, Debug)]
pub struct DetectedCompiler {
    /// The compiler's planner.
    pub toolchain: Arc<dyn Toolchain>,
    /// A digest that changes if the compiler is replaced or updated.
    pub identity: Digest,
    /// A digest of the release, the leading arguments and the environment variables that the compiler reads; independent of its path.
    pub config_digest: Digest,
    /// Earlier candidates that were rejected.
    pub rejected: Vec<Rejected>,
}

/// Why no compiler was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoverError {
    /// The requested target is unknown.
    #[error(transparent)]
    UnknownTarget(#[from] mjit_cc_platforms::UnknownTarget),
    /// Every candidate was missing or rejected.
    #[error("no working C compiler{}", describe(tried, hint.as_deref()))]
    NoCompiler {
        /// Each candidate, and why it was rejected.
        tried: Vec<Rejected>,
        /// The command that usually installs a compiler.
        hint: Option<String>,
    },
    /// The search was interrupted.
    #[error("interrupted")]
    Interrupted,
    /// The machine prevented the search; a compiler may exist.
    #[error("cannot {what}: {why}")]
    Machine {
        /// What failed, with the path.
        what: String,
        /// The error of the system or of the compiler.
        why: String,
        /// What the user can do.
        hint: Option<&'static str>,
    },
}

/// A candidate that was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The candidate's command.
    pub command: String,
    /// The reason.
    pub why: String,
}

fn describe(tried: &[Rejected], hint: Option<&str>) -> String {
    let mut text = String::new();
    // The versioned names of distributions are many, and seldom present.
    let missing = tried.iter().filter(|rejected| rejected.why == NOT_FOUND);
    let names: Vec<&str> = missing.map(|rejected| rejected.command.as_str()).take(4).collect();
    for rejected in tried.iter().filter(|rejected| rejected.why != NOT_FOUND) {
        let _ = write!(text, "\n  {}: {}", rejected.command, rejected.why);
    }
    if !names.is_empty() {
        let _ = write!(text, "\n  {}: {NOT_FOUND}", names.join(", "));
    }
    if let Some(hint) = hint {
        let _ = write!(text, "\n  to install one: {hint}");
    }
    text
}

const NOT_FOUND: &str = "not found on PATH";

/// Searches for compilers.
pub struct Finder<'a> {
    /// The environment: `CC`, `PATH` and other variables.
    pub environment: &'a Environment,
    /// Runs the probes.
    pub executor: &'a dyn Executor,
    /// The directory for the probes' files.
    pub temp_dir: &'a Path,
}

impl Finder<'_> {
    /// Returns the best compiler for a spec: `--cc`, then `CC`, then the usual names.
    ///
    /// # Errors
    /// [`DiscoverError`], with everything that was tried.
    pub fn find(&self, spec: &CompilerSpec) -> Result<DetectedCompiler, DiscoverError> {
        let target =
            spec.target.as_deref().map(|triple| Target::parse(triple).map(|target| (triple, target))).transpose()?;
        let target = target.as_ref().map(|(triple, target)| (*triple, target));
        let mut tried = Vec::new();
        for command in self.commands(spec, target) {
            let shown = command.join(OsStr::new(" ")).to_string_lossy().into_owned();
            let rejected = match self.ask(&command, target) {
                Ok(found) => match mismatch(found.toolchain.compiler(), spec.choice, target) {
                    None => return Ok(DetectedCompiler { rejected: tried, ..found }),
                    Some(why) => match self.retarget(&found, &command, spec.choice, target) {
                        Some(found) => return Ok(DetectedCompiler { rejected: tried, ..found }),
                        None => why,
                    },
                },
                Err(RejectReason::Cancelled) => return Err(DiscoverError::Interrupted),
                Err(RejectReason::Machine { what, why, hint }) => {
                    return Err(DiscoverError::Machine { what, why, hint });
                }
                Err(RejectReason::Because(why)) => why,
            };
            tried.push(Rejected { command: shown, why: rejected });
        }
        let hint = self
            .environment
            .package_manager()
            .map(|manager| install_hint(manager, spec.choice, target.map(|(_, target)| target)));
        Err(DiscoverError::NoCompiler { tried, hint })
    }

    /// Identifies one program, by name or path.
    ///
    /// # Errors
    /// Why the program is no compiler.
    pub fn identify(&self, name: &str) -> Result<DetectedCompiler, String> {
        self.ask(&[name.into()], None).map_err(|rejection| match rejection {
            RejectReason::Cancelled => "interrupted".to_owned(),
            RejectReason::Machine { what, why, .. } => format!("cannot {what}: {why}"),
            RejectReason::Because(why) => why,
        })
    }

    /// Sets the target of a clang, which compiles for every system.
    fn retarget(
        &self,
        found: &DetectedCompiler,
        command: &[OsString],
        choice: Option<Choice>,
        target: Option<(&str, &Target)>,
    ) -> Option<DetectedCompiler> {
        let (triple, _) = target?;
        let is_clang = matches!(found.toolchain.compiler().family, Family::Clang | Family::ClangCl);
        let command = [command, &[format!("--target={triple}").into()]].concat();
        let again = is_clang.then(|| self.ask(&command, target).ok()).flatten()?;
        mismatch(again.toolchain.compiler(), choice, target).is_none().then_some(again)
    }

    fn commands(&self, spec: &CompilerSpec, target: Option<(&str, &Target)>) -> Vec<Vec<OsString>> {
        let named = spec.cc.as_deref();
        if let Some(cc) = named {
            return vec![self.command(cc)];
        }
        let cc = self.environment.cc.as_deref().map(|cc| self.command(cc));
        let mut usual = candidates(spec.choice, target);
        if cfg!(windows) && spec.choice.is_none() && target.is_none() {
            // On a Windows without cc, gcc and clang, Microsoft's compiler is tried.
            usual.extend(candidates(Some(Choice::Msvc), None));
        }
        let usual = usual.into_iter().map(|arguments| arguments.into_iter().map(Into::into).collect());
        cc.into_iter().chain(usual).collect()
    }

    /// Splits the value of `--cc` or `CC`: a program whose path may contain spaces, or a program and its first arguments.
    fn command(&self, cc: &OsStr) -> Vec<OsString> {
        let whole = vec![cc.to_owned()];
        if self.environment.programs(cc).next().is_some() {
            return whole;
        }
        let arguments = cc.to_str().and_then(shlex::split).filter(|arguments| !arguments.is_empty());
        arguments.map_or(whole, |arguments| arguments.into_iter().map(Into::into).collect())
    }

    fn ask(&self, command: &[OsString], target: Option<(&str, &Target)>) -> Result<DetectedCompiler, RejectReason> {
        let behind_launcher = match command {
            [first, rest @ ..] if !rest.is_empty() && is_launcher(Path::new(first)) => rest,
            _ => command,
        };
        let [program, leading @ ..] = behind_launcher else {
            return Err(RejectReason::Because("is empty".to_owned()));
        };
        // A compiler's name may be a link to a launcher (Debian's /usr/lib/ccache): the compiler itself comes later on PATH.
        let (path, env) = self
            .environment
            .programs(program)
            .find(|path| !fs::canonicalize(path).is_ok_and(|real| is_launcher(&real)))
            .map(|path| (path, Vec::new()))
            .or_else(|| visual_studio(program, target.map(|(_, target)| &target.arch)))
            .ok_or_else(|| RejectReason::Because(NOT_FOUND.to_owned()))?;
        let mut compiler = self.probe(path, leading.to_vec(), env)?;
        if compiler.family == Family::ClangCl && !self.has_cl_command_line(&compiler) {
            compiler.family = Family::Clang;
        }
        let config_digest = config_digest(&compiler, self.environment);
        let identity = identity(&compiler, &config_digest, self.environment);
        Ok(DetectedCompiler { toolchain: toolchain(compiler), identity, config_digest, rejected: Vec::new() })
    }

    fn probe(
        &self,
        program: PathBuf,
        leading: Vec<OsString>,
        env: Vec<(OsString, OsString)>,
    ) -> Result<Compiler, RejectReason> {
        let source = self.temp_dir.join("probe.c");
        fs::write(&source, probe::SOURCE).map_err(|error| RejectReason::of("write", &source, &error))?;
        let args = vec!["-E".into(), source.into()];
        let step =
            Step { program: program.clone(), leading: leading.clone(), args, env: env.clone(), response: Syntax::Gnu };
        let output = self.run(step)?;
        let compiler =
            probe::read_answer(program, leading, &output).map_err(|error| RejectReason::Because(error.to_string()))?;
        let foreign = Os::from_name(std::env::consts::OS) != Some(compiler.target.os);
        Ok(Compiler { env, foreign, ..compiler })
    }

    /// True if a clang for Microsoft's ABI has `cl`'s command line: the preprocessor's macros are the same, but only `cl`'s command line
    /// has this flag.
    fn has_cl_command_line(&self, compiler: &Compiler) -> bool {
        let Compiler { program, leading, env, .. } = compiler.clone();
        let args = vec!["-nologo".into(), "-E".into(), self.temp_dir.join("probe.c").into()];
        let step = Step { program, leading, args, env, response: Syntax::Msvc };
        self.run(step).is_ok()
    }

    fn run(&self, step: Step) -> Result<Vec<u8>, RejectReason> {
        let program = step.program.clone();
        let invocation =
            Invocation { step: &step, deadline: Some(Instant::now() + PROBE_TIME), temp_dir: self.temp_dir };
        let finished = self.executor.run(&invocation).map_err(|error| match error {
            ExecError::Cancelled => RejectReason::Cancelled,
            ExecError::TimedOut { .. } => {
                RejectReason::Because(format!("did not answer in {} s", PROBE_TIME.as_secs()))
            }
            ExecError::Flooded { .. } => {
                RejectReason::Because("wrote more output than a compiler's answer to the probe".to_owned())
            }
            ExecError::NotStarted { source, .. } if !machine::is_at_fault(&source) => {
                RejectReason::Because(source.to_string())
            }
            ExecError::NotStarted { source, program } => RejectReason::of("start", &program, &source),
            ExecError::Io { source, program } => RejectReason::of("run", &program, &source),
        })?;
        match finished.exit {
            // If another part of the process took the exit status, the answer decides.
            Exit::Code(0) | Exit::Unknown => Ok(finished.output),
            exit => {
                let text = String::from_utf8_lossy(&finished.output);
                if let Some(hint) = hints::for_machine(&text) {
                    let what = format!("run {}", program.display());
                    return Err(RejectReason::Machine { what, why: text.trim().to_owned(), hint: Some(hint) });
                }
                let line = text.lines().find(|line| line.contains("error:"));
                let line = line.or_else(|| text.lines().find(|line| !line.trim().is_empty())).unwrap_or("no output");
                Err(RejectReason::Because(format!("cannot preprocess C ({exit}): {}", line.trim())))
            }
        }
    }
}

enum RejectReason {
    Cancelled,
    Because(String),
    /// A problem of the machine, which would affect the next candidate too.
    Machine {
        what: String,
        why: String,
        hint: Option<&'static str>,
    },
}

impl RejectReason {
    fn of(action: &str, path: &Path, error: &io::Error) -> Self {
        Self::Machine {
            what: format!("{action} {}", path.display()),
            why: error.to_string(),
            hint: machine::hint(error),
        }
    }
}

/// cl is seldom on `PATH`; the cc crate finds Visual Studio's cl and its environment variables.
#[cfg(windows)]
fn visual_studio(program: &OsStr, arch: Option<&Arch>) -> Option<(PathBuf, Vec<(OsString, OsString)>)> {
    let name = Path::new(program).with_extension("exe");
    let arch = arch.map_or_else(|| std::env::consts::ARCH.to_owned(), Arch::to_string);
    let tool = cc::windows_registry::find_tool(&arch, name.to_str()?)?;
    let env = tool.get_envs().map(|(name, value)| (name.to_owned(), value.to_owned()));
    Some((tool.path().to_owned(), env.collect()))
}

#[cfg(not(windows))]
fn visual_studio(_program: &OsStr, _arch: Option<&Arch>) -> Option<(PathBuf, Vec<(OsString, OsString)>)> {
    None
}

/// True for launchers. Some launchers do not support a PCH, so the compiler behind a launcher is called directly (Ruby 27fae1d4,
/// 6f5ee1f0), unless the user requests a launcher.
fn is_launcher(program: &Path) -> bool {
    program.file_stem().and_then(OsStr::to_str).is_some_and(|name| Launcher::NAMES.contains(&name))
}

fn mismatch(compiler: &Compiler, choice: Option<Choice>, target: Option<(&str, &Target)>) -> Option<String> {
    if let Some(choice) = choice.filter(|choice| !choice.accepts(compiler)) {
        return Some(format!("is {compiler}, not {}", choice.name()));
    }
    target
        .filter(|(_, target)| **target != compiler.target)
        .map(|(triple, _)| format!("is {compiler}, not for {triple}"))
}

/// Returns a digest that changes if the compiler is replaced or updated: distributions rebuild a release without a new number. gcc finds
/// its assembler and its linker on `PATH` unless other paths were configured.
fn identity(compiler: &Compiler, config_digest: &Digest, environment: &Environment) -> Digest {
    let found = |name: &&str| environment.programs(OsStr::new(*name)).next();
    let others = ["as", "ld"].iter().filter(|_| compiler.family == Family::Gcc).filter_map(found);
    let programs = std::iter::once(compiler.program.clone()).chain(others);
    let key = programs.fold(KeyBuilder::new("compiler"), |key, program| {
        let real = fs::canonicalize(&program).unwrap_or(program);
        let metadata = fs::metadata(&real).ok();
        let modified = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
        let modified = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        key.field(real.as_os_str().as_encoded_bytes())
            .field(metadata.map_or(0, |metadata| metadata.len()).to_le_bytes())
            .field(modified.as_nanos().to_le_bytes())
    });
    key.field(compiler.to_string()).field(config_digest.as_str()).finish()
}

fn config_digest(compiler: &Compiler, environment: &Environment) -> Digest {
    let Compiler { family, version, target, .. } = compiler;
    KeyBuilder::new("compiler's config_digest")
        .field(format!("{family} {version} {target}"))
        .field(&compiler.version_text)
        .fields(compiler.leading.iter().map(|word| word.as_encoded_bytes()))
        .fields(compiler.env.iter().flat_map(|(name, value)| [name.as_encoded_bytes(), value.as_encoded_bytes()]))
        .fields(
            environment.compiler_variables.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_encoded_bytes()]),
        )
        .finish()
}
