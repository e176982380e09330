//! Catches what unwinds out of a callback: panics, and C++ exceptions. A forced unwind that ends the thread (`pthread_exit`, cancellation)
//! passes, and runs the destructors on its way; `catch_unwind` ends the process for a forced unwind and for a C++ exception. Knows neither
//! callbacks nor threads' work.
//!
//! On systems without a frame of this crate (other systems than Linux, other machines than x86-64), `catch_unwind` is used.

#![allow(unsafe_code, reason = "a frame with a personality of its own, which the unwinder asks")]

use std::any::Any;
use std::cell::Cell;

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
mod frame;

thread_local! {
    static ENDS: Cell<bool> = const { Cell::new(false) };
}

/// What left a callback instead of a result.
#[cfg_attr(not(all(feature = "capi", not(loom))), allow(dead_code, reason = "only C hosts are told what it was"))]
pub(crate) enum Caught {
    /// A panic, with its payload.
    Panic(Box<dyn Any + Send>),
    /// An exception of another language.
    #[cfg_attr(
        not(all(target_os = "linux", target_arch = "x86_64", not(miri))),
        expect(dead_code, reason = "ends the process")
    )]
    Foreign,
}

#[cfg(any(test, all(feature = "capi", not(loom))))]
impl Caught {
    /// Returns the panic's message, or a fixed text.
    pub(crate) fn message(&self) -> &str {
        let Self::Panic(panic) = self else { return "an exception was thrown" };
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked")
    }
}

/// True if a forced unwind ends this thread: then the thread must not call the host any more.
pub(crate) fn is_thread_ending() -> bool {
    ENDS.try_with(Cell::get).unwrap_or(true)
}

/// Runs `work` and catches what it throws. If a forced unwind ends the thread meanwhile, this function does not return, and
/// [`is_thread_ending`] is true.
pub(crate) fn catch<R>(work: impl FnOnce() -> R) -> Result<R, Caught> {
    struct Passing;
    impl Drop for Passing {
        fn drop(&mut self) {
            let _ = ENDS.try_with(|ends| ends.set(true));
        }
    }
    let passing = Passing;
    let result = frame::catch(work);
    std::mem::forget(passing);
    result
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(miri))))]
mod frame {
    use super::Caught;

    pub(super) fn catch<R>(work: impl FnOnce() -> R) -> Result<R, Caught> {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).map_err(Caught::Panic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_with_its_words_and_leaves_the_thread_as_it_was() {
        assert_eq!(catch(|| 7).ok(), Some(7));
        for _ in 0..3 {
            let caught = catch(|| -> u32 { panic!("thrown {}", "here") });
            assert_eq!(caught.err().map(|caught| caught.message().to_owned()).as_deref(), Some("thrown here"));
            assert!(!std::thread::panicking() && !is_thread_ending());
        }
        let nested = catch(|| catch(|| panic!("inside")).err().map(|caught| caught.message().to_owned()));
        assert_eq!(nested.ok().flatten().as_deref(), Some("inside"));
    }

    #[test]
    fn destructors_run_on_the_way_of_a_panic() {
        struct Counts<'a>(&'a Cell<u32>);
        impl Drop for Counts<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
            }
        }
        let count = Cell::new(0);
        let caught = catch(|| {
            let _counts = Counts(&count);
            panic!("thrown");
        });
        assert!(caught.is_err());
        assert_eq!(count.get(), 1);
    }
}
