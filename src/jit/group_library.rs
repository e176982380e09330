//! Groups and the object cache: the cache has one object for all units of a group, and for each unit a reference to the object, so that
//! each unit is found later, also without the others. A loaded object serves the other units of its group without another link.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use super::{CachedUnit, Jit, TranslationUnit};
use crate::cached::CacheHandle;
use crate::error::UnitError;
use crate::event::{Event, Observer};
use crate::key::Digest;
use crate::library::Library;
use crate::sync::{Mutex, lock};
use crate::unit::Unit;

/// The loaded libraries of groups. Lives as long as an engine; its lock protects nothing else.
#[derive(Default)]
pub(super) struct GroupLibraries(Mutex<HashMap<Digest, GroupLibrary>>);

struct GroupLibrary {
    library: Weak<Library>,
    /// The entries that a unit has or had: a new unit needs static variables in their initial state.
    given: HashSet<String>,
}

impl GroupLibraries {
    /// Returns the library of an object, if it is loaded and no unit has had this entry.
    fn give(&self, object: &Digest, entry: &str) -> Option<Arc<Library>> {
        let (library, is_new) = {
            let mut group_libraries = lock(&self.0);
            let group = group_libraries.get_mut(object)?;
            (group.library.upgrade()?, group.given.insert(entry.to_owned()))
        };
        is_new.then_some(library)
    }

    fn add(&self, object: Digest, library: &Arc<Library>, given: impl IntoIterator<Item = String>) {
        let group = GroupLibrary { library: Arc::downgrade(library), given: given.into_iter().collect() };
        let mut group_libraries = lock(&self.0);
        group_libraries.retain(|_, group| group.library.strong_count() > 0);
        group_libraries.insert(object, group);
    }
}

impl Jit {
    /// Returns the library of the group in which the cache has a unit.
    pub(super) fn take_from_group(
        &self,
        stem: &str,
        cached: &CachedUnit<'_>,
        observer: &dyn Observer,
    ) -> Option<Arc<Library>> {
        let group_libraries = self.group_libraries.as_ref()?;
        let group = cached.handle.recorded_group()?;
        let library = match group_libraries.give(group.key(), &cached.entry) {
            Some(library) => library,
            None => {
                let library = Arc::new(self.link_hit(stem, &group.take()?, observer)?);
                group_libraries.add(group.key().clone(), &library, [cached.entry.clone()]);
                library
            }
        };
        observer.event(&Event::CacheHit { unit: cached.unit.name() });
        Some(library)
    }

    /// Builds the library of units that are merged under their names in the cache, and stores the object in the cache.
    pub(crate) fn build_group(
        &self,
        stem: &str,
        source: &TranslationUnit<'_>,
        members: &[&CachedUnit<'_>],
        observer: &dyn Observer,
    ) -> Result<Arc<Library>, UnitError> {
        let entries: Vec<String> = members.iter().map(|cached| cached.entry.clone()).collect();
        let unit = Unit::from_text(&source.name, source.text)?;
        let (output, object) = self.compile_unit(stem, &unit, source.units, observer)?;
        let group = CacheHandle::for_group("", members.iter().map(|cached| &cached.handle));
        if let Some(group) = &group {
            group.put_new(output, &object, observer);
        }
        let library = Arc::new(self.link(stem, &[object], &entries, observer)?);
        if let (Some(group_libraries), Some(group)) = (&self.group_libraries, &group) {
            // Only objects that can be loaded are stored for single units.
            members.iter().for_each(|cached| cached.handle.record_group(group, observer));
            group_libraries.add(group.key().clone(), &library, entries);
        }
        Ok(library)
    }
}
