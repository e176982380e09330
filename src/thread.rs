//! Threads that a host may end: `pthread_exit` in a callback, or cancellation there, runs the destructors of the thread's own frames and ends the
//! thread. A thread of the standard library's would end the process, since its first frame catches what it cannot know. Knows
//! nothing of what the threads do.

#![cfg_attr(unix, expect(unsafe_code, reason = "POSIX threads: a first frame of our own, and cancellation held off"))]

#[cfg(all(unix, feature = "capi", not(loom)))]
pub(crate) use posix::where_it_may_end;
#[cfg(unix)]
pub(crate) use posix::{Thread, spawn};
#[cfg(all(not(unix), feature = "capi", not(loom)))]
pub(crate) use standard::where_it_may_end;
#[cfg(not(unix))]
pub(crate) use standard::{Thread, spawn};

/// Whether this process ignores a signal, as it does below `nohup`.
#[cfg(unix)]
#[must_use]
pub fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: nothing is changed, and zeros are an action.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

#[cfg(unix)]
mod posix {
    use std::cell::Cell;
    use std::ffi::{CString, c_int, c_void};
    use std::io;
    use std::mem::MaybeUninit;

    /// As the standard library's threads have it.
    const STACK: usize = 2 << 20;

    /// The numbers differ: the two constants are not among those of the crate `libc` everywhere.
    const CANCEL_ENABLE: c_int = if cfg!(target_vendor = "apple") { 1 } else { 0 };
    const CANCEL_DISABLE: c_int = 1 - CANCEL_ENABLE;

    #[cfg(not(target_os = "android"))]
    unsafe extern "C-unwind" {
        fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
    }

    thread_local! {
        /// Whether this thread was made here.
        static OURS: Cell<bool> = const { Cell::new(false) };
    }

    /// A thread, to be joined.
    #[derive(Debug)]
    pub(crate) struct Thread(libc::pthread_t);

    // SAFETY: a name of a thread, that any other may join.
    unsafe impl Send for Thread {}
    // SAFETY: as above; joining takes it whole.
    unsafe impl Sync for Thread {}

    struct Start {
        name: CString,
        life: Box<dyn FnOnce() + Send>,
    }

    /// Starts a thread. What unwinds out of its life must be the end of the thread from outside: panics are to be caught within.
    pub(crate) fn spawn(name: &str, life: impl FnOnce() + Send + 'static) -> io::Result<Thread> {
        let name = CString::new(name).unwrap_or_default();
        let start = Box::into_raw(Box::new(Start { name, life: Box::new(life) }));
        // SAFETY: a function with one more way to return than the type says, which the system's first frame lets pass.
        let first: extern "C" fn(*mut c_void) -> *mut c_void =
            unsafe { std::mem::transmute(first as extern "C-unwind" fn(*mut c_void) -> *mut c_void) };
        let mut thread = MaybeUninit::uninit();
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: the attributes are made, used and given back; the thread gets what is its alone.
        let error = unsafe {
            libc::pthread_attr_init(attributes.as_mut_ptr());
            libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK);
            let error = libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), first, start.cast());
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
            error
        };
        if error != 0 {
            // SAFETY: no thread has it.
            drop(unsafe { Box::from_raw(start) });
            return Err(io::Error::from_raw_os_error(error));
        }
        // SAFETY: it was made.
        Ok(Thread(unsafe { thread.assume_init() }))
    }

    extern "C-unwind" fn first(start: *mut c_void) -> *mut c_void {
        // SAFETY: `spawn` gave it to this thread alone.
        let Start { name, life } = *unsafe { Box::from_raw(start.cast::<Start>()) };
        set_name(&name);
        OURS.set(true);
        set_cancel_state(CANCEL_DISABLE);
        life();
        std::ptr::null_mut()
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn set_name(name: &CString) {
        let short = &name.as_bytes()[..name.as_bytes().len().min(15)];
        if let Ok(short) = CString::new(short) {
            // SAFETY: this thread, and a string.
            unsafe { libc::pthread_setname_np(libc::pthread_self(), short.as_ptr()) };
        }
    }

    #[cfg(target_vendor = "apple")]
    fn set_name(name: &CString) {
        // SAFETY: a string.
        unsafe { libc::pthread_setname_np(name.as_ptr()) };
    }

    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    fn set_name(_: &CString) {}

    /// Android has no cancellation.
    #[cfg(target_os = "android")]
    fn set_cancel_state(_: c_int) {}

    #[cfg(not(target_os = "android"))]
    fn set_cancel_state(state: c_int) {
        let mut old = 0;
        // SAFETY: a plain call about this thread.
        unsafe { pthread_setcancelstate(state, &raw mut old) };
    }

    /// Calls into the host, which may end this thread: elsewhere a cancellation waits, since the system's functions that Rust calls
    /// would let it out where nothing may unwind. Threads of the host's own stay as they are.
    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) fn where_it_may_end<R>(call: impl FnOnce() -> R) -> R {
        struct Closed;
        impl Drop for Closed {
            fn drop(&mut self) {
                set_cancel_state(CANCEL_DISABLE);
            }
        }
        if !OURS.try_with(Cell::get).unwrap_or_default() {
            return call();
        }
        set_cancel_state(CANCEL_ENABLE);
        let _closed = Closed;
        call()
    }

    impl Thread {
        /// Waits for its end, however that comes.
        pub(crate) fn join(self) {
            // SAFETY: it was neither joined nor detached.
            unsafe { libc::pthread_join(self.0, std::ptr::null_mut()) };
        }
    }
}

#[cfg(not(unix))]
mod standard {
    use std::io;
    use std::thread::{Builder, JoinHandle};

    /// A thread, to be joined.
    #[derive(Debug)]
    pub(crate) struct Thread(JoinHandle<()>);

    pub(crate) fn spawn(name: &str, life: impl FnOnce() + Send + 'static) -> io::Result<Thread> {
        Builder::new().name(name.to_owned()).spawn(life).map(Thread)
    }

    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) fn where_it_may_end<R>(call: impl FnOnce() -> R) -> R {
        call()
    }

    impl Thread {
        /// Waits for its end.
        pub(crate) fn join(self) {
            // Panics were caught within.
            let _ = self.0.join();
        }
    }
}
