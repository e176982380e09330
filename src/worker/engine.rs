//! What it takes to make code: a compiler, a directory, a header that is ready. Turns C text into loaded code; knows neither lists nor
//! slots.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use mjit_cc_platforms::Role;

use super::options::{Options, WorkerHeader};
use super::{WorkerEvent, names};
use crate::admission::{Admission, Memory};
use crate::discover::{Environment, Finder};
use crate::error::{Error, Failure};
use crate::event::{Event, Observer, Stage};
use crate::exec::ProcessExecutor;
use crate::library::Library;
use crate::pch::{self, UnitHeader};
use crate::perf::PerfMap;
use crate::pipeline::Pipeline;
use crate::scratch::{Purpose, Scratch};
use crate::unit::Unit;

/// How many times as long as one unit a translation unit of many may take.
const MOST_PATIENCE: u32 = 4;

/// Ready to make code.
pub(crate) struct Engine {
    pipeline: Pipeline,
    header: UnitHeader,
    prefix: String,
    save_temps: bool,
    /// Names for perf, where they are wanted.
    pub(super) perf: Option<PerfMap>,
}

/// A translation unit: what diagnostics call it, and its C text.
pub(crate) struct Source<'a> {
    pub(crate) name: String,
    pub(crate) text: &'a [u8],
    /// How many units are in it.
    pub(crate) units: u32,
}

/// What the child of a fork needs of its parent, made before the fork: afterwards the parent may remove it at any time.
pub(crate) struct Dowry {
    scratch: Scratch,
    header: UnitHeader,
}

impl Engine {
    /// Finds a compiler, makes a private directory, and precompiles the header in it.
    pub(super) fn set_up(
        options: &Options,
        environment: &Environment,
        executor: &Arc<ProcessExecutor>,
        observer: &dyn Observer,
        tell: &dyn Fn(&WorkerEvent),
    ) -> Result<Self, Error> {
        let scratch = Scratch::create(&environment.temp_dirs, Purpose::Code)?;
        tell(&WorkerEvent::TempDir(scratch.path().to_owned()));
        let finder = Finder { environment, executor: &**executor, temp_dir: scratch.path() };
        let compiler = finder.find(&options.wish)?;
        observer.event(&Event::CompilerChosen { compiler: compiler.toolchain.compiler() });
        tell(&WorkerEvent::Compiler(compiler.toolchain.compiler().program.display().to_string()));
        let executor: Arc<ProcessExecutor> = Arc::clone(executor);
        let mut pipeline = Pipeline::new(compiler, options.flags.clone(), executor, scratch);
        pipeline.timeout = options.timeout;
        pipeline.admission = Admission::new(None, Memory::per_compiler(options.memfree));
        pipeline.check_link()?;
        let header = match &options.header {
            WorkerHeader::None => UnitHeader::None,
            WorkerHeader::File(header) => {
                let suffix = pipeline.toolchain().capabilities().pch_suffix.unwrap_or_default();
                let name = pch::default_name(header, suffix);
                let file = pipeline.scratch.path().join(name.file_name().unwrap_or_default());
                pch::prepare(&pipeline, header, &file, observer)?.unshared()
            }
        };
        let perf = options.perf_map.then(PerfMap::default);
        Ok(Self { pipeline, header, prefix: options.prefix.clone(), save_temps: options.save_temps, perf })
    }

