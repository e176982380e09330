//! Units that were compiled together and the object cache: one object for all of them, and for each a note where it is, so that whoever
//! comes later and without the others finds it too. An object that is loaded serves the others of its company without another link.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use super::{CachedUnit, Engine, Source};
use crate::cached::CacheHandle;
use crate::error::UnitError;
use crate::event::{Event, Observer};
use crate::key::Digest;
use crate::library::Library;
use crate::sync::{Mutex, lock};
use crate::unit::Unit;

/// What is loaded of objects that several units are in. Lives as long as an engine; its lock is held for nothing else.
#[derive(Default)]
pub(super) struct Companies(Mutex<HashMap<Digest, GroupLibrary>>);

struct GroupLibrary {
    library: Weak<Library>,
    /// The entries that somebody has, or had: what comes anew wants static variables that are as they were at the beginning.
    given: HashSet<String>,
}

impl Companies {
    /// The library of an object, if it is loaded and nobody had this entry of it.
    fn give(&self, object: &Digest, entry: &str) -> Option<Arc<Library>> {
        let (library, is_new) = {
            let mut companies = lock(&self.0);
            let company = companies.get_mut(object)?;
            (company.library.upgrade()?, company.given.insert(entry.to_owned()))
        };
        is_new.then_some(library)
    }

    fn add(&self, object: Digest, library: &Arc<Library>, given: impl IntoIterator<Item = String>) {
        let company = GroupLibrary { library: Arc::downgrade(library), given: given.into_iter().collect() };
        let mut companies = lock(&self.0);
        companies.retain(|_, company| company.library.strong_count() > 0);
        companies.insert(object, company);
    }
}

impl Engine {
    /// The library of a company that the cache knows a unit in.
    pub(super) fn take_from_company(
        &self,
        stem: &str,
        kept: &CachedUnit<'_>,
        observer: &dyn Observer,
    ) -> Option<Arc<Library>> {
        let companies = self.companies.as_ref()?;
        let company = kept.shelf.recorded_group()?;
        let library = match companies.give(company.key(), &kept.entry) {
            Some(library) => library,
            None => {
                let library = Arc::new(self.link_taken(stem, &company.take()?, observer)?);
                companies.add(company.key().clone(), &library, [kept.entry.clone()]);
                library
            }
        };
        observer.event(&Event::CacheHit { unit: kept.unit.name() });
        Some(library)
    }

    /// Makes the library of units that are merged into one source under their names in the cache, and keeps its object there.
    pub(in crate::worker) fn make_company(
        &self,
        stem: &str,
        source: &Source<'_>,
        members: &[&CachedUnit<'_>],
        observer: &dyn Observer,
    ) -> Result<Arc<Library>, UnitError> {
        let entries: Vec<String> = members.iter().map(|kept| kept.entry.clone()).collect();
        let unit = Unit::from_text(&source.name, source.text)?;
        let (ran, object) = self.compile_unit(stem, &unit, source.units, observer)?;
        let company = CacheHandle::for_group("", members.iter().map(|kept| &kept.shelf));
        if let Some(company) = &company {
            company.put_new(ran, &object, observer);
        }
        let library = Arc::new(self.link(stem, &[object], &entries, observer)?);
        if let (Some(companies), Some(company)) = (&self.companies, &company) {
            // Only of what can be loaded.
            members.iter().for_each(|kept| kept.shelf.record_group(company, observer));
            companies.add(company.key().clone(), &library, entries);
        }
        Ok(library)
    }
}
