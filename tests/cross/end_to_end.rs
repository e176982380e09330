//! The same work for every compiler: a PCH, the fixtures' units and more, one of them with an error, each alone and all in one
//! library; then the libraries are loaded where they belong, every unit is called, and answers as gcc's own does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::place::Place;
use crate::support::{self, fixture, fixture_units, need, run, text};
use crate::wine;

const MINGW: &str = "x86_64-w64-mingw32-gcc";
const AARCH64: &str = "aarch64-linux-gnu-gcc";

/// Where libraries are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Machine {
    Here,
    Wine,
    Qemu,
}

/// What C's and Microsoft's runtime have that the units want, as little as links: there is no SDK here.
const RUNTIME: &str = r#"
typedef unsigned long long size;
int _fltused;
void *memcpy(void *to, const void *from, size count)
{
    volatile char *out = to;
    const volatile char *in = from;
    while (count--)
        *out++ = *in++;
    return to;
}
void *memset(void *to, int byte, size count)
{
    volatile char *out = to;
    while (count--)
        *out++ = (char)byte;
    return to;
}
__asm__(".globl __chkstk\n"
        "__chkstk:\n push %rcx\n push %rax\n lea 24(%rsp), %rcx\n"
        "1: cmp $0x1000, %rax\n jb 2f\n sub $0x1000, %rcx\n testb %cl, (%rcx)\n sub $0x1000, %rax\n jmp 1b\n"
        "2: sub %rax, %rcx\n testb %cl, (%rcx)\n pop %rax\n pop %rcx\n ret\n");
"#;

impl Machine {
    /// The program that loads libraries, and its import library where that is how units know it.
    fn host(self, place: &Place) -> PathBuf {
        let host = place.join("host.exe");
        let mut build = Command::new(match self {
            Self::Here => "gcc",
            Self::Wine => MINGW,
            Self::Qemu => AARCH64,
        });
        build.arg("-I").arg(fixture("")).arg(fixture("host.c")).arg("-o").arg(&host);
        match self {
            Self::Here | Self::Qemu => build.args(["-rdynamic", "-ldl"]),
            Self::Wine => build.arg(format!("-Wl,--out-implib,{}", import_library(place))),
        };
        run(&mut build, 0);
        host
    }

    /// Loads, calls and unloads; the libraries are gone then.
    fn answers(self, place: &Place) -> BTreeMap<String, String> {
        let mut words = vec!["--delete".to_owned()];
        for (library, symbols) in place.symbols() {
            // With a folder: no system looks for it elsewhere.
            words.push(format!("./{library}"));
            words.extend(symbols);
            words.push("--".to_owned());
        }
        let host = place.join("host.exe");
        let said = match self {
            Self::Here => text(&run(Command::new(host).args(words).current_dir(place.out()), 0).stdout),
            Self::Qemu => {
                let mut qemu = Command::new("qemu-aarch64");
                qemu.args(["-L", "/usr/aarch64-linux-gnu"]).arg(host).args(words);
                text(&run(qemu.current_dir(place.out()), 0).stdout)
            }
            Self::Wine => {
                let said = wine::run(&host, &words, &place.out());
                assert_eq!(said.code, Some(0), "{said:?}");
                said.stdout
            }
        };
        for library in place.symbols().keys() {
            assert!(!place.out().join(library).exists(), "{library} was not deleted");
        }
        said.lines().map(|line| line.split_once('=').unwrap()).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
    }
}

fn import_library(place: &Place) -> String {
    place.join("host.lib").to_str().unwrap().to_owned()
}

/// The fixtures' units, and those that want something of a library.
fn good_units() -> Vec<PathBuf> {
    let linked = fs::read_dir(fixture("linked")).unwrap().map(|entry| entry.unwrap().path());
    let mut units: Vec<PathBuf> = fixture_units().into_iter().chain(linked).collect();
    units.sort();
    units
}

