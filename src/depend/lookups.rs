//! Names that a compiler looks up before it finds a file: a new file of such a name would be read instead. Knows directories and names in
//! `#include`; the caller passes the files that were read.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use mjit_cc_platforms::SearchList;

use super::text::Asked;
use super::{FileDigests, TextFacts};

/// Names, and whether they existed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lookups {
    pub(super) absent: BTreeSet<PathBuf>,
    pub(super) present: BTreeSet<PathBuf>,
}

/// The compiler's search path for included files.
#[derive(Clone, Debug, Default)]
pub(crate) struct SearchPath {
    pub(crate) list: SearchList,
    /// The search path for embedded files.
    pub(crate) embed: Vec<PathBuf>,
    /// Names after `-include` and similar flags, which are looked up as if a file in the working directory included them.
    pub(crate) forced: Vec<String>,
}

/// A text that includes others, and its folder; `None` for a unit from memory.
pub(crate) struct Includer<'a> {
    pub(crate) facts: &'a TextFacts,
    pub(crate) dir: Option<&'a Path>,
}

impl Lookups {
    /// Adds a name that must not exist.
    pub(crate) fn absent(&mut self, path: PathBuf) {
        self.absent.insert(path);
    }

    /// Returns the lookups of a translation unit that has read `inputs`. `unit` is its text; its folder is searched as by `-iquote`.
    pub(crate) fn of(unit: &Includer<'_>, inputs: &[PathBuf], search: &SearchPath, digests: &FileDigests) -> Self {
        let mut collector =
            LookupCollector { search, unit_dir: unit.dir, found: Self::default(), existing: HashMap::new() };
        let names = collector.add_by_directory(inputs);
        collector.add_text(unit, &names);
        for path in inputs {
            if let Some(facts) = digests.text(path) {
                collector.add_text(&Includer { facts: &facts, dir: path.parent() }, &names);
            }
        }
        for name in &search.forced {
            collector.add_quoted(name, Some(Path::new("")));
        }
        collector.found
    }
}

struct LookupCollector<'a> {
    search: &'a SearchPath,
    unit_dir: Option<&'a Path>,
    found: Lookups,
    /// Directories, and whether they exist.
    existing: HashMap<PathBuf, bool>,
}

impl LookupCollector<'_> {
    /// Directories for quoted names, after the includer's own.
    fn quoted_dirs(&self) -> Vec<PathBuf> {
        self.unit_dir.map(Path::to_owned).into_iter().chain(self.search.list.quoted.iter().cloned()).collect()
    }

    /// Adds names in earlier directories for files that were found in a directory of the search list. Returns the names by which the
    /// files may have been included.
    fn add_by_directory(&mut self, inputs: &[PathBuf]) -> BTreeSet<PathBuf> {
        let SearchList { angled, missing, .. } = &self.search.list;
        let before: Vec<PathBuf> = self.quoted_dirs().into_iter().chain(missing.iter().cloned()).collect();
        let mut names = BTreeSet::new();
        for path in inputs {
            for (at, dir) in angled.iter().enumerate() {
                let Ok(name) = path.strip_prefix(dir) else { continue };
                for earlier in before.iter().chain(&angled[..at]) {
                    self.add_missing(earlier, name);
                }
                names.insert(name.to_owned());
            }
        }
        names
    }

    fn add_text(&mut self, Includer { facts, dir }: &Includer<'_>, names: &BTreeSet<PathBuf>) {
        for name in &facts.quoted {
            self.add_quoted(name, *dir);
        }
        if facts.computed {
            names.iter().for_each(|name| self.add_missing(dir.unwrap_or(Path::new("")), name));
        }
        for asked in &facts.asked {
            self.add_file_test(asked, *dir);
        }
        for Asked { name, is_quoted } in &facts.embedded {
            let own = dir.filter(|_| *is_quoted).map(Path::to_owned);
            let dirs: Vec<PathBuf> = own.into_iter().chain(self.search.embed.iter().cloned()).collect();
            self.add_until_found(name, &dirs);
        }
    }

    /// Looks up a quoted name: first beside its includer.
    fn add_quoted(&mut self, name: &str, dir: Option<&Path>) {
        let own = dir.map(Path::to_owned);
        let SearchList { angled, missing, .. } = &self.search.list;
        let first: Vec<PathBuf> = own.into_iter().chain(self.quoted_dirs()).collect();
        let dirs: Vec<PathBuf> =
            first.into_iter().chain(missing.iter().cloned()).chain(angled.iter().cloned()).collect();
        self.add_until_found(name, &dirs);
    }

    /// Records whether a file of this name exists in any directory: `__has_include_next` starts in the middle of the list.
    fn add_file_test(&mut self, Asked { name, is_quoted }: &Asked, dir: Option<&Path>) {
        let SearchList { angled, missing, .. } = &self.search.list;
        let own = dir.map(Path::to_owned).into_iter().chain(self.quoted_dirs()).filter(|_| *is_quoted);
        let dirs: Vec<PathBuf> = own.chain(missing.iter().chain(angled).chain(&self.search.embed).cloned()).collect();
        for dir in dirs {
            let path = dir.join(name);
            if path.exists() {
                self.found.present.insert(path);
            } else {
                self.add_missing(&dir, Path::new(name));
            }
        }
    }

    fn add_until_found(&mut self, name: &str, dirs: &[PathBuf]) {
        let Some(at) = dirs.iter().position(|dir| dir.join(name).exists()) else { return };
        for dir in &dirs[..at] {
            self.add_missing(dir, Path::new(name));
        }
    }

    /// Records that a directory does not contain a name. For a missing folder, the folder's name is enough.
    fn add_missing(&mut self, dir: &Path, name: &Path) {
        let mut path = dir.to_owned();
        if !self.exists(&path) {
            self.found.absent.insert(path);
            return;
        }
        for component in name {
            path.push(component);
            if !self.exists(&path) {
                self.found.absent.insert(path);
                return;
            }
        }
        // The file exists but was not used: another was found beside an includer, or by #include_next.
    }

    fn exists(&mut self, path: &Path) -> bool {
        // The working directory.
        if path.as_os_str().is_empty() {
            return true;
        }
        if let Some(there) = self.existing.get(path) {
            return *there;
        }
        let there = path.exists();
        self.existing.insert(path.to_owned(), there);
        there
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn names_that_come_first_are_noted() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        for dir in ["first/sys", "second/sys", "unit"] {
            fs::create_dir_all(path(dir)).unwrap();
        }
        fs::write(path("second/sys/a.h"), "#include \"b.h\"\n").unwrap();
        fs::write(path("second/b.h"), "").unwrap();
        let list = SearchList {
            angled: vec![path("first"), path("second")],
            missing: vec![path("gone")],
            ..Default::default()
        };
        let search = SearchPath { list, ..SearchPath::default() };
        let facts = TextFacts::of(b"#include <sys/a.h>\n#if __has_include(\"c.h\")\n#endif\n");
        let unit = Includer { facts: &facts, dir: Some(&path("unit")) };
        let inputs = [path("second/sys/a.h"), path("second/b.h")];
        let lookups = Lookups::of(&unit, &inputs, &search, &FileDigests::default());
        let absent: Vec<PathBuf> = [
            "first/b.h",
            "first/c.h",
            "first/sys/a.h",
            "gone",
            "second/c.h",
            "second/sys/b.h",
            "unit/b.h",
            "unit/c.h",
            "unit/sys",
        ]
        .map(path)
        .into();
        assert_eq!(lookups.absent.into_iter().collect::<Vec<_>>(), absent);
    }
}
