//! `--host-library`: what it takes, what it refuses, and that a unit is built again when the host's exports change.

use std::path::PathBuf;
use std::process::Command;

use crate::place::Place;
use crate::support::{self, need, run, text};

const MINGW: &str = "x86_64-w64-mingw32-gcc";
const CL: [&str; 3] = ["--cc", "clang-19 --driver-mode=cl --target=x86_64-pc-windows-msvc", "--ldflag=-NODEFAULTLIB"];
const UNIT: &str = "__declspec(dllimport) int of_host(void);\nint plain(void) { return of_host(); }\n";

fn unit(place: &Place) -> [PathBuf; 1] {
    [place.write("plain.c", UNIT)]
}

/// A program that exports `of_host`, and its import library.
fn host(place: &Place, code: &str) -> (String, String) {
    let source = place.write("host.c", code);
    let (program, library) = (place.join("host.exe"), place.join("libhost.a"));
    let implib = format!("-Wl,--out-implib,{}", library.display());
    run(Command::new(MINGW).arg(source).arg(implib).arg("-o").arg(&program), 0);
    (program.to_str().unwrap().to_owned(), library.to_str().unwrap().to_owned())
}

const HOST: &str = "__declspec(dllexport) int of_host(void) { return 7; }\nint main(void) { return 0; }\n";

#[track_caller]
fn refused(place: &Place, words: &[&str], library: &str) -> String {
    let mut compile = place.compile(words, &unit(place));
    let said = text(&run(compile.args(["--host-library", library]), 2).stderr);
    assert!(!place.out().exists(), "{said}");
    said
}

#[test]
fn only_an_import_library_for_the_target_will_do() {
    need!(MINGW, "clang-19", "lld-link-19");
    let place = Place::new();
    let (program, library) = host(&place, HOST);
    let path = |name: &str| place.join(name).to_str().unwrap().to_owned();
    let target = ["--target", "x86_64-pc-windows-gnu"];
    let said = refused(&place, &target, "missing.a");
    assert!(said.contains("the host's import library ") && said.contains("missing.a cannot be read"), "{said}");
    let said = refused(&place, &target, &program);
    assert!(
        said.contains("host.exe is the program itself, not its import library: create one by linking the program with -Wl,--out-implib"),
        "{said}"
    );
    let said = refused(&place, &target, &path("host.c"));
    assert!(said.contains("host.c is not an import library"), "{said}");

    run(Command::new(MINGW).args(["-c", "host.c", "-o", "host.o"]).current_dir(place.join("")), 0);
    run(Command::new("x86_64-w64-mingw32-ar").args(["rc", "static.a", "host.o"]).current_dir(place.join("")), 0);
    let said = refused(&place, &target, &path("static.a"));
    assert!(said.contains("static.a contains no imports: pass a static library with --ldflag"), "{said}");

    // Microsoft's form, for another processor.
    let clang = ["--target=aarch64-pc-windows-msvc", "-c", "arm.c", "-o", "arm.obj"];
    place.write("arm.c", "int of_host(void) { return 7; }\n");
    run(Command::new("clang-19").args(clang).current_dir(place.join("")), 0);
    let link = ["-dll", "-noentry", "-export:of_host", "arm.obj", "-out:arm.dll", "-implib:arm.lib"];
    run(Command::new("lld-link-19").args(link).current_dir(place.join("")), 0);
    for words in [&target[..], &CL] {
        let said = refused(&place, words, &path("arm.lib"));
        assert!(said.contains("arm.lib is not for x86_64-windows-"), "{said}");
    }
    let said = refused(&place, &["--cc", "gcc"], &library);
    assert!(said.contains("cannot link with an import library of the host: remove the option"), "{said}");
}

#[track_caller]
fn check(words: &[&str]) {
    for compact in [false, true] {
        let place = Place::new();
        let (_, library) = host(&place, HOST);
        let words: Vec<&str> = words.iter().copied().chain(compact.then_some("--compact")).collect();
        let said = text(&run(&mut place.compile(&words, &unit(&place)), 1).stderr);
        assert!(said.contains("of_host") && said.contains("help: name the library that defines it"), "{said}");
        let build = || {
            // A file that changed in the tick in which the compiler began may have changed after it was read.
            std::thread::sleep(std::time::Duration::from_millis(20));
            let mut compile = place.compile(&words, &unit(&place));
            let said = text(&run(compile.args(["--host-library", &library, "-vv"]), 0).stderr);
            assert_eq!(place.leftovers(), [""; 0].map(PathBuf::from), "{said}");
            let linked = said.lines().any(|line| line.contains(" -shared ") || line.contains(" -LD "));
            (linked, support::statuses(&place.out()))
        };
        assert!(build().0, "{words:?}");
        assert_eq!(build(), (false, vec!["reused".to_owned()]), "{words:?}");
        host(&place, &format!("__declspec(dllexport) int more(void) {{ return 1; }}\n{HOST}"));
        assert!(build().0, "{words:?}: the host's exports changed");
    }
}

#[test]
fn mingw_links_with_it() {
    need!(MINGW);
    check(&["--target", "x86_64-pc-windows-gnu"]);
}

#[test]
fn clang_cl_links_with_it() {
    need!(MINGW, "clang-19", "lld-link-19");
    check(&CL);
}
