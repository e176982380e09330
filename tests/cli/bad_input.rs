//! What users and machines get wrong: each mishap has clear words and an exit code, and nothing good is lost to it.

use std::fs;
#[cfg(unix)]
use std::path::PathBuf;
use std::process::Command;

use super::processes::Place;
#[cfg(unix)]
use crate::support;
use crate::support::{fixture, has, need, report, run, statuses, text};

/// Builds `first.c UNIT last.c` with -k, where UNIT is no unit, and insists on what is said of it.
fn is_refused(place: &Place, mut command: Command, words: &str) {
    place.units(&["first", "last"]);
    let output = run(&mut command, 1);
    let said = text(&output.stderr);
    assert!(said.lines().any(|line| line == format!("error: {words}")), "{said}");
    assert!(said.contains("2 built, 1 failed"), "{said}");
    assert_eq!(statuses(&place.out()), ["built", "failed", "built"]);
    let error = report(&place.out())["units"][1]["error"].clone();
    assert!(words.ends_with(error.as_str().unwrap()), "{error}");
    place.has_function("first", "first");
    place.has_function("last", "last");
}

#[test]
fn a_unit_that_is_missing() {
    need!("gcc");
    let place = Place::new();
    is_refused(&place, place.compile("-k first.c missing.c last.c"), "missing.c: no such file");
}

#[test]
fn a_unit_in_a_folder_that_is_missing() {
    need!("gcc");
    let place = Place::new();
    is_refused(&place, place.compile("-k first.c nowhere/unit.c last.c"), "nowhere/unit.c: no such file");
}

#[test]
fn a_unit_that_is_empty() {
    need!("gcc");
    let place = Place::new();
    place.write("blank.c", " \n\n");
    let words = "blank.c: is empty; a unit defines at least one function";
    is_refused(&place, place.compile("-k first.c blank.c last.c"), words);
}

#[test]
fn a_unit_that_is_binary() {
    need!("gcc");
    let place = Place::new();
    place.write("data.c", b"\x7fELF\x02\x01\x01\0\0\0");
    let words = "data.c: is not C text: byte 7 is NUL; was an object or a library meant?";
    is_refused(&place, place.compile("-k first.c data.c last.c"), words);
}

#[test]
fn a_unit_that_is_a_directory() {
    need!("gcc");
    let place = Place::new();
    fs::create_dir(place.path("folder")).unwrap();
    let words = "folder: is a directory; name the C files in it, such as folder/*.c";
    is_refused(&place, place.compile("-k first.c folder last.c"), &words.replace('/', std::path::MAIN_SEPARATOR_STR));
}

#[test]
#[cfg(unix)]
fn a_unit_that_may_not_be_read() {
    need!("gcc");
    let place = Place::new();
    place.units(&["secret"]);
    mode(&place.path("secret.c"), 0o000);
    let Some(tool) = without_privileges() else { return };
    let words = "secret.c: cannot be read: Permission denied (os error 13)";
    is_refused(&place, place.steered(tool, "-k first.c secret.c last.c"), words);
}

#[cfg(unix)]
fn mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// The tool for whom permissions count, root or not; nothing where that cannot be had, which it says.
#[cfg(unix)]
fn without_privileges() -> Option<Command> {
    let tool = support::mjit_cc();
    if !rustix::process::geteuid().is_root() {
        return Some(tool);
    }
    if !has("setpriv") {
        return None;
    }
    let mut command = Command::new("setpriv");
    command.arg("--bounding-set=-dac_override,-dac_read_search");
    let allowed = command.arg("true").status().unwrap().success();
    if !allowed {
        support::skip("root that may not give up its privileges");
        return None;
    }
    let mut command = Command::new("setpriv");
    command.arg("--bounding-set=-dac_override,-dac_read_search").arg(tool.get_program());
    Some(command)
}

#[test]
fn a_pattern_that_matches_nothing_is_a_usage_error() {
    need!("gcc");
    let place = Place::new();
    place.units(&["first"]);
    let output = run(&mut place.compile("first.c none*.c"), 2);
    assert_eq!(text(&output.stderr), "error: no file matches 'none*.c'\n");
    assert!(!place.out().exists());
    let output = run(&mut place.compile("first.c none[.c"), 2);
    assert!(text(&output.stderr).contains("none[.c"), "{}", text(&output.stderr));
}

