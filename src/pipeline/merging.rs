//! Merging of units behind one header, for every front end: the `#include` lines at the top of units, their preprocessed text (the compiler
//! is asked once), and the time limit of a translation unit of many units.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use mjit_cc_ctext::{self as ctext, Group, Member, Reason, Surroundings};

use super::Pipeline;
use crate::event::Observer;
use crate::exec;
use crate::header::UnitHeader;
use crate::sync::{Mutex, lock};
use crate::unit::Unit;

/// The longest time limit of a merged translation unit, in limits of one unit: a compiler that hangs must not block the build.
const MAX_LIMITS: usize = 4;

/// The `#include` lines at the top of a unit. Units are merged only behind the same files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Includes {
    /// The lines, as [`ctext::leading_includes`] returns them.
    lines: Vec<u8>,
    /// The unit's directory, if the lines name other files in another directory.
    dir: Option<PathBuf>,
}

impl Includes {
    pub(crate) fn of(unit: &Unit) -> Self {
        let lines = ctext::leading_includes(unit.text());
        // The compiler looks for a quoted name in the unit's directory.
        let is_independent = |line: &[u8]| {
            let name = line.iter().position(|byte| b"<\"".contains(byte)).map_or(&b""[..], |at| &line[at..]);
            name.starts_with(b"<") || name.starts_with(b"\"/")
        };
        let is_independent = lines.split_inclusive(|&byte| byte == b'\n').all(is_independent);
        let dir = if is_independent { None } else { unit.dir().map(Path::to_owned) };
        Self { lines, dir }
    }

    /// Returns the lines of a text in memory, which has no directory.
    pub(crate) fn of_text(text: &[u8]) -> Self {
        Self { lines: ctext::leading_includes(text), dir: None }
    }
}

type Known = HashMap<Includes, Arc<Result<Surroundings, Reason>>>;

/// The preprocessed text in front of units, by the units' `#include` lines; or the reason why such units cannot be merged.
#[derive(Default)]
pub(crate) struct Merging {
    known: Mutex<Known>,
}

impl Merging {
    /// Returns the text in front of units. Asks the compiler the first time. The lock is not held meanwhile, so that two threads may both
    /// ask.
    pub(crate) fn surroundings(
        &self,
        pipeline: &Pipeline,
        header: &UnitHeader,
        includes: &Includes,
        observer: &dyn Observer,
    ) -> Arc<Result<Surroundings, Reason>> {
        if let Some(known) = lock(&self.known).get(includes) {
            return Arc::clone(known);
        }
        let Includes { lines, dir } = includes;
        let asked = Arc::new(pipeline.surroundings(header, lines, dir.as_deref(), observer));
        Arc::clone(lock(&self.known).entry(includes.clone()).or_insert(asked))
    }

    /// Merges units with the same `#include` lines.
    pub(crate) fn merge(
        &self,
        pipeline: &Pipeline,
        header: &UnitHeader,
        includes: &Includes,
        members: &[Member<'_>],
        observer: &dyn Observer,
    ) -> Group {
        match &*self.surroundings(pipeline, header, includes, observer) {
            Ok(surroundings) => ctext::merge(members, surroundings, &includes.lines),
            Err(reason) => Group::none_of(members.len(), reason),
        }
    }
}

impl Pipeline {
    /// Returns the deadline of a translation unit of `units` units that begins now.
    pub(crate) fn deadline_of(&self, units: usize) -> Option<Instant> {
        let limits = u32::try_from(units.clamp(1, MAX_LIMITS)).unwrap_or(1);
        exec::deadline(self.timeout.and_then(|limit| limit.checked_mul(limits)))
    }
}
