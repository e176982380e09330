//! The parts alone, for a VM that has a worker of its own: a directory, a PCH, one unit at a time, handles of the loader's.

use std::ffi::{OsString, c_char, c_void};
use std::path::PathBuf;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use mjit_cc_platforms::Diagnostic;

use super::fault::{FfiError, OK, Status, status, yes};
use super::handles::{self, Handles};
use super::host::Context;
use super::lineage::Lineage;
use super::log::Log;
use super::memory::{bytes, path, read, row, spelled, text, wanted, word, words, write};
use super::options::{Compiling, compiling, same_abi};
use super::turns::Turns;
use super::{Built, EngineOptions, lineage, reaper};
use crate::discover::Variables;
use crate::error::UnitError;
use crate::exec::{self, Executor, ProcessExecutor};
use crate::header::UnitHeader;
use crate::jit::{ENTRY_PREFIX, Jit, JitOptions, PREFIX, TranslationUnit};
use crate::library::Library;
use crate::pch;
use crate::scratch::{Purpose, Scratch};
use crate::setup::BuildOptions;
use crate::sync::{Locked, Mutex, lock, try_lock};
use crate::unit::Unit;

/// The engines that C holds.
pub(super) static ENGINES: Handles<Engine> = Handles::new();

/// `mjitcc_engine`.
pub struct Engine {
    pub(super) lineage: Lineage,
    pub(super) turns: Turns,
    pub(super) state: Mutex<Arc<State>>,
    build: BuildOptions,
    variables: Variables,
    log: Log,
    pch: Option<PathBuf>,
    entry_prefix: String,
    /// The number of the next unit that has no number of the host's, counted from the other end.
    next: AtomicU64,
    /// What was loaded and not closed here, as numbers.
    pub(super) handles: Mutex<Vec<usize>>,
}

/// What changes when a PCH is built, and in the child of a fork.
pub(super) struct State {
    jit: Jit,
    executor: Arc<ProcessExecutor>,
}

impl Engine {
    fn start(options: &EngineOptions, reaper: Option<Arc<dyn exec::Reaper>>) -> Result<Self, FfiError> {
        let compiling: Compiling = compiling!(options, "mjitcc_engine_options")?;
        let Compiling { build, environment, prefix, entry_prefix } = compiling;
        let build = BuildOptions { reaper, ..build };
        // SAFETY: a string or null, as the header says.
        let pch = unsafe { path(options.pch) };
        let observe = options.observe.map(|observe| (observe, Context::new(options.observe_ctx)));
        let log = Log { verbose: options.verbose, warnings: options.warnings != 0, observe };
        let executor = Arc::new(build.executor(&environment.variables, None));
        let mut pipeline =
            build.pipeline(&environment, Arc::clone(&executor) as _, Purpose::Code, &log).map_err(failed)?;
        pipeline.check_link().map_err(failed)?;
        // A PCH that stays is reused by its record.
        pipeline.records_units = pipeline.cache.is_some() || pch.is_some();
        let header = build.header.clone().map_or(UnitHeader::None, UnitHeader::Text);
        let standby = usize::try_from(options.standby).unwrap_or(usize::MAX);
        let jit_options = JitOptions { standby, ..JitOptions::alone(prefix.unwrap_or_else(|| PREFIX.to_owned())) };
        let jit = Jit::of_parts(pipeline, header, jit_options, build.save_temps);
        Ok(Self {
            lineage: Lineage::here(),
            turns: Turns::default(),
            state: Mutex::new(Arc::new(State { jit, executor })),
            build,
            variables: environment.variables,
            log,
            pch,
            entry_prefix: entry_prefix.unwrap_or_else(|| ENTRY_PREFIX.to_owned()),
            next: AtomicU64::new(0),
            handles: Mutex::default(),
        })
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(&lock(&self.state))
    }

    fn set_state(&self, state: State) {
        let old = std::mem::replace(&mut *lock(&self.state), Arc::new(state));
        drop(old);
    }