#[test]
fn a_unit_that_is_named_twice_is_compiled_once() {
    need!("gcc");
    let place = Place::new();
    place.units(&["first"]);
    run(&mut place.compile("first.c ./first.c fir*.c --compact"), 0);
    assert_eq!(statuses(&place.out()), ["built"]);
    place.has_function("units", "first");
}

/// Each compiler that is here says what it always says, of the user's file and line and not of the temporary source.
#[test]
fn an_error_is_told_by_the_compiler_in_terms_of_the_user_s_file() {
    need!("gcc");
    for compiler in ["gcc", "clang-14", "clang-19", "tcc", "x86_64-w64-mingw32-gcc"] {
        if !has(compiler) {
            continue;
        }
        for header in [false, true] {
            let place = Place::new();
            place.write("bad.c", "int good(void) { return 1; }\nint\nbad(void)\n{\n    return zork;\n}\n");
            let words = if header { " --header vm.h" } else { "" };
            fs::copy(fixture("vm.h"), place.path("vm.h")).unwrap();
            let output = run(&mut place.compile(&format!("bad.c --cc {compiler}{words}")), 1);
            let said = text(&output.stderr);
            assert!(said.lines().any(|line| line.starts_with("bad.c:5:") && line.contains("error: ")), "{said}");
            assert!(said.contains("error: bad.c: the compiler failed (exit code 1)"), "{said}");
            assert_eq!(place.files().iter().filter(|file| file.contains("bad")).count(), 0);
            assert!(!place.files().iter().any(|file| file.ends_with(".o")), "{:?}", place.files());
        }
    }
}

#[test]
fn an_error_in_a_fixture_is_told_with_its_line() {
    need!("gcc");
    let place = Place::new();
    let mut command = place.compile("");
    command.arg(fixture("bad/syntax_error.c")).arg("--header").arg(fixture("vm.h"));
    let said = text(&run(&mut command, 1).stderr);
    let start = format!("{}:7:", fixture("bad/syntax_error.c").display());
    assert!(said.lines().any(|line| line.starts_with(&start) && line.contains(" error: ")), "{said}");
}

#[test]
fn the_first_failure_stops_the_others() {
    need!("gcc");
    let place = Place::new();
    place.units(&["first", "last"]);
    place.write("bad.c", "int bad(void) { return 1 + ; }\n");
    let said = text(&run(&mut place.compile("first.c bad.c last.c"), 1).stderr);
    assert!(said.contains("1 built, 1 failed, 1 skipped"), "{said}");
    assert_eq!(statuses(&place.out()), ["built", "failed", "skipped"]);
    let files = place.files();
    assert!(!files.iter().any(|file| file.contains("bad") || file.contains("last")), "{files:?}");
    assert_eq!(files.iter().filter(|file| file.ends_with(".o")).count(), 1, "{files:?}");
    place.has_function("first", "first");
}

#[test]
fn with_k_a_failure_stops_nobody() {
    need!("gcc");
    let place = Place::new();
    place.units(&["first", "last"]);
    place.write("bad.c", "int bad(void) { return 1 + ; }\n");
    run(&mut place.compile("-k first.c bad.c last.c"), 1);
    assert_eq!(statuses(&place.out()), ["built", "failed", "built"]);
    place.has_function("first", "first");
    place.has_function("last", "last");

    run(&mut place.compile("-k first.c bad.c last.c --compact"), 1);
    assert_eq!(statuses(&place.out()), ["reused", "failed", "reused"]);
    place.has_function("units", "first");
    place.has_function("units", "last");
}

#[test]
fn without_k_a_failure_leaves_no_library_of_all() {
    need!("gcc");
    let place = Place::new();
    place.units(&["first", "last"]);
    place.write("bad.c", "int bad(void) { return 1 + ; }\n");
    run(&mut place.compile("first.c last.c bad.c --compact"), 1);
    assert_eq!(statuses(&place.out()), ["skipped", "skipped", "failed"]);
    assert!(!place.files().iter().any(|file| file.starts_with("units.") && file != "units.json"));
}

