//! Who links: the compiler's driver, with its own linker or another, or an ELF linker inside the calling process. Knows what each
//! must be told and when the last can stand in for the first; links nothing.

use crate::cflags;
use crate::job::Flags;
use crate::target::{Arch, Os, Target};

/// The linker that makes libraries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Linker {
    /// Inside this process where that serves, else the compiler's driver.
    #[default]
    Auto,
    /// Inside this process, by wild; a plan that it does not serve is refused.
    Wild,
    /// The compiler's driver with the linker that it takes by itself.
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
    /// Each with the word that chooses it.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("auto", Self::Auto),
        ("wild", Self::Wild),
        ("driver", Self::Driver),
        ("lld", Self::Lld),
        ("mold", Self::Mold),
        ("gold", Self::Gold),
        ("bfd", Self::Bfd),
    ];

    /// What gcc and clang are told (gcc's manual, "Options for Linking"); nothing where the choice is theirs.
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

/// What an ELF linker is told in the driver's place, but for its inputs and its output: the words of gcc's and clang's drivers
/// (`gcc -shared -###`) that matter for a library whose symbols the loading program fills in.
///
/// # Errors
/// Why the driver has to do it.
pub(crate) fn in_process(target: &Target, flags: &Flags) -> Result<Vec<&'static str>, &'static str> {
    if !matches!(target.os, Os::Linux | Os::Android) {
        return Err("it links for Linux alone");
    }
    let emulation = match &target.arch {
        Arch::X86_64 => "elf_x86_64",
        Arch::Aarch64 => "aarch64linux",
        Arch::X86 | Arch::Other(_) => return Err("it does not link for this processor"),
    };
    if !flags.ldflags.is_empty() {
        return Err("only the driver knows what linker flags mean");
    }
    if cflags::concern_link(&flags.cflags) {
        return Err("a compiler flag may concern the link");
    }
    // Without --eh-frame-hdr nobody unwinds through the code, not a debugger either.
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
