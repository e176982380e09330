//! One unit and the cache: the key that says what its object depends on, taking the object out, putting it in. Where the object goes then
//! is the caller's business.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mjit_cc_platforms::{ask_processor, why_private};

use super::compiler::Anatomist;
use super::{Cache, CachePlace, Entry, room};
use crate::depend::Inputs;
use crate::discover::Environment;
use crate::event::Observer;
use crate::files;
use crate::key::{Digest, KeyBuilder};
use crate::pch::UnitHeader;
use crate::pipeline::{Pipeline, Ran};
use crate::store::Record;
use crate::symbols::{self, Defined};
use crate::unit::Unit;

/// A cache as one compiler's objects are kept in it.
#[derive(Debug)]
pub struct ObjectCache {
    cache: Cache,
    compiler: Digest,
}

impl ObjectCache {
    /// Finds out what a pipeline's compiler is by content, which reads all of it the first time. None where that fails; then the
    /// observer was told why.
    pub fn open(
        place: CachePlace,
        pipeline: &Pipeline,
        environment: &Environment,
        observer: &dyn Observer,
    ) -> Option<Arc<Self>> {
        let cache = Cache::new(place);
        let notes = cache.dir.join(room::COMPILERS);
        match cache.secure().and_then(|()| Anatomist { pipeline, environment, notes }.identity()) {
            Ok(compiler) => Some(Arc::new(Self { cache, compiler })),
            Err(error) => {
                cache.tell(observer, &error);
                None
            }
        }
    }
}

impl ObjectCache {
    /// A directory for the PCH that is made of what the key says by this compiler. There it is built, and lent under the lock of its record.
    pub(crate) fn pch_dir(&self, key: KeyBuilder) -> io::Result<PathBuf> {
        let key = key.field(self.compiler.as_str()).finish();
        let dir = self.cache.dir.join(room::HEADERS).join(key.as_str());
        self.cache.make_dir(&dir)?;
        room::stamp_header(&dir);
        Ok(dir)
    }

    /// Tells that it cannot be used.
    pub(crate) fn tell(&self, observer: &dyn Observer, error: &io::Error) {
        self.cache.tell(observer, error);
    }
}

/// The place of an object in a cache.
pub(crate) struct Shelf<'a> {
    pipeline: &'a Pipeline,
    cache: &'a Cache,
    key: Digest,
}

/// An object from a cache.
pub(crate) struct Taken {
    entry: Entry,
}

impl<'a> Shelf<'a> {
    /// None where there is no cache, or the object is one that may not be kept.
    pub(crate) fn of(pipeline: &'a Pipeline, unit: &Unit, header: &UnitHeader) -> Option<Self> {
        let ObjectCache { cache, compiler } = pipeline.cache.as_deref()?;
        let (toolchain, flags) = (pipeline.toolchain().compiler(), &pipeline.flags);
        if why_private(toolchain, flags, header.as_job(), unit.text()).is_some() {
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
    pub(crate) fn take(&self) -> Option<Taken> {
        self.cache.get(&self.key, self.pipeline.digests()).map(|entry| Taken { entry })
    }

    /// As [`put`](Self::put), for whoever has no use for a record.
    pub(crate) fn put_made(&self, ran: Ran, object: &Path, observer: &dyn Observer) {
        let Ran { text: output, inputs: Some(inputs), .. } = ran else { return };
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
impl Shelf<'_> {
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

impl Taken {
    /// The names that it defines.
    pub(crate) fn symbols(&self) -> &[String] {
        &self.entry.record.symbols
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
