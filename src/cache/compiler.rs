//! What a compiler is by content: the driver, the programs that it starts, the libraries that it is made of. Hashes of big files are
//! remembered in the cache by path, size and times.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mjit_cc_platforms::response::Syntax;
use mjit_cc_platforms::{Compiler, CompilerParts, Step};

use super::room;
use crate::depend::Stamp;
use crate::discover::Environment;
use crate::exec::Invocation;
use crate::files;
use crate::key::{Digest, KeyBuilder};
use crate::pipeline::Pipeline;

/// How long a compiler may take to say where its parts are.
const PATIENCE: Duration = Duration::from_secs(60);

/// Finds a compiler's parts and hashes them.
pub(super) struct Anatomist<'a> {
    pub(super) pipeline: &'a Pipeline,
    pub(super) environment: &'a Environment,
    /// Where hashes are remembered.
    pub(super) notes: PathBuf,
}

impl Anatomist<'_> {
    /// What changes when the compiler does, and does not where the same one was installed anew or elsewhere.
    pub(super) fn identity(&self) -> io::Result<Digest> {
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
        let mut key = KeyBuilder::new("compiler by content").field(self.pipeline.compiler.surroundings.as_str());
        for file in [driver].iter().chain(&files) {
            key = key.field(self.digest(file)?.as_str());
        }
        Ok(key.finish())
    }

    /// Where a program is that the driver starts. One that is not there cannot be told from another; that the driver could not be asked is an error,
    /// since compilers would be taken for one another.
    fn program(&self, compiler: &Compiler, name: &str) -> io::Result<Option<PathBuf>> {
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
        let output = self.pipeline.executor.run(&invocation).map_err(io::Error::other)?.output;
        let answer = std::str::from_utf8(&output).map_err(io::Error::other)?.trim();
        self.environment.programs(OsStr::new(answer)).next().map(fs::canonicalize).transpose()
    }

    fn digest(&self, file: &Path) -> io::Result<Digest> {
        let note = Stamp::of(file).filter(Stamp::is_settled).map(|stamp| {
            let name = KeyBuilder::new("file").field(file.as_os_str().as_encoded_bytes()).field(format!("{stamp:?}"));
            self.notes.join(name.finish().as_str())
        });
        // A note is a hash and the hash of that, so that one that was cut off is none.
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
            // A note that cannot be made is made another time.
            let text = format!("{text}\n{}", check(&text));
            let _ = room::temporary(&self.notes).and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.persist(note).map_err(|error| error.error)
            });
        }
        Ok(digest)
    }
}

/// The shared libraries in a folder whose names begin so.
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
            // A link that leads nowhere is no library.
            found.extend(fs::canonicalize(entry.path()).ok());
        }
    }
    Ok(found)
}
