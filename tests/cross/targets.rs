//! `--target`: a compiler is found for each, its PCH is used, and its libraries are of that system's kind, each unit alone and all
//! in one. What is missing is said.

use std::fs;
use std::path::PathBuf;

use object::macho::MH_BUNDLE;
use object::read::FileFlags;
use object::{Architecture, BinaryFormat, Object};

use crate::place::{Place, exports};
use crate::support::{self, fixture_units, need, run, text};

/// What a target's libraries are.
#[derive(Clone, Copy)]
struct Kind {
    suffix: &'static str,
    format: BinaryFormat,
    processor: Architecture,
    /// What stands before a C name.
    prefix: &'static str,
}

const ELF: Kind = Kind { suffix: "so", format: BinaryFormat::Elf, processor: Architecture::X86_64, prefix: "" };
const ELF_AARCH64: Kind = Kind { processor: Architecture::Aarch64, ..ELF };
const DLL: Kind = Kind { suffix: "dll", format: BinaryFormat::Pe, ..ELF };
const BUNDLE: Kind =
    Kind { suffix: "bundle", format: BinaryFormat::MachO, processor: Architecture::Aarch64, prefix: "_" };

/// A few, with symbols that begin with an underscore among them: what they answer is the end-to-end test's business.
fn units() -> Vec<PathBuf> {
    fixture_units().into_iter().step_by(4).collect()
}

#[track_caller]
fn check(words: &[&str], chosen: &str, kind: Kind) {
    for compact in [false, true] {
        let place = Place::new();
        let words: Vec<&str> = words.iter().copied().chain(["-v"]).chain(compact.then_some("--compact")).collect();
        let said = text(&run(&mut place.compile(&words, &units()), 0).stderr);
        assert!(said.contains(chosen), "{said}");
        assert!(said.contains("built, and proven to be used"), "{said}");
        assert_eq!(support::statuses(&place.out()), vec!["built"; units().len()]);
        let libraries = place.symbols();
        assert_eq!(libraries.len(), if compact { 1 } else { units().len() });
        assert_eq!(libraries.values().flatten().count(), units().len());
        for (library, symbols) in libraries {
            assert_eq!(library.rsplit_once('.').unwrap().1, kind.suffix);
            let bytes = fs::read(place.out().join(&library)).unwrap();
            let file = object::File::parse(&*bytes).unwrap();
            assert_eq!((file.format(), file.architecture()), (kind.format, kind.processor), "{library}");
            assert!(symbols.is_subset(&exports(&file, kind.prefix)), "{library}: {symbols:?}");
            if let FileFlags::MachO { .. } = file.flags() {
                let object::File::MachO64(file) = &file else { panic!("{library}") };
                assert_eq!(file.macho_header().filetype.get(object::Endianness::Little), MH_BUNDLE);
            }
        }
        assert!(place.leftovers().is_empty(), "{:#?}", place.leftovers());
    }
}

#[test]
fn x86_64_pc_windows_gnu() {
    need!("x86_64-w64-mingw32-gcc");
    check(&["--target", "x86_64-pc-windows-gnu"], "compiler: gcc ", DLL);
}

#[test]
fn x86_64_pc_windows_gnu_by_clang() {
    need!("clang-19", "ld.lld-19", "x86_64-w64-mingw32-gcc");
    check(&["--cc", "clang-19", "--target", "x86_64-pc-windows-gnu"], "compiler: clang 19", DLL);
}

/// Objects have an underscore before each C name, and export tables none.
#[test]
fn i686_w64_mingw32() {
    need!("i686-w64-mingw32-gcc");
    check(&["--target", "i686-w64-mingw32"], "for i686-windows-gnu (", Kind { processor: Architecture::I386, ..DLL });
}

#[test]
fn x86_64_pc_windows_msvc() {
    need!("clang-19", "lld-link-19");
    let words = ["--cc", "clang-19 --driver-mode=cl", "--target", "x86_64-pc-windows-msvc", "--ldflag=-NODEFAULTLIB"];
    check(&words, "compiler: clang-cl 19", DLL);
}

