//! Which compiler is taken: what was asked for before what the environment says before what is usual, by what a program is and
//! not by its name.

#![cfg(unix)]

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::compile::{Place, executable, fields, unit};
use crate::support::{need, run, text};

/// A directory of a test's own with a unit, and a folder of programs beside it.
struct Machine {
    place: Place,
}

impl Machine {
    /// With these programs, the machine's own.
    fn new(programs: &[&str]) -> Self {
        let place = Place::new();
        place.write("u.c", unit("u", 1));
        fs::create_dir(place.join("bin")).unwrap();
        let machine = Self { place };
        programs.iter().for_each(|name| machine.link(name, name));
        machine
    }

    /// A program of the machine's under a name in `bin`.
    fn link(&self, name: &str, program: &str) {
        let real = fs::canonicalize(which::which(program).unwrap()).unwrap();
        symlink(real, self.bin().join(name)).unwrap();
    }

    /// A script in `bin`.
    fn script(&self, name: &str, lines: &str) -> PathBuf {
        self.place.write(&format!("bin/{name}"), format!("#!/bin/sh\n{lines}\n"));
        executable(&self.bin().join(name));
        self.bin().join(name)
    }

    fn bin(&self) -> PathBuf {
        self.place.join("bin")
    }

    /// `compile` where `bin` is the whole `PATH`.
    fn compile(&self, words: &[&str]) -> Command {
        let mut command = self.place.tool(&["compile", "-v", "u.c"]);
        command.env("PATH", self.bin()).args(words);
        command
    }

    /// `compile` where `bin` comes before all that the machine has.
    fn compile_behind(&self, words: &[&str]) -> Command {
        let mut path = OsString::from(self.bin());
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap());
        let mut command = self.compile(words);
        command.env("PATH", path);
        command
    }

    /// What a compiler in `bin` is called in messages.
    fn shown(&self, name: &str) -> String {
        format!("({})", self.bin().join(name).display())
    }
}

/// The compiler that a successful run took, as `-v` shows it.
#[track_caller]
fn chosen(command: &mut Command) -> String {
    let said = text(&run(command, 0).stderr);
    let line = said.lines().find_map(|line| line.strip_prefix("compiler: "));
    line.unwrap_or_else(|| panic!("no compiler in {said}")).to_owned()
}

/// The end of a run without a compiler.
#[track_caller]
fn refused(command: &mut Command) -> String {
    let output = run(command, 3);
    assert_eq!(text(&output.stdout), "");
    text(&output.stderr)
}

#[test]
fn the_option_beats_cc_and_cc_beats_path() {
    need!("gcc", "clang", "tcc");
    let machine = Machine::new(&["gcc", "clang", "tcc", "as", "ld"]);
    machine.link("cc", "gcc");
    let shown = chosen(machine.compile(&["--cc", "tcc"]).env("CC", "clang"));
    assert!(shown.starts_with("tcc ") && shown.ends_with(&machine.shown("tcc")), "{shown}");
    let shown = chosen(machine.compile(&[]).env("CC", "clang"));
    assert!(shown.starts_with("clang ") && shown.ends_with(&machine.shown("clang")), "{shown}");
    let shown = chosen(&mut machine.compile(&[]));
    assert!(shown.starts_with("gcc ") && shown.ends_with(&machine.shown("cc")), "{shown}");
    let shown = chosen(machine.compile(&[]).env("CC", ""));
    assert!(shown.ends_with(&machine.shown("cc")), "{shown}");
}

#[test]
fn without_cc_gcc_is_taken_and_without_gcc_clang() {
    need!("gcc", "clang");
    let machine = Machine::new(&["gcc", "clang", "as", "ld"]);
    let shown = chosen(&mut machine.compile(&[]));
    assert!(shown.ends_with(&machine.shown("gcc")), "{shown}");
    fs::remove_file(machine.bin().join("gcc")).unwrap();
    let shown = chosen(&mut machine.compile(&[]));
    assert!(shown.ends_with(&machine.shown("clang")), "{shown}");
}

