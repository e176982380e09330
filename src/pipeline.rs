//! One unit's way from source to object to library, for batch and worker alike. Runs plans; what a plan says is the
//! toolchain's business, and what becomes of the files the caller's.

use std::fs;
use std::io;
use std::num::NonZero;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use mjit_cc_platforms::{
    Diagnostic, Flags, Header, Job, LinkLine, Linker, Plan, PlanError, Role, Runtime, Severity, Toolchain,
    contains_directory, quote::line_directive, reports_crash,
};

use crate::admission::{Admission, MemoryLimit, Permit};
use crate::cache::ObjectCache;
use crate::depend::{FileDigests, Inputs, SearchPath};
use crate::discover::{DetectedCompiler, DetectedLauncher};
use crate::error::{Error, Phase, UnitError};
use crate::event::{Event, Observer, Stage};
use crate::exec::{ExecError, Executor, Exit, Invocation};
use crate::files;
use crate::header::UnitHeader;
use crate::imports::check_import_library;
use crate::key::{Digest, KeyBuilder};
use crate::link::{InProcess, NotLinked};
use crate::machine;
use crate::response;
use crate::scratch::{self, Scratch};
use crate::symbols;
use crate::unit::Unit;

mod configuration;
mod embed;
mod inputs;
mod surroundings;

pub use configuration::Watched;
pub(crate) use configuration::{Configuration, read_answer};
pub(crate) use embed::beside_dir as embedded;
pub(crate) use inputs::DependencyTracking;

/// A compiler, the flags for it, and the means to run it. Shared by threads.
pub struct Pipeline {
    /// The compiler.
    pub compiler: DetectedCompiler,
    /// The flags of every job.
    pub flags: Flags,
    /// Starts the processes.
    pub executor: Arc<dyn Executor>,
    /// Where sources and other temporary files go.
    pub scratch: Scratch,
    /// How long the processes of one unit may take together.
    pub timeout: Option<Duration>,
    /// Where objects are kept for other output directories and other processes.
    pub cache: Option<Arc<ObjectCache>>,
    /// What starts the compiler of a unit.
    pub launcher: Option<DetectedLauncher>,
    /// Holds compilers back where there are too many.
    pub admission: Admission,
    /// Whether what units were made of is found out: whoever keeps no objects has no use for it.
    pub(crate) records_units: bool,
    /// Files and variables that everything depends on.
    pub watched: Watched,
    digests: FileDigests,
    /// What the compiler makes of the flags, once that was asked.
    configuration: OnceLock<Configuration>,
    /// Where it looks for included files, once that was asked.
    search_path: OnceLock<SearchPath>,
    /// False once a linker refused to list what it reads.
    linker_lists: AtomicBool,
    linker: InProcess,
}

/// What a plan's processes left.
#[derive(Debug)]
pub(crate) struct StepOutput {
    /// Files that belong to the output.
    pub(crate) companions: Vec<PathBuf>,
    /// The compiler's own lines, for a person.
    pub(crate) text: String,
    /// The files that the compiler read; none when that is not known.
    pub(crate) inputs: Option<Inputs>,
    /// How long it was held back before, and its processes stopped.
    pub(crate) waited: Duration,
}

/// Where one unit's files lie. All begin with the same stem, which is the unit's own.
#[derive(Clone, Debug)]
pub(crate) struct UnitPaths {
    pub(crate) source: PathBuf,
    /// None where nobody asks what the compiler read: then it does not write it down.
    pub(crate) depfile: Option<PathBuf>,
    /// The object or library, before it is given its place.
    pub(crate) staged: PathBuf,
}

impl Pipeline {
    /// A pipeline whose processes may take as long as they like, and as many run as there are threads and memory for.
    #[must_use]
    pub fn new(compiler: DetectedCompiler, flags: Flags, executor: Arc<dyn Executor>, scratch: Scratch) -> Self {
        let syntax = compiler.toolchain.response();
        let expanded = |words| response::expanded(words, syntax);
        let (cflags, ldflags) = (expanded(flags.cflags), expanded(flags.ldflags));
        let flags = Flags { cflags, ldflags, ..flags };
        let admission = Admission::new(None, MemoryLimit::per_compiler(MemoryLimit::DEFAULT));
        Self {
            compiler,
            flags,
            executor,
            scratch,
            timeout: None,
            cache: None,
            launcher: None,
            admission,
            records_units: true,
            watched: Watched::default(),
            digests: FileDigests::default(),
            configuration: OnceLock::new(),
            search_path: OnceLock::new(),
            linker_lists: AtomicBool::new(true),
            linker: InProcess::default(),
        }
    }

