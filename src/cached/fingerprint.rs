//! The fingerprint of a compiler by content: the driver, the programs that it starts, the libraries that it consists
//! of. Hashes of big files
//! are remembered in the cache by path, size and times.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mjit_cc_platforms::response::Syntax;
use mjit_cc_platforms::{Compiler, CompilerParts, Step};

use crate::cache::{self, Cache, CachePlace, ObjectCache};
use crate::depend::Stamp;
use crate::discover::Environment;
use crate::event::Observer;
use crate::exec::Invocation;
use crate::files;
use crate::key::{Digest, KeyBuilder};
use crate::pipeline::Pipeline;

/// The time limit for a compiler's answer about its parts.
const PATIENCE: Duration = Duration::from_secs(60);

impl ObjectCache {
    /// Computes the fingerprint of a pipeline's compiler, which reads the whole compiler the first time. Returns `None`
    /// if that fails, after
    /// telling the observer why.
    pub fn open(
        place: CachePlace,
        pipeline: &Pipeline,
        environment: &Environment,
        observer: &dyn Observer,
    ) -> Option<Arc<Self>> {
        let cache = Cache::new(place);
        let fingerprint = CompilerFingerprint { pipeline, environment, fingerprints: cache.fingerprints() };
        match cache.ensure_private().and_then(|()| fingerprint.identity()) {
            Ok(compiler) => Some(Arc::new(Self::new(cache, compiler))),
            Err(error) => {
                cache.report_unusable(observer, &error);
                None
            }
        }
    }
}

/// Finds a compiler's parts and hashes them.
struct CompilerFingerprint<'a> {
    pipeline: &'a Pipeline,
    environment: &'a Environment,
    /// The directory of remembered hashes.
    fingerprints: PathBuf,
}

impl CompilerFingerprint<'_> {
    /// Returns a hash that changes with the compiler's content, and stays the same if the same compiler is reinstalled or moved.
    fn identity(&self) -> io::Result<Digest> {
        let compiler = self.pipeline.toolchain().compiler();
        let parts = CompilerParts::of(compiler.family);
        let driver = fs::canonicalize(&compiler.program)?;
        let mut files = Vec::new();
        for program in parts.programs {
            files.extend(self.program(compiler, program)?);
        }
        let here = driver.parent().unwrap_or(Path::new(""));
        for (folder, beginning) in parts.libraries {
            files.extend(libraries(&here.join(folder), beginning)?);
        }
        // Libraries have several names each.
        files.sort_unstable();
        files.dedup();
        let mut key = KeyBuilder::new("compiler by content").field(self.pipeline.compiler.config_digest.as_str());
        for file in [driver].iter().chain(&files) {
            key = key.field(self.digest(file)?.as_str());
        }
        Ok(key.finish())
    }

    /// Returns the path of a program that the driver starts; `None` if the program does not exist. An error if the driver cannot be asked,
    /// because then two compilers could not be distinguished.
    fn program(&self, compiler: &Compiler, name: &str) -> io::Result<Option<PathBuf>> {
        let ask = format!("-print-prog-name={name}");
        let step = Step {
            program: compiler.program.clone(),
            leading: compiler.leading.clone(),
            // With the user's flags: -B sets the search path.
            args: self.pipeline.flags.cflags.iter().cloned().chain([ask.into()]).collect(),
            env: compiler.env.clone(),
            response: Syntax::Gnu,
        };
        let deadline = Some(Instant::now() + PATIENCE);
        let invocation = Invocation { step: &step, deadline, temp_dir: self.pipeline.scratch.path() };
        let output = self.pipeline.executor.run(&invocation).map_err(io::Error::other)?.output;
        let answer = std::str::from_utf8(&output).map_err(io::Error::other)?.trim();
        self.environment.programs(OsStr::new(answer)).next().map(fs::canonicalize).transpose()
    }

    fn digest(&self, file: &Path) -> io::Result<Digest> {
        let note = Stamp::of(file).filter(Stamp::is_settled).map(|stamp| {
            let name = KeyBuilder::new("file").field(file.as_os_str().as_encoded_bytes()).field(format!("{stamp:?}"));
            self.fingerprints.join(name.finish().as_str())
        });
        // The text is a hash and the hash of that hash, so that a truncated file is invalid.
        let check = |text: &str| KeyBuilder::new("note").field(text).finish();
        let known = note.as_ref().and_then(|note| files::read_to_string(note).ok());
        if let Some((text, sum)) = known.as_deref().and_then(|known| known.split_once('\n'))
            && sum == check(text).as_str()
            && let Ok(digest) = serde_json::from_str(text)
        {
            return Ok(digest);
        }
        let digest = Digest::of_file(file)?;
        if let Some(note) = note
            && let Ok(text) = serde_json::to_string(&digest)
        {
            // A hash that cannot be written now is written another time.
            let text = format!("{text}\n{}", check(&text));
            let _ = cache::temporary(&self.fingerprints).and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.persist(note).map_err(|error| error.error)
            });
        }
        Ok(digest)
    }
}

/// Returns the shared libraries in a folder whose names have this prefix.
fn libraries(folder: &Path, beginning: &str) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let shared = name.contains(".so") || [".dylib", ".dll"].iter().any(|ending| name.ends_with(ending));
        if shared && name.starts_with(beginning) {
            // A dangling link is no library.
            found.extend(fs::canonicalize(entry.path()).ok());
        }
    }
    Ok(found)
}