/// The events of one kind.
fn events(stdout: &[u8], kind: &str) -> Vec<Value> {
    let events = text(stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    events.into_iter().filter(|event| event["event"] == kind).collect()
}

fn words<'a>(words: &[&'a str], compact: bool) -> Vec<&'a str> {
    words.iter().copied().chain(["-k", "-j4"]).chain(compact.then_some("--compact")).collect()
}

/// From C to answers, each unit alone or all in one library.
fn work(
    place: &Place,
    machine: Machine,
    options: &[&str],
    compact: bool,
    more: &dyn Fn(&mut Command),
) -> BTreeMap<String, String> {
    let broken = fixture("bad/undeclared.c");
    let units = [good_units(), vec![broken.clone()]].concat();
    assert!(units.len() > 20);
    let mut compile = place.compile(&words(options, compact), &units);
    compile.args(["--message-format", "json"]);
    more(&mut compile);
    let output = run(&mut compile, 1);
    let mut statuses = vec!["built"; units.len() - 1];
    statuses.push("failed");
    assert_eq!(support::statuses(&place.out()), statuses, "{}", text(&output.stderr));

    // A PCH that could not be used would be one.
    let warnings = events(&output.stdout, "warning");
    assert!(warnings.is_empty(), "{warnings:#?}");
    assert!(place.out().join(".mjit-cc/pch").read_dir().unwrap().count() > 1);

    // The one with an error says where and what, whichever compiler it was.
    let found = events(&output.stdout, "diagnostic");
    let errors: Vec<&Value> = found.iter().filter(|one| one["severity"] == "error").collect();
    assert_eq!(errors.len(), 1, "{found:#?}");
    let file = broken.to_str().unwrap();
    assert_eq!((&errors[0]["unit"], &errors[0]["file"], &errors[0]["line"]), (&file.into(), &file.into(), &4.into()));
    assert!(errors[0]["text"].as_str().unwrap().contains("missing_variable"), "{errors:#?}");

    let libraries: BTreeSet<String> = place.symbols().into_keys().collect();
    assert_eq!(libraries.len(), if compact { 1 } else { units.len() - 1 }, "{libraries:?}");
    assert!(place.leftovers().is_empty(), "{:#?}", place.leftovers());
    machine.answers(place)
}

/// What gcc's own code answers on this machine.
fn reference() -> &'static BTreeMap<String, String> {
    static ANSWERS: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    ANSWERS.get_or_init(|| {
        let place = Place::new();
        Machine::Here.host(&place);
        let answers = work(&place, Machine::Here, &["--cc", "gcc"], false, &|_| {});
        for line in fs::read_to_string(fixture("expected.txt")).unwrap().lines() {
            let (symbol, answer) = line.split_once(' ').unwrap();
            assert_eq!(answers[symbol], answer, "{symbol}");
        }
        assert_eq!(answers.len(), good_units().len());
        answers
    })
}

#[track_caller]
fn check(machine: Machine, options: &[&str], more: &dyn Fn(&Place, &mut Command)) {
    for compact in [false, true] {
        let place = Place::new();
        machine.host(&place);
        let answers = work(&place, machine, options, compact, &|compile| {
            if machine == Machine::Wine {
                compile.arg("--host-library").arg(import_library(&place));
            }
            more(&place, compile);
        });
        assert_eq!(&answers, reference(), "{options:?}, compact: {compact}");
    }
}

/// A folder with what an SDK would have, for `LIB`.
fn runtime(place: &Place) -> PathBuf {
    let dir = place.join("sdk");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("runtime.c"), RUNTIME).unwrap();
    let clang = |args: &[&str]| {
        run(Command::new("clang-19").args(["--target=x86_64-pc-windows-msvc", "-O2"]).args(args).current_dir(&dir), 0);
    };
    clang(&["-fno-builtin", "-c", "runtime.c", "-o", "runtime.obj"]);
    fs::write(dir.join("nothing.c"), "").unwrap();
    clang(&["-c", "nothing.c", "-o", "nothing.obj"]);
    for (object, library) in [("runtime.obj", "msvcrt.lib"), ("nothing.obj", "oldnames.lib")] {
        let out = format!("-out:{library}");
        run(Command::new("lld-link-19").args(["-lib", &out, object]).current_dir(&dir), 0);
    }
    dir
}