    /// The compiler's planner.
    #[must_use]
    pub fn toolchain(&self) -> &dyn Toolchain {
        &*self.compiler.toolchain
    }

    /// When what begins now must be through.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        // A limit past the end of time is none.
        self.timeout.and_then(|limit| Instant::now().checked_add(limit))
    }

    /// When what is in the middle of it must be through, after it took so long. What it was held back for does not count.
    pub(crate) fn deadline_after(&self, spent: Duration) -> Option<Instant> {
        self.timeout.and_then(|limit| Instant::now().checked_add(limit.saturating_sub(spent)))
    }

    /// Waits until one more compiler may run, and gives the work so much more time.
    pub(crate) fn admit(
        &self,
        deadline: Option<Instant>,
        observer: &dyn Observer,
    ) -> Result<(Permit<'_>, Option<Instant>), UnitError> {
        let permit = self.admission.enter(&*self.executor, observer).ok_or(UnitError::Interrupted)?;
        let deadline = deadline.and_then(|deadline| deadline.checked_add(permit.waited()));
        Ok((permit, deadline))
    }

    /// Says no where no link can succeed: no host's import library in that file, or no such thing or linker on that platform.
    pub(crate) fn check_link(&self) -> Result<(), Error> {
        self.plan_link(&[], Path::new("library"), Header::None, &[])?;
        self.check_named_files()?;
        if let Some(path) = &self.flags.host_library {
            check_import_library(path, &self.toolchain().compiler().target)?;
        }
        if self.flags.linker == Linker::Wild && !InProcess::IS_AVAILABLE {
            return Err(PlanError::Unsupported {
                toolchain: "this build of mjit-cc".to_owned(),
                what: "link with wild",
                instead: "it was made without the feature of that name, or for a system that wild does not know",
            }
            .into());
        }
        Ok(())
    }

    /// Says no where a flag names a response file that a compiler would wait for: a FIFO, a socket, a device.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn check_named_files(&self) -> Result<(), Error> {
        let words = self.flags.cflags.iter().chain(&self.flags.ldflags);
        match response::not_regular(words) {
            Some((path, source)) => Err(Error::Unreadable { path, source }),
            None => Ok(()),
        }
    }

    /// What to tell the linker in this process; nothing where the driver links.
    fn link_words(&self) -> Option<Vec<&'static str>> {
        let wanted = InProcess::IS_AVAILABLE && matches!(self.flags.linker, Linker::Auto | Linker::Wild);
        wanted.then(|| self.toolchain().link_in_process(&self.flags).ok()).flatten()
    }

    pub(crate) fn digests(&self) -> &FileDigests {
        &self.digests
    }

    /// `stem` must be no other unit's; `staging` is on the file system that the result stays on.
    pub(crate) fn paths(&self, stem: &str, staging: &Path, suffix: &str) -> UnitPaths {
        let scratch = self.scratch.path();
        // The directory is another one in each run, and a launcher that remembers goes by the source's path too.
        let stable = self.launcher.as_ref().is_some_and(|found| found.launcher().has_cache());
        UnitPaths {
            source: if stable { staging } else { scratch }.join(format!("{stem}.c")),
            depfile: self.records_units.then(|| scratch.join(format!("{stem}.d"))),
            staged: staging.join(format!("{stem}.{suffix}")),
        }
    }

    /// Names what compiling this unit would give: same key, same result, as long as the files it includes stay the same too.
    pub(crate) fn unit_key(&self, unit: &Unit, header: &UnitHeader, role: Role) -> Result<Digest, PlanError> {
        // The same everywhere but for what matters.
        let paths = UnitPaths { source: "unit.c".into(), depfile: Some("unit.d".into()), staged: "unit.out".into() };
        let plan = self.plan_unit(&paths, unit.dir(), header.as_job(), role)?;
        Ok(self.unit_fields(self.plan_key("unit", &plan), unit, header, role).finish())
    }

    /// As [`unit_key`](Self::unit_key) for an object, for whoever knows the compiler in another way.
    pub(crate) fn object_key(&self, key: KeyBuilder, unit: &Unit, header: &UnitHeader) -> Result<Digest, PlanError> {
        let paths = UnitPaths { source: "unit.c".into(), depfile: Some("unit.d".into()), staged: "unit.out".into() };
        let plan = self.plan_unit(&paths, unit.dir(), header.as_job(), Role::Object)?;
        Ok(self.unit_fields(self.plan_fields(key, &plan), unit, header, Role::Object).finish())
    }

    fn unit_fields(&self, key: KeyBuilder, unit: &Unit, header: &UnitHeader, role: Role) -> KeyBuilder {
        key.field(self.toolchain().prelude(role)).field(header.content()).field(unit.name()).field(unit.text())
    }

    /// Names what linking these objects would give, but for the objects' own contents.
    pub(crate) fn link_key(
        &self,
        objects: &[Digest],
        header: &UnitHeader,
        exports: &[String],
    ) -> Result<Digest, PlanError> {
        let plan = self.plan_link(&[], Path::new("library"), header.as_job(), exports)?;
        // Two linkers lay a library out in two ways.
        let words = self.link_words().map(|words| words.join(" ")).unwrap_or_default();
        let key = self.plan_key("link", &plan).field(self.configuration().link_digest.as_str());
        Ok(key.field(words).fields(objects.iter().map(Digest::as_str)).finish())
    }

    pub(crate) fn plan_key(&self, kind: &str, plan: &Plan) -> KeyBuilder {
        let key = KeyBuilder::new(kind).field(self.compiler.identity.as_str());
        let key = self.plan_fields(key, plan);
        if self.records_units { key.field(self.configuration().digest.as_str()) } else { key }
    }

    /// Everything but the compiler: the plan, what the compiler adds to its flags, and what the user says to depend on.
    pub(crate) fn plan_fields(&self, key: KeyBuilder, plan: &Plan) -> KeyBuilder {
        let words = plan.steps.iter().flat_map(|step| &step.args).map(|word| word.as_encoded_bytes());
        let writes = plan.writes.iter().map(|file| file.text.as_bytes());
        let key = self.watched_fields(key.fields(words).fields(writes));
        let key = if self.records_units { key.field(self.configuration().portable.as_str()) } else { key };
        if !contains_directory(self.toolchain().compiler(), &self.flags) {
            return key;
        }
        let dir = std::path::absolute(".").unwrap_or_default();
        key.field(dir.as_os_str().as_encoded_bytes())
    }

    fn watched_fields(&self, key: KeyBuilder) -> KeyBuilder {
        let Watched { files, variables } = &self.watched;
        let key = files.iter().fold(key, |key, path| {
            let digest = self.digests.of(path).unwrap_or_else(Digest::never);
            key.field(path.as_os_str().as_encoded_bytes()).field(digest.as_str())
        });
        variables.iter().fold(key, |key, (name, value)| {
            let value = value.as_ref().map(|value| value.as_encoded_bytes());
            key.field(name.as_encoded_bytes()).field([u8::from(value.is_some())]).field(value.unwrap_or_default())
        })
    }

    /// What the compiler makes of the flags: one process, the first time.
    pub(crate) fn configuration(&self) -> &Configuration {
        if let Some(known) = self.configuration.get() {
            return known;
        }
        // Not within `get_or_init`, which a fork would inherit in the middle. Another thread may ask the same.
        let found = Configuration::ask(self);
        self.configuration.get_or_init(|| found)
    }

    /// What the flags' `native` means here; nothing where they do not say it, and where the compiler does not tell.
    pub(crate) fn processor(&self) -> Option<&Digest> {
        self.configuration().processor.as_ref()
    }

    /// Whether a precompiled header gets to where units are compiled.
    pub(crate) fn supports_pch(&self) -> bool {
        let family = self.toolchain().compiler().family;
        self.launcher.as_ref().is_none_or(|found| found.launcher().supports_pch(family))
    }

    /// A plan for a unit's object as it is run.
    pub(crate) fn launched(&self, plan: Plan) -> Plan {
        let Some(launcher) = &self.launcher else { return plan };
        let family = self.toolchain().compiler().family;
        let steps = plan.steps.into_iter().map(|step| launcher.before(step, family)).collect();
        Plan { steps, ..plan }
    }

    pub(crate) fn plan_unit(
        &self,
        paths: &UnitPaths,
        quote_dir: Option<&Path>,
        header: Header<'_>,
        role: Role,
    ) -> Result<Plan, PlanError> {
        let UnitPaths { source, depfile, staged } = paths;
        let depfile = depfile.as_deref();
        let job = match role {
            Role::Object => Job::Compile { source, object: staged, header, quote_dir, depfile },
            Role::Library => Job::CompileAndLink { source, library: staged, header, quote_dir, exports: &[], depfile },
        };
        self.toolchain().plan(&self.flags, &job)
    }

    pub(crate) fn plan_link(
        &self,
        objects: &[PathBuf],
        library: &Path,
        header: Header<'_>,
        exports: &[String],
    ) -> Result<Plan, PlanError> {
        self.toolchain().plan(&self.flags, &Job::Link { objects, library, header, exports })
    }

    /// Compiles one unit into `paths.staged`: an object, or where the toolchain does that in one step, a library.
    pub(crate) fn compile(
        &self,
        unit: &Unit,
        header: &UnitHeader,
        role: Role,
        paths: &UnitPaths,
        deadline: Option<Instant>,
        observer: &dyn Observer,
    ) -> Result<StepOutput, UnitError> {
        let (permit, deadline) = self.admit(deadline, observer)?;
        let _stage = Stage::Compile.on(observer);
        let plan = self.plan_unit(paths, unit.dir(), header.as_job(), role)?;
        let plan = if role == Role::Object { self.launched(plan) } else { plan };
        self.write_source(unit, role, &paths.source)?;
        let except = [paths.source.as_path(), header.pch_file().unwrap_or(Path::new(""))];
        let reading = match paths.depfile.as_deref() {
            Some(depfile) if self.records_units => {
                DependencyTracking::Unit { depfile, except: &except, unit, header, role }
            }
            depfile => DependencyTracking::Nothing { depfile },
        };
        let mut result = self.run(&plan, Phase::Compile, reading, deadline, observer);
        // tcc takes a relative #line for one beside the file that it stands in.
        let wrong = format!("{}/{}", paths.source.parent().unwrap_or(Path::new("")).display(), unit.name());
        match &mut result {
            Ok(StepOutput { text, waited, .. }) => {
                *text = text.replace(&wrong, unit.name());
                *waited += permit.waited();
            }
            Err(failure) => failure.rewrite_output(|text| text.replace(&wrong, unit.name())),
        }
        result
    }

    /// Links objects inside this process, on so many threads or what make's jobserver leaves of them; nothing where that does not serve,
    /// and the driver has to. With the image comes how long it was held back before.
    #[must_use]
    pub fn link_in_memory(
        &self,
        objects: &[PathBuf],
        threads: NonZero<usize>,
        observer: &dyn Observer,
    ) -> Option<(impl Deref<Target = [u8]> + use<>, Duration)> {
        let words = self.link_words()?;
        let permit = self.admission.enter(&*self.executor, observer)?;
        let further = self.admission.further_threads(threads.get() - 1);
        let _stage = Stage::Link.on(observer);
        let linked = self.linker.link(&words, objects, 1 + further.len(), || self.ask_link());
        linked
            .inspect_err(|why: &NotLinked| observer.event(&Event::LinkerFallback { why: &why.to_string() }))
            .map(|image| (image, permit.waited()))
            .ok()
    }

    /// Asks the compiler how it links by itself. Where there is nothing to ask, nothing is added to objects.
    fn ask_link(&self) -> Option<LinkLine> {
        let Some(step) = self.toolchain().ask_link(&self.flags) else { return Some(LinkLine::default()) };
        let invocation = Invocation { step: &step, deadline: self.deadline(), temp_dir: self.scratch.path() };
        self.toolchain().link_line(&self.executor.run(&invocation).ok()?.output)
    }

    /// Links objects into a library: inside this process, on so many threads, where that serves.
    #[expect(clippy::too_many_arguments, reason = "what, where to, and how")]
    pub(crate) fn link(
        &self,
        objects: &[PathBuf],
        library: &Path,
        header: &UnitHeader,
        exports: &[String],
        threads: NonZero<usize>,
        deadline: Option<Instant>,
        observer: &dyn Observer,
    ) -> Result<StepOutput, UnitError> {
        if self.executor.is_cancelled() {
            return Err(UnitError::Interrupted);
        }
        if let Some((image, waited)) = self.link_in_memory(objects, threads, observer) {
            fs::write(library, &*image).map_err(UnitError::file("write", library))?;
            return Ok(StepOutput {
                companions: Vec::new(),
                text: String::new(),
                inputs: Some(Inputs::default()),
                waited,
            });
        }
        self.link_by_driver(objects, library, header, exports, deadline, observer)
    }

    /// Links objects into a library, in a process.
    pub(crate) fn link_by_driver(
        &self,
        objects: &[PathBuf],
        library: &Path,
        header: &UnitHeader,
        exports: &[String],
        deadline: Option<Instant>,
        observer: &dyn Observer,
    ) -> Result<StepOutput, UnitError> {
        let (permit, deadline) = self.admit(deadline, observer)?;
        let _stage = Stage::Link.on(observer);
        let plan = self.plan_link(objects, library, header.as_job(), exports)?;
        let ran = self.run_link(&plan, objects, library, deadline, observer)?;
        self.check_runtime(library)?;
        Ok(StepOutput { waited: ran.waited + permit.waited(), ..ran })
    }

    /// Says no where a library cannot be loaded because a run-time library of the compiler's is missing in it.
    fn check_runtime(&self, library: &Path) -> Result<(), UnitError> {
        if !self.toolchain().calls_runtime(&self.flags) {
            return Ok(());
        }
        let (open, needed) = symbols::undefined_in_library(library)?;
        let missing = open.into_iter().find_map(|name| Some((Runtime::missing(&name, &needed)?, name)));
        let Some((runtime, symbol)) = missing else { return Ok(()) };
        scratch::remove_file(library);
        Err(UnitError::NoRuntime { symbol, runtime })
    }

    /// One write: the prelude, then the unit's own text, of which the compiler speaks by the unit's name. A file that goes by its own
    /// name needs no directive, and a debugger that reads it finds the lines where they are.
    fn write_source(&self, unit: &Unit, role: Role, path: &Path) -> Result<(), UnitError> {
        let named = Path::new(unit.name()) == path;
        fs::write(path, self.source_text(unit, role, named)).map_err(UnitError::file("write", path))
    }

    /// What the compiler is given for a unit; `named` where its file is called as the unit is.
    pub(crate) fn source_text(&self, unit: &Unit, role: Role, named: bool) -> Vec<u8> {
        let prelude = self.toolchain().prelude(role);
        let is_named = prelude.is_empty() && named;
        let line = if is_named { String::new() } else { line_directive(unit.name()) };
        let text = embed::beside(unit.text(), unit.dir());
        [prelude.as_bytes(), line.as_bytes(), &text, b"\n"].concat()
    }

    /// Runs a plan's steps. Its leftovers are gone afterwards, whatever came of it, and so are its outputs if it failed.
    pub(crate) fn run(
        &self,
        plan: &Plan,
        phase: Phase,
        reading: DependencyTracking<'_>,
        deadline: Option<Instant>,
        observer: &dyn Observer,
    ) -> Result<StepOutput, UnitError> {
        let began = reading.records().then(|| self.stamp().map_err(UnitError::file("write", self.scratch.path())));
        let began = began.transpose()?;
        let result = self.run_steps(plan, phase, deadline, observer);
        // Compilers write it also where they fail.
        let rule = reading.depfile().map(files::read);
        reading.depfile().into_iter().for_each(|depfile| self.scratch.remove(depfile));
        plan.leftovers.iter().for_each(|path| scratch::remove_file(path));
        let (output, stopped) = match result {
            Ok(done) => done,
            Err(failure) => {
                plan.outputs.iter().chain(&plan.companions).for_each(|path| scratch::remove_file(path));
                return Err(failure);
            }
        };
        let inputs = began.and_then(|began| self.inputs(rule, &output, &reading, began, observer));
        Ok(StepOutput {
            companions: plan.companions.clone(),
            text: self.toolchain().readable(&output),
            inputs,
            waited: stopped,
        })
    }

    /// The time as files are stamped with it: by the kernel's own clock, which may be some milliseconds late.
    pub(crate) fn stamp(&self) -> io::Result<SystemTime> {
        tempfile::tempfile_in(self.scratch.path())?.metadata()?.modified()
    }

    fn run_steps(
        &self,
        plan: &Plan,
        phase: Phase,
        deadline: Option<Instant>,
        observer: &dyn Observer,
    ) -> Result<(Vec<u8>, Duration), UnitError> {
        for file in &plan.writes {
            fs::write(&file.path, &file.text).map_err(UnitError::file("write", &file.path))?;
        }
        let mut output = Vec::new();
        let mut unknown = false;
        let mut stopped = Duration::ZERO;
        for step in &plan.steps {
            let deadline = deadline.and_then(|deadline| deadline.checked_add(stopped));
            observer.event(&Event::Running { step });
            let finished = self
                .executor
                .run(&Invocation { step, deadline, temp_dir: self.scratch.path() })
                .map_err(|error| self.not_finished(error, phase))?;
            output.extend(&finished.output);
            stopped += finished.stopped;
            match finished.exit {
                Exit::Code(0) => {}
                Exit::Unknown if !self.speaks_of_failure(&finished.output) => unknown = true,
                exit => return Err(self.unsuccessful(phase, exit, &output)),
            }
        }
        // Compilers remove what they could not finish, and what they could not remove is not whole.
        if unknown && plan.outputs.iter().any(|path| path.exists() && !symbols::is_whole(path)) {
            return Err(self.unsuccessful(phase, Exit::Unknown, &output));
        }
        // A compiler that says it succeeded has to show for it. A system that does not answer is not the compiler's fault.
        for path in &plan.outputs {
            if !path.try_exists().map_err(UnitError::file("read", path))? {
                let output = self.toolchain().readable(&output);
                return Err(UnitError::NoOutput { phase, path: path.clone(), output });
            }
        }
        Ok((output, stopped))
    }

    /// What to go by where the exit status was taken by another.
    fn speaks_of_failure(&self, output: &[u8]) -> bool {
        let is_error = |one: &Diagnostic| one.severity >= Severity::Error;
        reports_crash(output) || self.toolchain().diagnostics(output).iter().any(is_error)
    }

    fn unsuccessful(&self, phase: Phase, exit: Exit, output: &[u8]) -> UnitError {
        let text = self.toolchain().readable(output);
        if matches!(exit, Exit::Signal(_)) || reports_crash(output) {
            UnitError::Crashed { phase, exit, output: text }
        } else {
            UnitError::Refused { phase, exit, output: text, diagnostics: self.toolchain().diagnostics(output) }
        }
    }

    fn not_finished(&self, error: ExecError, phase: Phase) -> UnitError {
        match error {
            ExecError::NotStarted { program, source } if machine::is_at_fault(&source) => {
                UnitError::File { action: "start", path: program, source }
            }
            ExecError::NotStarted { program, source } => UnitError::NotStarted { program, source },
            ExecError::TimedOut { output } => UnitError::TimedOut {
                phase,
                limit: self.timeout.unwrap_or_default(),
                output: self.toolchain().readable(&output),
            },
            ExecError::Flooded { limit, output } => {
                UnitError::Flooded { phase, limit, output: self.toolchain().readable(&output) }
            }
            ExecError::Cancelled => UnitError::Interrupted,
            ExecError::Io { program, source } => UnitError::File { action: "run", path: program, source },
        }
    }

    /// Whether a header as text compiles with nothing behind it.
    pub(crate) fn try_header(&self, header: Header<'_>, observer: &dyn Observer) -> Result<(), UnitError> {
        let stem = "header-alone";
        let paths = self.paths(stem, self.scratch.path(), self.compiler.toolchain.compiler().target.object_suffix());
        // A name of its own, so that the translation unit is not empty.
        fs::write(&paths.source, "typedef int mjit_cc_header_alone;\n")
            .map_err(UnitError::file("write", &paths.source))?;
        let UnitPaths { source, depfile, staged } = &paths;
        let job = Job::Compile { source, object: staged, header, quote_dir: None, depfile: depfile.as_deref() };
        let plan = self.toolchain().plan(&self.flags, &job)?;
        let reading = DependencyTracking::Nothing { depfile: depfile.as_deref() };
        self.run(&plan, Phase::Compile, reading, self.deadline(), observer)?;
        self.scratch.remove(staged);
        self.scratch.remove(source);
        Ok(())
    }
}
