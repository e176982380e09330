//! The fixtures through every toolchain of this machine, from C to an answer or, where the library is for another system, to
//! what stands in it. Microsoft's cl is played by fake-cc; what clang-cl does is real. Last, the same way through the library's
//! own interface.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::read::NameOrOrdinal;
use object::{Architecture, BinaryFormat, Object, ObjectSection};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{self, fake_cc, fixture, fixture_units, need, run, text};

const MINGW: &str = "x86_64-w64-mingw32-gcc";
/// clang-cl as it is where only clang is installed.
const CLANG_CL: &str = "clang-19 --driver-mode=cl --target=x86_64-pc-windows-msvc";
/// There is no Microsoft C runtime here, and the fixtures need none.
const NO_RUNTIME: &str = "--ldflag=-NODEFAULTLIB";

/// A directory in which the tool runs, with a place for its temporary files and one for the fake compiler's notes.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for part in ["tmp", "log"] {
            fs::create_dir(dir.path().join(part)).unwrap();
        }
        Self { dir }
    }

    fn join(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn out(&self) -> PathBuf {
        self.join("out")
    }

    fn write(&self, name: &str, contents: &str) -> PathBuf {
        fs::write(self.join(name), contents).unwrap();
        self.join(name)
    }

    fn tool(&self, words: &[&str]) -> Command {
        let mut tool = support::mjit_cc();
        tool.args(words).current_dir(self.dir.path()).env("TMPDIR", self.join("tmp"));
        tool
    }

    /// `compile` with these words, for units behind the fixtures' header.
    fn compile(&self, words: &[&str], units: &[PathBuf]) -> Command {
        let mut tool = self.tool(&["compile"]);
        tool.args(words).arg("--header").arg(fixture("vm.h")).args(units);
        tool
    }

    /// The same by the fake cl.
    fn compile_by_cl(&self, words: &[&str], units: &[PathBuf]) -> Command {
        let mut tool = self.compile(words, units);
        self.by_cl(&mut tool);
        tool
    }

    fn by_cl(&self, tool: &mut Command) {
        tool.arg("--cc").arg(fake_cc());
        tool.env("FAKE_CC_FAMILY", "msvc").env("FAKE_CC_REAL", MINGW).env("FAKE_CC_LOG", self.join("log"));
    }

    /// What the fake compiler was told, a list of words for each run, in order.
    fn log(&self) -> Vec<Vec<String>> {
        let mut notes: Vec<PathBuf> =
            fs::read_dir(self.join("log")).unwrap().map(|entry| entry.unwrap().path()).collect();
        notes.retain(|path| path.extension().is_some_and(|suffix| suffix == "argv"));
        notes.sort();
        notes.iter().map(|path| fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()).collect()
    }

    /// Everything in the output directory that is nobody's result, and everything temporary.
    fn leftovers(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.join("tmp"), &mut found);
        walk(&self.out(), &mut found);
        let libraries = self.libraries();
        found.retain(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let (_, suffix) = name.rsplit_once('.').unwrap_or((name, ""));
            let folder = path.strip_prefix(self.out()).ok().and_then(|path| path.parent()).and_then(Path::to_str);
            match folder.map(|folder| folder.replace('\\', "/")).as_deref() {
                Some("") => name != "units.json" && !libraries.contains(name),
                Some(".mjit-cc") => name != "lock",
                Some(".mjit-cc/objects") => !["o", "obj", "json"].contains(&suffix),
                Some(".mjit-cc/libraries") => suffix != "json",
                Some(".mjit-cc/pch") => {
                    !["vm.pch", "vm.pch.gch", "vm.obj", "vm.pdb", "vm.pch.json", "vm.pch.gch.json"].contains(&name)
                }
                _ => true,
            }
        });
        found.iter().map(|path| path.display().to_string()).collect()
    }

    /// The libraries that units.json names.
    fn libraries(&self) -> BTreeSet<String> {
        self.symbols().into_keys().collect()
    }

    /// The symbols that units.json promises of each library.
    fn symbols(&self) -> BTreeMap<String, BTreeSet<String>> {
        support::symbols(&self.out())
    }

    /// Calls every unit in every library, by a program of its own.
    fn answers(&self) -> BTreeMap<String, String> {
        let host = self.join("host").with_extension(std::env::consts::EXE_EXTENSION);
        let mut build = Command::new("gcc");
        build.arg("-I").arg(fixture("")).arg(fixture("host.c")).arg("-o").arg(&host);
        run(build.args((!cfg!(windows)).then_some("-ldl")), 0);
        let call = |(library, symbols): (String, BTreeSet<String>)| {
            let output = run(Command::new(&host).arg(self.out().join(library)).args(symbols), 0);
            text(&output.stdout)
                .lines()
                .map(|line| line.split_once('=').map(|(symbol, value)| (symbol.to_owned(), value.to_owned())).unwrap())
                .collect::<Vec<_>>()
        };
        self.symbols().into_iter().flat_map(call).collect()
    }
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

