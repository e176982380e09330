//! Who links, and what comes of it where the linker inside the tool does not serve.

use std::fs;

use object::{Object, ObjectSymbol};

use crate::compile::{Fake, Place, fields, unit};
use crate::support::{self, fixture, fixture_units, need, report, run, statuses, text};

/// The linkers that this machine has, and that the compiler takes.
fn linkers() -> Vec<&'static str> {
    let programs = [("lld", "ld.lld"), ("gold", "ld.gold"), ("bfd", "ld.bfd"), ("mold", "mold")];
    let there = programs.into_iter().filter(|(_, program)| which::which(program).is_ok()).map(|(name, _)| name);
    ["auto", "driver"].into_iter().chain(there).collect()
}

#[test]
fn every_linker_makes_libraries_that_answer_alike() {
    need!("gcc", "ld.gold");
    let place = Place::new();
    let host = place.join("host");
    let mut compile = std::process::Command::new("gcc");
    run(compile.arg(fixture("host.c")).arg("-o").arg(&host).args(["-ldl", "-rdynamic"]), 0);
    let expected = fs::read_to_string(fixture("expected.txt")).unwrap();
    let entries: Vec<&str> = expected.lines().map(|line| line.split_once(' ').unwrap().0).collect();
    let expected: Vec<String> = expected.lines().map(|line| line.replacen(' ', "=", 1)).collect();
    for linker in linkers().into_iter().chain(["wild"]) {
        for optimize in ["-O3", "-g"] {
            let mut command = place.tool(&["compile", "--compact", "--cc", "gcc", "--linker", linker, optimize]);
            run(command.arg("--header").arg(fixture("vm.h")).args(fixture_units()), 0);
            let library = place.join("out").join(support::library("units"));
            let said = text(&run(std::process::Command::new(&host).arg(&library).args(&entries), 0).stdout);
            assert_eq!(said.lines().collect::<Vec<_>>(), expected, "{linker} {optimize}");
        }
    }
}

#[test]
#[cfg(feature = "wild")]
fn a_library_of_the_linker_inside_the_tool_starts_no_process_and_is_reused() {
    need!("gcc");
    for (words, links) in [(&[] as &[&str], 2), (&["--compact"], 1)] {
        let place = Place::new();
        place.write("a.c", unit("a", 1));
        place.write("b.c", unit("b", 2));
        let fake = Fake::of("gcc");
        let again = |linker: &str| {
            let mut command = place.tool(&["compile", "a.c", "b.c"]);
            run(fake.behind(&mut command).args(words).args(["--linker", linker]), 0);
            fake.runs().counts()
        };
        assert_eq!(again("wild"), (0, 2, 0));
        assert_eq!(again("auto"), (0, 0, 0));
        // Another linker, another library; the objects are the same.
        assert_eq!(again("driver"), (0, 0, links));
        assert_eq!(again("driver"), (0, 0, 0));
        assert_eq!(again("auto"), (0, 0, 0));
        assert_eq!(fields(&place.join("out"), "symbols"), [serde_json::json!(["a"]), serde_json::json!(["b"])]);
    }
}

#[test]
#[cfg(feature = "wild")]
fn what_the_linker_inside_the_tool_does_not_serve_goes_to_the_driver() {
    need!("gcc");
    let place = Place::new();
    // Its address is taken, so that gcc makes code on the stack.
    let nested = "int apply(int (*f)(int)) { return f(2); }\nint u(int n) { int add(int m) { return m + n; } return apply(add); }\n";
    place.write("u.c", nested);
    let fake = Fake::of("gcc");
    let mut command = place.tool(&["compile", "u.c", "-v", "-O0"]);
    let said = text(&run(fake.behind(&mut command).args(["--linker", "auto"]), 0).stderr);
    assert!(
        said.contains("linked by the compiler's driver instead of wild: an object needs an executable stack"),
        "{said}"
    );
    assert_eq!(fake.runs().counts(), (0, 1, 1));
    // Words that only the driver understands: not worth a word.
    let mut command = place.tool(&["compile", "u.c", "-v", "-O0", "--ldflag=-lm"]);
    let said = text(&run(fake.behind(&mut command).args(["--linker", "auto"]), 0).stderr);
    assert!(!said.contains("instead of wild"), "{said}");
    assert_eq!(fake.runs().counts(), (0, 0, 1));
}

