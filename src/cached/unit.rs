//! One unit and the cache: the key of the unit's object, reading the object, writing the object. The caller decides what to do with the
//! object.

use std::io;
use std::path::Path;

use mjit_cc_platforms::{ask_processor, uncacheable_reason};

use crate::cache::{Cache, Entry};
use crate::depend::Inputs;
use crate::event::Observer;
use crate::files;
use crate::header::UnitHeader;
use crate::key::{Digest, KeyBuilder};
use crate::pipeline::{Pipeline, StepOutput};
use crate::store::Record;
use crate::symbols::{self, Defined};
use crate::unit::Unit;

/// The key of one object, with the cache and the pipeline that it belongs to.
pub(crate) struct CacheHandle<'a> {
    pipeline: &'a Pipeline,
    cache: &'a Cache,
    key: Digest,
}

/// An object from a cache.
pub(crate) struct CacheHit {
    entry: Entry,
}

impl<'a> CacheHandle<'a> {
    /// Returns the handle of a unit's object; `None` if there is no cache, or the object cannot be cached.
    pub(crate) fn of(pipeline: &'a Pipeline, unit: &Unit, header: &UnitHeader) -> Option<Self> {
        let kept = pipeline.cache.as_deref()?;
        let (cache, compiler) = (kept.cache(), kept.compiler());
        let (toolchain, flags) = (pipeline.toolchain().compiler(), &pipeline.flags);
        if uncacheable_reason(toolchain, flags, header.as_job(), unit.text()).is_some() {
            return None;
        }
        if ask_processor(toolchain, flags).is_some() && pipeline.processor().is_none() {
            return None;
        }
        let mut key = KeyBuilder::new("cached object").field(compiler.as_str());
        for file in &pipeline.configuration().files {
            key = key.field(pipeline.digests().of(file)?.as_str());
        }
        let key = pipeline.object_key(key, unit, &header.portable()?).ok()?;
        Some(Self { pipeline, cache, key })
    }

    /// Returns the handle of one object of several units, which is called `name`. The key follows from the units' keys.
    pub(crate) fn for_group<'s>(name: &str, units: impl IntoIterator<Item = &'s Self>) -> Option<Self>
    where
        'a: 's,
    {
        let mut units = units.into_iter().peekable();
        let Self { pipeline, cache, .. } = **units.peek()?;
        let key = KeyBuilder::new("cached group").field(name).fields(units.map(|unit| unit.key.as_str())).finish();
        Some(Self { pipeline, cache, key })
    }

    pub(crate) fn key(&self) -> &Digest {
        &self.key
    }

    /// Returns the object if its entry is complete and all included files are unchanged.
    pub(crate) fn take(&self) -> Option<CacheHit> {
        self.cache.get(&self.key, self.pipeline.digests()).map(|entry| CacheHit { entry })
    }

    /// Does the same as [`put`](Self::put) for a caller that needs no record.
    pub(crate) fn put_new(&self, ran: StepOutput, object: &Path, observer: &dyn Observer) {
        let StepOutput { text: output, inputs: Some(inputs), .. } = ran else { return };
        // The linker reports an object that cannot be parsed.
        let Ok(defined) = symbols::defined_by_object(object, &self.pipeline.toolchain().compiler().target) else {
            return;
        };
        let Ok(file) = Digest::of_file(object) else { return };
        let Defined { names: symbols, shared } = defined;
        let units = Vec::new();
        self.put(&Record { key: self.key.clone(), file, inputs, symbols, shared, units, output }, object, observer);
    }

    /// Writes a new object to the cache. A record with the key `never` is not written.
    pub(crate) fn put(&self, record: &Record, object: &Path, observer: &dyn Observer) {
        if record.key == Digest::never() {
            return;
        }
        let record = Record { key: self.key.clone(), ..record.clone() };
        if let Err(error) = files::read(object).and_then(|object| self.cache.put(&record, &object)) {
            self.cache.report_unusable(observer, &error);
        }
    }
}

/// Units whose object contains other units too.
impl CacheHandle<'_> {
    /// Returns the handle of the group's object that last contained the unit. The object may have been removed.
    pub(crate) fn recorded_group(&self) -> Option<Self> {
        let note = self.cache.get(&self.group_key(), self.pipeline.digests())?;
        let Self { pipeline, cache, .. } = *self;
        Some(Self { pipeline, cache, key: serde_json::from_slice(note.object()).ok()? })
    }

    /// Records which group's object contains the unit, for later builds of other groups.
    pub(crate) fn record_group(&self, group: &Self, observer: &dyn Observer) {
        let noted = serde_json::to_vec(&group.key).map_err(io::Error::from).and_then(|words| {
            let (file, inputs) = (Digest::of_bytes(&words), Inputs::default());
            // The included files are in the record of the group's object.
            let (symbols, shared, units, output) = (Vec::new(), Vec::new(), Vec::new(), String::new());
            self.cache.put(&Record { key: self.group_key(), file, inputs, symbols, shared, units, output }, &words)
        });
        if let Err(error) = noted {
            self.cache.report_unusable(observer, &error);
        }
    }

    fn group_key(&self) -> Digest {
        KeyBuilder::new("where a unit is").field(self.key.as_str()).finish()
    }
}

impl CacheHit {
    /// The symbols that the object defines.
    pub(crate) fn symbols(&self) -> &[String] {
        &self.entry.record.symbols
    }

    /// The compiler's output for the unit.
    #[cfg(not(loom))]
    pub(crate) fn output(&self) -> &str {
        &self.entry.record.output
    }

    /// The object's bytes.
    pub(crate) fn object(&self) -> &[u8] {
        self.entry.object()
    }

    /// Returns the object's record under another key.
    pub(crate) fn into_record(self, key: Digest) -> Record {
        Record { key, ..self.entry.record }
    }
}