    fn handles(&self) -> Locked<'_, Vec<usize>> {
        lock(&self.handles)
    }

    fn build_pch(&self) -> Result<(), FfiError> {
        let header =
            self.build.header.as_deref().ok_or_else(|| FfiError::misuse("the engine was opened without a header"))?;
        // Nobody builds units meanwhile: they wait for it.
        let _turn = self.turns.header();
        let state = self.state();
        let pipeline = state.jit.pipeline();
        let file = self.pch.clone().unwrap_or_else(|| pch::private_file(pipeline, header));
        let ready = pch::prepare(pipeline, header, &file, &self.log).map_err(failed)?;
        let jit = state.jit.with_header(ready);
        jit.stand_by(&self.log);
        self.set_state(State { jit, executor: Arc::clone(&state.executor) });
        Ok(())
    }

    fn build(&self, id: u64, text: &[u8], exports: &[String]) -> Result<Built, FfiError> {
        let began = Instant::now();
        let _turn = self.turns.unit();
        let state = self.state();
        let stem = state.jit.stem(id);
        let name = state.jit.source(&stem).to_string_lossy().into_owned();
        let source = TranslationUnit { name, text, units: 1 };
        let compiled = state.jit.compile(&stem, &source, &self.log);
        let library = compiled
            .and_then(|object| state.jit.link(&stem, &[object], exports, &self.log))
            .map_err(|failure| FfiError::failed(failure.with_output()))?;
        Ok(self.lend(library, began))
    }

    /// Compiles and loads a unit, from the object cache where the object is there. Returns the compiler's warnings too.
    pub(super) fn compile(&self, unit: &Unit) -> Result<(Built, Vec<Diagnostic>), UnitError> {
        let began = Instant::now();
        let _turn = self.turns.unit();
        let state = self.state();
        let (library, diagnostics) = state.jit.module(&self.own_stem(&state), unit, &self.log)?;
        Ok((self.lend(library, began), diagnostics))
    }

    /// Compiles a unit to the bytes of an object file.
    pub(super) fn object(&self, unit: &Unit) -> Result<Vec<u8>, UnitError> {
        let _turn = self.turns.unit();
        let state = self.state();
        state.jit.object_in_memory(&self.own_stem(&state), unit, &self.log).map(|(bytes, _)| bytes)
    }

    /// What the files of a unit without a number of the host's are called: numbers of hosts count from the other end.
    fn own_stem(&self, state: &State) -> String {
        state.jit.stem(u64::MAX - self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn lend(&self, library: Library, began: Instant) -> Built {
        let handle = library.into_raw();
        self.handles().push(handle.expose_provenance());
        Built { size: 0, reserved: 0, handle, ms: began.elapsed().as_secs_f64() * 1e3 }
    }

    /// Insists on a handle that this engine gave and that was not closed by it since.
    fn known(&self, handle: *mut c_void) -> Result<(), FfiError> {
        place_of(handle, &self.handles()).map(|_| ())
    }

    /// The same, once and never again.
    fn forget(&self, handle: *mut c_void) -> Result<(), FfiError> {
        let mut handles = self.handles();
        let at = place_of(handle, &handles)?;
        handles.swap_remove(at);
        Ok(())
    }

    /// Whether the engine is this process's. In the child of a fork it becomes so, if forks are followed.
    fn is_here(&self) -> Result<(), FfiError> {
        if self.lineage.is_here() {
            return Ok(());
        }
        if !self.lineage.is_heir() {
            return Err(FfiError::misuse(
                "the engine belongs to the process that this one was forked from: call mjitcc_engine_fork_child first",
            ));
        }
        let _one_thread = lock(&self.lineage.arrival);
        if !self.lineage.is_here() {
            self.go_on_here()?;
        }
        Ok(())
    }

    /// In the child of a fork, when it says so itself. What threads of the parent's had locked is locked for ever, unless forks are followed.
    fn adopt(&self) -> Result<Status, FfiError> {
        if self.lineage.is_here() {
            return match self.lineage.inherited() {
                Some(whole) => Ok(yes(whole)),
                None => Err(FfiError::misuse("this is the process that opened the engine, and no child of a fork")),
            };
        }
        let free = self.lineage.is_heir() || (try_lock(&self.state).is_some() && try_lock(&self.handles).is_some());
        if !free || (!self.lineage.is_heir() && !self.turns.is_idle()) {
            return Err(FfiError::misuse("a thread was at work in the engine when the process forked"));
        }
        let _one_thread = lock(&self.lineage.arrival);
        self.go_on_here().map(yes)
    }

    /// Leaves everything on disk to the parent, and goes on in a directory of its own. Says whether the PCH is there too.
    fn go_on_here(&self) -> Result<bool, FfiError> {
        let state = self.state();
        let executor = Arc::new(self.build.executor(&self.variables, None));
        let snapshot = state.jit.snapshot();
        let inherited = snapshot.is_some();
        let jit = match snapshot {
            Some(snapshot) => state.jit.after_fork_in_child(snapshot, &executor),
            // The parent was faster, and its PCH is gone.
            None => {
                let parent = state.jit.pipeline();
                let dir = parent.scratch.path().parent().map(PathBuf::from).unwrap_or_default();
                let scratch = Scratch::create(&[dir], Purpose::Code).map_err(failed)?;
                let header = self.build.header.clone().map_or(UnitHeader::None, UnitHeader::Text);
                state.jit.beside(Arc::new(parent.in_child(Arc::clone(&executor) as _, scratch)), header)
            }
        };
        state.executor.abandon();
        if self.turns.is_idle() {
            state.jit.abandon();
        } else {
            // A thread of the parent's that was at work may have held locks in there, and nothing of the parent's is dropped here.
            std::mem::forget(Arc::clone(&state));
        }
        self.turns.forget();
        if let Some(reaper) = &self.build.reaper {
            reaper.forked();
        }
        self.set_state(State { jit, executor });
        self.lineage.move_here(inherited);
        Ok(inherited)
    }
}

fn failed(error: impl Into<crate::Error>) -> FfiError {
    let error = error.into();
    match &error {
        crate::Error::Header { failure, .. } => FfiError::failed(format!("{error}\n{}", failure.output()).trim_end()),
        error => FfiError::failed(error.to_string()),
    }
}

fn place_of(handle: *mut c_void, handles: &[usize]) -> Result<usize, FfiError> {
    let location = handles.iter().position(|&known| known == handle.expose_provenance());
    location.ok_or_else(|| FfiError::invalid("the handle is none of this engine's"))
}

/// An engine that is this process's.
pub(super) fn open(engine: *const Engine) -> Result<Arc<Engine>, FfiError> {
    let engine = ENGINES.open(engine, "engine")?;
    engine.is_here()?;
    Ok(engine)
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_engine_open(options: *const EngineOptions, engine: *mut *mut Engine) -> Status {
    status(|| {
        wanted(engine, "the place for the engine")?;
        // SAFETY: as the header says.
        let (options, reaper) = unsafe {
            engine.write(ptr::null_mut());
            let options = read(options)?;
            same_abi(options.abi)?;
            (options, reaper::lent(options.reaper)?)
        };
        let opened = Arc::new(Engine::start(&options, reaper)?);
        if options.ignore_forks == 0 {
            handles::follow_forks();
            lineage::follow_forks(&opened);
        }
        // SAFETY: as the header says.
        unsafe { engine.write(ENGINES.give(opened)) };
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_engine_build_pch(engine: *mut Engine) -> Status {
    status(|| {
        open(engine)?.build_pch()?;
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_engine_pch_file(
    engine: *const Engine,
    buffer: *mut c_char,
    room: usize,
) -> usize {
    let name = || {
        let state = open(engine)?.state();
        let file = state.jit.header().pch_file().map(|file| file.to_string_lossy().into_owned());
        Ok(file.unwrap_or_default())
    };
    // SAFETY: as the header says.
    unsafe { spelled(buffer, room, name) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_engine_build(
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
            .map_err(|_| FfiError::invalid("a symbol is not UTF-8"))?;
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
pub unsafe extern "C-unwind" fn mjitcc_engine_symbol(
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
            (open(engine)?, text(name).ok_or_else(|| FfiError::invalid("the name is NULL"))?)
        };
        engine.known(library)?;
        // SAFETY: it was loaded by this engine; it stays loaded, since the share is given back as it came.
        let borrowed = std::mem::ManuallyDrop::new(unsafe { Library::from_raw(library) });
        let found = borrowed.address(&name).map_err(|error| FfiError::failed(error.to_string()))?;
        // SAFETY: as the header says.
        unsafe { address.write(found.as_ptr()) };
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_engine_close(engine: *mut Engine, library: *mut c_void) -> Status {
    status(|| {
        open(engine)?.forget(library)?;
        // SAFETY: it was loaded by this engine, and the caller says that no thread executes its code.
        drop(unsafe { Library::from_raw(library) });
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_engine_forget(engine: *mut Engine, library: *mut c_void) -> Status {
    status(|| {
        open(engine)?.forget(library)?;
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_engine_remove(engine: *mut Engine, file: *const c_char) -> Status {
    status(|| {
        // SAFETY: as the header says.
        let (engine, file) = unsafe { (open(engine)?, word(file)) };
        let file = PathBuf::from(file.ok_or_else(|| FfiError::invalid("the file is NULL"))?);
        let state = engine.state();
        let scratch = &state.jit.pipeline().scratch;
        let inside = file.strip_prefix(scratch.path()).is_ok_and(|rest| rest.components().count() == 1);
        if inside {
            scratch.remove(&file);
        } else if engine.pch.as_ref() == Some(&file) {
            crate::scratch::remove_file(&file);
            crate::scratch::remove_file(&pch::record_path(&file));
        } else {
            return Err(FfiError::invalid(format!("{} is no file of this engine's", file.display())));
        }
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_engine_log(engine: *const Engine, level: u32, line: *const c_char) -> Status {
    status(|| {
        // SAFETY: as the header says.
        let (engine, line) = unsafe { (open(engine)?, bytes(line)) };
        Ok(yes(engine.log.line(level, line.ok_or_else(|| FfiError::invalid("the line is NULL"))?)))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_engine_file_name(
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
        let path = state.jit.pipeline().scratch.path().join(state.jit.stem(id) + &suffix);
        Ok(path.to_string_lossy().into_owned())
    };
    // SAFETY: as the header says.
    unsafe { spelled(buffer, room, name) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_engine_entry_name(
    engine: *const Engine,
    id: u64,
    label: *const c_char,
    buffer: *mut c_char,
    room: usize,
) -> usize {
    let name = || {
        // SAFETY: as the header says.
        let (engine, label) = unsafe { (open(engine)?, text(label)) };
        let debug = engine.state().jit.pipeline().flags.debug;
        Ok(super::parts::entry_name(&engine.entry_prefix, id, label.filter(|_| debug)))
    };
    // SAFETY: as the header says.
    unsafe { spelled(buffer, room, name) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_engine_fork_child(engine: *mut Engine) -> Status {
    status(|| ENGINES.open(engine, "engine")?.adopt())
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_engine_cancel(engine: *mut Engine) -> Status {
    status(|| {
        open(engine)?.state().executor.cancel();
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_engine_finish(engine: *mut Engine, close_libraries: i32) -> Status {
    status(|| {
        if engine.is_null() {
            return Ok(OK);
        }
        let engine = ENGINES.take(engine, "engine")?;
        if !engine.lineage.is_here() {
            // What is on disk is the parent's, and so are locks that were held.
            std::mem::forget(engine);
            return Ok(OK);
        }
        engine.state().jit.close();
        if close_libraries != 0 {
            let libraries = std::mem::take(&mut *engine.handles());
            for library in libraries {
                // SAFETY: it was loaded by this engine, and the caller says that no thread executes its code.
                drop(unsafe { Library::from_raw(ptr::with_exposed_provenance_mut(library)) });
            }
        }
        Ok(OK)
    })
}
