//! What is otherwise on Windows: paths, command lines, libraries that stay while they are loaded, and clang-cl.

#![cfg(windows)]

use std::fs;
use std::path::{Path, PathBuf};

use mjitcc::library::Library;

use crate::compile::{Fake, Place, unit};
use crate::support::{library, need, report, run, statuses, text};

/// A path of more than 260 characters, with spaces and letters of several alphabets in it. No per cent sign: lld takes it for a
/// place to put a random letter in.
fn deep() -> String {
    vec!["it's a ünï→コード (x86) & #1 folder, and a long one at that"; 5].join("/")
}

#[track_caller]
fn has_function(path: &Path, function: &str) {
    Library::open(path).unwrap().address(function).unwrap();
}

fn long_paths_with_spaces_and_other_alphabets_work_with(cc: &str) {
    need!(cc);
    let place = Place::new();
    let deep = deep();
    assert!(place.join(&deep).as_os_str().len() > 260);
    place.write(&format!("{deep}/h é.h"), "#include \"below.h\"\n");
    place.write(&format!("{deep}/below.h"), "#define ONE 1\n");
    place.write(&format!("{deep}/beside.h"), "#define TWO 2\n");
    place.write(&format!("{deep}/u é.c"), "#include \"beside.h\"\nint u(void) { return ONE + TWO; }\n");
    let words = [&format!("{deep}/u é.c"), &format!("--header={deep}/h é.h"), &format!("--out-dir={deep}/out")];
    let compile = |more: &[&str]| {
        let output = run(place.tool(&["compile", "--cc", cc]).args(words).args(more), 0);
        let said = text(&output.stderr);
        assert!(!said.contains("warning"), "{said}");
        statuses(&place.join(&deep).join("out"))
    };
    assert_eq!(compile(&[]), ["built"]);
    has_function(&place.join(&deep).join("out").join(library("u é")), "u");
    assert_eq!(compile(&[]), ["reused"], "the files that were read are known by their names");
    compile(&["--compact"]);
    has_function(&place.join(&deep).join("out").join(library("units")), "u");
    place.write(&format!("{deep}/beside.h"), "#define TWO 3\n");
    assert_eq!(compile(&[]), ["built"]);
    place.write(&format!("{deep}/below.h"), "#define ONE 2\n");
    assert_eq!(compile(&[]), ["built"]);
}

#[test]
fn gcc_takes_long_paths_with_spaces_and_other_alphabets() {
    long_paths_with_spaces_and_other_alphabets_work_with("gcc");
}

#[test]
fn clang_cl_takes_long_paths_with_spaces_and_other_alphabets() {
    long_paths_with_spaces_and_other_alphabets_work_with("clang-cl");
}

#[test]
fn what_no_command_line_holds_travels_in_a_response_file() {
    for cc in ["gcc", "clang", "clang-cl"] {
        need!(cc);
        let place = Place::new();
        // Short for the tool, and long for the compiler, which is told of whole paths.
        let here = format!("a b {}", "x".repeat(120));
        place.write(&format!("{here}/h.h"), "#define ONE 1\n");
        place.write(&format!("{here}/in 249/last.h"), "#define LAST 2\n");
        place.write(&format!("{here}/u.c"), "#include <last.h>\nint u(void) { return ONE + LAST; }\n");
        let fake = Fake::of(cc);
        let mut command = place.tool(&["compile", "--header", "h.h", "u.c", "-DTEXT=\"a \\ b\""]);
        command.current_dir(place.join(&here)).args((0..250).map(|number| format!("-Iin {number}")));
        run(fake.behind(&mut command), 0);
        has_function(&place.join(&here).join("out").join(library("u")), "u");
        let runs: Vec<Vec<String>> = fake.all();
        let long = |words: &&Vec<String>| words.iter().map(String::len).sum::<usize>() > 32_767;
        // PCH, its proof and the unit.
        assert!(runs.iter().filter(long).count() >= 3, "{cc}");
        assert!(runs.iter().filter(long).all(|words| words[0].starts_with('@')), "{cc}");
        assert!(runs.iter().any(|words| !words[0].starts_with('@')), "{cc}: the probe is short");
    }
}

#[test]
fn a_library_is_replaced_while_it_is_loaded() {
    need!("gcc");
    let place = Place::new();
    let path = place.join("out").join(library("u"));
    let compile = |value| {
        place.write("u.c", unit(&format!("u{value}"), value));
        place.good(&["compile", "--cc", "gcc", "u.c"]);
    };
    compile(1);
    let loaded = Library::open(&path).unwrap();
    assert!(fs::remove_file(&path).is_err(), "this system removes libraries that are loaded");
    compile(2);
    loaded.address("u1").unwrap();
    let names = || -> Vec<PathBuf> {
        // The directory goes when nothing has to stay in it.
        let entries = fs::read_dir(place.join("out/.mjit-cc/tmp")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    assert_eq!(names().len(), 1, "{:?}", names());
    // Still loaded, it keeps nobody from working.
    compile(3);
    drop(loaded);
    compile(4);
    assert_eq!(names(), [""; 0].map(PathBuf::from));
    // By another name, since the loader knows this one.
    let copy = place.join("copy.dll");
    fs::copy(&path, &copy).unwrap();
    has_function(&copy, "u4");
}

#[test]
fn doctor_finds_every_compiler_on_path() {
    need!("gcc", "clang", "clang-cl");
    let place = Place::new();
    let said = place.good(&["doctor"]);
    for name in ["gcc", "clang", "clang-cl"] {
        assert!(said.contains(&format!("{name}.exe")), "{said}");
    }
    assert!(said.contains("windows-gnu") && said.contains("windows-msvc"), "{said}");
}

#[test]
fn a_compiler_may_lie_where_paths_have_spaces() {
    need!("gcc");
    let place = Place::new();
    fs::create_dir(place.join("Program Files")).unwrap();
    let real = which::which("gcc").unwrap();
    for entry in fs::read_dir(real.parent().unwrap()).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), place.join("Program Files").join(entry.file_name())).unwrap();
        }
    }
    place.write("u.c", unit("u", 1));
    let cc = place.join("Program Files").join("gcc.exe");
    let said = text(&run(place.tool(&["compile", "-v", "u.c"]).env("CC", &cc), 0).stderr);
    assert!(said.contains(&format!("({})", cc.display())), "{said}");
    assert_eq!(statuses(&place.join("out")), ["built"]);
}

#[test]
fn clang_cl_tells_what_is_wrong_and_leaves_nothing_beside_its_libraries() {
    need!("clang-cl");
    let place = Place::new();
    place.write("h.h", "#define ONE 1\n");
    place.write("good.c", "int good(void) { return ONE; }\n");
    place.write("bad.c", "int bad(void)\n{\n    return missing;\n}\n");
    let said = run(&mut place.tool(&["compile", "-k", "--cc", "clang-cl", "--header", "h.h", "good.c", "bad.c"]), 1);
    assert!(text(&said.stderr).contains("bad.c(3,12): error:"), "{}", text(&said.stderr));
    let units = report(&place.join("out"))["units"].clone();
    assert_eq!(units[0]["symbols"], serde_json::json!(["good"]));
    let mut names: Vec<String> = fs::read_dir(place.join("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, [".mjit-cc", "good.dll", "units.json"]);
    has_function(&place.join("out/good.dll"), "good");
}
