//! Compiles one unit to an object and links objects to a library, for every front end. Runs the plans of the toolchain; the caller decides
//! what to do with the files.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use mjit_cc_platforms::{Flags, Header, Job, Linker, Plan, PlanError, Role, Toolchain, quote::line_directive};

use crate::admission::{Admission, MemoryLimit, Permit};
use crate::cache::ObjectCache;
use crate::depend::{FileDigests, Inputs, SearchPath};
use crate::discover::{DetectedCompiler, DetectedLauncher};
use crate::error::{Error, Phase, UnitError};
use crate::event::{Observer, Stage};
use crate::exec::{self, Executor};
use crate::header::UnitHeader;
use crate::imports::check_import_library;
use crate::key::Digest;
use crate::link::InProcess;
use crate::response;
use crate::scratch::Scratch;
use crate::unit::Unit;

mod configuration;
mod embed;
mod inputs;
mod keys;
mod link;
mod merging;
mod run;
mod surroundings;

pub use configuration::Watched;
pub(crate) use configuration::{Configuration, read_answer};
pub(crate) use embed::embedded_length;
pub(crate) use inputs::DependencyTracking;
pub(crate) use link::LinkRequest;
pub(crate) use merging::{Includes, Merging};

/// A compiler, its flags, and the means to run it. Threads share a pipeline.
pub struct Pipeline {
    /// The compiler.
    pub compiler: DetectedCompiler,
    /// The flags of every job.
    pub flags: Flags,
    /// Starts the processes.
    pub executor: Arc<dyn Executor>,
    /// The private directory of sources and other temporary files.
    pub scratch: Scratch,
    /// How long the processes of one unit may take together; `None` sets no limit.
    pub timeout: Option<Duration>,
    /// The object cache, which other output directories and other processes share.
    pub cache: Option<Arc<ObjectCache>>,
    /// The program that starts the compilers of units.
    pub launcher: Option<DetectedLauncher>,
    /// Limits how many compilers run at once.
    pub admission: Admission,
    /// True if the inputs of units are recorded. Without a store or a cache, no record is needed.
    pub(crate) records_units: bool,
    /// The files and variables of `--hash-file` and `--hash-env`.
    pub watched: Watched,
    digests: FileDigests,
    /// The driver's answer about the flags, once asked.
    configuration: OnceLock<Configuration>,
    /// The compiler's search path for included files, once asked.
    search_path: OnceLock<SearchPath>,
    /// False once a linker refused to list the files that it reads.
    linker_lists: AtomicBool,
    linker: InProcess,
}

/// The result of a plan's processes.
#[derive(Debug)]
pub(crate) struct StepOutput {
    /// Files that belong to the output and must exist as long as the output is used.
    pub(crate) companions: Vec<PathBuf>,
    /// The compiler's messages, for a person.
    pub(crate) text: String,
    /// The files that the compiler read; `None` if they are not known.
    pub(crate) inputs: Option<Inputs>,
    /// How long the work waited for admission, and how long its processes were stopped.
    pub(crate) waited: Duration,
}

/// The files of one unit. Their names begin with a stem that no other unit has.
#[derive(Clone, Debug)]
pub(crate) struct UnitPaths {
    pub(crate) source: PathBuf,
    /// Where the compiler lists the files that it reads; `None` if the list is not needed.
    pub(crate) depfile: Option<PathBuf>,
    /// The object or library, before a rename gives it its final name.
    pub(crate) staged: PathBuf,
}

/// A unit to be compiled.
#[derive(Clone, Copy)]
pub(crate) struct CompileRequest<'a> {
    pub(crate) unit: &'a Unit,
    pub(crate) header: &'a UnitHeader,
    /// An object, or a library if the toolchain compiles and links in one step.
    pub(crate) role: Role,
    pub(crate) paths: &'a UnitPaths,
}