/// What each unit's symbol answers.
fn expected() -> BTreeMap<String, String> {
    let expected = fs::read_to_string(fixture("expected.txt")).unwrap();
    expected.lines().map(|line| line.split_once(' ').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap()).collect()
}

/// The library of each unit, or the one of all.
fn libraries(compact: bool, suffix: &str) -> BTreeSet<String> {
    let stem = |unit: PathBuf| unit.file_stem().unwrap().to_str().unwrap().to_owned();
    let stems = if compact { vec!["units".to_owned()] } else { fixture_units().into_iter().map(stem).collect() };
    stems.into_iter().map(|stem| format!("{stem}.{suffix}")).collect()
}

fn exports(file: &object::File<'_>) -> BTreeSet<String> {
    let name = |export: object::Result<object::read::Export<'_>>| match export.unwrap().name() {
        NameOrOrdinal::Name(name) => text(name),
        other => panic!("{other:?}"),
    };
    file.exports().unwrap().map(name).collect()
}

fn with<'a>(words: &[&'a str], compact: bool) -> Vec<&'a str> {
    words.iter().copied().chain(compact.then_some("--compact")).collect()
}

/// Every unit is there, in a library that can be found, and nothing beside that is.
#[track_caller]
fn assert_complete(place: &Place, compact: bool, suffix: &str) {
    assert_eq!(place.libraries(), libraries(compact, suffix));
    let promised: BTreeSet<String> = place.symbols().into_values().flatten().collect();
    assert_eq!(promised, expected().into_keys().collect());
    assert_eq!(place.leftovers(), [""; 0]);
}

/// From C to answers, each unit alone and all in one library.
#[track_caller]
fn check_loadable(compiler: &str, has_pch: bool) {
    for compact in [false, true] {
        let place = Place::new();
        let output = run(&mut place.compile(&with(&["--cc", compiler, "-v"], compact), &fixture_units()), 0);
        let said = text(&output.stderr);
        assert_eq!(said.contains("proven to be used"), has_pch, "{said}");
        assert_eq!(said.contains("has no precompiled headers"), !has_pch, "{said}");
        assert_complete(&place, compact, std::env::consts::DLL_EXTENSION);
        assert_eq!(place.answers(), expected(), "{compiler}, compact: {compact}");
    }
}

#[test]
fn units_compiled_by_gcc_answer() {
    need!("gcc");
    check_loadable("gcc", true);
}

#[test]
fn units_compiled_by_clang_answer() {
    need!("clang", "gcc");
    check_loadable("clang", true);
}

#[test]
#[cfg(windows)]
fn units_compiled_by_clang_cl_answer() {
    need!("clang-cl", "gcc");
    check_loadable("clang-cl", true);
}

#[test]
fn units_compiled_by_the_newest_clang_answer() {
    need!("clang-19", "gcc");
    check_loadable("clang-19", true);
}

#[test]
fn units_compiled_by_tcc_answer() {
    need!("tcc", "gcc");
    check_loadable("tcc", false);
}

/// They need no C library, so that even a process with another one loads them.
#[test]
fn units_compiled_for_musl_answer() {
    need!("musl-gcc", "gcc");
    check_loadable("musl-gcc", true);
}

