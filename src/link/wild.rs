//! Runs the linker wild from memory to memory; its input names refer to no files. Does not know the meaning of the objects.

mod buffer;
mod objects;
mod script;
mod segments;
mod sound;
mod stub;
mod system;
mod threads;

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

use mjit_cc_platforms::LinkLine;

use super::NotLinked;
use crate::sync;
use buffer::Buffer;
use objects::{FileBytes, Objects};
use system::{Added, System};
use threads::Threads;

pub(crate) use threads::on_this_thread;

/// The number of objects for which several threads are used: starting threads takes longer than linking fifty objects.
const MANY: usize = 250;

/// The maximum ratio of a library's size to its objects' size: the linker writes data for symbols and relocations.
const MAX_GROWTH: usize = 16;

/// The maximum additional size, in bytes, for alignments.
const MAX_ADDED: usize = 64 << 20;

const LIBRARY: &str = "library.so";

/// The linker of one pipeline: wild, with a thread pool. Shared by threads, each of which links separately.
#[derive(Default)]
pub(crate) struct InProcess {
    threads: Threads,
    known: Arc<LinkCache>,
}

/// Results of earlier links, for later links.
#[derive(Default)]
struct LinkCache {
    system: OnceLock<Option<System>>,
    /// The arguments for one object, and their parsed form: parsing again would take a tenth of such a link. The second element is for an
    /// object with one further input, such as the C library's versions.
    usual: [OnceLock<(Vec<String>, Args)>; 2],
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").finish_non_exhaustive()
    }
}

impl InProcess {
    /// True if this build has a linker.
    pub(crate) const IS_AVAILABLE: bool = true;

    /// Links objects into a library of the kind that `arguments` specifies. `ask` asks the compiler how it links; it is called at most once,
    /// and only if an object has an open symbol.
    pub(crate) fn link(
        &self,
        arguments: &[&str],
        objects: &[PathBuf],
        threads: usize,
        ask: impl FnOnce() -> Option<LinkLine>,
    ) -> Result<Buffer, NotLinked> {
        let threads = if objects.len() >= MANY { threads } else { 1 };
        let arguments: Arc<[String]> = arguments.iter().map(|&word| word.to_owned()).collect();
        let objects: Arc<[PathBuf]> = objects.into();
        let link = || {
            let (known, arguments, objects) = (Arc::clone(&self.known), Arc::clone(&arguments), Arc::clone(&objects));
            self.threads.install(threads, move || catch_panic(|| known.link(&arguments, &objects)))?
        };
        if let Some(library) = link()? {
            return Ok(library);
        }
        // Asking runs a process. Neither a rayon thread nor a once-lock may wait for a process: a fork would inherit the wait.
        let found = ask().map(|line| System::read(&line)).transpose()?;
        self.known.system.get_or_init(|| found);
        link()?.ok_or_else(|| NotLinked::Refused("the compiler was not asked for its link command".to_owned()))
    }
}

impl LinkCache {
    /// Links on the current rayon threads. `None` if the compiler has to be asked first how it links.
    fn link(&self, arguments: &[String], objects: &[PathBuf]) -> Result<Option<Buffer>, NotLinked> {
        let objects = Objects::read(objects)?;
        let added = match (objects.open(), self.system.get()) {
            ([], _) => Added::default(),
            (_, None) => return Ok(None),
            (open, Some(Some(system))) => system.needed_inputs(open)?,
            (_, Some(None)) => return Err(NotLinked::Unserved("the compiler does not print its link command")),
        };
        self.run(arguments, objects.texts, added).map(Some)
    }

