//! Converts worker events to `mjitcc_event`.

use std::ffi::{CString, c_char};
use std::path::Path;
use std::ptr;
use std::time::Duration;

use super::fault::c_string;
use super::host::Context;
use super::{Event, ObserveFn, SourceLocation};
use crate::thread::allow_thread_exit;
use crate::worker::{self, WorkerEvent};

pub const EVENT_SUCCESS: u32 = 1;
pub const EVENT_FAILURE: u32 = 2;
pub const EVENT_COMPACTED: u32 = 3;
pub const EVENT_NOT_COMPACTED: u32 = 4;
pub const EVENT_UNLOADED: u32 = 5;
pub const EVENT_CACHE_GROWN: u32 = 6;
pub const EVENT_CANCELLED: u32 = 7;
pub const EVENT_RECOMPILED: u32 = 8;
pub const EVENT_INLINED: u32 = 9;
pub const EVENT_WARNING: u32 = 10;
pub const EVENT_COMPILER: u32 = 11;
pub const EVENT_TEMP_DIR: u32 = 12;
pub const EVENT_START: u32 = 13;
pub const EVENT_PCH_START: u32 = 14;
pub const EVENT_PROCESS: u32 = 15;
pub const EVENT_NO_LIBRARY: u32 = 16;
pub const EVENT_UNLOADING: u32 = 17;
pub const EVENT_STOPPING: u32 = 18;
pub const EVENT_GC_WAITED: u32 = 19;
pub const EVENT_FINISH: u32 = 20;
pub const EVENT_GROUP_STARTED: u32 = 21;
pub const EVENT_IMPROVED: u32 = 22;
pub const EVENT_NOT_IMPROVED: u32 = 23;
pub const EVENT_BASELINE_FAILED: u32 = 24;
pub const EVENT_QUICK: u32 = 25;
pub const EVENT_LINKER_FALLBACK: u32 = 26;
pub const EVENT_CACHE_HIT: u32 = 27;
pub const EVENT_CACHE_UNUSABLE: u32 = 28;

/// The fields of an event besides its line.
#[derive(Default)]
struct Facts<'a> {
    kind: u32,
    location: Option<&'a worker::SourceLocation>,
    inlined: Option<&'a worker::SourceLocation>,
    file: Option<&'a Path>,
    took: Duration,
    count: u64,
}

