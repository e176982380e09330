//! Loads compiled code: one of the two places with `unsafe`. Knows files and symbols, not their origin.

#![expect(unsafe_code, reason = "one of the two islands: loading code is unsafe by nature")]

use std::error::Error as _;
use std::ffi::c_void;
use std::fs::File;
use std::io;
#[cfg(target_os = "linux")]
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

#[cfg(target_os = "linux")]
use crate::{
    maps,
    memfd::{self, MemfdContent},
};

/// Why a library could not be loaded, or a symbol not be found.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The system's loader refused the library.
    #[error("cannot load {}: {reason}", path.display())]
    Open {
        /// The library.
        path: PathBuf,
        /// The loader's message.
        reason: String,
    },
    /// The library was loaded and does not define the symbol.
    #[error("{} does not define {symbol}", path.display())]
    NoSymbol {
        /// The library.
        path: PathBuf,
        /// The requested symbol.
        symbol: String,
    },
}

/// A loaded library. Dropping it unloads its code: no address in the library may be called or returned to after that.
#[derive(Debug)]
pub struct Library {
    library: libloading::Library,
    path: PathBuf,
}

/// Returns a path of a descriptor that no earlier library was loaded by: glibc's loader treats two libraries of one path as one, and
/// descriptor numbers are reused. Each bit of the counter selects a spelling of the same folder.
#[cfg(target_os = "linux")]
fn path_of_descriptor(descriptor: i32) -> PathBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut path = "/proc/self/fd/".to_owned();
    while number > 0 {
        path.push_str(if number & 1 == 0 { "/" } else { "./" });
        number >>= 1;
    }
    PathBuf::from(path + &descriptor.to_string())
}

impl Library {
    /// Loads a library from memory, without a file. `name` is its name in errors; the last component is its name in the process's memory
    /// map.
    ///
    /// # Errors
    /// [`LoadError::Open`], also if the system has no files in memory, or forbids executing them (`vm.memfd_noexec`).
    #[cfg(target_os = "linux")]
    pub fn from_memory(image: &[u8], name: &Path) -> Result<Self, LoadError> {
        use std::os::fd::AsRawFd;
        let failed = |error: io::Error| LoadError::Open { path: name.to_owned(), reason: error.to_string() };
        let short = name.file_name().unwrap_or_default().to_string_lossy();
        let mut file = memfd::create(&short, MemfdContent::Code).map_err(failed)?;
        file.write_all(image).map_err(failed)?;
        // The mapping keeps the memory alive, and the descriptor can be closed.
        let loaded = Self::open(&path_of_descriptor(file.as_raw_fd()))?;
        Ok(Self { path: name.to_owned(), ..loaded })
    }

    /// Not supported on this system.
    ///
    /// # Errors
    /// [`LoadError::Open`], always.
    #[cfg(not(target_os = "linux"))]
    pub fn from_memory(_image: &[u8], name: &Path) -> Result<Self, LoadError> {
        Err(LoadError::Open {
            path: name.to_owned(),
            reason: "this system cannot load a library from memory".to_owned(),
        })
    }

