//! Loaded code and its functions. Does not know how the code was compiled.

use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;

use mjit_cc_platforms::Diagnostic;

use super::Shared;
use crate::library::{Library, LoadError};

/// The loaded code of one text. The code is unloaded when the module is dropped.
pub struct Module {
    // Dropped before the engine: on Windows a file can be removed only once its library is unloaded.
    library: Library,
    diagnostics: Vec<Diagnostic>,
    _engine: Arc<Shared>,
}

impl Module {
    pub(super) fn new(library: Library, diagnostics: Vec<Diagnostic>, engine: Arc<Shared>) -> Self {
        Self { library, diagnostics, _engine: engine }
    }

    /// Returns a function by its C name. The function can be called as long as the module lives.
    ///
    /// # Errors
    /// [`LoadError::NoSymbol`] if the module does not define the name.
    ///
    /// # Safety
    /// `F` must be a function pointer type, `extern "C" fn(…) -> …`, with the parameters and the result that the C text declares. A type of
    /// another size than a pointer does not compile.
    #[expect(unsafe_code, reason = "the type of a function is in the C text, and nowhere in the library")]
    pub unsafe fn function<F: Copy>(&self, name: &str) -> Result<Function<'_, F>, LoadError> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>(), "a function pointer has the size of a pointer") };
        let address = self.address(name)?.as_ptr();
        // SAFETY: both have the same size, and the caller guarantees that the address is an `F`.
        let function = unsafe { std::mem::transmute_copy::<*mut c_void, F>(&address) };
        Ok(Function { function, module: PhantomData })
    }

    /// Returns the address of a function or variable by its C name. The address is valid as long as the module lives.
    ///
    /// # Errors
    /// [`LoadError::NoSymbol`] if the module does not define the name.
    pub fn address(&self, name: &str) -> Result<NonNull<c_void>, LoadError> {
        self.library.address(name)
    }

    /// The compiler's warnings about the text. Errors are in [`UnitError`](crate::UnitError).
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("library", &self.library).finish_non_exhaustive()
    }
}

/// A function of a [`Module`]. Dereferences to the function pointer.
#[derive(Clone, Copy)]
pub struct Function<'m, F> {
    function: F,
    module: PhantomData<&'m Module>,
}

impl<F> Deref for Function<'_, F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.function
    }
}

impl<F: fmt::Debug> fmt::Debug for Function<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.function.fmt(f)
    }
}
