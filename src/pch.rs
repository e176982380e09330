//! Precompiled headers: builds a PCH, checks that the compiler uses the PCH, and reuses the PCH while all of its inputs are unchanged. The
//! record beside a PCH lists the inputs, and is the lock file that processes share.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use mjit_cc_platforms::{Header, Job, Pch, Plan, PlanError};

use crate::depend::{FileDigests, Inputs};
use crate::error::{Error, Phase, UnitError};
use crate::event::{Event, Observer};
use crate::files;
use crate::key::{Digest, KeyBuilder};
use crate::lock::{self, Unlocking};
use crate::pipeline::{DependencyTracking, Pipeline};
use crate::scratch;

mod macros;
mod record;

pub use crate::header::{ReadyPch, UnitHeader, default_name};
use record::Record;
#[cfg(all(feature = "capi", not(loom)))]
pub(crate) use record::path as record_path;

pub(crate) use macros::has_only_macros;
pub(crate) use record::read_of as read_record_of;

/// Prepares the header of units: as a PCH in `file`, built or reused, or as text with a warning if a PCH cannot work.
///
/// # Errors
/// [`Error::Header`] if the header does not compile as text either; other errors if files cannot be written or locked.
pub fn prepare(pipeline: &Pipeline, header: &Path, file: &Path, observer: &dyn Observer) -> Result<UnitHeader, Error> {
    let header = std::path::absolute(header).map_err(Error::file("find", header))?;
    // Checked here, since a compiler's message would be less clear.
    files::check(&header).map_err(Error::unreadable(&header))?;
    if !pipeline.supports_pch() {
        return as_text(pipeline, header, observer);
    }
    let Some(suffix) = pipeline.toolchain().capabilities().pch_suffix else {
        let compiler = pipeline.toolchain().compiler();
        let text = format!("{} has no precompiled headers: every unit compiles the header as text", compiler.family);
        observer.event(&Event::Warning { text: &text });
        return as_text(pipeline, header, observer);
    };
    if let Some(more) =
        pipeline.toolchain().macro_files(&pipeline.flags).into_iter().find(|file| !macros::file_has_only_macros(file))
    {
        let text = format!(
            "no precompiled header of {}: {}, named by -imacros, has more than macros, or cannot be read; every unit compiles both as text",
            header.display(),
            more.display(),
        );
        observer.event(&Event::Warning { text: &text });
        return as_text(pipeline, header, observer);
    }
    if file.extension().is_none_or(|extension| extension != suffix) {
        return Err(Error::PchName { path: file.to_owned(), suffix });
    }
    let file = std::path::absolute(file).map_err(Error::file("find", file))?;
    let pch = Pch { header, file };
    let ready = ensure(pipeline, &pch, observer);
    if ready.is_err() {
        observer.event(&Event::PchFailed { header: &pch.header });
    }
    match ready {
        Ok(ready) => {
            if let (Some(_), Some(content)) = (&pipeline.launcher, &ready.portable) {
                // ccache hashes this file instead of the PCH, whose bytes differ in each build. Without the file, ccache finds less.
                let _ = files::write_atomic(&pch.file.with_added_extension("sum"), content.as_str().as_bytes());
            }
            observer.event(&Event::PchReady { file: &pch.file, reused: ready.reused, took: ready.took });
            Ok(UnitHeader::Pch(ready))
        }
        Err(Unready::Fatal(error)) => Err(error),
        Err(Unready::Failed(failure)) => {
            let text_header = as_text(pipeline, pch.header.clone(), observer)?;
            let text = format!(
                "no precompiled header of {}: every unit compiles the header as text ({failure})\n{}",
                pch.header.display(),
                failure.output().trim_end(),
            );
            observer.event(&Event::Warning { text: text.trim_end() });
            Ok(text_header)
        }
    }
}

/// Returns the path for the PCH of a header in the pipeline's private directory.
pub(crate) fn private_file(pipeline: &Pipeline, header: &Path) -> PathBuf {
    let suffix = pipeline.toolchain().capabilities().pch_suffix.unwrap_or_default();
    let name = default_name(header, suffix);
    pipeline.scratch.path().join(name.file_name().unwrap_or_default())
}

