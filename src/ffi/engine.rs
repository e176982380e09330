//! The parts alone, for a VM that has a worker of its own: a directory, a PCH, one unit at a time, handles of the loader's.

use std::ffi::{OsString, c_char, c_void};
use std::io::Write as _;
use std::path::PathBuf;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Instant;

use super::fault::{Fault, OK, Status, status, yes};
use super::memory::{bytes, handle, path, read, row, spelled, text, wanted, word, words, write};
use super::worker::{Compiling, compiling, same_abi};
use super::{Built, EngineOptions, reaper};
use crate::configuration::Watched;
use crate::discover::Finder;
use crate::error::Failure;
use crate::event::{Event, Observer};
use crate::exec::{self, Executor, ProcessExecutor};
use crate::library::Library;
use crate::pch::{self, UnitHeader};
use crate::pipeline::Pipeline;
use crate::scratch::{Purpose, Scratch};
use crate::worker::{PartsEngine, PartsSource};

/// `mjitcc_engine`.
pub struct Engine {
    state: RwLock<State>,
    log: Log,
    header: Option<PathBuf>,
    pch: Option<PathBuf>,
    prefix: String,
    entry_prefix: String,
    save_temps: bool,
    reaper: Option<Arc<dyn exec::Reaper>>,
    /// What was loaded and not closed here, as numbers.
    handles: Mutex<Vec<usize>>,
}

/// What changes when a PCH is built, and in the child of a fork.
struct State {
    parts: PartsEngine,
    executor: Arc<ProcessExecutor>,
}

/// Prints as the worker does: a line is one write, since others write there too.
#[derive(Clone, Copy, Debug)]
struct Log {
    verbose: u32,
    warnings: bool,
}

impl Log {
    fn line(self, level: u32, line: &[u8]) -> bool {
        if level > self.verbose {
            return false;
        }
        std::io::stderr().write_all(&[line, b"\n"].concat()).is_ok()
    }
}

impl Observer for Log {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::PchStarted { .. } => self.line(2, b"Creating precompiled header"),
            Event::Running { step } => self.line(2, format!("Starting process: {step}").as_bytes()),
            Event::Warning { text } => {
                let level = u32::from(!self.warnings);
                self.line(level, format!("MJIT warning: {text}").as_bytes())
            }
            _ => return,
        };
    }
}

/// With the compiler's own words, where it had any.
fn describe(failure: &Failure) -> String {
    format!("{failure}\n{}", failure.output()).trim_end().to_owned()
}

impl Engine {
    fn start(options: &EngineOptions, reaper: Option<Arc<dyn exec::Reaper>>) -> Result<Self, Fault> {
        let compiling: Compiling = compiling!(options)?;
        // SAFETY: a string and lists of strings, or null, as the header says.
        let (pch, files, variables) =
            unsafe { (path(options.pch), words(options.hash_files), words(options.hash_env)) };
        let Compiling { wish, flags, environment, header, timeout, prefix, entry_prefix } = compiling;
        let log = Log { verbose: options.verbose, warnings: options.warnings != 0 };
        let scratch = Scratch::create(&environment.temp_dirs, Purpose::Code).map_err(failed)?;
        let executor = Arc::new(ProcessExecutor::within(reaper.clone(), None));
        let finder = Finder { environment: &environment, executor: &*executor, temp_dir: scratch.path() };
        let compiler = finder.find(&wish).map_err(failed)?;
        let mut pipeline = Pipeline::new(compiler, flags, Arc::<ProcessExecutor>::clone(&executor), scratch);
        pipeline.timeout = timeout;
        pipeline.watched = Watched::of(files.into_iter().map(Into::into), variables).map_err(failed)?;
        pipeline.check_link().map_err(failed)?;
        let prefix = prefix.unwrap_or_else(|| "_mjit_".to_owned());
        let save_temps = options.save_temps != 0;
        let before = header.clone().map_or(UnitHeader::None, UnitHeader::Text);
        let parts = PartsEngine::of_parts(pipeline, before, prefix.clone(), save_temps);
        Ok(Self {
            state: RwLock::new(State { parts, executor }),
            log,
            header,
            pch,
            prefix,
            entry_prefix: entry_prefix.unwrap_or_else(|| "_mjit".to_owned()),
            save_temps,
            reaper,
            handles: Mutex::default(),
        })
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn handles(&self) -> std::sync::MutexGuard<'_, Vec<usize>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn build_pch(&self) -> Result<(), Fault> {
        let header = self.header.as_deref().ok_or_else(|| Fault::misuse("the engine was opened without a header"))?;
        // Nobody builds units meanwhile: they wait for it.
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let pipeline = state.parts.pipeline();
        let file = self.pch.clone().unwrap_or_else(|| {
            let suffix = pipeline.toolchain().capabilities().pch_suffix.unwrap_or_default();
            let name = pch::default_name(header, suffix);
            pipeline.scratch.path().join(name.file_name().unwrap_or_default())
        });
        let ready = pch::prepare(pipeline, header, &file, &self.log).map_err(failed)?;
        state.parts.set_header(ready);
        Ok(())
    }