    fn run(&self, arguments: &[String], objects: Vec<FileBytes>, added: Added) -> Result<Buffer, NotLinked> {
        let usual =
            (objects.len() == 1 && added.before.is_empty()).then(|| self.usual.get(added.behind.len())).flatten();
        let mut files = HashMap::new();
        let mut line: Vec<String> = std::iter::once("wild".to_owned()).chain(arguments.iter().cloned()).collect();
        line.extend(["-o".to_owned(), LIBRARY.to_owned()]);
        if usual.is_some() {
            // The compiler has merged the strings of an object; merging again would take a tenth of the time for one unit.
            line.push("--no-string-merge".to_owned());
        }
        for (number, input) in added.before.into_iter().chain(objects).chain(added.behind).enumerate() {
            // wild opens an input by its name.
            let name = format!("{number}.o");
            files.insert(PathBuf::from(&name), input);
            line.push(name);
        }
        let memory = MemoryFiles(Arc::new(SharedFiles { files, library: Mutex::default() }));
        let linker = Linker::with_file_system(memory.clone());
        match usual.and_then(OnceLock::get) {
            Some((known, args)) if *known == line => linker.run(args).map(drop).map_err(refused)?,
            _ => {
                let args = parse_arguments(&line)?;
                linker.run(&args).map(drop).map_err(refused)?;
                if let Some(usual) = usual {
                    // Another thread may have set the value first.
                    let _ = usual.set((line, args));
                }
            }
        }
        let library = sync::lock(&memory.0.library).take();
        let mut library = library.ok_or_else(|| NotLinked::Refused("wild made no library".to_owned()))?;
        segments::align_empty(&mut library)?;
        Ok(library)
    }
}

/// Parses bytes as a library, as a linker script, and as an unchecked object, for the tests with damaged files.
pub(crate) fn read_library(bytes: &[u8]) {
    let _ = script::inputs(&String::from_utf8_lossy(bytes));
    let _ = stub::read(bytes);
    let _ = segments::align_empty(&mut bytes.to_vec());
    let _ = sound::check(bytes);
}

fn parse_arguments(line: &[String]) -> Result<Args, NotLinked> {
    let arguments = || line.iter().map(String::as_str);
    let mut args = Args::new(arguments).map_err(refused)?;
    // wild would print warnings; only errors count.
    args.on_warning(Box::new(|_| ()));
    args.parse(arguments).map_err(refused)?;
    Ok(args)
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err wants it")]
fn refused(error: libwild::error::Error) -> NotLinked {
    NotLinked::Refused(error.to_string())
}

/// Turns a panic of the linker into an error.
fn catch_panic<T>(link: impl FnOnce() -> Result<T, NotLinked>) -> Result<T, NotLinked> {
    catch_unwind(AssertUnwindSafe(link))
        .unwrap_or_else(|panic| Err(NotLinked::Refused(format!("wild panicked: {}", panic_message(&*panic)))))
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no arguments").to_owned()
}

/// The file system that wild sees: the inputs, and the library after the link.
#[derive(Clone)]
struct MemoryFiles(Arc<SharedFiles>);

struct SharedFiles {
    files: HashMap<PathBuf, FileBytes>,
    library: Mutex<Option<Buffer>>,
}

impl InputFileData for FileBytes {
    fn bytes(&self) -> &[u8] {
        self.bytes()
    }
}

struct MemoryOutput {
    bytes: Buffer,
    memory: MemoryFiles,
}

impl OutputFileData for MemoryOutput {
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

impl MemoryFiles {
    fn get(&self, path: &Path) -> io::Result<&FileBytes> {
        self.0.files.get(path).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl FileSystem for MemoryFiles {
    type Input = FileBytes;
    type Output = MemoryOutput;

    fn open_input(&self, path: &Path, _prepopulate_maps: bool) -> Result<(FileBytes, Option<Arc<File>>)> {
        Ok((self.get(path)?.clone(), None))
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

    fn create_output(&self, _path: Arc<Path>, options: OutputOptions) -> Result<MemoryOutput> {
        let size = usize::try_from(options.size).map_err(io::Error::other)?;
        let inputs: usize = self.0.files.values().map(|text| text.bytes().len()).sum();
        if size > inputs.saturating_mul(MAX_GROWTH).saturating_add(MAX_ADDED) {
            return Err(io::Error::other(format!("{inputs} bytes of objects would make a library of {size}")).into());
        }
        Ok(MemoryOutput { bytes: Buffer::zeroed(size), memory: self.clone() })
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
        let linked: Result<(), _> = catch_panic(|| panic!("no {}", "way"));
        assert!(matches!(linked, Err(NotLinked::Refused(text)) if text == "wild panicked: no way"));
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
        assert_eq!(wild.threads.resting(), 1);
    }
}
