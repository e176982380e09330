//! What a compiler is by content: the driver, the programs that it starts, the libraries that it is made of. Hashes of big files are
//! remembered in the cache by path, size and times.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mjit_cc_platforms::response::Syntax;
use mjit_cc_platforms::{Compiler, CompilerParts, Step};

use crate::cache::{Cache, CachePlace, ObjectCache};
use crate::depend::Stamp;
use crate::discover::Environment;
use crate::event::Observer;
use crate::exec::Invocation;
use crate::key::{Digest, KeyBuilder};
use crate::pipeline::Pipeline;

/// How long a compiler may take to say where its parts are.
const PATIENCE: Duration = Duration::from_secs(60);

impl ObjectCache {
    /// Takes the fingerprint of a pipeline's compiler, which reads all of the compiler the first time. Returns `None` if that fails; then the
    /// observer was told why.
    pub fn open(
        place: CachePlace,
        pipeline: &Pipeline,
        environment: &Environment,
        observer: &dyn Observer,
    ) -> Option<Arc<Self>> {
        let cache = Cache::new(place);
        match (CompilerFingerprint { pipeline, environment, notes: cache.notes() }).identity() {
            Ok(compiler) => Some(Arc::new(Self::new(cache, compiler))),
            Err(error) => {
                cache.tell(observer, &error);
                None
            }
        }
    }
}

/// Finds a compiler's parts and hashes them.
struct CompilerFingerprint<'a> {
    pipeline: &'a Pipeline,
    environment: &'a Environment,
    /// Where hashes are remembered.
    notes: PathBuf,
}

impl CompilerFingerprint<'_> {
    /// What changes when the compiler does, and does not where the same one was installed anew or elsewhere.
    fn identity(&self) -> io::Result<Digest> {
        let compiler = self.pipeline.toolchain().compiler();
        let parts = CompilerParts::of(compiler.family);
        let driver = fs::canonicalize(&compiler.program)?;
        let mut files = Vec::new();
        for program in parts.programs {
            files.extend(self.program(compiler, program));
        }
        let here = driver.parent().unwrap_or(Path::new(""));
        for (folder, beginning) in parts.libraries {
            files.extend(libraries(&here.join(folder), beginning));
        }
        // Libraries have several names each.
        files.sort_unstable();
        files.dedup();
        let mut key = KeyBuilder::new("compiler by content").field(self.pipeline.compiler.surroundings.as_str());
        for file in [driver].iter().chain(&files) {
            key = key.field(self.digest(file)?.as_str());
        }
        Ok(key.finish())
    }

    /// Where a program is that the driver starts. One that is not there cannot be told from another.
    fn program(&self, compiler: &Compiler, name: &str) -> Option<PathBuf> {
        let ask = format!("-print-prog-name={name}");
        let step = Step {
            program: compiler.program.clone(),
            leading: compiler.leading.clone(),
            // With the flags: -B says where to look.
            args: self.pipeline.flags.cflags.iter().cloned().chain([ask.into()]).collect(),
            env: compiler.env.clone(),
            response: Syntax::Gnu,
        };
        let deadline = Some(Instant::now() + PATIENCE);
        let invocation = Invocation { step: &step, deadline, temp_dir: self.pipeline.scratch.path() };
        let output = self.pipeline.executor.run(&invocation).ok()?.output;
        let answer = std::str::from_utf8(&output).ok()?.trim();
        let path = self.environment.programs(OsStr::new(answer)).next()?;
        fs::canonicalize(path).ok()
    }

    fn digest(&self, file: &Path) -> io::Result<Digest> {
        let note = Stamp::of(file).filter(Stamp::is_settled).map(|stamp| {
            let name = KeyBuilder::new("file").field(file.as_os_str().as_encoded_bytes()).field(format!("{stamp:?}"));
            self.notes.join(name.finish().as_str())
        });
        // A note is a hash and the hash of that, so that one that was cut off is none.
        let check = |text: &str| KeyBuilder::new("note").field(text).finish();
        let known = note.as_ref().and_then(|note| fs::read_to_string(note).ok());
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
            // A note that cannot be made is made another time.
            let _ = fs::create_dir_all(&self.notes);
            let _ = fs::write(note, format!("{text}\n{}", check(&text)));
        }
        Ok(digest)
    }
}

/// The shared libraries in a folder whose names begin so.
fn libraries(folder: &Path, beginning: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let shared = name.contains(".so") || [".dylib", ".dll"].iter().any(|ending| name.ends_with(ending));
        shared && name.starts_with(beginning)
    });
    ours.filter_map(|entry| fs::canonicalize(entry.path()).ok()).collect()
}
