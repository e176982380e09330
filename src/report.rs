//! What became of each unit: the contents of `units.json`, which programs read without asking anyone. Its form is a promise;
//! fields may be added, and `VERSION` counts what would break a reader.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::error::UnitError;

/// The form's version.
pub const VERSION: u32 = 1;

/// All units of a batch, in the order in which they were named.
#[derive(Debug, Serialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// The units.
    pub units: Vec<UnitReport>,
    /// Whether the machine was in the way of the library of all units.
    #[serde(skip)]
    pub(crate) link_hindered: bool,
}

impl Report {
    /// True if the machine was in the way of something (a full disk, too many open files, a device that fails), so that no unit need be at fault.
    #[must_use]
    pub fn was_hindered(&self) -> bool {
        self.link_hindered || self.units.iter().filter_map(|unit| unit.error.as_ref()).any(UnitError::is_of_machine)
    }
}

/// One unit.
#[derive(Debug, Serialize)]
pub struct UnitReport {
    /// The file, as it was named.
    pub unit: String,
    /// What became of it.
    pub status: Status,
    /// Whether it was reused from the object cache, and not from the output directory.
    pub cached: bool,
    /// The library that holds it, relative to the directory of `units.json`; none where there is none.
    pub library: Option<String>,
    /// The names that it defines for others, sorted.
    pub symbols: Vec<String>,
    /// How long it took.
    pub timings: Timings,
    /// Why there is no library.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "words")]
    pub error: Option<UnitError>,
}

impl UnitReport {
    /// Of a unit that is in no library.
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

/// What became of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Status {
    /// It was compiled now.
    Built,
    /// It had been compiled from the same source, header and flags before.
    Reused,
    /// It could not be compiled or linked.
    Failed,
    /// It was not done in time.
    TimedOut,
    /// Its turn never came, or its library was not linked, because another unit failed.
    Skipped,
    /// The work was interrupted first.
    Interrupted,
}

impl Status {
    /// Whether there is a library to load.
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

/// How long a unit took, in milliseconds of wall time. What was reused took none.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Timings {
    /// Compiling; with linking where the compiler does both in one step.
    #[serde(rename = "compile_ms", serialize_with = "milliseconds")]
    pub compile: Duration,
    /// Linking; a library of many units is linked once, and each shows the whole time.
    #[serde(rename = "link_ms", serialize_with = "milliseconds")]
    pub link: Duration,
}

fn milliseconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((time.as_secs_f64() * 1e6).round() / 1e3)
}

fn words<S: Serializer>(failure: &Option<UnitError>, serializer: S) -> Result<S::Ok, S::Error> {
    failure.as_ref().map(ToString::to_string).serialize(serializer)
}
