//! The C source that identifies a compiler, and the parser of the answer. Starts no process: the caller preprocesses [`SOURCE`]
//! with `-E`, which cl, gcc and their relatives all accept.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::compiler::{Compiler, Family, Version};
use crate::target::{Arch, Env, Os, Target};

/// C for the preprocessor. The answers are strings, because `linux` and `unix` are macros too; family, system and architecture
/// come from predefined macros, the C library from its `features.h` (musl predefines nothing on purpose).
pub const SOURCE: &str = r#"
#if defined(__linux__) && defined(__has_include)
# if __has_include(<features.h>)
#  include <features.h>
# endif
#endif
#if defined(__clang__) && defined(_MSC_VER)
mjitcc_family "clang-cl"
mjitcc_version __clang_major__ __clang_minor__ __clang_patchlevel__
#elif defined(__clang__)
mjitcc_family "clang"
mjitcc_version __clang_major__ __clang_minor__ __clang_patchlevel__
#elif defined(__TINYC__)
mjitcc_family "tcc"
mjitcc_version __TINYC__
#elif defined(_MSC_VER)
mjitcc_family "msvc"
mjitcc_version _MSC_FULL_VER
#elif defined(__GNUC__)
mjitcc_family "gcc"
mjitcc_version __GNUC__ __GNUC_MINOR__ __GNUC_PATCHLEVEL__
#endif
mjitcc_text __VERSION__
#if defined(__ANDROID__)
mjitcc_os "android"
#elif defined(__linux__)
mjitcc_os "linux"
#elif defined(__FreeBSD__)
mjitcc_os "freebsd"
#elif defined(__OpenBSD__)
mjitcc_os "openbsd"
#elif defined(__NetBSD__)
mjitcc_os "netbsd"
#elif defined(__APPLE__)
mjitcc_os "macos"
#elif defined(__CYGWIN__)
mjitcc_os "cygwin"
#elif defined(_WIN32)
mjitcc_os "windows"
#elif defined(_AIX)
mjitcc_os "aix"
#endif
#if defined(__GLIBC__) || defined(__MINGW32__)
mjitcc_env "gnu"
#elif defined(_MSC_VER)
mjitcc_env "msvc"
#elif defined(__linux__) && !defined(__ANDROID__) && defined(__has_include)
# if __has_include(<features.h>)
mjitcc_env "musl"
# else
mjitcc_env "gnu"
# endif
#elif defined(__linux__) && !defined(__ANDROID__)
mjitcc_env "gnu"
#endif
#if defined(__x86_64__) || defined(_M_X64)
mjitcc_arch "x86_64"
#elif defined(__i386__) || defined(_M_IX86)
mjitcc_arch "i686"
#elif defined(__aarch64__) || defined(_M_ARM64)
mjitcc_arch "aarch64"
#elif defined(__arm__) || defined(_M_ARM)
mjitcc_arch "arm"
#elif defined(__riscv) && __riscv_xlen == 64
mjitcc_arch "riscv64"
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
mjitcc_arch "powerpc64le"
#elif defined(__powerpc64__)
mjitcc_arch "powerpc64"
#elif defined(__s390x__)
mjitcc_arch "s390x"
#elif defined(__loongarch64)
mjitcc_arch "loongarch64"
#endif
"#;

/// Why a program's answer does not identify a compiler.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The program preprocessed the source, but the family is unknown to this crate.
    #[error("it is not one of the supported C compilers (gcc, clang, tcc, cl, clang-cl)")]
    UnknownFamily,
    /// The program compiles for a system or architecture that has no planner.
    #[error("it compiles for an unsupported system or architecture")]
    UnknownTarget,
}

/// Parses the output of `PROGRAM LEADING… -E` for [`SOURCE`]. Leaves the compiler's `env` empty and `foreign` false.
///
/// # Errors
/// [`ProbeError`] if the answer names no known family or target.
pub fn read_answer(program: PathBuf, leading: Vec<OsString>, answer: &[u8]) -> Result<Compiler, ProbeError> {
    let text = String::from_utf8_lossy(answer);
    let answer = |key: &str| {
        text.lines()
            .filter_map(|line| line.trim().strip_prefix(key))
            .find_map(|value| value.starts_with(' ').then(|| value.trim().trim_matches('"').to_owned()))
    };
    let family = answer("mjitcc_family").and_then(|name| Family::from_name(&name)).ok_or(ProbeError::UnknownFamily)?;
    let os = answer("mjitcc_os").and_then(|name| Os::from_name(&name)).ok_or(ProbeError::UnknownTarget)?;
    let arch = answer("mjitcc_arch").map(|name| Arch::from_name(&name)).ok_or(ProbeError::UnknownTarget)?;
    let env = answer("mjitcc_env").map_or(Env::None, |name| Env::from_name(&name));
    let version = version(family, &answer("mjitcc_version").unwrap_or_default());
    let version_text =
        answer("mjitcc_text").filter(|text| text != "__VERSION__").unwrap_or_else(|| version.to_string());
    let target = Target { arch, os, env };
    Ok(Compiler { program, leading, env: Vec::new(), family, version, version_text, target, foreign: false })
}

fn version(family: Family, words: &str) -> Version {
    let mut numbers = words.split_whitespace().map(|word| word.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    match family {
        // 0.9.27 is 927.
        Family::Tcc => {
            let number: u32 = next();
            Version(number / 10_000, number / 100 % 100, number % 100)
        }
        // 19.29.30133 is 192930133.
        Family::Msvc => {
            let number: u32 = next();
            Version(number / 10_000_000, number / 100_000 % 100, number % 100_000)
        }
        Family::Gcc | Family::Clang | Family::ClangCl => Version(next(), next(), next()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Result<Compiler, ProbeError> {
        read_answer("cc".into(), Vec::new(), text.as_bytes())
    }

    #[test]
    fn the_answer_and_not_the_name_decides() {
        let found = answer(
            "# 1 \"p.c\"\nmjitcc_family \"clang\"\nmjitcc_version 14 0 6\nmjitcc_text \"Debian Clang 14.0.6\"\n\
             mjitcc_os \"linux\"\nmjitcc_env \"gnu\"\nmjitcc_arch \"x86_64\"\n",
        )
        .unwrap();
        assert_eq!(found.to_string(), "clang 14.0.6 for x86_64-linux-gnu (cc)");
        assert_eq!(found.version_text, "Debian Clang 14.0.6");
    }

    #[test]
    fn versions_in_one_number() {
        assert_eq!(version(Family::Tcc, "927"), Version(0, 9, 27));
        assert_eq!(version(Family::Msvc, "192930133"), Version(19, 29, 30133));
    }

    #[test]
    fn msvc_has_no_version_text() {
        let found = answer(
            "mjitcc_family \"msvc\"\r\nmjitcc_version 194033811\r\nmjitcc_text __VERSION__\r\nmjitcc_os \"windows\"\r\n\
             mjitcc_env \"msvc\"\r\nmjitcc_arch \"x86_64\"\r\n",
        )
        .unwrap();
        assert_eq!((found.version, found.version_text.as_str()), (Version(19, 40, 33811), "19.40.33811"));
    }

    #[test]
    fn strangers_are_told_apart() {
        assert_eq!(answer("int main;"), Err(ProbeError::UnknownFamily));
        assert_eq!(answer("mjitcc_family \"gcc\"\nmjitcc_arch \"avr\""), Err(ProbeError::UnknownTarget));
    }
}
