//! Messages for programs: one JSON object per line on standard output, each with `version` and `event`. The format is stable: events and
//! fields may be added, and none changes its meaning.

use std::io::{self, Write};

use mjitcc::UnitError;
use mjitcc::event::{Event, Observer};
use mjitcc::report::{Report, Status, Timings};
use serde::Serialize;

use crate::exit::CliError;
use crate::human::Human;

const VERSION: u32 = 1;

#[derive(Serialize)]
struct Message<'a> {
    version: u32,
    #[serde(flatten)]
    body: Body<'a>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Body<'a> {
    UnitStarted {
        unit: &'a str,
    },
    /// The unit is compiled alone despite `--unity`.
    NotMerged {
        unit: &'a str,
        reason: &'a str,
    },
    Diagnostic {
        unit: &'a str,
        file: &'a str,
        line: Option<u32>,
        column: Option<u32>,
        severity: String,
        text: &'a str,
    },
    /// The output of the compiler or linker as text.
    Output {
        unit: &'a str,
        text: &'a str,
    },
    UnitFinished {
        unit: &'a str,
        status: Status,
        cached: bool,
        library: Option<&'a str>,
        symbols: &'a [String],
        timings: Timings,
        error: Option<String>,
        help: Option<&'a str>,
    },
    LinkFailed {
        library: String,
        error: String,
        output: &'a str,
        help: Option<&'a str>,
    },
    /// Another process holds the lock of this file.
    Waiting {
        file: String,
    },
    Warning {
        text: &'a str,
    },
    /// The error that ends the run.
    Error {
        error: String,
        output: &'a str,
        help: Option<&'a str>,
    },
    Summary {
        units: usize,
        built: usize,
        reused: usize,
        /// The number of reused units that came from the object cache.
        cached: usize,
        failed: usize,
        skipped: usize,
    },
}

/// Prints messages for programs. Warnings and progress still go to standard error.
pub(crate) struct Json<'a> {
    human: &'a Human,
}

impl<'a> Json<'a> {
    pub(crate) fn new(human: &'a Human) -> Self {
        Self { human }
    }

    pub(crate) fn summary(&self, report: &Report) -> io::Result<()> {
        let count = |wanted: &[Status]| report.units.iter().filter(|unit| wanted.contains(&unit.status)).count();
        write(Body::Summary {
            units: report.units.len(),
            built: count(&[Status::Built]),
            reused: count(&[Status::Reused]),
            cached: report.units.iter().filter(|unit| unit.cached).count(),
            failed: count(&[Status::Failed, Status::TimedOut]),
            skipped: count(&[Status::Skipped, Status::Interrupted]),
        })
    }
}

/// Prints the error that ends the run. Standard error has the same error as text.
pub(crate) fn error(error: &CliError) {
    let (output, help) = error.details();
    // The reader may have closed the pipe.
    let _ = write(Body::Error { error: error.to_string(), output, help });
}

/// Prints one line in one write, so that lines of several threads do not mix.
fn write(body: Body<'_>) -> io::Result<()> {
    let mut line = serde_json::to_vec(&Message { version: VERSION, body })?;
    line.push(b'\n');
    io::stdout().lock().write_all(&line)
}

impl Observer for Json<'_> {
    fn event(&self, event: &Event<'_>) {
        // The reader may have closed the pipe; the libraries are built regardless.
        let _ = match *event {
            Event::UnitStarted { unit } => write(Body::UnitStarted { unit }),
            Event::Waiting { path, long: false } => write(Body::Waiting { file: path.display().to_string() }),
            Event::NotMerged { unit, why } => write(Body::NotMerged { unit, reason: why }),
            Event::UnitOutput { unit, diagnostics, text } => diagnostics
                .iter()
                .try_for_each(|one| {
                    write(Body::Diagnostic {
                        unit,
                        file: &one.file,
                        line: one.line,
                        column: one.column,
                        severity: one.severity.to_string(),
                        text: &one.text,
                    })
                })
                .and_then(|()| write(Body::Output { unit, text })),
            Event::Warning { text } => write(Body::Warning { text }),
            Event::UnitFinished { report } => write(Body::UnitFinished {
                unit: &report.unit,
                status: report.status,
                cached: report.cached,
                library: report.library.as_deref(),
                symbols: &report.symbols,
                timings: report.timings,
                error: report.error.as_ref().map(ToString::to_string),
                help: report.error.as_ref().and_then(UnitError::hint),
            }),
            Event::LinkFailed { library, failure } => write(Body::LinkFailed {
                library: library.display().to_string(),
                error: failure.to_string(),
                output: failure.output(),
                help: failure.hint(),
            }),
            _ => Ok(()),
        };
        match event {
            Event::UnitOutput { .. } | Event::UnitFinished { .. } | Event::LinkFailed { .. } => {}
            event => self.human.event(event),
        }
    }
}
