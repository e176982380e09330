//! Reading what C points at and writing where it points to. Knows no meaning of anything.

use std::ffi::{CStr, OsString, c_char};
#[cfg(unix)]
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::slice;

use super::fault::{FfiError, guarded};
use crate::discover::Variables;

/// A structure that the caller fills and that begins with its size, so that it can grow.
///
/// # Safety
/// It is `repr(C)`, aligned to 8, begins with a `u32` and may be all zeros; none of its fields lies across a multiple of 8.
pub(super) unsafe trait Sized32: Copy {
    const NAME: &'static str;
    /// What there must be of it at least.
    const LEAST: usize;
}

/// Nothing of this ABI is anywhere near as large: a larger size was never set.
const ABSURD: usize = 4096;

/// Copies a structure. What the caller's is too short for takes zeros, which mean defaults; what this one is too short for must be
/// zeros, for it would be passed over.
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
    // SAFETY: at least its size is there.
    let size = unsafe { at.cast::<u32>().read() } as usize;
    if size < T::LEAST || size > ABSURD || !size.is_multiple_of(8) {
        return Err(FfiError::invalid(format!(
            "{name}.size is {size}, and should be sizeof({name}), here {}",
            size_of::<T>()
        )));
    }
    // SAFETY: the caller has that many bytes, and nobody writes them meanwhile.
    let bytes = unsafe { slice::from_raw_parts(at.cast::<u8>(), size) };
    let (known, unknown) = bytes.split_at(size.min(size_of::<T>()));
    if unknown.iter().any(|&byte| byte != 0) {
        return Err(FfiError::invalid(format!(
            "{name} has fields set that this mjit-cc does not know: it was compiled with a newer header than the library is"
        )));
    }
    let mut copy = std::mem::MaybeUninit::<T>::zeroed();
    // SAFETY: both are as long, and the copy is this function's own.
    unsafe { copy.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(known.as_ptr(), known.len()) };
    // SAFETY: all zeros are valid by the trait, and of C's values all are but the ones that were refused.
    Ok(unsafe { copy.assume_init() })
}

/// Fills a structure that the caller made room for: as much of it as there is room for.
///
/// # Safety
/// `at` is null or points to as many writable bytes as its first four say.
pub(super) unsafe fn write<T: Sized32>(at: *mut T, value: &T) -> Result<(), FfiError> {
    // SAFETY: as the caller says. What is in there does not matter, but its size does.
    let size = unsafe { read_size(at) }?;
    let from = std::ptr::from_ref(value).cast::<u8>();
    // SAFETY: both are that long, padding is copied along untyped, and the size stays as it is.
    unsafe { at.cast::<u8>().add(4).copy_from_nonoverlapping(from.add(4), size.min(size_of::<T>()) - 4) };
    Ok(())
}

unsafe fn read_size<T: Sized32>(at: *mut T) -> Result<usize, FfiError> {
    let name = T::NAME;
    if at.is_null() || !at.is_aligned() {
        return Err(FfiError::invalid(format!("{name} is NULL or not aligned")));
    }
    // SAFETY: at least its size is there.
    let size = unsafe { at.cast::<u32>().read() } as usize;
    if size < T::LEAST || size > ABSURD || !size.is_multiple_of(8) {
        return Err(FfiError::invalid(format!("{name}.size is {size}, and should be sizeof({name})")));
    }
    Ok(size)
}

/// # Safety
/// `at` is null or a string that stays as it is.
pub(super) unsafe fn bytes<'a>(at: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: the caller says so.
    (!at.is_null()).then(|| unsafe { CStr::from_ptr(at) }.to_bytes())
}

/// Text for people: what is no UTF-8 in it is replaced.
///
/// # Safety
/// As [`bytes`].
pub(super) unsafe fn text(at: *const c_char) -> Option<String> {
    // SAFETY: the caller says so.
    unsafe { bytes(at) }.map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// A word for the system, as the system has it.
///
/// # Safety
/// As [`bytes`].
pub(super) unsafe fn word(at: *const c_char) -> Option<OsString> {
    #[cfg(unix)]
    // SAFETY: the caller says so.
    return unsafe { bytes(at) }.map(|bytes| std::ffi::OsStr::from_bytes(bytes).to_owned());
    #[cfg(not(unix))]
    // SAFETY: the caller says so.
    return unsafe { text(at) }.map(Into::into);
}

/// # Safety
/// As [`bytes`].
pub(super) unsafe fn path(at: *const c_char) -> Option<PathBuf> {
    // SAFETY: the caller says so.
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

/// Words that a NULL ends; none at all where there is no list.
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

/// An environment as `execve` takes it: none where there is no list. What has no `=` in it names no variable.
///
/// # Safety
/// As [`words`].
pub(super) unsafe fn environment(at: *const *const c_char) -> Option<Variables> {
    if at.is_null() {
        return None;
    }
    // SAFETY: the caller says so.
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

/// Elements that C has in a row.
///
/// # Safety
/// `at` points to `count` of them, or `count` is 0.
pub(super) unsafe fn row<'a, T>(at: *const T, count: usize, name: &str) -> Result<&'a [T], FfiError> {
    match count {
        0 => Ok(&[]),
        _ if at.is_null() => Err(FfiError::invalid(format!("{name} is NULL"))),
        // SAFETY: the caller says so.
        _ => Ok(unsafe { slice::from_raw_parts(at, count) }),
    }
}

/// What a handle stands for.
///
/// # Safety
/// `at` is null or a handle that was not given back yet.
pub(super) unsafe fn handle<'a, T>(at: *const T, name: &str) -> Result<&'a T, FfiError> {
    // SAFETY: the caller says so.
    unsafe { at.as_ref() }.ok_or_else(|| FfiError::invalid(format!("the {name} is NULL")))
}

/// Insists on a place for a result, before anything is done that would have no place to go.
pub(super) fn wanted<T>(at: *mut T, name: &str) -> Result<(), FfiError> {
    if at.is_null() { Err(FfiError::invalid(format!("{name} is NULL"))) } else { Ok(()) }
}

/// Makes text and copies it into a buffer as `snprintf` does, with a NUL at its end; says how long the text is. Where it could not be
/// made the buffer stays as it is.
///
/// # Safety
/// `at` has room for `room` bytes, or `room` is 0.
pub(super) unsafe fn spelled(at: *mut c_char, room: usize, text: impl FnOnce() -> Result<String, FfiError>) -> usize {
    guarded(
        |_| 0,
        || {
            let text = text()?;
            // SAFETY: the caller says so.
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
