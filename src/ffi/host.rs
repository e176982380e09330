//! A host written in C: its callbacks as the worker's [`Host`](crate::worker::Host), and the sink that C text goes into.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::NonNull;
use std::thread::{self, ThreadId};

use super::fault::{self, FfiError, OK, Status, c_string, status};
use super::memory::{handle, read, row, text};
use super::{Code, Host, JobFn, Request, SourceLocation};
use crate::thread::allow_thread_exit;
use crate::unwind::catch;
use crate::worker::{self, AssumptionId, Generated, Inlined, NotRun, OwnerId};

/// What C gave to be handed back to it. What it may be used for, and where, C knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context(*mut c_void);

// SAFETY: nothing here looks into it, and the header says on which threads it comes back.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

impl Context {
    pub(super) fn new(pointer: *mut c_void) -> Self {
        Self(pointer)
    }

    pub(super) fn pointer(self) -> *mut c_void {
        self.0
    }
}

/// A host's callbacks, and none that must not be missing.
#[derive(Debug)]
pub(super) struct Callbacks {
    ctx: Context,
    generate: super::GenerateFn,
    published: Option<super::PublishedFn>,
    scan_stacks: Option<super::ScanStacksFn>,
    vm_jobs_wait: Option<super::NotifyFn>,
}

impl Callbacks {
    /// # Safety
    /// As [`read`].
    pub(super) unsafe fn read(host: *const Host) -> Result<Self, FfiError> {
        // SAFETY: the caller says so.
        let Host { ctx, generate, published, scan_stacks, vm_jobs_wait, .. } = unsafe { read(host) }?;
        let generate = generate.ok_or_else(|| FfiError::invalid("mjitcc_host.generate is NULL"))?;
        Ok(Self { ctx: Context(ctx), generate, published, scan_stacks, vm_jobs_wait })
    }
}

/// `mjitcc_sink`: what a host makes of a request, while it makes it.
#[derive(Debug)]
pub struct Sink {
    request: *const worker::Request<'static>,
    thread: ThreadId,
    text: Vec<u8>,
    assumptions: Vec<AssumptionId>,
    inlined: Vec<Inlined>,
    failure: Option<String>,
}

impl worker::Host for Callbacks {
    fn generate(&self, request: &worker::Request<'_>) -> Result<Generated, String> {
        let entry = c_string(request.entry);
        let mut sink = Sink {
            request: std::ptr::from_ref(request).cast(),
            thread: thread::current().id(),
            text: Vec::new(),
            assumptions: Vec::new(),
            inlined: Vec::new(),
            failure: None,
        };
        let asked = Request {
            size: size_of::<Request>() as u32,
            reserved: 0,
            id: request.id,
            owner: request.owner.0,
            switches: request.switches.0,
            entry: entry.as_ptr(),
        };
        // A pointer from here on: the host has it, and comes back with it.
        let location = &raw mut sink;
        // SAFETY: the host promised a function of this type; all that it is given outlives the call. Should an exception come out of it, the
        // worker takes that for a panic.
        let refused = allow_thread_exit(|| unsafe { (self.generate)(self.ctx.0, &raw const asked, location) }) != 0;
        let Sink { text, assumptions, inlined, failure, .. } = sink;
        if refused || failure.is_some() {
            return Err(failure.unwrap_or_else(|| "the host had no C text and did not say why".to_owned()));
        }
        let text = String::from_utf8(text).map_err(|error| format!("the C text is not UTF-8: {error}"))?;
        Ok(Generated { text, assumptions, inlined })
    }

    fn published(&self, owner: OwnerId, address: NonNull<c_void>) {
        if let Some(published) = self.published {
            // SAFETY: as above.
            allow_thread_exit(|| unsafe { published(self.ctx.0, owner.0, address.as_ptr()) });
        }
    }

    fn scan_stacks(&self, code: &mut [worker::Code]) {
        let Some(scan) = self.scan_stacks else {
            code.iter_mut().for_each(|code| code.on_stack = true);
            return;
        };
        let mut asked: Vec<Code> =
            code.iter().map(|code| Code { owner: code.owner.0, address: code.address.as_ptr(), on_stack: 0 }).collect();
        // SAFETY: as above.
        allow_thread_exit(|| unsafe { scan(self.ctx.0, asked.as_mut_ptr(), asked.len()) });
        code.iter_mut().zip(asked).for_each(|(code, asked)| code.on_stack = asked.on_stack != 0);
    }

