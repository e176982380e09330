//! The structures of `include/mjitcc.h`. A test compares their layout with that of C.

use std::ffi::{c_char, c_void};

use super::memory::Sized32;

/// The number of bytes of a structure up to the end of a field.
macro_rules! up_to {
    ($type:ty, $field:ident) => {{
        const fn size_of_field<T>(_: *const T) -> usize {
            size_of::<T>()
        }
        let any = std::mem::MaybeUninit::<$type>::uninit();
        // SAFETY: only the address of a field is taken, and nothing is read.
        let field = unsafe { &raw const (*any.as_ptr()).$field };
        (std::mem::offset_of!($type, $field) + size_of_field(field)).next_multiple_of(8)
    }};
}

macro_rules! sized {
    ($($type:ident $name:literal up to $field:ident),+ $(,)?) => {
        $(
            // SAFETY: integers and pointers, in an order in which none crosses a multiple of 8; the type of C is the same.
            unsafe impl Sized32 for $type {
                const NAME: &'static str = $name;
                const LEAST: usize = up_to!($type, $field);
            }
        )+
    };
}

sized!(
    WorkerOptions "mjitcc_worker_options" up to host,
    Host "mjitcc_host" up to generate,
    Reaper "mjitcc_reaper" up to leave,
    SourceLocation "mjitcc_source_location" up to path,
    EngineOptions "mjitcc_engine_options" up to abi,
    Built "mjitcc_built" up to handle,
    Unit "mjitcc_unit" up to length,
    Census "mjitcc_census" up to unloads,
);

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SourceLocation {
    pub size: u32,
    pub line: u32,
    pub label: *const c_char,
    pub path: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub size: u32,
    pub reserved: u32,
    pub id: u64,
    pub owner: u64,
    pub switches: u64,
    pub entry: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Code {
    pub owner: u64,
    pub address: *mut c_void,
    pub on_stack: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    pub address: *mut c_void,
    pub generation: usize,
}

pub type GenerateFn = unsafe extern "C-unwind" fn(*mut c_void, *const Request, *mut super::Sink) -> i32;
pub type PublishedFn = unsafe extern "C-unwind" fn(*mut c_void, u64, *mut c_void);
pub type ScanStacksFn = unsafe extern "C-unwind" fn(*mut c_void, *mut Code, usize);
pub type NotifyFn = unsafe extern "C-unwind" fn(*mut c_void);
pub type DiagnosticFn = unsafe extern "C-unwind" fn(*mut c_void, *const Diagnostic);
pub type ObjectFn = unsafe extern "C-unwind" fn(*mut c_void, *const c_void, usize);
pub type WaitFn = unsafe extern "C-unwind" fn(*mut c_void, i64, *mut i32) -> i64;
pub type OwnerFn = unsafe extern "C-unwind" fn(*mut c_void, u64);
pub type ObserveFn = unsafe extern "C-unwind" fn(*mut c_void, *const Event);
pub type JobFn = unsafe extern "C-unwind" fn(*mut c_void);

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Host {
    pub size: u32,
    pub reserved: u32,
    pub ctx: *mut c_void,
    pub generate: Option<GenerateFn>,
    pub published: Option<PublishedFn>,
    pub scan_stacks: Option<ScanStacksFn>,
    pub vm_jobs_wait: Option<NotifyFn>,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Reaper {
    pub size: u32,
    pub reserved: u32,
    pub ctx: *mut c_void,
    pub enter: Option<NotifyFn>,
    pub wait: Option<WaitFn>,
    pub leave: Option<NotifyFn>,
    pub forked: Option<NotifyFn>,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct WorkerOptions {
    pub size: u32,
    pub abi: u32,
    pub host: *const Host,
    pub header: *const c_char,
    pub cc: *const c_char,
    pub family: *const c_char,
    pub cflags: *const *const c_char,
    pub ldflags: *const *const c_char,
    pub includes: *const *const c_char,
    pub defines: *const *const c_char,
    pub temp_dir: *const c_char,
    pub prefix: *const c_char,
    pub entry_prefix: *const c_char,
    pub host_library: *const c_char,
    pub timeout_ms: u64,
    pub max_cache_size: u64,
    pub threads: u32,
    pub optimize: u32,
    pub unloading: u32,
    pub compaction: u32,
    pub verbose: u32,
    pub warnings: u8,
    pub save_temps: u8,
    pub wait: u8,
    pub debug: u8,
    pub reaper: *const Reaper,
    pub observe: Option<ObserveFn>,
    pub observe_ctx: *mut c_void,
    pub unity: u32,
    pub tiers: u32,
    pub standby: u32,
    pub linker: u32,
    pub cache: *const c_char,
    pub cache_size: u64,
    pub launcher: *const c_char,
    pub timings: *const c_char,
    pub trace: *const c_char,
    pub memfree: u64,
    pub perf_map: u8,
    pub ignore_forks: u8,
    pub reserved: [u8; 6],
    pub envp: *const *const c_char,
    pub hash_files: *const *const c_char,
    pub hash_env: *const *const c_char,
    pub output_limit: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub size: u32,
    pub kind: u32,
    pub level: u32,
    pub reserved: u32,
    pub line: *const c_char,
    pub detail: *const c_char,
    pub location: *const SourceLocation,
    pub inlined: *const SourceLocation,
    pub file: *const c_char,
    pub ms: f64,
    pub count: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct EngineOptions {
    pub size: u32,
    pub abi: u32,
    pub header: *const c_char,
    pub pch: *const c_char,
    pub cc: *const c_char,
    pub family: *const c_char,
    pub cflags: *const *const c_char,
    pub ldflags: *const *const c_char,
    pub includes: *const *const c_char,
    pub defines: *const *const c_char,
    pub temp_dir: *const c_char,
    pub prefix: *const c_char,
    pub entry_prefix: *const c_char,
    pub host_library: *const c_char,
    pub timeout_ms: u64,
    pub optimize: u32,
    pub verbose: u32,
    pub warnings: u8,
    pub save_temps: u8,
    pub debug: u8,
    pub ignore_forks: u8,
    pub reserved: [u8; 4],
    pub reaper: *const Reaper,
    pub envp: *const *const c_char,
    pub hash_files: *const *const c_char,
    pub hash_env: *const *const c_char,
    pub output_limit: u64,
    pub cache: *const c_char,
    pub cache_size: u64,
    pub launcher: *const c_char,
    pub memfree: u64,
    pub linker: u32,
    pub standby: u32,
    pub observe: Option<ObserveFn>,
    pub observe_ctx: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Diagnostic {
    pub size: u32,
    pub severity: u32,
    pub line: u32,
    pub column: u32,
    pub file: *const c_char,
    pub text: *const c_char,
    pub unit: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    pub size: u32,
    pub reserved: u32,
    pub name: *const c_char,
    pub text: *const c_char,
    pub length: usize,
    pub diagnostic: Option<DiagnosticFn>,
    pub ctx: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Built {
    pub size: u32,
    pub reserved: u32,
    pub handle: *mut c_void,
    pub ms: f64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct UnitHeat {
    pub calls: u64,
    pub in_use: u32,
    pub dead: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Census {
    pub size: u32,
    pub wait: u32,
    pub active: u64,
    pub queued: u64,
    pub max_active: u64,
    pub compactions: u64,
    pub unloads: u64,
}
