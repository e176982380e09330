//! Callbacks that throw, which C++ can and C cannot: from here, by panicking.

use std::ffi::{CStr, c_char, c_void};
use std::path::Path;
use std::ptr;

use mjitcc::ffi::*;

use crate::support::need;

/// Text for the unit of owner 1; for any other a panic.
unsafe extern "C-unwind" fn generate(_: *mut c_void, request: *const Request, sink: *mut Sink) -> i32 {
    // SAFETY: what the worker gives is good until this returns.
    unsafe {
        match (*request).owner {
            1 => {
                mjitcc_sink_puts(sink, c"long ".as_ptr());
                mjitcc_sink_puts(sink, (*request).entry);
                mjitcc_sink_puts(sink, c"(void) { return 1; }".as_ptr())
            }
            2 => {
                let status = mjitcc_sink_on_vm_thread(sink, Some(throw), ptr::null_mut());
                assert_eq!((status, last_error().as_str()), (FAILED, "the job threw an exception"));
                1
            }
            _ => panic!("thrown on purpose"),
        }
    }
}

unsafe extern "C-unwind" fn throw(_: *mut c_void) {
    panic!("thrown on purpose");
}

unsafe extern "C-unwind" fn throw_published(_: *mut c_void, _: u64, _: *mut c_void) {
    panic!("thrown on purpose");
}

unsafe extern "C-unwind" fn throw_scanning(_: *mut c_void, _: *mut Code, _: usize) {
    panic!("thrown on purpose");
}

unsafe extern "C-unwind" fn throw_observing(_: *mut c_void, _: *const Event) {
    panic!("thrown on purpose");
}

unsafe extern "C-unwind" fn throw_reaping(_: *mut c_void, _: i64, _: *mut i32) -> i64 {
    panic!("thrown on purpose");
}

unsafe extern "C-unwind" fn throw_naming(_: *mut c_void, _: u64) {
    panic!("thrown on purpose");
}

fn last_error() -> String {
    // SAFETY: good until this thread's next failure.
    unsafe { CStr::from_ptr(mjitcc_last_error()) }.to_string_lossy().into_owned()
}

fn failure(slot: *const Slot) -> String {
    let mut buffer = [0_u8; 512];
    // SAFETY: a slot that this test has a share in, and a buffer of that size.
    let length = unsafe { mjitcc_slot_failure(slot, buffer.as_mut_ptr().cast::<c_char>(), buffer.len()) };
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

/// A worker that waits, all of whose callbacks throw.
fn start(temp: &Path) -> *mut Worker {
    let temp = std::ffi::CString::new(temp.to_str().unwrap()).unwrap();
    let host = Host {
        size: size_of::<Host>() as u32,
        reserved: 0,
        ctx: ptr::null_mut(),
        generate: Some(generate),
        published: Some(throw_published),
        scan_stacks: Some(throw_scanning),
        vm_jobs_wait: Some(throw),
    };
    let reaper = Reaper {
        size: size_of::<Reaper>() as u32,
        reserved: 0,
        ctx: ptr::null_mut(),
        enter: Some(throw),
        wait: Some(throw_reaping),
        leave: Some(throw),
        forked: None,
    };
    // SAFETY: all zeros are the defaults.
    let mut options: WorkerOptions = unsafe { std::mem::zeroed() };
    options.size = size_of::<WorkerOptions>() as u32;
    options.abi = ABI;
    options.host = &raw const host;
    options.cc = c"gcc".as_ptr();
    options.temp_dir = temp.as_ptr();
    options.wait = 1;
    options.reaper = &raw const reaper;
    options.observe = Some(throw_observing);
    let mut worker = ptr::null_mut();
    // SAFETY: all of it lives until the call returns.
    assert_eq!(unsafe { mjitcc_worker_start(&raw const options, &raw mut worker) }, OK, "{}", last_error());
    worker
}

fn submit(worker: *mut Worker, owner: u64) -> *mut Slot {
    let mut slot = ptr::null_mut();
    // SAFETY: the worker is not finished yet.
    assert_eq!(unsafe { mjitcc_worker_submit(worker, owner, ptr::null(), 0, 0, &raw mut slot) }, OK);
    slot
}

#[test]
fn what_callbacks_throw_fails_their_unit_and_nothing_else() {
    need!("gcc");
    let temp = tempfile::tempdir().unwrap();
    let worker = start(temp.path());
    // SAFETY: handles are used as the header says.
    unsafe {
        let (good, job, bad) = (submit(worker, 1), submit(worker, 2), submit(worker, 3));
        assert_eq!(mjitcc_slot_state(good), SLOT_CALLABLE, "{}", failure(good));
        let code: extern "C" fn() -> i64 = std::mem::transmute(mjitcc_slot_address(good));
        assert_eq!(code(), 1);
        assert_eq!(failure(job), "the host generated no C text and gave no reason");
        assert_eq!(failure(bad), "generating the C text panicked");

        assert_eq!(mjitcc_worker_living_owners(worker, Some(throw_naming), ptr::null_mut()), PANICKED);
        assert!(last_error().contains("thrown on purpose"), "{}", last_error());
        // It goes on.
        let again = submit(worker, 1);
        assert_eq!(mjitcc_slot_state(again), SLOT_CALLABLE);

        for slot in [good, job, bad, again] {
            mjitcc_slot_release(slot);
        }
        assert_eq!(mjitcc_worker_finish(worker), OK);
    }
    assert_eq!(crate::c::left_in(temp.path()), [] as [std::path::PathBuf; 0]);
}