    fn build(&self, id: u64, text: &[u8], exports: &[String]) -> Result<Built, Fault> {
        let began = Instant::now();
        let state = self.state();
        let stem = state.parts.stem(id);
        let name = state.parts.source(&stem).to_string_lossy().into_owned();
        let source = PartsSource { name, text, units: 1 };
        let compiled = state.parts.compile(&stem, &source, &self.log);
        let library = compiled
            .and_then(|object| state.parts.link(&stem, &[object], exports, &self.log))
            .map_err(|failure| Fault::failed(describe(&failure)))?;
        let handle = library.into_raw();
        self.handles().push(handle.expose_provenance());
        Ok(Built { size: 0, reserved: 0, handle, ms: began.elapsed().as_secs_f64() * 1e3 })
    }

    /// Insists on a handle that this engine gave and that was not closed by it since.
    fn known(&self, handle: *mut c_void) -> Result<(), Fault> {
        place_of(handle, &self.handles()).map(|_| ())
    }

    /// The same, once and never again.
    fn forget(&self, handle: *mut c_void) -> Result<(), Fault> {
        let mut handles = self.handles();
        let at = place_of(handle, &handles)?;
        handles.swap_remove(at);
        Ok(())
    }

    /// In the child of a fork: leaves everything on disk to the parent, and goes on in a directory of its own.
    fn adopt(&self) -> Result<Status, Fault> {
        let Ok(mut state) = self.state.try_write() else {
            return Err(Fault::misuse("a thread was at work in the engine when the process forked"));
        };
        let executor = Arc::new(ProcessExecutor::within(self.reaper.clone(), None));
        let dowry = state.parts.dowry();
        let inherited = dowry.is_some();
        let parts = match dowry {
            Some(dowry) => state.parts.inherit(dowry, &executor),
            // The parent was faster, and its PCH is gone.
            None => {
                let Pipeline { compiler, flags, timeout, scratch, watched, .. } = state.parts.pipeline();
                let dir = scratch.path().parent().map(PathBuf::from).unwrap_or_default();
                let scratch = Scratch::create(&[dir], Purpose::Code).map_err(failed)?;
                let executor = Arc::<ProcessExecutor>::clone(&executor);
                let mut pipeline = Pipeline::new(compiler.clone(), flags.clone(), executor, scratch);
                pipeline.timeout = *timeout;
                pipeline.watched = watched.clone();
                let header = self.header.clone().map_or(UnitHeader::None, UnitHeader::Text);
                PartsEngine::of_parts(pipeline, header, self.prefix.clone(), self.save_temps)
            }
        };
        state.parts.disown();
        state.executor.abandon();
        if let Some(reaper) = &self.reaper {
            reaper.forked();
        }
        *state = State { parts, executor };
        Ok(yes(inherited))
    }
}

