//! Links objects to a library in memory, inside this process, where that is supported. Knows no driver and starts no process; returns an
//! error for everything that the compiler's driver has to link.

#[cfg(all(feature = "wild", target_os = "linux", not(loom)))]
#[path = "link/wild.rs"]
mod linker;
#[cfg(not(all(feature = "wild", target_os = "linux", not(loom))))]
#[path = "link/none.rs"]
mod linker;

use std::fmt;
use std::io;

pub(crate) use linker::{InProcess, on_this_thread, read_library};

/// Why a library was not linked in this process.
#[derive(Debug)]
pub(crate) enum NotLinked {
    /// This build has no linker, or the linker does not support an object.
    Unserved(&'static str),
    /// An object is not as compilers write objects, and the linker does not check its input.
    #[cfg_attr(not(all(feature = "wild", target_os = "linux", not(loom))), expect(dead_code, reason = "there is none"))]
    Unsound(&'static str),
    /// The linker returned an error, or panicked.
    #[cfg_attr(not(all(feature = "wild", target_os = "linux", not(loom))), expect(dead_code, reason = "there is none"))]
    Refused(String),
    /// A file could not be read.
    Io(io::Error),
}

impl fmt::Display for NotLinked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unserved(why) => f.write_str(why),
            Self::Unsound(why) => write!(f, "an object is damaged or unusual: {why}"),
            Self::Refused(text) => f.write_str(text),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for NotLinked {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
