//! What a compiler or a linker has read, for records: the files that it lists, those that it does not, and the names that it looked for in
//! vain. Where that cannot be known there is no record, so that nothing is used again.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

use mjit_cc_platforms::{Plan, Role};
use object::read::archive::ArchiveFile;

use super::configuration::search_path;
use super::{Pipeline, StepOutput};
use crate::depend::{Includer, Inputs, Lookups, SearchPath, TextFacts};
use crate::error::{Phase, UnitError};
use crate::event::{Event, Observer};
use crate::files;
use crate::header::UnitHeader;
use crate::machine::unless_at_fault;
use crate::unit::Unit;

/// What is to be remembered of the files that a process reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DependencyTracking<'a> {
    /// Nothing; a depfile is removed all the same.
    Nothing { depfile: Option<&'a Path> },
    /// What a unit includes. `except` are files that are known otherwise.
    Unit { depfile: &'a Path, except: &'a [&'a Path], unit: &'a Unit, header: &'a UnitHeader, role: Role },
    /// What a precompiled header is made of. Compilers do not always list the header itself.
    Header { depfile: &'a Path, except: &'a [&'a Path], header: &'a Path },
    /// What objects are linked with. The list is there where the linker can be told to write it.
    Link { depfile: Option<&'a Path>, objects: &'a [PathBuf] },
}

impl<'a> DependencyTracking<'a> {
    pub(super) fn records(&self) -> bool {
        !matches!(self, Self::Nothing { .. })
    }

    pub(super) fn depfile(&self) -> Option<&'a Path> {
        match *self {
            Self::Nothing { depfile } | Self::Link { depfile, .. } => depfile,
            Self::Unit { depfile, .. } | Self::Header { depfile, .. } => Some(depfile),
        }
    }

    /// What a person calls it.
    fn name(&self) -> String {
        match self {
            Self::Unit { unit, .. } => unit.name().to_owned(),
            Self::Header { header, .. } => header.display().to_string(),
            Self::Nothing { .. } | Self::Link { .. } => "a library".to_owned(),
        }
    }
}

/// Why it is not known what was read.
type Unknown = &'static str;

const NO_LIST: Unknown = "the list of what was read cannot be read";
const NOT_ASKED: Unknown = "the compiler could not be asked where it looks for files";
const CHANGED: Unknown =
    "a file that was read has changed meanwhile, or cannot be found under the name that the compiler gave";

impl Pipeline {
    /// The files that a process has read since `began`; `rule` is its depfile.
    pub(crate) fn inputs(
        &self,
        rule: Option<io::Result<Vec<u8>>>,
        output: &[u8],
        reading: &DependencyTracking<'_>,
        began: SystemTime,
        observer: &dyn Observer,
    ) -> Option<Inputs> {
        let inputs = match *reading {
            DependencyTracking::Nothing { .. } => return None,
            DependencyTracking::Unit { except, unit, header, role, .. } => self
                .listed(rule, output, except)
                .and_then(|files| self.of_unit(files, unit, header, role))
                .and_then(|(files, lookups)| self.noted(files, lookups, began)),
            DependencyTracking::Header { except, header, .. } => self
                .listed(rule, output, except)
                .and_then(|files| self.of_header(files, header))
                .and_then(|(files, lookups)| self.noted(files, lookups, began)),
            DependencyTracking::Link { objects, .. } => {
                self.linked(rule, objects).and_then(|(files, lookups)| self.noted(files, lookups, began))
            }
        };
        inputs.inspect_err(|why| observer.event(&Event::InputsUnknown { what: &reading.name(), why })).ok()
    }

    fn noted(&self, files: Vec<PathBuf>, lookups: Lookups, began: SystemTime) -> Result<Inputs, Unknown> {
        let watched = self.watched.files.iter().cloned();
        Inputs::record(files.into_iter().chain(watched), lookups, began, &self.digests).ok_or(CHANGED)
    }

    /// The files that the compiler says it has read.
    fn listed(
        &self,
        rule: Option<io::Result<Vec<u8>>>,
        output: &[u8],
        except: &[&Path],
    ) -> Result<Vec<PathBuf>, Unknown> {
        let rule =
            if self.toolchain().writes_depfile() { rule.and_then(Result::ok).ok_or(NO_LIST)? } else { Vec::new() };
        let mut files = self.toolchain().dependencies(&rule, output);
        // The source is on every list.
        if self.toolchain().writes_depfile() && files.is_empty() {
            return Err(NO_LIST);
        }
        files.retain(|path| !except.contains(&path.as_path()));
        Ok(files)
    }

    fn of_unit(
        &self,
        files: Vec<PathBuf>,
        unit: &Unit,
        header: &UnitHeader,
        role: Role,
    ) -> Result<(Vec<PathBuf>, Lookups), Unknown> {
        let own = TextFacts::of(unit.text());
        let mut all = header.facts();
        all.join(&own);
        self.check_texts(&mut all, &files)?;
        if let Some(why) = all.unknown_inputs_reason() {
            return Err(why);
        }
        let lookups =
            Lookups::of(&Includer { facts: &own, dir: unit.dir() }, &files, self.search_path()?, &self.digests);
        let mut files = self.with_named(files);
        if role == Role::Library {
            let (linked, _) = self.linked(None, &[])?;
            files.extend(linked);
        }
        Ok((files, lookups))
    }

    fn of_header(&self, mut files: Vec<PathBuf>, header: &Path) -> Result<(Vec<PathBuf>, Lookups), Unknown> {
        if !files.iter().any(|path| path == header) {
            files.push(header.to_owned());
        }
        let mut all = TextFacts::default();
        self.check_texts(&mut all, &files)?;
        // What the assembler will read is no part of a precompiled header.
        if let Some(why) = all.unknown_file_test_reason() {
            return Err(why);
        }
        let none = Includer { facts: &TextFacts::default(), dir: None };
        let lookups = Lookups::of(&none, &files, self.search_path()?, &self.digests);
        Ok((self.with_named(files), lookups))
    }

    /// What a unit behind a header needs to know of the header's texts.
    pub(crate) fn facts_of(&self, header: Option<&Inputs>) -> TextFacts {
        let mut all = TextFacts::default();
        let known = header.is_some_and(|inputs| self.check_texts(&mut all, inputs.paths()).is_ok());
        if known { all } else { TextFacts::unknown() }
    }

    fn check_texts<'p>(
        &self,
        all: &mut TextFacts,
        files: impl IntoIterator<Item = &'p PathBuf>,
    ) -> Result<(), Unknown> {
        let configuration = self.configuration();
        if let Some(why) = configuration.unknown_inputs_reason {
            return Err(why);
        }
        all.join(&configuration.facts);
        for path in files {
            all.join(&*self.digests.text(path).ok_or(CHANGED)?);
        }
        Ok(())
    }

    fn with_named(&self, mut files: Vec<PathBuf>) -> Vec<PathBuf> {
        files.extend(self.configuration().files.iter().cloned());
        files
    }

    fn search_path(&self) -> Result<&SearchPath, Unknown> {
        if let Some(known) = self.search_path.get() {
            return Ok(known);
        }
        let found = search_path(self).map_err(|_| NOT_ASKED)?;
        Ok(self.search_path.get_or_init(|| found))
    }

    /// A plan for a link by the driver whose linker lists what it reads, and that list; none where the linker has no such list.
    pub(crate) fn listing(&self, plan: &Plan, library: &Path) -> Option<(Plan, PathBuf)> {
        let name = library.file_name().unwrap_or_default();
        let depfile = self.scratch.path().join(name).with_added_extension("d");
        let lists = self.records_units && self.linker_lists.load(Ordering::Relaxed);
        let words = lists.then(|| self.toolchain().link_depfile(&depfile)).flatten()?;
        let mut plan = plan.clone();
        // The last one links.
        plan.steps.last_mut()?.args.extend(words);
        Some((plan, depfile))
    }

    /// Links by the driver. Where its linker does not know the flag for a list, it links without.
    pub(super) fn run_link(
        &self,
        plan: &Plan,
        objects: &[PathBuf],
        library: &Path,
        deadline: Option<Instant>,
        observer: &dyn Observer,
    ) -> Result<StepOutput, UnitError> {
        if let Some((listing, depfile)) = self.listing(plan, library) {
            let reading = DependencyTracking::Link { depfile: Some(&depfile), objects };
            match self.run(&listing, Phase::Link, reading, deadline, observer) {
                Err(failure) if failure.output().contains("dependency-file") => {
                    self.linker_lists.store(false, Ordering::Relaxed);
                }
                ran => return ran,
            }
        }
        let reading = if self.records_units {
            DependencyTracking::Link { depfile: None, objects }
        } else {
            DependencyTracking::Nothing { depfile: None }
        };
        self.run(plan, Phase::Link, reading, deadline, observer)
    }

    /// What a linker has read beside the objects, which are known.
    fn linked(
        &self,
        rule: Option<io::Result<Vec<u8>>>,
        objects: &[PathBuf],
    ) -> Result<(Vec<PathBuf>, Lookups), Unknown> {
        let configuration = self.configuration();
        if let Some(why) = configuration.unknown_inputs_reason {
            return Err(why);
        }
        let temporary = self.scratch.path();
        let mut files = match rule {
            Some(rule) => self.toolchain().link_dependencies(&rule.map_err(|_| NO_LIST)?),
            None => Vec::new(),
        };
        // By names that no other file has, since a linker may write paths in another way than this system has them.
        let own_dir = temporary.file_name();
        let is_own = |path: &Path| {
            objects.iter().any(|object| object == path || object.file_name() == path.file_name())
                || path.components().any(|part| Some(part.as_os_str()) == own_dir)
        };
        let has_list = files.iter().any(|path| is_own(path));
        if !has_list && self.flags.ldflags.iter().any(|word| may_search(word.to_str())) {
            return Err("the linker does not list what it reads, and a flag makes it look for files");
        }
        files.retain(|path| !is_own(path));
        let lookups = self.libraries_before(&files);
        let named = configuration.link_files.iter().chain(&configuration.files).cloned();
        let mut files: BTreeSet<PathBuf> = files.into_iter().chain(named).collect();
        for archive in files.clone() {
            add_members(&archive, &mut files)?;
        }
        Ok((files.into_iter().collect(), lookups))
    }

    /// A library that comes to an earlier directory would be linked instead, and a shared one instead of an archive beside it.
    fn libraries_before(&self, files: &[PathBuf]) -> Lookups {
        let dirs = &self.configuration().library_dirs;
        let mut lookups = Lookups::default();
        let plain = |path: &Path| path.strip_prefix(".").unwrap_or(path).to_owned();
        for file in files {
            let (Some(dir), Some(name)) = (file.parent().map(plain), file.file_name()) else { continue };
            let Some(at) = dirs.iter().position(|other| plain(other) == dir) else { continue };
            let twins = ["so", "a"].map(|suffix| Path::new(name).with_extension(suffix));
            for name in twins.iter().map(PathBuf::as_path).chain([Path::new(name)]) {
                // The linker looks for both in a directory before it goes on.
                for path in dirs[..=at].iter().map(|dir| dir.join(name)).filter(|path| !path.exists()) {
                    lookups.absent(path);
                }
            }
        }
        lookups
    }
}

/// Whether a word of the user's may make a linker look for files that it does not name.
fn may_search(word: Option<&str>) -> bool {
    const SEARCHING: [&str; 8] = ["-L", "-l", "-Wl,", "-Xlinker", "-T", "-B", "-specs", "@"];
    let Some(word) = word else { return true };
    let microsofts = ["LIBPATH:", "DEFAULTLIB:", "WHOLEARCHIVE:"];
    let option = word.strip_prefix(['-', '/']).map(str::to_ascii_uppercase);
    match option {
        Some(option) => {
            SEARCHING.iter().any(|flag| word.starts_with(flag))
                || microsofts.iter().any(|flag| option.starts_with(flag))
        }
        None => !Path::new(word).is_file(),
    }
}

/// A thin archive has names of files in the place of files.
fn add_members(archive: &Path, files: &mut BTreeSet<PathBuf>) -> Result<(), Unknown> {
    const UNREADABLE: Unknown = "a thin archive that was linked cannot be read";
    let mut magic = [0; 8];
    let read = files::open(archive).and_then(|mut file| io::Read::read_exact(&mut file, &mut magic));
    // Too short, or no file that a linker would take for an archive.
    let is_read = unless_at_fault(read).map_err(|_| UNREADABLE)?.is_some();
    if !is_read || magic != *b"!<thin>\n" {
        return Ok(());
    }
    let bytes = files::read(archive).map_err(|_| UNREADABLE)?;
    let parsed = ArchiveFile::parse(&*bytes).map_err(|_| UNREADABLE)?;
    for member in parsed.members() {
        let name = member.map_err(|_| UNREADABLE)?.name().to_owned();
        let name = String::from_utf8(name).map_err(|_| UNREADABLE)?;
        let path = archive.parent().unwrap_or(Path::new("")).join(name);
        if files.insert(path.clone()) {
            add_members(&path, files)?;
        }
    }
    Ok(())
}
