//! wild, the linker, from memory to memory: it sees names that are no files'. Knows nothing of what is linked.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use libwild::error::Result;
use libwild::{Args, FileSystem, FileType, InputFileData, Linker, OutputFileData, OutputOptions};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::objects::{Objects, Runtime};
use super::{NotLinked, segments};
use crate::sync;

/// So many objects are worth several threads: starting those takes longer than linking fifty.
const MANY: usize = 250;

const LIBRARY: &str = "library.so";
const ARCHIVE: &str = "runtime.a";

/// The linker of one pipeline: wild, with threads of its own. In the caller's it would take part in whatever else that thread does with rayon,
/// and rayon's global ones would belong to the host, and be gone in the child of a fork. Threads rest here between links. Shared by threads,
/// each of which links by itself.
#[derive(Default)]
pub(crate) struct InProcess {
    resting: Mutex<Vec<ThreadPool>>,
    runtime: OnceLock<Option<Runtime>>,
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").finish_non_exhaustive()
    }
}

impl InProcess {
    /// Whether there is one.
    pub(crate) const IS_THERE: bool = true;

    /// Links objects into a library, told by `words` what kind. `find_runtime` names the compiler's own library; it is asked once, and only
    /// when something may be in there.
    pub(crate) fn link(
        &self,
        words: &[&str],
        objects: &[PathBuf],
        threads: usize,
        find_runtime: impl FnOnce() -> Option<PathBuf> + Send,
    ) -> Result<Vec<u8>, NotLinked> {
        let link = || {
            let objects = Objects::read(objects)?;
            let runtime = objects.may_want_runtime().then(|| {
                let read = || Runtime::read(&find_runtime()?);
                self.runtime.get_or_init(read).as_ref()
            });
            let archive = match runtime.flatten() {
                Some(runtime) => runtime.wanted_by(&objects)?,
                None => None,
            };
            link(words, objects.texts, archive)
        };
        if threads > 1 && objects.len() >= MANY {
            return pool(threads)?.install(|| guarded(link));
        }
        let rested = sync::lock(&self.resting).pop();
        let pool = match rested {
            Some(pool) => pool,
            None => pool(1)?,
        };
        let linked = pool.install(|| guarded(link));
        sync::lock(&self.resting).push(pool);
        linked
    }
}

fn pool(threads: usize) -> Result<ThreadPool, NotLinked> {
    let name = |_| "mjit-cc-link".to_owned();
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(name)
        .build()
        .map_err(|error| NotLinked::Io(io::Error::other(error)))
}

/// A fault of the linker's is no fault of whoever links.
fn guarded<T>(link: impl FnOnce() -> Result<T, NotLinked>) -> Result<T, NotLinked> {
    catch_unwind(AssertUnwindSafe(link))
        .unwrap_or_else(|panic| Err(NotLinked::Refused(format!("it panicked: {}", words_of(&*panic)))))
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no words").to_owned()
}

fn link(words: &[&str], objects: Vec<Vec<u8>>, archive: Option<Vec<u8>>) -> Result<Vec<u8>, NotLinked> {
    let refused = |error: libwild::error::Error| NotLinked::Refused(error.to_string());
    let mut files = HashMap::new();
    let mut line: Vec<String> = ["wild"].iter().chain(words).map(|&word| word.to_owned()).collect();
    line.extend(["-o".to_owned(), LIBRARY.to_owned()]);
    for (number, object) in objects.into_iter().enumerate() {
        let name = format!("{number}.o");
        files.insert(PathBuf::from(&name), object.into());
        line.push(name);
    }
    if let Some(archive) = archive {
        files.insert(ARCHIVE.into(), archive.into());
        line.push(ARCHIVE.to_owned());
    }
    let memory = Memory(Arc::new(Shared { files, library: Mutex::default() }));
    let words = || line.iter().map(String::as_str);
    let mut args = Args::new(words).map_err(refused)?;
    // It would print them; what matters is an error.
    args.on_warning(Box::new(|_| ()));
    args.parse(words).map_err(refused)?;
    let linker = Linker::with_file_system(memory.clone());
    linker.run(&args).map_err(refused)?;
    let library = sync::lock(&memory.0.library).take();
    let mut library = library.ok_or_else(|| NotLinked::Refused("it made no library".to_owned()))?;
    segments::align_empty(&mut library)?;
    Ok(library)
}

/// A file system that is none: the inputs, and the library once it is there.
#[derive(Clone)]
struct Memory(Arc<Shared>);

struct Shared {
    files: HashMap<PathBuf, Arc<[u8]>>,
    library: Mutex<Option<Vec<u8>>>,
}

#[derive(Debug)]
struct Input(Arc<[u8]>);

impl InputFileData for Input {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

struct Output {
    bytes: Vec<u8>,
    memory: Memory,
}

impl OutputFileData for Output {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    fn finish(self) -> Result {
        *sync::lock(&self.memory.0.library) = Some(self.bytes);
        Ok(())
    }
}

impl Memory {
    fn get(&self, path: &Path) -> io::Result<&Arc<[u8]>> {
        self.0.files.get(path).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl FileSystem for Memory {
    type Input = Input;
    type Output = Output;

    fn open_input(&self, path: &Path, _prepopulate_maps: bool) -> Result<(Input, Option<Arc<File>>)> {
        Ok((Input(Arc::clone(self.get(path)?)), None))
    }

    fn file_type(&self, path: &Path) -> Result<FileType> {
        Ok(self.get(path).map(|_| FileType::File)?)
    }

    fn canonicalize(&self, path: &Path) -> Result<PathBuf> {
        Ok(path.to_owned())
    }

    fn remove_file(&self, _path: &Path) -> Result<()> {
        Ok(())
    }

    fn rename_file(&self, _path: &Path, _new_path: &Path) -> Result<()> {
        Err(io::Error::from(io::ErrorKind::Unsupported).into())
    }

    fn create_output(&self, _path: Arc<Path>, options: OutputOptions) -> Result<Output> {
        let size = usize::try_from(options.size).map_err(io::Error::other)?;
        Ok(Output { bytes: vec![0; size], memory: self.clone() })
    }

    fn write_auxiliary(&self, _path: &Path, _bytes: &[u8]) -> Result {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linker_that_panics_is_one_that_refuses() {
        let linked: Result<(), _> = guarded(|| panic!("no {}", "way"));
        assert!(matches!(linked, Err(NotLinked::Refused(text)) if text == "it panicked: no way"));
    }

    #[test]
    fn what_is_no_object_is_refused_and_the_threads_stay() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "no object").unwrap();
        let wild = InProcess::default();
        for _ in 0..3 {
            let linked = wild.link(&["-m", "elf_x86_64", "-shared"], &[file.path().to_owned()], 1, || None);
            assert!(matches!(linked, Err(NotLinked::Refused(_))), "{linked:?}");
        }
        assert_eq!(sync::lock(&wild.resting).len(), 1);
    }
}