fn with_runtime(place: &Place, compile: &mut Command) {
    compile.env("LIB", runtime(place));
}

fn nothing_more(_: &Place, _: &mut Command) {}

#[test]
fn gcc() {
    need!("gcc");
    check(Machine::Here, &["--cc", "gcc"], &nothing_more);
}

#[test]
fn clang() {
    need!("gcc", "clang-19");
    check(Machine::Here, &["--cc", "clang-19"], &nothing_more);
}

#[test]
fn mingw() {
    need!("gcc", MINGW, "wine");
    check(Machine::Wine, &["--target", "x86_64-pc-windows-gnu"], &nothing_more);
}

#[test]
fn mingw_without_optimisation() {
    need!("gcc", MINGW, "wine");
    check(Machine::Wine, &["--target", "x86_64-pc-windows-gnu", "-O0"], &nothing_more);
}

#[test]
fn clang_for_mingw() {
    need!("gcc", MINGW, "wine", "clang-19", "ld.lld-19");
    check(Machine::Wine, &["--cc", "clang-19", "--target", "x86_64-pc-windows-gnu"], &nothing_more);
}

#[test]
fn clang_cl() {
    need!("gcc", MINGW, "wine", "clang-19", "lld-link-19");
    let words = ["--cc", "clang-19 --driver-mode=cl", "--target", "x86_64-pc-windows-msvc"];
    check(Machine::Wine, &words, &with_runtime);
}

#[test]
fn aarch64() {
    need!("gcc", AARCH64, "qemu-aarch64");
    check(Machine::Qemu, &["--target", "aarch64-linux-gnu"], &nothing_more);
}

/// What cannot be made to work is told when it is loaded, and the host lives on.
#[test]
fn a_variable_out_of_reach_is_no_library_and_no_end_of_the_host() {
    need!(MINGW, "wine");
    let place = Place::new();
    let host = Machine::Wine.host(&place);
    // References of 32 bits, which do not reach from one image to another.
    let words =
        ["--target", "x86_64-pc-windows-gnu", "--cflag=-mcmodel=small", "--host-library", &import_library(&place)];
    run(&mut place.compile(&words, &[fixture("linked/host_symbols.c"), fixture_units()[0].clone()]), 0);
    let call = ["./host_symbols.dll", "linked_host", "--", "./unit_01_fib.dll", "vm_unit_fib"].map(str::to_owned);
    let said = wine::run(&host, &call, &place.out());
    assert_eq!((said.code, said.stdout.trim_end()), (Some(1), "vm_unit_fib=6765"), "{said:?}");
    assert!(said.stderr.contains("cannot load ./host_symbols.dll"), "{said:?}");
}

/// Microsoft's PCH is a family: as long as it lives, what belongs to it does.
#[test]
fn the_companions_of_a_pch_stay_with_it() {
    need!("clang-19", "lld-link-19");
    let place = Place::new();
    let words = ["--cc", "clang-19 --driver-mode=cl --target=x86_64-pc-windows-msvc", "--ldflag=-NODEFAULTLIB", "-v"];
    let object = place.out().join(".mjit-cc/pch/vm.obj");
    let unit = [fixture_units()[0].clone()];
    let build = || text(&run(&mut place.compile(&words, &unit), 0).stderr);
    assert!(build().contains("vm.pch: built"));
    assert!(object.exists());
    assert!(build().contains("vm.pch: reused"));
    remove(&object);
    assert!(build().contains("vm.pch: built"), "without its object it is worth nothing");
    assert!(object.exists());
}

fn remove(path: &Path) {
    fs::remove_file(path).unwrap();
}
