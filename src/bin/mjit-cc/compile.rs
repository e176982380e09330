//! `mjit-cc compile`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use mjitcc::batch::{Batch, HeaderSource};
use mjitcc::discover::Environment;
use mjitcc::event::{Event, Observer};
use mjitcc::pipeline::Pipeline;
use mjitcc::platforms::Plan;
use mjitcc::report::Report;
use mjitcc::timeline::{self, Keep, Recorder};

use crate::args::{CompileArgs, MessageFormat};
use crate::exit::{CliError, Exit};
use crate::human::Human;
use crate::jobserver::Inherited;
use crate::json::{self, Json};
use crate::setup;
use crate::shown;

pub(crate) fn run(args: &CompileArgs, inherited: Inherited, talk: &Human) -> Result<Exit, CliError> {
    let json = (args.message_format == MessageFormat::Json).then(|| Json::new(talk));
    compile(args, inherited, talk, json.as_ref()).inspect_err(|error| {
        if json.is_some() {
            json::error(error);
        }
    })
}

fn compile(args: &CompileArgs, inherited: Inherited, talk: &Human, json: Option<&Json<'_>>) -> Result<Exit, CliError> {
    let listener: &dyn Observer = json.map_or(talk as &dyn Observer, |json| json);
    let recorder = (args.timings.is_some() || args.trace.is_some()).then(|| Recorder::new(Keep::All));
    let recording = recorder.as_ref().map(|recorder| recorder.beside(listener));
    let observer = recording.as_ref().map_or(listener, |recording| recording);
    let (jobs, admission) = setup::parallelism(args.jobs, args.memfree, inherited, observer);
    let units = setup::units(&args.units)?;
    let is_skipped = |unit: &&PathBuf| args.unity_skip.iter().any(|pattern| pattern.matches_path(unit));
    let batch = Batch {
        alone: units.iter().filter(is_skipped).cloned().collect(),
        units,
        header: match (&args.header, &args.pch) {
            (Some(header), _) => HeaderSource::Header(header.clone()),
            (None, Some(pch)) => HeaderSource::Pch(pch.clone()),
            (None, None) => HeaderSource::None,
        },
        out_dir: args.out_dir.clone(),
        compact: args.compact,
        unity: args.unity,
        jobs,
        keep_going: args.keep_going,
    };
    let environment = Environment::read();
    let mut options = setup::options(&args.compiler, args.timeout);
    setup::speed_up(&mut options, args, &environment)?;
    let mut pipeline = setup::pipeline(&options, &environment, observer)?;
    pipeline.admission = admission;
    if args.dry_run {
        print_commands(&batch.plan(&pipeline)?)?;
        return Ok(Exit::Good);
    }
    let result = batch.run(&pipeline, observer);
    if args.save_temps {
        keep_temps(&mut pipeline, talk);
    }
    let written = recorder.map_or(Ok(()), |recorder| write_timeline(&recorder, args, talk));
    let report = match result {
        Ok(report) => report,
        // The error that ended the work is reported as the error; a failed timings page becomes a warning.
        Err(error) => {
            if let Err(error) = written {
                listener.event(&Event::Warning { text: &error.to_string() });
            }
            return Err(error.into());
        }
    };
    talk.summary(&report);
    match json {
        Some(json) => json.summary(&report)?,
        None => print_result(&report, &args.out_dir, args.compact)?,
    }
    written?;
    let good = report.units.iter().all(|unit| unit.status.is_good());
    Ok(match () {
        () if good => Exit::Good,
        () if report.was_hindered() => Exit::Internal,
        () => Exit::UnitsFailed,
    })
}

/// Writes the timings page and the trace, also after units failed.
fn write_timeline(recorder: &Recorder, args: &CompileArgs, talk: &Human) -> Result<(), mjitcc::Error> {
    let timeline = recorder.timeline();
    if let Some(file) = &args.timings {
        let file = file.clone().unwrap_or_else(|| args.out_dir.join("timings.html"));
        timeline::write(&file, &timeline.html())?;
        talk.made("timings", &file);
    }
    if let Some(file) = &args.trace {
        timeline::write(file, &timeline.trace())?;
        talk.made("trace", file);
    }
    Ok(())
}

fn keep_temps(pipeline: &mut Pipeline, talk: &Human) {
    pipeline.scratch.keep();
    talk.note(&format!("temporary files are kept in {}", pipeline.scratch.path().display()));
}

/// Prints the path that a script needs next: the library of all units, or the list of libraries.
fn print_result(report: &Report, out_dir: &Path, compact: bool) -> io::Result<()> {
    let library = report.units.iter().find_map(|unit| unit.library.as_deref());
    let Some(library) = library else { return Ok(()) };
    let result = out_dir.join(if compact { library } else { "units.json" });
    writeln!(io::stdout(), "{}", shown::result(&result))
}

fn print_commands(plans: &[Plan]) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for step in plans.iter().flat_map(|plan| &plan.steps) {
        writeln!(out, "{}", shown::on_stdout(step.to_string()))?;
    }
    out.flush()
}