impl Pipeline {
    /// Returns a pipeline without time limit, cache and launcher.
    #[must_use]
    pub fn new(compiler: DetectedCompiler, flags: Flags, executor: Arc<dyn Executor>, scratch: Scratch) -> Self {
        let syntax = compiler.toolchain.response();
        let expanded = |args| response::expanded(args, syntax);
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

    /// Returns a pipeline with another compiler or other flags and the same limits. Its results are not reused by later builds.
    pub(crate) fn with_compiler(&self, compiler: DetectedCompiler, flags: Flags, scratch: Scratch) -> Self {
        Self {
            timeout: self.timeout,
            admission: self.admission.for_child(),
            records_units: false,
            ..Self::new(compiler, flags, Arc::clone(&self.executor), scratch)
        }
    }

    /// Returns the pipeline for the child of a fork, with another executor and another directory.
    pub(crate) fn in_child(&self, executor: Arc<dyn Executor>, scratch: Scratch) -> Self {
        Self {
            timeout: self.timeout,
            admission: self.admission.for_child(),
            cache: self.cache.clone(),
            launcher: self.launcher.clone(),
            watched: self.watched.clone(),
            records_units: self.records_units,
            ..Self::new(self.compiler.clone(), self.flags.clone(), executor, scratch)
        }
    }

    /// The compiler's planner.
    #[must_use]
    pub fn toolchain(&self) -> &dyn Toolchain {
        &*self.compiler.toolchain
    }

    /// Returns the deadline of work that begins now.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        exec::deadline(self.timeout)
    }

    /// Returns the deadline of work that has already taken `spent`, without the time of waiting for admission.
    pub(crate) fn deadline_after(&self, spent: Duration) -> Option<Instant> {
        exec::deadline(self.timeout.map(|limit| limit.saturating_sub(spent)))
    }

    /// Waits until one more compiler may run, and extends the deadline by the waiting time.
    pub(crate) fn admit(
        &self,
        deadline: Option<Instant>,
        observer: &dyn Observer,
    ) -> Result<(Permit<'_>, Option<Instant>), UnitError> {
        let permit = self.admission.enter(&*self.executor, observer).ok_or(UnitError::Interrupted)?;
        let deadline = deadline.and_then(|deadline| deadline.checked_add(permit.waited()));
        Ok((permit, deadline))
    }

