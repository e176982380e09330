//! The text in front of units, as the compiler's preprocessor prints it. Does not know how the text is used.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use mjit_cc_ctext::{Reason, Surroundings};
use mjit_cc_platforms::{Job, quote::line_directive};

use super::{DependencyTracking, Pipeline};
use crate::error::{Phase, UnitError};
use crate::event::Observer;
use crate::files;
use crate::header::UnitHeader;

impl Pipeline {
    /// Preprocesses the header and the units' `#include` lines; `dir` is the directory for quoted names. The error is the reason why units
    /// cannot be merged. Starts one process.
    pub(crate) fn surroundings(
        &self,
        header: &UnitHeader,
        includes: &[u8],
        dir: Option<&Path>,
        observer: &dyn Observer,
    ) -> Result<Surroundings, Reason> {
        let text = self.preprocess(header, includes, dir, observer);
        text.map_err(|failure| Reason::Header(failure.to_string())).and_then(|text| Surroundings::read(&text))
    }

    fn preprocess(
        &self,
        header: &UnitHeader,
        includes: &[u8],
        dir: Option<&Path>,
        observer: &dyn Observer,
    ) -> Result<Vec<u8>, UnitError> {
        // Several threads may preprocess at once.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let stem = format!("surroundings-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let source = self.scratch.path().join(&stem).with_added_extension("c");
        let file = self.scratch.path().join(&stem).with_added_extension("i");
        let job = Job::Preprocess { source: &source, header: header.as_job(), quote_dir: dir, text: &file };
        let plan = self.toolchain().plan(&self.flags, &job)?;
        // Named like a unit, so that a file that checks the name of its includer gives the same text.
        let lines = [line_directive("surroundings.c").as_bytes(), includes].concat();
        fs::write(&source, lines).map_err(UnitError::file("write", &source))?;
        let tracking = DependencyTracking::Nothing { depfile: None };
        let text = self.run(&plan, Phase::Compile, tracking, self.deadline(), observer).and_then(|_| {
            let text = files::read(&file).map_err(UnitError::file("read", &file))?;
            // Every compiler predefines macros: an empty text is incomplete.
            if text.is_empty() {
                Err(UnitError::file("read", &file)(std::io::ErrorKind::InvalidData.into()))
            } else {
                Ok(text)
            }
        });
        self.scratch.remove(&source);
        self.scratch.remove(&file);
        text
    }
}
