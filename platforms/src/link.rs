//! The choice of a linker: the compiler's driver, with its default linker or another, or an ELF linker inside the calling process.
//! Knows the flags of each, and when the ELF linker can replace the driver; links nothing.

use crate::cflags;
use crate::job::Flags;
use crate::target::{Arch, Os, Target};

/// The linker that makes libraries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Linker {
    /// The linker inside this process if it supports the plan, otherwise the compiler's driver.
    #[default]
    Auto,
    /// wild, inside this process; a plan that wild does not support is refused.
    Wild,
    /// The compiler's driver with its default linker.
    Driver,
    /// The driver with LLVM's linker.
    Lld,
    /// The driver with mold.
    Mold,
    /// The driver with GNU gold.
    Gold,
    /// The driver with GNU ld.
    Bfd,
}

impl Linker {
    /// Each linker with its name in options.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("auto", Self::Auto),
        ("wild", Self::Wild),
        ("driver", Self::Driver),
        ("lld", Self::Lld),
        ("mold", Self::Mold),
        ("gold", Self::Gold),
        ("bfd", Self::Bfd),
    ];

    /// Returns the flag for gcc and clang (gcc's manual, "Options for Linking"), or `None` if the driver chooses.
    pub(crate) fn flag(self) -> Option<&'static str> {
        match self {
            Self::Auto | Self::Wild | Self::Driver => None,
            Self::Lld => Some("-fuse-ld=lld"),
            Self::Mold => Some("-fuse-ld=mold"),
            Self::Gold => Some("-fuse-ld=gold"),
            Self::Bfd => Some("-fuse-ld=bfd"),
        }
    }
}

/// Returns the arguments for an ELF linker that replaces the driver, without inputs and output: those arguments of gcc's and clang's
/// drivers (`gcc -shared -###`) that matter for a library whose open symbols the loading program defines.
///
/// # Errors
/// Why only the driver can link.
pub(crate) fn in_process(target: &Target, flags: &Flags) -> Result<Vec<&'static str>, &'static str> {
    if !matches!(target.os, Os::Linux | Os::Android) {
        return Err("the built-in linker supports Linux only");
    }
    let emulation = match &target.arch {
        Arch::X86_64 => "elf_x86_64",
        Arch::Aarch64 => "aarch64linux",
        Arch::X86 | Arch::Other(_) => return Err("the built-in linker does not support this processor"),
    };
    if !flags.ldflags.is_empty() {
        return Err("linker flags need the compiler's driver");
    }
    if cflags::concern_link(&flags.cflags) {
        return Err("a compiler flag may affect the link, which needs the compiler's driver");
    }
    // Without --eh-frame-hdr no unwinder finds the code's frames, and no debugger.
    Ok(vec!["-m", emulation, "-shared", "--eh-frame-hdr", "--hash-style=gnu"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_the_driver_knows_goes_to_the_driver() {
        let linux = Target::parse("x86_64-linux-gnu").unwrap();
        let with = |word: &str| in_process(&linux, &Flags { cflags: vec![word.into()], ..Flags::default() });
        assert!(with("-mavx2").is_ok() && with("-fopenmp").is_err());
        let flags = Flags { ldflags: vec!["-lm".into()], ..Flags::default() };
        assert!(in_process(&linux, &flags).is_err());
        assert!(in_process(&Target::parse("x86_64-freebsd").unwrap(), &Flags::default()).is_err());
    }
}