/// Where one unit must have a symbol and another need not, the library must: otherwise it is loaded without, and calls null.
#[test]
#[cfg(target_os = "linux")]
fn a_symbol_that_one_unit_must_have_is_not_weak_whatever_the_order() {
    use object::{Object as _, ObjectSymbol as _};
    need!("gcc");
    let place = Place::new();
    place.write("must.c", "extern int host_fn(int); int must(void) { return host_fn(1); }\n");
    place.write("may.c", "#pragma weak host_fn\nextern int host_fn(int); int may(void) { return host_fn ? 1 : 2; }\n");
    for (out, units) in [("one", ["must.c", "may.c"]), ("two", ["may.c", "must.c"])] {
        place.good(&[&["compile", "--compact", "--cc", "gcc", "--out-dir", out][..], &units].concat());
        let bytes = std::fs::read(place.join(out).join(support::library("units"))).unwrap();
        let library = object::File::parse(&*bytes).unwrap();
        let symbol = library.dynamic_symbols().find(|symbol| symbol.name() == Ok("host_fn")).unwrap();
        assert!(symbol.is_undefined() && !symbol.is_weak(), "{units:?}");
    }
}

#[test]
fn a_library_with_nothing_but_zeros_to_write_to_is_loaded() {
    need!("gcc");
    let place = Place::new();
    for align in [1, 8, 32, 4096] {
        let line = format!(
            "static __attribute__((aligned({align}))) char room[16000]; char *u(int n) {{ return room + n; }}\n"
        );
        place.write("u.c", line);
        place.good(&["compile", "u.c", "--cc", "gcc"]);
        let library = mjitcc::library::Library::open(&place.join("out").join(support::library("u"))).unwrap();
        let address = library.address("u").unwrap().as_ptr();
        // SAFETY: the text says what it is, and the library is loaded.
        let room = unsafe { std::mem::transmute::<*mut std::ffi::c_void, extern "C" fn(i32) -> *mut u8>(address) };
        for at in 0..16_000 {
            // SAFETY: within the array.
            assert_eq!(unsafe { room(at).replace(1) }, 0, "{align} {at}");
        }
    }
}

#[test]
fn what_the_compiler_calls_by_itself_is_found() {
    need!("gcc");
    for cc in ["gcc", "clang-19"].into_iter().filter(|cc| support::has(cc)) {
        let place = Place::new();
        let mut command = place.tool(&["compile", "--cc", cc, "--header"]);
        run(command.arg(fixture("vm.h")).arg(fixture("linked/division.c")), 0);
        let library = fs::read(place.join("out").join(support::library("division"))).unwrap();
        let file = object::File::parse(&*library).unwrap();
        let open: Vec<String> = file
            .dynamic_symbols()
            .filter(|symbol| symbol.is_undefined())
            .map(|symbol| symbol.name().unwrap().to_owned())
            .collect();
        assert!(!open.iter().any(|name| name.contains("div")), "{cc}: {open:?}");
    }
}

#[test]
fn a_linker_that_cannot_be_is_refused_before_anything_runs() {
    need!("gcc");
    let place = Place::new();
    place.write("u.c", unit("u", 1));
    let refused = |words: &[&str]| text(&run(place.tool(&["compile", "u.c"]).args(words), 2).stderr);
    assert!(refused(&["--linker", "mould"]).contains("expected one of auto, wild, driver, lld, mold, gold, bfd"));
    let said =
        text(&run(&mut place.tool(&["compile", "u.c", "--cc", "gcc", "--linker", "wild", "--ldflag=-lm"]), 2).stderr);
    assert!(said.contains("cannot link with wild: linker flags need"), "{said}");
    if cfg!(target_os = "linux") && support::has("tcc") {
        let said = text(&run(&mut place.tool(&["compile", "u.c", "--cc", "tcc", "--linker", "lld"]), 2).stderr);
        assert!(said.contains("cannot use another linker than its own"), "{said}");
    }
    assert!(!place.join("out/units.json").exists());
}

#[test]
fn a_linker_that_is_not_there_is_the_driver_s_to_tell() {
    need!("gcc");
    if which::which("mold").is_ok() {
        return support::skip("mold is here");
    }
    let place = Place::new();
    place.write("u.c", unit("u", 1));
    let said = text(&run(&mut place.tool(&["compile", "u.c", "--cc", "gcc", "--linker", "mold"]), 1).stderr);
    assert!(said.contains("u.c: the linker failed") && said.contains("help: the linker is not installed"), "{said}");
    assert_eq!(statuses(&place.join("out")), ["failed"]);
    assert!(report(&place.join("out"))["units"][0]["error"].is_string());
}
