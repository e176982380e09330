//! What the worker tells, as data; printed, each is a line in the form that Ruby's MJIT gave it, which hosts' tests look for.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::units::Place;

/// One thing that happened in the worker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerEvent {
    /// A unit's code was published.
    Success {
        /// The unit.
        place: Place,
        /// How long it took, from generating to publishing.
        took: Duration,
        /// Its C file.
        source: PathBuf,
    },
    /// A unit will have no code.
    Failure {
        /// The unit.
        place: Place,
        /// How long it took.
        took: Duration,
        /// Its C file.
        source: PathBuf,
        /// Why.
        why: String,
    },
    /// Cold code was given up.
    Unloaded {
        /// How many units.
        count: usize,
    },
    /// Something the user should know.
    Warning(String),
    /// A unit's turn came.
    Start {
        /// The unit.
        place: Place,
        /// Its C file.
        source: PathBuf,
    },
    /// The header is about to be precompiled.
    PchStart,
    /// A process is about to start: its command line.
    Process(String),
    /// All threads ended well.
    Finish,
}

impl WorkerEvent {
    /// From which verbosity on a line is printed for it: 0 not to be missed, 3 for the curious. Warnings are also printed where
    /// they are asked for.
    #[must_use]
    pub fn level(&self) -> u8 {
        match self {
            Self::Success { .. } | Self::Failure { .. } | Self::Unloaded { .. } | Self::Warning(_) | Self::Finish => 1,
            Self::Start { .. } | Self::PchStart | Self::Process(_) => 2,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}:{}", self.label, self.path, self.line)
    }
}

impl fmt::Display for WorkerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |took: &Duration| took.as_secs_f64() * 1e3;
        match self {
            Self::Success { place, took, source } => {
                write!(f, "JIT success ({:.1}ms): {place} -> {}", ms(took), source.display())
            }
            Self::Failure { place, took, source, .. } => {
                write!(f, "JIT failure ({:.1}ms): {place} -> {}", ms(took), source.display())
            }
            Self::Unloaded { count } => write!(f, "Too many JIT code -- {count} units unloaded"),
            Self::Warning(text) => write!(f, "MJIT warning: {text}"),
            Self::Start { place, source } => write!(f, "start compilation: {place} -> {}", source.display()),
            Self::PchStart => f.write_str("Creating precompiled header"),
            Self::Process(command) => write!(f, "Starting process: {command}"),
            Self::Finish => f.write_str("Successful MJIT finish"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_ruby_s_tests_look_for() {
        let place = Place { label: "block in <main>".into(), path: "-e".into(), line: 1 };
        let success = WorkerEvent::Success {
            place,
            took: Duration::from_micros(12_340),
            source: "/tmp/_ruby_mjit_p12u0.c".into(),
        };
        assert_eq!(success.to_string(), "JIT success (12.3ms): block in <main>@-e:1 -> /tmp/_ruby_mjit_p12u0.c");
        assert_eq!(WorkerEvent::Finish.to_string(), "Successful MJIT finish");
    }
}