fn facts(event: &WorkerEvent) -> Facts<'_> {
    let facts = Facts::default();
    match event {
        WorkerEvent::Success { location, took, source } => {
            Facts { kind: EVENT_SUCCESS, location: Some(location), took: *took, file: Some(source), ..facts }
        }
        WorkerEvent::Failure { location, took, source, .. } => {
            Facts { kind: EVENT_FAILURE, location: Some(location), took: *took, file: Some(source), ..facts }
        }
        WorkerEvent::Compacted { units, took, library } => {
            Facts { kind: EVENT_COMPACTED, took: *took, file: Some(library), count: *units as u64, ..facts }
        }
        WorkerEvent::NotCompacted { took, .. } => Facts { kind: EVENT_NOT_COMPACTED, took: *took, ..facts },
        WorkerEvent::Unloaded { count } => Facts { kind: EVENT_UNLOADED, count: *count as u64, ..facts },
        WorkerEvent::CacheGrown { max_cache_size } => {
            Facts { kind: EVENT_CACHE_GROWN, count: *max_cache_size as u64, ..facts }
        }
        WorkerEvent::Cancelled(location) => Facts { kind: EVENT_CANCELLED, location: Some(location), ..facts },
        WorkerEvent::Recompiled(location) => Facts { kind: EVENT_RECOMPILED, location: Some(location), ..facts },
        WorkerEvent::Inlined { location, inlined } => {
            Facts { kind: EVENT_INLINED, location: Some(location), inlined: Some(inlined), ..facts }
        }
        WorkerEvent::Warning(_) => Facts { kind: EVENT_WARNING, ..facts },
        WorkerEvent::Compiler(_) => Facts { kind: EVENT_COMPILER, ..facts },
        WorkerEvent::TempDir(path) => Facts { kind: EVENT_TEMP_DIR, file: Some(path), ..facts },
        WorkerEvent::Start { location, source } => {
            Facts { kind: EVENT_START, location: Some(location), file: Some(source), ..facts }
        }
        WorkerEvent::Improved { location, took, source } => {
            Facts { kind: EVENT_IMPROVED, location: Some(location), took: *took, file: Some(source), ..facts }
        }
        WorkerEvent::NotImproved { location, took, .. } => {
            Facts { kind: EVENT_NOT_IMPROVED, location: Some(location), took: *took, ..facts }
        }
        WorkerEvent::BaselineFailed { location, .. } => {
            Facts { kind: EVENT_BASELINE_FAILED, location: Some(location), ..facts }
        }
        WorkerEvent::Quick(_) => Facts { kind: EVENT_QUICK, ..facts },
        WorkerEvent::GroupStarted { units, source } => {
            Facts { kind: EVENT_GROUP_STARTED, file: Some(source), count: *units as u64, ..facts }
        }
        WorkerEvent::PchStart => Facts { kind: EVENT_PCH_START, ..facts },
        WorkerEvent::Process(_) => Facts { kind: EVENT_PROCESS, ..facts },
        WorkerEvent::CacheHit(_) => Facts { kind: EVENT_CACHE_HIT, ..facts },
        WorkerEvent::CacheUnusable { dir, .. } => Facts { kind: EVENT_CACHE_UNUSABLE, file: Some(dir), ..facts },
        WorkerEvent::NoLibrary(path) => Facts { kind: EVENT_NO_LIBRARY, file: Some(path), ..facts },
        WorkerEvent::Unloading { id, location } => {
            Facts { kind: EVENT_UNLOADING, location: Some(location), count: *id, ..facts }
        }
        WorkerEvent::Stopping => Facts { kind: EVENT_STOPPING, ..facts },
        WorkerEvent::GcWaited(took) => Facts { kind: EVENT_GC_WAITED, took: *took, ..facts },
        WorkerEvent::LinkerFallback(_) => Facts { kind: EVENT_LINKER_FALLBACK, ..facts },
        WorkerEvent::Finish => Facts { kind: EVENT_FINISH, ..facts },
    }
}

/// A source location with C strings.
struct Spelled {
    label: CString,
    path: CString,
    line: u32,
}

impl Spelled {
    fn new(location: &worker::SourceLocation) -> Self {
        Self { label: c_string(&location.label), path: c_string(&location.path), line: location.line }
    }

    fn source_location(&self) -> SourceLocation {
        SourceLocation {
            size: size_of::<SourceLocation>() as u32,
            line: self.line,
            label: self.label.as_ptr(),
            path: self.path.as_ptr(),
        }
    }
}

/// Calls an observer of a C host.
pub(super) fn tell(observe: ObserveFn, ctx: Context, event: &WorkerEvent) {
    let Facts { kind, location, inlined, file, took, count } = facts(event);
    let line = c_string(&event.to_string());
    let detail = event.detail().map(|detail| c_string(&detail));
    let file = file.map(|file| c_string(&file.to_string_lossy()));
    let (location, inlined) = (location.map(Spelled::new), inlined.map(Spelled::new));
    let (location, inlined) =
        (location.as_ref().map(Spelled::source_location), inlined.as_ref().map(Spelled::source_location));
    let string = |text: &Option<CString>| text.as_ref().map_or(ptr::null::<c_char>(), |text| text.as_ptr());
    let event = Event {
        size: size_of::<Event>() as u32,
        kind,
        level: event.level().into(),
        reserved: 0,
        line: line.as_ptr(),
        detail: string(&detail),
        location: location.as_ref().map_or(ptr::null(), ptr::from_ref),
        inlined: inlined.as_ref().map_or(ptr::null(), ptr::from_ref),
        file: string(&file),
        ms: took.as_secs_f64() * 1e3,
        count,
    };
    // SAFETY: the host registered a function of this type; the event outlives the call.
    allow_thread_exit(|| unsafe { observe(ctx.pointer(), &raw const event) });
}