    /// Refuses settings with which no link can succeed: a host library that is not an import library, a linker that this platform or build
    /// lacks.
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
                instead: "remove --linker, or use a build with the feature `wild` on a system that wild supports",
            }
            .into());
        }
        Ok(())
    }

    /// Refuses a flag that names a response file for which a compiler would wait: a FIFO, a socket, a device.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn check_named_files(&self) -> Result<(), Error> {
        let args = self.flags.cflags.iter().chain(&self.flags.ldflags);
        match response::not_regular(args) {
            Some((path, source)) => Err(Error::Unreadable { path, source }),
            None => Ok(()),
        }
    }

    pub(crate) fn digests(&self) -> &FileDigests {
        &self.digests
    }

    /// Returns the files of a unit. No other unit may have the `stem`; `staging` is on the file system of the result.
    pub(crate) fn paths(&self, stem: &str, staging: &Path, suffix: &str) -> UnitPaths {
        let scratch = self.scratch.path();
        // The private directory has another name in each run, and a launcher with a cache hashes the source's path too.
        let stable = self.launcher.as_ref().is_some_and(|found| found.launcher().has_cache());
        UnitPaths {
            source: if stable { staging } else { scratch }.join(format!("{stem}.c")),
            depfile: self.records_units.then(|| scratch.join(format!("{stem}.d"))),
            staged: staging.join(format!("{stem}.{suffix}")),
        }
    }

    /// Returns the driver's answer about the flags. Starts one process, the first time.
    pub(crate) fn configuration(&self) -> &Configuration {
        if let Some(known) = self.configuration.get() {
            return known;
        }
        // Not within `get_or_init`: a fork meanwhile would leave the cell locked in the child. Two threads may both ask.
        let found = Configuration::ask(self);
        self.configuration.get_or_init(|| found)
    }

    /// The processor that `native` in the flags selects; `None` without such a flag, or if the compiler does not report the processor.
    pub(crate) fn processor(&self) -> Option<&Digest> {
        self.configuration().processor.as_ref()
    }

    /// True if the launcher carries precompiled headers to the machine that compiles units.
    pub(crate) fn supports_pch(&self) -> bool {
        let family = self.toolchain().compiler().family;
        self.launcher.as_ref().is_none_or(|found| found.launcher().supports_pch(family))
    }

    /// Puts the launcher in front of a plan's compilers.
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

    /// Compiles a unit to `request.paths.staged`.
    pub(crate) fn compile(
        &self,
        request: CompileRequest<'_>,
        deadline: Option<Instant>,
        observer: &dyn Observer,
    ) -> Result<StepOutput, UnitError> {
        let CompileRequest { unit, header, role, paths } = request;
        let (permit, deadline) = self.admit(deadline, observer)?;
        let _stage = Stage::Compile.on(observer);
        let plan = self.plan_unit(paths, unit.dir(), header.as_job(), role)?;
        let plan = if role == Role::Object { self.launched(plan) } else { plan };
        self.write_source(unit, role, &paths.source)?;
        let except = [paths.source.as_path(), header.pch_file().unwrap_or(Path::new(""))];
        let tracking = match paths.depfile.as_deref() {
            Some(depfile) if self.records_units => {
                DependencyTracking::Unit { depfile, except: &except, unit, header, role }
            }
            depfile => DependencyTracking::Nothing { depfile },
        };
        let mut result = self.run(&plan, Phase::Compile, tracking, deadline, observer);
        // tcc resolves a relative name in `#line` against the directory of the source.
        let resolved = format!("{}/{}", paths.source.parent().unwrap_or(Path::new("")).display(), unit.name());
        match &mut result {
            Ok(StepOutput { text, waited, .. }) => {
                *text = text.replace(&resolved, unit.name());
                *waited += permit.waited();
            }
            Err(failure) => failure.rewrite_output(|text| text.replace(&resolved, unit.name())),
        }
        result
    }

    /// Writes the source: the prelude, then a `#line` directive with the unit's name, then the unit's text. A file that already has the
    /// unit's name gets no directive, so that a debugger finds the lines at their numbers.
    fn write_source(&self, unit: &Unit, role: Role, path: &Path) -> Result<(), UnitError> {
        let named = Path::new(unit.name()) == path;
        fs::write(path, self.source_text(unit, role, named)).map_err(UnitError::file("write", path))
    }

    /// Returns the source of a unit; `named` if the source file has the unit's name.
    pub(crate) fn source_text(&self, unit: &Unit, role: Role, named: bool) -> Vec<u8> {
        let prelude = self.toolchain().prelude(role);
        let is_named = prelude.is_empty() && named;
        let line = if is_named { String::new() } else { line_directive(unit.name()) };
        let text = embed::with_absolute_names(unit.text(), unit.dir());
        [prelude.as_bytes(), line.as_bytes(), &text, b"\n"].concat()
    }

    /// Compiles a translation unit that contains only the header.
    pub(crate) fn try_header(&self, header: Header<'_>, observer: &dyn Observer) -> Result<(), UnitError> {
        let stem = "header-alone";
        let paths = self.paths(stem, self.scratch.path(), self.compiler.toolchain.compiler().target.object_suffix());
        // ISO C forbids an empty translation unit.
        fs::write(&paths.source, "typedef int mjit_cc_header_alone;\n")
            .map_err(UnitError::file("write", &paths.source))?;
        let UnitPaths { source, depfile, staged } = &paths;
        let job = Job::Compile { source, object: staged, header, quote_dir: None, depfile: depfile.as_deref() };
        let plan = self.toolchain().plan(&self.flags, &job)?;
        let tracking = DependencyTracking::Nothing { depfile: depfile.as_deref() };
        self.run(&plan, Phase::Compile, tracking, self.deadline(), observer)?;
        self.scratch.remove(staged);
        self.scratch.remove(source);
        Ok(())
    }
}