/// Does the same as [`prepare`] for a file in a private directory, which needs no lock. With an object cache, builds the PCH in the cache
/// for later processes.
pub(crate) fn prepare_private(
    pipeline: &Pipeline,
    header: &Path,
    file: &Path,
    observer: &dyn Observer,
) -> Result<UnitHeader, Error> {
    let header = std::path::absolute(header).map_err(Error::file("find", header))?;
    if let Some(cached) = cached_file(pipeline, &header, observer) {
        match prepare(pipeline, &header, &cached, observer) {
            Ok(ready) => {
                let dir = file.parent().unwrap_or(Path::new(""));
                if let Ok(own) = ready.moved_to(dir) {
                    return Ok(own);
                }
            }
            // The cache failed, not the header.
            Err(Error::File { source, .. }) => {
                pipeline.cache.iter().for_each(|cache| cache.report_unusable(observer, &source))
            }
            Err(error) => return Err(error),
        }
    }
    Ok(prepare(pipeline, &header, file, observer)?.unshared())
}

/// Returns the path of a header's PCH in the cache. A PCH with an object beside it (MSVC) is not cached.
fn cached_file(pipeline: &Pipeline, header: &Path, observer: &dyn Observer) -> Option<PathBuf> {
    let cache = pipeline.cache.as_deref()?;
    let suffix = pipeline.toolchain().capabilities().pch_suffix.filter(|_| pipeline.supports_pch())?;
    let plan = neutral_plan(pipeline, header).ok().filter(|plan| plan.companions.is_empty())?;
    let key = pipeline.plan_fields(KeyBuilder::new("kept pch"), &plan);
    match cache.pch_dir(key) {
        Ok(dir) => Some(dir.join(default_name(Path::new("header"), suffix))),
        Err(error) => {
            cache.report_unusable(observer, &error);
            None
        }
    }
}

/// Opens a PCH that `build-pch` built, and builds the PCH again if an input has changed.
///
/// # Errors
/// [`Error::UnknownPch`] if the PCH has no record; otherwise as [`prepare`].
pub fn reopen(pipeline: &Pipeline, file: &Path, observer: &dyn Observer) -> Result<UnitHeader, Error> {
    prepare(pipeline, &recorded(pipeline, file, observer)?.header, file, observer)
}

/// Returns the header of a PCH that `build-pch` built.
pub(crate) fn recorded(pipeline: &Pipeline, file: &Path, observer: &dyn Observer) -> Result<Pch, Error> {
    let path = record::path(file);
    // With a record, a missing PCH is built again.
    if !path.exists() {
        fs::metadata(file).map_err(Error::unreadable(file))?;
    }
    let unknown = || Error::UnknownPch(file.to_owned());
    let mut record = files::open(&path).map_err(|_| unknown())?;
    // A process that builds the PCH now is writing the record.
    lock::shared(&record, &path, &*pipeline.executor, observer)?;
    let header = record::read(&mut record).ok_or_else(unknown)?.header;
    Ok(Pch { header, file: std::path::absolute(file).map_err(Error::file("find", file))? })
}

/// Returns the processes that build a PCH.
pub(crate) fn plan(pipeline: &Pipeline, pch: &Pch) -> Result<Plan, PlanError> {
    let depfile = pipeline.scratch.path().join("header.d");
    pipeline.toolchain().plan(&pipeline.flags, &Job::BuildPch { pch, depfile: &depfile })
}

enum Unready {
    /// The compiler made no usable PCH.
    Failed(UnitError),
    /// The cause is not the compiler's, and the header as text would not help.
    Fatal(Error),
}

impl From<Error> for Unready {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}

impl From<UnitError> for Unready {
    fn from(failure: UnitError) -> Self {
        match failure {
            UnitError::Interrupted => Self::Fatal(Error::Interrupted),
            UnitError::NotStarted { program, source } => Self::Fatal(Error::CompilerGone { program, source }),
            UnitError::File { action, path, source } => Self::Fatal(Error::File { action, path, source }),
            failure => Self::Failed(failure),
        }
    }
}

fn as_text(pipeline: &Pipeline, header: PathBuf, observer: &dyn Observer) -> Result<UnitHeader, Error> {
    match pipeline.try_header(Header::Text(&header), observer) {
        Ok(()) => Ok(UnitHeader::Text(header)),
        Err(failure) => match Unready::from(failure) {
            Unready::Fatal(error) => Err(error),
            Unready::Failed(failure) => {
                let hint = hint(pipeline, &header);
                Err(Error::Header { header, failure: Box::new(failure), hint })
            }
        },
    }
}