#[test]
fn two_units_that_define_the_same_symbol_are_both_named() {
    need!("gcc");
    let place = Place::new();
    place.units(&["other"]);
    for twin in ["twin_a.c", "twin_b.c"] {
        fs::copy(fixture("bad").join(twin), place.path(twin)).unwrap();
    }
    fs::copy(fixture("vm.h"), place.path("vm.h")).unwrap();
    let words = "twin_a.c twin_b.c other.c --header vm.h";
    let said = text(&run(&mut place.compile(&format!("{words} --compact")), 1).stderr);
    let message = "error: twin_b.c: defines _vmjit_twin, which twin_a.c defines too\n\
                   help: rename one of the symbols, or build without --compact\n";
    assert!(said.contains(message), "{said}");
    assert_eq!(statuses(&place.out()), ["skipped", "failed", "skipped"]);

    let said = text(&run(&mut place.compile(&format!("{words} --compact -k")), 1).stderr);
    assert!(said.contains(message), "{said}");
    assert_eq!(statuses(&place.out()), ["reused", "failed", "reused"]);
    assert_eq!(report(&place.out())["units"][0]["symbols"][0], "_vmjit_twin");

    run(&mut place.compile(words), 0);
    assert_eq!(statuses(&place.out()), ["reused"; 3]);
}

#[test]
fn an_out_dir_that_is_a_file() {
    need!("gcc");
    let place = Place::new();
    place.units(&["first"]);
    place.write("out", "precious");
    let said = text(&run(&mut place.compile("first.c"), 4).stderr);
    assert!(said.contains(&format!("cannot create {}", place.out().display())), "{said}");
    assert_eq!(fs::read(place.out()).unwrap(), b"precious");
}

#[test]
#[cfg(unix)]
fn an_out_dir_that_may_not_be_written_to() {
    need!("gcc");
    let place = Place::new();
    place.units(&["first"]);
    fs::create_dir(place.out()).unwrap();
    mode(&place.out(), 0o555);
    let Some(tool) = without_privileges() else { return };
    let said = text(&run(&mut place.steered(tool, "first.c"), 4).stderr);
    assert!(said.contains(&format!("cannot create {}", place.out().display())), "{said}");
    assert!(said.contains("Permission denied"), "{said}");
    assert_eq!(place.files(), [""; 0]);
}

/// Built once, then made read-only: what is there stays.
#[test]
#[cfg(unix)]
fn an_out_dir_that_became_read_only_keeps_what_it_has() {
    need!("gcc");
    let place = Place::new();
    place.units(&["first"]);
    run(&mut place.compile("first.c"), 0);
    let before = place.files();
    for part in ["out", "out/.mjit-cc", "out/.mjit-cc/objects", "out/.mjit-cc/libraries", "out/.mjit-cc/pch"] {
        mode(&place.path(part), 0o555);
    }
    let Some(tool) = without_privileges() else { return };
    let said = text(&run(&mut place.steered(tool, "first.c -O1"), 4).stderr);
    assert!(said.contains("Permission denied") && said.contains(&place.out().display().to_string()), "{said}");
    for part in ["out", "out/.mjit-cc"] {
        mode(&place.path(part), 0o755);
    }
    let lost: Vec<_> = before.into_iter().filter(|file| !place.files().contains(file)).collect();
    assert_eq!(lost, [""; 0]);
    place.has_function("first", "first");
}

