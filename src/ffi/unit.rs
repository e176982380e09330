//! A unit in C text: to loaded code, or to an object file in memory, with what the compiler says as data. Knows nothing of how an engine is
//! opened or follows a fork.

use std::ffi::{CString, c_void};
use std::ptr;

use mjit_cc_platforms::{Diagnostic as Complaint, Severity};

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

/// The name of a unit that was given none.
const UNIT_NAME: &str = "unit.c";

/// A host's function for diagnostics.
#[derive(Clone, Copy)]
struct Hearer {
    function: DiagnosticFn,
    ctx: Context,
}

impl Hearer {
    /// Tells the host of each diagnostic, on this thread. The strings live until the function returns.
    fn tell(self, unit: &str, complaints: &[Complaint]) {
        let unit = c_string(unit);
        for complaint in complaints {
            let (file, text): (CString, CString) = (c_string(&complaint.file), c_string(&complaint.text));
            let diagnostic = Diagnostic {
                size: size_of::<Diagnostic>() as u32,
                severity: match complaint.severity {
                    Severity::Note => SEVERITY_NOTE,
                    Severity::Warning => SEVERITY_WARNING,
                    Severity::Error => SEVERITY_ERROR,
                },
                line: complaint.line.unwrap_or(0),
                column: complaint.column.unwrap_or(0),
                file: file.as_ptr(),
                text: text.as_ptr(),
                unit: unit.as_ptr(),
            };
            // SAFETY: the host promised a function of this type; all that it is given outlives the call.
            allow_thread_exit(|| unsafe { (self.function)(self.ctx.pointer(), &raw const diagnostic) });
        }
    }
}

/// A unit of C, read.
struct Asked {
    unit: unit::Unit,
    hearer: Option<Hearer>,
}

impl Asked {
    /// # Safety
    /// As the header says of `mjitcc_unit`.
    unsafe fn read(asked: *const Unit) -> Result<Self, FfiError> {
        // SAFETY: the caller says so.
        let asked = unsafe { read(asked) }?;
        // SAFETY: the caller says so.
        let (name, bytes) = unsafe { (text(asked.name), row(asked.text.cast::<u8>(), asked.length, "the text")?) };
        let unit = unit::Unit::from_text(name.unwrap_or_else(|| UNIT_NAME.to_owned()), bytes)
            .map_err(|error| FfiError::invalid(error.to_string()))?;
        let hearer = asked.diagnostic.map(|function| Hearer { function, ctx: Context::new(asked.ctx) });
        Ok(Self { unit, hearer })
    }

    fn hear(&self, complaints: &[Complaint]) {
        if let Some(hearer) = self.hearer {
            hearer.tell(self.unit.name(), complaints);
        }
    }

    /// Tells the diagnostics of a failure, and returns the failure in words.
    fn failed(&self, failure: &UnitError) -> FfiError {
        self.hear(complaints(failure));
        FfiError::failed(super::engine::describe(failure))
    }
}

fn complaints(failure: &UnitError) -> &[Complaint] {
    match failure {
        UnitError::Refused { diagnostics, .. } => diagnostics,
        _ => &[],
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
        let (engine, asked) = unsafe { (open(engine)?, Asked::read(unit)?) };
        // Before anything is built that could not be told of.
        // SAFETY: as the header says.
        unsafe { write(built, &Built { size: 0, reserved: 0, handle: ptr::null_mut(), ms: 0.0 }) }?;
        let (done, complaints) = engine.compile(&asked.unit).map_err(|failure| asked.failed(&failure))?;
        asked.hear(&complaints);
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
        let (engine, asked) = unsafe { (open(engine)?, Asked::read(unit)?) };
        let bytes = engine.object(&asked.unit).map_err(|failure| asked.failed(&failure))?;
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
            let hearer = Hearer { function, ctx: Context::new(ctx) };
            hearer.tell("", complaints(failure));
        }
        Ok(OK)
    })
}