/// Returns a hint for a preprocessed header, such as Ruby's `rb_mjit_min_header`: gcc's output contains extensions that only gcc supports.
fn hint(pipeline: &Pipeline, header: &Path) -> Option<&'static str> {
    let text = files::read(header).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let preprocessed = text.lines().any(|line| line.starts_with("# ") || line.starts_with("#define __GNUC__ "));
    let gcc = pipeline.toolchain().compiler().family == mjit_cc_platforms::Family::Gcc;
    (preprocessed && !gcc).then_some(
        "this header was preprocessed by another compiler, probably gcc, and needs that compiler: try --cc gcc",
    )
}

fn ensure(pipeline: &Pipeline, pch: &Pch, observer: &dyn Observer) -> Result<ReadyPch, Unready> {
    let began = Instant::now();
    let key = key(pipeline, pch).map_err(|error| Unready::Fatal(error.into()))?;
    let path = record::path(&pch.file);
    let mut built = false;
    loop {
        let mut record_file = match record::open(&path) {
            Ok(file) => Unlocking(file),
            // Another user's record, which can only be read.
            Err(error) => {
                return open_read_only(pipeline, pch, &key, &path, began, observer)?.ok_or(Unready::Fatal(error));
            }
        };
        lock::exclusive(&record_file.0, &path, &*pipeline.executor, observer)?;
        if !files::refers_to(&path, &record_file.0).map_err(Error::file("read", &path))? {
            // Another process has replaced the record.
            continue;
        }
        let mut record = record::read(&mut record_file.0);
        let digests = FileDigests::default();
        if !record.as_ref().is_some_and(|record| record.is_current(pch, &key, &digests)) {
            observer.event(&Event::PchStarted { header: &pch.header });
            let fresh = build(pipeline, pch, &key, observer)?;
            record_file = record::write(record_file, &path, &fresh).map_err(Error::file("write", &path))?;
            built = true;
            record = Some(fresh);
        }
        // Users of the PCH hold the lock shared. The lock cannot be changed from exclusive to shared in one step, so the record is compared
        // again.
        lock::release(&record_file.0, &path)?;
        lock::shared(&record_file.0, &path, &*pipeline.executor, observer)?;
        let same = record::read(&mut record_file.0).filter(|now| Some(now) == record.as_ref());
        let is_same_file = files::refers_to(&path, &record_file.0).map_err(Error::file("read", &path))?;
        if let Some(record) = same.filter(|_| is_same_file) {
            let (content, portable) = (record.content(), portable(pipeline, pch, &record));
            let (pch, facts, took) = (pch.clone(), record.facts, began.elapsed());
            return Ok(ReadyPch { pch, content, portable, facts, reused: !built, took, _record: Some(record_file) });
        }
    }
}

/// Returns a PCH whose record cannot be written; `None` unless the PCH is up to date.
fn open_read_only(
    pipeline: &Pipeline,
    pch: &Pch,
    key: &Digest,
    path: &Path,
    began: Instant,
    observer: &dyn Observer,
) -> Result<Option<ReadyPch>, Error> {
    let mut file = loop {
        let Ok(file) = files::open(path) else { return Ok(None) };
        let file = Unlocking(file);
        lock::shared(&file.0, path, &*pipeline.executor, observer)?;
        // A symbolic link to a record is followed, since nothing is written.
        if files::refers_to(path, &file.0).map_err(Error::file("read", path))? || path.is_symlink() {
            break file;
        }
    };
    let record = record::read(&mut file.0).filter(|record| record.is_current(pch, key, &FileDigests::default()));
    Ok(record.map(|record| ReadyPch {
        pch: pch.clone(),
        content: record.content(),
        portable: portable(pipeline, pch, &record),
        facts: record.facts,
        reused: true,
        took: began.elapsed(),
        _record: Some(file),
    }))
}

/// Returns the key of a PCH: the conditions of its reuse, except for the contents of files.
fn key(pipeline: &Pipeline, pch: &Pch) -> Result<Digest, PlanError> {
    // A fixed name: the depfile's directory is another one in each run.
    let plan = pipeline.toolchain().plan(&pipeline.flags, &Job::BuildPch { pch, depfile: Path::new("depfile") })?;
    Ok(pipeline.plan_key("pch", &plan).finish())
}

