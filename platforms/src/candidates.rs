//! The names under which compilers are searched for. The probe finds out which of the programs exist and which compiler each is.

use crate::compiler::{Compiler, Family};
use crate::target::{Arch, Env, Os, Target};

/// The compilers that a user can request by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// GCC.
    Gcc,
    /// clang.
    Clang,
    /// MinGW: gcc or clang for Windows.
    Mingw,
    /// Microsoft's cl.
    Msvc,
    /// clang with cl's command line.
    ClangCl,
    /// tcc.
    Tcc,
}

/// The releases of clang that distributions install under a versioned name only.
const CLANG_RELEASES: std::ops::RangeInclusive<u32> = 11..=22;

/// The releases of gcc that distributions install beside the default release.
const GCC_RELEASES: std::ops::RangeInclusive<u32> = 9..=16;

impl Choice {
    /// Every choice and its name.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("gcc", Self::Gcc),
        ("clang", Self::Clang),
        ("mingw", Self::Mingw),
        ("msvc", Self::Msvc),
        ("clang-cl", Self::ClangCl),
        ("tcc", Self::Tcc),
    ];

    /// The choice's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, choice)| *choice == self).map_or("unknown", |(name, _)| name)
    }

    /// True if the compiler matches this choice.
    #[must_use]
    pub fn accepts(self, compiler: &Compiler) -> bool {
        match self {
            Self::Gcc => compiler.family == Family::Gcc,
            Self::Clang => compiler.family == Family::Clang,
            Self::Mingw => compiler.target.os == Os::Windows && compiler.target.env == Env::Gnu,
            Self::Msvc => matches!(compiler.family, Family::Msvc | Family::ClangCl),
            Self::ClangCl => compiler.family == Family::ClangCl,
            Self::Tcc => compiler.family == Family::Tcc,
        }
    }
}

/// Returns the command lines to try, best first. `choice` is `None` if the user requested no compiler; `target` is the triple as the
/// user wrote it, and the parsed triple.
#[must_use]
pub fn candidates(choice: Option<Choice>, target: Option<(&str, &Target)>) -> Vec<Vec<String>> {
    let Some((triple, target)) = target else {
        return match choice {
            None => commands(&["cc", "gcc", "clang"]),
            Some(Choice::Gcc) => commands(&["gcc", "cc"]),
            Some(Choice::Clang) => [commands(&["clang"]), clang_releases("clang", &[])].concat(),
            Some(Choice::Mingw) => commands(&["x86_64-w64-mingw32-gcc", "gcc"]),
            Some(Choice::Msvc) => [commands(&["cl", "clang-cl"]), clang_releases("clang-cl", &[])].concat(),
            Some(Choice::ClangCl) => [commands(&["clang-cl"]), clang_releases("clang-cl", &[])].concat(),
            Some(Choice::Tcc) => commands(&["tcc"]),
        };
    };
    let gcc: Vec<Vec<String>> = gcc_names(triple, target).into_iter().map(|name| vec![name]).collect();
    let flag = format!("--target={triple}");
    let clang = [vec![vec!["clang".to_owned(), flag.clone()]], clang_releases("clang", &[&flag])].concat();
    let clang_cl = [vec![vec!["clang-cl".to_owned(), flag.clone()]], clang_releases("clang-cl", &[&flag])].concat();
    let cl_mode = |name: &str| vec![name.to_owned(), "--driver-mode=cl".to_owned(), flag.clone()];
    let clang_as_cl: Vec<Vec<String>> = [cl_mode("clang")]
        .into_iter()
        .chain(CLANG_RELEASES.rev().map(|release| cl_mode(&format!("clang-{release}"))))
        .collect();
    let clang_cl = [clang_cl, clang_as_cl].concat();
    let tcc = match target.arch {
        Arch::X86 => commands(&["i386-tcc", "tcc"]),
        _ => commands(&["tcc"]),
    };
    match choice {
        None if target.env == Env::Msvc => [commands(&["cl"]), clang_cl].concat(),
        None => [gcc, clang, commands(&["cc"])].concat(),
        Some(Choice::Gcc) => gcc,
        Some(Choice::Mingw) => [gcc, clang].concat(),
        Some(Choice::Clang) => clang,
        Some(Choice::Msvc) => [commands(&["cl"]), clang_cl].concat(),
        Some(Choice::ClangCl) => clang_cl,
        Some(Choice::Tcc) => tcc,
    }
}

/// Returns the names of a cross gcc, which is named after its target: in GNU's spelling, and without a vendor on Debian.
fn gcc_names(triple: &str, target: &Target) -> Vec<String> {
    let Target { arch, os, env } = target;
    let mut names = vec![format!("{triple}-gcc")];
    names.push(match (os, env) {
        (Os::Windows, _) => format!("{arch}-w64-mingw32-gcc"),
        _ => format!("{target}-gcc"),
    });
    if *env == Env::Musl {
        names.push("musl-gcc".to_owned());
    }
    names.push("gcc".to_owned());
    names.dedup();
    names
}

fn clang_releases(name: &str, more: &[&String]) -> Vec<Vec<String>> {
    CLANG_RELEASES
        .rev()
        .map(|release| [format!("{name}-{release}")].into_iter().chain(more.iter().map(|&word| word.clone())).collect())
        .collect()
}

fn commands(names: &[&str]) -> Vec<Vec<String>> {
    names.iter().map(|&name| vec![name.to_owned()]).collect()
}

