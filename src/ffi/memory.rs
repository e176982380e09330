//! Reads and writes memory of C. Knows nothing about the meaning of the data.

use std::ffi::{CStr, OsString, c_char};
#[cfg(unix)]
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::slice;

use super::fault::{FfiError, guarded};
use crate::discover::Variables;

/// A structure that the caller fills. It begins with its size, so that later versions can add fields.
///
/// # Safety
/// The type is `repr(C)`, aligned to 8, begins with a `u32` and may be all zeros; no field crosses a multiple of 8.
pub(super) unsafe trait Sized32: Copy {
    const NAME: &'static str;
    /// The smallest size that is accepted.
    const LEAST: usize;
}

/// All structures of this ABI are much smaller: a larger size is an uninitialized field.
const ABSURD: usize = 4096;

/// Copies a structure. Fields that the caller's structure does not have become zero, which means the default. Bytes beyond the fields of
/// this version must be zero, since they would be ignored.
///
/// # Safety
/// `at` is null or points to as many bytes as its first four say.
pub(super) unsafe fn read<T: Sized32>(at: *const T) -> Result<T, FfiError> {
    let name = T::NAME;
    if at.is_null() {
        return Err(FfiError::invalid(format!("{name} is NULL")));
    }
    if !at.is_aligned() {
        return Err(FfiError::invalid(format!("{name} is not aligned")));
    }
    // SAFETY: the structure has at least its size field.
    let size = unsafe { at.cast::<u32>().read() } as usize;
    if size < T::LEAST || size > ABSURD || !size.is_multiple_of(8) {
        return Err(FfiError::invalid(format!(
            "{name}.size is {size}, but should be sizeof({name}), which is {} here",
            size_of::<T>()
        )));
    }
    // SAFETY: the caller has that many bytes, and no thread writes them during the call.
    let bytes = unsafe { slice::from_raw_parts(at.cast::<u8>(), size) };
    let (known, unknown) = bytes.split_at(size.min(size_of::<T>()));
    if unknown.iter().any(|&byte| byte != 0) {
        return Err(FfiError::invalid(format!(
            "{name} has fields set that this mjit-cc does not know: the caller was compiled with a newer header than the library has"
        )));
    }
    let mut copy = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: both are at least this long, and `copy` is local.
    unsafe { copy.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(known.as_ptr(), known.len()) };
    // SAFETY: all zeros are valid by the trait, and so are all values of integers and pointers from C.
    Ok(unsafe { copy.assume_init() })
}

/// Writes a structure of the caller, up to the size that the caller set.
///
/// # Safety
/// `at` is null or points to as many writable bytes as its first four say.
pub(super) unsafe fn write<T: Sized32>(at: *mut T, value: &T) -> Result<(), FfiError> {
    // SAFETY: required of the caller. Only the size is read.
    let size = unsafe { read_size(at) }?;
    let from = std::ptr::from_ref(value).cast::<u8>();
    // SAFETY: both are at least this long; padding is copied as untyped bytes; the size field is not written.
    unsafe { at.cast::<u8>().add(4).copy_from_nonoverlapping(from.add(4), size.min(size_of::<T>()) - 4) };
    Ok(())
}

unsafe fn read_size<T: Sized32>(at: *mut T) -> Result<usize, FfiError> {
    let name = T::NAME;
    if at.is_null() || !at.is_aligned() {
        return Err(FfiError::invalid(format!("{name} is NULL or not aligned")));
    }
    // SAFETY: the structure has at least its size field.
    let size = unsafe { at.cast::<u32>().read() } as usize;
    if size < T::LEAST || size > ABSURD || !size.is_multiple_of(8) {
        return Err(FfiError::invalid(format!("{name}.size is {size}, but should be sizeof({name})")));
    }
    Ok(size)
}

/// # Safety
/// `at` is null or a string that stays as it is.
pub(super) unsafe fn bytes<'a>(at: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: required of the caller.
    (!at.is_null()).then(|| unsafe { CStr::from_ptr(at) }.to_bytes())
}