    fn vm_jobs_wait(&self) {
        if let Some(wait) = self.vm_jobs_wait {
            // SAFETY: as above.
            allow_thread_exit(|| unsafe { wait(self.ctx.0) });
        }
    }
}

/// # Safety
/// As [`read`].
pub(super) unsafe fn source_location(at: *const SourceLocation) -> Result<worker::SourceLocation, FfiError> {
    // SAFETY: the caller says so.
    let SourceLocation { line, label, path, .. } = unsafe { read(at) }?;
    // SAFETY: strings, or null, as the header says.
    let (label, path) = unsafe { (text(label), text(path)) };
    Ok(worker::SourceLocation { label: label.unwrap_or_default(), path: path.unwrap_or_default(), line })
}

/// # Safety
/// `sink` is null or what `generate` was just given; the thread that has it is the only one to use it.
unsafe fn open<'a>(sink: *mut Sink) -> Result<&'a mut Sink, FfiError> {
    // SAFETY: the caller says so.
    unsafe { sink.as_mut() }.ok_or_else(|| FfiError::invalid("the sink is NULL"))
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_sink_write(sink: *mut Sink, text: *const c_char, length: usize) -> Status {
    status(|| {
        // SAFETY: as the header says.
        let (sink, text) = unsafe { (open(sink)?, row(text.cast::<u8>(), length, "the text")?) };
        sink.text.extend_from_slice(text);
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_sink_puts(sink: *mut Sink, text: *const c_char) -> Status {
    status(|| {
        // SAFETY: as the header says.
        let (sink, text) = unsafe { (open(sink)?, super::memory::bytes(text)) };
        sink.text.extend_from_slice(text.ok_or_else(|| FfiError::invalid("the text is NULL"))?);
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_sink_depend_on(sink: *mut Sink, assumption: u64) -> Status {
    status(|| {
        // SAFETY: as the header says.
        unsafe { open(sink) }?.assumptions.push(AssumptionId(assumption));
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_sink_inlined(sink: *mut Sink, owner: u64, at: *const SourceLocation) -> Status {
    status(|| {
        // SAFETY: as the header says.
        let (sink, location) = unsafe { (open(sink)?, source_location(at)?) };
        sink.inlined.push(Inlined { owner: OwnerId(owner), location });
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_sink_fail(sink: *mut Sink, words: *const c_char) -> Status {
    status(|| {
        // SAFETY: as the header says.
        let (sink, words) = unsafe { (open(sink)?, text(words)) };
        sink.failure = Some(words.unwrap_or_default());
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_sink_on_vm_thread(
    sink: *mut Sink,
    job: Option<JobFn>,
    arg: *mut c_void,
) -> Status {
    status(|| {
        // SAFETY: as the header says. Only shared and only read: the job may use the sink meanwhile.
        let (thread, request) = unsafe {
            let sink = handle(sink.cast_const(), "sink")?;
            (sink.thread, sink.request)
        };
        if thread != thread::current().id() {
            return Err(FfiError::misuse("only the thread that generates may send a job to the VM's thread"));
        }
        let job = job.ok_or_else(|| FfiError::invalid("the job is NULL"))?;
        let arg = Context(arg);
        // SAFETY: it lives until `generate` returns, of which this is a part.
        let request = unsafe { &*request };
        let run = move || {
            let arg = arg;
            // SAFETY: the host promised a function of this type.
            catch(|| unsafe { job(arg.pointer()) }).is_ok()
        };
        match request.on_vm_thread(run) {
            Ok(true) => Ok(OK),
            Ok(false) | Err(NotRun::Panicked) => Err(FfiError::failed("the job threw")),
            Err(error) => {
                let words = error.to_string();
                fault::note(&words);
                Ok(fault::NO)
            }
        }
    })
}

/// C's `int` is what callbacks return.
const _: () = assert!(size_of::<c_int>() == 4);