#[test]
fn units_for_another_processor_become_its_libraries() {
    need!("aarch64-linux-gnu-gcc");
    for words in [["--cc", "aarch64-linux-gnu-gcc", "-v"], ["--target", "aarch64-linux-gnu", "-v"]] {
        for compact in [false, true] {
            let place = Place::new();
            let said = text(&run(&mut place.compile(&with(&words, compact), &fixture_units()), 0).stderr);
            assert!(said.contains("proven to be used") && said.contains("for aarch64-linux-gnu"), "{said}");
            assert_complete(&place, compact, "so");
            for (library, symbols) in place.symbols() {
                let bytes = fs::read(place.out().join(library)).unwrap();
                let file = object::File::parse(&*bytes).unwrap();
                assert_eq!((file.format(), file.architecture()), (BinaryFormat::Elf, Architecture::Aarch64));
                assert!(symbols.is_subset(&exports(&file)));
            }
        }
    }
}

/// A DLL that Windows could load: it exports what units.json says and nothing else.
#[track_caller]
fn assert_dll(path: &Path, symbols: &BTreeSet<String>) {
    let bytes = fs::read(path).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    assert_eq!((file.format(), file.architecture()), (BinaryFormat::Pe, Architecture::X86_64), "{}", path.display());
    assert_eq!(&exports(&file), symbols, "{}", path.display());
    // An entry of its own, not at the image's very beginning as where there is none. Whether Windows loads it, tests/cross tells.
    let entry = file.entry();
    let in_code = file.sections().any(|section| {
        section.name() == Ok(".text") && (section.address()..section.address() + section.size()).contains(&entry)
    });
    assert!(in_code, "{}: no entry point", path.display());
}

#[track_caller]
fn assert_dlls(place: &Place, compact: bool) {
    assert_complete(place, compact, "dll");
    for (library, symbols) in place.symbols() {
        assert_dll(&place.out().join(library), &symbols);
    }
}

/// From C to DLLs, each unit alone and all in one.
#[track_caller]
fn check_dlls(words: &[&str]) {
    for compact in [false, true] {
        let place = Place::new();
        let said = text(&run(&mut place.compile(&with(words, compact), &fixture_units()), 0).stderr);
        assert!(said.contains("proven to be used"), "{said}");
        assert_dlls(&place, compact);
    }
}

#[test]
fn a_target_in_mingws_spelling_gives_dlls() {
    need!("x86_64-w64-mingw32-gcc");
    check_dlls(&["--target", "x86_64-w64-mingw32", "-v"]);
}

#[test]
fn a_target_in_llvms_spelling_gives_dlls() {
    need!("x86_64-w64-mingw32-gcc");
    check_dlls(&["--target", "x86_64-pc-windows-gnu", "-v"]);
}

#[test]
fn clang_for_mingw_gives_dlls() {
    need!("clang-19", "ld.lld-19", "x86_64-w64-mingw32-gcc");
    check_dlls(&["--cc", "clang-19 --target=x86_64-w64-mingw32", "-v"]);
}

#[test]
fn clang_cl_gives_dlls() {
    need!("clang-19", "lld-link-19");
    check_dlls(&["--cc", CLANG_CL, "-v", NO_RUNTIME]);
}

#[cfg(unix)]
#[test]
fn the_target_of_msvc_finds_clang_cl_by_its_name() {
    use std::os::unix::fs::PermissionsExt;
    need!("clang-19", "lld-link-19");
    let place = Place::new();
    let script = place.write("clang-cl", "#!/bin/sh\nexec clang-19 --driver-mode=cl \"$@\"\n");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let words = ["--target", "x86_64-pc-windows-msvc", "--compact", NO_RUNTIME, "-v"];
    let mut compile = place.compile(&words, &fixture_units());
    compile.env("PATH", format!("{}:{path}", place.dir.path().display()));
    let said = text(&run(&mut compile, 0).stderr);
    assert!(said.contains("clang-cl") && said.contains("for x86_64-windows-msvc"), "{said}");
    assert!(said.contains("proven to be used"), "{said}");
    assert_dlls(&place, true);
}

