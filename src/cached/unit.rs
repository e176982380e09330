//! One unit and the cache: the key that says what the unit's object depends on, taking the object out, putting the object in. Where the
//! object goes then is the caller's business.

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

/// The place of one object in a cache.
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
    /// None where there is no cache, or the object is one that may not be kept.
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
        let key = pipeline.object_key(key, unit, &header.anywhere()?).ok()?;
        Some(Self { pipeline, cache, key })
    }

    /// The place of one object of several units, which goes by `name`: what is in it follows from what their own places say.
    pub(crate) fn of_all<'s>(name: &str, units: impl IntoIterator<Item = &'s Self>) -> Option<Self>
    where
        'a: 's,
    {
        let mut units = units.into_iter().peekable();
        let Self { pipeline, cache, .. } = **units.peek()?;
        let key = KeyBuilder::new("cached group").field(name).fields(units.map(|unit| unit.key.as_str())).finish();
        Some(Self { pipeline, cache, key })
    }

    /// What its object is known by.
    pub(crate) fn key(&self) -> &Digest {
        &self.key
    }

    /// The object, if it is there, whole, and all that it included is as it was.
    pub(crate) fn take(&self) -> Option<CacheHit> {
        self.cache.get(&self.key, self.pipeline.digests()).map(|entry| CacheHit { entry })
    }

    /// As [`put`](Self::put), for whoever has no use for a record.
    pub(crate) fn put_made(&self, ran: StepOutput, object: &Path, observer: &dyn Observer) {
        let StepOutput { text: output, inputs: Some(inputs), .. } = ran else { return };
        // An object that nobody can read is seen by the linker.
        let Ok(defined) = symbols::defined_by_object(object, &self.pipeline.toolchain().compiler().target) else {
            return;
        };
        let Ok(file) = Digest::of_file(object) else { return };
        let Defined { names: symbols, shared } = defined;
        let units = Vec::new();
        self.put(&Record { key: self.key.clone(), file, inputs, symbols, shared, units, output }, object, observer);
    }

    /// Puts an object there that was just made. A record that says `never` is not for keeping.
    pub(crate) fn put(&self, record: &Record, object: &Path, observer: &dyn Observer) {
        if record.key == Digest::never() {
            return;
        }
        let record = Record { key: self.key.clone(), ..record.clone() };
        if let Err(error) = files::read(object).and_then(|object| self.cache.put(&record, &object)) {
            self.cache.tell(observer, &error);
        }
    }
}

/// Units that are in an object with others.
impl CacheHandle<'_> {
    /// The place of the object that the unit was last noted to be in. Whether it still is there is another question.
    pub(crate) fn noted_group(&self) -> Option<Self> {
        let note = self.cache.get(&self.note(), self.pipeline.digests())?;
        let Self { pipeline, cache, .. } = *self;
        Some(Self { pipeline, cache, key: serde_json::from_slice(note.object()).ok()? })
    }

    /// Notes where the unit is, for whoever looks for it without the others.
    pub(crate) fn note_group(&self, group: &Self, observer: &dyn Observer) {
        let noted = serde_json::to_vec(&group.key).map_err(io::Error::from).and_then(|words| {
            let (file, inputs) = (Digest::of_bytes(&words), Inputs::default());
            // What the group's object includes is in its own record.
            let (symbols, shared, units, output) = (Vec::new(), Vec::new(), Vec::new(), String::new());
            self.cache.put(&Record { key: self.note(), file, inputs, symbols, shared, units, output }, &words)
        });
        if let Err(error) = noted {
            self.cache.tell(observer, &error);
        }
    }

    fn note(&self) -> Digest {
        KeyBuilder::new("where a unit is").field(self.key.as_str()).finish()
    }
}

impl CacheHit {
    /// The names that it defines.
    pub(crate) fn symbols(&self) -> &[String] {
        &self.entry.record.symbols
    }

    /// What the compiler said of the unit.
    #[cfg(not(loom))]
    pub(crate) fn output(&self) -> &str {
        &self.entry.record.output
    }

    /// Its bytes.
    pub(crate) fn object(&self) -> &[u8] {
        self.entry.object()
    }

    /// What is known of it, under another key.
    pub(crate) fn into_record(self, key: Digest) -> Record {
        Record { key, ..self.entry.record }
    }
}
