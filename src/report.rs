//! The result of each unit: the contents of `units.json`. The format is stable: fields may be added, and `VERSION` counts changes that
//! would break a reader.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::error::UnitError;

/// The version of the format.
pub const VERSION: u32 = 1;

/// The results of a batch, in the order of its units.
#[derive(Debug, Serialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// The units.
    pub units: Vec<UnitReport>,
    /// True if the system (not a unit) prevented the link of the library of all units.
    #[serde(skip)]
    pub(crate) link_hindered: bool,
}

impl Report {
    /// True if an error was caused by the system (a full disk, too many open files, a failing device), so that no unit need be wrong.
    #[must_use]
    pub fn was_hindered(&self) -> bool {
        self.link_hindered || self.units.iter().filter_map(|unit| unit.error.as_ref()).any(UnitError::is_of_machine)
    }
}

/// The result of a unit.
#[derive(Debug, Serialize)]
pub struct UnitReport {
    /// The file name as given.
    pub unit: String,
    /// The kind of result.
    pub status: Status,
    /// True if the unit was reused from the object cache, not from the output directory.
    pub cached: bool,
    /// The library of the unit, relative to the directory of `units.json`; `None` after a failure.
    pub library: Option<String>,
    /// The symbols that can be looked up in the library, sorted.
    pub symbols: Vec<String>,
    /// The times of compiling and linking.
    pub timings: Timings,
    /// The failure, if there is no library.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "words")]
    pub error: Option<UnitError>,
}

impl UnitReport {
    /// The result of a unit that failed.
    pub(super) fn failed(unit: String, failure: UnitError) -> Self {
        Self {
            unit,
            status: Status::from(&failure),
            cached: false,
            library: None,
            symbols: Vec::new(),
            timings: Timings::default(),
            error: Some(failure),
        }
    }
}

/// The kind of result of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// Compiled in this run.
    Built,
    /// Compiled earlier from the same source, header and flags.
    Reused,
    /// Compiling or linking failed.
    Failed,
    /// The time limit was reached.
    TimedOut,
    /// Not compiled or not linked because another unit failed.
    Skipped,
    /// The run was interrupted.
    Interrupted,
}

impl Status {
    /// True if the unit has a library.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Self::Built | Self::Reused)
    }
}

impl From<&UnitError> for Status {
    fn from(failure: &UnitError) -> Self {
        match failure {
            UnitError::TimedOut { .. } => Self::TimedOut,
            UnitError::Skipped | UnitError::NotLinked | UnitError::NoHeader | UnitError::NoCompiler => Self::Skipped,
            UnitError::Interrupted => Self::Interrupted,
            _ => Self::Failed,
        }
    }
}

/// How long a unit took, in milliseconds of wall time; 0 for a reused unit.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Timings {
    /// Compiling; includes linking if the compiler does both in one step.
    #[serde(rename = "compile_ms", serialize_with = "milliseconds")]
    pub compile: Duration,
    /// Linking. A library of many units is linked once, and each of its units has the whole time.
    #[serde(rename = "link_ms", serialize_with = "milliseconds")]
    pub link: Duration,
}

fn milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((time.as_secs_f64() * 1e6).round() / 1e3)
}

fn words<S: Serializer>(failure: &Option<UnitError>, serializer: S) -> Result<S::Ok, S::Error> {
    failure.as_ref().map(ToString::to_string).serialize(serializer)
}