/// A file system of a given size; only root can have one.
#[cfg(target_os = "linux")]
struct SmallDisk(PathBuf);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn new(at: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&at).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            support::skip("a small disk wants the right to mount one");
            return None;
        }
        Some(Self(at))
    }

    fn grow(&self, size: &str) {
        let mut mount = Command::new("mount");
        run(mount.args(["-o", &format!("remount,size={size}")]).arg(&self.0), 0);
    }

    /// Leaves no room at all.
    fn fill(&self) {
        let full = fs::write(self.0.join("filler"), vec![1; 1 << 20]).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[cfg(target_os = "linux")]
const FULL: &str = "help: the disk is full: make room and run again; what was built is kept\n";

/// Units of which one with its library fits where three do not.
#[cfg(target_os = "linux")]
fn big_units(place: &Place) {
    for name in ["first", "second", "third"] {
        let text = format!("const char {name}_data[100000] = {{1}};\nint {name}(void) {{ return {name}_data[0]; }}\n");
        place.write(&format!("{name}.c"), text);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn what_was_built_before_the_disk_was_full_is_kept() {
    need!("gcc");
    let place = Place::new();
    big_units(&place);
    let Some(disk) = SmallDisk::new(place.out(), "300k") else { return };
    let said = text(&run(&mut place.compile("-k first.c second.c third.c"), 1).stderr);
    assert!(said.contains("No space left on device") && said.contains(FULL), "{said}");
    assert_eq!(statuses(&place.out()), ["built", "failed", "failed"]);
    place.has_function("first", "first");
    let files = place.files();
    assert!(!files.iter().any(|file| file.contains("second") || file.contains("/tmp/")), "{files:?}");

    disk.grow("2m");
    run(&mut place.compile("-k first.c second.c third.c"), 0);
    assert_eq!(statuses(&place.out()), ["reused", "built", "built"]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_library_that_finds_no_room_leaves_the_one_that_is_there_whole() {
    need!("gcc");
    for (linker, words, code) in [("driver", "units.so: the linker failed", 4), ("wild", "units.so: cannot write ", 4)]
    {
        let place = Place::new();
        big_units(&place);
        place.units(&["small"]);
        let Some(_disk) = SmallDisk::new(place.out(), "400k") else { return };
        let compile = |units: &str| place.compile(&format!("{units} --compact -k --linker {linker}"));
        run(&mut compile("small.c"), 0);
        let before = fs::read(place.out().join("units.so")).unwrap();
        let said = text(&run(&mut compile("first.c second.c"), code).stderr);
        assert!(said.contains(words) && said.contains(FULL), "{said}");
        assert_eq!(fs::read(place.out().join("units.so")).unwrap(), before);
        place.has_function("units", "small");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_disk_without_any_room_is_told_as_such() {
    need!("gcc");
    let place = Place::new();
    place.units(&["first"]);
    let Some(disk) = SmallDisk::new(place.out(), "64k") else { return };
    disk.fill();
    let said = text(&run(&mut place.compile("first.c"), 4).stderr);
    // Of the unit, and of the report in the end.
    assert!(said.contains("units.json: No space left on device") && said.ends_with(FULL), "{said}");
}

/// A full temporary directory is neither the unit's fault nor the compiler's.
#[test]
#[cfg(target_os = "linux")]
fn a_temporary_directory_without_any_room_is_told_as_such() {
    need!("gcc");
    let place = Place::new();
    place.units(&["first"]);
    let Some(disk) = SmallDisk::new(place.path("full"), "64k") else { return };
    disk.fill();
    let output = place.compile("first.c").env("TMPDIR", place.path("full")).output().unwrap();
    let said = text(&output.stderr);
    assert!(said.contains(place.path("full").to_str().unwrap()), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    assert!(!said.contains("to install"), "no compiler is missing: {said}");
    // It may have found room elsewhere.
    assert!(matches!(output.status.code(), Some(0 | 4)), "{}: {said}", output.status);
}

#[test]
fn a_header_that_is_missing_is_named() {
    need!("gcc");
    let place = Place::new();
    place.units(&["first"]);
    let said = text(&run(&mut place.compile("first.c --header missing.h"), 1).stderr);
    assert!(said.contains(&format!("cannot read {}", place.path("missing.h").display())), "{said}");
    let said = text(&run(&mut place.compile("first.c --pch missing.pch.gch"), 1).stderr);
    assert!(said.contains("cannot read missing.pch.gch"), "{said}");
}

#[test]
fn an_error_in_the_header_is_told_once_by_the_compiler() {
    need!("gcc");
    for compiler in ["gcc", "clang-14", "clang-19", "tcc"] {
        if !has(compiler) {
            continue;
        }
        let place = Place::new();
        place.units(&["first", "last"]);
        place.write("vm.h", "typedef int word;\nnonsense x;\n");
        let said = text(&run(&mut place.compile(&format!("first.c last.c --header vm.h --cc {compiler}")), 1).stderr);
        assert!(said.contains(&format!("{} does not compile", place.path("vm.h").display())), "{said}");
        let lines = said.lines().filter(|line| line.contains("vm.h:2:") && line.contains("error: "));
        assert_eq!(lines.count(), 1, "{said}");
        assert!(!said.contains("first.c"), "{said}");
        assert_eq!(place.files().iter().filter(|file| file.contains(".o")).count(), 0);
    }
}

#[test]
fn a_compiler_that_crashes_costs_one_unit() {
    need!("gcc");
    let place = Place::new();
    place.units(&["first", "fatal", "last"]);
    let said = text(&run(&mut place.with_mischief("crash", "fatal.c", "first.c fatal.c last.c -k"), 1).stderr);
    if cfg!(unix) {
        assert!(said.contains("error: fatal.c: the compiler crashed (signal 6)\nhelp: "), "{said}");
    }
    assert_eq!(statuses(&place.out()), ["built", "failed", "built"]);
    place.has_function("first", "first");
    place.has_function("last", "last");
}

#[test]
fn a_compiler_that_dies_halfway_leaves_no_half_file() {
    need!("gcc");
    let library = format!("u1-half{}", std::env::consts::DLL_SUFFIX);
    for (when, phase) in [("half.c", "compiler"), (&*library, "linker")] {
        let place = Place::new();
        place.units(&["first", "half", "last"]);
        let said = text(&run(&mut place.with_mischief("die-halfway", when, "first.c half.c last.c -k"), 1).stderr);
        assert!(said.contains(&format!("error: half.c: the {phase} failed (exit code 1)")), "{said}");
        assert_eq!(statuses(&place.out()), ["built", "failed", "built"]);
        place.has_function("first", "first");
        place.has_function("last", "last");
        for file in place.files() {
            assert!(!file.contains("half") && !file.contains("/tmp/"), "{:?}", place.files());
        }
        let objects = place.files().iter().filter(|file| file.ends_with(".o")).count();
        assert_eq!(objects, if phase == "compiler" { 2 } else { 3 });
        // Nothing of it is taken for good.
        run(&mut place.with_mischief("slow", "no such unit", "first.c half.c last.c"), 0);
        place.has_function("half", "half");
    }
}

#[test]
fn a_library_of_all_that_dies_halfway_leaves_no_half_file() {
    need!("gcc");
    let place = Place::new();
    place.units(&["first", "last"]);
    let said = text(&run(&mut place.with_mischief("die-halfway", "-shared", "first.c last.c --compact"), 1).stderr);
    assert!(said.contains("the linker failed (exit code 1)"), "{said}");
    let (files, library) = (place.files(), format!("units{}", std::env::consts::DLL_SUFFIX));
    assert!(!files.iter().any(|file| file == &library || file.contains("/tmp/")), "{files:?}");
    assert_eq!(statuses(&place.out()), ["failed", "failed"]);
    run(&mut place.with_mischief("slow", "no such unit", "first.c last.c --compact"), 0);
    place.has_function("units", "last");
}

#[test]
fn a_failed_rebuild_leaves_the_library_that_was_there() {
    need!("gcc");
    for words in ["", "--compact", "-k --compact"] {
        let place = Place::new();
        place.units(&["unit"]);
        run(&mut place.with_mischief("slow", "no such unit", &format!("unit.c {words}")), 0);
        let library = if words.is_empty() { "unit" } else { "units" };
        let path = place.out().join(format!("{library}{}", std::env::consts::DLL_SUFFIX));
        let before = fs::read(&path).unwrap();

        place.write("unit.c", "int unit(void) { return 2 + ; }\n");
        run(&mut place.compile(&format!("unit.c {words}")), 1);
        assert!(fs::read(&path).unwrap() == before, "{words}: after a unit that does not compile");
        place.write("unit.c", "int unit(void) { return 3; }\n");
        for (mischief, when) in [("die-halfway", "unit.c"), ("die-halfway", "-shared"), ("crash", "-shared")] {
            run(&mut place.with_mischief(mischief, when, &format!("unit.c {words}")), 1);
            assert!(fs::read(&path).unwrap() == before, "{words}: after {mischief} at {when}");
            assert_eq!(statuses(&place.out()), ["failed"]);
        }
        place.has_function(library, "unit");
    }
}

#[cfg(unix)]
mod vanishing {
    //! A compiler that is removed while one of its runs hangs, which then ends.

    use super::*;
    use crate::processes::Running;

    /// Runs the words, and takes the compiler away while it hangs at `when`.
    fn run_while_the_compiler_vanishes(place: &Place, when: &str, words: &str) -> String {
        let compiler = place.path("vanishing-cc");
        std::os::unix::fs::symlink(support::fake_cc(), &compiler).unwrap();
        let mut command = place.compile(words);
        command.arg("--cc").arg(&compiler).args(["--linker", "driver"]);
        command.env("FAKE_CC_REAL", "gcc").env("FAKE_CC_LOG", place.path("log"));
        command.env("FAKE_CC_DO", "hang").env("FAKE_CC_WHEN", when);
        let (tool, hanging) = Running::start_hanging(place, command);
        fs::remove_file(&compiler).unwrap();
        hanging.end();
        let (code, said) = tool.end();
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains(&format!("error: cannot start {}", compiler.display())), "{said}");
        assert!(said.contains("check whether it was removed or updated"), "{said}");
        assert_eq!(place.leavings(), Vec::<PathBuf>::new());
        said
    }

    #[test]
    fn a_compiler_that_vanishes_midway_ends_the_run_and_keeps_what_was_built() {
        need!("gcc");
        let place = Place::new();
        place.units(&["first", "second", "third", "fourth"]);
        run_while_the_compiler_vanishes(&place, "second.c", "-k first.c second.c third.c fourth.c");
        // The second was ended by this test, and the third found no compiler.
        assert_eq!(statuses(&place.out()), ["built", "failed", "failed", "skipped"]);
        place.has_function("first", "first");
        run(&mut place.compile("first.c second.c third.c fourth.c"), 0);
    }

    #[test]
    fn a_compiler_that_vanishes_before_the_library_of_all_is_linked() {
        need!("gcc");
        let place = Place::new();
        place.units(&["first", "second"]);
        run_while_the_compiler_vanishes(&place, "second.c", "-k --compact first.c second.c");
        assert_eq!(statuses(&place.out()), ["failed", "failed"]);
        assert_eq!(place.files().iter().filter(|file| file.ends_with(".o")).count(), 1);
    }

    #[test]
    fn a_compiler_that_vanishes_while_it_makes_a_pch() {
        need!("gcc");
        let place = Place::new();
        place.units(&["first"]);
        place.write("vm.h", "typedef int word;\n");
        run_while_the_compiler_vanishes(&place, "c-header", "first.c --header vm.h");
    }
}

#[test]
fn words_that_make_no_sense_are_usage_errors() {
    let place = Place::new();
    place.units(&["first"]);
    for (words, about) in [
        ("", "<UNITS>"),
        ("first.c -j 0", "--jobs"),
        ("first.c -j many", "--jobs"),
        ("first.c --timeout 0", "--timeout"),
        ("first.c --timeout=-1", "--timeout"),
        ("first.c --timeout soon", "--timeout"),
        ("first.c --timeout NaN", "--timeout"),
        ("first.c --target nonsense", "nonsense"),
        ("first.c --toolchain nonsense", "--toolchain"),
        ("first.c -O 7", "-O"),
        ("first.c --message-format xml", "--message-format"),
        ("first.c --header vm.h --pch vm.pch.gch", "--pch"),
        ("first.c -q -v", "--quiet"),
    ] {
        let output = run(&mut place.compile(words), 2);
        let said = text(&output.stderr);
        assert!(said.starts_with("error: ") && said.contains(about), "{words}: {said}");
        assert_eq!(text(&output.stdout), "");
        assert!(!place.out().exists(), "{words}");
    }
}
