//! The first of two tiers, which compiles quickly: with tcc if tcc accepts the header and the flags, else with the same compiler and `-O1`.

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

/// The same compiler's optimisation level for the first tier.
const QUICK_LEVEL: OptLevel = OptLevel::O1;

/// Whether units get quickly compiled code first, and optimised code in the same slot later. Units without code precede; then the hottest
/// unit is optimised first. Guards and assumptions hold as for any code that replaces other code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tiers {
    /// Units get optimised code only.
    #[default]
    Off,
    /// The first code comes from tcc if tcc is installed for this machine and accepts the header and the flags; else as
    /// [`Self::SameCompiler`].
    Quickest,
    /// The first code comes from the same compiler with `-O1` and a precompiled header for `-O1`. As [`Self::Off`] if the flags ask for
    /// `-O0` or `-O1`.
    SameCompiler,
}

impl Jit {
    /// Returns the `Jit` of the first tier, with its own directory; `None` if a first tier would not be quicker, or does not work.
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
            let is_quicker = !matches!(build.flags.optimize, OptLevel::O0 | OptLevel::O1);
            is_quicker.then(|| self.by_same_compiler(build)).flatten()
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
        // tcc has its own linker and no other.
        pipeline.check_link().ok()?;
        let header = match &build.header {
            None => UnitHeader::None,
            Some(header) => UnitHeader::Text(std::path::absolute(header).ok()?),
        };
        // tcc may not support the header's C, or the flags.
        pipeline.try_header(header.as_job(), &silent).ok()?;
        Some(self.beside(Arc::new(pipeline), header))
    }

    fn by_same_compiler(&self, build: &BuildOptions) -> Option<Self> {
        let flags = Flags { optimize: QUICK_LEVEL, ..build.flags.clone() };
        let pipeline = self.quick_pipeline(self.pipeline().compiler.clone(), flags)?;
        // A PCH is valid only with the flags of its own compilation.
        let header = build.prepared_header(&pipeline, &silent).ok()?;
        Some(self.beside(Arc::new(pipeline), header))
    }

    fn quick_pipeline(&self, compiler: DetectedCompiler, flags: Flags) -> Option<Pipeline> {
        let dir = self.pipeline().scratch.path().parent()?.to_owned();
        let scratch = Scratch::create(&[dir], Purpose::Code).ok()?;
        Some(self.pipeline().with_compiler(compiler, flags, scratch))
    }
}

/// Drops events: a failure of the first tier is not reported, since the optimised tier compiles the unit.
fn silent(_: &Event<'_>) {}
