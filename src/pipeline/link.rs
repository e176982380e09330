//! Links objects to a library: with the linker inside this process if it supports the link, else with the driver.

use std::fs;
use std::num::NonZero;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mjit_cc_platforms::{LinkLine, Linker, Runtime};

use super::{Pipeline, StepOutput};
use crate::depend::Inputs;
use crate::error::UnitError;
use crate::event::{Event, Observer, Stage};
use crate::exec::Invocation;
use crate::header::UnitHeader;
use crate::link::{InProcess, NotLinked};
use crate::{scratch, symbols};

/// The objects of a library, and the library.
#[derive(Clone, Copy)]
pub(crate) struct LinkRequest<'a> {
    pub(crate) objects: &'a [PathBuf],
    /// The path of the library.
    pub(crate) library: &'a Path,
    /// The header of the objects: some PCHs come with an object of their own.
    pub(crate) header: &'a UnitHeader,
    /// The symbols that a Windows library exports.
    pub(crate) exports: &'a [String],
}

impl Pipeline {
    /// Links objects inside this process, on `threads` threads or as many of them as make's jobserver leaves. Returns the library's bytes
    /// and how long the link waited for admission. `None` if the driver has to link: the observer gets the reason.
    #[must_use]
    pub fn link_in_memory(
        &self,
        objects: &[PathBuf],
        threads: NonZero<usize>,
        observer: &dyn Observer,
    ) -> Option<(impl Deref<Target = [u8]> + use<>, Duration)> {
        let args = self.in_process_link_args()?;
        let permit = self.admission.enter(&*self.executor, observer)?;
        let further = self.admission.further_threads(threads.get() - 1);
        let _stage = Stage::Link.on(observer);
        let linked = self.linker.link(&args, objects, 1 + further.len(), || self.ask_link());
        linked
            .inspect_err(|why: &NotLinked| observer.event(&Event::LinkerFallback { why: &why.to_string() }))
            .map(|image| (image, permit.waited()))
            .ok()
    }

    /// Asks the driver for its link command; empty if the compiler adds nothing to the objects.
    fn ask_link(&self) -> Option<LinkLine> {
        let Some(step) = self.toolchain().ask_link(&self.flags) else { return Some(LinkLine::default()) };
        let invocation = Invocation { step: &step, deadline: self.deadline(), temp_dir: self.scratch.path() };
        self.toolchain().link_line(&self.executor.run(&invocation).ok()?.output)
    }

    /// Links objects to a library: inside this process, on `threads` threads, or else with the driver.
    pub(crate) fn link(
        &self,
        request: LinkRequest<'_>,
        threads: NonZero<usize>,
        deadline: Option<Instant>,
        observer: &dyn Observer,
    ) -> Result<StepOutput, UnitError> {
        if self.executor.is_cancelled() {
            return Err(UnitError::Interrupted);
        }
        let LinkRequest { objects, library, .. } = request;
        if let Some((image, waited)) = self.link_in_memory(objects, threads, observer) {
            fs::write(library, &*image).map_err(UnitError::file("write", library))?;
            return Ok(StepOutput {
                companions: Vec::new(),
                text: String::new(),
                inputs: Some(Inputs::default()),
                waited,
            });
        }
        self.link_by_driver(request, deadline, observer)
    }

    /// Links objects to a library with the driver.
    pub(crate) fn link_by_driver(
        &self,
        request: LinkRequest<'_>,
        deadline: Option<Instant>,
        observer: &dyn Observer,
    ) -> Result<StepOutput, UnitError> {
        let (permit, deadline) = self.admit(deadline, observer)?;
        let _stage = Stage::Link.on(observer);
        let LinkRequest { objects, library, header, exports } = request;
        let plan = self.plan_link(objects, library, header.as_job(), exports)?;
        let output = self.run_link(&plan, objects, library, deadline, observer)?;
        self.check_runtime(library)?;
        Ok(StepOutput { waited: output.waited + permit.waited(), ..output })
    }

    /// Refuses a library that calls a run-time library of the compiler without naming it as a dependency: such a library cannot be loaded.
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

    /// Returns the arguments of the linker in this process; `None` if the driver links.
    pub(super) fn in_process_link_args(&self) -> Option<Vec<&'static str>> {
        let wanted = InProcess::IS_AVAILABLE && matches!(self.flags.linker, Linker::Auto | Linker::Wild);
        wanted.then(|| self.toolchain().link_in_process(&self.flags).ok()).flatten()
    }
}