/// Microsoft's preprocessor says what it read in another way than gcc's: what changed must be seen all the same.
#[track_caller]
fn check_reuse(compile: impl Fn(&Place, &[PathBuf]) -> Command) {
    let place = Place::new();
    fs::copy(fixture("vm.h"), place.join("vm.h")).unwrap();
    place.write("own.h", "#define ANSWER 42\n");
    let unit = place.write(
        "unit.c",
        "#include \"own.h\"\nVM_EXPORT vm_value_t unit_own(vm_state_t *vm, vm_frame_t *frame)\n\
         { (void)vm, (void)frame; return VM_INT(ANSWER); }\n",
    );
    let build = || {
        // A file that changed in the tick in which the compiler began may have changed after it was read, and a fake compiler begins
        // at once.
        std::thread::sleep(std::time::Duration::from_millis(20));
        run(&mut compile(&place, std::slice::from_ref(&unit)), 0);
        support::statuses(&place.out())
    };
    assert_eq!(build(), ["built"]);
    assert_eq!(build(), ["reused"]);
    place.write("own.h", "#define ANSWER 43\n");
    assert_eq!(build(), ["built"], "after a change of what it includes");
    assert_eq!(build(), ["reused"]);
    let header = fs::read_to_string(place.join("vm.h")).unwrap();
    place.write("vm.h", &format!("{header}\n#define VM_MORE 1\n"));
    assert_eq!(build(), ["built"], "after a change of the header");
    assert_eq!(build(), ["reused"]);
}

/// `compile` behind a header that the test may change.
fn own_header(place: &Place, words: &[&str], units: &[PathBuf]) -> Command {
    let mut tool = place.tool(&["compile", "--header", "vm.h"]);
    tool.args(words).args(units);
    tool
}

#[test]
fn units_of_clang_cl_are_reused_until_what_they_include_changes() {
    need!("clang-19", "lld-link-19");
    check_reuse(|place, units| own_header(place, &["--cc", CLANG_CL, NO_RUNTIME], units));
}

#[test]
fn units_of_cl_are_reused_until_what_they_include_changes() {
    need!("x86_64-w64-mingw32-gcc");
    check_reuse(|place, units| {
        let mut tool = own_header(place, &[], units);
        place.by_cl(&mut tool);
        tool
    });
}

/// The words that begin with `flag`, without it.
fn values<'a>(words: &'a [String], flag: &str) -> Vec<&'a str> {
    words.iter().filter_map(|word| word.strip_prefix(flag)).collect()
}

fn has(words: &[String], word: &str) -> bool {
    words.iter().any(|known| known == word)
}

#[test]
fn cl_precompiles_once_and_makes_a_dll_of_a_unit_in_one_process() {
    need!("x86_64-w64-mingw32-gcc");
    let place = Place::new();
    let units = fixture_units();
    let said = text(&run(&mut place.compile_by_cl(&["-v"], &units), 0).stderr);
    assert!(said.contains("proven to be used"), "{said}");
    assert_dlls(&place, false);

    let header = fixture("vm.h").to_str().unwrap().to_owned();
    let pch = place.out().join(".mjit-cc").join("pch").join("vm.pch").to_str().unwrap().to_owned();
    let object = pch.replace("vm.pch", "vm.obj");
    for companion in [&pch, &object, &pch.replace("vm.pch", "vm.pdb")] {
        assert!(Path::new(companion).exists(), "{companion}");
    }
    let log = place.log();
    let made: Vec<&Vec<String>> = log.iter().filter(|words| !values(words, "-Yc").is_empty()).collect();
    assert_eq!(made.len(), 1, "{log:#?}");
    assert_eq!((values(made[0], "-Yc"), values(made[0], "-FI")), (vec![&*header], vec![&*header]));

    let one_step: Vec<&Vec<String>> = log.iter().filter(|words| has(words, "-LD")).collect();
    assert_eq!(one_step.len(), units.len(), "one process a unit");
    for words in &one_step {
        assert!(!has(words, "-c"), "{words:?}");
        assert_eq!((values(words, "-Yu"), values(words, "-FI")), (vec![&*header], vec![&*header]), "{words:?}");
        assert_eq!(values(words, "-Fp"), [&*pch], "{words:?}");
        assert_eq!(values(words, "-Tc").len(), 1, "{words:?}");
        let link = words.iter().position(|word| word == "-link").unwrap();
        assert!(has(&words[link..], &object) && has(&words[link..], "-ENTRY:DllMainCRTStartup"), "{words:?}");
    }
    // Compilers that run at once never write to the same file.
    for flag in ["-Tc", "-Fe", "-Fo", "-Fd", "-IMPLIB:"] {
        let files: BTreeSet<&str> = one_step.iter().flat_map(|words| values(words, flag)).collect();
        assert_eq!(files.len(), units.len(), "{flag}: {files:?}");
    }
}

