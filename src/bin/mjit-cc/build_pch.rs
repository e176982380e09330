//! `mjit-cc build-pch`.

use std::io::Write;
use std::path::PathBuf;

use mjitcc::discover::Environment;
use mjitcc::pch::{self, UnitHeader};
use mjitcc::platforms::PlanError;

use crate::args::BuildPchArgs;
use crate::exit::{CliError, Exit};
use crate::human::Human;
use crate::setup;

pub(crate) fn run(args: &BuildPchArgs, talk: &Human) -> Result<Exit, CliError> {
    let pipeline = setup::pipeline(&setup::options(&args.compiler, args.timeout), &Environment::read(), talk)?;
    let toolchain = pipeline.toolchain();
    let Some(suffix) = toolchain.capabilities().pch_suffix else {
        return Err(mjitcc::Error::Plan(PlanError::Unsupported {
            toolchain: toolchain.compiler().to_string(),
            what: "precompile a header",
            instead: "name the header itself with compile --header",
        })
        .into());
    };
    let file: PathBuf = args
        .output
        .clone()
        .unwrap_or_else(|| pch::default_name(args.header.file_name().unwrap_or_default().as_ref(), suffix));
    match pch::prepare(&pipeline, &args.header, &file, talk)? {
        UnitHeader::Pch(ready) => {
            let how = if ready.reused() { "reused" } else { "built" };
            let milliseconds = ready.took().as_secs_f64() * 1e3;
            writeln!(std::io::stdout(), "{}: {how} in {milliseconds:.0} ms", crate::shown::result(&file))?;
            Ok(Exit::Good)
        }
        // A warning has already given the reason.
        UnitHeader::Text(_) | UnitHeader::None => Ok(Exit::UnitsFailed),
    }
}
