//! The first of two tiers: code that is there soon. tcc makes the code where tcc takes the header, else the same compiler in a hurry.

use std::sync::Arc;

use mjit_cc_platforms::{Choice, Flags, OptLevel};

use super::Jit;
use crate::discover::{CompilerSpec, DetectedCompiler, Environment, Finder};
use crate::event::Event;
use crate::exec::ProcessExecutor;
use crate::header::UnitHeader;
use crate::pipeline::Pipeline;
use crate::scratch::{Purpose, Scratch};
use crate::setup::BuildOptions;

/// How hard the same compiler tries for the first tier.
const HURRIED: OptLevel = OptLevel::O1;

/// Whether units get quick code first, and better code in the same slot later, when no unit waits for its first: hottest first. Guards
/// and assumptions are held to as with any code that replaces other code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tiers {
    /// Optimised code is all there is.
    #[default]
    Off,
    /// First by tcc, where tcc is installed for this machine and takes the header and the flags; else as [`Self::SameCompiler`].
    Quickest,
    /// First by the same compiler with `-O1`, behind a precompiled header of its own; not where no more than that is wanted anyway.
    SameCompiler,
}

impl Jit {
    /// Returns what makes the first tier's code, in a directory of its own; `None` if that would be no quicker, or does not work.
    pub(super) fn first_tier(
        &self,
        tiers: Tiers,
        build: &BuildOptions,
        environment: &Environment,
        executor: &Arc<ProcessExecutor>,
    ) -> Option<Self> {
        let tcc = match tiers {
            Tiers::Off => return None,
            Tiers::Quickest => self.by_tcc(build, environment, executor),
            Tiers::SameCompiler => None,
        };
        // tcc's code is worse than any other compiler's at -O1, and little worse than another compiler's at -O0.
        tcc.filter(|_| build.flags.optimize != OptLevel::O0).or_else(|| {
            let hurries = !matches!(build.flags.optimize, OptLevel::O0 | OptLevel::O1);
            hurries.then(|| self.by_same_compiler(build)).flatten()
        })
    }

    fn by_tcc(&self, build: &BuildOptions, environment: &Environment, executor: &Arc<ProcessExecutor>) -> Option<Self> {
        let finder = Finder { environment, executor: &**executor, temp_dir: self.pipeline().scratch.path() };
        let spec = CompilerSpec { cc: Some("tcc".into()), choice: Some(Choice::Tcc), target: None };
        let tcc = finder.find(&spec).ok()?;
        let (ours, theirs) = (self.pipeline().toolchain().compiler(), tcc.toolchain.compiler());
        if theirs.target != ours.target || theirs.family == ours.family {
            return None;
        }
        let pipeline = self.quick_pipeline(tcc, build.flags.clone())?;
        // tcc links by itself alone.
        pipeline.check_link().ok()?;
        let header = match &build.header {
            None => UnitHeader::None,
            Some(header) => UnitHeader::Text(std::path::absolute(header).ok()?),
        };
        // Does tcc understand the header, and the flags?
        pipeline.try_header(header.as_job(), &silent).ok()?;
        Some(self.beside(Arc::new(pipeline), header))
    }

    fn by_same_compiler(&self, build: &BuildOptions) -> Option<Self> {
        let flags = Flags { optimize: HURRIED, ..build.flags.clone() };
        let pipeline = self.quick_pipeline(self.pipeline().compiler.clone(), flags)?;
        // A PCH is good for the flags that the PCH was made with.
        let header = build.prepared_header(&pipeline, &silent).ok()?;
        Some(self.beside(Arc::new(pipeline), header))
    }

    fn quick_pipeline(&self, compiler: DetectedCompiler, flags: Flags) -> Option<Pipeline> {
        let dir = self.pipeline().scratch.path().parent()?.to_owned();
        let scratch = Scratch::create(&[dir], Purpose::Code).ok()?;
        Some(self.pipeline().with_compiler(compiler, flags, scratch))
    }
}

/// A failure of the first tier is not told: the optimised tier makes the code.
fn silent(_: &Event<'_>) {}