#[test]
fn cl_links_all_units_into_one_dll() {
    need!("x86_64-w64-mingw32-gcc");
    let place = Place::new();
    run(&mut place.compile_by_cl(&["--compact"], &fixture_units()), 0);
    assert_dlls(&place, true);
    let log = place.log();
    let links: Vec<&Vec<String>> = log.iter().filter(|words| has(words, "-LD")).collect();
    assert_eq!(links.len(), 1, "{log:#?}");
    let exported: BTreeSet<String> = values(links[0], "-EXPORT:").into_iter().map(str::to_owned).collect();
    assert_eq!(exported, expected().into_keys().collect());
}

#[test]
fn eight_units_at_once_do_not_disturb_each_other_in_cl() {
    need!("x86_64-w64-mingw32-gcc");
    for words in [vec!["-j4", "-g"], vec!["-j4", "--compact"]] {
        let place = Place::new();
        let units = &fixture_units()[..8];
        run(place.compile_by_cl(&words, units).env("FAKE_CC_DO", "slow").env("FAKE_CC_SLEEP_MS", "50"), 0);
        assert_eq!(support::statuses(&place.out()), ["built"; 8]);
        for (library, symbols) in place.symbols() {
            assert_dll(&place.out().join(library), &symbols);
        }
        let promised: BTreeSet<String> = place.symbols().into_values().flatten().collect();
        assert_eq!(promised.len(), 8);
    }
}

#[test]
fn debug_information_of_cl_stays_with_its_dll() {
    need!("x86_64-w64-mingw32-gcc");
    for (words, stem) in [(vec!["-g"], "unit_01_fib"), (vec!["-g", "--compact"], "units")] {
        let place = Place::new();
        run(&mut place.compile_by_cl(&words, &fixture_units()[..1]), 0);
        let mut database = place.out().join(stem);
        database.set_extension("pdb");
        assert_eq!(place.leftovers(), [database.display().to_string()]);
        let log = place.log();
        let compiled = log.iter().filter(|words| !values(words, "-Yu").is_empty() || !values(words, "-Yc").is_empty());
        for words in compiled {
            assert!(has(words, "-Z7") && !has(words, "-Zi"), "a database shared by compilers: {words:?}");
        }
    }
}

/// Units that cl refuses: one in the compiler, one in the linker.
fn refused(place: &Place) -> Vec<PathBuf> {
    let unresolved = place.write(
        "unresolved.c",
        "vm_value_t elsewhere(void);\nVM_EXPORT vm_value_t unresolved(vm_state_t *vm, vm_frame_t *frame)\n\
         { (void)vm, (void)frame; return elsewhere(); }\n",
    );
    vec![fixture("bad/syntax_error.c"), unresolved]
}

#[test]
fn a_unit_that_cl_refuses_leaves_nothing() {
    need!("x86_64-w64-mingw32-gcc");
    for compact in [false, true] {
        let place = Place::new();
        let mut units = refused(&place);
        units.push(fixture_units()[0].clone());
        let said = text(&run(&mut place.compile_by_cl(&with(&["-k"], compact), &units), 1).stderr);
        // In one library the unresolved symbol is everybody's.
        let statuses = if compact { ["failed", "failed", "failed"] } else { ["failed", "failed", "built"] };
        assert_eq!(support::statuses(&place.out()), statuses, "{said}");
        assert!(said.contains("unresolved external symbol elsewhere"), "{said}");
        assert_eq!(place.leftovers(), [""; 0], "{said}");
        let dlls = if compact { vec![] } else { vec!["unit_01_fib.dll".to_owned()] };
        assert_eq!(place.libraries().into_iter().collect::<Vec<_>>(), dlls);
    }
}