fn failed(error: impl Into<crate::Error>) -> Fault {
    let error = error.into();
    match &error {
        crate::Error::Header { failure, .. } => Fault::failed(format!("{error}\n{}", failure.output()).trim_end()),
        error => Fault::failed(error.to_string()),
    }
}

fn place_of(handle: *mut c_void, handles: &[usize]) -> Result<usize, Fault> {
    let place = handles.iter().position(|&known| known == handle.expose_provenance());
    place.ok_or_else(|| Fault::invalid("the handle is none of this engine's"))
}

/// # Safety
/// As [`handle`].
unsafe fn open<'a>(engine: *const Engine) -> Result<&'a Engine, Fault> {
    // SAFETY: the caller says so.
    unsafe { handle(engine, "engine") }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mjitcc_engine_open(options: *const EngineOptions, engine: *mut *mut Engine) -> Status {
    status(|| {
        wanted(engine, "the place for the engine")?;
        // SAFETY: as the header says.
        let (options, reaper) = unsafe {
            engine.write(ptr::null_mut());
            let options = read(options)?;
            same_abi(options.abi)?;
            (options, reaper::lent(options.reaper)?)
        };
        let opened = Box::new(Engine::start(&options, reaper)?);
        // SAFETY: as the header says.
        unsafe { engine.write(Box::into_raw(opened)) };
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mjitcc_engine_build_pch(engine: *mut Engine) -> Status {
    status(|| {
        // SAFETY: as the header says.
        unsafe { open(engine) }?.build_pch()?;
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mjitcc_engine_pch_file(engine: *const Engine, buffer: *mut c_char, room: usize) -> usize {
    let name = || {
        // SAFETY: as the header says.
        let state = unsafe { open(engine) }?.state();
        let file = state.parts.header().pch_file().map(|file| file.to_string_lossy().into_owned());
        Ok(file.unwrap_or_default())
    };
    // SAFETY: as the header says.
    unsafe { spelled(buffer, room, name) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mjitcc_engine_build(
    engine: *mut Engine,
    id: u64,
    text: *const c_char,
    length: usize,
    exports: *const *const c_char,
    built: *mut Built,
) -> Status {
    status(|| {
        wanted(built, "the place for what is built")?;
        // SAFETY: as the header says.
        let (engine, text, exports) =
            unsafe { (open(engine)?, row(text.cast::<u8>(), length, "the text")?, words(exports)) };
        let exports: Vec<String> = exports
            .into_iter()
            .map(OsString::into_string)
            .collect::<Result<_, _>>()
            .map_err(|_| Fault::invalid("a symbol is not UTF-8"))?;
        // Before anything is built that could not be told of.
        // SAFETY: as the header says.
        unsafe { write(built, &Built { size: 0, reserved: 0, handle: ptr::null_mut(), ms: 0.0 }) }?;
        let done = engine.build(id, text, &exports)?;
        // SAFETY: as the header says.
        unsafe { write(built, &done) }?;
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mjitcc_engine_symbol(
    engine: *const Engine,
    library: *mut c_void,
    name: *const c_char,
    address: *mut *mut c_void,
) -> Status {
    status(|| {
        wanted(address, "the place for the address")?;
        // SAFETY: as the header says.
        let (engine, name) = unsafe {
            address.write(ptr::null_mut());
            (open(engine)?, text(name).ok_or_else(|| Fault::invalid("the name is NULL"))?)
        };
        engine.known(library)?;
        // SAFETY: it was loaded by this engine; it stays loaded, since the share is given back as it came.
        let borrowed = std::mem::ManuallyDrop::new(unsafe { Library::from_raw(library) });
        let found = borrowed.address(&name).map_err(|error| Fault::failed(error.to_string()))?;
        // SAFETY: as the header says.
        unsafe { address.write(found.as_ptr()) };
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mjitcc_engine_close(engine: *mut Engine, library: *mut c_void) -> Status {
    status(|| {
        // SAFETY: as the header says.
        unsafe { open(engine) }?.forget(library)?;
        // SAFETY: it was loaded by this engine, and the caller says that nobody is inside.
        drop(unsafe { Library::from_raw(library) });
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mjitcc_engine_forget(engine: *mut Engine, library: *mut c_void) -> Status {
    status(|| {
        // SAFETY: as the header says.
        unsafe { open(engine) }?.forget(library)?;
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mjitcc_engine_remove(engine: *mut Engine, file: *const c_char) -> Status {
    status(|| {
        // SAFETY: as the header says.
        let (engine, file) = unsafe { (open(engine)?, word(file)) };
        let file = PathBuf::from(file.ok_or_else(|| Fault::invalid("the file is NULL"))?);
        let state = engine.state();
        let scratch = &state.parts.pipeline().scratch;
        let inside = file.strip_prefix(scratch.path()).is_ok_and(|rest| rest.components().count() == 1);
        if inside {
            scratch.remove(&file);
        } else if engine.pch.as_ref() == Some(&file) {
            crate::scratch::remove_file(&file);
            crate::scratch::remove_file(&pch::record_path(&file));
        } else {
            return Err(Fault::invalid(format!("{} is no file of this engine's", file.display())));
        }
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mjitcc_engine_log(engine: *const Engine, level: u32, line: *const c_char) -> Status {
    status(|| {
        // SAFETY: as the header says.
        let (engine, line) = unsafe { (open(engine)?, bytes(line)) };
        Ok(yes(engine.log.line(level, line.ok_or_else(|| Fault::invalid("the line is NULL"))?)))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mjitcc_engine_file_name(
    engine: *const Engine,
    id: u64,
    suffix: *const c_char,
    buffer: *mut c_char,
    room: usize,
) -> usize {
    let name = || {
        // SAFETY: as the header says.
        let (engine, suffix) = unsafe { (open(engine)?, text(suffix).unwrap_or_default()) };
        let state = engine.state();
        let path = state.parts.pipeline().scratch.path().join(state.parts.stem(id) + &suffix);
        Ok(path.to_string_lossy().into_owned())
    };
    // SAFETY: as the header says.
    unsafe { spelled(buffer, room, name) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mjitcc_engine_entry_name(
    engine: *const Engine,
    id: u64,
    label: *const c_char,
    buffer: *mut c_char,
    room: usize,
) -> usize {
    let name = || {
        // SAFETY: as the header says.
        let (engine, label) = unsafe { (open(engine)?, text(label)) };
        let debug = engine.state().parts.pipeline().flags.debug;
        Ok(super::parts::entry_name(&engine.entry_prefix, id, label.filter(|_| debug)))
    };
    // SAFETY: as the header says.
    unsafe { spelled(buffer, room, name) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mjitcc_engine_fork_child(engine: *mut Engine) -> Status {
    status(|| {
        // SAFETY: as the header says.
        unsafe { open(engine) }?.adopt()
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mjitcc_engine_cancel(engine: *mut Engine) -> Status {
    status(|| {
        // SAFETY: as the header says.
        unsafe { open(engine) }?.state().executor.cancel();
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mjitcc_engine_finish(engine: *mut Engine, close_libraries: i32) -> Status {
    status(|| {
        if engine.is_null() {
            return Ok(OK);
        }
        // SAFETY: as the header says: it came from open, and nobody uses it any more.
        let engine = unsafe { Box::from_raw(engine) };
        engine.state().parts.close();
        if close_libraries != 0 {
            for library in engine.handles().drain(..) {
                // SAFETY: it was loaded by this engine, and the caller says that nobody is inside.
                drop(unsafe { Library::from_raw(ptr::with_exposed_provenance_mut(library)) });
            }
        }
        Ok(OK)
    })
}
