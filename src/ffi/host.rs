//! A host in C: its callbacks as a [`Host`](crate::worker::Host), and the sink for its C text.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::NonNull;
use std::thread::{self, ThreadId};

use super::fault::{self, FfiError, OK, Status, c_string, status};
use super::memory::{handle, read, row, text};
use super::{Code, Host, JobFn, Request, SourceLocation};
use crate::thread::allow_thread_exit;
use crate::unwind::catch;
use crate::worker::{self, AssumptionId, Generated, Inlined, JobError, OwnerId};

/// The `ctx` pointer of a callback.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context(*mut c_void);

// SAFETY: the pointer is never read here, and `mjitcc.h` says which threads call callbacks.
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

/// The callbacks of a host, with the required callback checked.
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
        // SAFETY: required of the caller.
        let Host { ctx, generate, published, scan_stacks, vm_jobs_wait, .. } = unsafe { read(host) }?;
        let generate = generate.ok_or_else(|| FfiError::invalid("mjitcc_host.generate is NULL"))?;
        Ok(Self { ctx: Context(ctx), generate, published, scan_stacks, vm_jobs_wait })
    }
}

/// `mjitcc_sink`: collects the text and the assumptions of a request while the host generates.
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
        // Only this pointer is used from here on: the host passes the pointer to the functions below.
        let location = &raw mut sink;
        // SAFETY: the host registered a function of this type; its arguments outlive the call. The worker handles an exception from the
        // function as a panic.
        let refused = allow_thread_exit(|| unsafe { (self.generate)(self.ctx.0, &raw const asked, location) }) != 0;
        let Sink { text, assumptions, inlined, failure, .. } = sink;
        if refused || failure.is_some() {
            return Err(failure.unwrap_or_else(|| "the host generated no C text and gave no reason".to_owned()));
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
    // SAFETY: required of the caller.
    let SourceLocation { line, label, path, .. } = unsafe { read(at) }?;
    // SAFETY: strings or null, as `mjitcc.h` requires.
    let (label, path) = unsafe { (text(label), text(path)) };
    Ok(worker::SourceLocation { label: label.unwrap_or_default(), path: path.unwrap_or_default(), line })
}

/// # Safety
/// `sink` is null or the sink of a running `generate`; no other thread uses the sink.
unsafe fn open<'a>(sink: *mut Sink) -> Result<&'a mut Sink, FfiError> {
    // SAFETY: required of the caller.
    unsafe { sink.as_mut() }.ok_or_else(|| FfiError::invalid("the sink is NULL"))
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_sink_write(sink: *mut Sink, text: *const c_char, length: usize) -> Status {
    status(|| {
        // SAFETY: `mjitcc.h` requires it of the caller.
        let (sink, text) = unsafe { (open(sink)?, row(text.cast::<u8>(), length, "the text")?) };
        sink.text.extend_from_slice(text);
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_sink_puts(sink: *mut Sink, text: *const c_char) -> Status {
    status(|| {
        // SAFETY: `mjitcc.h` requires it of the caller.
        let (sink, text) = unsafe { (open(sink)?, super::memory::bytes(text)) };
        sink.text.extend_from_slice(text.ok_or_else(|| FfiError::invalid("the text is NULL"))?);
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_sink_depend_on(sink: *mut Sink, assumption: u64) -> Status {
    status(|| {
        // SAFETY: `mjitcc.h` requires it of the caller.
        unsafe { open(sink) }?.assumptions.push(AssumptionId(assumption));
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_sink_inlined(sink: *mut Sink, owner: u64, at: *const SourceLocation) -> Status {
    status(|| {
        // SAFETY: `mjitcc.h` requires it of the caller.
        let (sink, location) = unsafe { (open(sink)?, source_location(at)?) };
        sink.inlined.push(Inlined { owner: OwnerId(owner), location });
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_sink_fail(sink: *mut Sink, words: *const c_char) -> Status {
    status(|| {
        // SAFETY: `mjitcc.h` requires it of the caller.
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
        // SAFETY: `mjitcc.h` requires it of the caller. The reference is shared and not kept: the job may use the sink later.
        let (thread, request) = unsafe {
            let sink = handle(sink.cast_const(), "sink")?;
            (sink.thread, sink.request)
        };
        if thread != thread::current().id() {
            return Err(FfiError::misuse("only the thread in generate may run a job on the VM's thread"));
        }
        let job = job.ok_or_else(|| FfiError::invalid("the job is NULL"))?;
        let arg = Context(arg);
        // SAFETY: the request lives until `generate` returns, and `generate` makes this call.
        let request = unsafe { &*request };
        let run = move || {
            let arg = arg;
            // SAFETY: the host registered a function of this type.
            catch(|| unsafe { job(arg.pointer()) }).is_ok()
        };
        match request.on_vm_thread(run) {
            Ok(true) => Ok(OK),
            Ok(false) | Err(JobError::Panicked) => Err(FfiError::failed("the job threw an exception")),
            Err(error) => {
                let words = error.to_string();
                fault::note(&words);
                Ok(fault::NO)
            }
        }
    })
}

/// Callbacks return `int` of C.
const _: () = assert!(size_of::<c_int>() == 4);