#[test]
fn a_unit_that_mingw_refuses_leaves_nothing() {
    need!("x86_64-w64-mingw32-gcc");
    let place = Place::new();
    let units = [refused(&place), vec![fixture_units()[0].clone()]].concat();
    let said = text(&run(&mut place.compile(&["--target", "x86_64-w64-mingw32", "-k"], &units), 1).stderr);
    assert_eq!(support::statuses(&place.out()), ["failed", "failed", "built"], "{said}");
    assert!(said.contains("undefined reference to `elsewhere'"), "{said}");
    assert_eq!(place.leftovers(), [""; 0]);
}

/// The events of one kind.
fn events(stdout: &[u8], kind: &str) -> Vec<Value> {
    let events = text(stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    events.into_iter().filter(|event| event["event"] == kind).collect()
}

#[test]
fn what_cl_complains_of_becomes_data() {
    need!("x86_64-w64-mingw32-gcc");
    let place = Place::new();
    let units = [fixture("bad/undeclared.c"), fixture("bad/warns.c"), fixture_units()[0].clone()];
    let output = run(&mut place.compile_by_cl(&["-k", "-j1", "--message-format", "json"], &units), 1);
    let found = events(&output.stdout, "diagnostic");
    let named = |unit: &Path, severity: &str| {
        let of = |event: &&Value| event["unit"] == unit.to_str().unwrap() && event["severity"] == severity;
        found.iter().filter(of).collect::<Vec<_>>()
    };
    let errors = named(&units[0], "error");
    assert_eq!(errors.len(), 1, "{found:#?}");
    assert_eq!(errors[0]["file"], units[0].to_str().unwrap());
    assert_eq!(errors[0]["line"], 4);
    assert!(errors[0]["text"].as_str().unwrap().starts_with("C2000: 'missing_variable' undeclared"), "{errors:#?}");
    let warnings = named(&units[1], "warning");
    assert_eq!(warnings.len(), 1, "{found:#?}");
    assert_eq!((&warnings[0]["file"], &warnings[0]["line"]), (&units[1].to_str().unwrap().into(), &5.into()));
    assert!(warnings[0]["text"].as_str().unwrap().starts_with("C4000: "), "{warnings:#?}");
    let of_good: Vec<&Value> = found.iter().filter(|event| event["unit"] == units[2].to_str().unwrap()).collect();
    assert!(of_good.is_empty(), "{of_good:#?}");
}

#[test]
fn what_clang_cl_complains_of_becomes_data() {
    need!("clang-19", "lld-link-19");
    let place = Place::new();
    let units = [fixture("bad/undeclared.c")];
    let words = ["--cc", CLANG_CL, NO_RUNTIME, "--message-format", "json"];
    let output = run(&mut place.compile(&words, &units), 1);
    let found = events(&output.stdout, "diagnostic");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((&found[0]["file"], &found[0]["line"]), (&units[0].to_str().unwrap().into(), &4.into()));
    assert!(found[0]["text"].as_str().unwrap().contains("undeclared identifier 'missing_variable'"), "{found:#?}");
    assert!(!text(&output.stderr).contains("Note: including file"), "{}", text(&output.stderr));
}

/// The tool asks for them, to know what a unit was made of; the user did not.
#[test]
fn the_includes_that_cl_lists_are_not_shown() {
    need!("x86_64-w64-mingw32-gcc");
    let units = [fixture("bad/undeclared.c"), fixture("bad/warns.c"), fixture_units()[0].clone()];
    for words in [["-k", "-vvv"], ["-k", "--message-format=json"]] {
        let place = Place::new();
        let output = run(&mut place.compile_by_cl(&words, &units), 1);
        let said = text(&output.stderr) + &text(&output.stdout);
        assert!(place.log().iter().any(|words| has(words, "-showIncludes") && has(words, "-LD")));
        assert!(said.contains("'missing_variable' undeclared"), "{said}");
        assert!(!said.contains("Note: including file"), "{said}");
    }
}

/// cl echoes the name of each source, and its linker tells of import libraries, which are swept at once.
#[test]
fn what_cl_says_of_its_own_accord_is_not_shown() {
    need!("x86_64-w64-mingw32-gcc");
    let place = Place::new();
    let units = [fixture("bad/warns.c"), fixture_units()[0].clone()];
    let said = text(&run(&mut place.compile_by_cl(&[], &units), 0).stderr);
    let (warning, others): (Vec<&str>, Vec<&str>) = said.lines().partition(|line| line.contains("C4000: "));
    assert_eq!(warning.len(), 1, "{said}");
    assert!(
        matches!(others[..], ["compiling 2 units", last] if last.starts_with("done: 2 units: 2 built in")),
        "{said}"
    );
}

/// Generated C seldom marks what it defines for export: Microsoft's linkers want to be told.
#[test]
fn a_function_without_an_export_mark_is_exported_by_every_toolchain() {
    const PLAIN: &str = "int plain_function(void) { return 7; }\n";
    let cl = |place: &Place, tool: &mut Command| place.by_cl(tool);
    let clang_cl = |_: &Place, tool: &mut Command| {
        tool.args(["--cc", CLANG_CL, NO_RUNTIME]);
    };
    let mingw = |_: &Place, tool: &mut Command| {
        tool.args(["--cc", MINGW]);
    };
    type Choose<'a> = &'a dyn Fn(&Place, &mut Command);
    let toolchains: [(&str, Choose<'_>); 3] = [(MINGW, &mingw), (MINGW, &cl), ("lld-link-19", &clang_cl)];
    for (program, choose) in toolchains {
        if !support::has(program) {
            continue;
        }
        for compact in [true, false] {
            let place = Place::new();
            place.write("plain.c", PLAIN);
            let mut tool = place.tool(&with(&["compile", "plain.c"], compact));
            choose(&place, &mut tool);
            run(&mut tool, 0);
            let (library, symbols) = place.symbols().pop_first().unwrap();
            assert_eq!(symbols, BTreeSet::from(["plain_function".to_owned()]), "{tool:?}");
            assert_dll(&place.out().join(library), &symbols);
        }
    }
}

mod library {
    //! One unit through the library's own interface, into this process.

    #![allow(unsafe_code, reason = "C is called in this process")]

    use std::num::NonZero;
    use std::path::Path;
    use std::sync::{Arc, Mutex};

    use mjitcc::Error;
    use mjitcc::batch::{Batch, HeaderSource};
    use mjitcc::discover::{CompilerSpec, DiscoverError, Environment, Finder};
    use mjitcc::event::Event;
    use mjitcc::exec::ProcessExecutor;
    use mjitcc::library::{Library, LoadError};
    use mjitcc::pipeline::Pipeline;
    use mjitcc::platforms::{Choice, Family, Flags};
    use mjitcc::report::{Report, Status};
    use mjitcc::scratch::{Purpose, Scratch};

    use super::*;

    fn pipeline(temp_dir: &Path, spec: &CompilerSpec) -> Result<Pipeline, Error> {
        let environment = Environment { cc: None, temp_dirs: vec![temp_dir.to_owned()], ..Environment::read() };
        let scratch = Scratch::create(&environment.temp_dirs, Purpose::Files)?;
        let executor = Arc::new(ProcessExecutor::default());
        let finder = Finder { environment: &environment, executor: &*executor, temp_dir: scratch.path() };
        let compiler = finder.find(spec)?;
        Ok(Pipeline::new(compiler, Flags::default(), executor, scratch))
    }

    fn gcc() -> CompilerSpec {
        CompilerSpec { choice: Some(Choice::Gcc), ..CompilerSpec::default() }
    }

    fn build(place: &Place, unit: &str, heard: &Mutex<Vec<String>>) -> Report {
        place.write("answer.h", "typedef int answer_t;\n");
        let pipeline = pipeline(&place.join("tmp"), &gcc()).unwrap();
        assert_eq!(pipeline.toolchain().compiler().family, Family::Gcc);
        let batch = Batch {
            units: vec![place.write("unit.c", unit)],
            header: HeaderSource::Header(place.join("answer.h")),
            out_dir: place.out(),
            compact: false,
            unity: mjitcc::batch::Unity::Off,
            alone: std::collections::HashSet::new(),
            jobs: NonZero::<usize>::MIN,
            keep_going: false,
        };
        let observer = |event: &Event<'_>| {
            let word = match event {
                Event::PchReady { .. } => "pch",
                Event::UnitStarted { .. } => "started",
                Event::UnitFinished { report } if report.status.is_good() => "good",
                Event::UnitFinished { .. } => "bad",
                _ => return,
            };
            heard.lock().unwrap().push(word.to_owned());
        };
        batch.run(&pipeline, &observer).unwrap()
    }

    #[test]
    fn a_unit_is_built_loaded_and_called() {
        need!("gcc");
        let place = Place::new();
        let heard = Mutex::default();
        let report = build(&place, "answer_t answer(answer_t of) { return of + 2; }\n", &heard);
        assert_eq!((report.units[0].status, &*report.units[0].symbols), (Status::Built, &["answer".to_owned()][..]));
        assert_eq!(*heard.lock().unwrap(), ["pch", "started", "good"]);

        let library = Library::open(&place.out().join(report.units[0].library.as_ref().unwrap())).unwrap();
        let address = library.address("answer").unwrap();
        // SAFETY: that is its type, and the library is still there.
        let answer =
            unsafe { std::mem::transmute::<*mut std::ffi::c_void, extern "C" fn(i32) -> i32>(address.as_ptr()) };
        assert_eq!(answer(40), 42);

        let missing = library.address("question").unwrap_err();
        assert!(matches!(&missing, LoadError::NoSymbol { symbol, .. } if symbol == "question"), "{missing:?}");
        assert!(missing.to_string().ends_with(&(support::library("unit") + " does not define question")), "{missing}");
    }

    #[test]
    #[cfg_attr(windows, ignore = "Windows' linkers leave no symbol open")]
    fn a_library_that_wants_what_this_process_lacks_is_not_loaded() {
        need!("gcc");
        let place = Place::new();
        let unit = "int nobody_defines_this(void);\nint answer(void) { return nobody_defines_this(); }\n";
        let report = build(&place, unit, &Mutex::default());
        let error = Library::open(&place.out().join(report.units[0].library.as_ref().unwrap())).unwrap_err();
        assert!(matches!(error, LoadError::Open { .. }), "{error:?}");
        assert!(error.to_string().contains("nobody_defines_this"), "{error}");
    }

    #[test]
    fn a_unit_that_fails_is_a_report_and_no_error() {
        need!("gcc");
        let place = Place::new();
        let heard = Mutex::default();
        let report = build(&place, "answer_t answer(void) { return 1 +; }\n", &heard);
        let unit = &report.units[0];
        assert_eq!((unit.status, &unit.library), (Status::Failed, &None));
        assert!(unit.error.as_ref().unwrap().output().contains("expected expression"), "{:?}", unit.error);
        assert_eq!(*heard.lock().unwrap(), ["pch", "started", "bad"]);
    }

    #[test]
    fn a_compiler_that_is_not_there_is_an_error_to_match() {
        let place = Place::new();
        let spec = CompilerSpec { cc: Some("no-such-compiler".into()), ..CompilerSpec::default() };
        let error = pipeline(&place.join("tmp"), &spec).err().unwrap();
        let Error::Discover(DiscoverError::NoCompiler { tried, .. }) = &error else { panic!("{error:?}") };
        assert_eq!(tried[0].command, "no-such-compiler");
    }

    #[test]
    fn temporary_files_go_with_the_pipeline() {
        need!("gcc");
        let place = Place::new();
        build(&place, "int answer(void) { return 1; }\n", &Mutex::default());
        assert_eq!(fs::read_dir(place.join("tmp")).unwrap().count(), 0);
    }
}
