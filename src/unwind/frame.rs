//! A stack frame with its own personality routine (Itanium C++ ABI, "Exception Handling", level II), which catches any exception except a
//! forced unwind. Knows the registers of x86-64.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Caught;

// The call returns zero, or arrives at the landing pad with the exception in the same register.
std::arch::global_asm!(
    r#"
    .pushsection .text.mjitcc_guarded_call,"ax",@progbits
    .p2align 4
    .globl mjitcc_guarded_call
    .hidden mjitcc_guarded_call
    .type mjitcc_guarded_call,@function
mjitcc_guarded_call:
    .cfi_startproc
    .cfi_personality 0x9b, mjitcc_guarded_personality
    push rbp
    .cfi_def_cfa_offset 16
    .cfi_offset rbp, -16
    mov rbp, rsp
    .cfi_def_cfa_register rbp
    mov rax, rdi
    mov rdi, rsi
    call rax
    xor eax, eax
    .globl mjitcc_guarded_landing
    .hidden mjitcc_guarded_landing
mjitcc_guarded_landing:
    pop rbp
    .cfi_def_cfa rsp, 8
    ret
    .cfi_endproc
    .size mjitcc_guarded_call, .-mjitcc_guarded_call
    .popsection
    .pushsection .data.rel.ro.mjitcc_guarded_personality,"aw",@progbits
    .p2align 3
    .globl mjitcc_guarded_personality
    .hidden mjitcc_guarded_personality
mjitcc_guarded_personality:
    .quad {personality}
    .popsection
"#,
    personality = sym personality,
);

/// The header of every exception.
#[repr(C)]
struct Exception {
    class: u64,
    rest: [usize; 3],
}

unsafe extern "C-unwind" {
    /// Calls the function with the argument. Returns null, or the exception that left the function.
    fn mjitcc_guarded_call(function: unsafe extern "C-unwind" fn(*mut c_void), word: *mut c_void) -> *mut Exception;
    fn _Unwind_RaiseException(exception: *mut Exception) -> c_int;
    fn _Unwind_DeleteException(exception: *mut Exception);
}

unsafe extern "C" {
    static mjitcc_guarded_landing: u8;
    fn _Unwind_SetGR(context: *mut c_void, register: c_int, value: usize);
    fn _Unwind_SetIP(context: *mut c_void, address: usize);
}

const SEARCH_PHASE: c_int = 1;
const HANDLER_FRAME: c_int = 4;
const FORCE_UNWIND: c_int = 8;

const HANDLER_FOUND: c_int = 6;
const INSTALL_CONTEXT: c_int = 7;
const CONTINUE_UNWIND: c_int = 8;

unsafe extern "C" fn personality(
    _version: c_int,
    actions: c_int,
    _class: u64,
    exception: *mut Exception,
    context: *mut c_void,
) -> c_int {
    if actions & FORCE_UNWIND != 0 {
        return CONTINUE_UNWIND;
    }
    if actions & SEARCH_PHASE != 0 {
        return HANDLER_FOUND;
    }
    if actions & HANDLER_FRAME == 0 {
        return CONTINUE_UNWIND;
    }
    // SAFETY: the context comes from the unwinder, for the frame above; register 0 is rax, and the landing pad is
    // inside that frame's function.
    unsafe {
        _Unwind_SetGR(context, 0, exception.expose_provenance());
        _Unwind_SetIP(context, (&raw const mjitcc_guarded_landing).addr());
    }
    INSTALL_CONTEXT
}

/// A closure to call, and its result.
struct Call<F, R> {
    work: Option<F>,
    result: Option<R>,
}

unsafe extern "C-unwind" fn run<F: FnOnce() -> R, R>(call: *mut c_void) {
    // SAFETY: `catch` passes a pointer to its own value, and does not use the value meanwhile.
    let call = unsafe { &mut *call.cast::<Call<F, R>>() };
    call.result = call.work.take().map(|work| work());
}

pub(super) fn catch<F: FnOnce() -> R, R>(work: F) -> Result<R, Caught> {
    let mut call = Call { work: Some(work), result: None };
    let word = (&raw mut call).cast::<c_void>();
    // SAFETY: the function expects this argument, which outlives the call.
    let exception = unsafe { mjitcc_guarded_call(run::<F, R>, word) };
    match call.result {
        Some(result) if exception.is_null() => Ok(result),
        // SAFETY: the pointer came from the unwinder just now.
        _ => Err(unsafe { take(exception) }),
    }
}

/// Consumes a caught exception.
unsafe fn take(exception: *mut Exception) -> Caught {
    // SAFETY: the caller guarantees that the pointer is valid.
    let class = unsafe { (*exception).class };
    // Rust stores the letters in memory order, C++ in the order of the number.
    if class.to_ne_bytes() == *b"MOZ\0RUST" {
        // Only the standard library can take a panic apart, and only if it catches it itself: so the panic is raised again.
        // SAFETY: the exception was caught, and has no other owner.
        let rethrow = || unsafe { _Unwind_RaiseException(exception) };
        return Caught::Panic(match catch_unwind(AssertUnwindSafe(rethrow)) {
            Err(panic) => panic,
            Ok(_) => Box::new("it panicked"),
        });
    }
    // The C++ library counts its exceptions, if it is loaded.
    let begin = class.to_be_bytes().ends_with(b"C++\0").then(|| find(c"__cxa_begin_catch")).flatten();
    match begin.zip(find(c"__cxa_end_catch")) {
        // SAFETY: the C++ ABI defines these functions, and the exception is one of C++.
        Some((begin, end)) => unsafe {
            let begin: unsafe extern "C-unwind" fn(*mut Exception) -> *mut c_void = std::mem::transmute(begin);
            let end: unsafe extern "C-unwind" fn() = std::mem::transmute(end);
            begin(exception);
            end();
        },
        // SAFETY: as above; this call is how one language deletes another's exception.
        None => unsafe { _Unwind_DeleteException(exception) },
    }
    Caught::Foreign
}

/// Looks up a function of the process.
fn find(name: &CStr) -> Option<std::ptr::NonNull<c_void>> {
    // SAFETY: a lookup by a valid C string.
    std::ptr::NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr().cast::<c_char>()) })
}