#[test]
fn a_compiler_is_what_it_says_it_is_whatever_its_name() {
    need!("gcc", "clang");
    let machine = Machine::new(&["as", "ld"]);
    machine.link("cc", "clang");
    machine.link("clang", "gcc");
    machine.link("gcc", "clang");
    machine.place.write("h.h", "#define ONE 1\n");
    // With a header, since the wrong family's words for a PCH would fail.
    let shown = chosen(&mut machine.compile(&["--header", "h.h"]));
    assert!(shown.starts_with("clang ") && shown.ends_with(&machine.shown("cc")), "{shown}");
    let shown = chosen(&mut machine.compile(&["--header", "h.h", "--cc", "clang"]));
    assert!(shown.starts_with("gcc "), "{shown}");
    let shown = chosen(machine.compile(&["--toolchain", "gcc"]).env("CC", "clang"));
    assert!(shown.starts_with("gcc ") && shown.ends_with(&machine.shown("clang")), "{shown}");
}

#[test]
fn words_of_cc_go_with_every_command() {
    need!("gcc");
    let machine = Machine::new(&["as", "ld"]);
    let log = machine.place.join("log");
    let gcc = which::which("gcc").unwrap();
    machine.script("my-cc", &format!("echo \"$@\" >>{}\nexec {} \"$@\"", log.display(), gcc.display()));
    machine.place.write("h.h", "#define ONE 1\n");
    run(machine.compile(&["--header", "h.h"]).env("CC", "my-cc -m64 '-DTWO=a b'"), 0);
    let log = fs::read_to_string(log).unwrap();
    assert!(log.lines().count() >= 4, "{log}");
    assert!(log.lines().all(|line| line.starts_with("-m64 -DTWO=a b ")), "{log}");
}

#[test]
fn a_path_with_spaces_is_one_word_where_such_a_file_exists() {
    need!("gcc");
    let machine = Machine::new(&["as", "ld"]);
    fs::create_dir(machine.place.join("my compilers")).unwrap();
    let path = machine.place.join("my compilers/the gcc");
    symlink(which::which("gcc").unwrap(), &path).unwrap();
    let shown = format!("({})", path.display());
    let plain = path.to_str().unwrap();
    assert!(chosen(&mut machine.compile(&["--cc", plain])).ends_with(&shown));
    assert!(chosen(machine.compile(&[]).env("CC", plain)).ends_with(&shown));
    assert!(chosen(&mut machine.compile(&["--cc", &format!("'{plain}' -m64")])).ends_with(&shown));
    let relative = chosen(&mut machine.compile(&["--cc", "./my compilers/the gcc"]));
    assert!(relative.starts_with("gcc ") && relative.ends_with("my compilers/the gcc)"), "{relative}");
}

#[test]
fn ccache_before_the_compiler_is_left_out() {
    need!("gcc");
    for launcher in ["ccache", "sccache", "distcc"] {
        let machine = Machine::new(&["gcc", "as", "ld"]);
        let path = machine.script(launcher, "echo the launcher was called >&2; exit 1");
        // With the option there is nothing to fall back on.
        for words in [format!("{launcher} gcc -m64"), format!("{} gcc", path.display())] {
            let shown = chosen(&mut machine.compile(&["--cc", &words]));
            assert!(shown.ends_with(&machine.shown("gcc")), "{shown}");
            let shown = chosen(machine.compile(&[]).env("CC", &words));
            assert!(shown.ends_with(&machine.shown("gcc")), "{shown}");
        }
    }
}