#[test]
fn x86_64_pc_windows_msvc_by_its_usual_name() {
    need!("clang-cl-19", "lld-link-19");
    check(&["--target", "x86_64-pc-windows-msvc", "--ldflag=-NODEFAULTLIB"], "for x86_64-windows-msvc", DLL);
}

#[test]
fn a_windows_sdk_that_is_missing_is_named() {
    need!("clang-19", "lld-link-19");
    for compact in [false, true] {
        let place = Place::new();
        let words = ["--cc", "clang-19 --driver-mode=cl", "--target", "x86_64-pc-windows-msvc"];
        let words: Vec<&str> = words.into_iter().chain(compact.then_some("--compact")).collect();
        let said = text(&run(&mut place.compile(&words, &fixture_units()[..1]), 1).stderr);
        assert!(
            said.contains(
                "help: no Windows SDK was found: set LIB to the SDK's library folders, or link without the C runtime by"
            ),
            "{said}"
        );
        assert!(place.leftovers().is_empty(), "{:#?}", place.leftovers());
    }
}

#[test]
fn aarch64_linux_gnu() {
    need!("aarch64-linux-gnu-gcc");
    check(&["--target", "aarch64-linux-gnu"], "compiler: gcc ", ELF_AARCH64);
}

#[test]
fn x86_64_linux_musl() {
    need!("musl-gcc");
    check(&["--target", "x86_64-linux-musl"], "for x86_64-linux-musl (", ELF);
}

/// With the newest clang that is here, and with the one that is called clang.
#[track_caller]
fn check_bare(triple: &str, chosen: &str, kind: Kind) {
    if support::has("clang-19") && support::has("ld.lld-19") {
        check(&["--cc", "clang-19", "--target", triple], chosen, kind);
    }
    if support::has("clang") && support::has("lld") {
        check(&["--target", triple], chosen, kind);
    }
}

#[test]
fn arm64_apple_macos() {
    check_bare("arm64-apple-macos", "for aarch64-macos (", BUNDLE);
}

#[test]
fn x86_64_freebsd() {
    check_bare("x86_64-freebsd", "for x86_64-freebsd (", ELF);
}

#[test]
fn x86_64_openbsd() {
    check_bare("x86_64-openbsd", "for x86_64-openbsd (", ELF);
}

#[test]
fn x86_64_netbsd() {
    check_bare("x86_64-netbsd", "for x86_64-netbsd (", ELF);
}

/// This machine's headers are not another system's: better none than those.
#[cfg(target_os = "linux")]
#[test]
fn the_headers_of_another_system_are_not_this_ones() {
    need!("clang-19", "ld.lld-19");
    let place = Place::new();
    // In every C library's folder on Linux, and it includes nothing.
    let unit =
        [place.write("unit.c", "#include <gnu-versions.h>\n#include <sys/own.h>\nint unit(void) { return OWN; }\n")];
    let words = ["--cc", "clang-19", "--target", "x86_64-freebsd"];
    let said = text(&run(&mut place.compile(&words, &unit), 1).stderr);
    assert!(said.contains("'gnu-versions.h' file not found"), "{said}");
    assert!(said.contains("--cflag=--sysroot=DIR"), "{said}");

    fs::create_dir_all(place.join("root/usr/include/sys")).unwrap();
    place.write("root/usr/include/sys/own.h", "#define OWN 1\n");
    place.write("root/usr/include/gnu-versions.h", "");
    let sysroot = format!("--sysroot={}", place.join("root").display());
    for words in [["--cc", "clang-19", &format!("--cflag={sysroot}")], ["--cc", &format!("clang-19 {sysroot}"), "-v"]] {
        run(&mut place.compile(&[&words[..], &["--target", "x86_64-freebsd"]].concat(), &unit), 0);
    }
}
