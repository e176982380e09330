//! What the macros of a header are, as its compiler lists them. Knows nothing of what they are good for.

use std::fs;

use super::{Pipeline, Reading};
use crate::error::{Failure, Phase};
use crate::event::Observer;
use crate::pch::UnitHeader;
use mjit_cc_platforms::Job;

impl Pipeline {
    /// The macros that are defined behind the header, the compiler's own among them, as `#define` lines.
    pub(crate) fn list_macros(&self, header: &UnitHeader, observer: &dyn Observer) -> Result<Vec<u8>, Failure> {
        let (source, list) = (self.scratch.path().join("macros.c"), self.scratch.path().join("macros.txt"));
        let plan = self
            .toolchain()
            .plan(&self.flags, &Job::Macros { source: &source, header: header.as_job(), list: &list })?;
        fs::write(&source, "").map_err(Failure::file("write", &source))?;
        let reading = Reading::Nothing { depfile: None };
        let listed = self.run(&plan, Phase::Compile, reading, self.deadline(), observer).and_then(|_| {
            let text = fs::read(&list).map_err(Failure::file("read", &list))?;
            // Every compiler has some of its own: none at all is a list that was not written.
            if text.is_empty() {
                Err(Failure::file("read", &list)(std::io::ErrorKind::InvalidData.into()))
            } else {
                Ok(text)
            }
        });
        self.scratch.remove(&source);
        self.scratch.remove(&list);
        listed
    }
}
