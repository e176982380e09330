//! Messages for people, on standard error: progress, the output of compilers, errors with hints. Results are not printed here; they go to
//! standard output.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mjitcc::UnitError;
use mjitcc::cache::NotOwn;
use mjitcc::event::{Compiled, Event, Observer};
use mjitcc::report::{Report, Status, UnitReport};

use crate::exit::{CliError, Exit};
use crate::shown;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HELP: Style = AnsiColor::Cyan.on_default().bold();
const DONE: Style = AnsiColor::Green.on_default().bold();

/// How often a line reports the progress where there is no progress bar.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

const TICK: Duration = Duration::from_millis(100);

/// The verbosity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Quiet,
    Normal,
    Verbose,
    Commands,
    Everything,
}

/// Prints messages for people.
#[derive(Debug)]
pub(crate) struct Human {
    level: Level,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bar: Option<ProgressBar>,
    total: usize,
    done: usize,
    began: Option<Instant>,
    last_line: Option<Instant>,
}

impl Human {
    pub(crate) fn new(quiet: bool, verbose: u8) -> Self {
        let level = match verbose {
            _ if quiet => Level::Quiet,
            0 => Level::Normal,
            1 => Level::Verbose,
            2 => Level::Commands,
            _ => Level::Everything,
        };
        Self { level, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn says(&self, level: Level) -> bool {
        self.level >= level
    }

    /// Prints a line above the progress bar.
    fn print(&self, text: impl Display) {
        let bar = self.state().bar.clone();
        // A closed standard error must not stop the work.
        let write = || drop(writeln!(anstream::stderr().lock(), "{text}"));
        match bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn error(&self, text: impl Display, output: &str, hint: Option<&str>) {
        let mut message = format!("{ERROR}error{ERROR:#}: {}", shown::plain(&text.to_string()));
        for line in shown::output(output.trim_end()).lines() {
            message += &format!("\n{line}");
        }
        if let Some(hint) = hint {
            message += &format!("\n{HELP}help{HELP:#}: {hint}");
        }
        self.print(message);
    }

    /// Prints information that the user asked for and that is not a result.
    pub(crate) fn note(&self, text: &str) {
        self.print(shown::plain(text));
    }

    /// Prints information that only `-v` asks for.
    pub(crate) fn detail(&self, text: &str) {
        if self.says(Level::Verbose) {
            self.print(shown::plain(text));
        }
    }

    /// Prints the path of a file that was written beside the results.
    pub(crate) fn made(&self, what: &str, file: &Path) {
        self.end_bar();
        if self.says(Level::Normal) {
            self.print(format_args!("{what}: {}", shown::path(file)));
        }
    }

    /// Prints the error that ends the command, and returns the exit code.
    pub(crate) fn end_with(&self, error: &CliError) -> Exit {
        self.end_bar();
        let exit = error.exit();
        if exit != Exit::Good {
            let (output, hint) = error.details();
            self.error(error, output, hint);
        }
        exit
    }

    /// Prints one line about all units.
    pub(crate) fn summary(&self, report: &Report) {
        self.end_bar();
        let count = |wanted: Status| report.units.iter().filter(|unit| unit.status == wanted).count();
        let parts: Vec<String> = [
            (Status::Built, "built"),
            (Status::Reused, "reused"),
            (Status::Failed, "failed"),
            (Status::TimedOut, "timed out"),
            (Status::Skipped, "skipped"),
        ]
        .into_iter()
        .map(|(status, word)| (count(status), word))
        .filter(|&(number, _)| number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
        let cached = report.units.iter().filter(|unit| unit.cached).count();
        let parts: Vec<String> = parts
            .into_iter()
            .map(|part| {
                if cached > 0 && part.ends_with("reused") { format!("{part} ({cached} from the cache)") } else { part }
            })
            .collect();
        let good = report.units.iter().all(|unit| unit.status.is_good());
        if self.says(Level::Normal) || !good {
            let (style, word) = if good { (DONE, "done") } else { (ERROR, "failed") };
            let took = self.state().began.map_or(0.0, |began| began.elapsed().as_secs_f64());
            let units = plural(report.units.len(), "unit");
            self.print(format_args!("{style}{word}{style:#}: {units}: {} in {took:.1} s", parts.join(", ")));
            if let Some(hint) = report.units.iter().find_map(skipped).and_then(UnitError::hint) {
                self.print(format_args!("{HELP}help{HELP:#}: {hint}"));
            }
        }
    }

    fn start_bar(&self, units: usize) {
        let terminal = std::io::stderr().is_terminal();
        let mut state = self.state();
        state.total = units;
        state.began = Some(Instant::now());
        state.last_line = Some(Instant::now());
        if self.level == Level::Quiet || !terminal {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(units as u64), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner} [{bar:30}] {pos}/{len} units {wide_msg} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        bar.enable_steady_tick(TICK);
        state.bar = Some(bar);
    }

    /// Shows on a terminal which program is being tested.
    pub(crate) fn working(&self, what: &str) {
        let mut state = self.state();
        if self.level > Level::Quiet && std::io::stderr().is_terminal() {
            let bar = state.bar.get_or_insert_with(ProgressBar::new_spinner);
            bar.enable_steady_tick(TICK);
            bar.set_message(shown::plain(what));
        }
    }

    pub(crate) fn end_bar(&self) {
        if let Some(bar) = self.state().bar.take() {
            bar.finish_and_clear();
        }
    }

    fn step_bar(&self, unit: &str) {
        let mut state = self.state();
        state.done += 1;
        if let Some(bar) = &state.bar {
            bar.set_position(state.done as u64);
            bar.set_message(shown::plain(unit));
        } else if self.says(Level::Normal) && state.last_line.is_some_and(|last| last.elapsed() > PLAIN_EVERY) {
            state.last_line = Some(Instant::now());
            let line = format!("{}/{} units", state.done, state.total);
            drop(state);
            self.print(line);
        }
    }

    fn unit_finished(&self, report: &UnitReport) {
        match &report.error {
            // These follow from an error that another line reports.
            Some(
                UnitError::Skipped
                | UnitError::NotLinked
                | UnitError::Interrupted
                | UnitError::LinkFailed
                | UnitError::NoHeader
                | UnitError::NoCompiler,
            ) if !self.says(Level::Verbose) => {}
            // `UnitOutput` already printed the compiler's output.
            Some(failure) => self.error(format_args!("{}: {failure}", report.unit), "", failure.hint()),
            // `UnitCompiled` already printed the line.
            None => {}
        }
    }

    fn unit_compiled(&self, compiled: &Compiled<'_>) {
        self.step_bar(compiled.unit);
        if self.says(Level::Verbose) {
            let how = match compiled.status {
                _ if compiled.cached => "taken from the cache",
                Status::Reused => "reused",
                _ => "built",
            };
            let library = compiled.library.map(|library| format!(": {}", shown::plain(library))).unwrap_or_default();
            let (unit, milliseconds) = (shown::plain(compiled.unit), compiled.took.as_secs_f64() * 1e3);
            self.print(format_args!("{unit}: {how} in {milliseconds:.0} ms{library}"));
        }
    }
}

/// Returns why a unit was skipped although the unit itself has no error.
fn skipped(unit: &UnitReport) -> Option<&UnitError> {
    unit.error.as_ref().filter(|_| unit.status == Status::Skipped)
}

fn plural(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

impl Observer for Human {
    fn event(&self, event: &Event<'_>) {
        match *event {
            Event::ScratchMade { path } if self.says(Level::Everything) => {
                self.print(format_args!("temporary files: {}", shown::path(path)));
            }
            Event::CompilerChosen { compiler } if self.says(Level::Verbose) => {
                self.print(format_args!("compiler: {}", shown::plain(&compiler.to_string())));
            }
            // Printed once; with -q only when the wait is long.
            Event::Waiting { path, long } if long != self.says(Level::Normal) => {
                self.print(format_args!("waiting for another mjit-cc, which holds {}", shown::path(path)));
            }
            Event::Running { step } if self.says(Level::Commands) => self.print(shown::plain(&step.to_string())),
            Event::PchStarted { header } if self.says(Level::Verbose) => {
                self.print(format_args!("precompiling {}", shown::path(header)));
            }
            Event::PchReady { file, reused, took } if self.says(Level::Verbose) => {
                let how = if reused { "reused" } else { "built, and proven to be used," };
                self.print(format_args!("PCH {}: {how} in {:.0} ms", shown::path(file), took.as_secs_f64() * 1e3));
            }
            Event::Warning { text } if self.says(Level::Normal) => {
                self.print(format_args!("{WARNING}warning{WARNING:#}: {}", shown::output(text)));
            }
            Event::CacheUnusable { error, .. } if self.says(Level::Normal) && NotOwn::is(error) => {
                let text = shown::plain(&error.to_string());
                self.print(format_args!("{WARNING}warning{WARNING:#}: the object cache is not used: {text}"));
            }
            Event::CacheUnusable { dir, error } if self.says(Level::Verbose) => {
                self.print(format_args!("object cache {}: {error}", shown::path(dir)));
            }
            Event::InputsUnknown { what, why } if self.says(Level::Verbose) => {
                self.print(format_args!("{} is not kept for the next run: {why}", shown::plain(what)));
            }
            Event::BatchStarted { units } => {
                self.start_bar(units);
                if self.says(Level::Normal) && self.state().bar.is_none() {
                    self.print(format_args!("compiling {}", plural(units, "unit")));
                }
            }
            Event::UnitOutput { text, diagnostics, .. } => {
                let refused = diagnostics.iter().any(|one| one.severity == mjitcc::platforms::Severity::Error);
                if self.says(Level::Normal) || refused {
                    self.print(shown::output(text.trim_end()));
                }
            }
            Event::UnitCompiled(ref compiled) => self.unit_compiled(compiled),
            Event::UnitFinished { report } => self.unit_finished(report),
            Event::NotMerged { unit, why } if self.says(Level::Commands) => {
                self.print(format_args!("{}: compiled alone: {why}", shown::plain(unit)));
            }
            Event::LinkerFallback { why } if self.says(Level::Verbose) => {
                self.print(format_args!("linked by the compiler's driver instead of wild: {why}"));
            }
            Event::LinkStarted { library, objects } if self.says(Level::Verbose) => {
                self.print(format_args!("linking {} into {}", plural(objects, "object"), shown::path(library)));
            }
            Event::LinkFailed { library, failure } => {
                let text = format!("{}: {failure}", library.display());
                self.error(text, failure.output(), failure.hint());
            }
            _ => {}
        }
    }
}
