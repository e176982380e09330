//! Units that were compiled together and the object cache: one object for all of them, and for each a note where it is, so that whoever
//! comes later and without the others finds it too. An object that is loaded serves the others of its group without another link.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use super::{CachedUnit, Jit, Source};
use crate::cached::CacheHandle;
use crate::error::UnitError;
use crate::event::{Event, Observer};
use crate::key::Digest;
use crate::library::Library;
use crate::sync::{Mutex, lock};
use crate::unit::Unit;

/// What is loaded of objects that several units are in. Lives as long as an engine; its lock is held for nothing else.
#[derive(Default)]
pub(super) struct GroupLibraries(Mutex<HashMap<Digest, GroupLibrary>>);

struct GroupLibrary {
    library: Weak<Library>,
    /// The entries that somebody has, or had: what comes anew wants static variables that are as they were at the beginning.
    given: HashSet<String>,
}

impl GroupLibraries {
    /// The library of an object, if it is loaded and nobody had this entry of it.
    fn give(&self, object: &Digest, entry: &str) -> Option<Arc<Library>> {
        let (library, is_new) = {
            let mut libraries = lock(&self.0);
            let group = libraries.get_mut(object)?;
            (group.library.upgrade()?, group.given.insert(entry.to_owned()))
        };
        is_new.then_some(library)
    }

    fn add(&self, object: Digest, library: &Arc<Library>, given: impl IntoIterator<Item = String>) {
        let group = GroupLibrary { library: Arc::downgrade(library), given: given.into_iter().collect() };
        let mut libraries = lock(&self.0);
        libraries.retain(|_, group| group.library.strong_count() > 0);
        libraries.insert(object, group);
    }
}

impl Jit {
    /// The library of a group that the cache knows a unit in.
    pub(super) fn take_from_group(
        &self,
        stem: &str,
        kept: &CachedUnit<'_>,
        observer: &dyn Observer,
    ) -> Option<Arc<Library>> {
        let libraries = self.group_libraries.as_ref()?;
        let group = kept.shelf.recorded_group()?;
        let library = match libraries.give(group.key(), &kept.entry) {
            Some(library) => library,
            None => {
                let library = Arc::new(self.link_taken(stem, &group.take()?, observer)?);
                libraries.add(group.key().clone(), &library, [kept.entry.clone()]);
                library
            }
        };
        observer.event(&Event::CacheHit { unit: kept.unit.name() });
        Some(library)
    }

    /// Makes the library of units that are merged into one source under their names in the cache, and keeps its object there.
    pub(crate) fn make_group(
        &self,
        stem: &str,
        source: &Source<'_>,
        members: &[&CachedUnit<'_>],
        observer: &dyn Observer,
    ) -> Result<Arc<Library>, UnitError> {
        let entries: Vec<String> = members.iter().map(|kept| kept.entry.clone()).collect();
        let unit = Unit::from_text(&source.name, source.text)?;
        let (ran, object) = self.compile_unit(stem, &unit, source.units, observer)?;
        let group = CacheHandle::for_group("", members.iter().map(|kept| &kept.shelf));
        if let Some(group) = &group {
            group.put_new(ran, &object, observer);
        }
        let library = Arc::new(self.link(stem, &[object], &entries, observer)?);
        if let (Some(libraries), Some(group)) = (&self.group_libraries, &group) {
            // Only of what can be loaded.
            members.iter().for_each(|kept| kept.shelf.record_group(group, observer));
            libraries.add(group.key().clone(), &library, entries);
        }
        Ok(library)
    }
}
