//! Groups of units and the object cache. The cache holds one object for the group, and for each unit a record of the group, so that a later
//! process finds the unit without the rest of the group. A loaded object serves the other units of its group without another link.

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

/// The loaded libraries of groups, by the key of the group's object. The lock is not held during other work.
#[derive(Default)]
pub(super) struct GroupLibraries(Mutex<HashMap<Digest, GroupLibrary>>);

struct GroupLibrary {
    library: Weak<Library>,
    /// Entry symbols that were handed out. A unit that is submitted again needs fresh static variables, thus a fresh library.
    handed_out: HashSet<String>,
}

impl GroupLibraries {
    /// Returns the loaded library of an object; `None` if the library is not loaded, or the entry was handed out before.
    fn hand_out(&self, object: &Digest, entry: &str) -> Option<Arc<Library>> {
        let (library, is_new) = {
            let mut libraries = lock(&self.0);
            let group = libraries.get_mut(object)?;
            (group.library.upgrade()?, group.handed_out.insert(entry.to_owned()))
        };
        is_new.then_some(library)
    }

    fn add(&self, object: Digest, library: &Arc<Library>, entries: impl IntoIterator<Item = String>) {
        let group = GroupLibrary { library: Arc::downgrade(library), handed_out: entries.into_iter().collect() };
        let mut libraries = lock(&self.0);
        libraries.retain(|_, group| group.library.strong_count() > 0);
        libraries.insert(object, group);
    }
}

impl Jit {
    /// Loads the group that contains a unit from the cache; `None` if the cache has no such group.
    pub(super) fn load_cached_group(
        &self,
        stem: &str,
        cached: &CachedUnit<'_>,
        observer: &dyn Observer,
    ) -> Option<Arc<Library>> {
        let libraries = self.group_libraries.as_ref()?;
        let group = cached.handle.recorded_group()?;
        let library = match libraries.hand_out(group.key(), &cached.entry) {
            Some(library) => library,
            None => {
                let library = Arc::new(self.link_hit(stem, &group.take()?, observer)?);
                libraries.add(group.key().clone(), &library, [cached.entry.clone()]);
                library
            }
        };
        observer.event(&Event::CacheHit { unit: cached.unit.name() });
        Some(library)
    }

    /// Builds the library of units that are merged into one source under their names in the cache. Writes the group's object to the cache.
    pub(crate) fn make_group(
        &self,
        stem: &str,
        source: &Source<'_>,
        members: &[&CachedUnit<'_>],
        observer: &dyn Observer,
    ) -> Result<Arc<Library>, UnitError> {
        let entries: Vec<String> = members.iter().map(|cached| cached.entry.clone()).collect();
        let unit = Unit::from_text(&source.name, source.text)?;
        let (output, object) = self.compile_unit(stem, &unit, source.units, observer)?;
        let group = CacheHandle::of_all("", members.iter().map(|cached| &cached.handle));
        if let Some(group) = &group {
            group.put_new(output, &object, observer);
        }
        let library = Arc::new(self.link(stem, &[object], &entries, observer)?);
        if let (Some(libraries), Some(group)) = (&self.group_libraries, &group) {
            // After the link: a group that cannot be loaded is not recorded.
            members.iter().for_each(|cached| cached.handle.record_group(group, observer));
            libraries.add(group.key().clone(), &library, entries);
        }
        Ok(library)
    }
}