#[test]
fn names_that_are_links_to_ccache_are_passed_over() {
    need!("gcc", "clang");
    let machine = Machine::new(&[]);
    machine.script("ccache", "echo ccache was called >&2; exit 1");
    for name in ["cc", "gcc", "clang"] {
        symlink("ccache", machine.bin().join(name)).unwrap();
    }
    for (words, family) in [(&[] as &[&str], "gcc "), (&["--cc", "gcc"], "gcc "), (&["--toolchain", "clang"], "clang ")]
    {
        let shown = chosen(&mut machine.compile_behind(words));
        assert!(shown.starts_with(family) && !shown.contains(&*machine.bin().to_string_lossy()), "{shown}");
    }
}

#[test]
fn programs_that_are_no_compilers_are_refused_with_what_they_said() {
    let machine = Machine::new(&[]);
    let mute = machine.script("mute", "exit 0");
    let said = refused(&mut machine.compile(&["--cc", mute.to_str().unwrap()]));
    assert!(said.contains(&format!("\n  {}: it is not one of the supported C compilers", mute.display())), "{said}");

    let failing = machine.script("failing", "echo; echo my licence has expired >&2; exit 7");
    let said = refused(machine.compile(&[]).env("CC", &failing));
    assert!(said.starts_with("error: no working C compiler\n"), "{said}");
    let line = format!("\n  {}: cannot preprocess C (exit code 7): my licence has expired\n", failing.display());
    assert!(said.contains(&line), "{said}");

    machine.place.write("bin/text", "not a program");
    let said = refused(&mut machine.compile(&["--cc", machine.bin().join("text").to_str().unwrap()]));
    assert!(said.contains("bin/text: "), "{said}");
    assert!(!machine.place.join("out").exists());
}

#[test]
fn cc_that_does_not_work_gives_way_to_a_usual_compiler_and_the_option_does_not() {
    need!("gcc");
    let machine = Machine::new(&["gcc", "as", "ld"]);
    let shown = chosen(machine.compile(&[]).env("CC", "no-such-compiler"));
    assert!(shown.ends_with(&machine.shown("gcc")), "{shown}");
    let said = refused(&mut machine.compile(&["--cc", "no-such-compiler"]));
    assert!(said.contains("\n  no-such-compiler: not found on PATH\n"), "{said}");
}

#[test]
fn without_any_compiler_it_says_what_was_tried_and_how_to_install_one() {
    let machine = Machine::new(&[]);
    let said = refused(&mut machine.compile(&[]));
    assert_eq!(said, "error: no working C compiler\n  cc, gcc, clang: not found on PATH\n");
    // Debian's package manager, which is asked nothing.
    machine.script("apt-get", "exit 1");
    for (words, hint) in [
        (&[] as &[&str], "apt-get install gcc libc6-dev"),
        (&["--toolchain", "clang"], "apt-get install clang"),
        (&["--toolchain", "tcc"], "apt-get install tcc"),
        (&["--toolchain", "mingw"], "apt-get install gcc-mingw-w64-x86-64"),
        (&["--target", "x86_64-w64-mingw32"], "apt-get install gcc-mingw-w64-x86-64"),
        (&["--target", "i686-w64-mingw32"], "apt-get install gcc-mingw-w64-i686"),
        (&["--target", "x86_64-linux-musl"], "apt-get install musl-tools"),
        (&["--target", "aarch64-linux-gnu"], "apt-get install gcc-aarch64-linux-gnu"),
        (&["--target", "x86_64-pc-windows-msvc"], "apt-get install clang lld"),
        (&["--target", "arm64-apple-macos"], "apt-get install clang lld"),
        (&["--target", "x86_64-freebsd"], "apt-get install clang lld"),
        (&["--target", "x86_64-openbsd"], "apt-get install clang lld"),
        (&["--target", "x86_64-netbsd"], "apt-get install clang lld"),
    ] {
        let said = refused(&mut machine.compile(words));
        assert!(said.ends_with(&format!("\n  to install one: {hint}\n")), "{words:?}: {said}");
    }
}