/// Returns the names under which any known compiler may be installed, for a survey of a machine.
#[must_use]
pub fn survey_names() -> Vec<String> {
    let plain =
        ["cc", "gcc", "clang", "tcc", "cl", "clang-cl", "musl-gcc", "x86_64-w64-mingw32-gcc", "aarch64-linux-gnu-gcc"];
    let clangs = CLANG_RELEASES.rev().map(|release| format!("clang-{release}"));
    let gccs = GCC_RELEASES.rev().map(|release| format!("gcc-{release}"));
    plain.iter().map(|&name| name.to_owned()).chain(gccs).chain(clangs).collect()
}

/// The file names of the linkers that compilers call.
pub const LINKERS: [&str; 7] = ["ld", "ld.bfd", "ld.gold", "ld.lld", "lld-link", "mold", "wild"];

/// Returns the command that usually installs what a choice and a target need, for a machine with this package manager.
#[must_use]
pub fn install_hint(manager: PackageManager, choice: Option<Choice>, target: Option<&Target>) -> String {
    let foreign = |target: &Target| matches!(target.os, Os::MacOs | Os::FreeBsd | Os::OpenBsd | Os::NetBsd);
    let usual = match target {
        Some(target) if target.env == Env::Msvc => Choice::Msvc,
        // Distributions have no gcc for this target; every clang compiles for every system.
        Some(target) if foreign(target) => Choice::Clang,
        _ => Choice::Gcc,
    };
    let choice = choice.unwrap_or(usual);
    use PackageManager::{Apk, Apt, Brew, Dnf, Pacman, Pkg, Winget};
    let mingw =
        choice == Choice::Mingw || target.is_some_and(|target| target.os == Os::Windows && target.env == Env::Gnu);
    let for_32_bits = target.is_some_and(|target| target.arch == Arch::X86);
    let musl = target.is_some_and(|target| target.env == Env::Musl);
    if let (Apt, Some(Target { arch, os: Os::Linux, env: Env::Gnu })) = (manager, target) {
        // Debian names its cross compilers after their targets, without underscores.
        return format!("apt-get install gcc-{}-linux-gnu", arch.to_string().replace('_', "-"));
    }
    let package = match (choice, manager) {
        _ if mingw && manager == Apt && for_32_bits => "gcc-mingw-w64-i686",
        _ if mingw && manager == Apt => "gcc-mingw-w64-x86-64",
        _ if mingw && manager == Dnf && for_32_bits => "mingw32-gcc",
        _ if mingw && manager == Dnf => "mingw64-gcc",
        _ if mingw => "mingw-w64-gcc",
        _ if musl && manager == Apt => "musl-tools",
        (Choice::Clang | Choice::ClangCl, Winget) => "LLVM.LLVM",
        (Choice::Msvc, Winget) => "Microsoft.VisualStudio.2022.BuildTools",
        (Choice::Msvc | Choice::ClangCl | Choice::Clang, Brew | Pkg) => "llvm",
        (Choice::Msvc | Choice::ClangCl, _) => "clang lld",
        (Choice::Clang, _) if target.is_some_and(foreign) => "clang lld",
        (Choice::Clang, _) => "clang",
        (Choice::Tcc, Pkg | Brew) => "tinycc",
        (Choice::Tcc, _) => "tcc",
        (_, Winget) => "BrechtSanders.WinLibs.POSIX.UCRT",
        (_, Apt) => "gcc libc6-dev",
        (_, Apk) => "gcc musl-dev",
        _ => "gcc",
    };
    let command = match manager {
        Apt => "apt-get install",
        Dnf => "dnf install",
        Pacman => "pacman -S",
        Apk => "apk add",
        Brew => "brew install",
        Pkg => "pkg install",
        Winget => "winget install",
    };
    format!("{command} {package}")
}

/// Package managers whose package names are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageManager {
    /// Debian, Ubuntu.
    Apt,
    /// Fedora, RHEL.
    Dnf,
    /// Arch.
    Pacman,
    /// Alpine.
    Apk,
    /// macOS.
    Brew,
    /// FreeBSD.
    Pkg,
    /// Windows.
    Winget,
}

impl PackageManager {
    /// For each package manager, the program whose presence shows that the machine uses it.
    pub const PROGRAMS: [(&'static str, Self); 7] = [
        ("apt-get", Self::Apt),
        ("dnf", Self::Dnf),
        ("pacman", Self::Pacman),
        ("apk", Self::Apk),
        ("brew", Self::Brew),
        ("pkg", Self::Pkg),
        ("winget", Self::Winget),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(choice: Option<Choice>, triple: Option<&str>) -> Vec<String> {
        let target = triple.map(|triple| (triple, Target::parse(triple).unwrap()));
        candidates(choice, target.as_ref().map(|(triple, target)| (*triple, target)))
            .into_iter()
            .map(|commands| commands.join(" "))
            .collect()
    }

    #[test]
    fn without_wishes_the_systems_compiler_comes_first() {
        assert_eq!(names(None, None), ["cc", "gcc", "clang"]);
    }

    #[test]
    fn a_target_names_its_cross_compiler() {
        assert_eq!(
            names(None, Some("x86_64-pc-windows-gnu"))[..2],
            ["x86_64-pc-windows-gnu-gcc", "x86_64-w64-mingw32-gcc"]
        );
        assert_eq!(names(Some(Choice::Gcc), Some("aarch64-linux-gnu")), ["aarch64-linux-gnu-gcc", "gcc"]);
        assert!(names(None, Some("x86_64-linux-musl")).contains(&"musl-gcc".to_owned()));
        assert_eq!(names(Some(Choice::Clang), Some("arm64-apple-macos11"))[0], "clang --target=arm64-apple-macos11");
        assert_eq!(
            names(None, Some("x86_64-pc-windows-msvc"))[..2],
            ["cl", "clang-cl --target=x86_64-pc-windows-msvc"]
        );
    }
}