    /// Loads a library and binds all its symbols. Loading runs the library's initialisers: the library must be as trustworthy as its C
    /// text.
    ///
    /// # Errors
    /// [`LoadError::Open`] with the loader's message, such as the name of a symbol that the process does not define.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        // The source of libloading's error has the reason.
        let failed = |error: libloading::Error| {
            let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            LoadError::Open { path: path.to_owned(), reason }
        };
        // Bound now, so that a missing symbol is an error here and not a crash in the first call; local, so that equal names
        // in two libraries do not conflict.
        #[cfg(unix)]
        let library = {
            use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
            // SAFETY: this crate made the file from C text that the caller trusts, and the file is complete: it was renamed
            // to its final name after the linker succeeded.
            unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map(Into::into).map_err(failed)?
        };
        #[cfg(not(unix))]
        let library = {
            /// `MAX_PATH`: the loader accepts longer paths only verbatim, without normalization.
            const LONGEST: usize = 260;
            let verbatim = (path.as_os_str().len() >= LONGEST).then(|| std::fs::canonicalize(path).ok()).flatten();
            // SAFETY: as above.
            unsafe { libloading::Library::new(verbatim.as_deref().unwrap_or(path)) }.map_err(failed)?
        };
        Ok(Self { library, path: path.to_owned() })
    }

    /// Copies the code that contains a symbol, and that no thread runs yet, into anonymous memory: perf uses the map that a process writes
    /// only for such memory (`is_anon_memory` in its `util/map.c`), even if the file was deleted long ago. If the copy is impossible, the
    /// code stays in the file's mapping.
    ///
    /// # Errors
    /// [`LoadError::Open`] if the system does not allow executing the copy.
    #[cfg(target_os = "linux")]
    pub(crate) fn copy_out_of_file(&self, symbol: &str) -> Result<(), LoadError> {
        use rustix::mm::{MapFlags, MprotectFlags, MremapFlags, ProtFlags, mmap_anonymous, mprotect, mremap_fixed};
        let address = self.address(symbol)?.as_ptr();
        let Some(range) = mapping_of(address as usize) else { return Ok(()) };
        let (code, size) = (address.with_addr(range.start), range.len());
        let writable = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new, private mapping.
        let Ok(fresh) = (unsafe { mmap_anonymous(std::ptr::null_mut(), size, writable, MapFlags::PRIVATE) }) else {
            return Ok(());
        };
        // SAFETY: the range is one readable mapping of the library, which exists as long as `self`; the other range has the same length and
        // no other user. No address of the code is published yet, so that no thread runs it while it is not executable.
        let moved = unsafe {
            std::ptr::copy_nonoverlapping(code.cast::<u8>(), fresh.cast::<u8>(), size);
            let moved = mremap_fixed(fresh, size, size, MremapFlags::MAYMOVE, code);
            if moved.is_err() {
                let _ = rustix::mm::munmap(fresh, size);
                return Ok(());
            }
            // Last, since perf records this call.
            mprotect(code, size, MprotectFlags::READ | MprotectFlags::EXEC)
        };
        moved.map_err(|error| LoadError::Open { path: self.path.clone(), reason: error.to_string() })
    }

    /// Only Linux has perf.
    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as on Linux")]
    pub(crate) fn copy_out_of_file(&self, _symbol: &str) -> Result<(), LoadError> {
        Ok(())
    }

    /// Returns the loader's handle, as `dlopen` or `LoadLibrary` returns it. The caller must unload the library.
    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) fn into_raw(self) -> *mut c_void {
        #[cfg(unix)]
        return libloading::os::unix::Library::from(self.library).into_raw();
        #[cfg(windows)]
        return libloading::os::windows::Library::from(self.library).into_raw() as *mut c_void;
    }

    /// Takes ownership of a handle.
    ///
    /// # Safety
    /// The handle came from [`Self::into_raw`] and was not closed since.
    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) unsafe fn from_raw(handle: *mut c_void) -> Self {
        // SAFETY: the caller guarantees it.
        #[cfg(unix)]
        let library = unsafe { libloading::os::unix::Library::from_raw(handle) };
        // SAFETY: the caller guarantees it.
        #[cfg(windows)]
        let library = unsafe { libloading::os::windows::Library::from_raw(handle as _) };
        Self { library: library.into(), path: PathBuf::from("the library") }
    }

    /// Returns the address of a function or variable. The address is valid as long as the library is loaded; only the caller knows the
    /// type, so that calling the address is `unsafe`.
    ///
    /// # Errors
    /// [`LoadError::NoSymbol`] if the library does not define the symbol.
    pub fn address(&self, symbol: &str) -> Result<NonNull<c_void>, LoadError> {
        // SAFETY: the type is a plain pointer, which any symbol's address is.
        let found = unsafe { self.library.get::<*mut c_void>(symbol.as_bytes()) };
        let address = found.ok().and_then(|found| NonNull::new(*found));
        address.ok_or_else(|| LoadError::NoSymbol { path: self.path.clone(), symbol: symbol.to_owned() })
    }
}

/// Returns the address range of the file mapping that contains the code.
#[cfg(target_os = "linux")]
fn mapping_of(address: usize) -> Option<std::ops::Range<usize>> {
    let list = std::fs::read_to_string("/proc/self/maps").ok()?;
    let found = maps::read(&list)
        .find(|one| one.is_file && one.permissions == "r-xp" && one.place.contains(&(address as u64)))?;
    Some(usize::try_from(found.place.start).ok()?..usize::try_from(found.place.end).ok()?)
}

/// Checks whether libraries can be loaded from a file's directory: maps the file as code, as the loader does and `noexec` forbids. On
/// Windows mapping needs the right to execute, which files have by default.
///
/// # Errors
/// The system's error, if libraries cannot be loaded.
pub(crate) fn try_to_map_code(file: &File) -> io::Result<()> {
    // SAFETY: nothing reads or runs the mapping; it is gone at the end of this line.
    unsafe { memmap2::MmapOptions::new().map_exec(file) }.map(drop)
}