/// Returns text for messages: bytes that are no UTF-8 are replaced.
///
/// # Safety
/// As [`bytes`].
pub(super) unsafe fn text(at: *const c_char) -> Option<String> {
    // SAFETY: required of the caller.
    unsafe { bytes(at) }.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// Returns a string for the system, with its bytes unchanged.
///
/// # Safety
/// As [`bytes`].
pub(super) unsafe fn word(at: *const c_char) -> Option<OsString> {
    #[cfg(unix)]
    // SAFETY: required of the caller.
    return unsafe { bytes(at) }.map(|bytes| std::ffi::OsStr::from_bytes(bytes).to_owned());
    #[cfg(not(unix))]
    // SAFETY: required of the caller.
    return unsafe { text(at) }.map(Into::into);
}

/// # Safety
/// As [`bytes`].
pub(super) unsafe fn path(at: *const c_char) -> Option<PathBuf> {
    // SAFETY: required of the caller.
    unsafe { word(at) }.map(Into::into)
}

/// Returns the word of an option, if there is one; an empty word is refused.
///
/// # Safety
/// As [`word`].
pub(super) unsafe fn filled(at: *const c_char, name: &str) -> Result<Option<OsString>, FfiError> {
    // SAFETY: the caller says so.
    match unsafe { word(at) } {
        Some(word) if word.is_empty() => Err(FfiError::invalid(format!("{name} is empty; NULL means none"))),
        word => Ok(word),
    }
}

/// Returns the strings of a list that ends with NULL; an empty list for NULL.
///
/// # Safety
/// `at` is null or points to pointers of which the last is null and the others are strings.
pub(super) unsafe fn words(at: *const *const c_char) -> Vec<OsString> {
    if at.is_null() {
        return Vec::new();
    }
    // SAFETY: up to the null all are there, and none is read beyond it.
    (0..).map_while(|number| unsafe { word(at.add(number).read()) }).collect()
}

/// Returns an environment in the form of `environ`, or `None` for NULL. A string without `=` is ignored.
///
/// # Safety
/// As [`words`].
pub(super) unsafe fn environment(at: *const *const c_char) -> Option<Variables> {
    if at.is_null() {
        return None;
    }
    // SAFETY: required of the caller.
    let words = unsafe { words(at) };
    let variable = |word: OsString| {
        let bytes = word.as_encoded_bytes();
        // A name may begin with `=` on Windows.
        let end = 1 + bytes.get(1..)?.iter().position(|&byte| byte == b'=')?;
        // SAFETY: cut before and after an ASCII byte.
        let part = |bytes: &[u8]| unsafe { OsString::from_encoded_bytes_unchecked(bytes.to_owned()) };
        Some((part(&bytes[..end]), part(&bytes[end + 1..])))
    };
    Some(words.into_iter().filter_map(variable).collect())
}

/// Returns an array as a slice.
///
/// # Safety
/// `at` points to `count` of them, or `count` is 0.
pub(super) unsafe fn row<'a, T>(at: *const T, count: usize, name: &str) -> Result<&'a [T], FfiError> {
    match count {
        0 => Ok(&[]),
        _ if at.is_null() => Err(FfiError::invalid(format!("{name} is NULL"))),
        // SAFETY: required of the caller.
        _ => Ok(unsafe { slice::from_raw_parts(at, count) }),
    }
}

/// Returns the value of a handle.
///
/// # Safety
/// `at` is null or a handle that was not given back yet.
pub(super) unsafe fn handle<'a, T>(at: *const T, name: &str) -> Result<&'a T, FfiError> {
    // SAFETY: required of the caller.
    unsafe { at.as_ref() }.ok_or_else(|| FfiError::invalid(format!("the {name} is NULL")))
}

/// Checks the pointer for a result before any work is done.
pub(super) fn wanted<T>(at: *mut T, name: &str) -> Result<(), FfiError> {
    if at.is_null() { Err(FfiError::invalid(format!("{name} is NULL"))) } else { Ok(()) }
}

/// Copies the text to a buffer as `snprintf` does, with a NUL at the end, and returns the length of the text. After an error the buffer is
/// unchanged and the result is 0.
///
/// # Safety
/// `at` has room for `room` bytes, or `room` is 0.
pub(super) unsafe fn spelled(at: *mut c_char, room: usize, text: impl FnOnce() -> Result<String, FfiError>) -> usize {
    guarded(
        |_| 0,
        || {
            let text = text()?;
            // SAFETY: required of the caller.
            Ok(unsafe { spell(&text, at, room) })
        },
    )
}

/// # Safety
/// As [`spelled`].
unsafe fn spell(text: &str, at: *mut c_char, room: usize) -> usize {
    if room > 0 && !at.is_null() {
        let length = text.len().min(room - 1);
        // SAFETY: there is room for that and one byte more.
        unsafe {
            at.cast::<u8>().copy_from_nonoverlapping(text.as_ptr(), length);
            at.add(length).write(0);
        }
    }
    text.len()
}