/// Returns a digest of a PCH's content for keys that contain the compiler already.
fn portable(pipeline: &Pipeline, pch: &Pch, record: &Record) -> Option<Digest> {
    let plan = neutral_plan(pipeline, &pch.header).ok()?;
    let inputs = serde_json::to_vec(record.known_inputs()?).ok()?;
    Some(pipeline.plan_fields(KeyBuilder::new("portable pch"), &plan).field(inputs).finish())
}

/// Returns the plan of a PCH with paths that are the same in each run.
fn neutral_plan(pipeline: &Pipeline, header: &Path) -> Result<Plan, PlanError> {
    let suffix = pipeline.toolchain().capabilities().pch_suffix.unwrap_or_default();
    let pch = Pch { header: header.to_owned(), file: Path::new("header").with_added_extension(suffix) };
    pipeline.toolchain().plan(&pipeline.flags, &Job::BuildPch { pch: &pch, depfile: Path::new("depfile") })
}

/// Builds and checks the PCH in a directory beside its final path, then moves the PCH there.
fn build(pipeline: &Pipeline, pch: &Pch, key: &Digest, observer: &dyn Observer) -> Result<Record, Unready> {
    // The record is locked, so that the directories of killed runs can be removed. A compiler that survived its run may still write there,
    // so that each directory has a unique name.
    let prefix = pch.file.with_added_extension("new");
    remove_dirs_with_prefix(&prefix)?;
    let staging = prefix.with_added_extension(scratch::unique_name());
    fs::create_dir(&staging).map_err(Error::file("create", &staging))?;
    let name = pch.file.file_name().unwrap_or_default();
    let staged = Pch { header: pch.header.clone(), file: staging.join(name) };
    let record = build_in(pipeline, &staged, pch, key, observer);
    scratch::remove_dir(&staging).map_err(Error::file("remove", &staging))?;
    record
}

/// Removes the directories whose paths begin with `prefix`.
fn remove_dirs_with_prefix(prefix: &Path) -> Result<(), Error> {
    let name = prefix.file_name().unwrap_or_default().as_encoded_bytes();
    let dir = prefix.parent().unwrap_or(Path::new(""));
    for entry in fs::read_dir(dir).map_err(Error::file("read", dir))?.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(name) {
            scratch::remove_dir(&entry.path()).map_err(Error::file("remove", &entry.path()))?;
        }
    }
    Ok(())
}

fn build_in(
    pipeline: &Pipeline,
    staged: &Pch,
    pch: &Pch,
    key: &Digest,
    observer: &dyn Observer,
) -> Result<Record, Unready> {
    let plan = plan(pipeline, staged).map_err(|error| Unready::Fatal(error.into()))?;
    let depfile = pipeline.scratch.path().join("header.d");
    let own: Vec<&Path> = plan.writes.iter().map(|file| file.path.as_path()).collect();
    // Without records of units, the PCH is private to this process and is never reused.
    let tracking = if pipeline.records_units {
        DependencyTracking::Header { depfile: &depfile, except: &own, header: &pch.header }
    } else {
        DependencyTracking::Nothing { depfile: Some(&depfile) }
    };
    let output = pipeline.run(&plan, Phase::Compile, tracking, pipeline.deadline(), observer)?;
    // The toolchain's flags make an unusable PCH an error, and the directory has no header of that name to fall back to: a compilation that
    // succeeds has used the PCH.
    pipeline.try_header(Header::Pch(staged), observer)?;

    if !output.text.is_empty() {
        let unit = pch.header.to_string_lossy();
        let diagnostics = pipeline.toolchain().diagnostics(output.text.as_bytes());
        observer.event(&Event::UnitOutput { unit: &unit, diagnostics: &diagnostics, text: &output.text });
    }
    // The inputs are unknown if a file has changed or was removed meanwhile, or has a name that a depfile cannot express. Such a PCH is
    // used now and never reused.
    let facts = pipeline.facts_of(output.inputs.as_ref());
    let (key, inputs) =
        output.inputs.map_or_else(|| (Digest::never(), Inputs::default()), |inputs| (key.clone(), inputs));
    let mut files = Vec::new();
    for path in plan.outputs.iter().chain(&plan.companions).filter(|path| path.exists()) {
        let name = path.file_name().unwrap_or_default();
        files.push((PathBuf::from(name), Digest::of_file(path).map_err(Error::file("read", path))?));
        let place = pch.file.with_file_name(name);
        fs::rename(path, &place).map_err(Error::file("write", &place))?;
    }
    Ok(Record::new(&pch.header, key, inputs, files).with_facts(facts))
}
