//! A unit in C text: to loaded code, or to an object file in memory, with what the compiler says as data. Knows nothing of how an engine is
//! opened or follows a fork.

use std::ffi::{CString, c_void};
use std::ptr;

use mjit_cc_platforms::{self as platforms, Severity};

use super::engine::{Engine, open};
use super::fault::{FfiError, OK, Status, c_string, status};
use super::host::Context;
use super::memory::{read, row, text, wanted, write};
use super::{Built, Diagnostic, DiagnosticFn, ObjectFn, Slot, Unit, slot};
use crate::error::UnitError;
use crate::thread::allow_thread_exit;
use crate::unit;
use crate::worker::CodeError;

pub const SEVERITY_NOTE: u32 = 0;
pub const SEVERITY_WARNING: u32 = 1;
pub const SEVERITY_ERROR: u32 = 2;

/// A host's function that receives diagnostics.
#[derive(Clone, Copy)]
struct Receiver {
    function: DiagnosticFn,
    ctx: Context,
}

impl Receiver {
    /// Passes each diagnostic to the host, on this thread. The strings live until the function returns.
    fn receive(self, unit: &str, diagnostics: &[platforms::Diagnostic]) {
        let unit = c_string(unit);
        for one in diagnostics {
            let (file, text): (CString, CString) = (c_string(&one.file), c_string(&one.text));
            let diagnostic = Diagnostic {
                size: size_of::<Diagnostic>() as u32,
                severity: match one.severity {
                    Severity::Note => SEVERITY_NOTE,
                    Severity::Warning => SEVERITY_WARNING,
                    Severity::Error => SEVERITY_ERROR,
                },
                line: one.line.unwrap_or(0),
                column: one.column.unwrap_or(0),
                file: file.as_ptr(),
                text: text.as_ptr(),
                unit: unit.as_ptr(),
            };
            // SAFETY: the host promised a function of this type; all that it is given outlives the call.
            allow_thread_exit(|| unsafe { (self.function)(self.ctx.pointer(), &raw const diagnostic) });
        }
    }
}

/// A unit from C, and the receiver of its diagnostics.
struct UnitRequest {
    unit: unit::Unit,
    receiver: Option<Receiver>,
}

impl UnitRequest {
    /// # Safety
    /// As the header says of `mjitcc_unit`.
    unsafe fn read(unit: *const Unit) -> Result<Self, FfiError> {
        // SAFETY: the caller says so.
        let unit = unsafe { read(unit) }?;
        // SAFETY: the caller says so.
        let (name, bytes) = unsafe { (text(unit.name), row(unit.text.cast::<u8>(), unit.length, "the text")?) };
        let receiver = unit.diagnostic.map(|function| Receiver { function, ctx: Context::new(unit.ctx) });
        let unit = unit::Unit::from_text(name.unwrap_or_else(|| unit::DEFAULT_NAME.to_owned()), bytes)
            .map_err(|error| FfiError::invalid(error.to_string()))?;
        Ok(Self { unit, receiver })
    }

    fn report(&self, diagnostics: &[platforms::Diagnostic]) {
        if let Some(receiver) = self.receiver {
            receiver.receive(self.unit.name(), diagnostics);
        }
    }

    /// Reports the diagnostics of a failure, and returns the failure in words.
    fn failed(&self, failure: &UnitError) -> FfiError {
        self.report(failure.diagnostics());
        FfiError::failed(failure.with_output())
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_engine_compile(
    engine: *mut Engine,
    unit: *const Unit,
    built: *mut Built,
) -> Status {
    status(|| {
        wanted(built, "the place for what is built")?;
        // SAFETY: as the header says.
        let (engine, request) = unsafe { (open(engine)?, UnitRequest::read(unit)?) };
        // Before anything is built that could not be told of.
        // SAFETY: as the header says.
        unsafe { write(built, &Built { size: 0, reserved: 0, handle: ptr::null_mut(), ms: 0.0 }) }?;
        let (done, diagnostics) = engine.compile(&request.unit).map_err(|failure| request.failed(&failure))?;
        request.report(&diagnostics);
        // SAFETY: as the header says.
        unsafe { write(built, &done) }?;
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_engine_object(
    engine: *mut Engine,
    unit: *const Unit,
    object: Option<ObjectFn>,
    ctx: *mut c_void,
) -> Status {
    status(|| {
        let object = object.ok_or_else(|| FfiError::invalid("the function for the object is NULL"))?;
        // SAFETY: as the header says.
        let (engine, request) = unsafe { (open(engine)?, UnitRequest::read(unit)?) };
        let bytes = engine.object(&request.unit).map_err(|failure| request.failed(&failure))?;
        // SAFETY: the host promised a function of this type; the bytes outlive the call.
        allow_thread_exit(|| unsafe { object(ctx, bytes.as_ptr().cast::<c_void>(), bytes.len()) });
        Ok(OK)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn mjitcc_slot_diagnostics(
    slot: *const Slot,
    each: Option<DiagnosticFn>,
    ctx: *mut c_void,
) -> Status {
    status(|| {
        let function = each.ok_or_else(|| FfiError::invalid("the function for diagnostics is NULL"))?;
        // SAFETY: as the header says.
        let failure = unsafe { slot::inside(slot) }?.failure();
        if let Some(CodeError::NotBuilt(failure)) = &failure {
            let receiver = Receiver { function, ctx: Context::new(ctx) };
            receiver.receive("", failure.diagnostics());
        }
        Ok(OK)
    })
}
