//! The target of a compilation: architecture, system and C library, and what follows from them (suffixes, symbol prefixes, which
//! libraries the linker may leave out). Knows no compiler.

use std::fmt;

/// The instruction set. Architectures that are not listed keep the compiler's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Arch {
    /// 32-bit x86.
    X86,
    /// 64-bit x86, also called amd64.
    X86_64,
    /// 64-bit Arm, also called arm64.
    Aarch64,
    /// Any other, with its name in target triples.
    Other(String),
}

/// The operating system that loads the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Os {
    /// Linux, with any C library.
    Linux,
    /// Android.
    Android,
    /// FreeBSD.
    FreeBsd,
    /// OpenBSD.
    OpenBsd,
    /// NetBSD.
    NetBsd,
    /// macOS.
    MacOs,
    /// Windows, native.
    Windows,
    /// Cygwin and MSYS.
    Cygwin,
    /// AIX.
    Aix,
}

/// The C library or ABI, where a system has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Env {
    /// glibc on Linux, MinGW on Windows.
    Gnu,
    /// musl.
    Musl,
    /// Microsoft's C runtime and ABI.
    Msvc,
    /// The system has one C library only.
    None,
}

/// Architecture, system and C library of the generated code.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The instruction set.
    pub arch: Arch,
    /// The operating system.
    pub os: Os,
    /// The C library or ABI.
    pub env: Env,
}

/// A target triple with an operating system that no planner knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("target '{0}' is unknown: expected ARCH[-VENDOR]-SYSTEM[-ENV], such as x86_64-linux-gnu")]
pub struct UnknownTarget(pub String);

impl Arch {
    /// Parses the first part of a triple; the spellings are those of `config.sub` and LLVM.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "i386" | "i486" | "i586" | "i686" | "x86" => Self::X86,
            "x86_64" | "amd64" => Self::X86_64,
            "aarch64" | "arm64" => Self::Aarch64,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86 => "i686",
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
            Self::Other(name) => name,
        })
    }
}

impl Os {
    /// The systems and their names in triples and probe answers.
    const NAMES: [(&'static str, Self); 9] = [
        ("android", Self::Android),
        ("linux", Self::Linux),
        ("freebsd", Self::FreeBsd),
        ("openbsd", Self::OpenBsd),
        ("netbsd", Self::NetBsd),
        ("macos", Self::MacOs),
        ("windows", Self::Windows),
        ("cygwin", Self::Cygwin),
        ("aix", Self::Aix),
    ];

    /// Finds a system by its name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(word, _)| *word == name).map(|&(_, os)| os)
    }

    fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, os)| *os == self).map_or("unknown", |(word, _)| word)
    }
}

impl Env {
    /// Finds a C library by its name in triples.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            _ if name.starts_with("musl") => Self::Musl,
            _ if name.starts_with("msvc") => Self::Msvc,
            _ if name.starts_with("gnu") => Self::Gnu,
            _ => Self::None,
        }
    }
}

impl Target {
    /// Parses a triple as users write it: with or without a vendor, with a version after the system
    /// (`arm64-apple-macos11`, `x86_64-w64-mingw32`, `aarch64-linux-gnu`).
    ///
    /// # Errors
    /// [`UnknownTarget`] if no part of the triple names a system.
    pub fn parse(triple: &str) -> Result<Self, UnknownTarget> {
        let unknown = || UnknownTarget(triple.to_owned());
        let (arch, rest) = triple.split_once('-').ok_or_else(unknown)?;
        let arch = Arch::from_name(arch);
        let mut env = Env::None;
        let mut os = None;
        for word in rest.split('-') {
            if word.starts_with("mingw") {
                (os, env) = (Some(Os::Windows), Env::Gnu);
            } else if word.starts_with("darwin") {
                os = Some(Os::MacOs);
            } else if let Some(&(_, found)) = Os::NAMES.iter().find(|(name, _)| word.starts_with(name)) {
                os = Some(found);
            } else if word.starts_with("android") {
                os = Some(Os::Android);
            } else if Env::from_name(word) != Env::None {
                env = Env::from_name(word);
            }
        }
        match (os.ok_or_else(unknown)?, env) {
            (os @ Os::Linux, Env::None) => Ok(Self { arch, os, env: Env::Gnu }),
            (os @ Os::Windows, Env::None) => Ok(Self { arch, os, env: Env::Msvc }),
            (os, env) => Ok(Self { arch, os, env }),
        }
    }

    /// The suffix of loadable libraries on this system, without the dot.
    #[must_use]
    pub fn library_suffix(&self) -> &'static str {
        match self.os {
            Os::Windows | Os::Cygwin => "dll",
            // A bundle, not a dylib: Mach-O lets a bundle leave symbols to the program that loads it (ld(1), -bundle).
            Os::MacOs => "bundle",
            _ => "so",
        }
    }

    /// The suffix of object files, without the dot.
    #[must_use]
    pub fn object_suffix(&self) -> &'static str {
        if self.env == Env::Msvc { "obj" } else { "o" }
    }

    /// The prefix of C names in the object format: `_` in Mach-O and in 32-bit COFF.
    #[must_use]
    pub fn symbol_prefix(&self) -> &'static str {
        match (self.os, &self.arch) {
            (Os::MacOs, _) | (Os::Windows | Os::Cygwin, Arch::X86) => "_",
            _ => "",
        }
    }

    /// True for targets whose libraries cannot leave symbols open for the loading program: in PE every symbol needs a library at link
    /// time.
    #[must_use]
    pub fn is_pe(&self) -> bool {
        matches!(self.os, Os::Windows | Os::Cygwin)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.arch, self.os.name())?;
        match self.env {
            Env::Gnu => f.write_str("-gnu"),
            Env::Musl => f.write_str("-musl"),
            Env::Msvc => f.write_str("-msvc"),
            Env::None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn triples_as_users_write_them() {
        for (triple, canonical) in [
            ("x86_64-pc-linux-gnu", "x86_64-linux-gnu"),
            ("x86_64-linux-gnu", "x86_64-linux-gnu"),
            ("aarch64-linux", "aarch64-linux-gnu"),
            ("x86_64-alpine-linux-musl", "x86_64-linux-musl"),
            ("riscv64-unknown-linux-gnu", "riscv64-linux-gnu"),
            ("aarch64-linux-android", "aarch64-android"),
            ("x86_64-w64-mingw32", "x86_64-windows-gnu"),
            ("x86_64-pc-windows-gnu", "x86_64-windows-gnu"),
            ("x86_64-pc-windows-msvc", "x86_64-windows-msvc"),
            ("arm64-apple-macos11", "aarch64-macos"),
            ("arm64-apple-darwin22.1.0", "aarch64-macos"),
            ("amd64-portbld-freebsd13.2", "x86_64-freebsd"),
            ("x86_64-unknown-openbsd7.4", "x86_64-openbsd"),
            ("x86_64--netbsd", "x86_64-netbsd"),
            ("x86_64-pc-cygwin", "x86_64-cygwin"),
        ] {
            assert_eq!(Target::parse(triple).unwrap().to_string(), canonical, "{triple}");
        }
    }

    #[test]
    fn a_triple_without_a_known_system_is_refused() {
        assert!(Target::parse("x86_64").is_err());
        assert!(Target::parse("x86_64-unknown-plan9").is_err());
    }
}
