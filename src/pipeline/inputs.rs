//! The inputs of a compilation or a link, for records: the files that the tool lists, files that the tool does not list, and paths at which
//! the tool found no file. Without certain knowledge of the inputs no record is written, so that the result is not reused.

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

/// Which inputs of a process are recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DependencyTracking<'a> {
    /// Records no inputs; a depfile is removed.
    Nothing { depfile: Option<&'a Path> },
    /// Records the files that a unit includes. The files in `except` are part of the unit's key already.
    Unit { depfile: &'a Path, except: &'a [&'a Path], unit: &'a Unit, header: &'a UnitHeader, role: Role },
    /// Records the files of a precompiled header. Compilers do not always list the header itself.
    Header { depfile: &'a Path, except: &'a [&'a Path], header: &'a Path },
    /// Records the libraries and scripts that objects are linked with. The depfile is `None` if the linker cannot write a list.
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

    /// Returns the name of the output in messages.
    fn name(&self) -> String {
        match self {
            Self::Unit { unit, .. } => unit.name().to_owned(),
            Self::Header { header, .. } => header.display().to_string(),
            Self::Nothing { .. } | Self::Link { .. } => "a library".to_owned(),
        }
    }
}

/// Why the inputs are not known.
type Unknown = &'static str;

const NO_LIST: Unknown = "the compiler's list of included files cannot be read";
const NOT_ASKED: Unknown = "the compiler did not print its search path for included files";
const CHANGED: Unknown =
    "an included file has changed during the compilation, or does not exist under the name that the compiler printed";

impl Pipeline {
    /// Returns the inputs of a process that started at `began`; `None` if they are not known. `rule` is the content of the depfile.
    pub(crate) fn inputs(
        &self,
        rule: Option<io::Result<Vec<u8>>>,
        output: &[u8],
        tracking: &DependencyTracking<'_>,
        began: SystemTime,
        observer: &dyn Observer,
    ) -> Option<Inputs> {
        let inputs = match *tracking {
            DependencyTracking::Nothing { .. } => return None,
            DependencyTracking::Unit { except, unit, header, role, .. } => self
                .listed(rule, output, except)
                .and_then(|files| self.of_unit(files, unit, header, role))
                .and_then(|(files, lookups)| self.recorded(files, lookups, began)),
            DependencyTracking::Header { except, header, .. } => self
                .listed(rule, output, except)
                .and_then(|files| self.of_header(files, header))
                .and_then(|(files, lookups)| self.recorded(files, lookups, began)),
            DependencyTracking::Link { objects, .. } => {
                self.linked(rule, objects).and_then(|(files, lookups)| self.recorded(files, lookups, began))
            }
        };
        inputs.inspect_err(|why| observer.event(&Event::InputsUnknown { what: &tracking.name(), why })).ok()
    }

    fn recorded(&self, files: Vec<PathBuf>, lookups: Lookups, began: SystemTime) -> Result<Inputs, Unknown> {
        let watched = self.watched.files.iter().cloned();
        Inputs::record(files.into_iter().chain(watched), lookups, began, &self.digests).ok_or(CHANGED)
    }

    /// Returns the files that the compiler lists.
    fn listed(
        &self,
        rule: Option<io::Result<Vec<u8>>>,
        output: &[u8],
        except: &[&Path],
    ) -> Result<Vec<PathBuf>, Unknown> {
        let rule =
            if self.toolchain().writes_depfile() { rule.and_then(Result::ok).ok_or(NO_LIST)? } else { Vec::new() };
        let mut files = self.toolchain().dependencies(&rule, output);
        // Every list contains the source.
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
        self.add_facts(&mut all, &files)?;
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
        self.add_facts(&mut all, &files)?;
        // Files that the assembler reads are inputs of units, not of the precompiled header.
        if let Some(why) = all.unknown_file_test_reason() {
            return Err(why);
        }
        let none = Includer { facts: &TextFacts::default(), dir: None };
        let lookups = Lookups::of(&none, &files, self.search_path()?, &self.digests);
        Ok((self.with_named(files), lookups))
    }

    /// Returns the facts about a header's texts that concern the units behind the header.
    pub(crate) fn facts_of(&self, header: Option<&Inputs>) -> TextFacts {
        let mut all = TextFacts::default();
        let known = header.is_some_and(|inputs| self.add_facts(&mut all, inputs.paths()).is_ok());
        if known { all } else { TextFacts::unknown() }
    }

    /// Joins the facts of the flags and of the files to `all`.
    fn add_facts<'p>(&self, all: &mut TextFacts, files: impl IntoIterator<Item = &'p PathBuf>) -> Result<(), Unknown> {
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

    /// Returns a plan in which the linker lists its inputs, and the path of the list. `None` if the linker cannot write such a list.
    pub(crate) fn with_link_list(&self, plan: &Plan, library: &Path) -> Option<(Plan, PathBuf)> {
        let name = library.file_name().unwrap_or_default();
        let depfile = self.scratch.path().join(name).with_added_extension("d");
        let lists = self.records_units && self.linker_lists.load(Ordering::Relaxed);
        let args = lists.then(|| self.toolchain().link_depfile(&depfile)).flatten()?;
        let mut plan = plan.clone();
        // The last step links.
        plan.steps.last_mut()?.args.extend(args);
        Some((plan, depfile))
    }

    /// Links by the driver. Links again without a list if the linker does not support the flag.
    pub(super) fn run_link(
        &self,
        plan: &Plan,
        objects: &[PathBuf],
        library: &Path,
        deadline: Option<Instant>,
        observer: &dyn Observer,
    ) -> Result<StepOutput, UnitError> {
        if let Some((listing, depfile)) = self.with_link_list(plan, library) {
            let tracking = DependencyTracking::Link { depfile: Some(&depfile), objects };
            match self.run(&listing, Phase::Link, tracking, deadline, observer) {
                Err(failure) if failure.output().contains("dependency-file") => {
                    self.linker_lists.store(false, Ordering::Relaxed);
                }
                result => return result,
            }
        }
        let tracking = if self.records_units {
            DependencyTracking::Link { depfile: None, objects }
        } else {
            DependencyTracking::Nothing { depfile: None }
        };
        self.run(plan, Phase::Link, tracking, deadline, observer)
    }

    /// Returns the inputs of a link except for the objects, which are part of the key.
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
        // Compared by unique names, since a linker may write a path in another form.
        let own_dir = temporary.file_name();
        let is_own = |path: &Path| {
            objects.iter().any(|object| object == path || object.file_name() == path.file_name())
                || path.components().any(|part| Some(part.as_os_str()) == own_dir)
        };
        let has_list = files.iter().any(|path| is_own(path));
        if !has_list && self.flags.ldflags.iter().any(|arg| may_search(arg.to_str())) {
            return Err("the linker does not list its input files, and a flag makes the linker search for files");
        }
        files.retain(|path| !is_own(path));
        let lookups = self.preferred_libraries(&files);
        let named = configuration.link_files.iter().chain(&configuration.files).cloned();
        let mut files: BTreeSet<PathBuf> = files.into_iter().chain(named).collect();
        for archive in files.clone() {
            add_members(&archive, &mut files)?;
        }
        Ok((files.into_iter().collect(), lookups))
    }

    /// Returns the paths at which the linker would find another library first: in an earlier directory, or a shared library beside an
    /// archive.
    fn preferred_libraries(&self, files: &[PathBuf]) -> Lookups {
        let dirs = &self.configuration().library_dirs;
        let mut lookups = Lookups::default();
        let plain = |path: &Path| path.strip_prefix(".").unwrap_or(path).to_owned();
        for file in files {
            let (Some(dir), Some(name)) = (file.parent().map(plain), file.file_name()) else { continue };
            let Some(at) = dirs.iter().position(|other| plain(other) == dir) else { continue };
            let twins = ["so", "a"].map(|suffix| Path::new(name).with_extension(suffix));
            for name in twins.iter().map(PathBuf::as_path).chain([Path::new(name)]) {
                // The linker looks for both suffixes in a directory before the next directory.
                for path in dirs[..=at].iter().map(|dir| dir.join(name)).filter(|path| !path.exists()) {
                    lookups.absent(path);
                }
            }
        }
        lookups
    }
}

/// True if an argument may make a linker search for files. An argument that is not UTF-8 may.
fn may_search(arg: Option<&str>) -> bool {
    const SEARCHING: [&str; 8] = ["-L", "-l", "-Wl,", "-Xlinker", "-T", "-B", "-specs", "@"];
    let Some(arg) = arg else { return true };
    let microsoft = ["LIBPATH:", "DEFAULTLIB:", "WHOLEARCHIVE:"];
    let option = arg.strip_prefix(['-', '/']).map(str::to_ascii_uppercase);
    match option {
        Some(option) => {
            SEARCHING.iter().any(|flag| arg.starts_with(flag)) || microsoft.iter().any(|flag| option.starts_with(flag))
        }
        None => !Path::new(arg).is_file(),
    }
}

/// Adds the members of a thin archive, which contains the paths of files instead of files.
fn add_members(archive: &Path, files: &mut BTreeSet<PathBuf>) -> Result<(), Unknown> {
    const UNREADABLE: Unknown = "a thin archive that was linked cannot be read";
    let mut magic = [0; 8];
    let read = files::open(archive).and_then(|mut file| io::Read::read_exact(&mut file, &mut magic));
    // A file that is too short is not an archive.
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
