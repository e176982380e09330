//! What stands before units, as their compiler's preprocessor gives the text. Knows nothing of what the text is good for.

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
    /// Reads the header and the `#include` lines that units begin with, the units' directory for files in quotes. An error says why no
    /// units can be merged there. Starts a process.
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
        // Several threads may ask at once.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let stem = format!("surroundings-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let source = self.scratch.path().join(&stem).with_added_extension("c");
        let file = self.scratch.path().join(&stem).with_added_extension("i");
        let job = Job::Preprocess { source: &source, header: header.as_job(), quote_dir: dir, text: &file };
        let plan = self.toolchain().plan(&self.flags, &job)?;
        // As units are called, so that a file that asks for its includer finds the same.
        let lines = [line_directive("surroundings.c").as_bytes(), includes].concat();
        fs::write(&source, lines).map_err(UnitError::file("write", &source))?;
        let reading = DependencyTracking::Nothing { depfile: None };
        let text = self.run(&plan, Phase::Compile, reading, self.deadline(), observer).and_then(|_| {
            let text = files::read(&file).map_err(UnitError::file("read", &file))?;
            // Every compiler has macros of its own: a text without any was not written whole.
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
