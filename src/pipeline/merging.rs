//! Units merged behind one header, for every front end: which `#include` lines stand before the units, what these mean (asked of the compiler once),
//! and how long a translation unit of many units may take.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use mjit_cc_ctext::{self as ctext, Group, Member, Reason, Surroundings};

use super::Pipeline;
use crate::event::Observer;
use crate::header::UnitHeader;
use crate::sync::{Mutex, lock};
use crate::unit::Unit;

/// How many times the limit of one unit a translation unit of many units has at most: a compiler that hangs must not stop everything.
const MOST_PATIENCE: usize = 4;

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
        // A name in quotes is looked for beside the unit.
        let is_anywhere = |line: &[u8]| {
            let name = line.iter().position(|byte| b"<\"".contains(byte)).map_or(&b""[..], |at| &line[at..]);
            name.starts_with(b"<") || name.starts_with(b"\"/")
        };
        let is_anywhere = lines.split_inclusive(|&byte| byte == b'\n').all(is_anywhere);
        let dir = if is_anywhere { None } else { unit.dir().map(Path::to_owned) };
        Self { lines, dir }
    }

    /// The lines of a text in memory, which has no directory.
    pub(crate) fn of_text(text: &[u8]) -> Self {
        Self { lines: ctext::leading_includes(text), dir: None }
    }
}

type Known = HashMap<Includes, Arc<Result<Surroundings, Reason>>>;

/// The text before units, by the lines that the units begin with; or why no units can be merged there.
#[derive(Default)]
pub(crate) struct Merging {
    known: Mutex<Known>,
}

impl Merging {
    /// Returns the text before units. Asks the compiler, the first time; without a lock over the process, so that two threads may both ask.
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

    /// Merges units that begin with the same lines.
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
    /// Returns the deadline of a translation unit of so many units that begins now.
    pub(crate) fn deadline_of(&self, units: usize) -> Option<Instant> {
        let patience = u32::try_from(units.clamp(1, MOST_PATIENCE)).unwrap_or(1);
        let limit = self.timeout.and_then(|limit| limit.checked_mul(patience))?;
        Instant::now().checked_add(limit)
    }
}
