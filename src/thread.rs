//! Threads that a host may end: `pthread_exit` in a callback, or cancellation there, runs the destructors of the thread's frames and ends
//! the thread. A thread of the standard library would end the process, because its first frame catches the forced unwind. Does not know the
//! threads' work.

#![cfg_attr(unix, expect(unsafe_code, reason = "POSIX threads: a first frame of our own, and cancellation held off"))]

#[cfg(all(unix, feature = "capi", not(loom)))]
pub(crate) use posix::allow_thread_exit;
#[cfg(unix)]
pub(crate) use posix::{Thread, spawn};
#[cfg(all(not(unix), feature = "capi", not(loom)))]
pub(crate) use standard::allow_thread_exit;
#[cfg(not(unix))]
pub(crate) use standard::{Thread, spawn};

/// True if this process ignores a signal, as under `nohup`.
#[cfg(unix)]
#[must_use]
pub fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: the call only reads the action, and all-zero bytes are a valid action.
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

    /// The stack size of the standard library's threads.
    const STACK: usize = 2 << 20;

    /// The numbers differ between systems: the crate `libc` does not define the two constants on all of them.
    const CANCEL_ENABLE: c_int = if cfg!(target_vendor = "apple") { 1 } else { 0 };
    const CANCEL_DISABLE: c_int = 1 - CANCEL_ENABLE;

    #[cfg(not(target_os = "android"))]
    unsafe extern "C-unwind" {
        fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
    }

    thread_local! {
        /// True if this module created the thread.
        static OURS: Cell<bool> = const { Cell::new(false) };
    }

    /// A thread, to be joined.
    #[derive(Debug)]
    pub(crate) struct Thread(libc::pthread_t);

    // SAFETY: a thread id, which any thread may join.
    unsafe impl Send for Thread {}
    // SAFETY: as above; joining consumes the value.
    unsafe impl Sync for Thread {}

    struct Start {
        name: CString,
        life: Box<dyn FnOnce() + Send>,
    }

    /// Starts a thread. Only a forced unwind may leave `life`: the function must catch its panics.
    pub(crate) fn spawn(name: &str, life: impl FnOnce() + Send + 'static) -> io::Result<Thread> {
        let name = CString::new(name).unwrap_or_default();
        let start = Box::into_raw(Box::new(Start { name, life: Box::new(life) }));
        // SAFETY: the function may also unwind, which its type does not say and the system's first frame allows.
        let first: extern "C" fn(*mut c_void) -> *mut c_void =
            unsafe { std::mem::transmute(first as extern "C-unwind" fn(*mut c_void) -> *mut c_void) };
        let mut thread = MaybeUninit::uninit();
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: the attributes are initialised, used and destroyed here; the thread gets sole ownership of `start`.
        let error = unsafe {
            libc::pthread_attr_init(attributes.as_mut_ptr());
            libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK);
            let error = libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), first, start.cast());
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
            error
        };
        if error != 0 {
            // SAFETY: no thread was started, so that `start` has no other owner.
            drop(unsafe { Box::from_raw(start) });
            return Err(io::Error::from_raw_os_error(error));
        }
        // SAFETY: `pthread_create` succeeded and initialised it.
        Ok(Thread(unsafe { thread.assume_init() }))
    }

    extern "C-unwind" fn first(start: *mut c_void) -> *mut c_void {
        // SAFETY: `spawn` passed it to this thread only.
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
            // SAFETY: the current thread, and a valid C string.
            unsafe { libc::pthread_setname_np(libc::pthread_self(), short.as_ptr()) };
        }
    }

    #[cfg(target_vendor = "apple")]
    fn set_name(name: &CString) {
        // SAFETY: a valid C string.
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
        // SAFETY: changes the state of the current thread only.
        unsafe { pthread_setcancelstate(state, &raw mut old) };
    }

    /// Calls into the host, which may end this thread. Outside of such calls a cancellation waits, since it would otherwise take effect in
    /// system calls of Rust functions that must not unwind. Threads of the host keep their state.
    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) fn allow_thread_exit<R>(call: impl FnOnce() -> R) -> R {
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
        /// Waits until the thread ends in any way.
        pub(crate) fn join(self) {
            // SAFETY: the thread was neither joined nor detached.
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
    pub(crate) fn allow_thread_exit<R>(call: impl FnOnce() -> R) -> R {
        call()
    }

    impl Thread {
        /// Waits until the thread ends.
        pub(crate) fn join(self) {
            // The thread's function catches panics.
            let _ = self.0.join();
        }
    }
}