#[test]
fn a_kind_of_compiler_is_found_wherever_it_hides() {
    need!("gcc", "clang-19", "tcc", "x86_64-w64-mingw32-gcc");
    let machine = Machine::new(&["gcc", "tcc", "clang-19", "x86_64-w64-mingw32-gcc", "as", "ld"]);
    for (kind, family, program) in [
        ("gcc", "gcc ", "gcc"),
        ("clang", "clang 19", "clang-19"),
        ("tcc", "tcc ", "tcc"),
        ("mingw", "gcc ", "x86_64-w64-mingw32-gcc"),
    ] {
        let mut command = machine.compile(&["--toolchain", kind, "--out-dir", kind]);
        let shown = chosen(&mut command);
        assert!(shown.starts_with(family) && shown.ends_with(&machine.shown(program)), "{shown}");
    }
    let said = refused(machine.compile(&["--toolchain", "clang", "--cc", "gcc"]).env("CC", "tcc"));
    assert!(said.contains("\n  gcc: is gcc ") && said.contains(", not clang\n"), "{said}");
}

#[test]
fn a_windows_target_gives_dlls() {
    need!("x86_64-w64-mingw32-gcc");
    let machine = Machine::new(&[]);
    machine.place.write("h.h", "#define EXPORT __declspec(dllexport)\n");
    machine.place.write("u.c", "EXPORT int u(void) { return 1; }\n");
    for target in ["x86_64-w64-mingw32", "x86_64-pc-windows-gnu"] {
        for (more, library) in [(&[] as &[&str], "u.dll"), (&["--compact"], "units.dll")] {
            let words = [&["--target", target, "--header", "h.h"], more].concat();
            let shown = chosen(&mut machine.compile_behind(&words));
            assert!(shown.contains(" for x86_64-windows-gnu "), "{shown}");
            let out = machine.place.join("out");
            assert_eq!(fields(&out, "library"), [library]);
            assert_eq!(fields(&out, "symbols")[0], serde_json::json!(["u"]));
            assert!(fs::read(out.join(library)).unwrap().starts_with(b"MZ"));
        }
    }
}

#[test]
fn a_target_of_another_processor_is_compiled_for() {
    need!("aarch64-linux-gnu-gcc");
    let machine = Machine::new(&[]);
    let shown = chosen(&mut machine.compile_behind(&["--target", "aarch64-linux-gnu"]));
    assert!(shown.contains(" for aarch64-linux-gnu "), "{shown}");
    assert_eq!(machine_of(&machine.place.join("out/u.so")), EM_AARCH64);
}

const EM_AARCH64: u16 = 183;

/// Whom an ELF file's code is for.
fn machine_of(library: &Path) -> u16 {
    let bytes = fs::read(library).unwrap();
    assert_eq!(&bytes[..4], b"\x7fELF");
    u16::from_le_bytes([bytes[18], bytes[19]])
}

#[test]
fn a_compiler_for_another_target_is_not_taken_for_this_one() {
    need!("gcc");
    let machine = Machine::new(&["gcc", "as", "ld"]);
    let said = refused(&mut machine.compile(&["--target", "aarch64-linux-gnu"]));
    assert!(said.contains("\n  gcc: is gcc ") && said.contains(", not for aarch64-linux-gnu\n"), "{said}");
    let output = run(&mut machine.compile(&["--target", "pdp11-dec-bsd"]), 2);
    assert!(text(&output.stderr).contains("pdp11"), "{}", text(&output.stderr));
}

#[test]
fn a_compiler_that_crashes_gives_way_to_the_next() {
    need!("gcc");
    let machine = Machine::new(&["gcc", "as", "ld"]);
    machine.script("cc", "kill -9 $$");
    let shown = chosen(&mut machine.compile(&[]));
    assert!(shown.ends_with(&machine.shown("gcc")), "{shown}");
    fs::remove_file(machine.bin().join("gcc")).unwrap();
    let said = refused(&mut machine.compile(&[]));
    assert!(said.contains("\n  cc: cannot preprocess C (signal 9): no output\n"), "{said}");
}