    /// For a host that has a worker of its own, and makes each part ready by itself.
    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) fn of_parts(pipeline: Pipeline, header: UnitHeader, prefix: String, save_temps: bool) -> Self {
        Self { pipeline, header, prefix, save_temps, perf: None }
    }

    /// What it works with.
    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// What stands before every unit.
    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) fn header(&self) -> &UnitHeader {
        &self.header
    }

    /// What stands before every unit from now on.
    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) fn set_header(&mut self, header: UnitHeader) {
        self.header = header;
    }

    /// What this process calls the files of a unit.
    pub(crate) fn stem(&self, id: u64) -> String {
        names::file_stem(&self.prefix, std::process::id(), id)
    }

    /// Where the C text of a unit goes.
    pub(crate) fn source(&self, stem: &str) -> PathBuf {
        self.pipeline.scratch.path().join(stem).with_added_extension("c")
    }

    /// Where the library of a unit goes.
    pub(super) fn library(&self, stem: &str) -> PathBuf {
        let suffix = self.pipeline.toolchain().compiler().target.library_suffix();
        self.pipeline.scratch.path().join(stem).with_added_extension(suffix)
    }

    /// C text to loaded code. Whatever comes of it, no file stays unless they are to be kept.
    pub(super) fn build(
        &self,
        stem: &str,
        source: &Source<'_>,
        entry: &str,
        observer: &dyn Observer,
    ) -> Result<Library, Failure> {
        let object = self.compile(stem, source, observer)?;
        self.link(stem, &[object], &[entry.to_owned()], observer)
    }

    /// C text to an object, for [`link`](Self::link) or [`discard`](Self::discard).
    pub(crate) fn compile(&self, stem: &str, source: &Source<'_>, observer: &dyn Observer) -> Result<PathBuf, Failure> {
        let Self { pipeline, header, .. } = self;
        let suffix = pipeline.toolchain().compiler().target.object_suffix();
        let unit = Unit::from_text(&source.name, source.text)?;
        let paths = pipeline.paths(stem, pipeline.scratch.path(), suffix);
        // What many units are in may take longer than one, and not so long that a compiler that hangs stops everything.
        let patience = source.units.clamp(1, MOST_PATIENCE);
        let deadline = pipeline
            .timeout
            .and_then(|limit| limit.checked_mul(patience))
            .and_then(|limit| Instant::now().checked_add(limit));
        let compiled = pipeline.compile(&unit, header, Role::Object, &paths, deadline, observer);
        self.discard(&[self.source(stem)]);
        compiled.map(|_| paths.staged)
    }

    /// Objects to loaded code.
    pub(crate) fn link(
        &self,
        stem: &str,
        objects: &[PathBuf],
        exports: &[String],
        observer: &dyn Observer,
    ) -> Result<Library, Failure> {
        let Self { pipeline, header, .. } = self;
        let library = self.library(stem);
        // The other cores are the host's.
        let loaded = match pipeline.link_in_memory(objects, NonZero::<usize>::MIN, observer) {
            Some((image, _)) => {
                let _stage = Stage::Load.on(observer);
                self.load(&image, &library).and_then(|loaded| self.name_for_perf(loaded, exports, || Ok(image)))
            }
            None => pipeline
                .link_by_driver(objects, &library, header, exports, pipeline.deadline(), observer)
                .and_then(|_| {
                    let _stage = Stage::Load.on(observer);
                    let image = || fs::read(&library).map_err(Failure::file("read", &library));
                    self.name_for_perf(Library::open(&library)?, exports, image)
                }),
        };
        self.discard(objects);
        self.discard(&[library]);
        loaded
    }

    /// From memory where the system can; a file is what a debugger or a person may look into.
    fn load(&self, image: &[u8], library: &Path) -> Result<Library, Failure> {
        if !self.save_temps
            && let Ok(loaded) = Library::from_memory(image, library)
        {
            return Ok(loaded);
        }
        fs::write(library, image).map_err(Failure::file("write", library))?;
        Ok(Library::open(library)?)
    }

    /// Names what was loaded, which nobody runs yet, where that is wanted.
    fn name_for_perf(
        &self,
        loaded: Library,
        entries: &[String],
        image: impl FnOnce() -> Result<Vec<u8>, Failure>,
    ) -> Result<Library, Failure> {
        if let (Some(perf), Some(entry)) = (&self.perf, entries.first()) {
            perf.add(&loaded, &image()?, entry)?;
        }
        Ok(loaded)
    }

    /// Removes files, unless they are to be kept.
    pub(super) fn discard(&self, files: &[PathBuf]) {
        if !self.save_temps {
            files.iter().for_each(|file| self.pipeline.scratch.remove(file));
        }
    }

    /// Makes ready for a fork. None where that fails: then the child sets up anew.
    pub(crate) fn dowry(&self) -> Option<Dowry> {
        let scratch = Scratch::create(&[self.pipeline.scratch.path().parent()?.to_owned()], Purpose::Files).ok()?;
        let header = self.header.moved_to(scratch.path()).ok()?;
        Some(Dowry { scratch, header })
    }

    /// In the child of a fork: goes on in a directory of its own.
    pub(crate) fn inherit(&self, dowry: Dowry, executor: &Arc<ProcessExecutor>) -> Self {
        let Dowry { scratch, header } = dowry;
        let Pipeline { compiler, flags, timeout, admission, .. } = &self.pipeline;
        let executor: Arc<ProcessExecutor> = Arc::clone(executor);
        let mut pipeline = Pipeline::new(compiler.clone(), flags.clone(), executor, scratch);
        pipeline.timeout = *timeout;
        pipeline.admission = admission.afresh();
        let perf = self.perf.as_ref().map(|_| PerfMap::default());
        Self { pipeline, header, prefix: self.prefix.clone(), save_temps: self.save_temps, perf }
    }

    /// In the child of a fork: what the parent has on disk is the parent's.
    pub(crate) fn disown(&self) {
        self.pipeline.scratch.abandon();
    }

    /// Removes the directory, or keeps it, if a person wants to look into it.
    pub(crate) fn close(&self) {
        if self.save_temps {
            self.pipeline.scratch.keep();
        } else {
            self.pipeline.scratch.close();
        }
    }
}

impl Dowry {
    /// In the parent, after the fork: the child has it.
    pub(super) fn hand_over(self) {
        self.scratch.abandon();
    }
}
