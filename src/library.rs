//! Loading code: one of the two places with `unsafe`. Knows files and symbols, not where they come from.

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
    memfd::{self, Holds},
};

/// A library that could not be loaded, or has no such symbol.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The system's loader refused it.
    #[error("cannot load {}: {reason}", path.display())]
    Open {
        /// The library.
        path: PathBuf,
        /// The loader's words.
        reason: String,
    },
    /// It was loaded and does not define the symbol.
    #[error("{} does not define {symbol}", path.display())]
    NoSymbol {
        /// The library.
        path: PathBuf,
        /// What was asked for.
        symbol: String,
    },
}

/// A loaded library. Dropping it unloads its code: no address of it may be called or returned to after that.
#[derive(Debug)]
pub struct Library {
    library: libloading::Library,
    path: PathBuf,
}

/// A path of a descriptor that no library was loaded by before: glibc's loader takes two libraries of one name for one, and
/// descriptors are numbered anew. Each bit of the number is a spelling of the same folder.
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
    /// Loads a library that is in memory and nowhere else. `name` is what errors call it; its last part is what the process's maps
    /// say.
    ///
    /// # Errors
    /// [`LoadError::Open`], also where the system has no such files, or forbids to run them (`vm.memfd_noexec`).
    #[cfg(target_os = "linux")]
    pub fn from_memory(image: &[u8], name: &Path) -> Result<Self, LoadError> {
        use std::os::fd::AsRawFd;
        let failed = |error: io::Error| LoadError::Open { path: name.to_owned(), reason: error.to_string() };
        let short = name.file_name().unwrap_or_default().to_string_lossy();
        let mut file = memfd::create(&short, Holds::Code).map_err(failed)?;
        file.write_all(image).map_err(failed)?;
        // The mapping keeps the memory, not the descriptor.
        let loaded = Self::open(&path_of_descriptor(file.as_raw_fd()))?;
        Ok(Self { path: name.to_owned(), ..loaded })
    }

    /// Elsewhere a library is a file.
    ///
    /// # Errors
    /// [`LoadError::Open`], always.
    #[cfg(not(target_os = "linux"))]
    pub fn from_memory(_image: &[u8], name: &Path) -> Result<Self, LoadError> {
        Err(LoadError::Open { path: name.to_owned(), reason: "libraries are files here".to_owned() })
    }

    /// Loads a library with all its symbols bound. Loading runs its initialisers: it is trusted as much as the C text that it
    /// was made of.
    ///
    /// # Errors
    /// [`LoadError::Open`] with the loader's words, such as the name of a symbol that the process does not define.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        // libloading says that loading failed, and its source why.
        let failed = |error: libloading::Error| {
            let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            LoadError::Open { path: path.to_owned(), reason }
        };
        // Bound now, so that a missing symbol is an error here and not a crash in the first call; local, so that equal names
        // in two libraries stay apart.
        #[cfg(unix)]
        let library = {
            use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
            // SAFETY: the file was made by this crate from C text that the caller vouches for, and is whole: it was renamed
            // into place after the linker succeeded.
            unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map(Into::into).map_err(failed)?
        };
        #[cfg(not(unix))]
        let library = {
            /// `MAX_PATH`: the loader takes longer paths only as they are, without a look at their parts.
            const LONGEST: usize = 260;
            let verbatim = (path.as_os_str().len() >= LONGEST).then(|| std::fs::canonicalize(path).ok()).flatten();
            // SAFETY: as above.
            unsafe { libloading::Library::new(verbatim.as_deref().unwrap_or(path)) }.map_err(failed)?
        };
        Ok(Self { library, path: path.to_owned() })
    }

    /// Puts the code that a symbol is in, which nobody runs yet, into memory that is no file's: perf asks the map that a process writes only
    /// about such memory (`is_anon_memory` in its `util/map.c`), also where the file is long gone. Where that cannot be done the code
    /// stays where it is.
    ///
    /// # Errors
    /// [`LoadError::Open`] where the system does not let the code be run in its new place.
    #[cfg(target_os = "linux")]
    pub(crate) fn leave_file(&self, symbol: &str) -> Result<(), LoadError> {
        use rustix::mm::{MapFlags, MprotectFlags, MremapFlags, ProtFlags, mmap_anonymous, mprotect, mremap_fixed};
        let address = self.address(symbol)?.as_ptr();
        let Some(range) = mapping_of(address as usize) else { return Ok(()) };
        let (code, size) = (address.with_addr(range.start), range.len());
        let writable = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a mapping of its own.
        let Ok(fresh) = (unsafe { mmap_anonymous(std::ptr::null_mut(), size, writable, MapFlags::PRIVATE) }) else {
            return Ok(());
        };
        // SAFETY: the range is one readable mapping of the library's, which lives as long as this; the other is as long and nobody else's.
        // Nobody has an address of the code yet, so that nobody runs it while it may not be run.
        let moved = unsafe {
            std::ptr::copy_nonoverlapping(code.cast::<u8>(), fresh.cast::<u8>(), size);
            let moved = mremap_fixed(fresh, size, size, MremapFlags::MAYMOVE, code);
            if moved.is_err() {
                let _ = rustix::mm::munmap(fresh, size);
                return Ok(());
            }
            // Only now, since this is what perf is told of.
            mprotect(code, size, MprotectFlags::READ | MprotectFlags::EXEC)
        };
        moved.map_err(|error| LoadError::Open { path: self.path.clone(), reason: error.to_string() })
    }

    /// Only Linux has perf.
    #[cfg(not(target_os = "linux"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as on Linux")]
    pub(crate) fn leave_file(&self, _symbol: &str) -> Result<(), LoadError> {
        Ok(())
    }

    /// Gives the loader's own handle away, as `dlopen` or `LoadLibrary` gives it. Whoever has it unloads the library.
    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) fn into_raw(self) -> *mut c_void {
        #[cfg(unix)]
        return libloading::os::unix::Library::from(self.library).into_raw();
        #[cfg(windows)]
        return libloading::os::windows::Library::from(self.library).into_raw() as *mut c_void;
    }

    /// Takes a handle back.
    ///
    /// # Safety
    /// It came from [`Self::into_raw`] and was not closed since.
    #[cfg(all(feature = "capi", not(loom)))]
    pub(crate) unsafe fn from_raw(handle: *mut c_void) -> Self {
        // SAFETY: the caller says so.
        #[cfg(unix)]
        let library = unsafe { libloading::os::unix::Library::from_raw(handle) };
        // SAFETY: the caller says so.
        #[cfg(windows)]
        let library = unsafe { libloading::os::windows::Library::from_raw(handle as _) };
        Self { library: library.into(), path: PathBuf::from("the library") }
    }

    /// The address of a function or variable. It is valid as long as the library is; what type it has only the caller knows,
    /// so that calling it is `unsafe`.
    ///
    /// # Errors
    /// [`LoadError::NoSymbol`] when the library does not define it.
    pub fn address(&self, symbol: &str) -> Result<NonNull<c_void>, LoadError> {
        // SAFETY: the type is a plain pointer, which any symbol's address is.
        let found = unsafe { self.library.get::<*mut c_void>(symbol.as_bytes()) };
        let address = found.ok().and_then(|found| NonNull::new(*found));
        address.ok_or_else(|| LoadError::NoSymbol { path: self.path.clone(), symbol: symbol.to_owned() })
    }
}

/// Code in memory that is a file's: where it begins and ends.
#[cfg(target_os = "linux")]
fn mapping_of(address: usize) -> Option<std::ops::Range<usize>> {
    let list = std::fs::read_to_string("/proc/self/maps").ok()?;
    let found = maps::read(&list)
        .find(|one| one.is_file && one.permissions == "r-xp" && one.place.contains(&(address as u64)))?;
    Some(usize::try_from(found.place.start).ok()?..usize::try_from(found.place.end).ok()?)
}

/// Finds out by trying whether libraries can be loaded from where a file lies: maps the file as code, which is what the loader does and what
/// `noexec` forbids. On Windows mapping needs the right to execute, which files have by default.
///
/// # Errors
/// What the system said, when they cannot.
pub(crate) fn try_to_map_code(file: &File) -> io::Result<()> {
    // SAFETY: nothing reads or runs the mapping; it is gone at the end of this line.
    unsafe { memmap2::MmapOptions::new().map_exec(file) }.map(drop)
}
